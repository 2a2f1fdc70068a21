from __future__ import annotations

import itertools
import math
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.errors import ConnectionLost
from migrator_tui.model.plan import Scope, TableOverride
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import (
    Connection,
    Engine,
    decided,
    fingerprint,
    leftovers,
    rows,
    succeeded,
    value,
)

SHOP = """
CREATE TABLE artist (id INTEGER PRIMARY KEY, name VARCHAR(120) NOT NULL UNIQUE);
CREATE TABLE album (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, artist_id INTEGER NOT NULL
    REFERENCES artist (id) ON DELETE CASCADE ON UPDATE CASCADE, released DATE, cover BLOB);
CREATE TABLE track (id INTEGER PRIMARY KEY, album_id INTEGER REFERENCES album, name TEXT, seconds REAL,
    price NUMERIC(10,2) DEFAULT 0.99 CHECK (price >= 0), explicit BOOLEAN NOT NULL DEFAULT 0,
    added DATETIME DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE playlist_track (playlist INTEGER, track INTEGER REFERENCES track (id), PRIMARY KEY (playlist, track))
    WITHOUT ROWID;
CREATE TABLE empty_one (id INTEGER PRIMARY KEY, note TEXT);
CREATE TABLE log (line TEXT, at INTEGER);
CREATE INDEX track_by_album ON track (album_id, name DESC);
CREATE UNIQUE INDEX album_title ON album (artist_id, title);
CREATE INDEX long_tracks ON track (seconds) WHERE seconds > 300.0;
CREATE VIEW album_length AS SELECT a.title, count(t.id) AS tracks FROM album a JOIN track t ON t.album_id = a.id
    GROUP BY a.id, a.title;
"""


def fill_shop(connection: sqlite3.Connection) -> None:
    connection.executescript(SHOP)
    execute, many = connection.execute, connection.executemany
    many("INSERT INTO artist VALUES (?, ?)", [(i, f"Artist {i} — Ünïcode 🎸 '\"\\") for i in range(1, 41)])
    many(
        "INSERT INTO album VALUES (?, ?, ?, ?, ?)",
        [
            (i, f"Album {i}", i % 40 + 1, f"20{i % 90 + 10}-02-{i % 28 + 1:02}", bytes(range(i % 256)))
            for i in range(1, 301)
        ],
    )
    execute("DELETE FROM album WHERE id > 290")
    many(
        "INSERT INTO track VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                i, i % 290 + 1 if i % 7 else None, None if i % 11 == 0 else f"line\n{i}\t\\N", i * 0.1,
                round(i * 0.37 % 100, 2), i % 2, f"2026-01-{i % 28 + 1:02} 10:00:{i % 60:02}",
            )
            for i in range(1, 2001)
        ],
    )  # fmt: skip
    many("INSERT INTO playlist_track VALUES (?, ?)", [(i % 17, i) for i in range(1, 501)])
    many("INSERT INTO log VALUES (?, ?)", [("same", 1)] * 5 + [(None, 2**63 - 1), ("", -(2**63))])


def source_rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def shop(make_source: MakeSource) -> Path:
    return make_source(fill_shop)


def test_every_row_and_every_cell_arrives(shop: Path, target: Target, engine: Engine, db: Connection) -> None:
    outcome = succeeded(engine.migrate(shop, target))

    assert {t.source: (t.source_rows, t.published_rows) for t in outcome.tables} == {
        "artist": (40, 40),
        "album": (290, 290),
        "track": (2000, 2000),
        "playlist_track": (500, 500),
        "empty_one": (0, 0),
        "log": (7, 7),
    }
    pairs = {
        "SELECT id, name FROM artist ORDER BY id": "SELECT id, name FROM artist ORDER BY id",
        "SELECT id, title, artist_id, released, cover FROM album ORDER BY id": (
            "SELECT id, title, artist_id, released::text, cover FROM album ORDER BY id"
        ),
        "SELECT id, album_id, name, seconds, price, explicit, added FROM track ORDER BY id": (
            "SELECT id, album_id, name, seconds, price::float8, explicit::int, added::text FROM track ORDER BY id"
        ),
        "SELECT playlist, track FROM playlist_track ORDER BY 1, 2": (
            "SELECT playlist, track FROM playlist_track ORDER BY 1, 2"
        ),
        "SELECT line, at FROM log ORDER BY at, line": "SELECT line, at FROM log ORDER BY at, line",
    }
    for there, here in pairs.items():
        assert rows(db, here) == source_rows(shop, there)
    assert rows(db, "SELECT title, tracks FROM album_length ORDER BY 1") == source_rows(
        shop, "SELECT title, tracks FROM album_length ORDER BY 1"
    )


def test_keys_arrive_validated_with_their_actions(shop: Path, target: Target, engine: Engine, db: Connection) -> None:
    succeeded(engine.migrate(shop, target))

    found = rows(
        db,
        "SELECT conrelid::regclass::text, contype::text, pg_get_constraintdef(oid), convalidated FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f', 'c') ORDER BY 1, 2, 3",
    )
    assert [row for row in found if row[1] in "pf"] == [
        ("album", "f", "FOREIGN KEY (artist_id) REFERENCES artist(id) ON UPDATE CASCADE ON DELETE CASCADE", True),
        ("album", "p", "PRIMARY KEY (id)", True),
        ("artist", "p", "PRIMARY KEY (id)", True),
        ("empty_one", "p", "PRIMARY KEY (id)", True),
        ("playlist_track", "f", "FOREIGN KEY (track) REFERENCES track(id)", True),
        ("playlist_track", "p", "PRIMARY KEY (playlist, track)", True),
        ("track", "f", "FOREIGN KEY (album_id) REFERENCES album(id)", True),
        ("track", "p", "PRIMARY KEY (id)", True),
    ]
    assert [row[:2] for row in found if row[1] in "uc"] == [("artist", "u"), ("track", "c")]
    assert {name for (name,) in rows(db, "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")} >= {
        "track_by_album",
        "album_title",
        "long_tracks",
    }


@pytest.mark.parametrize(
    ("insert", "expected"),
    [
        ("INSERT INTO artist (name) VALUES ('new') RETURNING id", 41),
        ("INSERT INTO album (title, artist_id) VALUES ('new', 1) RETURNING id", 301),  # AUTOINCREMENT: 300 was deleted
        ("INSERT INTO empty_one (note) VALUES ('new') RETURNING id", 1),
    ],
)
def test_identities_go_on_after_the_highest_key(
    shop: Path, target: Target, engine: Engine, db: Connection, insert: str, expected: int
) -> None:
    succeeded(engine.migrate(shop, target))

    assert value(db, insert) == expected


def test_a_rollback_leaves_the_target_as_it_was(shop: Path, target: Target, engine: Engine, db: Connection) -> None:
    db.execute("CREATE TABLE theirs (id int PRIMARY KEY); INSERT INTO theirs VALUES (1)")
    db.execute("CREATE TYPE mood AS ENUM ('good'); CREATE VIEW seen AS SELECT * FROM theirs")
    before = fingerprint(db)

    outcome = succeeded(engine.migrate(shop, target))
    assert fingerprint(db) != before
    undone = engine.rollback(outcome.run, target)

    assert undone.status is RunStatus.ROLLED_BACK
    assert undone.kept_edits == ()
    assert fingerprint(db) == before
    assert leftovers(db) == set()


def test_rolling_back_twice_says_the_same(shop: Path, target: Target, engine: Engine, db: Connection) -> None:
    outcome = succeeded(engine.migrate(shop, target))
    engine.rollback(outcome.run, target)
    before = fingerprint(db)

    again = engine.rollback(outcome.run, target)

    assert again.status is RunStatus.ROLLED_BACK
    assert fingerprint(db) == before


def test_the_defaults_work_on_the_target(shop: Path, target: Target, engine: Engine, db: Connection) -> None:
    succeeded(engine.migrate(shop, target))

    row = rows(db, "INSERT INTO track (id, name) VALUES (5000, 'x') RETURNING price::text, explicit, added IS NOT NULL")

    assert row == [("0.99", False, True)]


FAILPOINTS = ("publish-locked", "publish-merged", "publish-moved", "publish-compared", "publish-commit")


@pytest.mark.parametrize("at", FAILPOINTS)
def test_publishing_is_all_or_nothing(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection, at: str
) -> None:
    source = make_source(
        "CREATE TABLE live (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO live VALUES (1, 'one'), (2, 'two');"
        "CREATE TABLE fresh (id INTEGER PRIMARY KEY, live_id INTEGER REFERENCES live);"
        "INSERT INTO fresh VALUES (1, 1); CREATE VIEW both AS SELECT v FROM live JOIN fresh ON fresh.live_id = live.id;"
    )
    db.execute("CREATE TABLE live (id bigint PRIMARY KEY, v text); INSERT INTO live VALUES (1, 'one'), (9, 'nine')")
    before = fingerprint(db)

    run = engine.cut(source, target, at)

    assert fingerprint(db) == before
    outcome = succeeded(engine.resume(run, target))
    assert {t.source: (t.inserted, t.unchanged, t.published_rows) for t in outcome.tables} == {
        "live": (1, 1, 2),
        "fresh": (1, 0, 1),
    }
    assert rows(db, "SELECT id FROM live ORDER BY id") == [(1,), (2,), (9,)]
    assert engine.rollback(run, target).status is RunStatus.ROLLED_BACK
    assert fingerprint(db) == before


@pytest.mark.parametrize("at", ["snapshot", "staging", "staged", "checked", "published"])
def test_a_run_that_was_cut_goes_on_with_the_same_counts(
    shop: Path, target: Target, engine: Engine, db: Connection, at: str
) -> None:
    before = fingerprint(db)
    run = engine.cut(shop, target, at)
    if at != "published":
        assert fingerprint(db) == before

    outcome = succeeded(engine.resume(run, target))

    assert {t.source: (t.staged_rows, t.inserted, t.published_rows) for t in outcome.tables}["track"] == (2000,) * 3
    assert value(db, "SELECT count(*) FROM track") == 2000
    assert leftovers(db) == set()
    engine.rollback(run, target)
    assert fingerprint(db) == before


def test_a_rollback_before_publishing_removes_the_staging(
    shop: Path, target: Target, engine: Engine, db: Connection
) -> None:
    before = fingerprint(db)
    run = engine.cut(shop, target, "checked")
    assert leftovers(db) != set()

    undone = engine.rollback(run, target)

    assert undone.status is RunStatus.ROLLED_BACK
    assert leftovers(db) == set()
    assert fingerprint(db) == before


def test_a_commit_whose_answer_was_lost_is_not_published_twice(
    shop: Path, target: Target, engine: Engine, db: Connection
) -> None:
    lost = iter([ConnectionLost("TARGET-LOST", "gone", ""), None])

    def lose_once(name: str) -> None:
        if name == "publish-commit" and (error := next(lost)) is not None:
            raise error

    outcome = succeeded(engine.migrate(shop, target, failpoint=lose_once))

    assert {t.source: t.published_rows for t in outcome.tables}["track"] == 2000
    assert value(db, "SELECT count(*) FROM track") == 2000


@pytest.mark.parametrize(
    "taking",
    [
        "CREATE TABLE fresh (a int)",
        "CREATE VIEW fresh AS SELECT 1 AS one",
        "CREATE SEQUENCE fresh_by_note",
        "CREATE TABLE fresh_view (a int)",
        "CREATE TYPE fresh_state AS ENUM ('x')",
    ],
    ids=["table", "view for a table", "index", "table for a view", "type"],
)
def test_a_name_that_was_taken_meanwhile_stops_the_publish_and_a_resume_goes_on(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection, taking: str
) -> None:
    source = make_source(
        "CREATE TABLE fresh (id INTEGER PRIMARY KEY, note TEXT, state TEXT CHECK (state IN ('on', 'off')));"
        "INSERT INTO fresh VALUES (1, 'a', 'on'), (2, 'b', 'off'); CREATE INDEX fresh_by_note ON fresh (note);"
        "CREATE VIEW fresh_view AS SELECT note FROM fresh;"
    )
    taken = [""]

    def take(name: str) -> None:
        if name == "checked":
            db.execute(taking)
            taken[0] = fingerprint(db)

    outcome = engine.migrate(source, target, decisions=decided(FindingDecision("CHECK-ENUM", "enum")), failpoint=take)

    assert outcome.status is RunStatus.FAILED
    assert outcome.error is not None
    assert outcome.error.id == "PUBLISH-NAME-TAKEN"
    assert fingerprint(db) == taken[0]

    kind, name = taking.split()[1:3]
    db.execute(f"DROP {kind} {name}")
    resumed = succeeded(engine.resume(outcome.run, target))
    assert [t.published_rows for t in resumed.tables] == [2]
    assert rows(db, "SELECT note FROM fresh_view ORDER BY 1") == [("a",), ("b",)]


def test_a_run_without_tables_succeeds(make_source: MakeSource, target: Target, engine: Engine, db: Connection) -> None:
    before = fingerprint(db)

    outcome = succeeded(engine.migrate(make_source(""), target))

    assert outcome.tables == ()
    engine.rollback(outcome.run, target)
    assert fingerprint(db) == before


def test_three_hundred_tables_are_published_and_taken_back(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    def build(connection: sqlite3.Connection) -> None:
        for n in range(300):
            parent = f", up INTEGER REFERENCES t{n - 1}" if n else ""
            connection.execute(f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, v TEXT{parent})")
            connection.execute(f"INSERT INTO t{n} (id, v) VALUES ({n}, 'x')")

    before = fingerprint(db)
    outcome = succeeded(engine.migrate(make_source(build), target))
    assert len(outcome.tables) == 300
    keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated AND conrelid::regclass::text ~ '^t'"
    assert value(db, keys) == 299
    assert engine.rollback(outcome.run, target).status is RunStatus.ROLLED_BACK
    assert fingerprint(db) == before


AWKWARD = (
    "select", "two words", "Größe", 'quo"ted', "UPPER", "users; DROP TABLE x", "x" * 70, "x" * 71, "chunk", "run",
    "quarantine", "per%cent %s", "back\\slash", "naïve🙂", "a.b", "_mt_src", "_mt_state_1", "pg_class", "it's",
)  # fmt: skip


def test_awkward_names_of_tables_and_columns_arrive(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    def name(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    def build(connection: sqlite3.Connection) -> None:
        for number, table in enumerate(AWKWARD):
            columns = ", ".join(f"{name(column)} TEXT" for column in AWKWARD if len(column) < 70)
            connection.execute(f"CREATE TABLE {name(table)} (id INTEGER PRIMARY KEY, {columns})")
            marks = ", ".join("?" for column in AWKWARD if len(column) < 70)
            values = [f"{column}{number}" for column in AWKWARD if len(column) < 70]
            connection.execute(f"INSERT INTO {name(table)} VALUES (7, {marks})", values)

    before = fingerprint(db)
    outcome = succeeded(engine.migrate(make_source(build), target))

    targets = {t.source: t.target.removeprefix("public.") for t in outcome.tables}
    assert set(targets) == set(AWKWARD)
    assert len(set(targets.values())) == len(AWKWARD)
    renamed = {f.object for f in outcome.findings if f.id == "NAME-CHANGED" and f.column is None}
    for number, table in enumerate(AWKWARD):
        found = rows(db, f"SELECT * FROM public.{name(targets[table])}")
        assert found == [(7, *(f"{column}{number}" for column in AWKWARD if len(column) < 70))]
        if table not in renamed:
            assert targets[table] == table
    assert {"x" * 70, "x" * 71} <= renamed
    engine.rollback(outcome.run, target)
    assert fingerprint(db) == before


def test_a_table_without_rowid_may_have_a_column_named_like_the_locator(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE t (k TEXT PRIMARY KEY, _mt_src INTEGER, _MT_SRC_ TEXT) WITHOUT ROWID;"
        "INSERT INTO t VALUES ('a', 70, 'x'), ('b', 80, 'y'), ('c', NULL, 'z' || char(0));"
    )

    outcome = succeeded(engine.migrate(source, target, decisions=decided(FindingDecision("VALUE-NUL", "quarantine"))))

    assert [(t.staged_rows, t.quarantined_rows) for t in outcome.tables] == [(2, 1)]
    assert rows(db, "SELECT * FROM t ORDER BY k") == [("a", 70, "x"), ("b", 80, "y")]


def test_names_of_one_table_that_collide_when_cut_stay_apart(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    long = "c" * 80
    source = make_source(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, {long}a TEXT UNIQUE, {long}b TEXT UNIQUE);"
        f"INSERT INTO t VALUES (1, 'a', 'b');"
        f"CREATE INDEX {'i' * 80}a ON t ({long}a); CREATE INDEX {'i' * 80}b ON t ({long}b);"
    )

    succeeded(engine.migrate(source, target))

    names = [name for (name,) in rows(db, "SELECT column_name FROM information_schema.columns WHERE table_name = 't'")]
    assert len(names) == 3
    assert all(len(name.encode()) <= 63 for name in names)
    assert rows(db, "SELECT * FROM t") == [(1, "a", "b")]
    assert value(db, "SELECT count(*) FROM pg_indexes WHERE tablename = 't'") == 5


def test_self_cyclic_and_composite_foreign_keys_hold(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(
        """
        CREATE TABLE person (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES person);
        INSERT INTO person VALUES (1, 3), (2, 1), (3, 2);
        CREATE TABLE hen (id INTEGER PRIMARY KEY, egg INTEGER REFERENCES egg);
        CREATE TABLE egg (id INTEGER PRIMARY KEY, hen INTEGER REFERENCES hen DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO hen VALUES (1, 1); INSERT INTO egg VALUES (1, 1);
        CREATE TABLE place (country TEXT, city TEXT, PRIMARY KEY (country, city));
        CREATE TABLE visit (id INTEGER PRIMARY KEY, city TEXT, country TEXT,
            FOREIGN KEY (country, city) REFERENCES place (country, city));
        INSERT INTO place VALUES ('at', 'Wien'); INSERT INTO visit VALUES (1, 'Wien', 'at'), (2, NULL, 'xx');
        """
    )

    succeeded(engine.migrate(source, target))

    keys = rows(
        db,
        "SELECT conrelid::regclass::text, pg_get_constraintdef(oid), convalidated FROM pg_constraint "
        "WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY 1",
    )
    assert keys == [
        ("egg", "FOREIGN KEY (hen) REFERENCES hen(id) DEFERRABLE INITIALLY DEFERRED", True),
        ("hen", "FOREIGN KEY (egg) REFERENCES egg(id)", True),
        ("person", "FOREIGN KEY (boss) REFERENCES person(id)", True),
        ("visit", "FOREIGN KEY (country, city) REFERENCES place(country, city)", True),
    ]


def test_generated_columns_and_expression_indexes_arrive(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, net INTEGER, gross INTEGER GENERATED ALWAYS AS (net * 2) STORED,"
        " label TEXT GENERATED ALWAYS AS ('#' || net) VIRTUAL, twice INTEGER AS (gross * 2));"
        "INSERT INTO item (id, net) VALUES (1, 5), (2, NULL);"
        "CREATE INDEX by_sum ON item (net + 1); CREATE UNIQUE INDEX only_big ON item (net) WHERE net > 3;"
    )

    succeeded(engine.migrate(source, target))

    assert rows(db, "SELECT id, net, gross, label, twice FROM item ORDER BY id") == [
        (1, 5, 10, "#5", 20),
        (2, None, None, None, None),
    ]
    db.execute("INSERT INTO item (id, net) VALUES (3, 7)")
    assert value(db, "SELECT gross FROM item WHERE id = 3") == 14
    found = dict(rows(db, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'item'"))
    assert "(net + " in found["by_sum"]
    assert "WHERE (net > " in found["only_big"]


def test_extreme_values_keep_every_bit(make_source: MakeSource, target: Target, engine: Engine, db: Connection) -> None:
    floats = [0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, math.inf, -math.inf, 0.1, 1 / 3, 2.0**53 + 2]

    def build(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE v (i INTEGER, f REAL, t TEXT, b BLOB)")
        cells = itertools.zip_longest(
            [2**63 - 1, -(2**63), 0, -1],
            floats,
            ["", "\u007f", "\U0010ffff", "a\r\n\t\\", "é" * 5000],
            [b"", b"\0" * 9],
        )
        connection.executemany("INSERT INTO v VALUES (?, ?, ?, ?)", cells)

    path = make_source(build)
    succeeded(engine.migrate(path, target))

    ours = [
        (i, None if f is None else struct.pack(">d", f), t, b) for i, f, t, b in source_rows(path, "SELECT * FROM v")
    ]
    theirs = [
        (i, None if f is None else struct.pack(">d", f), t, b) for i, f, t, b in rows(db, "SELECT i, f, t, b FROM v")
    ]
    assert sorted(map(repr, theirs)) == sorted(map(repr, ours))


def test_tables_of_one_name_in_two_schemas_of_the_target(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE b (id INTEGER PRIMARY KEY, v TEXT);"
        "INSERT INTO a VALUES (1, 'a'); INSERT INTO b VALUES (2, 'b');"
    )
    db.execute("CREATE SCHEMA app; CREATE TABLE app.users (id bigint PRIMARY KEY, v text)")
    scope = Scope(
        tables={
            "a": TableOverride(target=TableName("app", "users")),
            "b": TableOverride(target=TableName("public", "users")),
        }
    )

    succeeded(engine.migrate(source, target, scope=scope))

    assert rows(db, "SELECT id, v FROM app.users") == [(1, "a")]
    assert rows(db, "SELECT id, v FROM public.users") == [(2, "b")]


def test_a_schema_that_does_not_exist_is_named_before_anything_is_staged(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source("CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1);")
    before = fingerprint(db)

    outcome = engine.migrate(source, target, scope=Scope(schema="nowhere"))

    assert outcome.status is RunStatus.FAILED
    assert outcome.error is not None
    assert "nowhere" in outcome.error.message
    assert [name for name, _ in outcome.stages if name == "stage"] == []
    assert fingerprint(db) == before


def test_the_live_source_may_change_after_the_snapshot(
    shop: Path, target: Target, engine: Engine, db: Connection
) -> None:
    def change(name: str) -> None:
        if name == "staging":
            with closing(sqlite3.connect(shop)) as connection, connection:
                connection.execute("DELETE FROM log")

    outcome = succeeded(engine.migrate(shop, target, failpoint=change))

    assert value(db, "SELECT count(*) FROM log") == 7
    assert {t.source: t.published_rows for t in outcome.tables}["log"] == 7


def test_a_run_that_failed_is_staged_anew_when_it_is_resumed(
    shop: Path, target: Target, engine: Engine, db: Connection
) -> None:
    before = fingerprint(db)

    def spoil(name: str) -> None:
        if name == "staged":
            (schema,) = leftovers(db)
            db.execute(f'DELETE FROM "{schema}".track WHERE id = 77')

    outcome = engine.migrate(shop, target, failpoint=spoil)

    assert outcome.status is RunStatus.VERIFICATION_FAILED
    assert outcome.error is not None
    assert outcome.error.id == "CHECK-ROWS"
    assert "track" in outcome.error.message
    assert fingerprint(db) == before
    assert leftovers(db) == set()
    succeeded(engine.resume(outcome.run, target))
    assert value(db, "SELECT count(*) FROM track") == 2000


def test_a_cell_that_was_changed_in_staging_is_found(
    shop: Path, target: Target, engine: Engine, db: Connection
) -> None:
    before = fingerprint(db)

    def spoil(name: str) -> None:
        if name == "staged":
            (schema,) = leftovers(db)
            db.execute(f'UPDATE "{schema}".track SET seconds = seconds + 1e-9 WHERE id = 77')

    outcome = engine.migrate(shop, target, failpoint=spoil)

    assert outcome.status is RunStatus.VERIFICATION_FAILED
    assert outcome.error is not None
    assert outcome.error.id == "CHECK-CELL"
    assert "track.seconds" in outcome.error.message
    assert "row 77" in outcome.error.message
    assert fingerprint(db) == before
