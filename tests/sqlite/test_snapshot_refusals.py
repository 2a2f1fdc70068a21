"""Sources that cannot be frozen, and what is said of them."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrator_tui.model.errors import SourceError
from migrator_tui.sqlite.snapshot import connect, freeze, reopen
from migrator_tui.sqlite.steady_copy import steady_copy

ACCOUNTS = """
CREATE TABLE account (id INTEGER PRIMARY KEY, money INTEGER NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO account SELECT i, 100 FROM n;
CREATE TABLE note (text TEXT);
"""


def refused(source: Path, folder: Path, busy_seconds: float = 1.0) -> SourceError:
    with pytest.raises(SourceError) as caught:
        freeze(source, folder, busy_seconds=busy_seconds)
    assert caught.value.message
    assert caught.value.hint
    assert not list(folder.glob("*.part*")) if folder.is_dir() else True
    return caught.value


def rows(snapshot: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(connect(snapshot)) as connection:
        return connection.execute(sql).fetchall()


def test_a_file_that_this_user_may_not_read_is_refused(
    shared_folder: Path, without_privileges: Callable[..., str]
) -> None:
    source = shared_folder / "in" / "app.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(ACCOUNTS)
    source.chmod(0o000)
    said = without_privileges(lambda: str(freeze(source, shared_folder / "out" / "run")))
    assert said.startswith("SOURCE-UNREADABLE")
    source.chmod(0o444)
    source.parent.chmod(0o000)
    said = without_privileges(lambda: str(freeze(source, shared_folder / "out" / "run")))
    assert said.startswith("SOURCE-UNREADABLE")


def test_a_run_folder_that_cannot_be_written_is_named(make: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refused(make(ACCOUNTS), tmp_path / "file" / "run").id == "SNAPSHOT-UNWRITABLE"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path / "nope.db", tmp_path / "run")
    assert error.id == "SOURCE-MISSING"
    assert "nope.db" in error.message
    assert not (tmp_path / "nope.db").exists()


@pytest.mark.parametrize("name", ["x" * 300, "nul\0.db", "file.db/inside"])
def test_a_name_that_no_file_can_have_is_missing(make: Callable[..., Path], tmp_path: Path, name: str) -> None:
    make("", name="file.db")
    assert refused(tmp_path / name, tmp_path / "run").id == "SOURCE-MISSING"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, tmp_path / "run").id == "SOURCE-DIRECTORY"


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe", tmp_path / "run").id == "SOURCE-NOT-SQLITE"


@pytest.mark.parametrize("content", [b"id,name\n1,Ann\n", b"\x89PNG" * 1000, b"S", b"x" * 10_000])
def test_another_kind_of_file_is_refused_and_encryption_is_mentioned(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    error = refused(tmp_path / "other", tmp_path / "run")
    assert error.id in ("SOURCE-NOT-SQLITE", "SOURCE-TRUNCATED" if content == b"S" else "SOURCE-NOT-SQLITE")
    assert content == b"S" or "ncrypted" in error.hint


@pytest.mark.parametrize("cut", [1, 10, 4096, 20_000])
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_file_whose_end_is_missing_is_refused_with_its_size(
    make: Callable[..., Path], tmp_path: Path, cut: int, mode: str
) -> None:
    source = make(f"PRAGMA journal_mode = {mode};" + ACCOUNTS + "INSERT INTO note VALUES (zeroblob(50000));")
    left = source.stat().st_size - cut
    os.truncate(source, left)
    error = refused(source, tmp_path / "run")
    assert error.id == "SOURCE-TRUNCATED"
    assert f"{left:,}" in error.message


def test_a_file_of_which_only_the_first_bytes_are_there_is_cut_off(make: Callable[..., Path], tmp_path: Path) -> None:
    source = make(ACCOUNTS)
    for left in (1000, 511, 100, 60, 16):
        os.truncate(source, left)
        assert refused(source, tmp_path / "run").id == "SOURCE-TRUNCATED"


@pytest.mark.parametrize("damage", [b"\xff" * 104, b"\x0d" + b"\0" * 103])
def test_a_damaged_page_is_refused_and_the_table_or_page_is_named(
    make: Callable[..., Path], tmp_path: Path, damage: bytes
) -> None:
    source = make(ACCOUNTS)
    content = bytearray(source.read_bytes())
    content[4096 : 4096 + len(damage)] = damage
    source.write_bytes(content)
    error = refused(source, tmp_path / "run")
    assert error.id == "SOURCE-CORRUPT"
    assert re.search("Page 2|table account", error.message)


def test_an_index_that_lacks_a_row_is_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    source = make("CREATE TABLE t (a); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1), (2);")
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(
            "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'i'; PRAGMA writable_schema = OFF;"
        )
        root = 3
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("INSERT INTO t VALUES (3)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "INSERT INTO sqlite_master VALUES ('index', 'i', 't', ?, 'CREATE INDEX i ON t (a)')", (root,)
        )
        connection.commit()
    error = refused(source, tmp_path / "run")
    assert error.id == "SOURCE-CORRUPT"
    assert "missing from index i" in error.message


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_database_that_stays_locked_is_refused_after_a_bounded_time(
    make: Callable[..., Path], tmp_path: Path, mode: str
) -> None:
    source = make(f"PRAGMA journal_mode = {mode};" + ACCOUNTS)
    with closing(sqlite3.connect(source, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("DELETE FROM account")
        error = refused(source, tmp_path / "run", busy_seconds=0.1)
    assert error.id == "SOURCE-LOCKED"
    assert "0.1 s" in error.message


def test_a_file_larger_than_the_free_space_is_refused_before_it_is_copied(
    make: Callable[..., Path], tmp_path: Path
) -> None:
    source = make(ACCOUNTS)
    too_much = shutil.disk_usage(tmp_path).total * 2
    try:
        os.truncate(source, too_much)
    except OSError:
        pytest.skip("this file system has no sparse files of that size")
    assert refused(source, tmp_path / "run").id == "SNAPSHOT-DISK-FULL"


def test_a_copy_that_no_longer_fits_while_it_is_written_leaves_nothing(
    make: Callable[..., Path], tmp_path: Path, without_privileges: Callable[..., str]
) -> None:
    source = make(ACCOUNTS + "INSERT INTO note VALUES (zeroblob(500000));")
    said = without_privileges(lambda: str(freeze(source, tmp_path / "run")), file_bytes=100_000)
    assert said.startswith("SNAPSHOT-DISK-FULL")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_refused_source_leaves_the_older_snapshot_as_it_was(make: Callable[..., Path], tmp_path: Path) -> None:
    older = freeze(make(ACCOUNTS), tmp_path / "run")
    (tmp_path / "other").write_bytes(b"x" * 5000)
    refused(tmp_path / "other", tmp_path / "run")
    assert reopen(tmp_path / "run", older.sha256) == older


def test_a_file_that_changes_at_each_look_is_not_copied_by_hand(tmp_path: Path) -> None:
    restless = Path("/proc/sys/kernel/random/uuid")
    if not restless.exists():
        pytest.skip("this system has no file that reads differently each time")
    with pytest.raises(SourceError) as caught:
        steady_copy(restless, tmp_path / "copy")
    assert caught.value.id == "SOURCE-LOCKED"
    assert "5 times" in caught.value.message
