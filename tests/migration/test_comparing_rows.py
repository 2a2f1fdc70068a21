"""Rows compared by key and as multisets: what is missing, extra and changed, with the first keys, and nothing left."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator_tui.migration.comparing.comparing_rows import TableRows, compare_rows, row_pairs
from migrator_tui.migration.comparing.reference import reference
from migrator_tui.migration.guide import Ends
from migrator_tui.migration.opening import LiveBench, open_bench
from migrator_tui.migration.request import Request
from migrator_tui.model.decisions import Decisions, FindingDecision
from migrator_tui.model.plan import Scope
from migrator_tui.postgres.connect import Target, connect
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, listing, succeeded, text

SOURCE = """
CREATE TABLE p (id INTEGER PRIMARY KEY, v TEXT NOT NULL, f REAL, n NUMERIC(8,2), at DATETIME, j JSON, b BLOB);
CREATE TABLE two (a TEXT, b INTEGER, v TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE keyless (v TEXT);
CREATE TABLE empty (id INTEGER PRIMARY KEY);
INSERT INTO p VALUES (1, 'a', 0.5, 1.25, '2026-01-01 00:00:00', '{"a": 1}', x'00ff'),
    (2, 'b', 0.0, 2, NULL, NULL, NULL), (3, 'c', -0.0, NULL, NULL, '[1, 2]', x'');
INSERT INTO two VALUES ('x', 1, 'one'), ('x', 2, 'two'), ('y', 1, NULL);
INSERT INTO keyless VALUES ('x'), ('x'), (NULL);
"""


def rows_of(source: Path, target: Target, decisions: Decisions | None = None) -> dict[str, TableRows]:
    """The rows of each table on both sides."""
    bench = open_bench(Ends(source, target.display, Scope()), target, lambda step: None)
    assert isinstance(bench, LiveBench)
    try:
        plan = bench.draft(Scope(), decisions or Decisions())
        request = Request(source, decisions=decisions or Decisions())
        with connect(target) as connection:
            measure = reference(connection, bench.opened, plan, request)
        return {found.table: found for found in compare_rows(bench.opened, plan, measure, target, lambda table: None)}
    finally:
        bench.close()


def counts(rows: TableRows) -> tuple[int, int, int]:
    """Missing, extra, changed."""
    assert rows.found is not None, rows.why
    return rows.found.missing, rows.found.extra, rows.found.changed


@pytest.fixture
def migrated(make_source: MakeSource, target: Target, engine: Engine) -> Path:
    """The source's file, which is on the target as it is."""
    source = make_source(SOURCE)
    succeeded(engine.migrate(source, target))
    return source


def test_every_row_is_equal_right_after_a_migration(migrated: Path, target: Target) -> None:
    rows = rows_of(migrated, target)
    assert {name: counts(found) for name, found in rows.items()} == dict.fromkeys(rows, (0, 0, 0))
    assert {name: found.key for name, found in rows.items()} == {
        "p": ("id",), "two": ("a", "b"), "keyless": (), "empty": ("id",),
    }  # fmt: skip
    assert not [pair for pair in row_pairs(rows.values()) if pair.standing.differs]


def test_missing_extra_and_changed_rows_are_counted_with_their_first_keys_and_columns(
    migrated: Path, target: Target, db: Connection
) -> None:
    db.execute("DELETE FROM p WHERE id = 1")
    db.execute("INSERT INTO p (id, v) SELECT i, 'new' FROM generate_series(11, 20) i")
    db.execute("""UPDATE p SET v = 'B', j = '{"a": 2}' WHERE id = 2""")
    db.execute("UPDATE two SET v = NULL WHERE b = 2")
    db.execute("DELETE FROM keyless WHERE v = 'x'")
    db.execute("INSERT INTO keyless VALUES ('y')")
    rows = rows_of(migrated, target)
    assert {name: counts(found) for name, found in rows.items()} == {
        "p": (1, 10, 1), "two": (0, 0, 1), "keyless": (2, 1, 0), "empty": (0, 0, 0),
    }  # fmt: skip
    found = rows["p"].found
    assert found is not None
    assert found.keys == {
        "missing": ("id=1",),
        "extra": ("id=11", "id=12", "id=13", "id=14", "id=15"),
        "changed": ("id=2",),
    }
    assert found.columns == {"v": 1, "j": 1}
    assert rows["two"].found is not None
    assert rows["two"].found.keys == {"changed": ("a=x, b=2",)}
    whys = {(pair.name, pair.standing.value): pair.why for pair in row_pairs(rows.values())}
    assert whys["p", "extra"].startswith("10 rows only on the target: id=11; id=12; id=13; id=14; id=15 …")
    assert "in v (1), j (1)" in whys["p", "changed"]
    assert "no key" in whys["keyless", "missing"]


def test_values_that_only_compare_equal_are_told_from_identical_ones(
    migrated: Path, target: Target, db: Connection
) -> None:
    db.execute("UPDATE p SET f = '-0' WHERE id = 2")
    assert counts(rows_of(migrated, target)["p"]) == (0, 0, 1)


def test_comparing_rows_leaves_the_target_as_it_was(migrated: Path, target: Target, db: Connection) -> None:
    before = listing(db)
    rows_of(migrated, target)
    assert listing(db) == before


def test_a_column_that_the_target_lacks_or_has_otherwise_is_left_out_and_named(
    migrated: Path, target: Target, db: Connection
) -> None:
    db.execute("ALTER TABLE p DROP COLUMN n")
    db.execute("ALTER TABLE p ALTER COLUMN b TYPE text USING 'x'")
    db.execute("ALTER TABLE p RENAME COLUMN at TO moment")
    rows = rows_of(migrated, target)["p"]
    assert counts(rows) == (0, 0, 0)
    assert set(rows.without) == {"n", "b", "at"}


def test_a_column_of_another_width_and_a_table_without_its_key_are_compared(
    migrated: Path, target: Target, db: Connection
) -> None:
    db.execute("ALTER TABLE two ALTER COLUMN b TYPE integer")
    db.execute("ALTER TABLE p DROP CONSTRAINT p_pkey")
    db.execute("INSERT INTO p SELECT * FROM p WHERE id = 2")
    rows = rows_of(migrated, target)
    assert counts(rows["two"]) == (0, 0, 0)
    assert rows["p"].key == ()
    assert counts(rows["p"]) == (0, 1, 0)


def test_rows_that_a_decision_keeps_back_are_named_as_that(
    make_source: MakeSource, target: Target, engine: Engine
) -> None:
    source = make_source("""
        CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a);
        INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1), (2, 99);
    """)
    decisions = decided(FindingDecision("FK-ORPHAN", "quarantine"))
    succeeded(engine.migrate(source, target, decisions=decisions))
    rows = rows_of(source, target, decisions)["b"]
    assert (rows.left_behind, counts(rows)) == (1, (0, 0, 0))
    (told,) = [pair for pair in row_pairs([rows]) if pair.standing.differs]
    assert told.why == "1 row stays behind by decision (quarantine)"


def test_hundreds_of_thousands_of_rows_are_joined_on_the_server(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, v TEXT);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) "
        "INSERT INTO big SELECT i, 'row ' || i FROM n;"
    )
    succeeded(engine.migrate(source, target))
    db.execute(text("UPDATE big SET v = v || '!' WHERE id % 2 = 0"))
    assert counts(rows_of(source, target)["big"]) == (0, 0, 100_000)
