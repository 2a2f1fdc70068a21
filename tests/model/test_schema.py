from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.model.schema import Column, Generated, Table, TableName

NAMES = st.text(st.characters(codec="utf-8") | st.sampled_from('."'), max_size=8)


@given(NAMES.filter(bool), NAMES)
def test_a_written_name_is_read_back(schema: str, name: str) -> None:
    table = TableName(schema, name)

    assert TableName.parse(table.written()) == table


@given(NAMES, NAMES.filter(bool))
def test_a_name_without_schema_gets_the_default(name: str, default: str) -> None:
    assert TableName.parse(TableName("", name).written(), default) == TableName(default, name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("users", TableName("public", "users")),
        ("app.users", TableName("app", "users")),
        ('"a.b"."c.d"', TableName("a.b", "c.d")),
        ('app."quo""ted"', TableName("app", 'quo"ted')),
        ("app.a.b", TableName("app", "a.b")),
        ("two words", TableName("public", "two words")),
    ],
)
def test_names_are_read_as_people_write_them(text: str, expected: TableName) -> None:
    assert TableName.parse(text) == expected


def test_generated_columns_hold_no_values_of_their_own() -> None:
    plain, computed = Column("a", "text"), Column("b", "text", generated=Generated("a || a", True))
    table = Table(TableName("", "t"), (plain, computed))

    assert table.stored_columns == (plain,)
    assert table.column("b") is computed
    with pytest.raises(KeyError, match="t has no column c"):
        table.column("c")
