"""Full-text and R*Tree tables hold rows of their own; those arrive, and what only serves the module does not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, rows, succeeded, value


@pytest.fixture(autouse=True)
def modules() -> None:
    """Skips where Python's SQLite was built without them."""
    with closing(sqlite3.connect(":memory:")) as connection:
        there = {row[0] for row in connection.execute("SELECT name FROM pragma_module_list")}
    if not {"fts3", "fts4", "fts5", "rtree"} <= there:
        pytest.skip("this SQLite lacks full-text search or R*Tree")


def findings(outcome: RunOutcome, id: str) -> dict[str | None, str]:
    return {finding.table: finding.message for finding in outcome.findings if finding.id == id}


def test_the_rows_of_full_text_tables_arrive_with_the_number_that_names_them(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    source = make_source(
        """
        CREATE VIRTUAL TABLE five USING fts5(title, body UNINDEXED, tokenize = 'porter unicode61');
        INSERT INTO five (rowid, title, body) VALUES (3, 'hello', 'wörld'), (70, 'two', NULL);
        CREATE VIRTUAL TABLE four USING fts4(title, "the body", languageid="lid");
        INSERT INTO four (docid, title, "the body", lid) VALUES (9, 'hello', 'world', 2);
        CREATE VIRTUAL TABLE three USING fts3(subject TEXT);
        INSERT INTO three VALUES ('one'), ('');
        """
    )

    outcome = succeeded(engine.migrate(source, target))

    assert rows(db, "SELECT rowid, title, body FROM five ORDER BY 1") == [(3, "hello", "wörld"), (70, "two", None)]
    assert rows(db, 'SELECT rowid, title, "the body", lid FROM four') == [(9, "hello", "world", 2)]
    assert rows(db, "SELECT rowid, subject FROM three ORDER BY 1") == [(1, "one"), (2, "")]
    assert value(db, "INSERT INTO five (title) VALUES ('next') RETURNING rowid") == 71
    assert set(findings(outcome, "TABLE-VIRTUAL")) == {"five", "four", "three"}
    assert "five_content" in findings(outcome, "TABLE-SHADOW")
    assert value(db, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 3


def test_search_gives_a_full_text_index_that_postgres_uses(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    source = make_source(
        "CREATE VIRTUAL TABLE docs USING fts5(title, body, tokenize = porter);"
        "INSERT INTO docs VALUES ('Running', 'a marathon'), ('Sitting', NULL);"
    )

    succeeded(engine.migrate(source, target, decisions=decided(FindingDecision("TABLE-VIRTUAL", "search"))))

    db.execute("SET enable_seqscan = off")
    found = "SELECT title FROM docs WHERE to_tsvector('english', coalesce(title, '') || ' ' || coalesce(body, '')) "
    found += "@@ websearch_to_tsquery('english', 'run')"
    assert rows(db, found) == [("Running",)]
    assert "docs_search_idx" in str(rows(db, f"EXPLAIN {found}"))


def test_r_tree_rows_arrive_in_any_number_and_a_gist_index_finds_them(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    def build(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE VIRTUAL TABLE place USING rtree(id, west, east, south, north, +label TEXT)")
        # Ids against the order of the boxes, so that the tree stores them in another order than theirs.
        connection.executemany(
            "INSERT INTO place VALUES (?, ?, ?, 0, 1, ?)", [(5000 - n, n, n + 0.5, f"p{n}") for n in range(3000)]
        )
        connection.execute("CREATE VIRTUAL TABLE span USING rtree_i32(id, low, high)")
        connection.execute("INSERT INTO span VALUES (-7, 1, 3)")

    source = make_source(build)
    decisions = decided(FindingDecision("TABLE-VIRTUAL", "gist", table="place"))

    succeeded(engine.migrate(source, target, decisions=decisions, chunk_bytes=4096))

    with closing(sqlite3.connect(source)) as connection:
        stored = connection.execute("SELECT * FROM place ORDER BY id").fetchall()
    assert rows(db, "SELECT * FROM place ORDER BY id") == stored
    assert rows(db, "SELECT * FROM span") == [(-7, 1, 3)]
    db.execute("SET enable_seqscan = off")
    box = "box(point(west, south), point(east, north)) && box(point(10.1, 0), point(10.2, 1))"
    assert rows(db, f"SELECT label FROM place WHERE {box}") == [("p10",)]
    assert "place_box_idx" in str(rows(db, f"EXPLAIN SELECT label FROM place WHERE {box}"))


def test_an_index_over_another_tables_texts_is_left_out_and_the_texts_are_not(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    source = make_source(
        """
        CREATE TABLE posts_content (id INTEGER PRIMARY KEY, body TEXT);
        INSERT INTO posts_content VALUES (1, 'kept');
        CREATE VIRTUAL TABLE posts USING fts5(body, content='posts_content', content_rowid='id');
        INSERT INTO posts (posts) VALUES ('rebuild');
        CREATE VIRTUAL TABLE bare USING fts5(body, content='');
        INSERT INTO bare (rowid, body) VALUES (1, 'indexed, not kept');
        CREATE VIRTUAL TABLE words USING fts5vocab(posts, row);
        """
    )

    outcome = succeeded(engine.migrate(source, target))

    assert rows(db, "SELECT id, body FROM posts_content") == [(1, "kept")]
    said = findings(outcome, "TABLE-NOT-CARRIED")
    assert set(said) == {"posts", "bare", "words"}
    assert "texts of posts_content" in said["posts"]
    assert "without the texts" in said["bare"]


def test_where_the_module_is_missing_the_texts_come_from_the_table_that_keeps_them(
    engine: Engine, make_source: MakeSource, target: Target, db: Connection
) -> None:
    def build(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE docs_content (id INTEGER PRIMARY KEY, c0)")
        connection.execute("INSERT INTO docs_content VALUES (4, 'still here')")
        connection.execute("PRAGMA writable_schema = on")
        # A tokenizer that only the application has keeps SQLite from opening the table, as a missing module does.
        connection.execute(
            "INSERT INTO sqlite_master VALUES ('table', 'docs', 'docs', 0, "
            "'CREATE VIRTUAL TABLE docs USING fts5(body, tokenize=ours)')"
        )

    outcome = succeeded(engine.migrate(make_source(build), target))

    assert rows(db, "SELECT id, c0 FROM docs_content") == [(4, "still here")]
    assert "not part of the SQLite library" in findings(outcome, "TABLE-NOT-CARRIED")["docs"]


def test_skip_leaves_the_table_behind(engine: Engine, make_source: MakeSource, target: Target, db: Connection) -> None:
    source: Path = make_source("CREATE VIRTUAL TABLE docs USING fts5(body); INSERT INTO docs VALUES ('x');")

    succeeded(engine.migrate(source, target, decisions=decided(FindingDecision("TABLE-VIRTUAL", "skip"))))

    assert value(db, "SELECT to_regclass('public.docs')") is None
