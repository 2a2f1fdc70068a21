"""A backup whose rows join live tables: staged, compared, decided, published, and taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrator_tui.migration.backups import backing_up
from migrator_tui.migration.conflicts import conflict_groups, conflict_rows
from migrator_tui.migration.merging_back import COMMAND, MergingBack
from migrator_tui.migration.request import Request
from migrator_tui.migration.run import begin
from migrator_tui.migration.run_files import read_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.runner import Runner
from migrator_tui.model.decisions import ConflictChoice, ConflictDecision, ConflictRule, Decisions, OnConflict
from migrator_tui.model.errors import Interrupted
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Scope
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.backup_file import OpeningKey
from migrator_tui.postgres.connect import Target
from tests.migration.running import Connection, Engine, rows, text

KEY = OpeningKey("passphrase", b"four words of mine")
MADE = """
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text UNIQUE, name text);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customers, total numeric(10,2),
                     paid bool GENERATED ALWAYS AS (total > 10) STORED);
CREATE TABLE extra (id int PRIMARY KEY);
CREATE TABLE nothing (id int PRIMARY KEY);
INSERT INTO customers (email, name) SELECT 'c' || n || '@x.org', 'name ' || n FROM generate_series(1, 20) n;
INSERT INTO orders SELECT n, 1 + n % 20, n * 1.5 FROM generate_series(1, 50) n;
"""
SINCE = """
DROP TABLE extra;
UPDATE customers SET name = 'edited' WHERE id IN (1, 2, 3, 4);
UPDATE customers SET email = 'moved@x.org' WHERE id = 5;
INSERT INTO customers (email, name) VALUES ('c5@x.org', 'another');
DELETE FROM orders WHERE id IN (10, 11);
"""
Restore = Callable[..., RunOutcome]


@pytest.fixture
def backup(db: Connection, target: Target, tmp_path: Path) -> Path:
    db.execute(MADE)
    made = backing_up.make(
        target,
        tmp_path / "b.backup",
        schema="public",
        tables=(),
        key=KEY,
        recovery=OpeningKey("recovery", b"k" * 32),
        proof=None,
        stop=threading.Event(),
        progress=lambda text: None,
    )
    return made.file


def restored(
    target: Target, file: Path, failpoint: Callable[[str], None] = lambda name: None, **asked: Any
) -> RunOutcome:
    """A run that merges the backup."""
    request = Request(file, **({"scope": Scope(schema="")} | asked), command=COMMAND)
    folder = begin(request, target)
    runner = Runner(
        folder.run, MergingBack(request, target, folder, failpoint=failpoint, keys=lambda header: iter([KEY]))
    )
    runner.start()
    outcome = runner.wait()
    assert outcome is not None
    return outcome


def state(db: Connection) -> tuple[Any, Any]:
    return (
        rows(db, "SELECT id, email, name FROM customers ORDER BY id"),
        rows(db, "SELECT id, customer, total, paid FROM orders ORDER BY id"),
    )


def test_a_backups_rows_join_live_tables_as_decided_and_leave_them_again(
    db: Connection, target: Target, backup: Path, engine: Engine
) -> None:
    whole = state(db)
    db.execute(SINCE)
    before = state(db)

    asked = restored(target, backup)

    assert (asked.status, asked.conflicts_found) == (RunStatus.NEEDS_DECISIONS, 5)
    assert "--tables extra" in asked.notes[0]
    assert state(db) == before
    plan = read_plan(RunFolder.open(asked.run))
    groups = conflict_groups(db, plan, asked.run, Decisions())
    assert [(g.table, g.kind, g.found) for g in groups] == [("customers", "same-key", 4), ("customers", "several", 1)]
    (several,) = conflict_rows(db, plan, asked.run, ("customers", "several"), 0, 10)
    assert [hit.values["name"] for hit in several.hits] == ["another"]

    # Staging has all of it: the backup, and its key, are needed no more.
    backup.unlink()
    decisions = Decisions(
        conflicts=(
            ConflictDecision("customers", {"id": 1}, ConflictChoice.KEEP_TARGET),
            ConflictDecision("customers", {"id": 2}, ConflictChoice.EDIT, values={"name": "typed"}),
            ConflictDecision("customers", {"id": 3}, ConflictChoice.QUARANTINE),
            ConflictDecision("customers", {"id": 5}, ConflictChoice.KEEP_TARGET),
        ),
        rules=(ConflictRule("customers", ConflictChoice.KEEP_SOURCE, "same-key"),),
    )
    done = engine.resume(asked.run, target, decisions=decisions)

    assert done.status is RunStatus.SUCCEEDED, done.error
    customers, orders = state(db)
    assert customers[:5] == [
        (1, "c1@x.org", "edited"),
        (2, "c2@x.org", "typed"),
        (3, "c3@x.org", "edited"),
        (4, "c4@x.org", "name 4"),
        (5, "moved@x.org", "name 5"),
    ]
    assert customers[5:] == [*whole[0][5:], (21, "c5@x.org", "another")]
    assert orders == whole[1]
    kept = db.execute("SELECT row_key, cells->'name'->>0 FROM migrator.quarantine").fetchall()
    assert kept == [('{"id": 3}', "text")]

    assert engine.rollback(asked.run, target).status is RunStatus.ROLLED_BACK
    assert state(db) == before


def test_a_policy_decides_chosen_tables_and_a_second_restore_finds_them_equal(
    db: Connection, target: Target, backup: Path
) -> None:
    whole = state(db)
    db.execute(SINCE)
    chosen = Scope(include=("orders", "customers"), schema="")

    first = restored(target, backup, scope=chosen, on_conflict=OnConflict.KEEP_SOURCE)
    db.execute("DELETE FROM customers WHERE id = 21; UPDATE customers SET email = 'c5@x.org' WHERE id = 5")
    orders = restored(target, backup, scope=replace(chosen, include=("orders",)))

    assert first.status is RunStatus.NEEDS_DECISIONS  # one of them meets two rows: no policy is for that
    assert orders.status is RunStatus.SUCCEEDED, orders.error
    again = restored(target, backup, scope=chosen, on_conflict=OnConflict.KEEP_SOURCE)
    assert again.status is RunStatus.SUCCEEDED, again.error
    assert state(db) == whole
    assert {t.unchanged for t in restored(target, backup, scope=chosen).tables} == {20, 50}


@pytest.mark.parametrize(
    ("since", "id"),
    [
        ("ALTER TABLE orders DROP total CASCADE", "RESTORE-SHAPE"),
        ("ALTER TABLE orders DROP CONSTRAINT orders_pkey", "RESTORE-NO-KEY"),
        ("DROP TABLE orders, customers, extra, nothing", "RESTORE-NONE"),
    ],
)
def test_tables_that_the_rows_cannot_join_are_refused_by_name(
    db: psycopg.Connection[Any], target: Target, backup: Path, since: str, id: str
) -> None:
    db.execute(text(since))

    outcome = restored(target, backup)

    assert outcome.error is not None
    assert outcome.error.id == id
    assert "orders" in outcome.error.message or id == "RESTORE-NONE"
    assert outcome.status is RunStatus.NEEDS_DECISIONS


def test_a_restore_that_was_cut_off_does_not_go_on_with_another_file(
    db: Connection, target: Target, backup: Path, engine: Engine
) -> None:
    before = state(db)

    def cancel(name: str) -> None:
        if name == "staging":
            raise Interrupted("CANCELLED", "Cancelled.")

    cut = restored(target, backup, failpoint=cancel)
    assert cut.status is RunStatus.INTERRUPTED
    backup.write_bytes(backup.read_bytes() + b"more")

    refused = engine.resume(cut.run, target)

    assert refused.error is not None
    assert refused.error.id == "BACKUP-OTHER"
    assert state(db) == before
