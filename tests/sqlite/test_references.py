"""Sets of rows: by a predicate, by a broken reference, by descent."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator_tui.model.errors import SourceError
from migrator_tui.model.schema import Database, Table
from migrator_tui.sqlite.inspect import inspect
from migrator_tui.sqlite.profile import profile
from migrator_tui.sqlite.references import (
    descendants,
    invalid_utf8_rows,
    orphans,
    predicate,
    rows_not_of_shapes,
    rows_where,
    violated,
)

Make = Callable[..., Path]
Read = Callable[[Path], tuple[Database, Callable[[str], Table]]]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_predicates_find_the_rows_that_decisions_are_about(make: Make, read_schema: Read, encoding: str) -> None:
    path = make(
        'CREATE TABLE t ("a b", n);'
        "INSERT INTO t VALUES ('x', 1), ('nul' || char(0), NULL), (x'00', 2.5), (5, 'n/a'), ('X', 300), (NULL, NULL);",
        encoding=encoding,
    )
    table = read_schema(path)[1]("t")

    def rows(kind: str, columns: str | list[str], argument: str = "") -> list[int]:
        return rows_where(path, table, predicate(kind, columns, argument))

    assert rows("nul", "a b") == [2]
    assert rows("null-key", ["a b", "n"]) == [2, 6]
    assert rows("class-not", "n", "integer") == [3, 4]
    assert rows("class-not", ["a b"], "text") == [3, 4]
    assert rows("case-duplicate", "a b") == [5]
    assert rows("outside", "n", "NOT BETWEEN -10 AND 100") == [4, 5]
    assert rows("outside", "a b", "longer 1") == [2]


@pytest.mark.parametrize(
    ("kind", "argument"), [("nope", ""), ("class-not", "text') OR 1"), ("outside", "IS 1"), ("outside", "longer x")]
)
def test_a_predicate_that_does_not_exist_is_refused(kind: str, argument: str) -> None:
    with pytest.raises(ValueError, match=r"no predicate|invalid literal"):
        predicate(kind, "a", argument)


def test_references_between_columns_that_are_named_like_constants_are_followed(make: Make, read_schema: Read) -> None:
    path = make(
        'CREATE TABLE p ("True" INTEGER PRIMARY KEY, "false" TEXT UNIQUE);'
        'CREATE TABLE c (id INTEGER PRIMARY KEY, "TRUE" INTEGER REFERENCES p, "False" TEXT REFERENCES p ("false"));'
        "INSERT INTO p VALUES (1, 'a'), (2, 'b'); INSERT INTO c VALUES (1, 1, 'a'), (2, 9, 'b'), (3, NULL, 'x');"
    )
    database, table = read_schema(path)

    assert [orphans(path, database, table("c"), number) for number in (0, 1)] == [[2], [3]]
    assert set(descendants(path, database, {"p": [2]})["c"]) == {2}
    assert [(o.index, o.rows) for o in profile(path, database).orphans] == [(0, 1), (1, 1)]


def test_the_first_of_each_case_group_is_kept_also_without_a_rowid(make: Make, read_schema: Read) -> None:
    path = make(
        "CREATE TABLE t (k TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO t VALUES ('b'), ('B'), ('a'), ('A'), ('c');"
    )
    # In order of the key: A B a b c.
    assert rows_where(path, read_schema(path)[1]("t"), predicate("case-duplicate", "k")) == [3, 4]


def test_a_condition_that_sqlite_refuses_names_the_table(make: Make, read_schema: Read) -> None:
    path = make("CREATE TABLE t (a)")
    with pytest.raises(SourceError, match=r"^t cannot be read: no such column"):
        rows_where(path, read_schema(path)[1]("t"), "t.nope = 1")


def test_texts_that_are_not_utf8_are_found_by_row(make: Make, read_schema: Read) -> None:
    path = make(
        "CREATE TABLE t (v); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) "
        "INSERT INTO t SELECT CASE WHEN i IN (1, 4096, 4097, 9000) THEN CAST(x'e9' AS TEXT) WHEN i % 7 = 0 THEN x'ff' "
        "WHEN i % 5 = 0 THEN NULL WHEN i % 3 = 0 THEN i ELSE 'é' END FROM n;"
    )
    assert invalid_utf8_rows(path, read_schema(path)[1]("t"), "v") == [1, 4096, 4097, 9000]


def test_texts_of_no_known_shape_are_found_by_row(make: Make, read_schema: Read) -> None:
    path = make(
        "CREATE TABLE t (v DATE); INSERT INTO t VALUES ('2026-01-05'), ('2026-02-30'), (NULL), (7), "
        "('2026-01-05 10:00:00'), (CAST(x'e9' AS TEXT)), ('');"
    )
    table = read_schema(path)[1]("t")
    assert rows_not_of_shapes(path, table, "v", {"iso-date"}) == [2, 5, 6, 7]
    assert rows_not_of_shapes(path, table, "v", {"iso-date", "iso-datetime-space"}) == [2, 6, 7]
    assert rows_not_of_shapes(path, table, "v", set()) == [1, 2, 5, 6, 7]


# SQLite's own check is the measure: affinity, collation, NULLs, composite keys.
ORPHANS = """
CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT UNIQUE, name TEXT COLLATE NOCASE UNIQUE, any UNIQUE, x INT, y TEXT,
    UNIQUE (x, y));
INSERT INTO p VALUES (1, '1', 'Ann', 1, 1, 'a'), (2, '02', 'bob', '2', 2, 'b');
CREATE TABLE c (id INTEGER PRIMARY KEY, a TEXT REFERENCES p, b INT REFERENCES p (code), n TEXT REFERENCES p (name),
    z REFERENCES p (any), x, y, self REFERENCES c, FOREIGN KEY (y, x) REFERENCES p (y, x));
INSERT INTO c VALUES
    (1, '1', 1, 'ANN', 1, 1, 'a', 1), (2, '01', 2, 'BOB', 2, 2, 'a', 3), (3, 'x', NULL, 'cy', '2', NULL, 'zz', 99),
    (4, NULL, 3, NULL, '1', '1', 'a', NULL), (5, '3', '1', '', x'31', 3, NULL, 5),
    (6, 2.0, 1.0, 'ann', 1.0, 1.0, 'b', 6);
"""


def test_orphans_are_those_that_sqlites_check_finds(make: Make, read_schema: Read) -> None:
    path = make(ORPHANS)
    database, table = read_schema(path)
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("PRAGMA foreign_key_check(c)").fetchall()
        listed = connection.execute("PRAGMA foreign_key_list(c)").fetchall()
    by_columns: dict[tuple[str, ...], list[int]] = {}
    for _, rowid, _, number in found:
        key = tuple(row[3] for row in listed if row[0] == number)
        by_columns.setdefault(key, []).append(rowid)
    keys = table("c").foreign_keys
    assert {
        key.columns: rows for index, key in enumerate(keys) if (rows := orphans(path, database, table("c"), index))
    } == {columns: sorted(rows) for columns, rows in by_columns.items()}
    with closing(sqlite3.connect(path)) as connection:
        assert {keys[index].columns for index in violated(connection, table("c"))} == set(by_columns)
    assert len(by_columns) > 3


def test_every_row_that_refers_to_a_table_that_is_not_there_is_an_orphan(make: Make, read_schema: Read) -> None:
    path = make("CREATE TABLE c (a REFERENCES nowhere, b); INSERT INTO c VALUES (1, 1), (NULL, 2), (3, 3);")
    database, table = read_schema(path)
    assert orphans(path, database, table("c"), 0) == [1, 3]


def test_a_foreign_key_onto_columns_that_are_not_there_has_no_orphans_to_name(make: Make, read_schema: Read) -> None:
    path = make("CREATE TABLE p (a); CREATE TABLE c (x REFERENCES p (b), y REFERENCES p); INSERT INTO c VALUES (1, 1);")
    database, table = read_schema(path)
    assert orphans(path, database, table("c"), 0) == []
    assert orphans(path, database, table("c"), 1) == []
    with closing(sqlite3.connect(path)) as connection:
        assert violated(connection, table("c")) == [0, 1]  # what SQLite cannot check is looked at row by row


def test_descent_is_followed_to_the_end_with_the_reason(make: Make, read_schema: Read) -> None:
    path = make(
        "CREATE TABLE users (id INTEGER PRIMARY KEY); INSERT INTO users VALUES (1), (7);"
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, author REFERENCES users, reply_to REFERENCES posts);"
        "INSERT INTO posts VALUES (10, 7, NULL), (11, 1, 10), (12, 1, 11), (13, 1, NULL), (14, NULL, 13);"
        "CREATE TABLE likes (post REFERENCES posts, user REFERENCES users, PRIMARY KEY (post, user)) WITHOUT ROWID;"
        "INSERT INTO likes VALUES (12, 1), (13, 1), (13, 7);"
    )
    database, _ = read_schema(path)
    found = descendants(path, database, {"users": [7]})
    assert found == {
        "posts": {
            10: "refers to users id=7, which is quarantined",
            11: "refers to posts id=10, which is quarantined",
            12: "refers to posts id=11, which is quarantined",
        },
        "likes": {
            1: "refers to posts id=12, which is quarantined",
            3: "refers to users id=7, which is quarantined",
        },
    }


def test_cycles_of_tables_and_of_rows_come_to_an_end(make: Make) -> None:
    path = make(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b REFERENCES b);"
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a REFERENCES a);"
        "INSERT INTO a VALUES (1, 1), (2, 2), (3, NULL); INSERT INTO b VALUES (1, 2), (2, 1), (3, 3);"
        "CREATE TABLE s (id INTEGER PRIMARY KEY, s REFERENCES s); INSERT INTO s VALUES (1, 1), (2, 1), (3, 3);"
    )
    database = inspect(path)
    found = descendants(path, database, {"a": [1], "s": [1]})
    assert {table: set(rows) for table, rows in found.items()} == {"a": {2}, "b": {1, 2}, "s": {2}}


def test_a_composite_reference_with_a_null_in_it_is_none(make: Make) -> None:
    path = make(
        "CREATE TABLE p (x, y, PRIMARY KEY (x, y)); INSERT INTO p VALUES (1, 1), (1, 2);"
        "CREATE TABLE c (x, y, FOREIGN KEY (x, y) REFERENCES p);"
        "INSERT INTO c VALUES (1, 1), (1, 2), (1, NULL), (NULL, 1), (NULL, NULL);"
    )
    assert {t: set(rows) for t, rows in descendants(path, inspect(path), {"p": [1]}).items()} == {"c": {1}}


def test_a_foreign_key_that_fits_no_key_of_its_parent_is_not_followed(make: Make) -> None:
    path = make(
        "CREATE TABLE p (a, id INTEGER PRIMARY KEY); INSERT INTO p VALUES (5, 1); "
        "CREATE TABLE c (x REFERENCES p (a), y REFERENCES p (nope)); INSERT INTO c VALUES (5, 5);"
    )
    assert descendants(path, inspect(path), {"p": [1]}) == {}


def test_no_seeds_have_no_descendants(make: Make) -> None:
    path = make("CREATE TABLE s (id INTEGER PRIMARY KEY, s REFERENCES s); INSERT INTO s VALUES (1, 1);")
    assert descendants(path, inspect(path), {}) == {}
    assert descendants(path, inspect(path), {"s": []}) == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(st.tuples(st.none() | st.integers(1, 12), st.none() | st.integers(1, 12)), min_size=1, max_size=12),
    st.sets(st.integers(1, 12), max_size=3),
)
def test_what_is_left_refers_to_nothing_that_is_gone(
    tmp_path: Path, rows: list[tuple[int | None, int | None]], seeds: set[int]
) -> None:
    """Deleting seeds and descendants makes no new orphan, and no row less would do."""
    path = tmp_path / "graph.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INT REFERENCES t, b INT REFERENCES t)")
        connection.executemany(
            "INSERT INTO t VALUES (?, ?, ?)", [(number, a, b) for number, (a, b) in enumerate(rows, start=1)]
        )
        connection.commit()
    alive = {number: {a, b} for number, (a, b) in enumerate(rows, start=1)}
    seeds &= set(alive)
    expected = set(seeds)
    while more := {number for number, refers in alive.items() if refers & expected} - expected:
        expected |= more
    found = descendants(path, inspect(path), {"t": sorted(seeds)})
    assert set(found.get("t", {})) == expected - seeds
