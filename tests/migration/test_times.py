"""Times of day, and numbers that count time: what they become, by whose choice, and that they come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.migration.pulling.pull import pull
from migrator_tui.model.decisions import Decisions, FindingDecision
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
