"""Names: how they are quoted on both ends, and how they are made to fit Postgres, each one once.

Postgres cuts a name at 63 bytes without an error, and two names that were cut alike then collide
(postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS). So names are shortened here, with a hash
of the whole name, before the server sees them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Literal

from migrator_tui.model.schema import TableName

MAX_BYTES = 63
"""Longest name that Postgres keeps whole, in bytes of UTF-8 (NAMEDATALEN - 1)."""

UNNAMED = "unnamed"

SYSTEM_COLUMNS = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
"""Names that each table has already (postgresql.org/docs/current/ddl-system-columns.html); no column may have one."""

Policy = Literal["keep", "snake_case"]

_HASH_DIGITS = 8


def quote(name: str) -> str:
    """A Postgres identifier, always quoted: reserved words, capitals and spaces need no thought then.

    Raises:
        ValueError: The name holds NUL, which no name on either end can.
    """
    return '"' + _without_nul(name).replace('"', '""') + '"'


def quote_name(name: TableName) -> str:
    """A Postgres table (view, type, index), with its schema where it has one."""
    return f"{quote(name.schema)}.{quote(name.name)}" if name.schema else quote(name.name)


def quote_sqlite(name: str) -> str:
    """A SQLite identifier.

    Unlike in Postgres, a quoted name that names nothing is silently read as a string; give only names that exist.

    Raises:
        ValueError: The name holds NUL.
    """
    return '"' + _without_nul(name).replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A Postgres string literal that reads the same whatever ``standard_conforming_strings`` is.

    Raises:
        ValueError: The text holds NUL, which Postgres' text cannot.
    """
    doubled = _without_nul(text).replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in doubled else f"'{doubled}'"


def shorten(name: str, taken: Set[str], limit: int = MAX_BYTES) -> str:
    """The name itself where it fits and is free, else its beginning and a hash of the whole of it.

    The same name and the same taken names give the same result on every machine.

    Args:
        taken: Names that are not free. Not changed.
        limit: Longest name in bytes of UTF-8; at least 16.

    Raises:
        ValueError: The limit leaves no room for a hash.
    """
    if limit < 16:
        raise ValueError(f"{limit} bytes leave no room for a name and its hash")
    # Bytes that were not UTF-8 in the source arrive as lone surrogates, which no server takes.
    whole = _without_nul(name).encode("utf-8", "replace").decode("utf-8") or UNNAMED
    if len(whole.encode()) <= limit and whole not in taken:
        return whole
    attempt = 0
    while True:
        hashed = f"{name}\0{attempt}" if attempt else name
        digest = hashlib.sha256(hashed.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
        beginning = whole.encode()[: limit - _HASH_DIGITS - 1].decode("utf-8", "ignore")
        candidate = f"{beginning}_{digest}"
        if candidate not in taken:
            return candidate
        attempt += 1


def snake_case(name: str) -> str:
    """``UserID`` → ``user_id``, ``Order Details`` → ``order_details``; letters of every script are kept."""
    words = re.sub(r"[^\w]+", "_", name)
    words = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=\d)(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", words)
    return re.sub(r"_{2,}", "_", words).strip("_").lower()


@dataclass(frozen=True, slots=True)
class NameChange:
    """A name that is not what it was.

    Attributes:
        kind: ``table``, ``view``, ``index``, ``sequence``, ``type``, ``column`` or ``constraint``.
        table: The target table of a column or constraint, else None.
    """

    kind: str
    old: str
    new: str
    table: TableName | None = None


class Names:
    """Gives out target names, each once in its namespace, in the order in which they are asked for.

    In Postgres the tables, views, indexes and sequences of a schema share one namespace, and each table's row type
    makes enum types share it too. Constraints have one namespace a table, and those that are backed by an index need
    a free name in both.
    """

    def __init__(self, policy: Policy = "keep") -> None:
        self._policy = policy
        self._relations: dict[str, set[str]] = {}
        self._columns: dict[TableName, set[str]] = {}
        self._constraints: dict[TableName, set[str]] = {}
        self._changes: list[NameChange] = []

    def reserve(self, schema: str, names: Iterable[str]) -> None:
        """Say that relations or types of these names exist on the target, or are fixed by the plan."""
        self._relations.setdefault(schema, set()).update(names)

    def wanted(self, name: str) -> str:
        """The name that the policy makes of one of the source's, wherever it is free and fits."""
        return snake_case(name) or UNNAMED if self._policy == "snake_case" else name

    def relation(self, schema: str, name: str, kind: str = "table", *, fixed: bool = False) -> TableName:
        """A name for a table, view, index, sequence or type; ``fixed`` ones are written by a person, and kept."""
        taken = self._relations.setdefault(schema, set())
        return TableName(schema, self._give(name, kind, None, taken, fixed=fixed))

    def column(self, table: TableName, name: str, *, fixed: bool = False) -> str:
        """A name for a column of a target table."""
        return self._give(name, "column", table, self._columns.setdefault(table, set(SYSTEM_COLUMNS)), fixed=fixed)

    def constraint(self, table: TableName, name: str) -> str:
        """A name for a check or foreign key of a target table."""
        return self._give(name, "constraint", table, self._constraints.setdefault(table, set()))

    def key(self, table: TableName, name: str) -> str:
        """A name for a primary key or unique constraint, which brings an index of the same name along."""
        relations = self._relations.setdefault(table.schema, set())
        return self._give(name, "constraint", table, self._constraints.setdefault(table, set()), relations)

    @property
    def changes(self) -> tuple[NameChange, ...]:
        """Every name that had to change, in the order in which they were given."""
        return tuple(self._changes)

    def _give(self, name: str, kind: str, table: TableName | None, *namespaces: set[str], fixed: bool = False) -> str:
        wanted = name if fixed else self.wanted(name)
        given = shorten(wanted, set().union(*namespaces) if len(namespaces) > 1 else namespaces[0])
        for namespace in namespaces:
            namespace.add(given)
        if given != name:
            self._changes.append(NameChange(kind, name, given, table))
        return given


def _without_nul(name: str) -> str:
    if "\0" in name:
        raise ValueError("a name or text with a NUL character cannot be written in SQL")
    return name
