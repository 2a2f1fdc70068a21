"""What SQLite and Postgres make of the same expression over the same rows."""

from __future__ import annotations

import datetime as dt
import math
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator_tui.convert.codecs import classes_told_apart
from migrator_tui.convert.declared import affinity
from migrator_tui.convert.expressions import check, default, view
from migrator_tui.convert.operands import BOOLEAN_SPELLINGS, Known
from migrator_tui.convert.several_classes import by_class, marked, spelling
from migrator_tui.postgres.connect import connect
from migrator_tui.postgres.server import EmbeddedServer

COLUMNS = {
    "i": ("INTEGER", Known("bigint", "integer", "INTEGER")),
    "j": ("INTEGER", Known("bigint", "integer", "INTEGER")),
    "r": ("REAL", Known("double precision", "real", "REAL")),
    "n": ("NUMERIC", Known("double precision", "real-numeric", "NUMERIC")),
    "s": ("TEXT", Known("text", "text", "TEXT")),
    "u": ("TEXT", Known("text", "text", "TEXT")),
    "nc": ("TEXT COLLATE NOCASE", Known("text", "text", "TEXT", "NOCASE")),
    "b": ("BOOLEAN", Known("boolean", "boolean", "NUMERIC")),
    "tf": ("BOOLEAN", Known("boolean", "boolean:tf", "NUMERIC")),
    "d": ("DATE", Known("date", "date:iso-date", "NUMERIC")),
    "ts": ("DATETIME", Known("timestamp without time zone", "timestamp:iso-datetime-T.3", "NUMERIC")),
    "z": ("DATETIME", Known("timestamp with time zone", "timestamptz:iso-datetime-space+Z", "NUMERIC")),
    "x": ("BLOB", Known("bytea", "blob", "BLOB")),
    "m": ("", Known("text", "text:exact-integer+text", "BLOB")),
}
SEVERAL = frozenset({"integer", "text"})
OVERFLOW = (psycopg.errors.NumericValueOutOfRange, psycopg.errors.DatetimeFieldOverflow)

texts = st.text(st.sampled_from("abAB%_ 01-.\\'éÉñ*?[]é"), max_size=6)
moments = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))
small = st.integers(-5, 5)
reals = st.sampled_from([0.0, -1.0, 2.5, 0.1, -7.25, 1e10, 3.0])
ROW = st.tuples(
    st.none() | small | st.sampled_from([2**40, -(2**31)]),
    st.none() | small,
    st.none() | reals,
    st.none() | reals | small,
    st.none() | texts,
    st.none() | texts,
    st.none() | texts,
    st.none() | st.sampled_from([0, 1]),
    st.none() | st.sampled_from(["t", "f"]),
    st.none() | moments.map(lambda m: m.strftime("%Y-%m-%d")),
    st.none() | moments.map(lambda m: m.strftime("%Y-%m-%dT%H:%M:%S.") + f"{m.microsecond // 1000:03d}"),
    st.none() | moments.map(lambda m: m.strftime("%Y-%m-%d %H:%M:%SZ")),
    st.none() | st.binary(max_size=3),
    st.none() | small | texts | small.map(str),
)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def either(left: st.SearchStrategy[str], right: st.SearchStrategy[str], *operators: str) -> st.SearchStrategy[str]:
    return st.tuples(left, st.sampled_from(operators), right).map(lambda t: f"({t[0]} {t[1]} {t[2]})")


integer: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["i", "j", "b", "i", "j", "m"]),
        small.map(str),
        either(integer, integer, "+", "-", "*", "/", "%", "&", "|"),
        either(integer, st.integers(0, 9).map(str), "<<", ">>"),
        integer.map(lambda e: f"(- {e})"),
        integer.map(lambda e: f"(~ {e})"),
        integer.map(lambda e: f"abs({e})"),
        text.map(lambda e: f"length({e})"),
        st.tuples(text, text).map(lambda t: f"instr({t[0]}, {t[1]})"),
        st.tuples(integer, integer).map(lambda t: f"ifnull({t[0]}, {t[1]})"),
        st.tuples(integer, integer).map(lambda t: f"max({t[0]}, {t[1]})"),
        st.tuples(condition, integer, integer).map(lambda t: f"iif({t[0]}, {t[1]}, {t[2]})"),
        st.tuples(integer, integer).map(lambda t: f"nullif({t[0]}, {t[1]})"),
        st.sampled_from(["d", "ts", "z"]).map(lambda c: f"CAST(strftime('%Y', {c}) AS INTEGER)"),
        st.sampled_from(["d", "ts", "z"]).map(lambda c: f"CAST(strftime('%s', {c}) AS INTEGER)"),
        real.map(lambda e: f"CAST({e} AS INTEGER)"),
        condition,
    )
)
real: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["r", "n", "1.5", "0.25"]),
        either(real, integer, "+", "-", "*", "/"),
        either(real, real, "+", "-", "*", "/"),
        st.sampled_from(["d", "ts"]).map(lambda c: f"julianday({c})"),
        real.map(lambda e: f"abs({e})"),
    )
)
text: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["s", "u", "s", "u", "nc", "tf", "d", "ts", "z", "m"]),
        texts.map(quoted),
        either(text, text | integer, "||"),
        text.map(lambda e: f"upper({e})"),
        text.map(lambda e: f"lower({e})"),
        text.map(lambda e: f"trim({e})"),
        text.map(lambda e: f"rtrim({e}, '01a')"),
        st.tuples(text, st.integers(-4, 4)).map(lambda t: f"substr({t[0]}, {t[1]})"),
        st.tuples(text, st.integers(-4, 4), st.integers(0, 4)).map(lambda t: f"substr({t[0]}, {t[1]}, {t[2]})"),
        st.tuples(text, integer).map(lambda t: f"substr({t[0]}, {t[1]} % 5, 2)"),
        st.tuples(text, text, text).map(lambda t: f"replace({t[0]}, {t[1]}, {t[2]})"),
        st.tuples(text, text).map(lambda t: f"coalesce({t[0]}, {t[1]})"),
        st.tuples(text, text).map(lambda t: f"min({t[0]}, {t[1]})"),
        st.tuples(condition, text, text).map(lambda t: f"CASE WHEN {t[0]} THEN {t[1]} ELSE {t[2]} END"),
        integer.map(lambda e: f"CAST({e} AS TEXT)"),
        st.tuples(text, integer).map(lambda t: f"printf('%s/%d%%', {t[0]}, {t[1]})"),
        text.map(lambda e: f"hex({e})"),
        (text | integer | st.just("x")).map(lambda e: f"quote({e})"),
        st.sampled_from(["%s", "%Y-%m-%dT%H:%M:%fZ"]).map(lambda f: f"strftime('{f}', datetime(ts, '+1 day'))"),
        st.sampled_from(["x", "i", "r", "s"]).map(lambda e: f"typeof({e})"),
        st.tuples(st.sampled_from(["date", "time", "datetime"]), st.sampled_from(["d", "ts", "z"])).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.sampled_from(["%Y-%m", "%d.%m.%Y", "%H:%M", "%j", "%w", "%s"]).map(lambda f: f"strftime('{f}', ts)"),
        st.sampled_from(["+1 day", "-3 hours", "start of month", "start of year"]).map(lambda m: f"datetime(d, '{m}')"),
        small.map(lambda n: f"datetime(i * {n * 1000}, 'unixepoch')"),
    )
)
condition: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.just("b"),
        st.sampled_from(["m", "(m IS m)", "(m = '1')", "(m = 1)", "(m IN (1, '1'))", "(m BETWEEN 0 AND 'b')"]),
        either(integer | real, integer | real, "=", "==", "<>", "!=", "<", "<=", ">", ">=", "IS", "IS NOT"),
        either(text, text, "=", "<>", "<", ">=", "IS", "IS NOT", "LIKE", "NOT LIKE"),
        either(condition, condition, "AND", "OR"),
        condition.map(lambda e: f"(NOT {e})"),
        st.tuples(text | integer).map(lambda t: f"({t[0]} IS NULL)"),
        st.tuples(text | integer).map(lambda t: f"({t[0]} NOT NULL)"),
        st.tuples(integer, small, small).map(lambda t: f"({t[0]} BETWEEN {t[1]} AND {t[2]})"),
        st.tuples(text, texts, texts).map(lambda t: f"({t[0]} IN ({quoted(t[1])}, {quoted(t[2])}))"),
        st.sampled_from(["b", "i", "b", "tf"]).map(lambda c: f"({c} IN (0, 1))"),
        st.sampled_from(["t", "f", "x"]).map(lambda v: f"(tf = '{v}')"),
        st.sampled_from(["0", "1", "2", "'1'", "TRUE"]).map(lambda v: f"(b = {v})"),
        st.tuples(text, texts).map(lambda t: f"({t[0]} LIKE {quoted(t[1])} ESCAPE '\\')"),
        st.tuples(text, texts).map(lambda t: f"({t[0]} GLOB {quoted(t[1])})"),
        moments.map(lambda m: f"(d >= '{m:%Y-%m-%d}')"),
        moments.map(lambda m: f"(d < '{m:%Y-%m-%d %H:%M:%S}')"),
        moments.map(lambda m: f"(ts = '{m:%Y-%m-%dT%H:%M:%S}.000')"),
        either(st.sampled_from(["d", "ts", "z"]), st.sampled_from(["d", "ts", "z", "s"]), "<", "=", ">="),
        either(text, text, "=", "<").map(lambda e: e[:-1] + " COLLATE NOCASE)"),
        # Across classes: mostly refused, and never anything but the same where they are not.
        either(st.sampled_from(["i", "j", "n"]), st.sampled_from(["s", "u", "m"]), "=", "<", ">=", "<>", "IS NOT"),
        st.sampled_from([" -2.0", ".5e1 ", "+3", "5e", "1e400", "", "4 4", "nan"]).map(
            lambda v: f"(i = {quoted(v)} || '')"
        ),
        either(text, integer, "=", "<", "IS", "+", "||", "IN (0, 'a') OR i ="),
        either(integer, texts.map(quoted) | st.sampled_from(["'1'", "' 2'", "'1.0'", "x'61'"]), "=", "<", "IS"),
    )
)


@pytest.fixture(scope="module")
def connection(server: EmbeddedServer) -> Iterator[psycopg.Connection[Any]]:
    with connect(server.target(), autocommit=True) as made:
        made.execute("SET TimeZone = 'Asia/Kolkata'")
        listed = ", ".join(f'"{name}" {known.type}' for name, (_, known) in COLUMNS.items())
        made.execute(f"CREATE TEMP TABLE t (k bigint, {listed})".encode())
        yield made


def in_sqlite(rows: list[tuple[Any, ...]], query: str) -> list[tuple[Any, ...]] | None:
    """What SQLite gives, or None where it does not take the expression."""
    with sqlite3.connect(":memory:") as connection:
        listed = ", ".join(f"{name} {declared}" for name, (declared, _) in COLUMNS.items())
        connection.execute(f"CREATE TABLE t (k INTEGER PRIMARY KEY, {listed})")
        connection.executemany(
            f"INSERT INTO t VALUES (?{', ?' * len(COLUMNS)})", [(k, *row) for k, row in enumerate(rows)]
        )
        try:
            return connection.execute(query).fetchall()
        except sqlite3.Error:
            return None
        finally:
            connection.rollback()


def carried(row: tuple[Any, ...]) -> list[Any]:
    """The row as migration puts it into the target's types."""
    values: list[Any] = []
    for (name, _), value in zip(COLUMNS.items(), row, strict=True):
        if value is not None and name in ("b", "tf"):
            values.append(value in (1, "t"))
        elif value is not None and name == "m":
            values.append(spelling(value, SEVERAL))
        else:
            values.append(value)
    return values


def in_postgres(
    connection: psycopg.Connection[Any], rows: list[tuple[Any, ...]], query: str
) -> list[tuple[Any, ...]] | None:
    """What Postgres gives, or None where a number or date ran over."""
    with connection.transaction(force_rollback=True):
        with connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO t VALUES (%s{', %s' * len(COLUMNS)})", [[k, *carried(row)] for k, row in enumerate(rows)]
            )
        try:
            return connection.execute(query.encode()).fetchall()
        except OVERFLOW:
            return None


def as_in_source(value: Any, known: Known) -> Any:
    """A value that Postgres gives, as SQLite writes it; the result's codec says how a boolean is written."""
    if isinstance(value, bool):
        true, false = BOOLEAN_SPELLINGS.get(known.codec, (1, 0))
        return true if value else false
    if classes := classes_told_apart(known.codec):
        parts = by_class(marked(pa.array([value], pa.string()), classes))
        return next((part[0].as_py() for part in parts if part[0].is_valid), None)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dt.datetime) and value.tzinfo:
        return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    return bytes(value) if isinstance(value, memoryview) else value


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) or isinstance(right, float):
        if left is None or right is None or isinstance(left, str) or isinstance(right, str):
            return left is right
        return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
    return bool(left == right)


def relations() -> tuple[dict[str, str], dict[str, dict[str, Known]]]:
    return {"t": "t"}, {"t": {"k": Known("bigint", "integer", "INTEGER"), **{n: k for n, (_, k) in COLUMNS.items()}}}


def compare(connection: psycopg.Connection[Any], rows: list[tuple[Any, ...]], query: str, *, ordered: bool) -> bool:
    """Whether the query is translated; it then gives the same."""
    translated = view(query, *relations())
    if translated.sql is None:
        assert translated.why
        return False
    expected = in_sqlite(rows, query)
    found = in_postgres(connection, rows, translated.sql)
    if expected is None or found is None:
        return False
    assert translated.columns is not None
    known = translated.columns.values()
    found = [tuple(as_in_source(value, its) for value, its in zip(row, known, strict=True)) for row in found]
    if not ordered:
        expected, found = sorted(expected, key=repr), sorted(found, key=repr)
    alike = len(expected) == len(found) and all(
        same(a, b) for left, right in zip(expected, found, strict=True) for a, b in zip(left, right, strict=True)
    )
    assert alike, f"{query}\n{translated.sql}\nrows {rows}\nSQLite   {expected}\nPostgres {found}"
    return True


SETTINGS = settings(
    max_examples=100,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@SETTINGS
@given(rows=st.lists(ROW, min_size=1, max_size=4), expressions=st.lists(condition | integer | text | real, max_size=6))
def test_every_expression_that_is_translated_gives_the_same_values(
    connection: psycopg.Connection[Any], rows: list[tuple[Any, ...]], expressions: list[str]
) -> None:
    for expression in expressions:
        compare(connection, rows, f"SELECT {expression} AS v FROM t ORDER BY k", ordered=True)


@SETTINGS
@given(rows=st.lists(ROW, min_size=1, max_size=4), tests=st.lists(condition, max_size=4))
def test_every_condition_that_is_translated_keeps_the_same_rows(
    connection: psycopg.Connection[Any], rows: list[tuple[Any, ...]], tests: list[str]
) -> None:
    for test in tests:
        translated = check(test, relations()[1]["t"])
        if translated.sql is None:
            continue
        expected = in_sqlite(rows, f"SELECT k FROM t WHERE {test} ORDER BY k")
        found = in_postgres(connection, rows, f"SELECT k FROM t WHERE {translated.sql} ORDER BY k")
        assert expected is None or found is None or expected == found, f"{test}\n{translated.sql}"


queries = st.one_of(
    st.tuples(integer | text, text | real).map(lambda t: f"SELECT k, {t[0]} AS v FROM t ORDER BY {t[1]}, v DESC, k"),
    st.tuples(integer | text).map(lambda t: f"SELECT DISTINCT {t[0]} AS v FROM t ORDER BY v"),
    st.sampled_from(
        ["SELECT m FROM t ORDER BY m, k", "SELECT a.k FROM t a JOIN t c USING (m)", "SELECT max(m) FROM t"]
    ),
    st.tuples(st.sampled_from(["i", "b", "s", "d", "m"]), integer, st.sampled_from(["s", "u", "m"])).map(
        lambda t: (
            f"SELECT {t[0]}, count(*), count(DISTINCT {t[2]}), sum({t[1]}), total(r), avg(i), max({t[2]}), min(d), "
            f"max(b) FROM t GROUP BY {t[0]} HAVING count(*) > 0 ORDER BY 1 DESC"
        )
    ),
    st.tuples(condition, condition).map(
        lambda t: f"SELECT a.k, c.k AS other FROM t a LEFT JOIN t c ON a.i = c.j WHERE a.b OR {t[0]} ORDER BY 1, 2"
    ),
    st.tuples(text, text).map(lambda t: f"SELECT {t[0]} AS v FROM t UNION SELECT {t[1]} FROM t ORDER BY v LIMIT 3"),
    st.tuples(integer, integer).map(lambda t: f"SELECT {t[0]} AS v FROM t EXCEPT SELECT {t[1]} FROM t"),
    st.tuples(condition).map(
        lambda t: (
            f"WITH w AS (SELECT * FROM t WHERE {t[0]}) SELECT k, (SELECT count(*) FROM w y WHERE y.i = w.i) AS c, "
            "EXISTS (SELECT 1 FROM w z WHERE z.j = w.i) AS e FROM w WHERE i IN (SELECT i FROM t) ORDER BY k LIMIT 1, 2"
        )
    ),
)


@SETTINGS
@given(rows=st.lists(ROW, min_size=1, max_size=5), query=queries)
def test_every_query_that_is_translated_gives_the_same_rows(
    connection: psycopg.Connection[Any], rows: list[tuple[Any, ...]], query: str
) -> None:
    compare(connection, rows, query, ordered="ORDER BY" in query and "LEFT JOIN" not in query)


EXAMPLE = [
    (
        7,
        2,
        2.5,
        3,
        "abc",
        "B",
        "Ann",
        1,
        "t",
        "2024-02-29",
        "2024-02-29T23:59:59.500",
        "2024-02-29 23:00:00Z",
        b"\0\xff",
        7,
    ),
    (None, 0, None, None, None, None, None, None, None, None, None, None, None, None),
    (
        -7,
        2,
        -0.5,
        0.5,
        "ABC",
        "b%",
        "ann",
        0,
        "f",
        "1999-12-31",
        "1999-12-31T00:00:00.000",
        "1999-12-31 00:00:00Z",
        b"",
        "7",
    ),
]


@pytest.mark.parametrize(
    "expression",
    [
        "i / j", "i % j", "i / 0", "r / 0", "i / 2.0", "-i", "~i", "i << 3", "i & 6 | 1", "i || s", "b = 1", "b",
        "NOT b", "b IN (0, 1)", "tf", "coalesce(tf, 'f')", "tf || b",
        "b <> 0", "b + 1", "tf = 't'", "tf IN ('t', 'f')", "s LIKE 'a%'", "s LIKE '%\\%' ESCAPE '\\'",
        "s GLOB '[a-z]*'", "s GLOB '[^a-z]??'", "s < u", "s = 'abc' COLLATE NOCASE", "nc = 'ANN'", "i IS NOT j",
        "s IS NULL", "s NOT NULL", "i == 7", "i BETWEEN -7 AND 7", "max(i, j)", "min(s, u)", "coalesce(i, j, 5)",
        "iif(i > 0, 'p', 'n')", "CASE i WHEN 7 THEN 'seven' ELSE s END", "length(s)", "length(x)", "hex(x)", "hex(s)",
        "upper(s)", "lower(s)", "substr(s, -2)", "substr(s, 0, 2)", "substr(s, 2, 1)", "replace(s, 'b', 'é')",
        "trim('  a ')", "instr(s, 'b')", "round(r)", "round(r, 1)", "abs(i)", "typeof(i)", "CAST(r AS INTEGER)",
        "CAST(i AS TEXT)", "CAST(i AS REAL) / 2", "date(ts)", "time(ts)", "datetime(d)", "datetime(z)", "julianday(d)",
        "strftime('%Y-%m', d)", "strftime('%s', ts)", "unixepoch(ts)", "d > '2000-01-01'", "date(d, '+1 day')",
        "ts < '2024-02-29T23:59:59.501'", "datetime(i, 'unixepoch')", "julianday(ts) - julianday(d)", "x = x'00ff'",
        "i IS TRUE", "(SELECT max(i) FROM t)", "i IN (SELECT j FROM t)", "EXISTS (SELECT 1 FROM t y WHERE y.i = t.j)",
        "printf('%s-%d', s, i)", "n + 1", "n * r", '"s" || "none"', "[s] || `u`", "i = '7'", "s = 7", "likely(b)",
        "z >= '2000-01-01 00:00:00Z'", "i > 1.5", "unicode(s)", "i = j IS NULL", "i || j || s",
        "NOT i = j", "NOT s LIKE 'a%'", "s NOT LIKE 'a%' ESCAPE '!'", "replace(s, '', NULL)",
    ],
)  # fmt: skip
def test_the_usual_expressions_are_translated_and_give_the_same(
    connection: psycopg.Connection[Any], expression: str
) -> None:
    assert compare(connection, EXAMPLE, f"SELECT {expression} AS v FROM t ORDER BY k", ordered=True)


def test_a_comparison_that_ignores_case_is_not_folded_beyond_ascii(connection: psycopg.Connection[Any]) -> None:
    row = (*EXAMPLE[0][:4], "É", "é", "é", *EXAMPLE[0][7:])
    for expression in ("s LIKE u", "lower(s)", "s = u COLLATE NOCASE"):
        assert compare(connection, [row], f"SELECT {expression} AS v FROM t", ordered=True)


@pytest.mark.parametrize("declared", ["", "INTEGER", "REAL", "NUMERIC", "TEXT"])
@pytest.mark.parametrize(
    "expression",
    ["0", "'0'", "1.5", "'1.5'", "2.0", "'1e2'", "'n/a'", "'007'", "NULL", "x'31'", "date('now')", "-7", "''"],
)
def test_a_default_of_a_column_of_several_classes_gives_the_value_that_sqlite_stores(
    connection: psycopg.Connection[Any], declared: str, expression: str
) -> None:
    with sqlite3.connect(":memory:") as made:
        made.execute(f"CREATE TABLE t (k, m {declared} DEFAULT ({expression}))")
        made.execute("INSERT INTO t (k) VALUES (1)")
        ((stored,),) = made.execute("SELECT m FROM t").fetchall()
    known = Known("text", "text:exact-integer+real+text+blob", affinity(declared))

    translated = default(expression, "text", known)

    assert translated.sql is not None
    ((found,),) = connection.execute(f"SELECT {translated.sql}::text".encode()).fetchall()
    given = as_in_source(found, known)
    assert (given, type(given)) == (stored, type(stored))
    narrow = default(expression, "text", Known("text", "text:exact-text+blob", affinity(declared)))
    assert (narrow.sql is None) == isinstance(stored, int | float), narrow
