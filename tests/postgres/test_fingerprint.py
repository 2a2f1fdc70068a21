"""The fingerprint changes with everything that matters, and with nothing else."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from migrator_tui.postgres.fingerprint import fingerprint, listing

Connection = psycopg.Connection[tuple[Any, ...]]

BEFORE = """
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE parent (id int PRIMARY KEY);
    CREATE TABLE t (id serial PRIMARY KEY, name text DEFAULT 'x', mood mood, p int);
    INSERT INTO t (name) VALUES ('a'), ('a'), ('b');
    CREATE INDEX i ON t (name);
    CREATE VIEW v AS SELECT id FROM t;
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
    CREATE POLICY po ON t USING (id > 0);
    CREATE SCHEMA other;
    GRANT SELECT ON parent TO PUBLIC;
"""


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO t (id, name) VALUES (9, 'c')",
        "UPDATE t SET name = 'c' WHERE id = 1",
        "UPDATE t SET name = NULL WHERE id = 1",
        "UPDATE t SET name = ''",
        "DELETE FROM t WHERE id IN (1, 2)",
        "SELECT nextval('t_id_seq')",
        "SELECT setval('t_id_seq', 3, false)",
        "CREATE TABLE new ()",
        "DROP TABLE parent",
        "ALTER TABLE t RENAME COLUMN name TO label",
        "ALTER TABLE t ALTER name TYPE varchar(9)",
        "ALTER TABLE t ALTER name DROP DEFAULT",
        "ALTER TABLE t ALTER name SET NOT NULL",
        "ALTER TABLE t ADD CHECK (id > 0) NOT VALID",
        "ALTER TABLE t ADD FOREIGN KEY (p) REFERENCES parent",
        "ALTER TABLE t ADD UNIQUE (id, name)",
        "DROP INDEX i; CREATE INDEX i ON t (name DESC)",
        "CREATE OR REPLACE VIEW v AS SELECT id + 0 AS id FROM t",
        "ALTER TABLE t DISABLE TRIGGER tr",
        "DROP TRIGGER tr ON t",
        "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN old; END'",
        "DROP POLICY po ON t",
        "ALTER POLICY po ON t USING (id > 1)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
        "GRANT SELECT ON t TO PUBLIC",
        "GRANT INSERT (name) ON t TO PUBLIC",
        "REVOKE SELECT ON parent FROM PUBLIC",
        "GRANT USAGE ON SEQUENCE t_id_seq TO PUBLIC",
        "GRANT USAGE ON SCHEMA other TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA other GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER TYPE mood ADD VALUE 'well'",
        "CREATE SCHEMA third",
        "DROP SCHEMA other",
        "COMMENT ON TABLE t IS 'things'",
        "COMMENT ON COLUMN t.name IS 'what it is called'",
        "CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
        "ALTER SEQUENCE t_id_seq INCREMENT 2",
    ],
)
def test_every_change_shows(db: Connection, change: str) -> None:
    db.execute(BEFORE)
    before = fingerprint(db)
    db.execute(change)
    assert fingerprint(db) != before


@pytest.mark.parametrize(
    "no_change",
    [
        "SELECT 1",
        "VACUUM (FULL, ANALYZE) t",
        "UPDATE t SET name = name",  # the rows move
        "CREATE TABLE x (); DROP TABLE x",
        "GRANT SELECT ON t TO PUBLIC; REVOKE SELECT ON t FROM PUBLIC",
        "ALTER TABLE t SET SCHEMA other; ALTER TABLE other.t SET SCHEMA public",
        "CREATE SCHEMA migrator; CREATE TABLE migrator.run (); CREATE SCHEMA migrator_stage_1",
        "DROP INDEX i; CREATE INDEX i ON t (name)",
    ],
)
def test_what_was_put_back_or_is_our_own_does_not_show(db: Connection, no_change: str) -> None:
    db.execute(BEFORE)
    before = listing(db)
    db.execute(no_change)
    assert listing(db) == before
