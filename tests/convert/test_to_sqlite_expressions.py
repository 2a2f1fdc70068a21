"""Postgres' expressions in SQLite's words, or refused with why."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from migrator_tui.convert.to_sqlite_expressions import Known, condition, default
from migrator_tui.convert.to_sqlite_types import Kind

KINDS: dict[str, Kind] = {
    "a": "integer", "t": "text", "n": "numeric", "b": "boolean", "d": "date", "tz": "moment-tz", "j": "json",
    "o": "other",
}  # fmt: skip
COLUMNS = {name: Known(name, kind) for name, kind in KINDS.items()}


@pytest.mark.parametrize(
    ("expression", "holds", "fails"),
    [
        ("(a > 0)", {"a": 1}, {"a": 0}),
        ("((t)::text = ANY ((ARRAY['x'::character varying, 'y'::character varying])::text[]))", {"t": "y"}, {"t": "z"}),
        ("(t <> ALL (ARRAY['x'::text]))", {"t": "y"}, {"t": "x"}),
        ("(t ~~ 'a%[_'::text)", {"t": "abc[d"}, {"t": "Abc[d"}),
        ("(t !~~ 'a%'::text)", {"t": "b"}, {"t": "a"}),
        ("(t ~~* 'a_'::text)", {"t": "AB"}, {"t": "ABC"}),
        ("(a IS NOT NULL)", {"a": 0}, {"a": None}),
        ("((b IS TRUE) OR (NOT b))", {"b": 0}, {"b": None}),
        ("(char_length(btrim(t)) <= 2)", {"t": " ab "}, {"t": "abc"}),
        ("((n / (3)::numeric) > 0.3)", {"n": 1}, {"n": 0}),
        ("((a / 2) = 1)", {"a": 3}, {"a": 4}),
        ("(d >= '2020-01-01'::date)", {"d": "2020-01-01"}, {"d": "2019-12-31"}),
        ("(tz < '2020-01-01 00:00:00+00'::timestamp with time zone)", {"tz": "2019-12-31 23:59:59.5+00:00"},
         {"tz": "2020-01-01 00:00:00+00:00"}),
        ("(a IS DISTINCT FROM 3)", {"a": None}, {"a": 3}),
        ("CASE WHEN (a > 1) THEN b ELSE true END", {"a": 1}, {"a": 2, "b": 0}),
        ("((o IS NULL) AND ((COALESCE(a, 1) >= 1) AND (a <= 5)))", {"a": 5}, {"a": 5, "o": "x"}),
    ],
)  # fmt: skip
def test_a_condition_holds_and_fails_for_the_rows_it_should(
    expression: str, holds: dict[str, object], fails: dict[str, object]
) -> None:
    carried = condition(expression, COLUMNS)
    assert carried.sql is not None, carried.why
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE x ({', '.join(KINDS)})")
        found = []
        for row in (holds, fails):
            connection.execute("DELETE FROM x")
            connection.execute("INSERT INTO x VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [row.get(name) for name in KINDS])
            found += connection.execute(f"SELECT ({carried.sql}) IS TRUE FROM x").fetchall()
    assert found == [(1,), (0,)]


@pytest.mark.parametrize(
    "expression",
    [
        "(t ~ '^x'::text)",
        "((j ->> 'a'::text) = 'b'::text)",
        "(o = 'x'::text)",
        "(t < 'm'::text)",
        "((t)::character varying(3) = 'x'::text)",
        "((n)::numeric(4,1) > 1)",
        "(EXTRACT(year FROM d) > (2000)::numeric)",
        "(a = ANY (ARRAY[t]))",
        "(tz < '2020-01-01 00:00:00+02'::timestamp with time zone)",
        "(a BETWEEN SYMMETRIC 2 AND 1)",
        "(n % 2.5) = 0",
        '(t = t COLLATE "de_DE")',
        '(date("") = d)',
    ],
)
def test_what_would_mean_something_else_is_refused(expression: str) -> None:
    carried = condition(expression, COLUMNS)
    assert carried.sql is None
    assert carried.why


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("'it''s'::text", "text", "it's"),
        ("'{}'::jsonb", "json", "{}"),
        ("'{}'::text[]", "json", "[]"),
        ("ARRAY[]::integer[]", "json", "[]"),
        ("true", "boolean", 1),
        ("'-1'::integer", "integer", -1),
        ("(0)::numeric", "numeric", 0),
        ("NULL::character varying", "text", None),
        ("'\\x00ff'::bytea", "blob", b"\x00\xff"),
        ("'glad'::mood", "text", "glad"),
    ],
)
def test_a_default_gives_the_value_as_sqlite_has_it(expression: str, kind: Kind, value: object) -> None:
    carried = default(expression, kind)
    assert carried.sql is not None, carried.why
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE x (c DEFAULT {carried.sql})")
        connection.execute("INSERT INTO x DEFAULT VALUES")
        assert connection.execute("SELECT c FROM x").fetchone() == (value,)


@pytest.mark.parametrize("expression", ["nextval('s'::regclass)", "(now() + '1 day'::interval)", "'{1,2}'::integer[]"])
def test_a_default_that_sqlite_cannot_give_is_refused(expression: str) -> None:
    assert default(expression, "json" if "{" in expression else "moment-tz").sql is None
