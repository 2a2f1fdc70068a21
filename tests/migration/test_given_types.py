"""Types that a person writes over the proposed ones: every value is proved, and what does not fit is asked about."""

from __future__ import annotations

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

GIVEN = {
    "small": "smallint", "code": "varchar(3)", "day": "date", "mixed": "bigint", "seen": "timestamptz",
    "size": "numeric(5,2)", "raw": "bytea", "told": "text", "wide": "double precision", "flag": "boolean",
}  # fmt: skip
SCOPE = Scope(tables={"t": TableOverride(columns={name: (None, kind, None) for name, kind in GIVEN.items()})})


def test_what_does_not_fit_a_given_type_is_set_aside_or_nulled_and_the_rest_comes_back(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    source = make_source(
        """
        CREATE TABLE t (
            id INTEGER PRIMARY KEY, small INTEGER, code TEXT, day TEXT, mixed INTEGER, seen INTEGER, size REAL,
            raw TEXT, told INTEGER, wide INTEGER, flag INTEGER
        );
        INSERT INTO t VALUES
            (1, 7, 'abc', '2026-01-05', 5, 1767607200, 1.25, 'a', 1, 1, 1),
            (2, 40000, 'abcd', 'soon', 7, 1767607201, 1.255, 'b', 2, 2, 2),
            (3, -7, NULL, '2026-01-06', 'n/a', 1767607202, 2.5, 'c', 3, 3, 0);
        """
    )

    left = engine.migrate(source, target, scope=SCOPE)

    assert left.status is RunStatus.NEEDS_DECISIONS
    asked = {(f.id, f.column): (f.rows, f.keys, f.samples, f.choices) for f in left.findings if f.decision is None}
    assert asked == {
        ("VALUE-RANGE", "small"): (1, ("id=2",), ("40000",), ("quarantine", "null")),
        ("VALUE-RANGE", "code"): (1, ("id=2",), ("'abcd'",), ("quarantine", "null")),
        ("VALUE-RANGE", "day"): (1, ("id=2",), ("'soon'",), ("quarantine", "null")),
        ("VALUE-RANGE", "size"): (1, ("id=2",), ("1.255",), ("quarantine", "null")),
        ("VALUE-RANGE", "flag"): (1, ("id=2",), ("2",), ("quarantine", "null")),
        ("TYPE-MIXED", "mixed"): (1, ("id=3",), ("'n/a'",), ("quarantine", "null")),
    }
    nulls = Decisions((FindingDecision("VALUE-RANGE", "null"), FindingDecision("TYPE-MIXED", "null")))
    succeeded(engine.migrate(source, target, scope=SCOPE, decisions=nulls))

    kinds = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass"
    found = dict(rows(db, kinds))
    assert [found[name] for name in GIVEN] == [
        "smallint", "character varying(3)", "date", "bigint", "timestamp with time zone", "numeric(5,2)", "bytea",
        "text", "double precision", "boolean",
    ]  # fmt: skip
    assert rows(db, "SELECT small, code, day, size, flag FROM t WHERE id = 2") == [(None,) * 5]
    assert rows(db, "SELECT mixed FROM t ORDER BY id") == [(5,), (7,), (None,)]
    pull(PullRequest(tmp_path / "back.db"), target)
    lost = {("t", name) for name in ("small", "code", "day", "mixed", "size", "flag", "told")}
    assert contents(tmp_path / "back.db", without=lost) == contents(source, without=lost)
