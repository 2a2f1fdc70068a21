"""How the screens feel while the engine works: the real application in a terminal of its own, over the real engine.

Printed are: what ``--version`` and ``--help`` import; whether anything is connected before the first paint; the time
from a key to the paint that answers it, and the processor time of the screens' threads, while a million rows are
staged; and how long each screen takes to open with 2,000 tables. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain, pairwise, repeat
from pathlib import Path
from typing import Any

from terminal import Terminal

from migrator_tui.demo import sample_app
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.server import EmbeddedServer, fresh_database

HERE = Path(__file__).resolve().parent
HEAVY = ("textual", "pyarrow", "supabase")
SMALL_TABLES = 60
"""Beside those of the sample, so that every list is longer than the terminal."""
DATABASE = "migrator_tui_benchmark"
KEY_EVERY = 0.07
"""Seconds from one key to the next, whatever is painted: never in step with the polls."""
KEYS = 300
"""Typed while rows are staged, in as many runs as it takes: a 99th percentile is the worst of a hundred."""
STRIDE = 6
"""Keys one way, before as many go the other way: no list is shorter."""
PAGES = 30

ALL_ORPHANS = "findings:\n  - id: FK-ORPHAN\n    choice: not-valid\n"

SETTLE = 1.0
"""Seconds that a person looks at a screen before the next key: what a screen does once it is there is not counted."""
LOOK_EVERY = 0.02
"""Seconds between two looks into the log of the run."""
ANSWERS = {
    "Compare": re.compile(r"\S [a-z]+(?: [a-z]+)?  ((?:[a-z]+ )+\S+)"),
    "Select": re.compile(r"(\S+): x leaves a column behind"),
    "Review": re.compile(r"\S (?:error|warning|info)  (\S+  (?:.*\n+){3}.*)"),
    "Run": re.compile(r"rows/s +state\s+(?:[▁-█]+\s+)?(\S+) [^\n]* / \d"),
}
"""Screen → what a frame says of the row at the cursor, in full: a key is answered when that is another one. On Run,
which paints by itself as well, it is the first table in sight,
after the scroll bar's edge where that is beside the heading."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run told: stage by stage the seconds, and the share of a core that the screens' threads took."""

    stages: dict[str, tuple[float, float]]
    rows: int
    keys: dict[str, list[float]]


def main() -> int:
    """Measure and print."""
    arguments = _arguments()
    print(f"Textual {version('textual')}, Python {platform.python_version()}, {os.cpu_count()} cores, "
          f"{platform.system()} {platform.machine()}, a terminal of 120x36; "
          f"load {', '.join(f'{load:.1f}' for load in os.getloadavg())}\n", flush=True)  # fmt: skip
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, _stop)
    signal.alarm(arguments.limit)
    folder = Path(tempfile.mkdtemp(prefix="mt-"))
    os.environ["MIGRATOR_TUI_HOME"] = str(folder / "home")
    try:
        _print_imports(arguments.rounds)
        _print_first_paint(folder)
        with EmbeddedServer.start(folder / "pg") as server:
            if "tables" in arguments.only:
                _print_many_tables(folder, server.target(), arguments.tables, arguments.rounds)
            if "load" in arguments.only:
                _print_load(folder, server.target(), arguments.scale, arguments.rounds, arguments.screens)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _stop(number: int, _frame: object) -> None:
    """Leave by the ``with`` blocks, which end what was started."""
    sys.exit(f"stopped by {signal.Signals(number).name}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=200, help="1 is about 5,000 rows (default: 200)")
    parser.add_argument("--tables", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--limit", type=int, default=900, help="seconds until it gives up (default: 900)")
    parser.add_argument("--screens", nargs="*", choices=tuple(ANSWERS), default=("Run",), help="to type keys on")
    parser.add_argument("--only", nargs="*", choices=("tables", "load"), default=("tables", "load"))
    return parser.parse_args()


def _print_imports(rounds: int) -> None:
    script = (
        "import sys\nfrom migrator_tui.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    bare = _times([sys.executable, "-c", ""], rounds)
    for word in ("--version", "--help"):
        done = subprocess.run([sys.executable, "-c", script, word], capture_output=True, text=True, check=True)
        found = sorted(set(done.stderr.split()) & set(HEAVY))
        times = _times([sys.executable, "-m", "migrator_tui", word], rounds)
        print(f"{word:<10} {_spread(times)}; Python alone {_spread(bare)}; "
              f"of {', '.join(HEAVY)} it imports {', '.join(found) or 'none'}")  # fmt: skip
    print(flush=True)


def _times(words: list[str], rounds: int) -> list[float]:
    times = []
    for _ in range(max(3, rounds)):
        began = time.monotonic()
        subprocess.run(words, stdout=subprocess.DEVNULL, check=True)
        times.append(time.monotonic() - began)
    return times


def _print_first_paint(folder: Path) -> None:
    """The target is a socket of this process: what the kernel says is when somebody connected."""
    source = folder / "small.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    for how, fresh in (("ends filled in", False), ("ends tested at once, as the demo's", True)):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            url = f"postgresql://nobody@127.0.0.1:{listening.getsockname()[1]}/nothing"
            with _screens(source, url, None, folder / "log", fresh=fresh) as terminal:
                painted = terminal.wait(lambda text: "Connection test" in text, since=0)
                listening.settimeout(60)
                if not fresh:
                    time.sleep(SETTLE)
                    terminal.press("enter")
                accepted, _ = listening.accept()
                connected = time.monotonic()
                accepted.close()
        print(f"first paint of {how}: {(painted.at - terminal.began) * 1000:,.0f} ms after the start, "
              f"{(connected - painted.at) * 1000:,.0f} ms before the first connection", flush=True)  # fmt: skip
    print()


def _print_many_tables(folder: Path, server: Target, tables: int, rounds: int) -> None:
    source = _many_tables(folder / "many.db", tables)
    decisions = folder / "many.yaml"
    decisions.write_text(ALL_ORPHANS)
    opened: dict[str, list[float]] = {name: [] for name in ANSWERS}
    keys: dict[str, list[float]] = {name: [] for name in ANSWERS}
    for _ in range(rounds):
        target = fresh_database(server, DATABASE)
        with _screens(source, target.display, decisions, folder / "log") as terminal:
            _connect(terminal)
            for name in ("Compare", "Select", "Review"):
                opened[name].append(_open(terminal, name, "enter"))
                time.sleep(SETTLE)
                if name == "Review":
                    terminal.press("f")  # from the button that starts the run to the findings
                    time.sleep(SETTLE / 2)
                keys[name] += _keys(terminal, name, _there_and_back("pagedown", "pageup"), PAGES)
            pressed = terminal.press("enter")
            opened["Run"].append(terminal.wait(lambda text: "rows/s" in text).at - pressed)
            terminal.wait(lambda text: ANSWERS["Run"].search(text) is not None, seconds=240)
            keys["Run"] += _keys(terminal, "Run", _there_and_back("pagedown", "pageup"), PAGES)
            _quit(terminal)
    print(f"{tables:,} tables of ten columns, {rounds} rounds")
    for name in ANSWERS:
        print(f"  {name:<8} opens in {_spread(opened[name])};  Page Down and Up to paint {_percentiles(keys[name])}")
    print(flush=True)


def _print_load(folder: Path, server: Target, scale: float, rounds: int, screens: Sequence[str]) -> None:
    app = sample_app.build(folder / "app", scale=scale, files=False)
    with closing(sqlite3.connect(app.database)) as connection:
        for number in range(SMALL_TABLES):
            connection.execute(f"CREATE TABLE small_{number:03} (id INTEGER PRIMARY KEY, name TEXT, at DATE)")
    print(f"{sum(app.rows.values()):,} rows in {len(app.rows) + SMALL_TABLES} tables", flush=True)
    for name in (*screens, None):
        found: list[Load] = []
        while len(found) < rounds or (name and sum(len(one.keys["stage"]) for one in found) < KEYS):
            found.append(_load(folder, app, server, name))
        print(f"  {f'keys on {name}' if name else 'Run, and no keys'}")
        for stage in ("stage", "check"):
            seconds = [one.stages[stage][0] for one in found if stage in one.stages]
            shares = [one.stages[stage][1] for one in found if stage in one.stages]
            keys = list(chain.from_iterable(one.keys.get(stage, []) for one in found))
            print(f"    {stage:<6} {_spread(seconds)}  screens' threads {min(shares):.1%} / "
                  f"{statistics.median(shares):.1%} / {max(shares):.1%} of a core"
                  + (f"  key to paint {_percentiles(keys)}" if keys else ""), flush=True)  # fmt: skip


def _load(folder: Path, app: sample_app.SampleApp, server: Target, name: str | None) -> Load:
    """One run; keys are typed on the screen ``name`` while it stages and checks, or none."""
    target = fresh_database(server, DATABASE)
    log = folder / "log"
    log.unlink(missing_ok=True)
    shutil.rmtree(folder / "home" / "sessions", ignore_errors=True)
    keys: dict[str, list[float]] = {"stage": [], "check": []}
    with _screens(app.database, target.display, app.decisions, log) as terminal:
        _connect(terminal)
        for screen in ("Compare", "Select", "Review"):
            _open(terminal, screen, "enter")
            time.sleep(SETTLE / 2)
        time.sleep(SETTLE)
        terminal.press("enter")
        terminal.wait(lambda text: "rows/s" in text)
        while (stage := _stages(log)[-1]["stage"]) != "stage":
            time.sleep(LOOK_EVERY)
        way = list(ANSWERS)[::-1]
        for screen in way[1 : way.index(name) + 1] if name else ():
            _open(terminal, screen, "escape")
        while stage in ("stage", "check"):
            if name is None:
                time.sleep(LOOK_EVERY)
            else:
                keys[stage] += _keys(
                    terminal, name, _there_and_back("down", "up"), 2 * STRIDE, lambda now=stage: _is_at(log, now)
                )
            stage = _stages(log)[-1]["stage"]
        lines = _stages(log)
        _quit(terminal)
    stages = {
        one["stage"]: (two["at"] - one["at"], (two["cpu"][0] - one["cpu"][0]) / (two["at"] - one["at"]))
        for one, two in pairwise(lines)
    }
    return Load(stages, lines[-1]["rows"], keys)


def _is_at(log: Path, stage: str) -> bool:
    return bool(_stages(log)[-1]["stage"] == stage)


def _stages(log: Path) -> list[dict[str, Any]]:
    while not (lines := log.read_text().splitlines() if log.exists() else []):
        time.sleep(LOOK_EVERY)
    return [json.loads(line) for line in lines]


def _screens(source: Path, target: str, decisions: Path | None, log: Path, *, fresh: bool = False) -> Terminal:
    words = [sys.executable, str(HERE / "watched_app.py"), str(source), target, str(decisions or ""), str(log)]
    return Terminal([*words, *(["fresh"] if fresh else [])], os.environ)


def _connect(terminal: Terminal) -> None:
    terminal.wait(lambda text: "Connection test" in text, since=0)
    time.sleep(SETTLE)
    terminal.press("enter")
    terminal.wait(lambda text: "Both ends are open" in text, seconds=240)
    time.sleep(SETTLE / 2)


def _open(terminal: Terminal, name: str, key: str) -> float:
    """Seconds from the key until the screen says what is at its cursor."""
    since = len(terminal.frames)
    pressed = terminal.press(key)
    return terminal.wait(lambda text: ANSWERS[name].search(text) is not None, since=since).at - pressed


def _keys(
    terminal: Terminal, name: str, typed: Iterator[str], number: int, go_on: Callable[[], bool] = lambda: True
) -> list[float]:
    """Seconds from the moment each key was due to the paint that answers it.

    Keys are due at fixed intervals; one that had to wait for the answer to the key before counts that wait too, so
    that a stall counts for every key that would have been typed during it.
    """
    answer = ANSWERS[name]
    terminal.wait(lambda text: answer.search(text) is not None, since=0)
    now = next(found[1] for f in reversed(terminal.frames) if (found := answer.search(f.text)))
    times = []
    began = time.monotonic()
    for turn in range(number):
        due = began + turn * KEY_EVERY
        time.sleep(max(0.0, due - time.monotonic()))
        if not go_on():
            break
        since = len(terminal.frames)
        terminal.press(next(typed))

        def other(text: str, before: str = now) -> bool:
            found = answer.search(text)
            return found is not None and found[1] != before

        try:
            frame = terminal.wait(other, since=since, seconds=5)
        except TimeoutError:
            if go_on():
                raise
            break  # typed as the stage ended, when a dialog took the keys
        found = answer.search(frame.text)
        assert found is not None
        now = found[1]
        times.append(frame.at - due)
    return times


def _there_and_back(there: str, back: str) -> Iterator[str]:
    return chain.from_iterable(repeat([*repeat(there, STRIDE), *repeat(back, STRIDE)]))


def _quit(terminal: Terminal) -> None:
    """Ask it to stop; what does not, for a dialog or work in hand, is ended by the ``with`` block."""
    terminal.process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        terminal.process.wait(5)


def _many_tables(path: Path, tables: int) -> Path:
    """Tables of ten columns that refer to the one before, every fourth with a row that refers to nobody."""
    columns = ", ".join(f"c{number} TEXT" for number in range(8))
    with closing(sqlite3.connect(path)) as connection, connection:
        for number in range(tables):
            name, parent = f"table_{number:04}", f"table_{max(0, number - 1):04}"
            connection.execute(
                f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, up INTEGER REFERENCES {parent}, {columns})"
            )
            connection.execute(f"INSERT INTO {name} (id, up) VALUES (1, ?)", (99 if number % 4 == 0 else 1,))
    return path


def _spread(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.2f} / {statistics.median(seconds):.2f} / {max(seconds):.2f} s"


def _percentiles(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    middle, late = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99))
    worst = f"{ordered[-1] * 1000:.0f} ms worst of {len(ordered)} keys"
    return f"{middle * 1000:.0f} ms median, {late * 1000:.0f} ms p99, {worst}"


if __name__ == "__main__":
    sys.exit(main())
