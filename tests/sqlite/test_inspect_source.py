"""Reading a schema from a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from migrator_tui.model.errors import SourceError
from migrator_tui.model.schema import (
    Check,
    Database,
    Generated,
    IndexPart,
    Key,
    ReferentialAction,
    Table,
    TableName,
)
from migrator_tui.sqlite.inspect import inspect

Make = Callable[..., Path]
Read = Callable[[Path], tuple[Database, Callable[[str], Table]]]


def test_tables_come_in_order_of_creation_and_sqlites_own_are_left_out(make: Make) -> None:
    database = inspect(
        make(
            "CREATE TABLE z (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE a (x UNIQUE); CREATE INDEX i ON a (x);"
            "INSERT INTO z DEFAULT VALUES; INSERT INTO a VALUES (1); ANALYZE;"
        )
    )
    assert [table.name.name for table in database.tables] == ["z", "a"]
    assert (database.side, database.encoding) == ("sqlite", "UTF-8")


def test_columns_keep_their_declared_types_defaults_and_collations(make: Make, read_schema: Read) -> None:
    _, table = read_schema(
        make(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL DEFAULT 'x,)' COLLATE nocase, anything, "
            "made DATETIME DEFAULT CURRENT_TIMESTAMP, n INT DEFAULT (1 + 2), plain TEXT COLLATE binary)"
        )
    )
    columns = {column.name: column for column in table("t").columns}
    assert columns["id"].identity
    assert columns["name"].type == "VARCHAR(40)"
    assert (columns["name"].not_null, columns["name"].default, columns["name"].collation) == (True, "'x,)'", "NOCASE")
    assert (columns["anything"].type, columns["anything"].default) == ("", None)
    assert columns["made"].default == "CURRENT_TIMESTAMP"
    assert columns["n"].default == "1 + 2"
    assert columns["plain"].collation is None


def test_generated_columns_are_found_with_their_expressions(make: Make, read_schema: Read) -> None:
    _, table = read_schema(
        make("CREATE TABLE t (a INT, b INT GENERATED ALWAYS AS (a * 2) STORED, c TEXT AS (a || '(') )")
    )
    assert [column.generated for column in table("t").columns] == [
        None,
        Generated("a * 2", True),
        Generated("a || '('", False),
    ]
    assert [column.name for column in table("t").stored_columns] == ["a"]


@pytest.mark.parametrize(
    ("definition", "identity"),
    [
        ("id INTEGER PRIMARY KEY", True),
        ("id integer primary key asc", True),
        ("id INTEGER, PRIMARY KEY (id)", True),
        ("id INTEGER, PRIMARY KEY (ID DESC)", True),
        ("id INTEGER PRIMARY KEY DESC", False),
        ("id INT PRIMARY KEY", False),
        ("id BIGINT PRIMARY KEY", False),
        ("id INTEGER, b, PRIMARY KEY (id, b)", False),
    ],
)
def test_identity_is_exactly_what_sqlite_makes_an_alias_of_the_rowid(
    make: Make, read_schema: Read, definition: str, identity: bool
) -> None:
    path = make(f"CREATE TABLE t ({definition}); INSERT INTO t (id) VALUES (NULL);")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id IS NOT NULL FROM t").fetchone() == (identity,)
    _, table = read_schema(path)
    assert table("t").column("id").identity == identity


def test_without_rowid_has_no_identity_and_no_locator(make: Make, read_schema: Read) -> None:
    _, table = read_schema(make("CREATE TABLE t (id INTEGER PRIMARY KEY, a ANY) WITHOUT ROWID, STRICT"))
    assert (table("t").without_rowid, table("t").strict) == (True, True)
    assert table("t").locator is None
    assert not table("t").column("id").identity


@pytest.mark.parametrize(
    ("columns", "locator"),
    [
        ("a", "rowid"),
        ("a, RowID", "_rowid_"),
        ("rowid, _ROWID_", "oid"),
        ("oid, rowid", "_rowid_"),
        ("rowid, oid, _rowid_", None),
    ],
)
def test_the_locator_is_a_name_of_the_rowid_that_no_column_hides(
    make: Make, read_schema: Read, columns: str, locator: str | None
) -> None:
    _, table = read_schema(make(f"CREATE TABLE t ({columns})"))
    assert table("t").locator == locator


def test_keys_carry_the_names_that_they_were_given(make: Make, read_schema: Read) -> None:
    _, table = read_schema(
        make(
            "CREATE TABLE t (a, B, c CONSTRAINT one UNIQUE, d UNIQUE, CONSTRAINT pk PRIMARY KEY (b, A), "
            "CONSTRAINT two UNIQUE (C, a), UNIQUE (d, a))"
        )
    )
    assert table("t").primary_key == Key(("B", "a"), "pk")
    assert table("t").uniques == (
        Key(("c",), "one"),
        Key(("d",), None),
        Key(("c", "a"), "two"),
        Key(("d", "a"), None),
    )
    assert table("t").indexes == ()


def test_a_key_with_another_collation_is_an_index(make: Make, read_schema: Read) -> None:
    made = "CREATE TABLE t (a, b COLLATE nocase, UNIQUE (a COLLATE nocase), UNIQUE (b));"
    _, table = read_schema(
        make(f"{made} CREATE TABLE k (a PRIMARY KEY); CREATE TABLE c (a, PRIMARY KEY (a COLLATE rtrim))")
    )
    assert table("k").indexes == ()
    assert table("c").primary_key == Key(("a",), None)
    assert [(index.unique, index.parts) for index in table("c").indexes] == [
        (True, (IndexPart("a", collation="rtrim"),))
    ]
    assert table("t").uniques == (Key(("b",), None),)
    (index,) = table("t").indexes
    assert index.unique
    assert [(part.column, (part.collation or "").upper()) for part in index.parts] == [("a", "NOCASE")]


def test_indexes_keep_order_expression_collation_and_predicate(make: Make, read_schema: Read) -> None:
    _, table = read_schema(
        make(
            "CREATE TABLE t (a TEXT, b TEXT COLLATE NOCASE, [c d] INT);"
            "CREATE INDEX plain ON t (a, [c d] DESC);"
            "CREATE UNIQUE INDEX odd ON t (lower(a) DESC, b, b COLLATE BINARY, a COLLATE RTRIM) WHERE [c d] > 0;"
        )
    )
    plain, odd = table("t").indexes
    assert plain.parts == (IndexPart("a"), IndexPart("c d", descending=True))
    assert (plain.unique, plain.where) == (False, None)
    assert odd.parts == (
        IndexPart(None, "lower(a)", True),
        IndexPart("b"),
        IndexPart("b", collation="BINARY"),
        IndexPart("a", collation="RTRIM"),
    )
    assert (odd.unique, odd.where) == (True, "[c d] > 0")
    assert odd.sql.startswith("CREATE UNIQUE INDEX odd")


def test_foreign_keys_come_in_order_of_declaration_and_resolved(make: Make, read_schema: Read) -> None:
    _, table = read_schema(
        make(
            "CREATE TABLE Parent (Id INTEGER PRIMARY KEY, A, B, UNIQUE (A, B));"
            "CREATE TABLE pair (x, y, PRIMARY KEY (y, x));"
            "CREATE TABLE child (p INT CONSTRAINT first REFERENCES PARENT ON DELETE CASCADE, q, r, "
            "self REFERENCES child (p), gone REFERENCES nowhere, gone2 REFERENCES nowhere (k) ON UPDATE RESTRICT, "
            "CONSTRAINT two FOREIGN KEY (q, r) REFERENCES parent (a, b) ON UPDATE SET DEFAULT DEFERRABLE INITIALLY "
            "DEFERRED, FOREIGN KEY (r, q) REFERENCES pair ON DELETE SET NULL)"
        )
    )
    keys = table("child").foreign_keys
    assert [(key.columns, key.parent.name, key.parent_columns, key.name) for key in keys] == [
        (("p",), "Parent", ("Id",), "first"),
        (("self",), "child", ("p",), None),
        (("gone",), "nowhere", (), None),
        (("gone2",), "nowhere", ("k",), None),
        (("q", "r"), "Parent", ("A", "B"), "two"),
        (("r", "q"), "pair", ("y", "x"), None),
    ]
    assert keys[0].on_delete == ReferentialAction.CASCADE
    assert keys[3].on_update == ReferentialAction.RESTRICT
    assert (keys[4].on_update, keys[4].deferrable, keys[4].initially_deferred) == ("SET DEFAULT", True, True)
    assert (keys[5].on_delete, keys[5].deferrable) == ("SET NULL", False)


def test_checks_of_columns_and_of_the_table_are_found(make: Make, read_schema: Read) -> None:
    _, table = read_schema(make("CREATE TABLE t (a CHECK (a IN ('x', 'y')), CONSTRAINT both CHECK (a <> ''))"))
    assert table("t").checks == (Check("a IN ('x', 'y')"), Check("a <> ''", "both"))


def test_the_statement_is_read_as_sqlite_rewrote_it(make: Make, read_schema: Read) -> None:
    _, table = read_schema(
        make(
            "CREATE TABLE t (a CHECK (a > 0), b COLLATE nocase); ALTER TABLE t RENAME COLUMN a TO [new name];"
            "ALTER TABLE t ADD COLUMN c TEXT COLLATE rtrim CHECK (c <> ''); ALTER TABLE t RENAME TO \"t 2\";"
        )
    )
    assert [check.expression for check in table("t 2").checks] == ['"new name" > 0', "c <> ''"]
    assert [column.collation for column in table("t 2").columns] == [None, "NOCASE", "RTRIM"]


def test_a_table_made_of_a_query_has_its_columns(make: Make, read_schema: Read) -> None:
    _, table = read_schema(make("CREATE TABLE t AS SELECT 1 AS a, 'x' AS \"b c\""))
    assert [column.name for column in table("t").columns] == ["a", "b c"]


def test_the_high_water_mark_of_autoincrement_is_read(make: Make, read_schema: Read) -> None:
    _, table = read_schema(
        make(
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t VALUES (41); DELETE FROM t;"
            "CREATE TABLE never (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE plain (id INTEGER PRIMARY KEY);"
        )
    )
    assert (table("t").sequence_high, table("never").sequence_high, table("plain").sequence_high) == (41, None, None)


def test_views_and_triggers_are_found_also_broken_ones(make: Make) -> None:
    path = make(
        "CREATE TABLE T (a, b); CREATE VIEW v AS SELECT a AS x, b FROM t; CREATE VIEW broken AS SELECT * FROM nowhere;"
        "CREATE TRIGGER touch AFTER INSERT ON t BEGIN UPDATE t SET b = 1; END;"
    )
    database = inspect(path)
    assert [(view.name.name, view.columns) for view in database.views] == [("v", ("x", "b")), ("broken", ())]
    (trigger,) = database.triggers_of(TableName("", "T"))
    assert trigger.name == "touch"
    assert "UPDATE t" in trigger.sql


def test_virtual_tables_and_what_they_keep_are_told_apart(make: Make, read_schema: Read) -> None:
    database, table = read_schema(
        make("CREATE VIRTUAL TABLE docs USING fts5(title, body); CREATE TABLE docs_data2 (a); CREATE TABLE docs_x (a);")
    )
    assert table("docs").virtual == "fts5"
    assert [column.name for column in table("docs").columns] == ["rowid", "title", "body"]
    shadows = {found.name.name for found in database.tables if found.shadow_of == "docs"}
    assert shadows == {"docs_data", "docs_idx", "docs_content", "docs_docsize", "docs_config"}


def test_a_virtual_table_whose_module_is_missing_is_still_listed(make: Make, read_schema: Read) -> None:
    path = make("CREATE TABLE t (a)")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "INSERT INTO sqlite_master VALUES ('table', 'shape', 'shape', 0, ?)",
            ("CREATE VIRTUAL TABLE shape USING vanished(a)",),
        )
        connection.commit()
    _, table = read_schema(path)
    assert (table("shape").virtual, table("shape").columns) == ("vanished", ())


def test_a_schema_that_sqlite_cannot_read_is_named(make: Make) -> None:
    path = make("CREATE TABLE t (a)")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE TABLE t (a,,)' WHERE name = 't';"
        )
    with pytest.raises(SourceError) as caught:
        inspect(path)
    assert caught.value.id == "SOURCE-SCHEMA"


def test_a_name_that_needs_quotes_is_read_as_it_is(make: Make, read_schema: Read) -> None:
    name = "we\"ird ' [t]`; --"
    quoted = '"' + name.replace('"', '""') + '"'
    _, table = read_schema(make(f"CREATE TABLE {quoted} ({quoted} INTEGER PRIMARY KEY, b REFERENCES {quoted})"))
    assert table(name).column(name).identity
    assert table(name).foreign_keys[0].parent_columns == (name,)


def test_a_real_database_is_read_whole(corpus: Path) -> None:
    database = inspect(corpus / "chinook.sqlite")
    employee = database.table(TableName("", "Employee"))
    assert employee is not None
    assert len(database.tables) == 11
    assert sum(len(table.foreign_keys) for table in database.tables) == 11
    assert [(key.columns, key.parent.name, key.parent_columns) for key in employee.foreign_keys] == [
        (("ReportsTo",), "Employee", ("EmployeeId",))
    ]
    views = inspect(corpus / "northwind_views.db").views
    assert len(views) == 17
    assert len(inspect(corpus / "gpkg_nulls.gpkg").triggers) == 18
