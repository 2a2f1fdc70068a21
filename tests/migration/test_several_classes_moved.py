"""Columns of several storage classes between keys, defaults, live columns and masks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrator_tui.migration.pulling.pull import pull
from migrator_tui.model.decisions import Decisions, FindingDecision
from migrator_tui.model.pull import PullRequest
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.fingerprint import fingerprint
from tests.migration.comparing_files import contents, statements
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine, rows, succeeded

Connection = psycopg.Connection[Any]


@pytest.mark.parametrize(
    ("declared", "parents", "children", "apart"),
    [
        ("TEXT", ["'a'", "'12'"], ["'a'", "12", "NULL"], 0),  # in a column of texts alone '12' is written plainly
        ("TEXT", ["'a'", "'12'"], ["'a'", "'12'", "12", "NULL"], 1),
        ("", ["1", "'a'", "x'00'"], ["1", "'a'", "x'00'", "x'00'"], 0),
        ("", ["1", "'a'", "x'00'"], ["1.0", "'a'"], 1),
        ("", ["'a'", "CAST(x'ff' AS TEXT)", "1"], ["'a'", "CAST(x'ff' AS TEXT)", "1"], 3),  # which ones is not known
    ],
)
def test_a_reference_that_is_written_otherwise_than_its_row_leaves_the_key_unvalidated(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path,
    declared: str, parents: list[str], children: list[str], apart: int,
) -> None:  # fmt: skip
    source = make_source(
        f"CREATE TABLE p (k {declared} PRIMARY KEY); CREATE TABLE c (k REFERENCES p (k));"
        f"INSERT INTO p VALUES ({'), ('.join(parents)}); INSERT INTO c VALUES ({'), ('.join(children)});"
    )

    outcome = succeeded(engine.migrate(source, target))

    spelled = [f for f in outcome.findings if f.id == "FK-SPELLING"]
    assert [f.rows for f in spelled] == ([apart] if apart else [])
    key = "SELECT convalidated FROM pg_constraint WHERE contype = 'f' AND conrelid = 'c'::regclass"
    assert rows(db, key) == [(not apart,)]
    pull(PullRequest(tmp_path / "back.db"), target)
    assert contents(tmp_path / "back.db") == contents(source)


def test_what_is_said_about_such_a_column_is_carried_in_its_meaning_or_named(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    source = make_source(
        """
        CREATE TABLE t (
            id INTEGER PRIMARY KEY, v DEFAULT '5', w NUMERIC DEFAULT '5', x DEFAULT (abs(-3)), y DEFAULT 2.5,
            g AS (v || '!'), h AS (v), CHECK (v IS NOT 'never'), CHECK (w > 3 OR w IS NOT NULL)
        );
        INSERT INTO t (v, w, x, y) VALUES (1, 7, 1, 1), ('a', 'b', 'c', 'd'), ('1', 8, '2', 3);
        CREATE UNIQUE INDEX plain ON t (v);
        CREATE INDEX some ON t (w) WHERE w = 7;
        CREATE INDEX made ON t (upper(v));
        CREATE VIEW all_of_them AS SELECT id, v FROM t;
        CREATE VIEW one_of_them AS SELECT id FROM t WHERE v = 1;
        CREATE VIEW sorted AS SELECT id FROM t ORDER BY v;
        """
    )

    outcome = succeeded(engine.migrate(source, target))

    named = {(f.id, f.column or f.object) for f in outcome.findings if f.id.endswith("-NOT-CARRIED")}
    assert named == {
        ("CHECK-NOT-CARRIED", "t_check1"),
        ("CHECK-NOT-CARRIED", "t_check2"),
        ("DEFAULT-NOT-CARRIED", "x"),
        ("DEFAULT-NOT-CARRIED", "y"),
        ("GENERATED-NOT-CARRIED", "h"),
        ("GENERATED-NOT-CARRIED", "g"),
        ("INDEX-NOT-CARRIED", "some"),
        ("INDEX-NOT-CARRIED", "made"),
        ("VIEW-NOT-CARRIED", "one_of_them"),
        ("VIEW-NOT-CARRIED", "sorted"),
    }
    db.execute("INSERT INTO t DEFAULT VALUES")
    assert rows(db, "SELECT v, w FROM t ORDER BY id DESC LIMIT 1") == [("'5'", "5")]
    pull(PullRequest(tmp_path / "back.db"), target)
    with closing(sqlite3.connect(tmp_path / "back.db")) as back:
        assert back.execute("SELECT v, w FROM t WHERE id = 4").fetchall() == [("5", 5)]


def test_they_join_a_live_column_of_texts_and_are_paired_there_again(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v);"
        "INSERT INTO t VALUES (1, 5), (2, '5'), (3, 'a'), (4, x'00'), (5, 0.1);"
    )
    db.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text); INSERT INTO t VALUES (9, 'live')")
    merge = Decisions((FindingDecision("TARGET-HAS-ROWS", "merge"),))

    succeeded(engine.migrate(source, target, decisions=merge))
    before = fingerprint(db)
    succeeded(engine.migrate(source, target, decisions=merge))

    assert fingerprint(db) == before
    assert rows(db, "SELECT v FROM t ORDER BY id") == [("5",), ("'5'",), ("a",), ("x'00'",), ("0.1",), ("live",)]


def test_a_mask_hides_every_class_and_joins_hold(
    make_source: MakeSource, engine: Engine, target: Target, tmp_path: Path
) -> None:
    source = make_source(
        """
        CREATE TABLE p (k PRIMARY KEY); CREATE TABLE c (k REFERENCES p (k));
        INSERT INTO p VALUES (77777), ('secret'), (x'5ec4'), ('77777'), (1234.5);
        INSERT INTO c SELECT k FROM p;
        """
    )
    succeeded(engine.migrate(source, target))
    file = tmp_path / "masked.db"

    pull(PullRequest(file, redact=("c.k",), seed=Secret("seed")), target)

    with closing(sqlite3.connect(file)) as back:
        classes = "SELECT typeof(k), count(*) FROM {} GROUP BY 1 ORDER BY 1"
        expected = [("blob", 1), ("integer", 1), ("real", 1), ("text", 2)]
        assert back.execute(classes.format("p")).fetchall() == back.execute(classes.format("c")).fetchall() == expected
        assert back.execute("PRAGMA foreign_key_check").fetchall() == []
        kept = "SELECT count(*) FROM p WHERE k IN (77777, 'secret', x'5ec4', '77777', 1234.5)"
        assert back.execute(kept).fetchall() == [(0,)]
    assert statements(file) == statements(source)
