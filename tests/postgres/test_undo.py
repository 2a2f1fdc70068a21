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


def test_rows_that_were_edited_or_whose_value_is_taken_since_are_kept_and_all_others_are_as_before(
    db: Connection, fence: Fence
) -> None:
    db.execute("CREATE TABLE u (id int PRIMARY KEY, mail text UNIQUE, token text)")
    db.execute("INSERT INTO u SELECT n, 'old' || n, 's' FROM generate_series(1, 400) n")
    states = "SELECT id, md5((u.*)::text) FROM u"
    before = dict(db.execute(states).fetchall())
    db.execute("CREATE TABLE was AS SELECT * FROM u; UPDATE u SET mail = 'new' || id, token = 't'")
    image = f"(SELECT {texts_of('o', ['id', 'mail', 'token'])} FROM was o WHERE o.id = x.id)"
    journal(db, "u", "true", "update", image)
    published(db, fence, "u")
    db.execute("UPDATE u SET mail = 'edited' || id WHERE id % 8 = 0")
    db.execute("INSERT INTO u VALUES (900, 'old7', 's'), (901, 'old333', 's')")

    undone = undo(db, fence, secret=lambda column: column == "token")

    edited = set(range(8, 401, 8))
    after = dict(db.execute(states).fetchall())
    assert {key for key in before if after[key] != before[key]} == edited | {7, 333}
    assert (undone.restored, len(undone.kept), len(edited)) == (348, 52, 50)
    told = {line.split(": was")[0]: line for line in undone.kept}
    assert set(told) == {f'public.u {{"id": {key}}}' for key in edited | {7, 333}}
    assert told['public.u {"id": 8}'].endswith(
        "was updated by the run and changed since; kept as it is: mail 'edited8' (before the run 'old8'), "
        "token *** (before the run ***)."
    )
    assert "another row has what it would get back under the unique key u_mail_key" in told['public.u {"id": 7}']


def test_added_rows_that_only_refer_to_one_another_go_together(db: Connection, fence: Fence) -> None:
    db.execute(
        "CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);"
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b DEFERRABLE;"
        "CREATE TABLE ring (id int PRIMARY KEY, next int REFERENCES ring);"
        "INSERT INTO ring VALUES (1, 2), (2, 1), (3, 4), (4, 3), (5, 3)"
    )
    with db.transaction():
        db.execute(
            "SET CONSTRAINTS ALL DEFERRED; INSERT INTO a VALUES (1, 1), (2, 2); INSERT INTO b VALUES (1, 1), (2, 2)"
        )
    journal(db, "ring", "id < 5", "insert")
    journal(db, "a", "true", "insert")
    journal(db, "b", "true", "insert")
    published(db, fence, "ring", "a", "b")
    db.execute("INSERT INTO b VALUES (9, 2)")

    undone = undo(db, fence)

    assert undone.deleted == 4
    assert db.execute("SELECT id FROM ring ORDER BY 1").fetchall() == [(3,), (4,), (5,)]
    assert db.execute("SELECT 'a', id FROM a UNION ALL SELECT 'b', id FROM b ORDER BY 1, 2").fetchall() == [
        ("a", 2),
        ("b", 2),
        ("b", 9),
    ]
    assert len([line for line in undone.kept if "is referred to since" in line]) == 4


def test_a_row_that_the_run_deleted_comes_back_with_its_children_once_its_value_is_free(
    db: Connection, fence: Fence
) -> None:
    db.execute(
        "CREATE TABLE u (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail text UNIQUE);"
        "CREATE TABLE c (id int PRIMARY KEY, u int REFERENCES u);"
        "INSERT INTO u (mail) VALUES ('a'), ('b'), ('c'); INSERT INTO c VALUES (1, 2), (2, 3)"
    )
    of_u, of_c = (f"{texts_of('x', names)}" for names in (["id", "mail"], ["id", "u"]))
    journal(db, "u", "id > 1", "delete", of_u)
    db.execute("CREATE TABLE was AS SELECT * FROM c; UPDATE c SET u = 1; DELETE FROM u WHERE id > 1")
    db.execute("UPDATE u SET mail = 'b'")
    journal(db, "c", "true", "update", f"(SELECT {of_c.replace('x.', 'o.')} FROM was o WHERE o.id = x.id)")
    journal(db, "u", "id = 1", "update", '\'{"id": "1", "mail": "a"}\'')
    published(db, fence, "u", "c")
    db.execute("INSERT INTO u (mail) VALUES ('c')")

    undone = undo(db, fence)

    assert db.execute("SELECT * FROM u ORDER BY id").fetchall() == [(1, "a"), (2, "b"), (4, "c")]
    assert db.execute("SELECT * FROM c ORDER BY id").fetchall() == [(1, 2), (2, 1)]
    assert [line.split("; ")[0] for line in undone.kept] == [
        'public.c {"id": 2}: was updated by the run and the foreign key c_u_fkey would not hold for it',
        'public.u {"id": 3}: was deleted by the run and another row has what it would get back under the unique key '
        "u_mail_key",
    ]


def test_undoing_again_says_the_same(db: Connection, fence: Fence) -> None:
    db.execute("CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1), (2)")
    journal(db, "u", "id = 1", "insert")
    published(db, fence, "u")

    first = undo(db, fence)

    assert undo(db, ledger.take_over(db, "r1")) == first
    assert db.execute("SELECT id FROM u").fetchall() == [(2,)]
