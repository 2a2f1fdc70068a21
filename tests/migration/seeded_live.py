"""A seeded live database with conflicts of every kind and a writer at work, and what must be there at the end.

``python -m tests.migration.seeded_live`` resolves 100,000 rows headless from a decisions file, prints what was found
and counted, and fails where a single row is another than it should be. What should be there is computed from the seed,
the decisions and the writer's own log, and compared with what a session of its own reads; the program's words about
its work are not asked.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml

from migrator_tui.postgres.connect import Target, connect

LIVE_ONLY, DOUBLES, WRITTEN = 2_000_000, 1_000_000, 3_000_000
"""Where the ids of rows begin that only the target has, that hold a source row's values, and that the writer adds."""
OLDER, MIDDLE, NEWER = "2026-01-01 08:00:00", "2026-01-02 08:00:00", "2026-01-03 08:00:00"

Person = tuple[int, str, str, str, str | None, str]
"""id, email, phone, name, note, seen"""

LIVE = """
CREATE TABLE people (id bigint PRIMARY KEY, email text NOT NULL UNIQUE, phone text NOT NULL UNIQUE, name text NOT NULL,
                     note text, seen timestamp NOT NULL);
CREATE TABLE messages (id bigint PRIMARY KEY, person bigint NOT NULL REFERENCES people, body text NOT NULL);
"""
SOURCE = """
CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, phone TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
                     note TEXT, seen DATETIME NOT NULL);
CREATE TABLE messages (id INTEGER PRIMARY KEY, person INTEGER NOT NULL, body TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Seed:
    """How many rows of each sort there are; people without any trouble fill up to ``people``."""

    people: int = 100_000
    same_key: int = 5_000
    same_email: int = 1_000
    two_keys: int = 200
    orphans: int = 300
    equal: int = 2_000
    live_only: int = 500

    @property
    def conflicts(self) -> dict[tuple[str, str], int]:
        """Table and kind → conflicts."""
        return {
            ("people", "same-key"): self.same_key,
            ("people", "unique"): self.same_email,
            ("people", "several"): self.two_keys,
            ("messages", "parent"): self.orphans,
        }

    @property
    def ids(self) -> dict[str, range]:
        """The ids of the source's people, by what is the matter with them."""
        parts, at = {}, 1
        for name in ("same_key", "same_email", "two_keys", "equal"):
            parts[name] = range(at, at + getattr(self, name))
            at = parts[name].stop
        return parts | {"new": range(at, self.people + 1)}

    def source_person(self, id: int) -> Person:
        """A row of the source: those of the same key are newer there for even ids, and older for odd ones."""
        seen = MIDDLE
        if id in self.ids["same_key"]:
            seen = NEWER if id % 2 == 0 else OLDER
        email = f"Person{id}@Example.com"
        return (id, email, f"+49 {id}", f"Person {id}", None if id % 3 else f"note {id}", seen)

    def live_people(self) -> Iterator[Person]:
        """The rows of the target before anything began."""
        for id in self.ids["same_key"]:
            yield (id, f"Person{id}@Example.com", f"+49 {id}", f"Somebody {id}", f"live {id}", MIDDLE)
        for id in self.ids["same_email"]:
            yield (DOUBLES + id, f"person{id}@example.com", f"+1 {id}", f"Double {id}", None, MIDDLE)
        for id in self.ids["two_keys"]:
            yield (DOUBLES + id, f"Person{id}@Example.com", f"+1 {id}", f"By mail {id}", None, MIDDLE)
            yield (DOUBLES * 5 + id, f"other{id}@example.com", f"+49 {id}", f"By phone {id}", None, MIDDLE)
        for id in self.ids["equal"]:
            yield self.source_person(id)
        for id in range(LIVE_ONLY, LIVE_ONLY + self.live_only):
            yield (id, f"live{id}@example.com", f"+2 {id}", f"Live {id}", None, MIDDLE)

    def messages(self) -> Iterator[tuple[int, int, str]]:
        """The source's messages: one in ten people wrote one, and orphans name people who are nowhere."""
        writers = [id for name in ("same_key", "equal", "new") for id in self.ids[name] if id % 10 == 0]
        yield from ((n, id, f"from {id}") for n, id in enumerate(writers, 1))
        yield from ((DOUBLES + n, DOUBLES * 9 + n, "from nobody") for n in range(self.orphans))

    @property
    def by_field(self) -> range:
        """Rows of the same key that are decided one by one: the source's name, everything else of the target."""
        return self.ids["same_key"][:10]

    def decisions(self) -> str:
        """The decisions file: rows by their keys, the rest by rules."""
        fields = {"name": "source", "note": "target", "seen": "target"}
        rows: list[dict[str, Any]] = [
            {"table": "people", "key": {"id": id}, "kind": "same-key", "choice": "per-field", "fields": fields}
            for id in self.by_field
        ]
        rows += [
            {"table": "people", "key": {"id": id}, "choice": "keep-target" if id % 2 else "skip"}
            for id in self.ids["two_keys"]
        ]
        return yaml.safe_dump(
            {
                "natural_keys": {"people": [{"columns": ["email"], "match": "folded"}]},
                "conflicts": rows,
                "rules": [
                    {"table": "people", "kind": "same-key", "choice": "newer", "by": "seen"},
                    {"table": "people", "kind": "unique", "choice": "keep-target"},
                    {"table": "messages", "kind": "parent", "choice": "quarantine"},
                ],
            }
        )


@dataclass
class Log:
    """What the writer wrote and saw committed.

    Attributes:
        added: People that it added, by id.
        notes: Notes that it wrote, by id: the last of each person.
    """

    added: dict[int, Person] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    decided: threading.Event = field(default_factory=threading.Event)


def build(seed: Seed, source: Path, target: Target) -> None:
    """Make both ends."""
    ids = range(1, seed.people + 1)
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.executescript(SOURCE)
        connection.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?)", map(seed.source_person, ids))
        connection.executemany("INSERT INTO messages VALUES (?, ?, ?)", seed.messages())
    with connect(target) as live:
        live.execute(LIVE)
        with live.cursor().copy("COPY people FROM STDIN") as copy:
            for person in seed.live_people():
                copy.write_row(person)


@contextmanager
def writing(seed: Seed, target: Target) -> Iterator[Log]:
    """A writer at work: it adds people, and writes notes of those that only the target has.

    Until its log is told that things were ``decided``, it also writes notes of people that conflict.
    """
    log, stop = Log(), threading.Event()
    old = [id for id in seed.ids["same_key"] if id % 2 and id not in seed.by_field][:20]
    calm = [*range(LIVE_ONLY, LIVE_ONLY + seed.live_only)]

    def write() -> None:
        with connect(target, application_name="the application") as live:
            for n in range(1_000_000):
                if stop.wait(0.02):
                    return
                person = (WRITTEN + n, f"new{n}@example.com", f"+3 {n}", f"Written {n}", None, NEWER)
                live.execute("INSERT INTO people VALUES (%s, %s, %s, %s, %s, %s)", person)
                log.added[person[0]] = person
                noted = calm if log.decided.is_set() or n % 2 else old
                id = noted[n // 2 % len(noted)]
                live.execute("UPDATE people SET note = %s WHERE id = %s", (f"written {n}", id))
                log.notes[id] = f"written {n}"

    thread = threading.Thread(target=write, name="the application")
    thread.start()
    try:
        yield log
    finally:
        stop.set()
        thread.join()


def expected(seed: Seed, log: Log) -> dict[int, Person]:
    """The people that must be on the target once the decisions file was carried out, by id."""
    people = {person[0]: person for person in seed.live_people()} | log.added
    for id in seed.ids["new"]:
        people[id] = seed.source_person(id)
    for id in seed.ids["same_key"]:
        ours, theirs = seed.source_person(id), people[id]
        if id in seed.by_field:
            people[id] = (*theirs[:3], ours[3], *theirs[4:])
        elif ours[5] > theirs[5]:
            people[id] = ours
    for id, note in log.notes.items():
        person = people[id]
        people[id] = (*person[:4], note, person[5])
    return people


def differences(seed: Seed, log: Log, target: Target) -> list[str]:
    """Every row that is another than it must be, read by a session of its own; and what stays behind, counted."""
    with psycopg.connect(target.conninfo()) as live:
        people = {
            row[0]: row
            for row in live.execute("SELECT id, email, phone, name, note, seen::text FROM people").fetchall()
        }
        messages = set(live.execute("SELECT id, person, body FROM messages").fetchall())
        kept = live.execute("SELECT tbl, count(*) FROM migrator.quarantine GROUP BY tbl ORDER BY tbl").fetchall()
        lost = live.execute("SELECT side, count(*) FROM migrator.archive GROUP BY side ORDER BY side").fetchall()
    wanted = expected(seed, log)
    found = [
        f"people {id}: {people.get(id)} and not {wanted.get(id)}"
        for id in sorted(people.keys() | wanted.keys())
        if people.get(id) != wanted.get(id)
    ]
    wanted_messages = {row for row in seed.messages() if row[1] < DOUBLES * 9}
    found += [f"message {row}" for row in sorted(messages ^ wanted_messages)]
    skipped = sum(1 for id in seed.ids["two_keys"] if id % 2 == 0)
    if kept != [row for row in (("messages", seed.orphans), ("people", skipped)) if row[1]]:
        found.append(f"in quarantine are {kept}")
    ours = sum(1 for id in seed.ids["same_key"] if id % 2 == 0 and id not in seed.by_field) + len(seed.by_field)
    theirs = seed.same_key - ours + len(seed.by_field) + seed.same_email + seed.two_keys - skipped
    if lost != [("source", theirs), ("target", ours)]:
        found.append(f"archived are {lost}, and not {theirs} rows of the source and {ours} of the target")
    return found


def main() -> int:
    """The long form: printed is what was found, what was counted, and what differs."""
    from migrator_tui.migration import decisions_file
    from migrator_tui.model.decisions import Decisions
    from migrator_tui.model.progress import RunStatus
    from migrator_tui.postgres.server import EmbeddedServer, fresh_database
    from tests.migration.running import Engine

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    seed = Seed(parser.parse_args().people)
    with tempfile.TemporaryDirectory(prefix="mt-") as made:
        folder = Path(made)
        decisions = folder / "decisions.yaml"
        decisions.write_text(seed.decisions())
        read = decisions_file.read(decisions)
        with EmbeddedServer.start(folder / "pg") as server:
            target = fresh_database(server.target(), "seeded_live")
            build(seed, folder / "app.db", target)
            began = time.monotonic()
            with writing(seed, target) as log:
                named = Decisions(natural_keys=read.natural_keys)
                asked = Engine().migrate(folder / "app.db", target, decisions=named)
                print(f"{seed.people:,} people: {asked.conflicts_found:,} conflicts found, {asked.status}")
                log.decided.set()
                done = Engine().resume(asked.run, target, decisions=read)
            print(f"resolved from the file: {done.status} after {time.monotonic() - began:.0f} s; the writer added "
                  f"{len(log.added):,} people and wrote notes of {len(log.notes):,}")  # fmt: skip
            for table in done.tables:
                print(f"  {table.source}: {table.inserted:,} inserted, {table.updated:,} updated, "
                      f"{table.unchanged:,} unchanged, {table.kept_target:,} kept, {table.quarantined_rows:,} in "
                      f"quarantine")  # fmt: skip
            found = differences(seed, log, target)
    print(f"{len(found):,} rows or counts differ from what must be there")
    print(*found[:20], sep="\n")
    right = asked.conflicts_found == sum(seed.conflicts.values()) and done.status is RunStatus.SUCCEEDED
    return 0 if right and not found else 1


if __name__ == "__main__":
    sys.exit(main())
