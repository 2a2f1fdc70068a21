"""The application as it is, with a log of its stages and of what each of its threads cost: started by ``screens.py``.

Each line of the log is a JSON object with ``at`` (``time.monotonic``, which processes of a machine share), ``stage``
and ``cpu``: seconds of processor time of the threads of the screens, and of all others.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import IO

import psutil

from migrator_tui.migration.guide import Bench, Ends, Guide
from migrator_tui.migration.guide_later import later
from migrator_tui.migration.runner import RunHandle
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.plan import Scope
from migrator_tui.tui.app import MigratorApp

LOOK_EVERY = 0.05
OF_THE_SCREENS = ("MainThread", "textual-input", "textual-output")


def watched(log: IO[str]) -> Guide:
    """The engine; each run that it starts is written down stage by stage."""
    from migrator_tui.migration.live_guide import LiveGuide

    class WatchedGuide(LiveGuide):
        """The engine, watched."""

        def start(self, bench: Bench, scope: Scope, decisions: Decisions) -> RunHandle:
            """Begin a run, and watch it."""
            handle = super().start(bench, scope, decisions)
            threading.Thread(target=watch, args=(handle, log), daemon=True).start()
            return handle

    return WatchedGuide()


def watch(handle: RunHandle, log: IO[str]) -> None:
    """Write a run down, to its end."""
    before = ""
    while True:
        progress = handle.progress()
        active = next((stage.name.value for stage in progress.stages if stage.active), "none")
        stage = progress.waiting_for or ("ended" if handle.outcome() is not None else active)
        if stage != before:
            line = {"at": time.monotonic(), "stage": stage, "rows": progress.rows_done, "cpu": cpu()}
            print(json.dumps(line), file=log, flush=True)
            before = stage
        if stage == "ended":
            return
        time.sleep(LOOK_EVERY)


def cpu() -> tuple[float, float]:
    """Seconds of processor time of the screens' threads and of the others."""
    own = {thread.native_id for thread in threading.enumerate() if thread.name in OF_THE_SCREENS}
    screens = others = 0.0
    for thread in psutil.Process().threads():
        spent = thread.user_time + thread.system_time
        if thread.id in own:
            screens += spent
        else:
            others += spent
    return screens, others


def main() -> int:
    """``watched_app.py SOURCE TARGET DECISIONS LOG [fresh]``: the screens at Connect, both ends filled in."""
    source, target, decisions, log, *fresh = sys.argv[1:]
    decided = Decisions()
    if decisions:
        from migrator_tui.migration import decisions_file

        decided = decisions_file.read(Path(decisions))
    ends = Ends(Path(source), target, Scope(), fresh=bool(fresh), decisions=decided)
    with Path(log).open("a") as file:
        app = MigratorApp(
            later(lambda: watched(file)), folder=Path(source).parent, prepare_demo=lambda _: ends, start_with=ends
        )
        return app.run() or 0


if __name__ == "__main__":
    sys.exit(main())
