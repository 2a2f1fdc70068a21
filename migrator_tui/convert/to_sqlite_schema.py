"""Tables from Postgres to SQLite: CREATE TABLE of columns and of pieces that may be refused, and indexes.

A piece is a default, a check, a generated column's expression: what SQLite or the translation refuses is left out of
the statement, and named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from migrator_tui.convert import to_sqlite_expressions as expressions
from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.convert.to_sqlite_operands import Carried, Known, text_literal
from migrator_tui.convert.to_sqlite_types import LiveType, Way
from migrator_tui.model.pull import NotCarried
from migrator_tui.model.schema import Column, ForeignKey, Index, ReferentialAction, Table, TableName

_PLAIN_METHODS = ("btree", "hash")


@dataclass(frozen=True, slots=True)
class FileColumn:
    """A column on its way: its name in SQLite, and how its values come."""

    live: Column
    type: LiveType
    name: str
    way: Way

    @property
    def known(self) -> Known:
        """What expressions have to know."""
        return Known(self.name, self.way.kind)


@dataclass(frozen=True, slots=True)
class Piece:
    """Something of a table that SQLite may refuse.

    Attributes:
        object: ``default``, ``check`` or ``generated column``.
        carried: The expression.
        column: In Postgres, of a default or generated column.
        constraint: Of a check: its name, where SQLite can have it.
    """

    object: str
    name: str
    carried: Carried
    column: str = ""
    constraint: str = ""

    def not_carried(self, why: str = "") -> NotCarried:
        """What is said of it when it is left out."""
        return NotCarried(self.object, self.name, why or self.carried.why, self.carried.original)


class TableStatement:
    """A table's CREATE statement in SQLite.

    Args:
        name: In SQLite.
        parents: Target table → its name in SQLite and its columns' names; foreign keys to others are left out.
        counted: Columns that a sequence fills.
    """

    def __init__(
        self,
        table: Table,
        name: str,
        columns: Iterable[FileColumn],
        parents: Mapping[TableName, tuple[str, Mapping[str, str]]],
        counted: frozenset[str],
    ) -> None:
        self.table = table
        self.name = name
        self.columns = tuple(columns)
        self._parents = parents
        self._names = {column.live.name: column.name for column in self.columns}
        self._known = {column.live.name: column.known for column in self.columns}
        key = table.primary_key
        single = key.columns[0] if key and len(key.columns) == 1 else None
        self.alias = next(
            (c.live.name for c in self.columns if c.live.name == single and c.way.kind == "integer"), None
        )
        self._autoincrement = self.alias in counted
        self.lost: list[NotCarried] = []
        self.pieces = tuple(self._pieces(counted))

    def sql(self, refused: frozenset[str] = frozenset()) -> str:
        """The statement without the pieces of these names."""
        by_column = {
            (piece.object, piece.column): piece.carried.sql
            for piece in self.pieces
            if piece.name not in refused and piece.carried.sql is not None
        }
        lines = [self._column(column, by_column) for column in self.columns]
        key = self.table.primary_key
        if key is not None and self.alias is None:
            lines.append(f"PRIMARY KEY ({self._listed(key.columns)})")
        lines += [f"UNIQUE ({self._listed(unique.columns)})" for unique in self.table.uniques]
        for piece in self.pieces:
            if piece.object == "check" and piece.name not in refused and piece.carried.sql is not None:
                named = f"CONSTRAINT {quote_sqlite(piece.constraint)} " if piece.constraint else ""
                lines.append(f"{named}CHECK ({piece.carried.sql})")
        lines += [self._foreign_key(key) for key in self.table.foreign_keys if key.parent in self._parents]
        return f"CREATE TABLE {quote_sqlite(self.name)} (\n    " + ",\n    ".join(lines) + "\n)"

    def bare(self) -> str:
        """Its columns alone, on which each piece is tried."""
        listed = ", ".join(f"{quote_sqlite(c.name)} {c.way.declared}" for c in self.columns)
        return f"CREATE TABLE {quote_sqlite(self.name)} ({listed})"

    def trials(self) -> list[tuple[str, str]]:
        """(piece, query that SQLite must take)."""
        return [
            (piece.name, f"SELECT ({piece.carried.sql}) FROM {quote_sqlite(self.name)}")
            for piece in self.pieces
            if piece.carried.sql is not None
        ]

    def _pieces(self, counted: frozenset[str]) -> Iterable[Piece]:
        where = self.table.name.name
        for column in self.columns:
            live, own = column.live, f"{where}.{column.live.name}"
            if live.generated is not None:
                yield Piece(
                    "generated column",
                    f"{own} (generated)",
                    self._value(live.generated.expression, column),
                    column=live.name,
                )
            elif live.default is not None and live.name != self.alias:
                yield Piece(
                    "default", f"{own} (default)", expressions.default(live.default, column.way.kind), column=live.name
                )
            if column.type.category == "enum" and column.type.labels:
                labels = ", ".join(text_literal(label) for label in column.type.labels)
                carried = Carried(column.live.type, f"{quote_sqlite(column.name)} IN ({labels})")
                if column.way.kind == "text":
                    yield Piece("check", f"{own} (enum {live.type})", carried)
                else:
                    yield Piece("check", f"{own} (enum {live.type})", Carried(live.type, None, "written by its codec"))
            for number, check in enumerate(column.type.checks):
                carried = expressions.domain_check(check, column.known)
                yield Piece("check", f"{own} (domain {column.type.domain} {number + 1})", carried)
        for number, constraint in enumerate(self.table.checks):
            name = constraint.name or str(number + 1)
            carried = expressions.condition(constraint.expression, self._known)
            yield Piece("check", f"{where}.{name}", carried, constraint=name)

    def _value(self, expression: str, column: FileColumn) -> Carried:
        if column.way.kind == "other":
            return Carried(expression, None, "its values are written in another form")
        return expressions.value(expression, self._known)

    def _column(self, column: FileColumn, pieces: Mapping[tuple[str, str], str | None]) -> str:
        live = column.live
        if live.name == self.alias:
            return f"{quote_sqlite(column.name)} INTEGER PRIMARY KEY" + " AUTOINCREMENT" * self._autoincrement
        text = f"{quote_sqlite(column.name)} {column.way.declared}".rstrip()
        if column.way.collation:
            text += f" COLLATE {column.way.collation}"
        if live.not_null:
            text += " NOT NULL"
        if default := pieces.get(("default", live.name)):
            text += f" DEFAULT {default}"
        if generated := pieces.get(("generated column", live.name)):
            text += f" GENERATED ALWAYS AS ({generated}) STORED"
        return text

    def _foreign_key(self, key: ForeignKey) -> str:
        parent, columns = self._parents[key.parent]
        theirs = ", ".join(quote_sqlite(columns[name]) for name in key.parent_columns)
        text = f"CONSTRAINT {quote_sqlite(key.name)} " if key.name else ""
        text += f"FOREIGN KEY ({self._listed(key.columns)}) REFERENCES {quote_sqlite(parent)} ({theirs})"
        for word, action in (("UPDATE", key.on_update), ("DELETE", key.on_delete)):
            if action is not ReferentialAction.NO_ACTION:
                text += f" ON {word} {action.value}"
        if key.deferrable:
            text += f" DEFERRABLE INITIALLY {'DEFERRED' if key.initially_deferred else 'IMMEDIATE'}"
        return text

    def _listed(self, columns: Iterable[str]) -> str:
        return ", ".join(quote_sqlite(self._names[name]) for name in columns)

    def index(self, index: Index, give_name: Callable[[str], str]) -> tuple[str, str] | NotCarried:
        """An index's CREATE statement, and what is to be known of it (or nothing)."""

        def refused(why: str) -> NotCarried:
            return NotCarried("index", index.name, why, index.sql)

        if index.method not in _PLAIN_METHODS:
            return refused(f"SQLite has no {index.method} index")
        parts = []
        for part in index.parts:
            if part.column is not None:
                text = quote_sqlite(self._names[part.column])
            else:
                carried = expressions.value(part.expression or "", self._known)
                if carried.sql is None:
                    return refused(carried.why)
                text = f"({carried.sql})"
            parts.append(text + (" DESC" if part.descending else ""))
        where = ""
        if index.where is not None:
            predicate = expressions.condition(index.where, self._known)
            if predicate.sql is None:
                return refused(predicate.why)
            where = f" WHERE {predicate.sql}"
        unique = "UNIQUE " if index.unique else ""
        note = "NULLs count as different in SQLite" if re.search("NULLS NOT DISTINCT", index.sql) else ""
        return (
            f"CREATE {unique}INDEX {quote_sqlite(give_name(index.name))} ON {quote_sqlite(self.name)} "
            f"({', '.join(parts)}){where}",
            note,
        )


class FileNames:
    """Gives out names in SQLite, where capitals make no difference and ``sqlite_`` is taken."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self.changed: list[tuple[str, str]] = []

    def give(self, wanted: str) -> str:
        """The name itself where it is free, else one with a number."""
        start = f"_{wanted}" if wanted.lower().startswith("sqlite_") else wanted
        name, number = start, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{start}_{number}"
        self._taken.add(name.lower())
        if name != wanted:
            self.changed.append((wanted, name))
        return name
