"""Publishing, apart from a run: whole runs are in tests/migration."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from migrator_tui.model.errors import FenceLost, VerificationFailed
from migrator_tui.model.plan import Action, ColumnPlan, Plan, TablePlan
from migrator_tui.model.schema import ForeignKey, Key, TableName
from migrator_tui.postgres import ddl, ledger, publish
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.undo import undo

Connection = psycopg.Connection[Any]
FRESH = TablePlan(
    "fresh",
    TableName("public", "fresh"),
    Action.CREATE,
    (ColumnPlan("id", "id", "bigint", "integer", not_null=True), ColumnPlan("up", "up", "bigint", "integer")),
    primary_key=Key(("id",), "fresh_pkey"),
    foreign_keys=(ForeignKey(("up",), TableName("public", "live"), ("id",), "fresh_up_fkey"),),
)
PLAN = Plan("s.db", "0" * 64, "here", (FRESH,), ("fresh",))


@pytest.fixture
def fence(db: Connection) -> Fence:
    """A run with one staged table of two rows, and the live table that it refers to."""
    ledger.install(db)
    fence = ledger.create_run(db, "r1", "0" * 64, "here")
    schema = ddl.staging_schema("r1")
    db.execute(
        f'CREATE TABLE live (id bigint PRIMARY KEY); INSERT INTO live VALUES (1); CREATE SCHEMA "{schema}"'.encode()
    )
    db.execute(ddl.create_staging_table(FRESH, schema, ()).encode())
    for _, statement in ddl.keys_and_indexes(FRESH, schema):
        db.execute(statement.encode())
    db.execute(f'INSERT INTO "{schema}".fresh VALUES (1, 10, 1), (2, 20, NULL)'.encode())
    return fence


def state(db: Connection) -> str:
    run = ledger.read_run(db, "r1")
    assert run is not None
    return run.state


def test_a_published_run_is_published_once(db: Connection, fence: Fence) -> None:
    first = publish.publish(db, PLAN, fence, {"fresh": 2})
    again = publish.publish(db, PLAN, fence, {"fresh": 99})

    assert (first.created, first.unvalidated) == ({"fresh": 2}, ((FRESH.target, "fresh_up_fkey"),))
    assert (again.created, again.merged, again.unvalidated) == (first.created, first.merged, first.unvalidated)
    assert state(db) == "published"
    assert db.execute("SELECT * FROM fresh ORDER BY id").fetchall() == [(10, 1), (20, None)]


def test_foreign_keys_onto_live_tables_are_validated_after_the_publish(db: Connection, fence: Fence) -> None:
    validated = "SELECT convalidated FROM pg_constraint WHERE conname = 'fresh_up_fkey'"
    published = publish.publish(db, PLAN, fence, {"fresh": 2})
    assert db.execute(validated.encode()).fetchone() == (False,)

    assert publish.after_publish(db, PLAN, published, "r1") == ()
    assert db.execute(validated.encode()).fetchone() == (True,)
    assert db.execute("SELECT to_regnamespace(%s)", (f'"{ddl.staging_schema("r1")}"',)).fetchone() == (None,)


def test_a_foreign_key_that_rows_do_not_satisfy_is_a_note(db: Connection, fence: Fence) -> None:
    db.execute("DELETE FROM live")
    published = publish.publish(db, PLAN, fence, {"fresh": 2})

    (note,) = publish.after_publish(db, PLAN, published, "r1")

    assert "fresh_up_fkey holds for new rows only" in note
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        db.execute("INSERT INTO fresh VALUES (3, 3)")


def test_another_number_of_rows_than_was_staged_is_not_published(db: Connection, fence: Fence) -> None:
    with pytest.raises(VerificationFailed) as caught:
        publish.publish(db, PLAN, fence, {"fresh": 3})

    assert caught.value.id == "PUBLISH-COUNT"
    assert state(db) == "staging"
    assert db.execute("SELECT to_regclass('fresh')").fetchone() == (None,)


def test_a_process_whose_run_was_taken_over_publishes_nothing(db: Connection, fence: Fence) -> None:
    ledger.take_over(db, "r1")

    with pytest.raises(FenceLost):
        publish.publish(db, PLAN, fence, {"fresh": 2})

    assert db.execute("SELECT to_regclass('fresh')").fetchone() == (None,)


def test_publishing_does_not_wait_for_ever_for_a_lock(
    target: Target, db: Connection, fence: Fence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "LOCK_TIMEOUT_MS", 50)
    with connect(target) as other, other.transaction():
        other.execute("LOCK TABLE live IN ACCESS EXCLUSIVE MODE")

        with pytest.raises(psycopg.errors.LockNotAvailable):
            publish.publish(db, PLAN, fence, {"fresh": 2})

    assert publish.publish(db, PLAN, fence, {"fresh": 2}).created == {"fresh": 2}


def test_dropping_a_schema_of_many_tables_leaves_none(db: Connection) -> None:
    db.execute("CREATE SCHEMA many")
    for number in range(25):
        db.execute(
            f"CREATE TABLE many.t{number} (id int PRIMARY KEY, up int REFERENCES many.t{max(number - 1, 0)})".encode()
        )

    publish.drop_schema(db, "many", batch=10)
    publish.drop_schema(db, "many", batch=10)

    assert db.execute("SELECT to_regnamespace('many')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("write", "said"),
    [
        ("INSERT INTO fresh VALUES (99, NULL)", "1 rows were added or changed since, 0 are gone or changed"),
        ("UPDATE fresh SET up = 7 WHERE id = 10", "1 rows were added or changed since, 1 are gone or changed"),
    ],
)
def test_a_transaction_that_was_under_way_at_the_publish_counts_as_later(
    target: Target, db: Connection, fence: Fence, write: str, said: str
) -> None:
    with connect(target) as early:
        with early.transaction():
            early.execute("INSERT INTO live VALUES (5)")  # it has its number before the publish has
            published = publish.publish(
                db, Plan("s.db", "0" * 64, "here", (without_key(),), ("fresh",)), fence, {"fresh": 2}
            )
            early.execute(write.encode())
        assert published.created == {"fresh": 2}

    undone = undo(db, ledger.take_over(db, "r1"))

    assert undone.kept_schema == ddl.undone_schema("r1")
    assert undone.kept[0] == f"public.fresh: {said}."


def without_key() -> TablePlan:
    return TablePlan("fresh", FRESH.target, Action.CREATE, FRESH.columns, primary_key=FRESH.primary_key)
