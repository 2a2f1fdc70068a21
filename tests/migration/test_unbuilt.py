"""What stored rows do not let be built is left out and named, or digests take its place; the run goes on."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrator_tui.migration.pulling.pull import pull
from migrator_tui.migration.run_files import read_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import Target
from tests.migration import auditing
from tests.migration.comparing_ends import pairs_of
from tests.migration.comparing_files import contents, statements
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine, rows, succeeded

Connection = psycopg.Connection[Any]

LONG = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=5000))

READINGS = """
    CREATE TABLE reading (id INTEGER PRIMARY KEY, value REAL CHECK (value * value >= 0));
    CREATE INDEX square ON reading (value * value); CREATE INDEX by_value ON reading (value);
    INSERT INTO reading VALUES (1, 1e300), (2, 2.5);
    CREATE TABLE area (
        id INTEGER PRIMARY KEY, side REAL, size REAL AS (side * side) STORED, half REAL AS (side / 2),
        n INTEGER, square INTEGER AS (n * n), cube REAL AS (side * 3.0) STORED
    );
    CREATE INDEX by_size ON area (size);
    INSERT INTO area (side, n) VALUES (2.5, 3), (1e-200, 9223372036854775807);
    CREATE TABLE far (id INTEGER PRIMARY KEY, side REAL, size REAL AS (side * side) STORED);
    INSERT INTO far (side) VALUES (1e200);
"""
PAGES = f"""
    CREATE TABLE page (id INTEGER PRIMARY KEY, body TEXT, url TEXT NOT NULL UNIQUE, raw BLOB, "Title" VARCHAR(9000));
    CREATE UNIQUE INDEX titles ON page ("Title");
    CREATE INDEX by_body ON page (body); CREATE UNIQUE INDEX one ON page (id, raw, "Title") WHERE id > 0;
    CREATE TABLE visit (url TEXT REFERENCES page (url), at INTEGER);
    CREATE TABLE word (word TEXT PRIMARY KEY COLLATE NOCASE, n INTEGER) WITHOUT ROWID;
    INSERT INTO page VALUES (1, '{LONG}', '{LONG}', CAST('{LONG}' AS BLOB), '{LONG}'), (2, 'b', 'b', x'00', 'b');
    INSERT INTO visit VALUES ('{LONG}', 1); INSERT INTO word VALUES ('{LONG}', 1), ('a', 2);
"""


def refused(db: Connection, statement: str) -> bool:
    """Whether a row is refused because it is there already."""
    try:
        with db.transaction(force_rollback=True):
            db.execute(statement.encode())
    except psycopg.errors.UniqueViolation:
        return True
    return False


def test_what_the_target_cannot_compute_for_a_row_is_left_out_and_named_or_moved_as_it_was_computed(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    source = make_source(READINGS)

    def compute_otherwise(at: str) -> None:
        if at == "staged":
            schema = rows(db, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'migrator\\_stage%'")[0][0]
            db.execute(f'ALTER TABLE "{schema}".area ALTER COLUMN cube SET EXPRESSION AS (side * 4)'.encode())

    outcome = succeeded(engine.migrate(source, target, failpoint=compute_otherwise))

    found = {f.id: f for f in outcome.findings if f.id in ("INDEX-NOT-CARRIED", "CHECK-NOT-CARRIED")}
    assert (found["INDEX-NOT-CARRIED"].object, found["CHECK-NOT-CARRIED"].object) == ("square", "reading_check1")
    assert "CREATE INDEX square" in found["INDEX-NOT-CARRIED"].samples[0]
    assert {
        f"{f.table}.{f.column}": f.message.partition(": ")[2] for f in outcome.findings if f.column and f.table
    } == {
        "far.size": "some values are infinite, and the target's arithmetic ends with an error there.",
        "area.size": "value out of range: underflow.",
        "area.square": "bigint out of range.",
        "area.cube": "it computes another value for row 1.",
        "area.half": "",
    }
    assert rows(db, "SELECT attname FROM pg_attribute WHERE attrelid = 'area'::regclass AND attgenerated = 's'") == [
        ("half",)
    ]
    assert {item.name for item in outcome.not_carried} == {
        "reading.square", "reading.reading_check1", "far.size", "area.size", "area.square", "area.cube",
    }  # fmt: skip
    assert rows(db, "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1") == [
        ("area_pkey",), ("by_size",), ("by_value",), ("far_pkey",), ("reading_pkey",),
    ]  # fmt: skip
    assert auditing.audit(source, target, outcome.as_json()) == []
    pull(PullRequest(tmp_path / "back.db"), target)
    assert contents(tmp_path / "back.db") == contents(source)
    assert statements(tmp_path / "back.db") == statements(source)


def test_keys_over_texts_that_are_too_long_become_unique_digests_and_are_named(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection, tmp_path: Path
) -> None:
    source = make_source(PAGES)

    outcome = succeeded(engine.migrate(source, target))

    long = {(f.table, f.object) for f in outcome.findings if f.id == "KEY-LONG"}
    assert long == {
        ("page", "page_url_key"), ("page", "one"), ("page", "titles"), ("word", "word_pkey"),
        ("word", "word_word_folded_key"),
    }  # fmt: skip
    assert [f.object for f in outcome.findings if f.id == "INDEX-NOT-CARRIED"] == ["by_body"]
    assert [f.table for f in outcome.findings if f.id == "FK-PARENT"] == ["visit"]
    for row in (f"(9, '', '{LONG}')", "(1, '', 'c')"):
        assert refused(db, f"INSERT INTO page (id, body, url) VALUES {row}")
    assert refused(db, f"INSERT INTO word VALUES ('{LONG.upper()}')")
    assert auditing.audit(source, target, outcome.as_json()) == []
    as_good = {(pair.object, pair.name) for pair in pairs_of(source, target) if "digests" in pair.why}
    assert as_good == {("unique", "page.(url)"), ("index", "page.titles"), ("primary key", "word.(word)")}
    pull(PullRequest(tmp_path / "back.db"), target)
    assert contents(tmp_path / "back.db") == contents(source)
    assert statements(tmp_path / "back.db") == statements(source)


@pytest.mark.parametrize("at", ["checked", "published"])
def test_a_run_that_was_cut_after_something_was_left_out_goes_on_without_it(
    make_source: MakeSource, engine: Engine, target: Target, at: str
) -> None:
    run = engine.cut(make_source(READINGS + PAGES), target, at)

    outcome = succeeded(engine.resume(run, target))

    assert len([f for f in outcome.findings if f.id == "KEY-LONG"]) == 5
    assert [index.name for index in read_plan(RunFolder.open(run)).table("reading").indexes] == ["by_value"]
