"""Databases nobody thought of: migrated, audited, pulled back. ``python -m tests.migration.long_traps`` runs more."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from migrator_tui.migration.pulling.pull import pull
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import Target
from tests.migration import auditing
from tests.migration.comparing_files import contents
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine, session, succeeded, text
from tests.migration.there_and_back import Journey
from tests.migration.trap_databases import Drawn, databases

EXAMPLES = 12


def test_generated_databases_arrive_whole_and_come_back_as_they_were(target: Target, tmp_path: Path) -> None:
    journey = Journey(target, tmp_path)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(databases())
    def examples(drawn: Drawn) -> None:
        journey.there_and_back(drawn)

    examples()


@pytest.mark.parametrize("column", ["xmin", "ctid", "tableoid"])
def test_a_column_named_like_a_system_column_is_renamed_and_said_so(
    make_source: MakeSource, engine: Engine, target: Target, column: str
) -> None:
    source = make_source(f"CREATE TABLE t ({column} TEXT PRIMARY KEY, n INTEGER); INSERT INTO t VALUES ('a', 1)")
    outcome = succeeded(engine.migrate(source, target))
    assert any(f.id == "NAME-CHANGED" and f.object == column for f in outcome.findings)
    assert auditing.audit(source, target, outcome.as_json()) == []


def test_what_the_target_refuses_of_a_renamed_column_is_told_by_its_name_in_the_source(
    make_source: MakeSource, engine: Engine, target: Target
) -> None:
    long = "x" * 70
    source = make_source(f'CREATE TABLE t (a INTEGER, d DATE, "{long}" AS (d = a))')
    outcome = succeeded(engine.migrate(source, target))
    assert {f.column for f in outcome.findings if f.id == "GENERATED-NOT-CARRIED"} <= {long}
    assert auditing.audit(source, target, outcome.as_json()) == []


@pytest.mark.parametrize(
    "script",
    [
        # ANY of a STRICT table leaves a whole real what it is, which NUMERIC would not.
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v ANY) STRICT; INSERT INTO t (v) VALUES (1), (-931673.0), (0.5)",
        # PostgreSQL rounds fifteen digits of a double, SQLite all of them.
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v REAL, w AS (round(v, 1)));"
        "INSERT INTO t (v) VALUES (5.871244452222142e278)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE UNIQUE INDEX one ON t (v) WHERE 1",
    ],
)
def test_what_generated_databases_once_showed_arrives_and_comes_back(
    make_source: MakeSource, engine: Engine, target: Target, tmp_path: Path, script: str
) -> None:
    source = make_source(script)
    outcome = succeeded(engine.migrate(source, target))
    assert auditing.audit(source, target, outcome.as_json()) == []
    pull(PullRequest(tmp_path / "back.db"), target)
    assert contents(tmp_path / "back.db") == contents(source)


@pytest.mark.parametrize(
    ("encoding", "left"), [("UTF-8", set()), ("UTF-16be", {"CHECK", "INDEX", "GENERATED", "VIEW"})]
)
def test_bytes_of_texts_are_computed_only_where_both_ends_have_the_same(
    make_source: MakeSource, engine: Engine, target: Target, tmp_path: Path, encoding: str, left: set[str]
) -> None:
    source = make_source(
        f"PRAGMA encoding = '{encoding}'; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, h TEXT AS (hex(v)),"
        "k TEXT DEFAULT (hex(randomblob(4))), b BLOB, CHECK (hex(v) <> '00'), CHECK (hex(b) <> '00'));"
        "CREATE INDEX i ON t (hex(v)); CREATE VIEW w AS SELECT hex(v) AS h, CAST(v AS BLOB) AS c FROM t;"
        "CREATE VIEW w2 AS SELECT hex(h) AS hh FROM w;"
        "INSERT INTO t (v, b) VALUES ('a\u00e4\U0001f642\\x', x'01'), ('', NULL), (NULL, x'')"
    )
    outcome = succeeded(engine.migrate(source, target))
    assert {item.id.split("-")[0] for item in outcome.not_carried} == left
    assert auditing.audit(source, target, outcome.as_json()) == []
    pull(PullRequest(tmp_path / "back.db"), target)
    assert contents(tmp_path / "back.db") == contents(source)
    with closing(sqlite3.connect(tmp_path / "back.db")) as back:
        assert back.execute("PRAGMA encoding").fetchone()[0].upper().startswith(encoding.upper())


@pytest.mark.parametrize(
    "harm", ["UPDATE t SET name = 'c' WHERE id = 1", "DELETE FROM t WHERE id = 1", "DROP INDEX by_name"]
)
def test_the_auditor_sees_what_is_wrong(make_source: MakeSource, engine: Engine, target: Target, harm: str) -> None:
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
        "CREATE INDEX by_name ON t (name); INSERT INTO t VALUES (1, 'a'), (2, 'b')"
    )
    outcome = succeeded(engine.migrate(source, target))
    assert auditing.audit(source, target, outcome.as_json()) == []
    with session(target) as connection:
        connection.execute(text(harm))
    assert auditing.audit(source, target, outcome.as_json()) != []


def test_checks_that_read_json_do_not_stop_a_pull(
    make_source: MakeSource, engine: Engine, target: Target, tmp_path: Path
) -> None:
    source = make_source("CREATE TABLE t (a TEXT CHECK (json_valid(a)), b TEXT CHECK (json_extract(a, '$.x') > 0))")
    succeeded(engine.migrate(source, target))
    pull(PullRequest(tmp_path / "pulled.db"), target)
    assert contents(tmp_path / "pulled.db") == contents(source)


def test_a_foreign_key_of_fewer_columns_than_the_key_it_refers_to_is_said_not_to_be_carried(
    make_source: MakeSource, engine: Engine, target: Target
) -> None:
    source = make_source(
        "CREATE TABLE p (a INT, b INT, PRIMARY KEY (a, b)); CREATE TABLE c (a INT REFERENCES p);"
        "INSERT INTO c VALUES (1)"
    )
    outcome = succeeded(engine.migrate(source, target))
    assert [f.table for f in outcome.findings if f.id == "FK-PARENT"] == ["c"]
    assert auditing.audit(source, target, outcome.as_json()) == []


def test_orphans_are_found_also_beside_a_foreign_key_that_sqlite_cannot_check(
    make_source: MakeSource, engine: Engine, target: Target
) -> None:
    source = make_source(
        "CREATE TABLE e (a INTEGER PRIMARY KEY, b INT REFERENCES e, FOREIGN KEY (a, b) REFERENCES e (b, a));"
        "INSERT INTO e VALUES (1, 99)"
    )
    outcome = succeeded(engine.migrate(source, target))
    assert {f.id for f in outcome.findings} >= {"FK-ORPHAN", "FK-PARENT"}
    assert auditing.audit(source, target, outcome.as_json()) == []
