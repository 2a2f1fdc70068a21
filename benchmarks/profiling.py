"""What profiling costs, in readings of the same file through the Arrow reader.

Every round reads each database once, every column of every table, and then profiles it, both in this process and with
one worker. What counts is the ratio within a round. CPU seconds are taken beside those of the clock, because other
processes on the machine do not count in them. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.demo import sample_app
from migrator_tui.model.schema import Database
from migrator_tui.sqlite.inspect import inspect
from migrator_tui.sqlite.profile import profile
from migrator_tui.sqlite.read import SnapshotReader

WIDE_COLUMNS = 30


def main() -> int:
    """Run the rounds and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=100, help="of the sample application (default: 100)")
    parser.add_argument("--rows", type=int, default=60_000, help="of the wide table (default: 60,000)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="of the databases whose name has this in it")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mt-"))
    try:
        sources: dict[str, Callable[[], Path]] = {
            "sample application": lambda: sample_app.build(folder / "app", scale=arguments.scale, files=False).database,
            f"{WIDE_COLUMNS} columns, half of them text": lambda: _wide(folder / "wide.db", arguments.rows),
            "UUIDs and JSON among other columns": lambda: _events(folder / "events.db", arguments.rows * 5),
        }
        for name, made in sources.items():
            if arguments.only in name:
                _measure(name, made(), arguments.rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _measure(name: str, path: Path, rounds: int) -> None:
    database = inspect(path)
    rows = sum(table.rows for table in profile(path, database).tables.values())
    print(f"{name}: {rows:,} rows, {path.stat().st_size / 1e6:,.1f} MB")
    cpu, clock = [], []
    for number in range(rounds):
        read = _timed(lambda: _read(path, database))
        profiled = _timed(lambda: profile(path, database))
        cpu.append(profiled[0] / read[0])
        clock.append(profiled[1] / read[1])
        print(
            f"  round {number + 1}: read {read[0]:.2f} s, profile {profiled[0]:.2f} s of CPU: {cpu[-1]:.2f}", flush=True
        )
    for what, ratios in (("CPU", cpu), ("clock", clock)):
        print(f"  {what:<5} ratio {statistics.median(ratios):5.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - clock


def _read(path: Path, database: Database) -> None:
    with SnapshotReader(path) as reader:
        for table in database.tables:
            for _ in reader.arrow(f"SELECT * FROM {quote_sqlite(table.name.name)}"):
                pass


def _wide(path: Path, rows: int) -> Path:
    kinds = ["INTEGER", "TEXT", "REAL", "TEXT", "DATETIME", "VARCHAR(80)"]
    values = [
        "i * {n}",
        "'value ' || (i * {n}) || ' of a text'",
        "i * 1.25",
        "hex(i * 7919 * {n})",
        "datetime(1700000000 + i * {n}, 'unixepoch')",
        "'Größe ' || (i % 1000)",
    ]
    columns = [f"c{n} {kinds[n % len(kinds)]}" for n in range(WIDE_COLUMNS)]
    terms = [values[n % len(values)].format(n=n + 1) for n in range(WIDE_COLUMNS)]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE wide (id INTEGER PRIMARY KEY, {', '.join(columns)})")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            f"INSERT INTO wide SELECT i, {', '.join(terms)} FROM n",
            (rows,),
        )
        connection.commit()
    return path


def _events(path: Path, rows: int) -> Path:
    """An application's log: two UUIDs, a JSON value of about 130 bytes, and what usually stands beside them."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE events (id INTEGER PRIMARY KEY, uid UUID, person TEXT, kind VARCHAR(20), payload JSON, "
            "at DATETIME, amount DECIMAL(10,2), note TEXT)"
        )
        hexed = "printf('%08x-0000-4000-8000-%012x', i * 7919 % 4294967296, i * {0})"
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            f"INSERT INTO events SELECT i, {hexed.format(1)}, {hexed.format(3)}, "
            "CASE i % 3 WHEN 0 THEN 'created' WHEN 1 THEN 'changed' ELSE 'deleted' END, "
            "json_object('theme', 'dark', 'n', i, 'tags', json_array('a', 'b' || i), 'owner', json_object('id', i, "
            "'name', 'Person ' || i, 'when', datetime(1700000000 + i, 'unixepoch')), 'x', 1.25), "
            "datetime(1700000000 + i, 'unixepoch'), i * 0.25, 'value ' || i || ' of a text' FROM n",
            (rows,),
        )
        connection.commit()
    return path


if __name__ == "__main__":
    sys.exit(main())
