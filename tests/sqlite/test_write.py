"""A new SQLite file appears whole or not at all, and reads back as it was written."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from migrator_tui.convert.to_sqlite_values import Cells
from migrator_tui.model.errors import MigratorError, UsageError, VerificationFailed
from migrator_tui.model.schema import TableName
from migrator_tui.sqlite.inspect import inspect
from migrator_tui.sqlite.write import NewFile


def fill(file: NewFile, statement: str, cells: list[Cells]) -> dict[str, int]:
    """A table made and filled; the texts that became numbers."""
    with file.session() as connection:
        connection.execute(statement)
    table = inspect(file.path).table(TableName("", "t"))
    assert table is not None
    with file.rows() as rows:
        writer = rows.table(table, [column.name for column in table.columns])
        writer.write(cells)
        writer.finish()
    return dict(writer.written.numbers)


def read(path: Path) -> list[tuple[object, ...]]:
    """Rows in order of the first column, each value beside its class."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT a, typeof(a), b, typeof(b) FROM t ORDER BY 1").fetchall()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b)",
        "CREATE TABLE t (a INTEGER, b BLOB)",
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b ANY) WITHOUT ROWID, STRICT",
    ],
)
def test_cells_of_several_classes_are_read_back_as_they_were(tmp_path: Path, statement: str) -> None:
    values = Cells((pa.array([1.5, None, float("inf")]), pa.array([None, "x\0é", None])))
    with NewFile(tmp_path / "f.db", replace=False) as file:
        fill(file, statement, [Cells((pa.array([7, -3, 2**63 - 1]),)), values])
        file.publish()
    assert read(tmp_path / "f.db") == [
        (-3, "integer", "x\0é", "text"),
        (7, "integer", 1.5, "real"),
        (2**63 - 1, "integer", float("inf"), "real"),
    ]


def test_texts_that_a_type_turns_into_numbers_are_counted(tmp_path: Path) -> None:
    with NewFile(tmp_path / "f.db", replace=False) as file:
        cells = [Cells((pa.array([1, 2]),)), Cells((pa.array(["007", "x"]),))]
        assert fill(file, "CREATE TABLE t (a INTEGER, b NUMERIC)", cells) == {"b": 1}


def test_a_definition_that_changes_values_is_found_out(tmp_path: Path) -> None:
    with NewFile(tmp_path / "f.db", replace=False) as file:
        cells = [Cells((pa.array([1]),)), Cells((pa.array([None], pa.int64()), pa.array([5.5])))]
        with pytest.raises(VerificationFailed):
            fill(file, "CREATE TABLE t (a INTEGER, b TEXT)", cells)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_published_is_gone(tmp_path: Path) -> None:
    with NewFile(tmp_path / "f.db", replace=False) as file:
        fill(file, "CREATE TABLE t (a, b)", [Cells((pa.array([1]),)), Cells((pa.array([2]),))])
    assert list(tmp_path.iterdir()) == []


def test_two_pulls_of_one_file_do_not_meet(tmp_path: Path) -> None:
    with NewFile(tmp_path / "f.db", replace=False) as file, pytest.raises(MigratorError) as refused:
        NewFile(tmp_path / "f.db", replace=False)
    assert refused.value.id == "PULL-IN-USE"
    assert file.path.name == "f.db.partial"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with NewFile(tmp_path / "f.db", replace=False) as file:
        (tmp_path / "f.db").write_bytes(b"precious")
        with pytest.raises(MigratorError) as refused:
            file.publish()
    assert refused.value.id == "PULL-EXISTS"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"precious"]


def test_a_database_that_a_program_writes_to_is_not_replaced(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "f.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE x (y)")
        with pytest.raises(MigratorError) as refused:
            NewFile(tmp_path / "f.db", replace=True)
    assert refused.value.id == "PULL-IN-USE"


def test_what_is_no_plain_file_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.db"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="no plain file"):
        NewFile(pipe, replace=True)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


@pytest.mark.parametrize("kind", ["file", "link", "pipe", "folder"])
def test_something_else_under_the_name_of_the_growing_file_stays_as_it_is(tmp_path: Path, kind: str) -> None:
    precious, partial = tmp_path / "precious", tmp_path / "new.db.partial"
    precious.write_bytes(b"precious")
    match kind:
        case "file":
            partial.write_bytes(b"precious")
        case "link":
            partial.symlink_to(precious)
        case "pipe":
            os.mkfifo(partial)
        case _:
            partial.mkdir()
    with pytest.raises(UsageError, match=r"new\.db\.partial"):
        NewFile(tmp_path / "new.db", replace=False)
    assert precious.read_bytes() == b"precious"
    assert partial.is_symlink() or partial.exists()
    if kind == "file":
        assert partial.read_bytes() == b"precious"
