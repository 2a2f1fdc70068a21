"""Freezing a source."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrator_tui.model.errors import SourceError
from migrator_tui.sqlite.snapshot import connect, freeze, reopen

NOBODY = 65534

ACCOUNTS = """
CREATE TABLE account (id INTEGER PRIMARY KEY, money INTEGER NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO account SELECT i, 100 FROM n;
CREATE TABLE note (text TEXT);
"""
TOTAL = 500 * 100

# Moves money about until its standard input ends; the sum of all accounts never changes.
WRITER = """
import random, sqlite3, sys, threading
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("PRAGMA synchronous = OFF")
moved = 0
while not stop.is_set():
    connection.execute("BEGIN IMMEDIATE")
    for _ in range(20):
        a, b = random.sample(range(1, 501), 2)
        connection.execute("UPDATE account SET money = money - 7 WHERE id = ?", (a,))
        connection.execute("INSERT INTO note VALUES (?)", ("x" * 500,))
        connection.execute("UPDATE account SET money = money + 7 WHERE id = ?", (b,))
    connection.execute("COMMIT")
    moved += 1
    if moved == 3:
        print("at work", flush=True)
print(moved, flush=True)
"""

# Dies in the middle of a transaction that has reached the database file already.
CRASHER = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 5")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE account SET money = 0")
connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
                   "INSERT INTO note SELECT printf('%0500d', i) FROM n")
os._exit(1)
"""


def money(snapshot: Path) -> int:
    with closing(connect(snapshot)) as connection:
        return int(connection.execute("SELECT sum(money) FROM account").fetchone()[0])


def rows(snapshot: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(connect(snapshot)) as connection:
        return connection.execute(sql).fetchall()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def owned_by_nobody(folder: Path) -> None:
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)


def test_a_snapshot_is_a_private_copy_with_its_facts_recorded(make: Callable[..., Path], tmp_path: Path) -> None:
    source = make(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (id INTEGER PRIMARY KEY, "
        "parent REFERENCES parent); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1), (2, 9), (3, NULL);"
    )
    said: list[str] = []
    snapshot = freeze(source, tmp_path / "run", progress=said.append)
    assert snapshot.path == tmp_path / "run" / "snapshot.sqlite"
    assert snapshot.source == source
    assert snapshot.sha256 == digest(snapshot.path)
    assert snapshot.bytes == snapshot.path.stat().st_size
    assert (snapshot.encoding, snapshot.tables, snapshot.foreign_key_violations) == ("UTF-8", 2, 1)
    assert stat.S_IMODE(snapshot.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(snapshot.path.parent.stat().st_mode) == 0o700
    assert rows(snapshot.path, "SELECT * FROM child") == [(1, 1), (2, 9), (3, None)]
    assert said


@pytest.mark.parametrize("name", ["with space.db", "what?.db", "a#b.db", "100%20.db", "é'\"\\.db", "a&mode=memory.db"])
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_any_name_of_a_file_will_do(make: Callable[..., Path], tmp_path: Path, name: str, mode: str) -> None:
    source = make(f"PRAGMA journal_mode = {mode}; CREATE TABLE t (a); INSERT INTO t VALUES (7);", name=name)
    snapshot = freeze(source, tmp_path / f"run of {name}")
    assert rows(snapshot.path, "SELECT a FROM t") == [(7,)]


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_source_and_its_folder_are_left_as_they_were(make: Callable[..., Path], tmp_path: Path, mode: str) -> None:
    source = make(f"PRAGMA journal_mode = {mode};" + ACCOUNTS)
    before = {path.name: digest(path) for path in tmp_path.iterdir()}
    freeze(source, tmp_path / "run")
    assert {path.name: digest(path) for path in tmp_path.iterdir() if path.is_file()} == before


def test_what_is_only_in_the_log_is_in_the_snapshot_and_what_is_not_committed_is_not(
    make: Callable[..., Path], tmp_path: Path
) -> None:
    source = make("PRAGMA journal_mode = wal; CREATE TABLE t (a);")
    with closing(sqlite3.connect(source, isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("INSERT INTO t VALUES ('committed')")
        writer.execute("BEGIN")
        writer.execute("INSERT INTO t VALUES ('not yet')")
        assert source.with_name("source.db-wal").stat().st_size > 0
        snapshot = freeze(source, tmp_path / "run")
        writer.execute("COMMIT")
    assert rows(snapshot.path, "SELECT a FROM t") == [("committed",)]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["snapshot-source.json", "snapshot.sqlite"]
    assert rows(snapshot.path, "PRAGMA journal_mode") == [("delete",)]


@pytest.mark.parametrize("mode", ["delete", "truncate", "wal"])
def test_a_database_at_work_in_another_process_is_frozen_at_one_moment(
    make: Callable[..., Path], tmp_path: Path, mode: str
) -> None:
    source = make(f"PRAGMA journal_mode = {mode};" + ACCOUNTS)
    command = [sys.executable, "-c", WRITER, str(source)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdin is not None
        assert writer.stdout.readline() == "at work\n"
        snapshots = [freeze(source, tmp_path / f"run{i}", busy_seconds=60) for i in range(5)]
        writer.stdin.close()
        assert int(writer.stdout.readline()) > 3
    assert [money(snapshot.path) for snapshot in snapshots] == [TOTAL] * 5
    notes = [rows(snapshot.path, "SELECT count(*) FROM note")[0][0] for snapshot in snapshots]
    assert notes == sorted(notes)
    assert all(count % 20 == 0 for count in notes)


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_connection_of_this_process_can_go_on_writing(make: Callable[..., Path], tmp_path: Path, mode: str) -> None:
    """Freezing must not open the file by hand: closing it would take this process's locks away."""
    source = make(f"PRAGMA journal_mode = {mode};" + ACCOUNTS)
    stop = threading.Event()
    first = threading.Event()
    failures: list[Exception] = []

    def write() -> None:
        try:
            with closing(sqlite3.connect(source, isolation_level=None, timeout=60)) as connection:
                while not stop.is_set():
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute("UPDATE account SET money = money - 1 WHERE id = 1")
                    connection.execute("UPDATE account SET money = money + 1 WHERE id = 2")
                    connection.execute("COMMIT")
                    first.set()
        except Exception as error:
            failures.append(error)
            first.set()

    writer = threading.Thread(target=write)
    writer.start()
    first.wait()
    try:
        found = [money(freeze(source, tmp_path / f"run{i}", busy_seconds=60).path) for i in range(5)]
    finally:
        stop.set()
        writer.join()
    assert not failures
    assert found == [TOTAL] * 5
    with closing(sqlite3.connect(source)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_hot_journal_is_rolled_back_in_the_copy_and_left_beside_the_original(
    make: Callable[..., Path], tmp_path: Path
) -> None:
    source = make(ACCOUNTS)
    subprocess.run([sys.executable, "-c", CRASHER, str(source)], check=False)
    journal = source.with_name("source.db-journal")
    assert journal.stat().st_size > 0
    before = digest(source), digest(journal)
    snapshot = freeze(source, tmp_path / "run")
    assert money(snapshot.path) == TOTAL
    assert rows(snapshot.path, "SELECT count(*) FROM note") == [(0,)]
    assert (digest(source), digest(journal)) == before
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["snapshot-source.json", "snapshot.sqlite"]


@pytest.mark.parametrize("with_log", [True, False])
def test_a_wal_database_in_a_folder_that_cannot_be_written_loses_nothing(
    shared_folder: Path, with_log: bool, without_privileges: Callable[..., str]
) -> None:
    source = shared_folder / "in" / "app.db"
    working = shared_folder / "working.db"
    with closing(sqlite3.connect(working, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = wal")
        writer.executescript(ACCOUNTS)
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("INSERT INTO note VALUES ('only in the log')")
        if with_log:
            shutil.copy(working, source)
            shutil.copy(f"{working}-wal", f"{source}-wal")
    if not with_log:
        shutil.copy(working, source)
    before = {path.name: digest(path) for path in source.parent.iterdir()}
    assert set(before) == ({"app.db", "app.db-wal"} if with_log else {"app.db"})
    for path in source.parent.iterdir():
        path.chmod(0o444)
    source.parent.chmod(0o555)
    folder = shared_folder / "out" / "run"
    folder.mkdir()
    owned_by_nobody(folder)

    def work() -> str:
        snapshot = freeze(source, folder)
        return json.dumps([*rows(snapshot.path, "SELECT * FROM note"), money(snapshot.path)])

    assert json.loads(without_privileges(work)) == [["only in the log"], TOTAL]
    assert {path.name: digest(path) for path in source.parent.iterdir()} == before
    assert sorted(path.name for path in folder.iterdir()) == ["snapshot-source.json", "snapshot.sqlite"]


def test_a_read_only_file_without_a_log_is_frozen_where_it_is(
    shared_folder: Path, without_privileges: Callable[..., str]
) -> None:
    source = shared_folder / "in" / "app.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(ACCOUNTS)
    source.chmod(0o444)
    source.parent.chmod(0o555)
    assert without_privileges(lambda: str(money(freeze(source, shared_folder / "out" / "run").path))) == str(TOTAL)


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_a_utf16_database_keeps_its_encoding(make: Callable[..., Path], tmp_path: Path, encoding: str) -> None:
    source = make("CREATE TABLE t (a); INSERT INTO t VALUES ('Grüße 🎉');", encoding=encoding)
    snapshot = freeze(source, tmp_path / "run")
    assert snapshot.encoding == encoding
    assert rows(snapshot.path, "SELECT a FROM t") == [("Grüße 🎉",)]


def test_an_empty_file_is_a_database_without_tables(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    snapshot = freeze(tmp_path / "empty.db", tmp_path / "run")
    assert snapshot.tables == 0
    assert rows(snapshot.path, "SELECT * FROM sqlite_master") == []


def test_a_database_whose_tables_were_dropped_is_frozen(make: Callable[..., Path], tmp_path: Path) -> None:
    assert freeze(make("CREATE TABLE t (a); DROP TABLE t;"), tmp_path / "run").tables == 0


def test_rows_that_a_constraint_would_refuse_today_are_no_damage(make: Callable[..., Path], tmp_path: Path) -> None:
    source = make("CREATE TABLE t (a TEXT, b CHECK (b > 0)); INSERT INTO t VALUES (NULL, 1);")
    with closing(sqlite3.connect(source)) as connection:
        connection.executescript(
            "PRAGMA ignore_check_constraints = ON; UPDATE t SET b = -1; PRAGMA writable_schema = ON; "
            "UPDATE sqlite_master SET sql = 'CREATE TABLE t (a TEXT NOT NULL, b CHECK (b > 0))';"
        )
    with closing(sqlite3.connect(source)) as connection:
        said = connection.execute("PRAGMA integrity_check").fetchall()
        assert len(said) == 2, said
    assert rows(freeze(source, tmp_path / "run").path, "SELECT * FROM t") == [(None, -1)]


def test_a_collation_that_only_the_application_has_does_not_stop_the_check(tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.create_collation("UNICASE", lambda a, b: (a > b) - (a < b))
        connection.executescript(
            "CREATE TABLE t (a TEXT COLLATE UNICASE PRIMARY KEY); INSERT INTO t VALUES ('x'), ('y');"
        )
    assert rows(freeze(source, tmp_path / "run").path, "SELECT a FROM t NOT INDEXED") == [("x",), ("y",)]


def test_a_function_in_an_index_that_only_the_application_has_does_not_stop_the_check(tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    with closing(sqlite3.connect(source)) as connection:
        connection.create_function("initial", 1, lambda text: text[0], deterministic=True)
        connection.executescript(
            "CREATE TABLE t (a TEXT); CREATE INDEX i ON t (initial(a)); INSERT INTO t VALUES ('x'), ('y');"
        )
    assert rows(freeze(source, tmp_path / "run").path, "SELECT a FROM t") == [("x",), ("y",)]


def test_a_foreign_key_that_fits_no_key_of_its_parent_does_not_stop_the_count(
    make: Callable[..., Path], tmp_path: Path
) -> None:
    source = make(
        "CREATE TABLE p (a, b); CREATE TABLE c1 (x REFERENCES p (a)); CREATE TABLE q (id INTEGER PRIMARY KEY);"
        "CREATE TABLE c2 (x REFERENCES q); INSERT INTO c1 VALUES (1); INSERT INTO c2 VALUES (5);"
    )
    assert freeze(source, tmp_path / "run").foreign_key_violations == 1


def test_a_newer_snapshot_replaces_the_older(make: Callable[..., Path], tmp_path: Path) -> None:
    older = freeze(make(ACCOUNTS), tmp_path / "run")
    newer = freeze(make("CREATE TABLE t (a);", name="other.db"), tmp_path / "run")
    assert newer.sha256 != older.sha256
    assert reopen(tmp_path / "run") == newer


def test_a_link_is_followed(make: Callable[..., Path], tmp_path: Path) -> None:
    source = make("PRAGMA journal_mode = wal;" + ACCOUNTS)
    (tmp_path / "link.db").symlink_to(source)
    assert money(freeze(tmp_path / "link.db", tmp_path / "run").path) == TOTAL


def test_a_snapshot_that_something_wrote_to_is_not_resumed_from(make: Callable[..., Path], tmp_path: Path) -> None:
    snapshot = freeze(make(ACCOUNTS), tmp_path / "run")
    with closing(sqlite3.connect(snapshot.path)) as connection:
        connection.execute("DELETE FROM account WHERE id = 1")
        connection.commit()
    for sha256 in (None, snapshot.sha256):
        with pytest.raises(SourceError) as caught:
            reopen(tmp_path / "run", sha256)
        assert caught.value.id == "SNAPSHOT-CHANGED"


def test_a_snapshot_that_is_gone_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        reopen(tmp_path)
    assert caught.value.id == "SNAPSHOT-MISSING"


def test_a_snapshot_without_its_record_is_reopened_by_its_hash(make: Callable[..., Path], tmp_path: Path) -> None:
    snapshot = freeze(make(ACCOUNTS), tmp_path / "run")
    (tmp_path / "run" / "snapshot-source.json").unlink()
    again = reopen(tmp_path / "run", snapshot.sha256)
    assert (again.sha256, again.tables, again.encoding) == (snapshot.sha256, 2, "UTF-8")
    with pytest.raises(SourceError):
        reopen(tmp_path / "run", "0" * 64)


def test_a_snapshot_cannot_be_written_through_its_connection(make: Callable[..., Path], tmp_path: Path) -> None:
    snapshot = freeze(make(ACCOUNTS), tmp_path / "run")
    with closing(connect(snapshot.path)) as connection, pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM account")


@pytest.mark.parametrize(
    ("name", "tables", "violations"),
    [("chinook.sqlite", 11, 0), ("gnucash_book_prices.gnucash", 24, 0), ("zeitgeist_fkviol_wal.sqlite", 11, 44)],
)
def test_real_databases_are_frozen(corpus: Path, tmp_path: Path, name: str, tables: int, violations: int) -> None:
    source = tmp_path / name
    shutil.copy(corpus / name, source)
    snapshot = freeze(source, tmp_path / "run")
    assert (snapshot.tables, snapshot.foreign_key_violations) == (tables, violations)
