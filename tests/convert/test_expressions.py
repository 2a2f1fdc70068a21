"""Defaults, checks, indexes, generated columns and views across the dialects."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrator_tui.convert.declared import affinity
from migrator_tui.convert.expressions import (
    check,
    default,
    enum_values,
    generated,
    index_expression,
    known,
    predicate,
    view,
    view_tables,
    views,
)
from migrator_tui.convert.identifiers import quote
from migrator_tui.convert.operands import Known
from migrator_tui.model.plan import ColumnPlan
from migrator_tui.model.schema import Column

TIMESTAMP, TIMESTAMPTZ = "timestamp without time zone", "timestamp with time zone"
CORPUS_VIEWS = {"northwind_views.db": 15, "zeitgeist_fkviol_wal.sqlite": 1}


@pytest.mark.parametrize(
    ("expression", "type", "sql"),
    [
        ("CURRENT_TIMESTAMP", "text", "to_char((now() AT TIME ZONE 'utc'), 'YYYY-MM-DD HH24:MI:SS')"),
        ("current_timestamp", TIMESTAMP, "date_trunc('second', (now() AT TIME ZONE 'utc'))"),
        ("CURRENT_TIMESTAMP", TIMESTAMPTZ, "date_trunc('second', now())"),
        ("current_date", "date", "(now() AT TIME ZONE 'utc')::date"),
        ("(datetime('now'))", TIMESTAMP, "date_trunc('second', (now() AT TIME ZONE 'utc'))"),
        ("(datetime('now', 'localtime'))", TIMESTAMP, "date_trunc('second', LOCALTIMESTAMP)"),
        ('"dq"', "text", "'dq'"),
        ("word", "text", "'word'"),
        ("'null'", "text", "'null'"),
        ("NULL", "bigint", "NULL"),
        ("TRUE", "boolean", "true"),
        ("0", "boolean", "false"),
        ("'t'", "boolean", "true"),
        ("'F'", "boolean", "false"),
        ("FALSE", "bigint", "0"),
        ("'0'", "smallint", "0"),
        ("' 12 '", "bigint", "12"),
        ("1.0", "bigint", "1"),
        ("-5", "bigint", "-5"),
        ("(-5)", "bigint", "-5"),
        ("+5", "bigint", "5"),
        ("0x10", "bigint", "16"),
        ("1e3", "double precision", "1000"),
        ("0.5", "numeric(10,2)", "0.5"),
        ("0", "text", "'0'"),
        ("1.50", "text", "'1.5'"),
        ("x'00ff'", "bytea", "'\\x00ff'::bytea"),
        ("'it''s'", "character varying(40)", "'it''s'"),
        ("'a'", '"mood"', "'a'::\"mood\""),
        ("'2020-01-05'", "date", "'2020-01-05'::date"),
        ("'{}'", "jsonb", "'{}'::jsonb"),
        ("(lower(hex(randomblob(16))))", "text", "md5(gen_random_uuid()::text)"),
    ],
)
def test_a_default_is_of_its_column_s_type(expression: str, type: str, sql: str) -> None:
    assert default(expression, type).sql == sql


@pytest.mark.parametrize(
    ("expression", "type"),
    [
        ("'null'", "bigint"),
        ("2", "boolean"),
        ("'\"0\"'", "bigint"),
        ("0", TIMESTAMP),
        ("1.5", "bigint"),
        ("CURRENT_TIMESTAMP", "date"),
        ("CURRENT_TIMESTAMP", "bigint"),
        ("'2020-01-05 10:00:00'", TIMESTAMPTZ),
        ("'not json'", "jsonb"),
        ("(load_extension('x'))", "text"),
        ("(last_insert_rowid())", "bigint"),
        ("(datetime('now', '+1 month'))", TIMESTAMP),
        ("(1", "bigint"),
        ("1; DROP TABLE t", "bigint"),
        ("1 FROM t", "bigint"),
        ("(SELECT 1)", "bigint"),
        ("'a' || 1.5", "text"),
    ],
)
def test_a_default_without_equal_says_why(expression: str, type: str) -> None:
    translated = default(expression, type)
    assert translated.sql is None
    assert translated.why
    assert translated.original == expression


@pytest.mark.parametrize(
    ("expression", "type", "pattern"),
    [
        ("CURRENT_TIMESTAMP", "text", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
        ("CURRENT_TIME", "text", r"\d\d:\d\d:\d\d"),
        ("(strftime('%Y-%m-%dT%H:%M:%fZ','now'))", "text", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
        ("(strftime('%s','now'))", "text", r"\d{10}"),
        ("(strftime('%s','now'))", "bigint", r"\d{10}"),
        ("(CAST(strftime('%s','now') AS INTEGER) * 1000)", "bigint", r"\d{13}"),
        ("(unixepoch())", "bigint", r"\d{10}"),
        ("(julianday('now'))", "double precision", r"246\d{4}\.\d+"),
        ("(date('now','+7 days'))", "date", r"\d{4}-\d\d-\d\d"),
        ("(hex(randomblob(16)))", "text", r"[0-9A-F]{32}"),
        ("(lower(hex(randomblob(20))))", "text", r"[0-9a-f]{40}"),
        ("(lower(hex(randomblob(3))))", "text", r"[0-9a-f]{6}"),
        ("(randomblob(8))", "bytea", r"b.{10,}"),
        ("(random())", "bigint", r"-?\d+"),
        (
            "(lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)),2) || '-' || "
            "substr('89ab', abs(random()) % 4 + 1, 1) || substr(hex(randomblob(2)),2) || '-' || hex(randomblob(6))))",
            "uuid",
            r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
        ),
    ],
)
def test_a_default_that_is_computed_looks_as_in_sqlite_each_time(
    db: psycopg.Connection[Any], expression: str, type: str, pattern: str
) -> None:
    translated = default(expression, type)
    assert translated.sql is not None, translated.why
    db.execute(f"CREATE TABLE t (k int, v {type} DEFAULT {translated.sql})".encode())
    db.execute("INSERT INTO t (k) SELECT generate_series(1, 20)")
    found = [row[0] for row in db.execute("SELECT v FROM t").fetchall()]
    assert all(re.fullmatch(pattern, str(value)) for value in found), found
    if "random" in expression:
        assert len(set(found)) == len(found)


def test_a_default_in_local_time_says_whose() -> None:
    assert "TimeZone" in default("(datetime('now','localtime'))", TIMESTAMP).why


def test_a_column_that_became_boolean_is_used_as_one() -> None:
    columns = {"active": "boolean", "age": "bigint"}
    assert predicate("active = 1", columns).sql == '"active"'
    assert predicate("active = 0 AND age > 3", columns).sql == '((NOT "active") AND ("age" > 3))'
    assert check("active IN (0, 1)", columns).sql == '("active" IN (FALSE, TRUE))'


def test_columns_are_renamed_and_quoted_whatever_their_case_and_quotes() -> None:
    columns, rename = {"User Name": "text", "age": "bigint"}, {"User Name": "user_name"}
    for expression in ("[user name] <> ''", "\"User Name\" <> ''", "`USER NAME` != ''"):
        assert check(expression, columns, rename).sql == "(\"user_name\" <> '')"


def test_a_name_in_double_quotes_that_names_nothing_is_a_text_and_others_are_not() -> None:
    assert check('kind = "open"', {"kind": "text"}).sql == "(\"kind\" = 'open')"
    assert check("kind = [open]", {"kind": "text"}).why == "there is no column open"
    assert check("kind = open", {"kind": "text"}).why == "there is no column open"


@pytest.mark.parametrize(
    "expression",
    [
        "name REGEXP 'a'", "name MATCH 'a'", "json_extract(name, '$.a') = 1", "name ->> '$.a' = 'b'",
        "total_changes() > 0",
        "name + 1 > 2", "name GLOB other", "name COLLATE RTRIM = 'a'", "a < b < a", "half % 2 = 0",
        "mixed / 2 > 1", "half || 'x' = 'y'", "date(name) = '2020-01-01'", "name > half + a", "x'00' = name",
        "strftime('%W', day) = '1'", "date(day, '+1 month') > day", "anything = 'a'", "count(*) > 1", "max(a) > 1",
        "+a = '1'", "CAST(name AS INTEGER) > 1", "round(half, a) = 1", "(SELECT 1) = 1", "a IN other", "rowid > 1",
        "name || a + 1 = 2",
        "nc IN ('a') AND min(nc, name) = 'a'", "name LIKE 'axb' ESCAPE 'x'", "CASE WHEN a THEN 1 ELSE 'x' END = 1",
        "typeof(mixed) = 'integer'", "name GLOB '[z-a]'", "printf('%05d', a) = '00001'", "name", "day = moment",
        'date("")',
    ],
)  # fmt: skip
def test_what_the_two_read_differently_is_refused_with_a_reason(expression: str) -> None:
    columns: Mapping[str, str | Known] = {
        "name": "text",
        "other": "text",
        "a": "bigint",
        "b": "bigint",
        "half": "double precision",
        "mixed": Known("double precision", "real-numeric", "NUMERIC"),
        "day": Known("date", "date:iso-date", "NUMERIC"),
        "moment": TIMESTAMP,
        "anything": Known("text", "text:any", "BLOB"),
        "nc": Known("text", "text", "TEXT", "NOCASE"),
    }
    translated = check(expression, columns)
    assert translated.sql is None, translated.sql
    assert translated.why


def test_a_generated_column_is_of_its_type() -> None:
    columns = {"a": "bigint", "s": "text"}
    assert generated("a > 1", columns).sql == '(("a" > 1))::integer'
    assert generated("a > 1", columns, target_type="boolean").sql == '("a" > 1)'
    assert generated("s || a", columns, {"s": "t"}).sql == '("t" || ("a")::text)'
    assert generated("s", columns, target_type="bigint").why


def test_an_index_on_lower_case_folds_as_sqlite_does() -> None:
    assert index_expression("lower(email)", {"email": "text"}).sql == 'lower("email" COLLATE "C")'


def test_what_is_known_of_a_column_comes_from_plan_and_source() -> None:
    plan = ColumnPlan("When", "when", "date", "date:iso-date")
    assert known(plan, Column("When", "DATE", collation="nocase")) == Known(
        "date", "date:iso-date", "NUMERIC", "NOCASE", "when"
    )


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("role IN ('admin', 'member')", ("admin", "member")),
        ("Role in ('a')", ("a",)),
        ("role = 'a' OR role = 'b' OR 'c' = role", ("a", "b", "c")),
        ("role IS NULL OR role IN ('a', 'b', 'a')", ("a", "b")),
        ("(([role] IN ('a')))", ("a",)),
        ("role IN ('a', 1)", None),
        ("role NOT IN ('a')", None),
        ("role IN ('a') AND x", None),
        ("other IN ('a')", None),
        ("role IN (SELECT 'a')", None),
        ("role IS NULL", None),
        ("role IN (", None),
    ],
)
def test_a_check_that_lists_values_is_recognised(expression: str, values: tuple[str, ...] | None) -> None:
    assert enum_values(expression, "role") == values


def test_the_tables_that_a_view_reads_are_named() -> None:
    sql = 'CREATE VIEW v AS WITH w AS (SELECT * FROM [a b]) SELECT * FROM w, c WHERE x IN (SELECT y FROM "d")'
    assert view_tables(sql) == {"a b", "c", "d"}
    assert view_tables("CREATE VIEW v AS SELEC") == frozenset()


def test_a_view_s_tables_and_columns_are_renamed_and_its_aliases_kept() -> None:
    translated = view(
        "CREATE VIEW v AS SELECT p.*, p.Id + 1 AS Next FROM Person p WHERE active",
        {"Person": "people"},
        {"Person": {"Id": ("id", "bigint"), "Name": ("Name", "text"), "active": ("active", "boolean")}},
    )
    assert translated.sql == (
        'SELECT "p"."id", "p"."Name", "p"."active", ("p"."id" + 1) AS "Next" FROM "people" AS "p" WHERE "p"."active"'
    )
    assert translated.columns is not None
    assert {own: column.target for own, column in translated.columns.items()} == {
        "Id": "id",
        "Name": "Name",
        "active": "active",
        "Next": "Next",
    }


def test_a_view_s_listed_columns_and_repeated_names_are_sqlite_s() -> None:
    tables, columns = {"t": "t"}, {"t": {"a": ("a", "bigint")}}
    listed = view("CREATE VIEW v(x, y) AS SELECT a, a FROM t", tables, columns)
    assert listed.columns is not None
    assert list(listed.columns) == ["x", "y"]
    repeated = view("CREATE VIEW v AS SELECT a, a FROM t", tables, columns)
    assert repeated.columns is not None
    assert list(repeated.columns) == ["a", "a:1"]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("CREATE VIEW v AS SELECT a FROM gone", "gone"),
        ("CREATE VIEW v AS SELECT b FROM t", "no column b"),
        ("CREATE VIEW v AS SELECT row_number() OVER (ORDER BY a) FROM t", "Window"),
        ("CREATE VIEW v AS WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT n + 1 FROM r) SELECT n FROM r", "recursive"),
        ("CREATE VIEW v AS SELECT a FROM t NATURAL JOIN t u", "join"),
        ("CREATE VIEW v AS SELECT a FROM t UNION SELECT 'x'", "one type"),
        ("CREATE VIEW v AS SELECT a FROM t WHERE sum(a) > 1", "aggregate"),
        ("CREATE VIEW v AS SELECT a FROM t LIMIT a", "no column a"),
        ("CREATE TABLE v (a)", "CREATE VIEW"),
        ("", "CREATE VIEW"),
    ],
)
def test_a_view_that_is_not_carried_says_why(sql: str, why: str) -> None:
    translated = view(sql, {"t": "t"}, {"t": {"a": ("a", "bigint")}})
    assert translated.sql is None
    assert why in translated.why
    assert translated.columns is None


def test_views_that_read_each_other_are_not_carried() -> None:
    translated = views({"a": "CREATE VIEW a AS SELECT * FROM b", "b": "CREATE VIEW b AS SELECT * FROM a"}, {}, {})
    assert {name: item.sql for name, item in translated.items()} == {"a": None, "b": None}


def types_of(declared: str) -> Known:
    upper, kind = declared.upper(), affinity(declared)
    if upper in ("DATE", "DATETIME"):
        return Known("date", "date:iso-date", kind)
    if upper == "BOOLEAN":
        return Known("boolean", "boolean:tf", kind)
    type, codec = {
        "INTEGER": ("bigint", "integer"),
        "TEXT": ("text", "text"),
        "REAL": ("double precision", "real"),
        "NUMERIC": ("double precision", "real-numeric"),
        "BLOB": ("bytea", "blob"),
    }[kind]
    return Known(type, codec, kind)


@pytest.mark.parametrize("name", sorted(CORPUS_VIEWS))
def test_the_views_of_real_databases_give_the_same_rows(corpus: Path, db: psycopg.Connection[Any], name: str) -> None:
    source = sqlite3.connect(f"file:{corpus / name}?mode=ro&immutable=1", uri=True)
    tables, columns = {}, {}
    for (table,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
        found = source.execute(f"PRAGMA table_info({quote(table)})").fetchall()
        tables[table], columns[table] = table, {row[1]: types_of(row[2]) for row in found}
        listed = ", ".join(f"{quote(own)} {known.type}" for own, known in columns[table].items())
        db.execute(f"CREATE TABLE {quote(table)} ({listed})".encode())
        for row in source.execute(f"SELECT * FROM {quote(table)}").fetchall():
            db.execute(f"INSERT INTO {quote(table)} VALUES (%s{', %s' * (len(row) - 1)})".encode(), row)
    definitions = dict(source.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'").fetchall())
    translated = views(definitions, tables, columns)
    made = [own for own, item in translated.items() if item.sql is not None]
    assert len(made) == CORPUS_VIEWS[name], {own: item.why for own, item in translated.items() if item.sql is None}
    for own in made:
        db.execute(f"CREATE VIEW {quote(own)} AS {translated[own].sql}".encode())
        expected = source.execute(f"SELECT * FROM {quote(own)}").fetchall()
        found = db.execute(f"SELECT * FROM {quote(own)}".encode()).fetchall()
        assert sorted(map(written, found)) == sorted(map(written, expected)), own
    source.close()


def written(row: tuple[Any, ...]) -> list[str]:
    plain = [bytes(value) if isinstance(value, memoryview) else value for value in row]
    return [f"{value:.6g}" if isinstance(value, int | float) else str(value) for value in plain]


def test_the_defaults_of_real_databases_are_taken_by_the_server_or_say_why(
    corpus: Path, db: psycopg.Connection[Any]
) -> None:
    carried, not_carried = 0, []
    for path in sorted(path for path in corpus.iterdir() if path.suffix not in (".md", ".tsv")):
        source = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        for (table,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for _, column, declared, _, expression, _ in source.execute(
                f"PRAGMA table_info({quote(table)})"
            ).fetchall():
                if expression is None:
                    continue
                translated = default(expression, types_of(declared).type)
                if translated.sql is None:
                    not_carried.append((table, column, translated.why))
                    continue
                db.execute(f"SELECT CAST({translated.sql} AS {types_of(declared).type})".encode())
                carried += 1
        source.close()
    assert carried >= 20
    # DEFAULT 0 of a moment, '"0"' of an integer, and moments with a time of day for columns that are dates here.
    assert {(table, column) for table, column, _ in not_carried} == {
        ("appointments", "time"),
        ("datetime_default", "foo"),
        ("gpkg_contents", "last_change"),
        ("stamps", "EndTime"),
        ("stamps", "StartTime"),
        ("typenames", "is_public"),
    }


@pytest.mark.parametrize(
    "name", ["interval", "range", "object", "lock", "list", "array", "map", "grant", "fetch", "end_"]
)
def test_words_that_only_other_databases_reserve_are_names(name: str) -> None:
    columns = {"t": {"id": ("id", "bigint"), name: (name, "bigint")}}
    query = f"SELECT {name}, t.{name} AS q FROM t WHERE {name} = 1 AND {name} < 3 GROUP BY {name} ORDER BY {name} DESC"
    assert view(f"CREATE VIEW v AS {query}", {"t": "t"}, columns).why == ""
    assert check(f"{name} > 0", {name: "bigint"}).sql == f'("{name}" > 0)'
