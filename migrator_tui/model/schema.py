"""A database's schema in words that fit both ends.

Both ``sqlite.inspect`` and ``postgres.inspect`` return a :class:`Database`. SQL texts (types, defaults, expressions)
are in the dialect of the end they came from; ``convert`` carries them across.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class ReferentialAction(StrEnum):
    """What a foreign key does when the row it refers to is deleted or its key changed."""

    NO_ACTION = "NO ACTION"
    RESTRICT = "RESTRICT"
    CASCADE = "CASCADE"
    SET_NULL = "SET NULL"
    SET_DEFAULT = "SET DEFAULT"


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table's name; SQLite's tables have no schema (empty string)."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @classmethod
    def parse(cls, text: str, default_schema: str = "public") -> TableName:
        """Read ``schema.name`` or ``name``. A dot inside a name needs the form ``"schema"."na.me"``."""
        parts: list[str] = []
        current, quoted, i = "", False, 0
        while i < len(text):
            character = text[i]
            if character == '"':
                if quoted and text[i + 1 : i + 2] == '"':
                    current += '"'
                    i += 1
                else:
                    quoted = not quoted
            elif character == "." and not quoted and not parts:
                parts.append(current)
                current = ""
            else:
                current += character
            i += 1
        parts.append(current)
        return cls(default_schema, parts[0]) if len(parts) == 1 else cls(parts[0], parts[1])

    def written(self) -> str:
        """The form that :meth:`parse` reads back to the same name."""

        def quote(part: str) -> str:
            return '"' + part.replace('"', '""') + '"' if not part or "." in part or '"' in part else part

        return f"{quote(self.schema)}.{quote(self.name)}" if self.schema else quote(self.name)


@dataclass(frozen=True, slots=True)
class Generated:
    """A generated column's expression, and whether its values are stored or computed when read."""

    expression: str
    stored: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        type: As declared: ``VARCHAR(40)``, ``int4`` …; SQLite allows the empty string.
        default: SQL expression, or None.
        identity: Filled by the database: a rowid alias (SQLite), an identity or serial column (Postgres).
        collation: Only where it is not the database's default (``NOCASE``, ``RTRIM``, ``"C"``, …).
        enum: The enum type's name where the column is of one (Postgres).
        comment: What COMMENT ON says (Postgres), or the column's declaration as it was written (SQLite).
        base: The type that a domain is over, where the column's type is a domain (Postgres).
        keeps_class: Every value keeps the storage class that it is given: ANY in a STRICT table (SQLite).
    """

    name: str
    type: str
    not_null: bool = False
    default: str | None = None
    identity: bool = False
    generated: Generated | None = None
    collation: str | None = None
    enum: TableName | None = None
    comment: str | None = None
    base: str | None = None
    keeps_class: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A primary key or unique constraint. ``name`` is None where SQLite gave it none."""

    columns: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key with the parent's key columns resolved, also where the source left them implicit.

    Attributes:
        parent: The table referred to; it may not exist in SQLite.
        validated: False for a Postgres constraint that is NOT VALID.
    """

    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]
    name: str | None = None
    on_update: ReferentialAction = ReferentialAction.NO_ACTION
    on_delete: ReferentialAction = ReferentialAction.NO_ACTION
    deferrable: bool = False
    initially_deferred: bool = False
    validated: bool = True


@dataclass(frozen=True, slots=True)
class Check:
    """A CHECK constraint's expression, without the word CHECK and its outer parentheses."""

    expression: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class IndexPart:
    """One indexed column, or expression."""

    column: str | None = None
    expression: str | None = None
    descending: bool = False
    collation: str | None = None


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is not merely the shadow of a key constraint.

    Attributes:
        where: Predicate of a partial index.
        sql: The statement as stored by the database.
    """

    name: str
    parts: tuple[IndexPart, ...]
    unique: bool = False
    where: str | None = None
    method: str = "btree"
    sql: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Its columns, where it holds every row once and so is as good as a unique constraint; else empty."""
        columns = tuple(part.column for part in self.parts if part.column is not None)
        whole = self.unique and self.where is None and len(columns) == len(self.parts)
        return columns if whole else ()


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger: not carried to Postgres by itself, and on a live table something that will fire."""

    name: str
    table: TableName
    sql: str
    row_level: bool = True
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class View:
    """A view and its full CREATE statement (SQLite) or its query (Postgres)."""

    name: TableName
    sql: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EnumType:
    """A Postgres enum type and its labels in order."""

    name: TableName
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        locator: SQLite only: the name by which the rowid can be selected (``rowid``, ``_rowid_`` or ``oid``,
            whichever no column hides), or None where rows are numbered in key order (WITHOUT ROWID, or all hidden).
        sequence_high: SQLite only: AUTOINCREMENT's high-water mark from ``sqlite_sequence``, else None.
        virtual: Module of a virtual table (``fts5``, ``rtree`` …), else None.
        shadow_of: Name of the virtual table that owns this shadow table, else None.
        left_out: SQLite only: why the rows of a virtual table cannot or need not be read, else None.
        row_security: Postgres only: RLS is on.
        rules: Postgres only: names of rewrite rules.
        estimated_rows: Postgres only: the planner's estimate, for a first impression, never for a check.
        utf16: SQLite only: the bytes of its texts are UTF-16.
        sql: SQLite only: the CREATE statement as stored.
    """

    name: TableName
    columns: tuple[Column, ...]
    primary_key: Key | None = None
    uniques: tuple[Key, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    indexes: tuple[Index, ...] = ()
    locator: str | None = None
    without_rowid: bool = False
    strict: bool = False
    sequence_high: int | None = None
    virtual: str | None = None
    shadow_of: str | None = None
    left_out: str | None = None
    row_security: bool = False
    rules: tuple[str, ...] = ()
    estimated_rows: int | None = None
    utf16: bool = False
    sql: str = ""
    comment: str | None = None

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: There is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")

    @property
    def holds_rows(self) -> bool:
        """Its rows are its own to move: all but shadow tables and virtual tables that say why not."""
        return self.shadow_of is None and self.left_out is None

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """Columns that a foreign key may refer to: the primary key, unique constraints and whole unique indexes."""
        declared = (key.columns for key in (self.primary_key, *self.uniques) if key is not None)
        return (*declared, *(index.key for index in self.indexes if index.key))

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns that hold values of their own: all but generated ones."""
        return tuple(column for column in self.columns if column.generated is None)


@dataclass(frozen=True, slots=True)
class Database:
    """One end's schema.

    Attributes:
        version: ``3.45.1`` of the library that read it, or the server's ``18.6``.
        encoding: ``UTF-8``, ``UTF-16le`` … (SQLite), ``UTF8`` … (Postgres).
        tables: In order of creation (SQLite) or of name (Postgres); SQLite's internal ``sqlite_*`` tables are left out.
        taken: Postgres only: every name that a new relation or type cannot have, sequences, foreign tables and what
            belongs to extensions included.
        extra_types: Postgres only: types of extensions that can be named as they are (``citext``).
    """

    side: Literal["sqlite", "postgres"]
    version: str
    encoding: str
    tables: tuple[Table, ...]
    views: tuple[View, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    enums: tuple[EnumType, ...] = ()
    taken: tuple[TableName, ...] = ()
    extra_types: tuple[str, ...] = ()
    _by_name: dict[TableName, Table] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Thousands of tables are looked up for each plan; the first of a name is the one that is found.
        object.__setattr__(self, "_by_name", {table.name: table for table in reversed(self.tables)})

    def table(self, name: TableName) -> Table | None:
        """The table of that name, or None."""
        return self._by_name.get(name)

    def triggers_of(self, name: TableName) -> Iterator[Trigger]:
        """The triggers on one table."""
        return (trigger for trigger in self.triggers if trigger.table == name)
