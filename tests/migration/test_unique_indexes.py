"""A unique index without a constraint, as many frameworks make them, is a key like any other."""

from __future__ import annotations

from typing import Any

import psycopg

from migrator_tui.model.plan import Action, Scope, TableOverride
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.inspect import inspect
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine

Connection = psycopg.Connection[Any]

SOURCE = """
    CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT NOT NULL);
    CREATE UNIQUE INDEX person_email ON person (email);
    CREATE TABLE login (id INTEGER PRIMARY KEY, email TEXT REFERENCES person (email));
    INSERT INTO person VALUES (1, 'ann@example.org');
    INSERT INTO login VALUES (1, 'ann@example.org');
"""


def referred(db: Connection, child: str) -> list[tuple[str, tuple[str, ...]]]:
    """What the foreign keys of a table refer to."""
    table = inspect(db).table(TableName("public", child))
    assert table is not None
    return [(key.parent.name, key.parent_columns) for key in table.foreign_keys]


def test_a_foreign_key_to_a_unique_index_is_carried(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    outcome = engine.migrate(make_source(SOURCE), target)
    assert outcome.status is RunStatus.SUCCEEDED
    assert [finding.id for finding in outcome.findings if finding.id == "FK-PARENT"] == []
    assert referred(db, "login") == [("person", ("email",))]


def test_rows_are_paired_by_a_unique_index_of_the_target_and_may_refer_to_it(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    db.execute(
        "CREATE TABLE person (id bigint, email text NOT NULL); CREATE UNIQUE INDEX ON person (email);"
        "INSERT INTO person VALUES (1, 'ann@example.org'), (2, 'bob@example.org')"
    )
    scope = Scope(tables={"person": TableOverride(action=Action.MERGE)})
    outcome = engine.migrate(make_source(SOURCE), target, scope=scope)
    assert outcome.status is RunStatus.SUCCEEDED
    assert db.execute("SELECT count(*) FROM person").fetchone() == (2,)
    assert referred(db, "login") == [("person", ("email",))]


def test_a_partial_or_computed_unique_index_is_no_key(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    db.execute(
        "CREATE TABLE person (id bigint, email text NOT NULL);"
        "CREATE UNIQUE INDEX ON person (email) WHERE id > 0; CREATE UNIQUE INDEX ON person (lower(email))"
    )
    scope = Scope(tables={"person": TableOverride(action=Action.MERGE)})
    outcome = engine.migrate(make_source(SOURCE), target, scope=scope)
    (misfit,) = [finding for finding in outcome.findings if finding.id == "TARGET-MISFIT"]
    assert "no primary or unique key" in misfit.message


def test_a_foreign_key_to_a_live_column_of_another_type_is_told_while_planning(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    db.execute("CREATE TABLE person (id bigint, email uuid UNIQUE)")
    scope = Scope(tables={"person": TableOverride(action=Action.SKIP)})
    outcome = engine.migrate(make_source(SOURCE), target, scope=scope)
    assert outcome.status is RunStatus.SUCCEEDED
    (left,) = [finding for finding in outcome.findings if finding.id == "FK-PARENT"]
    assert "email is text, but person.email is uuid" in left.message
    assert referred(db, "login") == []


def test_names_that_something_else_has_on_the_target_are_not_taken_twice(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    db.execute(
        "CREATE SEQUENCE person; CREATE DOMAIN login AS text; CREATE MATERIALIZED VIEW m AS SELECT 1 AS one;"
        "CREATE INDEX person_email ON m (one)"
    )
    outcome = engine.migrate(make_source(SOURCE), target)
    assert outcome.status is RunStatus.SUCCEEDED
    assert {finding.object for finding in outcome.findings if finding.id == "NAME-CHANGED"} == {
        "person", "login", "person_email"
    }  # fmt: skip
