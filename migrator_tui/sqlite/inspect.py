"""Read the schema of a snapshot, as it is declared; what is stored is :mod:`migrator_tui.sqlite.profile`'s to say."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from migrator_tui.model.errors import SourceError
from migrator_tui.model.schema import (
    Column,
    Database,
    ForeignKey,
    Generated,
    Index,
    IndexPart,
    Key,
    ReferentialAction,
    Table,
    TableName,
    Trigger,
    View,
)
from migrator_tui.sqlite.snapshot import connect
from migrator_tui.sqlite.statements import ForeignKeyText, TableText, folded, index_text, table_text
from migrator_tui.sqlite.virtual_tables import FULL_TEXT, SPATIAL, VirtualTable, option

ROWID_NAMES = ("rowid", "_rowid_", "oid")
DEFAULT_COLLATION = "BINARY"

_HIDDEN_OF_VIRTUAL, _GENERATED_VIRTUAL, _GENERATED_STORED = 1, 2, 3

_Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of ``sqlite_master``."""

    type: str
    name: str
    table: str
    sql: str


def inspect(snapshot: Path) -> Database:
    """The schema of a snapshot: tables in order of creation, SQLite's own left out.

    Raises:
        SourceError: ``SOURCE-SCHEMA``: SQLite cannot read the schema.
    """
    try:
        with closing(connect(snapshot)) as connection:
            return _inspect(connection)
    except sqlite3.Error as error:
        raise SourceError(
            "SOURCE-SCHEMA",
            f"The schema of {snapshot} cannot be read: {error}.",
            "Open the file with the sqlite3 command line tool; `.schema` shows the statement that fails.",
        ) from error


def _inspect(connection: sqlite3.Connection) -> Database:
    # Names in other encodings are damaged, not fatal.
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    stored = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master ORDER BY rowid")
    entries = [_Entry(*row) for row in stored]
    own = [entry for entry in entries if not folded(entry.name).startswith("sqlite_")]
    statements = {entry.name: entry.sql for entry in entries if entry.type == "index"}
    tables = [entry for entry in own if entry.type == "table"]
    reader = _Reader(connection, tables, statements)
    triggers = (entry for entry in own if entry.type == "trigger")
    return Database(
        "sqlite",
        sqlite3.sqlite_version,
        _encoding(connection),
        tuple(reader.table(entry) for entry in tables),
        tuple(
            View(TableName("", entry.name), entry.sql, reader.column_names(entry.name))
            for entry in own
            if entry.type == "view"
        ),
        tuple(Trigger(entry.name, TableName("", reader.spelled(entry.table)), entry.sql) for entry in triggers),
    )


def _encoding(connection: sqlite3.Connection) -> str:
    """How the file keeps texts: ``UTF-8``, ``UTF-16le`` or ``UTF-16be``."""
    return str(connection.execute("PRAGMA encoding").fetchone()[0])


class _Reader:
    """Reads the tables of one connection; knows how each is really spelled."""

    def __init__(self, connection: sqlite3.Connection, tables: Sequence[_Entry], indexes: dict[str, str]) -> None:
        self._connection = connection
        self._index_sql = indexes
        self._texts = {entry.name: table_text(entry.sql) for entry in tables}
        self._spelling = {folded(entry.name): entry.name for entry in tables}
        self._columns = {entry.name: self._table_info(entry.name) for entry in tables}
        self._high = self._high_water_marks()
        self._utf16 = _encoding(connection) != "UTF-8"
        self._virtual = {
            name: VirtualTable(folded(text.virtual), text.arguments, bool(self._columns[name]))
            for name, text in self._texts.items()
            if text.virtual is not None
        }
        self._shadows = {
            shadow: owner
            for owner, virtual in self._virtual.items()
            for shadow in virtual.shadows(folded(owner), self._spelling)
        }

    def spelled(self, name: str) -> str:
        """A table's name as its own statement writes it; SQLite takes it in any case."""
        return self._spelling.get(folded(name), name)

    def column_names(self, name: str) -> tuple[str, ...]:
        """The columns of a table or view; none where a view is broken or a virtual table's module missing."""
        return tuple(str(row[1]) for row in self._table_info(name))

    def table(self, entry: _Entry) -> Table:
        """One table, whole."""
        name, text = entry.name, self._texts[entry.name]
        rows = [row for row in self._columns[name] if row[6] != _HIDDEN_OF_VIRTUAL]
        key = tuple(str(row[1]) for row in sorted((r for r in rows if r[5]), key=lambda r: r[5]))
        listed = self._pragma("index_list", name) if text.virtual is None else []
        alias = _rowid_alias(rows, key, text, listed)
        columns = tuple(_column(row, text, alias) for row in rows)
        uniques, indexes = self._indexes(listed, columns, text)
        virtual = self._virtual.get(name)
        if virtual is not None:
            return _virtual_table(entry, virtual, columns)
        return Table(
            TableName("", name),
            columns,
            primary_key=Key(key, text.primary_key.name if text.primary_key else None) if key else None,
            uniques=uniques,
            foreign_keys=self._foreign_keys(name, columns, text.foreign_keys),
            checks=text.checks,
            indexes=indexes,
            locator=_locator(columns, text),
            without_rowid=text.without_rowid,
            strict=text.strict,
            sequence_high=self._high.get(folded(name)),
            shadow_of=self._shadows.get(folded(name)),
            utf16=self._utf16,
            sql=entry.sql,
        )

    def _pragma(self, pragma: str, name: str) -> list[_Row]:
        return self._connection.execute(f"SELECT * FROM pragma_{pragma}(?)", (name,)).fetchall()

    def _table_info(self, name: str) -> list[_Row]:
        try:
            return self._pragma("table_xinfo", name)
        except sqlite3.OperationalError:
            return []

    def _high_water_marks(self) -> dict[str, int]:
        try:
            rows = self._connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
        except sqlite3.OperationalError:  # no table with AUTOINCREMENT was ever made
            return {}
        return {folded(str(name)): seq for name, seq in rows if isinstance(seq, int)}

    def _indexes(
        self, listed: Iterable[_Row], columns: Sequence[Column], text: TableText
    ) -> tuple[tuple[Key, ...], tuple[Index, ...]]:
        uniques: list[Key] = []
        indexes: list[Index] = []
        names: dict[tuple[str, ...], str] = {}
        for key in text.uniques:
            if key.name is not None:
                names.setdefault(_folded_all(key.columns), key.name)
        for _, name, unique, origin, _partial in reversed([row[:5] for row in listed]):  # newest first
            sql = self._index_sql.get(str(name), "")
            written = index_text(sql)
            parts = self._parts(str(name), columns, written.parts)
            # A primary key of its own collation lets fewer values in than the columns' own would.
            if origin == "pk" and all(part.collation in (None, DEFAULT_COLLATION) for part in parts):
                continue
            if origin == "u" and all(part.column and not part.collation for part in parts):
                key_columns = tuple(str(part.column) for part in parts)
                uniques.append(Key(key_columns, names.get(_folded_all(key_columns))))
            else:
                indexes.append(Index(str(name), parts, bool(unique), written.where, sql=sql))
        return tuple(uniques), tuple(indexes)

    def _parts(self, index: str, columns: Sequence[Column], written: Sequence[str]) -> tuple[IndexPart, ...]:
        collations = {column.name: column.collation for column in columns}
        parts: list[IndexPart] = []
        for place, cid, name, descending, collation, is_key in self._pragma("index_xinfo", index):
            if not is_key:
                continue
            own = collations.get(str(name)) or DEFAULT_COLLATION
            other = None if folded(str(collation)) == folded(own) else str(collation)
            if cid == -2:
                expression = written[place] if place < len(written) else None
                parts.append(IndexPart(None, expression, bool(descending), other))
            else:
                parts.append(IndexPart(str(name) if name is not None else "rowid", None, bool(descending), other))
        return tuple(parts)

    def _foreign_keys(
        self, table: str, columns: Sequence[Column], texts: Sequence[ForeignKeyText]
    ) -> tuple[ForeignKey, ...]:
        try:
            rows = self._pragma("foreign_key_list", table)
        except sqlite3.OperationalError:
            return ()
        grouped: dict[int, list[_Row]] = {}
        for row in rows:
            grouped.setdefault(row[0], []).append(row)
        count = len(grouped)
        keys: list[ForeignKey] = []
        for number in sorted(grouped, reverse=True):  # SQLite numbers them from the last declared to the first
            group = sorted(grouped[number], key=lambda row: row[1])
            text = texts[count - 1 - number] if len(texts) == count else ForeignKeyText(None)
            parent = self.spelled(str(group[0][2]))
            keys.append(
                ForeignKey(
                    tuple(str(row[3]) for row in group),
                    TableName("", parent),
                    self._parent_columns(parent, [row[4] for row in group]),
                    text.name,
                    ReferentialAction(str(group[0][5])),
                    ReferentialAction(str(group[0][6])),
                    text.deferrable,
                    text.initially_deferred,
                )
            )
        return tuple(keys)

    def _parent_columns(self, parent: str, given: Sequence[str | None]) -> tuple[str, ...]:
        rows = self._columns.get(parent, [])
        if any(name is None for name in given):
            return tuple(str(row[1]) for row in sorted((r for r in rows if r[5]), key=lambda r: r[5]))
        spelling = {folded(str(row[1])): str(row[1]) for row in rows}
        return tuple(spelling.get(folded(str(name)), str(name)) for name in given)


def _virtual_table(entry: _Entry, virtual: VirtualTable, columns: tuple[Column, ...]) -> Table:
    """A virtual table with the number that names its rows as its key, where SQLite shows it only when asked."""
    key: Key | None = None
    if virtual.module in SPATIAL and columns:
        key = Key((columns[0].name,))
        columns = (replace(columns[0], identity=True), *columns[1:])
    elif virtual.module in FULL_TEXT and columns and not any(folded(c.name) == ROWID_NAMES[0] for c in columns):
        key = Key((ROWID_NAMES[0],))
        columns = (Column(ROWID_NAMES[0], "INTEGER", identity=True), *columns)
        if language := option(virtual.arguments, "languageid"):
            columns = (*columns, Column(language, "INTEGER"))
    return Table(
        TableName("", entry.name),
        columns,
        primary_key=key,
        virtual=virtual.module,
        left_out=virtual.why_left_out,
        sql=entry.sql,
    )


def _rowid_alias(rows: Sequence[_Row], key: tuple[str, ...], text: TableText, listed: Iterable[_Row]) -> str | None:
    """The column that is the rowid. A key with an index of its own (INTEGER PRIMARY KEY DESC) is none."""
    if text.without_rowid or text.virtual is not None or len(key) != 1 or any(row[3] == "pk" for row in listed):
        return None
    declared = next(str(row[2]) for row in rows if row[1] == key[0])
    return key[0] if declared.upper() == "INTEGER" else None


def _column(row: _Row, text: TableText, alias: str | None) -> Column:
    name, hidden = str(row[1]), row[6]
    expression = text.generated.get(folded(name))
    generated = None
    if hidden in (_GENERATED_VIRTUAL, _GENERATED_STORED):
        generated = Generated(expression or "", hidden == _GENERATED_STORED)
    collation = text.collations.get(folded(name))
    if collation is not None and folded(collation) in ("binary", "nocase", "rtrim"):
        collation = collation.upper()
    return Column(
        name,
        str(row[2] or ""),
        not_null=bool(row[3]),
        default=str(row[4]) if row[4] is not None and generated is None else None,
        identity=name == alias,
        generated=generated,
        collation=None if collation == DEFAULT_COLLATION else collation,
        comment=text.declarations.get(folded(name)) or None,
        keeps_class=text.strict and folded(str(row[2])) == "any",
    )


def _locator(columns: Sequence[Column], text: TableText) -> str | None:
    if text.without_rowid:
        return None
    taken = {folded(column.name) for column in columns}
    return next((name for name in ROWID_NAMES if name not in taken), None)


def _folded_all(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(folded(name) for name in names)
