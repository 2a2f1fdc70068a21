"""The difference between two files, carried over into a live one that other programs write to."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from migrator_tui.model.errors import SourceError
from migrator_tui.sqlite.carry_over import Carried, CarriedTable, carry_over

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT UNIQUE COLLATE NOCASE, extra);
CREATE TABLE notes (id INTEGER PRIMARY KEY, user INTEGER NOT NULL REFERENCES users ON DELETE CASCADE, body TEXT);
CREATE TABLE tags (note INTEGER, tag TEXT, PRIMARY KEY (note, tag)) WITHOUT ROWID;
INSERT INTO users VALUES (1, 'ann@x', 1), (2, 'bob@x', x'01'), (3, 'cy@x', 1.5), (4, 'di@x', NULL);
INSERT INTO notes VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c');
INSERT INTO tags VALUES (1, 'red'), (2, 'blue');
"""
TABLES = (
    CarriedTable("users", ("id",), ("id", "email", "extra")),
    CarriedTable("notes", ("id",), ("id", "user", "body")),
    CarriedTable("tags", ("note", "tag"), ("note", "tag")),
)
Files = tuple[Path, Path, Path]


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Files]:
    """The live file, a copy of it as it was, and one as it is to become."""

    def make(after: str, live: str = "", more: str = "") -> Files:
        before = tmp_path / "before.sqlite"
        do(before, SCHEMA + more)
        for name, script in (("live.db", live), ("after.sqlite", after)):
            shutil.copy(before, tmp_path / name)
            do(tmp_path / name, script)
        return tmp_path / "live.db", before, tmp_path / "after.sqlite"

    return make


def do(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
        connection.commit()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_rows_are_inserted_updated_and_deleted_to_the_storage_class_and_a_second_time_nothing_is(
    files: Callable[..., Files],
) -> None:
    live, before, after = files(
        "UPDATE users SET extra = '1' WHERE id = 1; UPDATE users SET email = 'BOB@x' WHERE id = 2;"
        "DELETE FROM tags WHERE note = 2; INSERT INTO users VALUES (9, 'eve@x', 2.0); INSERT INTO tags VALUES (1, 'x')"
    )
    assert carry_over(live, before, after, TABLES) == Carried(2, 2, 1)
    assert dump(live) == dump(after)
    assert carry_over(live, before, after, TABLES) == Carried()


def test_with_the_files_exchanged_it_is_taken_back_and_later_edits_are_kept_and_named(
    files: Callable[..., Files],
) -> None:
    live, before, after = files("UPDATE users SET extra = 7; DELETE FROM notes WHERE id = 3")
    carry_over(live, before, after, TABLES)
    do(live, "UPDATE users SET extra = 8 WHERE id = 2")
    taken_back = carry_over(live, after, before, TABLES, keep_changed=True)
    assert taken_back == Carried(1, 3, 0, ("users id=2",))
    do(live, "UPDATE users SET extra = x'01' WHERE id = 2")
    assert dump(live) == dump(before)


@pytest.mark.parametrize(
    ("after", "meanwhile", "named"),
    [
        ("UPDATE users SET extra = 7 WHERE id = 1", "UPDATE users SET extra = '1' WHERE id = 1", "users id=1"),
        ("UPDATE users SET extra = 7 WHERE id = 1", "UPDATE users SET email = 'ANN@x' WHERE id = 1", "users id=1"),
        ("UPDATE users SET extra = 7 WHERE id = 4", "DELETE FROM users WHERE id = 4", "users id=4"),
        ("DELETE FROM users WHERE id = 4", "UPDATE users SET extra = 5 WHERE id = 4", "users id=4"),
        ("INSERT INTO users VALUES (9, 'eve@x', 1)", "INSERT INTO users VALUES (9, 'eva@x', 1)", "users id=9"),
        ("DELETE FROM users WHERE id = 4", "INSERT INTO notes VALUES (9, 4, 'new')", "users id=4"),
    ],
    ids=["class", "case", "gone", "edited", "inserted", "child"],
)
def test_where_a_row_was_changed_meanwhile_nothing_at_all_is_written(
    files: Callable[..., Files], after: str, meanwhile: str, named: str
) -> None:
    live, before, wanted = files(after + "; UPDATE notes SET body = 'z' WHERE id = 3", meanwhile)
    as_it_was = dump(live)
    with pytest.raises(SourceError, match=named) as raised:
        carry_over(live, before, wanted, TABLES)
    assert raised.value.id == "SYNC-SOURCE-CHANGED"
    assert dump(live) == as_it_was


def test_children_that_move_to_another_parent_survive_the_cascade_of_the_old_one(files: Callable[..., Files]) -> None:
    live, before, after = files("UPDATE notes SET user = 2 WHERE user = 1; DELETE FROM users WHERE id = 1")
    assert carry_over(live, before, after, TABLES) == Carried(0, 1, 1)
    assert dump(live) == dump(after)


def test_rows_that_exchange_a_unique_value_or_hand_it_on_are_written(files: Callable[..., Files]) -> None:
    live, before, after = files(
        "UPDATE users SET email = 'tmp' WHERE id = 1; UPDATE users SET email = 'ann@x' WHERE id = 2;"
        "UPDATE users SET email = 'bob@x' WHERE id = 1; DELETE FROM users WHERE id = 4;"
        "INSERT INTO users VALUES (5, 'di@x', 0)"
    )
    carry_over(live, before, after, TABLES)
    assert dump(live) == dump(after)


def test_a_trigger_that_makes_other_rows_of_them_is_refused_and_one_that_does_not_fires(
    files: Callable[..., Files],
) -> None:
    keeps = "CREATE TABLE log (id); CREATE TRIGGER l AFTER UPDATE ON users BEGIN INSERT INTO log VALUES (NEW.id); END;"
    live, before, after = files("DROP TRIGGER l; UPDATE users SET extra = 7 WHERE id = 1", more=keeps)
    carry_over(live, before, after, TABLES)
    with closing(sqlite3.connect(live)) as connection:
        assert connection.execute("SELECT id FROM log").fetchall() == [(1,)]
    do(live, "CREATE TRIGGER m AFTER UPDATE ON notes BEGIN UPDATE notes SET body = 'mine' WHERE id = NEW.id; END")
    do(after, "UPDATE notes SET body = 'z' WHERE id = 1")
    as_it_was = dump(live)
    with pytest.raises(SourceError) as raised:
        carry_over(live, before, after, TABLES)
    assert raised.value.id == "SYNC-SOURCE-TRIGGER"
    assert dump(live) == as_it_was


def test_what_a_constraint_of_the_file_refuses_leaves_it_as_it_was(files: Callable[..., Files]) -> None:
    live, before, after = files("INSERT INTO notes VALUES (9, 77, 'orphan'); UPDATE users SET extra = 7")
    as_it_was = dump(live)
    with pytest.raises(SourceError) as raised:
        carry_over(live, before, after, TABLES)
    assert raised.value.id == "SYNC-SOURCE-REFUSED"
    assert dump(live) == as_it_was


def test_a_file_that_somebody_holds_locked_is_named_as_such(files: Callable[..., Files]) -> None:
    live, before, after = files("UPDATE users SET extra = 7")
    with closing(sqlite3.connect(live, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(SourceError) as raised:
            carry_over(live, before, after, TABLES, busy_seconds=0)
    assert raised.value.id == "SOURCE-LOCKED"
