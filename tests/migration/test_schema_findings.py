"""What of a schema cannot be carried is said, with its original text, and the rest of the table arrives."""

from __future__ import annotations

from migrator_tui.model.findings import Finding
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, rows, succeeded, value


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
