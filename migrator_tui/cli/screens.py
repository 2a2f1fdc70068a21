"""Opening the screens. Textual is imported when they are opened, not before."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from migrator_tui.model.errors import ExitCode

if TYPE_CHECKING:
    from migrator_tui.migration.guide import Ends, Guide


def there_is_a_terminal() -> bool:
    """Whether somebody sits before a terminal that can show screens."""
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    return all(stream is not None and stream.isatty() for stream in streams) and os.environ.get("TERM") != "dumb"


def open_home() -> int:
    """Open the screens at Home."""
    return _open(None)


def open_demo(folder: Path) -> int:
    """Open the screens on the sample application, made anew in ``folder``.

    A run of it that was interrupted is not thrown away: Home offers to go on with it.
    """
    from migrator_tui.cli.printing import say
    from migrator_tui.demo.kept_project import SERVER
    from migrator_tui.demo.prepare import prepare
    from migrator_tui.migration.run_folder import all_runs
    from migrator_tui.model.progress import RunStatus

    unfinished = (RunStatus.INTERRUPTED, RunStatus.NEEDS_DECISIONS)
    server = str(folder / SERVER)
    if any(record.embedded_folder == server and record.status in unfinished for record in all_runs()):
        return _open(None)
    say(f"building the sample application in {folder}")
    return _open(prepare(folder))


def _open(start_with: Ends | None) -> int:
    from migrator_tui.cli.ending import interrupts
    from migrator_tui.migration.guide_later import later
    from migrator_tui.tui.app import MigratorApp

    app = MigratorApp(later(_guide), folder=Path.cwd(), prepare_demo=_prepared, start_with=start_with)
    with interrupts(app.end):
        code = app.run()
    return int(code if code is not None else app.return_code or ExitCode.DONE)


def _guide() -> Guide:
    """The engine, which takes longer to import than Home to be painted."""
    from migrator_tui.demo.kept_project import stand_in_beside
    from migrator_tui.migration.live_guide import LiveGuide

    return LiveGuide(stand_in_beside=stand_in_beside)


def _prepared(folder: Path) -> Ends:
    from migrator_tui.demo.prepare import prepare

    return prepare(folder)
