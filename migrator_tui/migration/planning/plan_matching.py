"""Which tables and columns of the target look like the source's: proposed to a person, never taken on a guess."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from migrator_tui.convert.identifiers import snake_case
from migrator_tui.model.schema import Database, Table, TableName

ALIKE_BY_NAME = 0.5
"""Share of the source's columns that a table of a like name must have."""
ALIKE_BY_SHAPE = 0.8
"""Share of both tables' columns that must be in both where the names say nothing."""
FEWEST_COLUMNS = 3
"""Tables of fewer columns are alike by chance."""


@dataclass(frozen=True, slots=True)
class Match:
    """A table of the target that looks like one of the source's.

    Attributes:
        why: In words.
        others: Further tables that look alike.
    """

    table: TableName
    why: str
    others: tuple[TableName, ...] = ()


def plain(name: str) -> str:
    """What is left of a name without case, separators and a plural: ``UserAccounts`` and ``user_account`` are one."""
    words = snake_case(name).split("_")
    words[-1] = _singular(words[-1])
    return "".join(words)


class Alike:
    """Columns by what is left of their names without case and separators."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names: dict[str, list[str]] = {}
        for name in names:
            self._names.setdefault(_column(name), []).append(name)

    def of(self, column: str) -> str | None:
        """The one that is named like a column, if there is exactly one."""
        wanted = _column(column)
        found = self._names.get(wanted, [])
        return found[0] if len(found) == 1 and wanted else None


class Candidates:
    """The tables of a schema of the target, to be looked through for each table of the source."""

    def __init__(self, schema: str, database: Database, taken: Collection[TableName]) -> None:
        """
        Args:
            taken: Tables of the target that are another source table's namesakes.
        """
        self._columns: dict[TableName, set[str]] = {}
        self._by_name: dict[str, set[TableName]] = {}
        self._by_column: dict[str, set[TableName]] = {}
        for live in database.tables:
            if live.name.schema != schema or live.name in taken:
                continue
            self._columns[live.name] = {_column(column.name) for column in live.columns}
            self._by_name.setdefault(plain(live.name.name), set()).add(live.name)
            for column in self._columns[live.name]:
                self._by_column.setdefault(column, set()).add(live.name)

    def match(self, table: Table) -> Match | None:
        """The table that looks most like a source table which has no namesake there."""
        ours = {_column(column.name) for column in table.stored_columns}
        if not ours:
            return None
        namesakes = self._by_name.get(plain(table.name.name), set())
        found: list[tuple[bool, float, TableName, str]] = []
        for live in namesakes | self._near(ours):
            theirs = self._columns[live]
            shared = len(ours & theirs)
            said = f"{shared} of {len(ours)} columns are named alike"
            if live in namesakes and shared >= ALIKE_BY_NAME * len(ours):
                found.append((True, shared / len(ours), live, f"the names are alike and {said}"))
            elif shared >= max(FEWEST_COLUMNS, ALIKE_BY_SHAPE * max(len(ours), len(theirs))):
                found.append((False, shared / len(ours), live, said))
        found.sort(key=lambda item: (-item[0], -item[1], item[2]))
        if not found:
            return None
        return Match(found[0][2], found[0][3], tuple(item[2] for item in found[1:]))

    def _near(self, ours: set[str]) -> set[TableName]:
        """Tables that may have enough of the columns.

        One that lacks all of the rarest few cannot; so a column like ``id``, which every table has, is not asked for.
        """
        enough = math.ceil(max(FEWEST_COLUMNS, ALIKE_BY_SHAPE * len(ours)))
        having = sorted((self._by_column.get(column, set()) for column in sorted(ours)), key=len)
        near: set[TableName] = set()
        return near.union(*having[: max(0, len(ours) - enough + 1)])


def _column(name: str) -> str:
    return snake_case(name).replace("_", "")


def _singular(word: str) -> str:
    for plural, one in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh")):
        if word.endswith(plural) and len(word) > len(plural) + 1:
            return word[: -len(plural)] + one
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2 else word
