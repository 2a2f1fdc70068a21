"""Profiling what is stored."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator_tui.model.errors import Interrupted
from migrator_tui.model.profile import ColumnProfile, OrphanCount, SourceProfile
from migrator_tui.sqlite.inspect import inspect
from migrator_tui.sqlite.profile import profile

Make = Callable[..., Path]


def profiled(path: Path, **options: Any) -> SourceProfile:
    return profile(path, inspect(path), **options)


def column(path: Path, name: str = "v", table: str = "t") -> ColumnProfile:
    return profiled(path).tables[table].column(name)


def test_every_row_is_counted_in_its_class(make: Make) -> None:
    found = column(
        make("CREATE TABLE t (v); INSERT INTO t VALUES (1), (-7), (2.5), ('x'), (''), (x'00ff'), (NULL), (9), ('zz');")
    )
    assert (found.nulls, found.integers, found.reals, found.texts, found.blobs) == (1, 3, 1, 3, 1)
    assert found.classes == ("integer", "text", "real", "blob")
    assert (found.integer_min, found.integer_max) == (-7, 9)
    assert (found.real_min, found.real_max) == (2.5, 2.5)
    assert (found.text_max_characters, found.max_bytes, found.empty_texts) == (2, 2, 1)


def test_one_value_of_another_class_far_down_is_found(make: Make) -> None:
    found = column(
        make(
            "CREATE TABLE t (v INT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
            "INSERT INTO t SELECT i FROM n; INSERT INTO t VALUES ('n/a');"
        )
    )
    assert (found.integers, found.texts, found.integer_max) == (5000, 1, 5000)


def test_a_column_of_nulls_and_an_empty_table_have_no_ranges(make: Make) -> None:
    path = make("CREATE TABLE t (v INT); INSERT INTO t VALUES (NULL), (NULL); CREATE TABLE e (v);")
    assert column(path) == ColumnProfile("v", nulls=2)
    assert column(path, table="e") == ColumnProfile("v")
    assert (profiled(path).tables["e"].rows, profiled(path).tables["e"].chunks) == (0, ())


def test_the_ends_of_the_integers_are_exact(make: Make) -> None:
    found = column(make("CREATE TABLE t (v); INSERT INTO t VALUES (9223372036854775807), (-9223372036854775808);"))
    assert (found.integer_min, found.integer_max) == (-(2**63), 2**63 - 1)


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_nul_in_texts_is_found_in_every_encoding(make: Make, encoding: str) -> None:
    found = column(
        make(
            "CREATE TABLE t (v); INSERT INTO t VALUES ('plain'), ('a' || char(0) || 'b'), (char(0)), ('Ā'), "
            "('end' || char(0)), (x'00');",
            encoding=encoding,
        )
    )
    assert (found.texts, found.nul_texts, found.invalid_utf8) == (5, 3, 0)
    assert found.text_max_characters == 5


def test_texts_that_are_not_utf8_are_counted_and_measured_as_latin1(make: Make) -> None:
    found = column(
        make(
            "CREATE TABLE t (v DATE); INSERT INTO t VALUES ('ok'), (CAST(x'636166e96eff' AS TEXT)), "
            "(CAST(x'eda080' AS TEXT)), (CAST(x'c000' AS TEXT)), (x'ff');"
        )
    )
    assert (found.texts, found.invalid_utf8, found.nul_texts) == (4, 3, 1)
    assert found.text_max_characters == 6
    assert found.shapes == {"other": 4}


def test_lengths_are_in_characters_and_bytes(make: Make) -> None:
    found = column(make("CREATE TABLE t (v); INSERT INTO t VALUES ('é🎉x'), ('abcd');"))
    assert (found.text_max_characters, found.max_bytes) == (4, 7)


def test_infinite_reals_are_counted(make: Make) -> None:
    found = column(make("CREATE TABLE t (v REAL); INSERT INTO t VALUES (9e999), (-9e999), (1.5), (9e999);"))
    assert (found.reals, found.infinite_reals) == (4, 3)
    assert (found.real_min, found.real_max) == (-math.inf, math.inf)
    assert found.decimals is None


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ("(1.5), (2.25), (10.0)", 2),
        ("(0.1), (0.001)", 3),
        ("(5.0)", 0),
        ("(-1234567.12345678)", 8),
        ("(0.1), (1e22)", None),
        ("(1e-9)", None),
        ("(0.1 + 0.2)", None),
        ("(123456789012345.6)", None),
    ],
)
def test_decimals_are_the_digits_of_the_shortest_form(make: Make, values: str, decimals: int | None) -> None:
    assert column(make(f"CREATE TABLE t (v REAL); INSERT INTO t VALUES {values};")).decimals == decimals


def test_a_minus_zero_has_no_decimal(tmp_path: Path) -> None:
    path = tmp_path / "zero.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (v)")
        connection.executemany("INSERT INTO t VALUES (?)", [(-0.0,), (1.5,)])
        connection.commit()
        (stored,) = connection.execute("SELECT v FROM t").fetchone()
    expected = None if math.copysign(1, stored) < 0 else 1
    assert column(path).decimals == expected


def test_shapes_are_counted_where_the_declared_type_asks(make: Make) -> None:
    path = make(
        "CREATE TABLE t (d DATETIME, b my_boolean, s TEXT, ts timestamp);"
        "INSERT INTO t VALUES ('2026-01-05 10:00:00', 't', '2026-01-05', 1700000000), "
        "('2026-01-05', 'f', 't', '2026-01-05T10:00:00.123Z'), ('2026-02-30', 't', '', NULL), (NULL, 'x', '', '');"
    )
    assert column(path, "d").shapes == {"iso-datetime-space": 1, "iso-date": 1, "other": 1}
    assert column(path, "b").shapes == {"bool-tf": 3, "other": 1}
    assert column(path, "s").shapes == {}
    assert column(path, "ts").shapes == {"iso-datetime-T.3+Z": 1, "empty": 1}


def test_generated_columns_are_profiled_too(make: Make) -> None:
    found = column(make("CREATE TABLE t (a, v AS (a || '!')); INSERT INTO t VALUES ('x'), (NULL);"))
    assert (found.texts, found.nulls) == (1, 1)


def test_a_table_of_many_columns_is_profiled(make: Make) -> None:
    names = [f"c{i}" for i in range(1500)]
    path = make(f"CREATE TABLE t ({', '.join(names)}); INSERT INTO t VALUES ({', '.join(map(str, range(1500)))});")
    table = profiled(path).tables["t"]
    assert [found.integer_max for found in table.columns] == list(range(1500))
    assert table.bytes == 1500 * 8


def test_names_that_need_quotes_are_profiled(make: Make) -> None:
    path = make(
        'CREATE TABLE "a ""b" ("x y" TEXT, "select" DATE, "q""q" REAL); '
        "INSERT INTO \"a \"\"b\" VALUES ('v', '2026-01-05', 1.5);"
    )
    table = profiled(path).tables['a "b']
    assert [found.classes for found in table.columns] == [("text",), ("text",), ("real",)]


def test_null_keys_are_rows_with_a_null_in_any_key_column(make: Make) -> None:
    path = make(
        "CREATE TABLE one (k TEXT PRIMARY KEY); INSERT INTO one VALUES (NULL), (NULL), ('x');"
        "CREATE TABLE two (a, b, PRIMARY KEY (a, b));"
        "INSERT INTO two VALUES (NULL, NULL), (1, NULL), (NULL, 2), (3, 3);"
        "CREATE TABLE alias (id INTEGER PRIMARY KEY); INSERT INTO alias VALUES (NULL);"
    )
    assert profiled(path).null_keys == {"one": 2, "two": 3}


def test_case_groups_are_rows_of_unique_columns_equal_but_for_case(make: Make) -> None:
    path = make(
        "CREATE TABLE u (id INTEGER PRIMARY KEY, email TEXT UNIQUE, nick TEXT, other TEXT, part TEXT);"
        "CREATE UNIQUE INDEX by_nick ON u (nick); CREATE UNIQUE INDEX some ON u (part) WHERE id > 9;"
        "INSERT INTO u VALUES (1, 'Ann@x', 'a', 'a', 'a'), (2, 'ann@x', 'B', 'A', 'A'), (3, 'ANN@X', 'b', 'A', 'a'), "
        "(4, 'bob', 'c', 'a', 'x'), (5, NULL, NULL, NULL, NULL), (6, 'É', 'É', '', ''), (7, 'é', 'é', '', '');"
    )
    assert profiled(path).case_groups == {("u", "email"): 3, ("u", "nick"): 2}


def test_orphans_are_counted_per_foreign_key_with_the_keys_of_the_first(make: Make) -> None:
    path = make(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT UNIQUE); INSERT INTO p VALUES (1, 'a');"
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p1 REFERENCES p, p2 REFERENCES p (code), p3 REFERENCES nowhere);"
        "INSERT INTO c VALUES (10, 1, 'a', NULL), (11, 2, 'x', NULL), (12, 3, 'a', 5), (13, NULL, NULL, NULL);"
        "INSERT INTO c SELECT id + 100, 77, NULL, NULL FROM c;"
        "CREATE TABLE w (k TEXT PRIMARY KEY, p INT REFERENCES p) WITHOUT ROWID;"
        "INSERT INTO w VALUES ('x', 1), ('y', 4);"
    )
    assert profiled(path).orphans == (
        OrphanCount("c", 0, 6, ("id=11", "id=12", "id=110", "id=111", "id=112")),
        OrphanCount("c", 1, 1, ("id=11",)),
        OrphanCount("c", 2, 1, ("id=12",)),
        OrphanCount("w", 0, 1, ("k='y'",)),
    )


def test_orphans_are_counted_where_sqlite_refuses_to_check_the_foreign_key(make: Make) -> None:
    path = make("CREATE TABLE p (a); CREATE TABLE c (x REFERENCES p (a)); INSERT INTO c VALUES (1);")
    assert profiled(path).orphans == (OrphanCount("c", 0, 1, ("rowid=1",)),)


def test_shadow_tables_are_only_counted(make: Make) -> None:
    path = make("CREATE VIRTUAL TABLE docs USING fts5(body); INSERT INTO docs VALUES ('one'), ('two');")
    tables = profiled(path).tables
    assert (tables["docs"].rows, tables["docs"].column("body").texts, len(tables["docs"].chunks)) == (2, 2, 1)
    assert (tables["docs_content"].rows, tables["docs_content"].columns, tables["docs_content"].chunks) == (2, (), ())


def test_a_collation_of_the_application_does_not_stop_the_profile(tmp_path: Path) -> None:
    path = tmp_path / "source.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.create_collation("OURS", lambda a, b: (a > b) - (a < b))
        connection.executescript(
            "CREATE TABLE p (k TEXT COLLATE OURS PRIMARY KEY, n INT); INSERT INTO p VALUES ('a', 1), ('A', 2);"
            "CREATE TABLE c (k TEXT REFERENCES p); INSERT INTO c VALUES ('a'), ('z');"
        )
    found = profiled(path)
    assert found.tables["p"].column("k").texts == 2
    assert found.case_groups == {("p", "k"): 2}
    assert found.orphans == ()


def test_several_workers_find_the_same_as_one(make: Make) -> None:
    path = make(
        "".join(f"CREATE TABLE t{i} (a, b TEXT); INSERT INTO t{i} VALUES ({i}, 'x'), (2, 'y');" for i in range(20))
    )
    told: list[tuple[str, int]] = []
    found = profiled(path, workers=4, on_table=lambda table, rows: told.append((table, rows)))
    assert found == profiled(path)
    assert sorted(told) == sorted((f"t{i}", 2) for i in range(20))


def test_a_stop_ends_the_work(make: Make) -> None:
    with pytest.raises(Interrupted):
        profiled(make("CREATE TABLE t (a); INSERT INTO t VALUES (1);"), stop=lambda: True)


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text("ab\0é", max_size=5),
    st.binary(max_size=4),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(VALUES, max_size=30))
def test_a_profile_says_what_python_counts(tmp_path: Path, values: list[Any]) -> None:
    path = tmp_path / "values.db"
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (v)")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
        connection.commit()
    found = column(path)
    integers = [v for v in values if isinstance(v, int)]
    texts = [v for v in values if isinstance(v, str)]
    reals = [v for v in values if isinstance(v, float)]
    blobs = [v for v in values if isinstance(v, bytes)]
    assert (found.nulls, found.integers, found.reals, found.texts, found.blobs) == (
        values.count(None),
        len(integers),
        len(reals),
        len(texts),
        len(blobs),
    )
    assert (found.integer_min, found.integer_max) == (min(integers, default=None), max(integers, default=None))
    assert (found.real_min, found.real_max) == (min(reals, default=None), max(reals, default=None))
    assert found.infinite_reals == sum(map(math.isinf, reals))
    assert found.nul_texts == sum("\0" in text for text in texts)
    assert found.empty_texts == texts.count("")
    assert found.text_max_characters == max(map(len, texts), default=0)
    assert found.max_bytes == max((len(v) for v in [*blobs, *(text.encode() for text in texts)]), default=0)


def test_real_databases_are_profiled(corpus: Path) -> None:
    world = profiled(corpus / "world_rails_tf.db")
    assert world.tables["countries"].column("s").shapes == {"bool-tf": 204}
    assert world.tables["countries"].column("created_at").shapes == {"iso-datetime-space.6": 204}
    assert profiled(corpus / "pgloader_oddtypes.db").null_keys == {"autoinc": 3}
    mismatch = profiled(corpus / "pgloader_type_mismatch.db").tables["products"].column("qty")
    assert (mismatch.integers, mismatch.texts) == (2, 1)
    assert sum(table.rows for table in profiled(corpus / "chinook.sqlite").tables.values()) == 15607
