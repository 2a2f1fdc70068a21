"""Names that fit Postgres, each one once."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.convert.identifiers import (
    MAX_BYTES,
    Names,
    quote,
    quote_literal,
    quote_name,
    quote_sqlite,
    shorten,
    snake_case,
)
from migrator_tui.model.schema import TableName

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=90)
PEOPLE = TableName("public", "people")


def test_quotes_inside_a_name_are_doubled() -> None:
    assert quote('say "hi"') == '"say ""hi"""'
    assert quote_name(TableName("a b", 'c"')) == '"a b"."c"""'
    assert quote_name(TableName("", "t")) == '"t"'


def test_a_backslash_in_a_literal_does_not_depend_on_a_setting() -> None:
    assert quote_literal("it's") == "'it''s'"
    assert quote_literal("a\\b'c") == "E'a\\\\b''c'"


@pytest.mark.parametrize("function", [quote, quote_literal, quote_sqlite, lambda name: shorten(name, set())])
def test_nul_is_refused_in_names_and_literals(function) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="NUL"):
        function("a\0b")


@given(names.filter(bool))
def test_sqlite_reads_back_the_name_that_was_quoted(name: str) -> None:
    with sqlite3.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE t ({quote_sqlite(name)} INTEGER)")
        assert connection.execute("PRAGMA table_info(t)").fetchone()[1] == name
    connection.close()


@given(st.lists(names, max_size=12))
def test_every_name_given_fits_and_is_given_once(wanted: list[str]) -> None:
    for policy in ("keep", "snake_case"):
        giver = Names(policy)
        given_names = [giver.relation("public", name).name for name in wanted]
        assert len(set(given_names)) == len(wanted)
        assert all(0 < len(name.encode()) <= MAX_BYTES for name in given_names)


@given(names, st.sets(names, max_size=5))
def test_shortening_is_stable_and_leaves_a_free_name_that_fits_alone(name: str, taken: set[str]) -> None:
    first = shorten(name, taken)
    assert first == shorten(name, taken)
    assert first not in taken
    if name and len(name.encode()) <= MAX_BYTES and name not in taken:
        assert first == name


def test_two_long_names_with_the_same_beginning_stay_apart() -> None:
    giver = Names()
    one = giver.relation("public", "x" * 80 + "_one", "index").name
    two = giver.relation("public", "x" * 80 + "_two", "index").name
    assert one != two
    assert one.startswith("x" * 54)
    assert [change.kind for change in giver.changes] == ["index", "index"]


def test_a_name_is_cut_between_characters_not_inside_one() -> None:
    short = shorten("é" * 60, set())
    assert len(short.encode()) <= MAX_BYTES
    assert short.startswith("é" * 27 + "_")


def test_an_empty_name_gets_one_and_the_change_is_recorded() -> None:
    giver = Names()
    assert giver.column(PEOPLE, "") == "unnamed"
    assert giver.changes[0].old == ""
    assert giver.changes[0].table == PEOPLE


def test_an_index_cannot_have_the_name_of_a_table_of_its_schema() -> None:
    giver = Names()
    giver.relation("public", "people")
    assert giver.relation("public", "people", "index").name != "people"
    assert giver.relation("other", "people", "index").name == "people"


def test_a_key_needs_a_name_that_is_free_among_relations_and_constraints_alike() -> None:
    giver = Names()
    giver.reserve("public", ["people_key"])
    giver.constraint(PEOPLE, "people_key2")
    assert giver.key(PEOPLE, "people_key") != "people_key"
    assert giver.key(PEOPLE, "people_key2") != "people_key2"
    assert giver.constraint(TableName("public", "other"), "people_key2") == "people_key2"


def test_names_that_differ_in_case_stay_apart_under_both_policies() -> None:
    keep = Names()
    assert [keep.column(PEOPLE, name) for name in ("Name", "name")] == ["Name", "name"]
    assert keep.changes == ()
    snake = Names("snake_case")
    first, second = (snake.column(PEOPLE, name) for name in ("Name", "name"))
    assert first == "name"
    assert second != first


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("UserID", "user_id"),
        ("HTTPServer", "http_server"),
        ("Order Details", "order_details"),
        ("already_snake", "already_snake"),
        ("camelCase2Words", "camel_case2_words"),
        ("ÄpfelBaum", "äpfel_baum"),
        ("--", ""),
    ],
)
def test_snake_case_splits_where_a_reader_would(name: str, expected: str) -> None:
    assert snake_case(name) == expected


@given(names)
def test_snake_case_of_snake_case_is_itself_and_has_neither_spaces_nor_ascii_capitals(name: str) -> None:
    made = snake_case(name)
    assert snake_case(made) == made
    assert not any(c.isspace() or "A" <= c <= "Z" for c in made)


@given(
    st.lists(st.sampled_from(["UserName", "user_name", "User Name", "USER_NAME", "userName", "!!!", ""]), min_size=1)
)
def test_names_that_become_one_in_snake_case_are_still_given_once(wanted: list[str]) -> None:
    giver = Names("snake_case")
    given_names = [giver.column(PEOPLE, name) for name in wanted]
    assert len(set(given_names)) == len(wanted)
    changed = [change.old for change in giver.changes]
    assert all(name in changed for name, made in zip(wanted, given_names, strict=True) if made != name)


@given(names.filter(lambda name: 0 < len(name.encode()) <= MAX_BYTES))
def test_a_name_that_a_person_gave_is_kept_under_every_policy(name: str) -> None:
    giver = Names("snake_case")
    assert giver.column(PEOPLE, name, fixed=True) == name
    assert giver.changes == ()
