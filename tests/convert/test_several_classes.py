"""Columns that hold several storage classes come back value by value and class by class."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from migrator_tui.convert.codecs import CodecError, codec, encode, exact_text
from migrator_tui.convert.several_classes import CLASSES
from migrator_tui.convert.to_sqlite_values import returned
from migrator_tui.model.schema import Column, Table, TableName
from migrator_tui.sqlite.read import SnapshotReader

CLASS_OF = {int: "integer", float: "real", str: "text", bytes: "blob"}
LOOKALIKES = [
    "12", "-1", "007", "2.5", "2.0", "1e+300", "1E+300", "9e999", "inf", "", "'", "''", "'a'", "x'00'", "X'00'", "12 ",
    "12\n", "\n", "cast", "x''", "a\0b", "CAST(x'6100' AS TEXT)", "CAST(x'' AS TEXT)", "9223372036854775808", "-0",
    "-0.0", "i1", "é", "xé",
]  # fmt: skip


def identity(value: Any) -> Any:
    return (type(value), struct.pack(">d", value)) if isinstance(value, float) else (type(value), value)


def there_and_back(file: Path, values: list[Any]) -> tuple[list[str | None], list[Any]]:
    file.unlink(missing_ok=True)
    with sqlite3.connect(file) as made:
        made.execute("CREATE TABLE t (v)")
        made.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    made.close()
    chosen = codec(exact_text(tuple({CLASS_OF[type(v)] for v in values if v is not None})))
    table = Table(TableName("", "t"), (Column("v", ""),), locator="rowid")
    with SnapshotReader(file) as reader:
        batches = list(
            reader.batches(table, [("v", chosen.header, chosen.source_expression("v"))], 1, 9999, batch_rows=99999)
        )
    sent = encode(chosen, pa.concat_arrays([batch.column(1) for batch in batches]))
    cells = returned(chosen, (sent,))
    assert cells.otherwise == ()
    back = [next((part[at].as_py() for part in cells.parts if part[at].is_valid), None) for at in range(len(values))]
    return sent.to_pylist(), back


@settings(deadline=None)
@given(
    values=st.lists(
        st.none()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False)
        | st.binary(max_size=9)
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
        | st.sampled_from(LOOKALIKES)
        | (st.integers() | st.floats()).map(str),
        min_size=1,
    ).filter(lambda values: any(v is not None for v in values))
)
def test_every_value_comes_back_with_its_class(values: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.getbasetemp() / "several.db"

    _, back = there_and_back(file, values)

    assert [identity(v) for v in back] == [identity(v) for v in values]


def test_each_cell_is_spelled_as_a_person_would_and_as_a_literal_where_it_must(tmp_path: Path) -> None:
    values = [12, 2.5, 2.0, -0.0, float("inf"), "n/a", "", "12", "007", "it's", b"\x00\xff", "a\0", None]

    sent, _ = there_and_back(tmp_path / "s.db", values)

    assert sent == ["12", "2.5", "2.0", "-0.0", "9e999", "n/a", "", "'12'", "007", "it's", "x'00ff'",
                    "CAST(x'6100' AS TEXT)", None]  # fmt: skip


def test_texts_stay_apart_from_other_classes_where_case_or_spaces_do_not_count(tmp_path: Path) -> None:
    sent, _ = there_and_back(tmp_path / "s.db", [12, "12 ", b"\xaa", "X'AA'", 1e300, "1E+300"])

    assert sent == ["12", "'12 '", "x'aa'", "'X''AA'''", "1e+300", "'1E+300'"]


def test_texts_are_plain_where_no_number_can_be_meant(tmp_path: Path) -> None:
    assert there_and_back(tmp_path / "s.db", ["12", "2.5", b"\x01"])[0] == ["12", "2.5", "x'01'"]


def test_a_text_that_is_not_utf_8_comes_back_as_it_is() -> None:
    chosen = codec(exact_text(CLASSES))
    read = pa.array([b"t\xff", b"i1", None], pa.binary()).view(pa.string())

    sent = encode(chosen, read)

    assert sent.to_pylist() == ["CAST(x'ff' AS TEXT)", "1", None]
    number, text = returned(chosen, (sent,)).parts
    assert (number.to_pylist(), text.view(pa.binary()).to_pylist()) == ([None, 1, None], [b"\xff", None, None])


def test_a_class_that_the_column_was_not_to_hold_is_refused() -> None:
    with pytest.raises(CodecError):
        encode(codec(exact_text(("integer", "text"))), pa.array(["i1", "b00"]))


def test_what_is_new_on_the_target_is_text_and_counted_where_it_is_no_spelling() -> None:
    cells = returned(codec(exact_text(("integer", "text"))), (pa.array(["5", "'quoted'", "new"]),))

    assert cells.otherwise == (1,)
    assert [p.to_pylist() for p in cells.parts] == [[5, None, None], [None, "'quoted'", "new"]]
