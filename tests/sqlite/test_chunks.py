"""Cutting a table into chunks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator_tui.model.profile import Chunk
from migrator_tui.model.schema import Database, Table
from migrator_tui.sqlite.chunks import chunks_of
from migrator_tui.sqlite.read import SnapshotReader

Read = Callable[[Path], tuple[Database, Callable[[str], Table]]]


def made(path: Path, rows: list[tuple[int, int]], without_rowid: bool) -> Path:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        key = "INT" if without_rowid else "INTEGER"
        connection.execute(f"CREATE TABLE t (id {key} PRIMARY KEY, b) {'WITHOUT ROWID' if without_rowid else ''}")
        connection.executemany("INSERT INTO t VALUES (?, zeroblob(?))", rows)
        connection.commit()
    return path


def cut(path: Path, table: Table, chunk_bytes: int, max_rows: int) -> tuple[Chunk, ...]:
    with SnapshotReader(path) as reader:
        return chunks_of(reader, table, ["b"], chunk_bytes=chunk_bytes, check=lambda: None, max_rows=max_rows)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.integers(0, 300), max_size=60),
    st.integers(1, 2000),
    st.integers(1, 70),
    st.booleans(),
)
def test_every_row_is_in_one_chunk_and_none_in_two(
    tmp_path: Path, read_schema: Read, sizes: dict[int, int], chunk_bytes: int, max_rows: int, without_rowid: bool
) -> None:
    path = made(tmp_path / "rows.db", list(sizes.items()), without_rowid)
    table = read_schema(path)[1]("t")
    chunks = cut(path, table, chunk_bytes, max_rows)
    read: list[int] = []
    with SnapshotReader(path) as reader:
        for chunk in chunks:
            batches = list(reader.batches(table, [("id", "0", "id")], chunk.lo, chunk.hi, batch_rows=7))
            locators = [locator for batch in batches for locator in batch.column(0).to_pylist()]
            assert (locators[0], locators[-1], len(locators)) == (chunk.lo, chunk.hi, chunk.rows)
            ids = [id for batch in batches for id in batch.column(1).to_pylist()]
            assert chunk.bytes == sum(16 + sizes[id] for id in ids)
            assert chunk.rows <= max_rows
            assert chunk.rows == 1 or chunk.bytes - (16 + sizes[ids[-1]]) < chunk_bytes
            read.extend(ids)
    assert read == sorted(sizes)
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))


def test_a_table_without_rows_has_no_chunks(tmp_path: Path, read_schema: Read) -> None:
    path = made(tmp_path / "none.db", [], False)
    assert cut(path, read_schema(path)[1]("t"), 1000, 10) == ()


def test_a_row_wider_than_a_chunk_ends_its_chunk(tmp_path: Path, read_schema: Read) -> None:
    path = made(tmp_path / "wide.db", [(1, 0), (2, 10_000), (3, 0), (4, 0)], False)
    chunks = cut(path, read_schema(path)[1]("t"), 1000, 100)
    assert [(chunk.lo, chunk.hi) for chunk in chunks] == [(1, 2), (3, 4)]


def test_chunks_go_on_across_the_batches_that_sizes_are_read_in(tmp_path: Path, read_schema: Read) -> None:
    path = tmp_path / "many.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, b);"
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) "
            "INSERT INTO t SELECT i, NULL FROM n;"
        )
    chunks = cut(path, read_schema(path)[1]("t"), 1 << 40, 70_000)
    assert [(chunk.lo, chunk.hi, chunk.rows) for chunk in chunks] == [
        (1, 70_000, 70_000),
        (70_001, 140_000, 70_000),
        (140_001, 200_000, 60_000),
    ]
    assert sum(chunk.bytes for chunk in cut(path, read_schema(path)[1]("t"), 100_000, 1 << 40)) == 200_000 * 16


def test_an_index_that_holds_all_that_is_asked_does_not_change_the_order(tmp_path: Path, read_schema: Read) -> None:
    path = tmp_path / "covered.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, b); CREATE INDEX i ON t (b);")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"{-i % 100:03}") for i in range(1, 101)])
        connection.commit()
    chunks = cut(path, read_schema(path)[1]("t"), 1 << 20, 10)
    assert [(chunk.lo, chunk.hi) for chunk in chunks] == [(i, i + 9) for i in range(1, 100, 10)]
