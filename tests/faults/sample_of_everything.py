"""A source of any size with every kind of table that is divided into chunks, and a count of what is lost or doubled.

The count is this module's own: it knows nothing of the ledger, of locators or of the plan.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.migration.running import text

Connection = psycopg.Connection[Any]

DDL = """
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE visits (id INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES people, note TEXT, weight REAL);
CREATE TABLE tags (person INTEGER NOT NULL REFERENCES people, tag TEXT NOT NULL, PRIMARY KEY (person, tag))
    WITHOUT ROWID;
CREATE TABLE log (line TEXT, amount REAL);
"""
QUERIES = {
    "people": "SELECT id, name FROM people",
    "visits": "SELECT id, person, note, weight FROM visits",
    "tags": "SELECT person, tag FROM tags",
    "log": "SELECT line, amount FROM log",
}
DECISIONS = "findings: [{id: VALUE-NUL, table: visits, column: note, choice: quarantine}]\n"
NUL_EVERY = 997
TAGS_EACH = 5
NUL = "\x00"


def build_sample(path: Path, rows: int) -> Path:
    """A file with about so many rows; every 997th visit has a NUL in its note, which Postgres cannot hold."""
    people = max(1, rows // 20)
    visits = rows * 6 // 10
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(DDL)
        many = connection.executemany
        many("INSERT INTO people VALUES (?, ?)", ((n, f"Žofie {n} 🦊") for n in range(1, people + 1)))
        many(
            "INSERT INTO visits VALUES (?, ?, ?, ?)",
            ((n * 3, n % people + 1, _note(n), n / 7) for n in range(1, visits + 1)),
        )
        many(
            "INSERT INTO tags VALUES (?, ?)",
            ((n, f"tag-{k}") for n in range(1, people + 1) for k in range(TAGS_EACH)),
        )
        left = rows - people * (1 + TAGS_EACH) - visits
        # Some lines come three times on purpose: a row that is rightly doubled is not to be taken for a fault.
        many("INSERT INTO log VALUES (?, ?)", ((f"line {n // 3} " + "." * 60, (n // 3) / 3) for n in range(left)))
        connection.commit()
    return path


def _note(number: int) -> str | None:
    if number % NUL_EVERY == 0:
        return f"before{NUL}after {number}"
    return None if number % 11 == 0 else f"é\n\t{number} " + "x" * 80


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows of the source beside rows of the target and its quarantine.

    Attributes:
        lost: Neither on the target nor, where that was decided, in quarantine.
        doubled: On the target or in quarantine more often than in the source, or not from there at all.
    """

    lost: int
    doubled: int


def of_source(path: Path) -> dict[str, Counter[bytes]]:
    """Table → how often each row is there; the rows that are to be quarantined under ``quarantine``, by their key."""
    found: dict[str, Counter[bytes]] = {}
    with closing(sqlite3.connect(path)) as connection:
        for table, query in QUERIES.items():
            rows: Iterable[tuple[Any, ...]] = connection.execute(query)
            if table == "visits":
                rows = (row for row in rows if NUL not in (row[2] or ""))
            found[table] = _counted(rows)
        notes = connection.execute("SELECT id, note FROM visits WHERE instr(note, char(0)) > 0")
        found["quarantine"] = _counted((id,) for id, _ in notes)
    return found


def difference(source: dict[str, Counter[bytes]], connection: Connection) -> Difference:
    """What was lost and what was doubled on the way, the quarantine included."""
    lost = doubled = 0
    for table, there in source.items():
        here = _counted(_target_rows(connection, table))
        lost += (there - here).total()
        doubled += (here - there).total()
    return Difference(lost, doubled)


def _target_rows(connection: Connection, table: str) -> Iterator[tuple[Any, ...]]:
    if table == "quarantine":
        yield from connection.execute("SELECT src FROM migrator.quarantine WHERE tbl = 'visits'")
        return
    with connection.transaction(), connection.cursor("rows") as cursor:  # server-side: a million rows are not held
        cursor.itersize = 20_000
        yield from cursor.execute(text(QUERIES[table]))


def _counted(rows: Iterable[tuple[Any, ...]]) -> Counter[bytes]:
    return Counter(hashlib.md5(repr(row).encode(), usedforsecurity=False).digest() for row in rows)


def configuration(path: Path, source: Path, target: str, **more: Any) -> Path:
    """A configuration file of two workers and the smallest chunks that one may ask for."""
    keys = {"source": {"sqlite": str(source)}, "target": {"database": target}, "workers": 2, "chunk_mb": 1}
    path.write_text(json.dumps({"profiles": {"default": keys | more}}))
    return path
