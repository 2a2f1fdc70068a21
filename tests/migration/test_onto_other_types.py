"""Rows that go into columns of other types: what arrives does so exactly, and what does not fit is found first."""

from __future__ import annotations

import random

import pytest

from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, fingerprint, listing, rows, succeeded, text, value

TYPES = (
    "CREATE TYPE role AS ENUM ('admin', 'member')",
    "CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%')",
    "CREATE DOMAIN two AS bytea CHECK (octet_length(VALUE) = 2)",
    "CREATE DOMAIN day AS date CHECK (VALUE > '2026-01-01')",
    "CREATE DOMAIN age AS integer NOT NULL CHECK (VALUE BETWEEN 0 AND 150)",
)
UUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
# Live type; SQLite's type; values that arrive and how they read there; values that do not.
CASES = [
    ("role", "TEXT", [("'admin'", "admin"), ("NULL", None)], ["'guest'", "'Admin'", "''"]),
    ("email", "TEXT", [("'a@x'", "a@x"), ("NULL", None)], ["'nobody'", "''"]),
    ("age", "INTEGER", [("0", "0"), ("150", "150")], ["-1", "151", "5000000000", "NULL"]),
    ("two", "BLOB", [("x'0102'", r"\x0102"), ("x'5c61'", r"\x5c61"), ("NULL", None)], ["x'05'", "x''"]),
    ("day", "DATE", [("'13.01.2026'", "2026-01-13"), ("'05.04.2026'", "2026-04-05")], ["'01.01.2026'", "'soon'"]),
    ("char(3)", "TEXT", [("'abc'", "abc"), ("'a'", "a")], ["'a '", "'abcd'", "'abc  '"]),
    ("bpchar", "TEXT", [("'abc'", "abc")], ["'c '"]),
    ("varchar(3)", "TEXT", [("'abc'", "abc"), ("'äöü'", "äöü")], ["'abcd'"]),
    ("numeric(5,2)", "REAL", [("1.25", "1.25"), ("-999.99", "-999.99")], ["1.255", "1000.5"]),
    ("numeric(3,0)", "INTEGER", [("999", "999")], ["1000", "-1000"]),
    ("integer", "INTEGER", [("2147483647", "2147483647")], ["2147483648"]),
    ("smallint", "INTEGER", [("-32768", "-32768")], ["32768"]),
    ("bigint", "TEXT", [("'42'", "42"), ("'-1'", "-1")], ["'007'", "'x'", "' 1'", "''"]),
    ("text", "INTEGER", [("42", "42"), ("-9223372036854775808", "-9223372036854775808")], []),
    ("boolean", "INTEGER", [("0", "false"), ("1", "true")], ["2", "-1"]),
    ("real", "REAL", [("1.5", "1.5")], ["0.1"]),
    ("uuid", "TEXT", [(f"'{UUID}'", UUID)], ["'x'", "''"]),
    ("jsonb", "TEXT", [("'{\"a\": [1, \"b\"]}'", '{"a": [1, "b"]}'), ("'null'", "null")],
     ["'{'", "'{\"a\": 1, \"a\": 2}'", "'\"\\u0000\"'", "'NaN'", "'[\"\\ud800\"]'"]),
    ("json", "TEXT", [("'{\"a\": 1, \"a\": 2}'", '{"a": 1, "a": 2}')], ["'{'", "''"]),
    ("timestamptz", "DATETIME", [("'2026-01-05 10:00:00'", "2026-01-05 10:00:00+00")],
     ["'yesterday'", "'2026-02-30 10:00:00'"]),
    ("timestamp(3)", "DATETIME", [("'2026-01-05 10:00:00.250000'", "2026-01-05 10:00:00.25")],
     ["'2026-01-05 10:00:00.250100'", "'soon'"]),
    ("date", "DATE", [("'2026-01-05'", "2026-01-05")], ["'2026-01-05 10:00:00'"]),
    ("bigint NOT NULL DEFAULT 7", "INTEGER", [("3", "3")], ["NULL"]),
]  # fmt: skip


@pytest.mark.parametrize(("live", "declared", "fit", "unfit"), CASES, ids=[case[0] for case in CASES])
def test_what_fits_arrives_and_what_does_not_is_named_by_its_key(
    make_source: MakeSource,
    target: Target,
    engine: Engine,
    db: Connection,
    live: str,
    declared: str,
    fit: list[tuple[str, str | None]],
    unfit: list[str],
) -> None:
    for statement in TYPES:
        db.execute(text(statement))
    db.execute(text(f"CREATE TABLE t (v {live}, id bigint PRIMARY KEY)"))
    before, was = fingerprint(db), listing(db)
    literals = [literal for literal, _ in fit] * 3 + unfit  # enough of them that the column's shape is theirs
    values = ", ".join(f"({number}, {literal})" for number, literal in enumerate(literals, 1))
    source = make_source(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared}); INSERT INTO t VALUES {values};")

    asked = engine.migrate(source, target)

    if unfit:
        assert asked.status is RunStatus.NEEDS_DECISIONS, asked.error
        (finding,) = [f for f in asked.findings if f.id == "VALUE-RANGE"]
        first = len(literals) - len(unfit) + 1
        assert finding.rows == len(unfit)
        assert finding.keys == tuple(f"id={n}" for n in range(first, len(literals) + 1))
        assert fingerprint(db) == before
        outcome = succeeded(engine.resume(asked.run, target, accept_lossy=True))
    else:
        outcome = succeeded(asked)
    assert outcome.tables[0].quarantined_rows == len(unfit)
    arrived = rows(db, "SELECT v::text FROM t ORDER BY id")
    assert [v for (v,) in arrived] == [expected for _, expected in fit] * 3
    undone = engine.rollback(outcome.run, target)
    assert undone.status is RunStatus.ROLLED_BACK, undone.error
    assert (rows(db, "SELECT * FROM t"), listing(db)) == ([], was)


def test_a_value_that_does_not_fit_can_become_null_where_the_target_allows_it(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TYPE role AS ENUM ('admin', 'member')")
    db.execute("CREATE TABLE t (id bigint PRIMARY KEY, a role, b role NOT NULL)")
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT);"
        "INSERT INTO t VALUES (1, 'admin', 'admin'), (2, 'guest', 'admin'), (3, 'admin', 'guest');"
    )
    asked = engine.migrate(source, target)
    assert {f.column: f.choices for f in asked.findings if f.id == "VALUE-RANGE"} == {
        "a": ("quarantine", "null"),
        "b": ("quarantine",),
    }
    decisions = decided(FindingDecision("VALUE-RANGE", "null", "t", "a"), FindingDecision("VALUE-RANGE", "quarantine"))
    outcome = succeeded(engine.resume(asked.run, target, decisions=decisions))
    assert outcome.tables[0].quarantined_rows == 1
    assert rows(db, "SELECT id, a::text, b::text FROM t ORDER BY id") == [(1, "admin", "admin"), (2, None, "admin")]


def test_columns_in_another_order_with_computed_and_numbered_ones_between(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute(
        "CREATE TABLE t (twice bigint GENERATED ALWAYS AS (n * 2) STORED, v text, seq bigint GENERATED ALWAYS AS "
        "IDENTITY, n bigint, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)"
    )
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, v TEXT); INSERT INTO t VALUES (7, 21, 'x'), (9, 4, 'y');"
    )
    outcome = succeeded(engine.migrate(source, target))
    assert rows(db, "SELECT id, n, v, twice, seq FROM t ORDER BY id") == [(7, 21, "x", 42, 1), (9, 4, "y", 8, 2)]
    db.execute("INSERT INTO t (n, v) VALUES (1, 'next')")
    assert value(db, "SELECT max(id) FROM t") == 10
    db.execute("DELETE FROM t WHERE v = 'next'")
    engine.rollback(outcome.run, target)
    assert value(db, "SELECT count(*) FROM t") == 0


@pytest.mark.parametrize(
    ("live", "arrived"),
    [
        ("timestamptz", ["2026-01-05 10:00:00+00", "2026-01-05 08:00:00+00", "2026-01-05 00:00:00+00", None]),
        ("timestamp", ["2026-01-05 10:00:00", "2026-01-05 08:00:00", "2026-01-05 00:00:00", None]),
        ("date", ["2026-01-05", "2026-01-06", None]),
    ],
)
def test_dates_in_several_spellings_become_moments_of_the_live_column_by_a_decision_alone(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection, live: str, arrived: list[str | None]
) -> None:
    db.execute(text(f"CREATE TABLE t (id bigint PRIMARY KEY, v {live})"))
    texts = {
        "date": ["'2026-01-05'", "'06.01.2026'", "NULL", "'2026-01-05 10:00'", "'soon'"],
    }.get(live, ["'2026-01-05 10:00:00'", "'2026-01-05T10:00:00+02:00'", "'05.01.2026'", "NULL", "'soon'"])
    values = ", ".join(f"({number}, {literal})" for number, literal in enumerate(texts, 1))
    source = make_source(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v DATETIME); INSERT INTO t VALUES {values};")

    asked = engine.migrate(source, target)

    assert asked.status is RunStatus.NEEDS_DECISIONS, asked.error
    said = {f.id: f.choices for f in asked.findings if f.column == "v" and f.id != "DATE-ZONE"}
    assert said == {"DATE-MIXED": ("timestamp", "quarantine")}
    decisions = decided(FindingDecision("DATE-MIXED", "timestamp", "t", "v"))
    outcome = succeeded(engine.resume(asked.run, target, decisions=decisions))
    assert outcome.tables[0].quarantined_rows == len(texts) - len(arrived)
    assert [v for (v,) in rows(db, "SELECT v::text FROM t ORDER BY id")] == arrived
    again = succeeded(engine.migrate(source, target, decisions=decisions))
    assert again.tables[0].unchanged == len(arrived)


def test_texts_that_are_declared_as_such_become_moments_of_the_live_column_too(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE t (id bigint PRIMARY KEY, a timestamptz, b timestamptz)")
    days = [f"({day}, '2026-01-{day:02} 10:00:00', '{day:02}.01.2026')" for day in range(1, 29)]
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT); INSERT INTO t VALUES " + ", ".join(days) + ", "
        "(29, '', '2026-01-29'), (30, '2026-01-30 10:00:00', 'soon');"
    )
    asked = engine.migrate(source, target)
    assert {(f.id, f.column, f.choices) for f in asked.findings if f.column and f.id != "DATE-ZONE"} == {
        ("VALUE-RANGE", "a", ("quarantine", "null")),
        ("DATE-MIXED", "b", ("timestamp", "quarantine")),
    }
    decisions = decided(FindingDecision("VALUE-RANGE", "null"), FindingDecision("DATE-MIXED", "timestamp"))
    outcome = succeeded(engine.resume(asked.run, target, decisions=decisions))
    assert outcome.tables[0].quarantined_rows == 1
    assert rows(db, "SELECT a::text, b::text FROM t WHERE id > 27 ORDER BY id") == [
        ("2026-01-28 10:00:00+00", "2026-01-28 00:00:00+00"),
        (None, "2026-01-29 00:00:00+00"),
    ]


def test_spellings_that_are_not_the_most_frequent_can_stay_behind(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE t (id bigint PRIMARY KEY, v timestamp)")
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v DATETIME);"
        "INSERT INTO t VALUES (1, '2026-01-05 10:00:00'), (2, '2026-01-06 10:00:00'), (3, '05.01.2026'), (4, NULL);"
    )
    decisions = decided(FindingDecision("DATE-MIXED", "quarantine", "t", "v"))
    outcome = succeeded(engine.migrate(source, target, decisions=decisions))
    assert outcome.tables[0].quarantined_rows == 1
    assert rows(db, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (4,)]


def test_texts_that_are_none_are_mended_before_a_domain_judges_them(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE DOMAIN said AS text CHECK (VALUE <> '')")
    db.execute("CREATE TABLE t (id bigint PRIMARY KEY, v said)")
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);"
        "INSERT INTO t VALUES (1, CAST(x'636166E9' AS TEXT)), (2, CAST(x'610062' AS TEXT)), (3, '');"
    )
    outcome = succeeded(engine.migrate(source, target, accept_lossy=True))
    assert outcome.tables[0].quarantined_rows == 1
    assert rows(db, "SELECT id, v::text FROM t ORDER BY id") == [(1, "café"), (2, "a\N{REPLACEMENT CHARACTER}b")]


def test_a_value_that_is_too_long_for_a_live_index_is_named_before_anything_is_staged(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE page (id bigint PRIMARY KEY, url text UNIQUE, body text, digest text)")
    db.execute("CREATE INDEX by_body ON page (body); CREATE INDEX by_digest ON page (md5(digest))")
    long = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=6000))
    even = "a" * 6000  # which the server compresses
    source = make_source(
        f"""
        CREATE TABLE page (id INTEGER PRIMARY KEY, url TEXT, body TEXT, digest TEXT);
        INSERT INTO page VALUES (1, '{long}', 'a', '{long}'), (2, '{even}', '{long}', 'b'), (3, 'c', '{even}', NULL);
        """
    )

    asked = engine.migrate(source, target)

    assert asked.status is RunStatus.NEEDS_DECISIONS, asked.error
    found = {f.column: (f.id, f.keys, f.choices) for f in asked.findings if f.rows and f.column}
    assert found == {
        "url": ("VALUE-RANGE", ("id=1",), ("quarantine", "null")),
        "body": ("VALUE-RANGE", ("id=2",), ("quarantine", "null")),
    }
    decisions = decided(
        FindingDecision("VALUE-RANGE", "null", "page", "body"), FindingDecision("VALUE-RANGE", "quarantine")
    )
    outcome = succeeded(engine.resume(asked.run, target, decisions=decisions))
    assert outcome.tables[0].quarantined_rows == 1
    assert rows(db, "SELECT id, length(url), length(body) FROM page ORDER BY id") == [(2, 6000, None), (3, 1, 6000)]
