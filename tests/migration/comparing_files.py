"""Two SQLite files held beside one another: schema, and every cell by value and storage class."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import Any


def contents(path: Path, *, without: Collection[tuple[str, str]] = ()) -> dict[str, list[tuple[Any, ...]]]:
    """Table → its rows in order, each cell as its storage class and its bytes; some columns left out."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
        ).fetchall()
        return {table.decode(): _rows(connection, table.decode(), without) for (table,) in tables}


def rows_of(path: Path, table: str, without: Collection[tuple[str, str]] = ()) -> list[tuple[Any, ...]]:
    """One table's rows, as ``contents`` has them."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        return _rows(connection, table, without)


def _rows(connection: sqlite3.Connection, table: str, without: Collection[tuple[str, str]]) -> list[tuple[Any, ...]]:
    name = '"' + table.replace('"', '""') + '"'
    columns = [row[1].decode() for row in connection.execute(f"PRAGMA table_xinfo({name})")]
    columns = [column for column in columns if (table, column) not in without]
    listed = ", ".join(
        f"typeof({c}), CASE typeof({c}) WHEN 'real' THEN printf('%!.17g', {c}) ELSE {c} END"
        for c in ('"' + column.replace('"', '""') + '"' for column in columns)
    )
    return sorted(connection.execute(f"SELECT {listed or 1} FROM {name}").fetchall(), key=repr)


def statements(path: Path) -> list[tuple[str, str, str]]:
    """Every object of the schema: kind, name and statement."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
        ).fetchall()


def sequences(path: Path) -> dict[str, int]:
    """Table → AUTOINCREMENT's high-water mark."""
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
            return {}
        return dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
