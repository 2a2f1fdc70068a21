"""Undo, apart from a run: whole rollbacks are in tests/migration."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from migrator_tui.model.errors import FenceLost, TargetError
from migrator_tui.model.schema import TableName
from migrator_tui.postgres import ledger, publish
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.merge import row_hash, texts_of
from migrator_tui.postgres.undo import Undone, undo

Connection = psycopg.Connection[Any]


@pytest.fixture
def fence(db: Connection) -> Fence:
    ledger.install(db)
    return ledger.create_run(db, "r1", "0" * 64, "here")


def published(db: Connection, fence: Fence, *merged_into: str) -> None:
    """Record a publish that created nothing and merged into live tables."""
    with db.transaction():
        ledger.set_state(db, fence, "published")
        row = db.execute("SELECT pg_current_xact_id()::xid::text").fetchone()
        detail: dict[str, Any] = {
            "xid": row[0] if row else "",
            "under_way": [],
            "created": [],
            "enums": [],
            "views": [],
        }
        ledger.write_step(
            db,
            "r1",
            publish.STEP,
            detail | {"merged": {}, "merged_into": [["public", n] for n in merged_into], "unvalidated": []},
        )


def journal(db: Connection, table: str, where: str, op: str, before: str = "NULL") -> None:
    db.execute(
        "INSERT INTO migrator.undo (run, tbl, key, op, before, after_hash) "
        f"SELECT 'r1', '{TableName('public', table)}', jsonb_build_object('id', x.id), '{op}', {before}, "
        f"{row_hash('x')} FROM public.{table} x WHERE {where}".encode()
    )


def test_a_run_that_was_not_published_cannot_be_undone(db: Connection, fence: Fence) -> None:
    with pytest.raises(TargetError) as caught:
        undo(db, fence)

    assert caught.value.id == "UNDO-NOT-PUBLISHED"


def test_undo_is_for_the_process_that_holds_the_run(db: Connection, fence: Fence) -> None:
    published(db, fence)
    ledger.take_over(db, "r1")

    with pytest.raises(FenceLost):
        undo(db, fence)


def test_added_rows_go_children_first_also_within_a_table(db: Connection, fence: Fence) -> None:
    db.execute("CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree)")
    db.execute("INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, 3), (5, 5)")
    journal(db, "tree", "id > 1", "insert")
    published(db, fence, "tree")

    assert undo(db, fence) == Undone(0, 4, 0, (), None)
    assert db.execute("SELECT id FROM tree").fetchall() == [(1,)]


def test_a_row_that_somebody_refers_to_keeps_all_that_it_refers_to(db: Connection, fence: Fence) -> None:
    db.execute("CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree)")
    db.execute("INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, NULL)")
    journal(db, "tree", "true", "insert")
    published(db, fence, "tree")
    db.execute("INSERT INTO tree VALUES (9, 2)")

    undone = undo(db, fence)

    assert db.execute("SELECT id FROM tree ORDER BY id").fetchall() == [(1,), (2,), (9,)]
    assert (undone.deleted, len(undone.kept)) == (2, 2)


def test_a_value_that_an_added_row_took_goes_back_to_the_row_that_had_it(db: Connection, fence: Fence) -> None:
    db.execute("CREATE TABLE u (id int PRIMARY KEY, mail text UNIQUE, other int REFERENCES u)")
    db.execute("INSERT INTO u VALUES (1, 'a', NULL)")
    before = f"(SELECT {texts_of('o', ['id', 'mail', 'other'])} FROM (VALUES (1, 'a', NULL)) o (id, mail, other))"
    db.execute("UPDATE u SET mail = 'b' WHERE id = 1; INSERT INTO u VALUES (2, 'a', NULL), (3, 'c', NULL)")
    db.execute("UPDATE u SET other = 3 WHERE id = 1")
    journal(db, "u", "id = 1", "update", before)
    journal(db, "u", "id > 1", "insert")
    published(db, fence, "u")

    assert undo(db, fence) == Undone(0, 2, 1, (), None)
    assert db.execute("SELECT * FROM u").fetchall() == [(1, "a", None)]


def test_undoing_again_says_the_same(db: Connection, fence: Fence) -> None:
    db.execute("CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1), (2)")
    journal(db, "u", "id = 1", "insert")
    published(db, fence, "u")

    first = undo(db, fence)

    assert undo(db, ledger.take_over(db, "r1")) == first
    assert db.execute("SELECT id FROM u").fetchall() == [(2,)]
