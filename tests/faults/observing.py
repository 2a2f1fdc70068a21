"""What the tests of faults look at from outside: the rows on both sides, the ledger, and the backends of a run."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from tests.migration.running import rows, value

Connection = psycopg.Connection[Any]

TABLES = ("people", "visits", "tags", "log")
"""``log`` has no key: nothing on the target would refuse a row that came twice."""
MIB = 1 << 20


def build_source(path: Path, count: int, *, width: int = 200) -> Path:
    """A source with so many visits, each some ``width`` bytes wide, and half as many lines of log."""

    def blob(number: int) -> bytes:
        return number.to_bytes(4, "big") * (width // 8)

    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, born INTEGER);"
            "CREATE TABLE visits (id INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES people, note TEXT, "
            "weight REAL, raw BLOB);"
            "CREATE TABLE tags (person INTEGER NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (tag, person)) WITHOUT ROWID;"
            "CREATE TABLE log (line TEXT, amount REAL);"
        )
        people = count // 10 + 1
        connection.executemany(
            "INSERT INTO people VALUES (?, ?, ?)",
            ((n, f"Žofie {n} 🦊", None if n % 7 == 0 else 1900 + n % 100) for n in range(1, people + 1)),
        )
        connection.executemany(
            "INSERT INTO visits VALUES (?, ?, ?, ?, ?)",
            (
                (n * 3, n % people + 1, None if n % 11 == 0 else "é\n\t" * (width // 8), n / 7, blob(n))
                for n in range(1, count + 1)
            ),
        )
        connection.executemany(
            "INSERT INTO tags VALUES (?, ?)", ((n % people + 1, f"tag {n:x}") for n in range(count // 4))
        )
        connection.executemany(
            "INSERT INTO log VALUES (?, ?)", ((f"line {n}" + "." * (width // 2), n / 3) for n in range(count // 2))
        )
        connection.commit()
    return path


def lost_and_doubled(source: Path, connection: Connection, schema: str = "public") -> tuple[int, int]:
    """How many rows of the source are not on the target, and how many there are none of the source, or come again."""
    lost = doubled = 0
    with closing(sqlite3.connect(source)) as file:
        for table in TABLES:
            there = Counter(file.execute(f"SELECT * FROM {table}").fetchall())
            here = Counter(rows(connection, f"SELECT * FROM {schema}.{table}"))
            lost += (there - here).total()
            doubled += (here - there).total()
    return lost, doubled


def committed(connection: Connection) -> int:
    """Chunks in the ledger, of all runs of this database."""
    if not value(connection, "SELECT to_regclass('migrator.chunk') IS NOT NULL"):
        return 0
    return int(value(connection, "SELECT count(*) FROM migrator.chunk"))


def backends(connection: Connection, run: str) -> list[tuple[int, str]]:
    """Process ids and states of the run's backends."""
    return rows(
        connection, "SELECT pid, state FROM pg_stat_activity WHERE application_name = %s", f"migrator-tui {run}"
    )


def until(condition: Callable[[], object], what: str, *, seconds: float = 60) -> None:
    """Wait for something that is to come; it never coming is a failure of the test."""
    clock = threading.Event()
    for _ in range(int(seconds / 0.002)):
        if condition():
            return
        clock.wait(0.002)
    raise AssertionError(f"never came: {what}")
