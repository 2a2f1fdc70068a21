"""What of a schema cannot be carried is said, with its original text, and the rest of the table arrives."""

from __future__ import annotations

import sqlite3

import pytest
from psycopg import errors

from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.findings import Finding
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, rows, succeeded, value


def found(outcome: RunOutcome, id: str) -> list[Finding]:
    return [finding for finding in outcome.findings if finding.id == id]


def test_a_default_or_generated_column_without_an_equal_is_said_and_its_values_arrive(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    source = make_source(
        """
        CREATE TABLE t (id INTEGER PRIMARY KEY, n INT DEFAULT 'none', p TEXT DEFAULT (printf('%05d', 3)),
            s TEXT AS (printf('%03d', id)) STORED, at TIMESTAMP DEFAULT '0000-00-00 00:00:00');
        INSERT INTO t (id, n, p, at) VALUES (7, 1, 'x', '2026-01-01 00:00:00');
        """
    )

    outcome = succeeded(engine.migrate(source, target))

    assert rows(db, "SELECT id, n, p, s FROM t") == [(7, 1, "x", "007")]
    said = {finding.column: finding for finding in found(outcome, "DEFAULT-NOT-CARRIED")}
    assert set(said) == {"n", "p", "at"}
    assert said["p"].samples == ("printf('%05d', 3)",)
    assert said["at"].samples == ("'0000-00-00 00:00:00'",)
    (generated,) = found(outcome, "GENERATED-NOT-CARRIED")
    assert (generated.column, generated.samples) == ("s", ("printf('%03d', id)",))


def test_an_empty_table_that_is_there_and_its_triggers_are_said(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    db.execute(
        "CREATE TABLE t (id bigint PRIMARY KEY, v text);"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER look BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
    )
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a');")

    outcome = succeeded(engine.migrate(source, target))

    assert [finding.decision for finding in found(outcome, "TARGET-EXISTS")] == ["merge"]
    assert [finding.object for finding in found(outcome, "TARGET-TRIGGERS")] == ["look"]
    assert value(db, "SELECT v FROM t") == "a"


def test_a_collation_is_said(engine: Engine, make_source: MakeSource, target: Target) -> None:
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE RTRIM); INSERT INTO t VALUES (1, 'a ');"
    )

    outcome = succeeded(engine.migrate(source, target))

    assert [finding.column for finding in found(outcome, "COLLATION-NOT-CARRIED")] == ["name"]


def test_null_where_not_null_is_declared_does_not_stop_the_run(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    def build(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        connection.execute("INSERT INTO t VALUES (1, NULL), (2, 'x')")
        connection.execute("PRAGMA writable_schema = on")
        connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'v TEXT', 'v TEXT NOT NULL')")

    source = make_source(build)

    outcome = succeeded(engine.migrate(source, target))

    (finding,) = found(outcome, "NOT-NULL-BROKEN")
    assert (finding.column, finding.rows, finding.decision) == ("v", 1, "nullable")
    assert rows(db, "SELECT id, v FROM t ORDER BY 1") == [(1, None), (2, "x")]
    engine.rollback(outcome.run, target)
    decisions = decided(FindingDecision("NOT-NULL-BROKEN", "quarantine"))
    succeeded(engine.migrate(source, target, decisions=decisions))
    assert rows(db, "SELECT id, v FROM t") == [(2, "x")]
    with pytest.raises(errors.NotNullViolation):
        rows(db, "INSERT INTO t VALUES (3, NULL) RETURNING 1")


def test_the_next_identity_is_above_the_rows_and_the_high_water_mark(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    source = make_source(
        """
        CREATE TABLE gone (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);
        INSERT INTO gone VALUES (41, 'x'); DELETE FROM gone;
        CREATE TABLE below (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO below VALUES (-5, 'a');
        CREATE TABLE empty (id INTEGER PRIMARY KEY, v TEXT);
        CREATE TABLE full (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO full VALUES (9223372036854775807, 'a');
        """
    )

    outcome = succeeded(engine.migrate(source, target))

    given = {
        name: value(db, f"INSERT INTO {name} (v) VALUES ('new') RETURNING id") for name in ("gone", "below", "empty")
    }
    assert given == {"gone": 42, "below": 1, "empty": 1}
    assert [finding.table for finding in found(outcome, "IDENTITY-NOT-CARRIED")] == ["full"]


def test_a_generated_column_may_read_another_one(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    source = make_source(
        """
        CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, c TEXT NOT NULL AS ('n' || b), b INT AS (a * 2) STORED);
        INSERT INTO t (id, a) VALUES (1, 4);
        """
    )

    outcome = succeeded(engine.migrate(source, target))

    assert value(db, "INSERT INTO t (a) VALUES (5) RETURNING c || ' ' || b") == "n10 10"
    assert value(db, "SELECT c FROM t WHERE id = 1") == "n8"
    assert [finding.column for finding in found(outcome, "GENERATED-STORED")] == ["c"]
    assert found(outcome, "GENERATED-NOT-CARRIED") == []
    with pytest.raises(errors.NotNullViolation):
        rows(db, "INSERT INTO t (a) VALUES (NULL) RETURNING 1")


def test_comments_keep_the_original_declaration(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    statement = "CREATE TABLE \"o'dd\" (id INTEGER PRIMARY KEY, v VARCHAR(5) NOT NULL DEFAULT 'it''s', bare)"

    succeeded(engine.migrate(make_source(statement), target))

    assert value(db, "SELECT obj_description('\"o''dd\"'::regclass)") == f"SQLite: {statement}"
    described = "SELECT col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = '\"o''dd\"'::regclass "
    assert rows(db, described + "AND attnum > 0 AND NOT attisdropped ORDER BY attnum") == [
        ("SQLite: INTEGER PRIMARY KEY",),
        ("SQLite: VARCHAR(5) NOT NULL DEFAULT 'it''s'",),
        (None,),
    ]


def test_clauses_that_have_no_place_are_said(engine: Engine, make_source: MakeSource, target: Target) -> None:
    source = make_source(
        """
        CREATE TABLE p (a INT, b INT, e TEXT UNIQUE ON CONFLICT REPLACE, UNIQUE (a, b));
        CREATE TABLE c (a INT, b INT, FOREIGN KEY (a, b) REFERENCES p (a, b) MATCH FULL ON DELETE CASCADE);
        INSERT INTO c VALUES (1, NULL);
        """
    )

    outcome = succeeded(engine.migrate(source, target))

    assert [finding.table for finding in found(outcome, "CONFLICT-NOT-CARRIED")] == ["p"]
    assert [finding.table for finding in found(outcome, "FK-MATCH")] == ["c"]


def test_a_check_for_json_holds_on_the_target(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    source = make_source(
        """
        CREATE TABLE t (id INTEGER PRIMARY KEY, d TEXT CHECK (json_valid(d) OR d IS NULL));
        INSERT INTO t VALUES (1, '{"a": 1}'), (2, NULL);
        """
    )

    outcome = succeeded(engine.migrate(source, target))

    assert found(outcome, "CHECK-NOT-CARRIED") == []
    with pytest.raises((errors.CheckViolation, errors.InvalidTextRepresentation)):
        rows(db, "INSERT INTO t (id, d) VALUES (3, '{a') RETURNING 1")
