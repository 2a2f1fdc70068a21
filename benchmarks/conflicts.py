"""How Resolve feels with 100,000 conflicts that nobody decided: the real application in a terminal of its own.

Printed are: how long the list takes to open, from the first paint of Resolve to the paint that shows the first conflict
with both its rows; how long after a Page Down, a Page Up and an End the paint that shows another conflict is there; and
processor time of the whole process for a page. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import psutil
from terminal import Frame, Terminal

from migrator_tui.postgres.connect import connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database

SETTLE = 1.0
"""Seconds that a person looks at a page before the next key."""
ROW = re.compile(r"people id=(\d+)")
"""What is above both rows of the conflict at the cursor."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conflicts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="how often Resolve is opened (default: 3)")
    parser.add_argument("--pages", type=int, default=40, help="keys in each round (default: 40)")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mt-"))
    os.environ["MIGRATOR_TUI_HOME"] = str(folder / "home")
    try:
        with EmbeddedServer.start(folder / "pg") as server:
            target = fresh_database(server.target(), "migrator_tui_benchmark")
            _make(folder / "app.db", asked.conflicts)
            with connect(target) as connection:
                connection.execute(
                    "CREATE TABLE people (id bigint PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, "
                    "bio text, seen timestamp)"
                )
                connection.execute(
                    "INSERT INTO people SELECT n, 'p' || n || '@example.com', 'Somebody ' || n, repeat('about ', 20), "
                    "timestamp '2026-01-01 03:04:05' FROM generate_series(1, %s) n",
                    (asked.conflicts,),
                )
            found = _found(folder / "app.db", target.display)
            opened, keys, cpu = [], [], []
            for _ in range(asked.rounds):
                one = _round(folder, asked.conflicts, asked.pages)
                opened.append(one[0])
                keys += one[1]
                cpu += one[2]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{found} conflicts; load {', '.join(f'{load:.1f}' for load in os.getloadavg())}")
    print(f"  Resolve opens in {_listed(opened)} s, both rows of the first conflict shown")
    print(f"  a page to paint  {_percentiles(keys)}; processor time of the application {_percentiles(cpu)}")
    return 0


def _make(path: Path, conflicts: int) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, bio TEXT, "
            "seen DATETIME)"
        )
        connection.executemany(
            "INSERT INTO people VALUES (?, ?, ?, ?, ?)",
            (
                (n, f"p{n}@example.com", f"Person {n}", "about " * 20, "2026-01-02 03:04:05")
                for n in range(1, conflicts + 1)
            ),
        )


def _found(source: Path, target: str) -> str:
    """Run as far as the conflicts."""
    words = [sys.executable, "-m", "migrator_tui", "migrate", "--source", str(source), "--target", target, "--yes"]
    done = subprocess.run([*words, "--plain"], capture_output=True, text=True, check=False)
    said = re.search(r"([\d,]+) staged rows conflict", done.stdout + done.stderr)
    if done.returncode != 3 or said is None:
        raise SystemExit(f"the run did not stop at its conflicts:\n{done.stdout}{done.stderr}")
    return said[1]


def _round(folder: Path, conflicts: int, pages: int) -> tuple[float, list[float], list[float]]:
    """Open Resolve by resuming the run from Home, and turn pages."""
    words = [sys.executable, "-m", "migrator_tui"]
    os.chdir(folder)
    with Terminal(words, os.environ) as terminal:
        terminal.wait(lambda text: "needs decisions" in text, since=0)
        time.sleep(SETTLE)
        since = len(terminal.frames)
        terminal.press("r")
        first = terminal.wait(lambda text: "● Resolve" in text, since=since, seconds=600)
        shown = terminal.wait(lambda text: ROW.search(text) is not None, since=since, seconds=600)
        terminal.wait(lambda text: f"0 of {conflicts:,} decided" in text, since=since, seconds=60)
        time.sleep(SETTLE)
        process = psutil.Process(terminal.process.pid)
        times, spent = [], []
        for key in _keys(pages):
            before, since = process.cpu_times(), len(terminal.frames)
            now = _row(terminal.frames)
            pressed = terminal.press(key)
            frame = terminal.wait(partial(_other, now), since=since, seconds=20)
            times.append(frame.at - pressed)
            time.sleep(SETTLE / 4)
            after = process.cpu_times()
            spent.append(after.user + after.system - before.user - before.system)
        return shown.at - first.at, times, spent


def _keys(pages: int) -> list[str]:
    """Pages down from the top, then the very end, then pages up from there."""
    return ["pagedown"] * (pages // 2) + ["end"] + ["pageup"] * (pages // 2)


def _row(frames: Sequence[Frame]) -> str:
    return next(found[1] for frame in reversed(frames) if (found := ROW.search(frame.text)))


def _other(now: str, text: str) -> bool:
    found = ROW.search(text)
    return found is not None and found[1] != now


def _listed(seconds: Sequence[float]) -> str:
    return ", ".join(f"{one:.2f}" for one in seconds)


def _percentiles(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"{statistics.median(ordered) * 1000:.0f} ms median, {late * 1000:.0f} ms p99 of {len(ordered)}"


if __name__ == "__main__":
    sys.exit(main())
