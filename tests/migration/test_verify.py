from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from migrator_tui.migration.control import Control
from migrator_tui.migration.planning import quarantine
from migrator_tui.migration.run_files import read_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.staging import Source
from migrator_tui.migration.verifying import compare_published, missing_objects
from migrator_tui.model.decisions import ConflictChoice, ConflictRule, FindingDecision
from migrator_tui.model.outcome import TableOutcome
from migrator_tui.postgres.compare import Comparison
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.sqlite import snapshot as snapshots
from migrator_tui.sqlite.inspect import inspect
from migrator_tui.sqlite.profile import profile
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, succeeded, text

SOURCE = """
CREATE TABLE p (id INTEGER PRIMARY KEY, v TEXT NOT NULL UNIQUE, f REAL, n NUMERIC(8,2), at DATETIME, j JSON, b BLOB,
    CHECK (length(v) > 0));
CREATE TABLE c (id INTEGER PRIMARY KEY, p_id INTEGER REFERENCES p);
CREATE TABLE keyless (v TEXT);
CREATE INDEX c_by_p ON c (p_id); CREATE VIEW ps AS SELECT v FROM p;
INSERT INTO p VALUES (1, 'a', 0.5, 1.25, '2026-01-01 00:00:00', '{"a": 1}', x'00ff'),
    (2, 'b', 0.0, 2, NULL, NULL, NULL);
INSERT INTO c VALUES (1, 1), (2, 2); INSERT INTO keyless VALUES ('x'), ('x'), (NULL);
"""


def verified(run: str, target: Target) -> tuple[list[str], dict[str, tuple[TableOutcome, Comparison]]]:
    """What the command ``verify`` finds: missing objects, and each table's comparison."""
    folder = RunFolder.open(run)
    plan = read_plan(folder)
    snapshot = snapshots.reopen(folder.path, plan.source_sha256)
    database = inspect(snapshot.path)
    source = Source(snapshot.path, database, profile(snapshot.path, database))
    sets = quarantine.find(snapshot.path, database, plan)
    with connect(target) as connection:
        missing = missing_objects(connection, plan)
    gone = {table.source for table in plan.moved if f"table {table.target}" in missing}
    compared = compare_published(source, plan, sets, target, run, Control(), lambda table: None, without=gone)
    return missing, {outcome.source: (outcome, found) for outcome, found in compared}


def test_what_was_published_is_verified(migrated_once: Callable[[str], tuple[Path, str]], target: Target) -> None:
    _, run = migrated_once(SOURCE)

    missing, tables = verified(run, target)

    assert missing == []
    assert {name: (found.missing, found.extra) for name, (_, found) in tables.items()} == {
        "p": (0, 0),
        "c": (0, 0),
        "keyless": (0, 0),
    }
    assert all(outcome.verified for outcome, _ in tables.values())


@pytest.mark.parametrize(
    ("change", "table", "missing", "extra"),
    [
        ("UPDATE p SET f = '-0' WHERE id = 2", "p", 1, 1),
        ("UPDATE p SET f = 0.5000000000000001 WHERE id = 1", "p", 1, 1),
        ("UPDATE p SET b = '\\x00fe' WHERE id = 1", "p", 1, 1),
        ("UPDATE p SET v = 'A' WHERE id = 1", "p", 1, 1),
        ("DELETE FROM keyless WHERE ctid = (SELECT min(ctid) FROM keyless WHERE v = 'x')", "keyless", 1, 0),
        ("INSERT INTO keyless VALUES ('x')", "keyless", 0, 1),
    ],
)
def test_a_row_that_was_changed_since_differs(
    migrated_once: Callable[[str], tuple[Path, str]], target: Target,
    change: str, table: str, missing: int, extra: int,
) -> None:  # fmt: skip
    _, run = migrated_once(SOURCE)
    with connect(target) as db:
        db.execute(text(change))

    _, tables = verified(run, target)

    for name, (outcome, found) in tables.items():
        assert (found.missing, found.extra) == ((missing, extra) if name == table else (0, 0))
        assert outcome.verified == (name != table or not missing)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("DROP VIEW ps", "view public.ps"),
        ("DROP TABLE c", "table public.c"),
        ("DROP INDEX c_by_p", "index c_by_p of public.c"),
        ("ALTER TABLE c DROP CONSTRAINT c_p_id_fkey", "foreign key c_p_id_fkey of public.c"),
        ("ALTER TABLE c DROP CONSTRAINT c_pkey", "primary key of public.c"),
        ("ALTER TABLE p DROP CONSTRAINT p_v_key", "unique key p_v_key of public.p"),
        ("ALTER TABLE p DROP CONSTRAINT p_check1", "check p_check1 of public.p"),
        ("ALTER TABLE p ALTER v DROP NOT NULL", "NOT NULL of public.p.v"),
        ("ALTER TABLE p ALTER id DROP IDENTITY", "identity of public.p.id"),
    ],
)
def test_an_object_that_is_gone_is_named(
    migrated_once: Callable[[str], tuple[Path, str]], target: Target, change: str, named: str
) -> None:
    _, run = migrated_once(SOURCE)
    with connect(target) as db:
        db.execute(text(change))

    missing, _ = verified(run, target)

    assert missing == [named]


def test_rows_that_a_decision_left_behind_are_not_missed(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, v TEXT);"
        "INSERT INTO t VALUES (1, 'a', 'same'), (2, 'b', 'mine'), (3, 'z', 'clash'),"
        "(4, 'd', 'new'), (5, 'e', char(0));"
    )
    db.execute("CREATE TABLE t (id bigint PRIMARY KEY, u text UNIQUE, v text)")
    db.execute("INSERT INTO t VALUES (1, 'a', 'same'), (2, 'b', 'theirs'), (9, 'z', 'z')")
    decisions = decided(
        FindingDecision("VALUE-NUL", "quarantine"),
        rules=[
            ConflictRule("t", ConflictChoice.KEEP_TARGET, kind="same-key"),
            ConflictRule("t", ConflictChoice.QUARANTINE, kind="unique"),
        ],
    )
    run = succeeded(engine.migrate(source, target, decisions=decisions)).run

    missing, tables = verified(run, target)

    outcome, found = tables["t"]
    assert missing == []
    assert (found.missing, found.extra) == (0, 2)
    assert outcome.verified
    assert (outcome.staged_rows, outcome.quarantined_rows, outcome.kept_target, outcome.published_rows) == (3, 2, 1, 2)
