from __future__ import annotations

import sqlite3

import pytest

from migrator_tui.migration.audit import AuditTrail
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.decisions import ConflictChoice, ConflictRule, OnConflict
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres import ledger
from migrator_tui.postgres.connect import Target, connect
from tests.migration.conftest import MakeSource
from tests.migration.running import (
    Connection,
    Engine,
    decided,
    fingerprint,
    leftovers,
    rows,
    session,
    succeeded,
    text,
    value,
)

SOURCE = """
CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT UNIQUE);
CREATE TABLE b (id INTEGER PRIMARY KEY, a_id INTEGER REFERENCES a);
CREATE VIEW both AS SELECT v FROM a JOIN b ON b.a_id = a.id;
INSERT INTO a VALUES (1, 'one'), (2, 'two'); INSERT INTO b VALUES (1, 1), (2, 2);
"""


def test_the_rolled_back_run_s_report_keeps_what_had_moved(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    done = succeeded(engine.migrate(make_source(SOURCE), target))

    undone = engine.rollback(done.run, target)

    assert (undone.command, undone.status) == ("rollback", RunStatus.ROLLED_BACK)
    assert {t.source: (t.source_rows, t.staged_rows, t.published_rows, t.verified) for t in undone.tables} == {
        "a": (2, 2, 0, False),
        "b": (2, 2, 0, False),
    }
    run = ledger.read_run(db, done.run)
    assert run is not None
    assert run.state == "rolled_back"
    assert RunFolder.open(done.run).record().status is RunStatus.ROLLED_BACK


def test_a_run_that_never_came_to_the_target_is_rolled_back_without_a_ledger(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    run = engine.cut(make_source(SOURCE), target, "snapshot")

    assert engine.rollback(run, target).status is RunStatus.ROLLED_BACK
    assert value(db, "SELECT to_regnamespace('migrator')") is None


def test_two_runs_into_one_table_are_taken_back_in_any_order(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    first = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a');", "1.db")
    second = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'b'), (2, 'b');", "2.db"
    )
    before = fingerprint(db)
    one = succeeded(engine.migrate(first, target))
    two = succeeded(engine.migrate(second, target, on_conflict=OnConflict.KEEP_SOURCE))

    undone = engine.rollback(one.run, target)
    assert leftovers(db) == {f"migrator_undone_{one.run}"}, "the second run's rows are somebody's edits"
    assert "1 rows were added" in undone.kept_edits[0] or "2 rows were added" in undone.kept_edits[0]
    assert fingerprint(db) == before
    again = engine.rollback(two.run, target)

    assert again.status is RunStatus.ROLLED_BACK, again.error
    assert fingerprint(db) == before


def test_a_merge_is_taken_back_after_the_run_that_made_the_table(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    first = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a');", "1.db")
    second = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (2, 'b');", "2.db")
    before = fingerprint(db)
    one = succeeded(engine.migrate(first, target))
    two = succeeded(engine.migrate(second, target))

    assert engine.rollback(two.run, target).kept_edits == ()
    assert rows(db, "SELECT * FROM t") == [(1, "a")]
    assert engine.rollback(one.run, target).kept_edits == ()
    assert fingerprint(db) == before


@pytest.mark.parametrize("locked", ["a", "b"])
def test_a_rollback_waits_for_a_lock_and_goes_on(
    make_source: MakeSource,
    target: Target,
    engine: Engine,
    db: Connection,
    locked: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = fingerprint(db)
    done = succeeded(engine.migrate(make_source(SOURCE), target))
    monkeypatch.setattr("migrator_tui.postgres.undo.LOCK_TIMEOUT_MS", 50)
    other = session(target)
    other.execute("BEGIN")
    other.execute(text(f"LOCK TABLE {locked} IN ACCESS SHARE MODE"))
    waited: list[str | None] = []

    def wait(board: object, why: str | None) -> None:
        waited.append(why)
        if why is not None and not other.closed:
            other.close()

    monkeypatch.setattr("migrator_tui.migration.board.Board.set_retry", wait)
    undone = engine.rollback(done.run, target)

    assert undone.status is RunStatus.ROLLED_BACK, undone.error
    assert any("Trying again" in why for why in waited if why)
    assert fingerprint(db) == before


def test_the_audit_trail_tells_the_whole_story(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    done = succeeded(engine.migrate(make_source(SOURCE), target))
    undone = engine.rollback(done.run, target)

    trail = AuditTrail(RunFolder.open(done.run).file("audit.jsonl"), done.run, actor="a test")

    run = ledger.read_run(db, done.run)
    assert run is not None
    assert trail.anchor == undone.audit_anchor
    assert run.audit_count is not None
    assert undone.audit_anchor is not None
    assert run.audit_count <= undone.audit_anchor[0]


def test_a_row_that_was_added_and_refers_to_itself_goes_whatever_the_table_is_called(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute('CREATE TABLE "Emp" (id int PRIMARY KEY, boss int REFERENCES "Emp"); INSERT INTO "Emp" VALUES (9, 9)')
    source = make_source(
        'CREATE TABLE "Emp" (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES "Emp");'
        'INSERT INTO "Emp" VALUES (1, 1), (2, 1);'
    )
    engine.rollback(succeeded(engine.migrate(source, target)).run, target)
    assert rows(db, 'SELECT id FROM "Emp"') == [(9,)]


def test_added_rows_go_by_their_own_runs_key_whatever_key_an_earlier_run_had(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute(
        "CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY (START 100) PRIMARY KEY, code text UNIQUE NOT NULL)"
    )
    by_code = make_source("CREATE TABLE t (code TEXT); INSERT INTO t VALUES ('q');", "by_code.db")
    by_id = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, code TEXT); INSERT INTO t VALUES (5, 'w');", "by_id.db"
    )
    succeeded(engine.migrate(by_code, target))
    engine.rollback(succeeded(engine.migrate(by_id, target)).run, target)
    assert rows(db, "SELECT code FROM t") == [("q",)]


def test_an_edit_within_a_savepoint_that_is_older_than_the_publish_is_kept(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE w (i int)")
    source = make_source("CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO a VALUES (1, 'x'), (2, 'y');")
    with connect(target, autocommit=False) as writer:

        def begin_writing(name: str) -> None:
            if name == "checked":
                writer.execute("SAVEPOINT x")
                writer.execute("INSERT INTO w VALUES (1)")

        run = succeeded(engine.migrate(source, target, failpoint=begin_writing)).run
        writer.execute("UPDATE a SET v = 'edited' WHERE id = 1")
        writer.commit()
    undone = engine.rollback(run, target)
    assert any("1 rows were added or changed since" in line for line in undone.kept_edits)
    assert value(db, f'SELECT v FROM "migrator_undone_{run}".a WHERE id = 1') == "edited"


def test_new_merged_and_re_pointed_tables_are_as_before_and_fifty_rows_that_were_edited_since_are_exactly_those_kept(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute(
        "CREATE TABLE users (id int PRIMARY KEY, name text, boss int REFERENCES users);"
        "CREATE TABLE posts (id int PRIMARY KEY, author int NOT NULL REFERENCES users);"
        "CREATE TABLE items (id int PRIMARY KEY, name text, n int DEFAULT 0);"
        "INSERT INTO users SELECT g, 'live ' || g FROM generate_series(1, 40) g;"
        "INSERT INTO posts SELECT g, g FROM generate_series(1, 10) g;"
        "INSERT INTO items SELECT g, 'live ' || g FROM generate_series(1, 60) g"
    )

    def fill(file: sqlite3.Connection) -> None:
        file.executescript(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, boss INTEGER REFERENCES users);"
            "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES users);"
            "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT);"
            "CREATE TABLE badges (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES users)"
        )
        file.executemany("INSERT INTO users VALUES (?, ?, ?)", [(n, f"new {n}", n // 2 or None) for n in range(1, 41)])
        file.executemany("INSERT INTO posts VALUES (?, ?)", [(1000 + n, n % 40 + 1) for n in range(80)])
        file.executemany("INSERT INTO items VALUES (?, ?)", [(n, f"new {n}") for n in range(1, 101)])
        file.executemany("INSERT INTO badges VALUES (?, ?)", [(n, n) for n in range(1, 31)])

    source, before = make_source(fill), fingerprint(db)
    rules = [ConflictRule("users", ConflictChoice.KEEP_BOTH), ConflictRule("items", ConflictChoice.KEEP_SOURCE)]
    done = succeeded(engine.migrate(source, target, decisions=decided(rules=rules)))
    named = "SELECT count(*) FROM users u JOIN {} t ON t.{} = u.id WHERE u.name LIKE 'new %'"
    assert value(db, named.format("posts", "author")) == 80
    assert value(db, named.format("badges", "owner")) == 30
    assert value(db, "SELECT count(*) FROM users u JOIN users b ON b.id = u.boss WHERE b.name LIKE 'new %'") == 39
    assert engine.rollback(done.run, target).kept_edits == ()
    assert fingerprint(db) == before

    done = succeeded(engine.migrate(source, target, decisions=decided(rules=rules)))
    db.execute("UPDATE items SET n = 1 WHERE id BETWEEN 31 AND 80")
    kept = engine.rollback(done.run, target).kept_edits
    assert sorted(line.split(":")[0] + line.split(":")[1] for line in kept) == sorted(
        f'public.items {{"id" {n}}}' for n in range(31, 81)
    )
    assert rows(db, "SELECT id, name, n FROM items WHERE n = 1 ORDER BY id") == [
        (n, f"new {n}", 1) for n in range(31, 81)
    ]
    db.execute("DELETE FROM items WHERE id > 60; UPDATE items SET name = 'live ' || id, n = 0 WHERE n = 1")
    assert fingerprint(db) == before
