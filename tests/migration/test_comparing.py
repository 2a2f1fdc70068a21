"""Compare tells what differs in meaning, and only that: on real ends, before and after a migration and its edits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from migrator_tui.migration.comparing.schemas import Standing
from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.plan import Scope, TableOverride
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.connect import Target
from tests.migration.comparing_ends import different, pairs_of
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, listing, succeeded, text

SHOP = """
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT, email VARCHAR(80) NOT NULL UNIQUE, age INTEGER DEFAULT 18,
    seen DATETIME DEFAULT CURRENT_TIMESTAMP, state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'old')),
    CHECK (age > 0 AND length(email) > 2)
);
CREATE TABLE rooms (code TEXT PRIMARY KEY, title TEXT, shout TEXT GENERATED ALWAYS AS (upper(title)) STORED);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE,
    room TEXT REFERENCES rooms(code) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED, body TEXT, price NUMERIC(8,2)
);
CREATE TABLE seats (room TEXT, number INTEGER, PRIMARY KEY (room, number)) WITHOUT ROWID;
CREATE INDEX by_author ON messages (author, body DESC);
CREATE UNIQUE INDEX one_body ON messages (room, lower(body)) WHERE body <> '';
CREATE VIEW chatter AS SELECT u.email, count(*) AS said FROM users u JOIN messages m ON m.author = u.id GROUP BY u.id;
CREATE VIEW loud AS SELECT * FROM chatter WHERE said > 1;
INSERT INTO users (id, email, seen) VALUES (1, 'ann@example.org', '2026-01-05 10:00:00'), (7, 'bob', NULL);
INSERT INTO rooms (code, title) VALUES ('a', 'hall');
INSERT INTO messages VALUES (1, 1, 'a', 'hello', 1.25);
INSERT INTO seats VALUES ('a', 1);
"""


@pytest.fixture
def shop(make_source: MakeSource) -> Path:
    return make_source(SHOP)


@pytest.fixture
def migrated(migrated_once: Callable[[str], tuple[Path, str]]) -> Path:
    """The shop's file, which is on the target as it is."""
    return migrated_once(SHOP)[0]


def test_nothing_differs_right_after_a_migration(migrated: Path, target: Target) -> None:
    assert different(migrated, target) == {}


def test_everything_that_both_ends_have_is_told_with_what_makes_it_equal(migrated: Path, target: Target) -> None:
    pairs = {(pair.object, pair.name): pair for pair in pairs_of(migrated, target)}

    assert {kind for kind, _ in pairs} == {
        "table", "column", "primary key", "unique", "foreign key", "check", "index", "sequence", "view",
    }  # fmt: skip
    assert pairs["column", "users.age"].standing is Standing.CONVERTED
    assert "INTEGER is carried as bigint" in pairs["column", "users.age"].why
    assert pairs["column", "users.email"].standing is Standing.SAME
    assert pairs["sequence", "users.id"].target == "next 8"
    assert all(pair.source is not None and pair.target is not None for pair in pairs.values())


def test_an_empty_target_lacks_each_table_once_and_each_view(shop: Path, target: Target) -> None:
    assert set(different(shop, target)) == {
        ("missing", "table", "users"), ("missing", "table", "rooms"), ("missing", "table", "messages"),
        ("missing", "table", "seats"), ("missing", "view", "chatter"), ("missing", "view", "loud"),
    }  # fmt: skip


def test_comparing_leaves_the_target_as_it_was(migrated: Path, target: Target, db: Connection) -> None:
    before = listing(db)
    different(migrated, target)
    assert listing(db) == before


@pytest.mark.parametrize(
    ("edit", "difference", "why"),
    [
        ("ALTER TABLE users DROP COLUMN age CASCADE", ("missing", "column", "users.age"), "no column age"),
        ("ALTER TABLE users ADD COLUMN phone text", ("extra", "column", "users.phone"), "only on the target"),
        ("ALTER TABLE messages ALTER COLUMN price TYPE numeric(6,2)",
         ("changed", "column", "messages.price"), "numeric(6,2)"),
        ("ALTER TABLE messages ALTER COLUMN body SET NOT NULL",
         ("changed", "column", "messages.body"), "not allow NULL"),
        ("ALTER TABLE users ALTER COLUMN email DROP NOT NULL", ("changed", "column", "users.email"), "allows NULL"),
        ("ALTER TABLE users ALTER COLUMN age SET DEFAULT 21", ("changed", "column", "users.age"), "21"),
        ("ALTER TABLE users ALTER COLUMN age DROP DEFAULT", ("changed", "column", "users.age"), "has none"),
        ("ALTER TABLE users ALTER COLUMN id DROP IDENTITY", ("changed", "column", "users.id"), "does not number"),
        ("ALTER TABLE rooms ALTER COLUMN shout DROP EXPRESSION", ("changed", "column", "rooms.shout"), "not compute"),
        ("ALTER TABLE seats DROP CONSTRAINT seats_pkey",
         ("missing", "primary key", "seats.(room, number)"), "no primary"),
        ("ALTER TABLE users DROP CONSTRAINT users_email_key", ("missing", "unique", "users.(email)"), "twice"),
        ("ALTER TABLE rooms ADD UNIQUE (title)", ("extra", "unique", "rooms.(title)"), "only on the target"),
        ("ALTER TABLE messages DROP CONSTRAINT messages_room_fkey",
         ("missing", "foreign key", "messages.(room) → rooms"), "lacks"),
        ("ALTER TABLE messages ALTER CONSTRAINT messages_room_fkey NOT DEFERRABLE",
         ("changed", "foreign key", "messages.(room) → rooms"), "NOT DEFERRABLE"),
        ("ALTER TABLE messages DROP CONSTRAINT messages_author_fkey, "
         "ADD FOREIGN KEY (author) REFERENCES users (id) ON DELETE SET NULL",
         ("changed", "foreign key", "messages.(author) → users"), "ON DELETE SET NULL"),
        ("ALTER TABLE seats ADD FOREIGN KEY (room) REFERENCES rooms (code)",
         ("extra", "foreign key", "seats.(room) → public.rooms"), "only on the target"),
        ("ALTER TABLE seats ADD CHECK (number < 100)",
         ("extra", "check", "seats.(number < 100)"), "only on the target"),
        ("DROP INDEX by_author", ("missing", "index", "messages.by_author"), "lacks"),
        ("DROP INDEX one_body; CREATE UNIQUE INDEX one_body ON messages (room)",
         ("changed", "index", "messages.one_body"), "lower(body"),
        ("CREATE INDEX by_title ON rooms (title)", ("extra", "index", "rooms.by_title"), "only on the target"),
        ("DROP VIEW loud", ("missing", "view", "loud"), "does not have it"),
        ("CREATE OR REPLACE VIEW loud AS SELECT email, said FROM chatter WHERE said > 5",
         ("changed", "view", "loud"), "another one"),
        ("CREATE VIEW quiet AS SELECT 1 AS a", ("extra", "view", "public.quiet"), "only on the target"),
        ("CREATE TABLE audit (at date)", ("extra", "table", "public.audit"), "only on the target"),
        ("CREATE TYPE mood AS ENUM ('good', 'bad')", ("extra", "enum", "public.mood"), "only on the target"),
        ("ALTER TABLE users ALTER COLUMN id RESTART WITH 3", ("changed", "sequence", "users.id"), "would give 3"),
        ("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
         "CREATE TRIGGER stamp BEFORE INSERT ON seats FOR EACH ROW EXECUTE FUNCTION f()",
         ("extra", "trigger", "seats.stamp"), "only on the target"),
    ],
)  # fmt: skip
def test_each_edit_of_the_target_is_the_one_difference(
    migrated: Path, target: Target, db: Connection, edit: str, difference: tuple[str, str, str], why: str
) -> None:
    db.execute(text(edit))
    found = different(migrated, target)
    assert difference in found
    assert why in found[difference]
    assert len(found) == 1 or edit.endswith("CASCADE")


def test_another_spelling_of_the_same_check_and_default_does_not_differ(
    migrated: Path, target: Target, db: Connection
) -> None:
    db.execute("ALTER TABLE users ALTER COLUMN age SET DEFAULT (9 + 9)")
    assert set(different(migrated, target)) == {("changed", "column", "users.age")}
    db.execute("ALTER TABLE users ALTER COLUMN age SET DEFAULT (18)")
    db.execute("ALTER INDEX by_author RENAME TO ix_messages_author")
    db.execute("ALTER TABLE users RENAME CONSTRAINT users_email_key TO one_email")
    assert different(migrated, target) == {}


def test_an_integer_column_of_the_target_is_equal_by_conversion_where_the_values_fit(
    migrated: Path, target: Target, db: Connection
) -> None:
    db.execute("ALTER TABLE seats ALTER COLUMN number TYPE integer")
    pairs = {pair.name: pair for pair in pairs_of(migrated, target)}
    assert pairs["seats.number"].standing is Standing.CONVERTED
    assert "carried as integer" in pairs["seats.number"].why


def test_numbers_that_the_target_gave_meanwhile_do_not_differ(migrated: Path, target: Target, db: Connection) -> None:
    db.execute("INSERT INTO users (email, state) VALUES ('eve@example.org', 'new')")
    pairs = {(pair.object, pair.name): pair for pair in pairs_of(migrated, target)}
    assert pairs["sequence", "users.id"].standing is Standing.CONVERTED
    assert different(migrated, target) == {}


def test_what_is_not_carried_differs_and_says_why(make_source: MakeSource, target: Target, engine: Engine) -> None:
    source = make_source("""
        CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, r TEXT DEFAULT (hex(randomblob(4))),
            CHECK (a GLOB '[a-z]*'), FOREIGN KEY (a) REFERENCES gone (id));
        CREATE TRIGGER tr AFTER INSERT ON t BEGIN UPDATE t SET a = 'x' WHERE id = new.id; END;
        CREATE VIEW v AS SELECT a + 'x' AS x FROM t;
    """)
    succeeded(engine.migrate(source, target, accept_lossy=True))
    found = different(source, target)
    kinds = {(kind, object) for kind, object, _ in found}
    assert kinds >= {("missing", "trigger"), ("missing", "view"), ("missing", "foreign key")}
    assert "gone" in found["missing", "foreign key", "t.(a) → gone"]
    assert all(found.values())


def test_rows_that_refer_to_nothing_leave_a_reference_that_is_equal_by_conversion(
    make_source: MakeSource, target: Target, engine: Engine
) -> None:
    source = make_source("""
        CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a);
        INSERT INTO b VALUES (1, 99);
    """)
    succeeded(engine.migrate(source, target))
    pairs = {pair.object: pair for pair in pairs_of(source, target)}
    assert pairs["foreign key"].standing is Standing.CONVERTED
    assert "NOT VALID" in pairs["foreign key"].why
    assert different(source, target) == {}


def test_a_primary_key_with_nulls_and_an_enum_type_are_equal_by_conversion(
    make_source: MakeSource, target: Target, engine: Engine
) -> None:
    source = make_source("""
        CREATE TABLE k (a TEXT PRIMARY KEY, mood TEXT DEFAULT 'good' CHECK (mood IN ('good', 'bad')));
        INSERT INTO k VALUES (NULL, 'good'), ('x', 'bad');
    """)
    decisions = decided(FindingDecision("CHECK-ENUM", "enum"))
    succeeded(engine.migrate(source, target, decisions=decisions))
    pairs = {(p.object, p.name): p for p in pairs_of(source, target, decisions=decisions)}
    assert not [pair for pair in pairs.values() if pair.standing.differs]
    assert pairs["primary key", "k.(a)"].standing is Standing.CONVERTED
    assert pairs["enum", "public.k_mood"].standing is Standing.SAME


def test_a_renamed_table_and_column_are_asked_about_and_stay_differences(
    migrated: Path, target: Target, db: Connection
) -> None:
    db.execute("ALTER TABLE seats RENAME TO places")
    db.execute("ALTER TABLE rooms RENAME COLUMN title TO label")
    found = different(migrated, target)
    assert "perhaps renamed, public.places looks the same" in found["missing", "table", "seats"]
    assert "perhaps renamed, seats looks the same" in found["extra", "table", "public.places"]
    assert "perhaps renamed, label looks the same" in found["missing", "column", "rooms.title"]
    assert "perhaps renamed, title looks the same" in found["extra", "column", "rooms.label"]


def test_what_the_configuration_names_otherwise_is_compared_under_that_name(
    shop: Path, target: Target, engine: Engine
) -> None:
    overrides = {
        "rooms": TableOverride(TableName("public", "halls"), columns={"title": ("label", None, None), "shout": None})
    }
    scope = Scope(tables=overrides)
    succeeded(engine.migrate(shop, target, scope=scope))
    assert different(shop, target, scope) == {}
    pairs = {pair.name: pair for pair in pairs_of(shop, target, scope)}
    assert pairs["rooms.shout"].standing is Standing.LEFT_OUT


@pytest.mark.parametrize("name", ["chinook.sqlite", "world_rails_tf.db", "zeitgeist_fkviol_wal.sqlite"])
def test_a_database_that_others_made_does_not_differ_after_its_migration(
    name: str, corpus: Path, target: Target, engine: Engine
) -> None:
    succeeded(engine.migrate(corpus / name, target, accept_lossy=True))
    assert different(corpus / name, target) == {}
