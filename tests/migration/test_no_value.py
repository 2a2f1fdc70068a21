"""Values that stand for none among numbers and dates: kept as they are, or NULL where somebody says so."""

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

BILLS = """
    CREATE TABLE bills (
        id INTEGER PRIMARY KEY, pieces INTEGER, price DECIMAL(10,2), paid DATE NOT NULL DEFAULT '0000-00-00',
        sent DATETIME, open BOOLEAN, weight REAL, due DATE, twice AS (pieces * 2), code INTEGER UNIQUE
    );
    CREATE TABLE lines (bill INTEGER REFERENCES bills (code));
    INSERT INTO bills (id, pieces, price, paid, sent, open, weight, due, code) VALUES
        (1, 3, 2.5, '2026-01-05', '2026-01-05 10:00:00', 'yes', 1.5, '2026-01-05', 1),
        (2, '', 4, '0000-00-00', '0000-00-00 00:00:00', '', 'n/a', 'soon', ''),
        (3, 5, '', '', '', 'no', x'00', '2026-01-06', 3);
    INSERT INTO lines VALUES (1), ('');
"""


def types_of(db: Connection) -> dict[str, tuple[str, bool]]:
    query = (
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        "WHERE attrelid = 'bills'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    return {name: (kind, not_null) for name, kind, not_null in rows(db, query)}


def test_they_stay_as_they_are_unless_somebody_says_otherwise(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    source = make_source(BILLS)

    outcome = succeeded(engine.migrate(source, target))

    asked = {
        f.column: (f.rows, f.keys, f.samples, f.decision)
        for f in outcome.findings
        if f.id == "VALUE-EMPTY" and f.table == "bills"
    }
    assert asked == {
        "pieces": (1, ("id=2",), ("''",), "keep"),
        "price": (1, ("id=3",), ("''",), "keep"),
        "paid": (2, ("id=2", "id=3"), ("'0000-00-00'", "''"), "keep"),
        "sent": (2, ("id=2", "id=3"), ("'0000-00-00 00:00:00'", "''"), "keep"),
        "open": (1, ("id=2",), ("''",), "keep"),
    }  # a foreign key refers to code, whose values cannot be NULL
    assert {kind for kind, _ in types_of(db).values()} == {"bigint", "text"}
    pull(PullRequest(tmp_path / "back.db"), target)
    assert contents(tmp_path / "back.db") == contents(source)


def test_they_become_null_in_columns_of_their_type_by_decision(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(BILLS)
    decisions = Decisions(
        (
            FindingDecision("VALUE-EMPTY", "null"),
            FindingDecision("TYPE-MIXED", "null", "bills", "weight"),
            FindingDecision("DATE-MIXED", "null", "bills", "due"),
        )
    )

    outcome = succeeded(engine.migrate(source, target, decisions=decisions))

    found = types_of(db)
    assert {name: found[name] for name in ("pieces", "price", "paid", "sent", "open", "weight", "due")} == {
        "pieces": ("bigint", False),
        "price": ("numeric(10,2)", False),
        "paid": ("date", False),
        "sent": ("timestamp without time zone", False),
        "open": ("boolean", False),
        "weight": ("double precision", False),
        "due": ("date", False),
    }
    assert rows(db, "SELECT pieces, price::text, paid::text, sent::text, open, weight, due::text FROM bills") == [
        (3, "2.50", "2026-01-05", "2026-01-05 10:00:00", True, 1.5, "2026-01-05"),
        (None, "4.00", None, None, None, None, None),
        (5, None, None, None, False, None, "2026-01-06"),
    ]
    assert rows(db, "SELECT twice FROM bills ORDER BY id") == [(6,), (0,), (10,)]  # '' * 2 is 0 in SQLite
    nulled = {(f.id, f.column): f.rows for f in outcome.findings if f.decision == "null" and f.table == "bills"}
    assert nulled == {
        ("VALUE-EMPTY", "pieces"): 1,
        ("VALUE-EMPTY", "price"): 1,
        ("VALUE-EMPTY", "paid"): 2,
        ("VALUE-EMPTY", "sent"): 2,
        ("VALUE-EMPTY", "open"): 1,
        ("TYPE-MIXED", "weight"): 2,
        ("DATE-MIXED", "due"): 1,
    }


def test_a_live_column_gets_null_for_what_is_of_another_class(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 5), (2, ''), (3, 'n/a');"
    )
    db.execute("CREATE TABLE t (id bigint PRIMARY KEY, n bigint)")
    merge = FindingDecision("TARGET-EXISTS", "merge")

    succeeded(engine.migrate(source, target, decisions=Decisions((merge, FindingDecision("TYPE-MIXED", "null")))))

    assert rows(db, "SELECT id, n FROM t ORDER BY id") == [(1, 5), (2, None), (3, None)]
