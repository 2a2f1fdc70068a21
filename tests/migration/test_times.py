"""Times of day, and numbers that count time: what they become, by whose choice, and that they come back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.migration.pulling.pull import pull
from migrator_tui.model.decisions import Decisions, FindingDecision
from migrator_tui.model.plan import Scope, TableOverride
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import Target
from tests.migration.comparing_files import contents
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine, rows, succeeded

Connection = psycopg.Connection[Any]

SHIFTS = """
    CREATE TABLE shifts (
        id INTEGER PRIMARY KEY, opens TIME DEFAULT '08:30:00' CHECK (opens >= '06:00:00'), closes TIME,
        lap TIME DEFAULT CURRENT_TIME, seconds TIMESTAMP, julian DATETIME, cocoa TIMESTAMP, fine TIMESTAMP,
        visit_time INTEGER, created_at REAL
    );
    CREATE VIEW early AS SELECT id FROM shifts WHERE opens = '08:30:00';
    INSERT INTO shifts VALUES
        (1, '08:30:00', '17:00', '00:00:00', 1767607200.25, 2461045.5, 789300000.5, 1767607200.1234567,
         13412080800000000, 1767607200.25),
        (2, '23:59:59', '00:00', '10:00:01', 1767607200.0, 2461045.0, 789300000, 1767607200.5,
         13412080800000001, 1767607201.0),
        (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    INSERT INTO shifts (id, julian) VALUES (4, julianday('2026-01-05 10:00:00.123'));
"""
TYPES = (
    "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
    "WHERE attrelid = 'shifts'::regclass AND attnum > 0 AND NOT attisdropped"
)


def test_times_of_day_are_times_and_numbers_stay_numbers_until_somebody_says_what_they_count(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    source = make_source(SHIFTS)

    outcome = succeeded(engine.migrate(source, target))

    kinds = dict(rows(db, TYPES))
    assert {name: kinds[name] for name in ("opens", "closes", "lap")} == dict.fromkeys(
        ("opens", "closes", "lap"), "time without time zone"
    )
    assert {kinds[name] for name in ("seconds", "julian", "cocoa", "fine", "created_at")} == {"double precision"}
    asked = {f.column: f.choices for f in outcome.findings if f.id == "TYPE-EPOCH"}
    assert asked == {
        "seconds": ("double", "epoch-s", "cocoa"),
        "julian": ("double", "julian"),
        "cocoa": ("double", "epoch-s", "cocoa"),
        "fine": ("double", "epoch-s-rounded", "cocoa-rounded"),
        "visit_time": ("bigint", "webkit"),
        "created_at": ("double", "epoch-s", "cocoa"),
    }
    assert not [f for f in outcome.findings if f.id.endswith("-NOT-CARRIED")]
    db.execute("INSERT INTO shifts (id) VALUES (9)")
    assert rows(db, "SELECT opens::text, lap = date_trunc('second', lap) FROM shifts WHERE id = 9") == [
        ("08:30:00", True)
    ]
    assert rows(db, "SELECT id FROM early ORDER BY id") == [(1,), (4,), (9,)]
    db.execute("DELETE FROM shifts WHERE id = 9")
    pull(PullRequest(tmp_path / "back.db"), target)
    assert contents(tmp_path / "back.db") == contents(source)


def test_numbers_become_the_moments_that_somebody_says_they_count_and_come_back(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    source = make_source(SHIFTS)
    said = {"seconds": "epoch-s", "julian": "julian", "cocoa": "cocoa", "fine": "epoch-s-rounded",
            "visit_time": "webkit", "created_at": "epoch-s"}  # fmt: skip
    decisions = Decisions(tuple(FindingDecision("TYPE-EPOCH", choice, "shifts", name) for name, choice in said.items()))

    succeeded(engine.migrate(source, target, decisions=decisions))

    db.execute("SET TIME ZONE 'UTC'")
    assert rows(db, f"SELECT {', '.join(f'{name}::text' for name in said)} FROM shifts ORDER BY id") == [
        ("2026-01-05 10:00:00.25+00", "2026-01-05 00:00:00", "2026-01-05 10:00:00.5+00",
         "2026-01-05 10:00:00.123457+00", "2026-01-05 10:00:00+00", "2026-01-05 10:00:00.25+00"),
        ("2026-01-05 10:00:00+00", "2026-01-04 12:00:00", "2026-01-05 10:00:00+00",
         "2026-01-05 10:00:00.5+00", "2026-01-05 10:00:00.000001+00", "2026-01-05 10:00:01+00"),
        (None,) * 6,
        (None, "2026-01-05 10:00:00.123", None, None, None, None),
    ]  # fmt: skip
    pull(PullRequest(tmp_path / "back.db"), target)
    rounded = {("shifts", "fine")}
    assert contents(tmp_path / "back.db", without=rounded) == contents(source, without=rounded)


def test_naive_times_that_become_moments_are_in_the_zone_that_is_given_or_in_utc_where_sqlite_wrote_them(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    db.execute("CREATE TABLE event (id bigint PRIMARY KEY, at timestamptz, made timestamptz, day timestamptz)")
    db.execute("CREATE TABLE several (id bigint PRIMARY KEY, at timestamptz)")
    source = make_source(
        """
        CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME, made DATETIME DEFAULT CURRENT_TIMESTAMP, day TEXT);
        INSERT INTO event VALUES (1, '2026-01-05 10:00:00', '2026-01-05 10:00:00', '2026-07-01T08:00'),
            (2, '2026-10-25 02:30:00', NULL, '2026-07-02T08:00'), (3, '2026-03-29 02:30:00', NULL, NULL);
        CREATE TABLE given (id INTEGER PRIMARY KEY, at DATETIME);
        INSERT INTO given VALUES (1, '2026-07-01 10:00:00');
        CREATE TABLE several (id INTEGER PRIMARY KEY, at DATETIME);
        INSERT INTO several VALUES (1, '2026-07-01 10:00'), (2, '2026-03-29 02:30:00'), (3, '2026-07-01T10:00:00Z');
        """
    )
    given = {"given": TableOverride(columns={"at": (None, "timestamptz", None)})}
    scope = Scope(time_zone="Europe/Berlin", tables=given)

    asked = engine.migrate(source, target, scope=scope)

    assert asked.status is RunStatus.NEEDS_DECISIONS, asked.error
    zones = {f"{f.table}.{f.column}": (f.choices, f.decision) for f in asked.findings if f.id == "DATE-ZONE"}
    assert zones == {
        "event.at": (("zone", "utc"), "zone"),
        "event.made": (("utc", "zone"), "utc"),
        "event.day": (("zone", "utc"), "zone"),
        "given.at": (("zone", "utc"), "zone"),
        "several.at": (("zone", "utc"), "zone"),
    }
    left_out_in_spring = {(f.table, f.keys) for f in asked.findings if f.id == "VALUE-RANGE"}
    assert left_out_in_spring == {("event", ("id=3",)), ("several", ("id=2",))}
    outcome = succeeded(engine.resume(asked.run, target, accept_lossy=True))
    assert rows(db, "SELECT at::text, made::text, day::text FROM event ORDER BY id") == [
        ("2026-01-05 09:00:00+00", "2026-01-05 10:00:00+00", "2026-07-01 06:00:00+00"),
        ("2026-10-25 00:30:00+00", None, "2026-07-02 06:00:00+00"),
    ]
    assert rows(db, "SELECT at::text FROM given") == [("2026-07-01 08:00:00+00",)]
    assert rows(db, "SELECT id, at::text FROM several ORDER BY id") == [
        (1, "2026-07-01 08:00:00+00"),
        (3, "2026-07-01 10:00:00+00"),
    ]
    pull(PullRequest(tmp_path / "back.db"), target)
    with closing(sqlite3.connect(tmp_path / "back.db")) as back, closing(sqlite3.connect(source)) as file:
        for query in ("SELECT * FROM event WHERE id < 3", "SELECT * FROM given"):
            assert back.execute(query).fetchall() == file.execute(query).fetchall()
    assert engine.rollback(outcome.run, target).status is RunStatus.ROLLED_BACK
    unknown = engine.migrate(source, target, scope=replace(scope, time_zone="Mars/Olympus"))
    assert unknown.error is not None
    assert unknown.error.id == "TIME-ZONE"
