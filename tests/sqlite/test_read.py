"""Reading rows in bulk and cell by cell."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator_tui.model.errors import SourceError
from migrator_tui.model.schema import Database, Table
from migrator_tui.sqlite.profile import profile
from migrator_tui.sqlite.read import SnapshotReader, row_key, shown, typed_cells

Make = Callable[..., Path]
Read = Callable[[Path], tuple[Database, Callable[[str], Table]]]

TYPED = """
CREATE TABLE t (id INTEGER PRIMARY KEY, n INT, x REAL, s TEXT, b BLOB);
INSERT INTO t VALUES (-3, 1, 0.5, 'a', x'00'), (1, NULL, NULL, NULL, NULL), (2, 9223372036854775807, -1e300, '', x''),
    (5, -1, 2.0, 'é🎉', x'ff00'), (9, 0, 0.1, 'a' || char(0) || 'b', x'61');
"""
ALL = [("n", "0", "n"), ("x", "0.0", "x"), ("s", "''", "s"), ("b", "x''", "b")]


def read(path: Path, table: Table, columns: list[tuple[str, str, str]], lo: int, hi: int, rows: int) -> pa.Table:
    with SnapshotReader(path) as reader:
        return pa.Table.from_batches(list(reader.batches(table, columns, lo, hi, batch_rows=rows)))


@pytest.mark.parametrize("batch_rows", [1, 2, 3, 100])
def test_rows_are_read_with_the_types_of_their_headers(make: Make, read_schema: Read, batch_rows: int) -> None:
    path = make(TYPED)
    found = read(path, read_schema(path)[1]("t"), ALL, -3, 9, batch_rows)
    assert found.schema.types == [pa.int64(), pa.int64(), pa.float64(), pa.string(), pa.binary()]
    assert found.column_names == ["_mt_src", "n", "x", "s", "b"]
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        (-3, 1, 0.5, "a", b"\0"),
        (1, None, None, None, None),
        (2, 9223372036854775807, -1e300, "", b""),
        (5, -1, 2.0, "é🎉", b"\xff\0"),
        (9, 0, 0.1, "a\0b", b"a"),
    ]


def test_both_ends_of_the_range_are_included_and_batches_are_bounded(make: Make, read_schema: Read) -> None:
    path = make(TYPED)
    with SnapshotReader(path) as reader:
        batches = list(reader.batches(read_schema(path)[1]("t"), [("n", "0", "n")], 1, 5, batch_rows=2))
    assert [batch.column(0).to_pylist() for batch in batches] == [[1], [2, 5]]


def test_a_range_without_rows_gives_no_batch(make: Make, read_schema: Read) -> None:
    path = make(TYPED)
    with SnapshotReader(path) as reader:
        assert list(reader.batches(read_schema(path)[1]("t"), ALL, 100, 200, batch_rows=10)) == []
        assert list(reader.batches(read_schema(path)[1]("t"), ALL, 3, 4, batch_rows=1)) == []


def test_expressions_and_awkward_names_are_read(make: Make, read_schema: Read) -> None:
    path = make(
        'CREATE TABLE "t "" 1" ("a b" INT, "c""d" TEXT, rowid TEXT); INSERT INTO "t "" 1" VALUES (1, \'x\', \'y\')'
    )
    columns = [('o"ut', "0", '"a b" * 2'), ("c", "''", '"c""d" || "rowid"')]
    found = read(path, read_schema(path)[1]('t " 1'), columns, 1, 1, 10)
    assert found.to_pylist() == [{"_mt_src": 1, 'o"ut': 2, "c": "xy"}]


@pytest.mark.parametrize("batch_rows", [1, 2, 100])
@pytest.mark.parametrize("value", ["'text'", "1.5", "x'00'"])
def test_a_value_of_another_class_than_an_integer_is_refused(
    make: Make, read_schema: Read, value: str, batch_rows: int
) -> None:
    path = make(f"CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), ({value}), (4);")
    with pytest.raises(SourceError) as caught:
        read(path, read_schema(path)[1]("t"), [("n", "0", "n")], 1, 4, batch_rows)
    assert caught.value.id == "SOURCE-READ"
    assert caught.value.message.startswith("t")


def test_bytes_that_are_not_utf8_pass_for_the_codec_to_judge(make: Make, read_schema: Read) -> None:
    path = make("CREATE TABLE t (s TEXT); INSERT INTO t VALUES (CAST(x'636166e9' AS TEXT))")
    found = read(path, read_schema(path)[1]("t"), [("s", "''", "s")], 1, 1, 10)
    assert found.column("s").cast(pa.binary()).to_pylist() == [b"caf\xe9"]


def test_rows_without_a_rowid_are_numbered_in_order_of_their_key(make: Make, read_schema: Read) -> None:
    path = make(
        "CREATE TABLE w (k TEXT, n INT, PRIMARY KEY (n DESC, k)) WITHOUT ROWID; "
        "INSERT INTO w VALUES ('b', 1), ('a', 1), ('c', 3), ('d', 2); CREATE INDEX i ON w (k);"
    )
    table = read_schema(path)[1]("w")
    assert read(path, table, [("k", "''", "k")], 2, 3, 10).to_pylist() == [
        {"_mt_src": 2, "k": "b"},
        {"_mt_src": 3, "k": "d"},
    ]
    assert read(path, table, [("k", "''", "k")], -5, 99, 10).column("k").to_pylist() == ["a", "b", "d", "c"]
    assert [cells["k"] for _, cells in typed_cells(path, table, [4, 2])] == [("text", b"b"), ("text", b"c")]


def test_a_collation_of_the_application_matters_only_where_it_orders_the_table(
    tmp_path: Path, read_schema: Read
) -> None:
    path = tmp_path / "source.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.create_collation("OURS", lambda a, b: (a < b) - (a > b))
        connection.executescript(
            "CREATE TABLE t (k TEXT COLLATE OURS PRIMARY KEY, n INT);"
            "INSERT INTO t VALUES ('a', 1), ('b', 2), ('c', 3);"
            "CREATE TABLE w (k TEXT COLLATE OURS PRIMARY KEY, n INT) WITHOUT ROWID;"
        )
    table = read_schema(path)[1]
    assert read(path, table("t"), [("n", "0", "n"), ("k", "''", "k")], 1, 2, 10).column("k").to_pylist() == ["a", "b"]
    assert [cells["k"] for _, cells in typed_cells(path, table("t"), [3])] == [("text", b"c")]
    with pytest.raises(SourceError, match="no such collation sequence: OURS") as caught:
        read(path, table("w"), [("n", "0", "n")], 1, 2, 10)
    assert "application" in caught.value.hint


def test_keys_that_differ_only_in_case_are_numbered_apart(make: Make, read_schema: Read) -> None:
    path = make(
        "CREATE TABLE w (k TEXT COLLATE NOCASE, n INT, PRIMARY KEY (k COLLATE BINARY)) WITHOUT ROWID;"
        "INSERT INTO w VALUES ('b', 1), ('B', 2), ('a', 3), ('A', 4); CREATE INDEX i ON w (n);"
    )
    table = read_schema(path)[1]("w")
    one_by_one = [read(path, table, [("n", "0", "n")], i, i, 10).column("n").to_pylist()[0] for i in range(1, 5)]
    assert one_by_one == [4, 2, 3, 1]
    assert [cells["n"][1] for _, cells in typed_cells(path, table, [1, 2, 3, 4])] == [b"4", b"2", b"3", b"1"]


def test_hidden_rowids_are_numbered_alike_by_both_readers(make: Make, read_schema: Read) -> None:
    path = make(
        "CREATE TABLE h (rowid TEXT, oid INT, _rowid_ PRIMARY KEY); CREATE INDEX i ON h (oid);"
        "INSERT INTO h VALUES ('x', 3, NULL), ('y', 1, NULL), ('z', 2, 5); DELETE FROM h WHERE oid = 1;"
        "INSERT INTO h VALUES ('w', 0, NULL);"
    )
    table = read_schema(path)[1]("h")
    assert table.locator is None
    found = read(path, table, [("oid", "0", "oid")], 1, 3, 10)
    assert found.to_pylist() == [{"_mt_src": 1, "oid": 3}, {"_mt_src": 2, "oid": 2}, {"_mt_src": 3, "oid": 0}]
    cells = dict(typed_cells(path, table, [1, 2, 3]))
    assert [cells[locator]["oid"] for locator in (1, 2, 3)] == [("integer", b"3"), ("integer", b"2"), ("integer", b"0")]


def test_a_reader_that_is_left_early_can_be_used_again(make: Make, read_schema: Read) -> None:
    path = make(TYPED)
    table = read_schema(path)[1]("t")
    with SnapshotReader(path) as reader:
        batches = reader.batches(table, ALL, -3, 9, batch_rows=1)
        next(batches)
        batches.close()  # type: ignore[attr-defined]
        assert reader.scalar_rows("SELECT count(*), 'x' FROM t") == [(5, "x")]


def test_an_error_of_sqlite_names_what_was_read(make: Make, read_schema: Read) -> None:
    path = make(TYPED)
    table = read_schema(path)[1]("t")
    with SnapshotReader(path) as reader:
        with pytest.raises(SourceError, match=r"^t cannot be read: .*no such column"):
            list(reader.batches(table, [("n", "0", "nope")], 1, 2, batch_rows=1))
        with pytest.raises(SourceError, match="no such table"):
            reader.scalar_rows("SELECT 1 FROM nowhere")


def test_utf16_databases_are_read_as_utf8(make: Make, read_schema: Read) -> None:
    path = make("CREATE TABLE t (s); INSERT INTO t VALUES ('é🎉'), ('a' || char(0));", encoding="UTF-16be")
    table = read_schema(path)[1]("t")
    assert read(path, table, [("s", "''", "s")], 1, 2, 10).column("s").to_pylist() == ["é🎉", "a\0"]
    assert [cells["s"] for _, cells in typed_cells(path, table, [1, 2])] == [
        ("text", "é🎉".encode()),
        ("text", b"a\0"),
    ]


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.binary(max_size=20),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(VALUES, min_size=1, max_size=20))
def test_every_cell_keeps_its_class_and_its_bytes(read_schema: Read, tmp_path: Path, values: list[Any]) -> None:
    path = tmp_path / "cells.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (v)")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
        connection.commit()
    found = [cells["v"] for _, cells in typed_cells(path, read_schema(path)[1]("t"), range(1, len(values) + 1))]

    def expected(value: Any) -> tuple[str, bytes | None]:
        match value:
            case None:
                return "null", None
            case int():
                return "integer", str(value).encode()
            case float():
                return "real", struct.pack(">d", value)
            case str():
                return "text", value.encode()
            case _:
                return "blob", value

    assert found == [expected(value) for value in values]


def test_cells_of_many_rows_come_in_order_and_missing_rows_are_passed_over(make: Make, read_schema: Read) -> None:
    path = make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, g AS (id * 2));"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i FROM n;"
    )
    wanted = [5000, *range(1500, 0, -1), 7, 7]
    found = list(typed_cells(path, read_schema(path)[1]("t"), wanted))
    assert [locator for locator, _ in found] == list(range(1, 1501))
    assert found[6][1] == {"id": ("integer", b"7"), "g": ("integer", b"14")}


def test_virtual_columns_of_strict_tables_are_read_as_their_affinity_leaves_them(make: Make, read_schema: Read) -> None:
    values = ["1", "2.0", "2.5", "-0.0", "'7'", "' 8.0 '", "'-1e3'", "'a1'", "'12ab'", "''", "'0x10'", "x'01'", "NULL"]
    values += ["9223372036854775807", "1e300", "'9223372036854775808'", "9007199254740993.0", "'1e300'"]
    columns = "t TEXT AS (x), i INT AS (x), r REAL AS (x || ''), f REAL AS (x), o BLOB AS (x) -- so\n"
    rows = f"VALUES {', '.join(f'({value})' for value in values)}"
    path = make(
        f"CREATE TABLE plain (x BLOB, {columns}); INSERT INTO plain (x) {rows};"
        f"CREATE TABLE strict (x BLOB, {columns}); INSERT INTO strict (x) {rows};"
        # SQLite refuses to write such rows from 3.45 on.
        "PRAGMA writable_schema = 1; UPDATE sqlite_schema "
        "SET sql = replace(sql, 'BLOB', 'ANY') || ' STRICT' WHERE name = 'strict';"
    )
    database, table = read_schema(path)
    places = list(range(1, len(values) + 1))
    assert list(typed_cells(path, table("strict"), places)) == list(typed_cells(path, table("plain"), places))
    found = profile(path, database).tables
    for name in "tirfo":
        ours, plain = found["strict"].column(name), found["plain"].column(name)
        assert ours == replace(plain, name=name)


def test_a_key_reads_like_sql(make: Make, read_schema: Read) -> None:
    path = make(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, x); CREATE TABLE b (x, y, z, PRIMARY KEY (y, x));"
        "CREATE TABLE c (x, y);"
        "INSERT INTO a VALUES (7, 1); INSERT INTO b VALUES (NULL, 'it''s', 1); INSERT INTO c VALUES (x'0aff', 1.5);"
    )
    table = read_schema(path)[1]
    keys = {
        name: row_key(table(name), cells, locator)
        for name in "abc"
        for locator, cells in typed_cells(path, table(name), [1, 7])
    }
    assert keys == {"a": "id=7", "b": 'y="it\'s", x=NULL', "c": "rowid=1"}
    (_, cells), *_ = typed_cells(path, table("c"), [1])
    assert row_key(table("c"), cells) == "x=x'0aff', y=1.5"


def test_long_values_are_shortened_where_they_are_shown() -> None:
    assert len(shown(("text", b"x" * 10_000))) < 80
    assert len(shown(("blob", b"x" * 10_000))) < 80
    assert shown(("text", b"caf\xe9")) == "'caf\ufffd'"
