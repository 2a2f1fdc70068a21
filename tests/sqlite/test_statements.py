"""Reading stored CREATE statements."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator_tui.model.schema import Check
from migrator_tui.sqlite.statements import folded, index_text, table_text

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)
QUOTED = {
    '"': lambda name: '"' + name.replace('"', '""') + '"',
    "`": lambda name: "`" + name.replace("`", "``") + "`",
    "'": lambda name: "'" + name.replace("'", "''") + "'",
    "[": lambda name: "[" + name.replace("]", "") + "_]",
}


def test_check_texts_are_cut_out_whole_whatever_is_in_them() -> None:
    text = table_text(
        "CREATE TABLE t(a TEXT CHECK (a <> ')' AND \"a\" <> '('), b CONSTRAINT [b is big] CHECK(b > (1+2)), "
        "CONSTRAINT `of both` CHECK (a /* , ) */ IN ('x,y', 'z''') -- not this )\n), CHECK (b) CHECK (a))"
    )
    assert text.checks == (
        Check("a <> ')' AND \"a\" <> '('"),
        Check("b > (1+2)", "b is big"),
        Check("a   IN ('x,y', 'z''')", "of both"),
        Check("b"),
        Check("a"),
    )


def test_a_comment_at_the_end_of_an_expression_does_not_hide_what_is_written_after_it() -> None:
    assert table_text("CREATE TABLE t(a CHECK (a > 0 -- positive\n))").checks == (Check("a > 0"),)


def test_collations_and_generated_expressions_belong_to_their_columns() -> None:
    text = table_text(
        "CREATE TABLE t(\"A b\" TEXT DEFAULT 'x' COLLATE NoCase, c AS (a || ',' ) STORED, "
        '[d] INT GENERATED ALWAYS AS (length(c) + (1)) VIRTUAL COLLATE "rtrim", e DEFAULT (1) COLLATE binary)'
    )
    assert text.collations == {"a b": "NoCase", "d": "rtrim", "e": "binary"}
    assert text.generated == {"c": "a || ','", "d": "length(c) + (1)"}


def test_names_of_constraints_belong_to_the_next_constraint_only() -> None:
    text = table_text(
        "CREATE TABLE t(a CONSTRAINT pk PRIMARY KEY CONSTRAINT u1 UNIQUE UNIQUE, b CONSTRAINT nn NOT NULL CHECK (a) "
        "CONSTRAINT fk REFERENCES p(x) CHECK (b) CONSTRAINT d DEFAULT 1 CHECK (1), "
        "CONSTRAINT u2 UNIQUE (a, [b]) UNIQUE (b COLLATE nocase DESC))"
    )
    assert text.primary_key is not None
    assert (text.primary_key.columns, text.primary_key.name) == (("a",), "pk")
    assert [(key.columns, key.name) for key in text.uniques] == [
        (("a",), "u1"),
        (("a",), None),
        (("a", "b"), "u2"),
        (("b",), None),
    ]
    assert [key.name for key in text.foreign_keys] == ["fk"]
    assert text.checks == (Check("a"), Check("b"), Check("1"))


def test_when_a_foreign_key_is_checked_is_read() -> None:
    text = table_text(
        "CREATE TABLE t(a REFERENCES p DEFERRABLE INITIALLY DEFERRED NOT NULL, b REFERENCES p NOT DEFERRABLE, "
        "c REFERENCES p DEFERRABLE, d REFERENCES p (x, y) ON DELETE SET NULL MATCH FULL DEFERRABLE INITIALLY IMMEDIATE,"
        "FOREIGN KEY (a, b) REFERENCES deferrable (q) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED)"
    )
    assert [(key.deferrable, key.initially_deferred) for key in text.foreign_keys] == [
        (True, True),
        (False, False),
        (True, False),
        (True, False),
        (True, True),
    ]


@pytest.mark.parametrize(
    ("options", "without_rowid", "strict"),
    [
        ("", False, False),
        (" WITHOUT ROWID", True, False),
        (" strict", False, True),
        (" STRICT, without /* really */ rowid", True, True),
    ],
)
def test_table_options_are_read(options: str, without_rowid: bool, strict: bool) -> None:
    text = table_text(f"CREATE TABLE IF NOT EXISTS 'STRICT' (rowid INT PRIMARY KEY){options}")
    assert (text.without_rowid, text.strict) == (without_rowid, strict)


def test_the_module_of_a_virtual_table_is_read() -> None:
    assert table_text("CREATE VIRTUAL TABLE x USING fts5(a, content='')").virtual == "fts5"
    assert table_text('create virtual table if not exists [using] using "My Module"').virtual == "My Module"
    assert table_text("CREATE TABLE virtual(a)").virtual is None


def test_an_index_is_cut_into_expressions_and_predicate() -> None:
    text = index_text(
        'CREATE UNIQUE INDEX "on (" ON t(lower(a) DESC, "b,c" COLLATE nocase ASC, substr(a, 1, 2) COLLATE [x], '
        "'where' || a) WHERE a IS NOT NULL -- always\n AND b IN (1, 2)"
    )
    assert text.parts == ("lower(a)", '"b,c"', "substr(a, 1, 2)", "'where' || a")
    assert text.where is not None
    assert " ".join(text.where.split()) == "a IS NOT NULL AND b IN (1, 2)"


@given(st.lists(NAMES, min_size=1, max_size=5, unique_by=folded), st.data())
def test_columns_of_any_name_in_any_quotes_are_told_apart_as_sqlite_does(names: list[str], data: st.DataObject) -> None:
    styles = [data.draw(st.sampled_from(sorted(QUOTED))) for _ in names]
    columns = ", ".join(
        f"{QUOTED[style](name)} TEXT COLLATE RTRIM CHECK ({number} < 9)"
        for number, (name, style) in enumerate(zip(names, styles, strict=True))
    )
    sql = f"CREATE TABLE t ({columns})"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(sql)
        (stored,) = connection.execute("SELECT sql FROM sqlite_master").fetchone()
        real = [name for _, name, *_ in connection.execute("PRAGMA table_info(t)")]
    text = table_text(stored)
    assert list(text.collations) == [folded(name) for name in real]
    assert [check.expression for check in text.checks] == [f"{number} < 9" for number in range(len(names))]


@given(st.text(max_size=80))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    table_text(text)
    table_text("CREATE TABLE t (" + text)
    index_text("CREATE INDEX i ON t (" + text + ")")


def test_only_ascii_letters_are_folded() -> None:
    assert folded("ÄBC") == "Äbc"
