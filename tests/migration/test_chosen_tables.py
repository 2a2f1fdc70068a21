"""Migrating some of the tables: what becomes of foreign keys to those that were not chosen."""

from __future__ import annotations

from migrator_tui.model.plan import Scope
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, fingerprint, rows, succeeded

SHOP = """
CREATE TABLE users (id INTEGER PRIMARY KEY, "eMail" TEXT UNIQUE);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user INTEGER REFERENCES users(id), mail TEXT REFERENCES users("eMail"));
INSERT INTO users VALUES (1, 'ann@x'); INSERT INTO orders VALUES (5, 1, 'ann@x');
"""
KEYS = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND "
KEYS += "connamespace = 'public'::regnamespace ORDER BY conname"


def test_a_key_to_a_table_that_was_not_chosen_is_reported_with_what_keeps_it(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    outcome = succeeded(engine.migrate(make_source(SHOP), target, scope=Scope(include=("orders",))))
    said = [f.message for f in outcome.findings if f.id == "FK-PARENT"]
    assert len(said) == 2
    assert all("users is left out" in message and "take it along" in message for message in said)
    assert rows(db, KEYS) == []


def test_a_key_to_a_table_that_an_earlier_run_brought_is_carried(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(SHOP)
    succeeded(engine.migrate(source, target, scope=Scope(include=("users",), names="snake_case")))
    before = fingerprint(db)
    outcome = succeeded(engine.migrate(source, target, scope=Scope(include=("orders",), names="snake_case")))
    assert rows(db, KEYS) == [
        ("FOREIGN KEY (mail) REFERENCES users(e_mail)",),
        ('FOREIGN KEY ("user") REFERENCES users(id)',),
    ]
    assert [t.source for t in outcome.tables] == ["orders"]
    engine.rollback(outcome.run, target)
    assert fingerprint(db) == before
