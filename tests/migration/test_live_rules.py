"""Rows that a check or foreign key of the live table refuses: found before publishing, left behind if decided so."""

from __future__ import annotations

from migrator_tui.model.decisions import ConflictChoice, ConflictRule, OnConflict
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, fingerprint, rows, succeeded

LIVE = (
    "CREATE TABLE tenants (id int PRIMARY KEY)",
    "INSERT INTO tenants VALUES (1)",
    "CREATE TABLE t (id bigint PRIMARY KEY, v text CHECK (v <> 'bad'), tenant int REFERENCES tenants, "
    "up text DEFAULT 'x' CHECK (up <> ''), CHECK (id < 100 OR v = 'x'))",
    "INSERT INTO t VALUES (5, 'live', 1)",
)
SOURCE = """
CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, tenant INTEGER);
INSERT INTO t VALUES (1, 'ok', 1), (2, 'bad', 1), (3, 'fine', 9), (200, 'y', 1), (5, 'bad', 1), (6, NULL, NULL);
"""


def test_rows_that_the_target_would_refuse_wait_for_a_decision_and_are_quarantined(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    for statement in LIVE:
        db.execute(statement.encode())
    before = fingerprint(db)

    asked = engine.migrate(make_source(SOURCE), target, on_conflict=OnConflict.KEEP_SOURCE)

    assert asked.status is RunStatus.NEEDS_DECISIONS
    assert asked.error is not None
    assert "(rule)" in asked.error.message
    assert asked.conflicts_found == 4
    assert fingerprint(db) == before

    rule = ConflictRule("t", ConflictChoice.QUARANTINE, "rule")
    outcome = succeeded(engine.resume(asked.run, target, decisions=decided(rules=[rule])))
    assert rows(db, "SELECT id, v, tenant, up FROM t ORDER BY id") == [
        (1, "ok", 1, "x"),
        (5, "live", 1, "x"),
        (6, None, None, "x"),
    ]
    assert (outcome.tables[0].inserted, outcome.tables[0].quarantined_rows) == (2, 4)
    assert {r for (r,) in rows(db, "SELECT finding FROM migrator.quarantine")} == {"TARGET-RULE"}
    engine.rollback(outcome.run, target)
    assert fingerprint(db) == before


def test_a_parent_that_comes_in_the_same_run_is_no_reason_to_refuse(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    for statement in LIVE[:3]:
        db.execute(statement.encode())
    source = make_source(
        "CREATE TABLE tenants (id INTEGER PRIMARY KEY); INSERT INTO tenants VALUES (9);"
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, tenant INTEGER REFERENCES tenants);"
        "INSERT INTO t VALUES (3, 'fine', 9);"
    )
    succeeded(engine.migrate(source, target))
    assert rows(db, "SELECT id, tenant FROM t") == [(3, 9)]


def test_a_row_that_a_unique_index_over_an_expression_refuses_can_be_quarantined(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute('CREATE TABLE u (id bigint PRIMARY KEY, email text, "on" bigint)')
    db.execute('CREATE UNIQUE INDEX ON u (lower(email COLLATE "C"), (id % 1)) WHERE "on" = 1')
    db.execute("INSERT INTO u VALUES (1, 'ann@x', 1), (2, 'bob@x', 1)")
    source = make_source(
        'CREATE TABLE u (id INTEGER PRIMARY KEY, email TEXT, "on" INT);'
        "INSERT INTO u VALUES (1, 'ann@x', 1), (2, 'BOB@x', 1), (3, 'ANN@x', 1), (4, 'ANN@x', 0), (5, 'eve@x', 1);"
    )
    rules = (ConflictRule("u", ConflictChoice.QUARANTINE, "rule"), ConflictRule("u", ConflictChoice.KEEP_SOURCE))
    outcome = succeeded(engine.migrate(source, target, decisions=decided(rules=rules)))
    assert outcome.tables[0].quarantined_rows == 1
    assert rows(db, "SELECT id, email FROM u ORDER BY id") == [
        (1, "ann@x"),
        (2, "BOB@x"),
        (4, "ANN@x"),
        (5, "eve@x"),
    ]
