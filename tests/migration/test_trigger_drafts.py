"""Triggers are not carried; the finding has the original and a draft, which runs once a person creates it."""

from __future__ import annotations

import pytest
from psycopg import errors

from migrator_tui.convert.trigger_drafts import HEADING, draft
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, rows, succeeded, text, value

TRIGGERS = (
    "CREATE TRIGGER noted AFTER UPDATE OF b ON t WHEN new.b <> old.b BEGIN "
    "INSERT INTO log (said, at) VALUES (OLD.b || '->' || NEW.b, datetime('now')); "
    "UPDATE t SET n = n + 1 WHERE id = new.id; END",
    "CREATE TRIGGER kept BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, 'it''s kept') WHERE old.id = 1; END",
    'CREATE TRIGGER "passed; over" BEFORE INSERT ON t BEGIN '
    "SELECT CASE WHEN new.b = 'no' THEN RAISE(IGNORE) END; END",
)
SOURCE = f"""
    CREATE TABLE t (id INTEGER PRIMARY KEY, b TEXT, n INT DEFAULT 0);
    CREATE TABLE log (id INTEGER PRIMARY KEY, said TEXT, at TEXT);
    INSERT INTO t VALUES (1, 'a', 0), (2, 'b', 0);
    {";".join(TRIGGERS)};
"""


def test_a_trigger_is_not_created_and_its_draft_does_what_it_did(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    outcome = succeeded(engine.migrate(make_source(SOURCE), target))

    said = {f.object: f.samples for f in outcome.findings if f.id == "TRIGGER-NOT-CARRIED"}
    assert {samples[0] for samples in said.values()} == set(TRIGGERS)
    of_tables = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgrelid IN ('t'::regclass, 'log'::regclass)"
    assert value(db, of_tables) == 0
    for _, drafted in said.values():
        assert drafted.startswith(HEADING)
        db.execute(text(drafted))
    db.execute("UPDATE t SET b = 'c' WHERE id = 2")
    assert rows(db, "SELECT said, at ~ '^\\d{4}-\\d\\d-\\d\\d' FROM log") == [("b->c", True)]
    assert value(db, "SELECT n FROM t WHERE id = 2") == 1
    with pytest.raises(errors.RaiseException, match="it's kept"):
        db.execute("DELETE FROM t WHERE id = 1")
    assert rows(db, "INSERT INTO t (b) VALUES ('no') RETURNING id") == []


def test_what_cannot_be_read_stays_in_the_draft_as_a_comment() -> None:
    drafted = draft("CREATE TRIGGER r AFTER INSERT ON t BEGIN REPLACE INTO x VALUES (1); END", {}, "public")
    assert "-- REPLACE INTO x VALUES (1)" in drafted
    nameless = draft('CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT datetime(""); END', {}, "public")
    assert '-- SELECT datetime("")' in nameless
    assert draft("CREATE TRIGGER broken", {}, "public") == ""
