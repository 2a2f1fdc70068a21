"""Which tables and columns of the target look like the source's: proposed to a person, never taken on a guess."""

from __future__ import annotations

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


def column_match(column: str, free: Iterable[str]) -> str | None:
    """The one free column that is named alike but for case and separators, if there is exactly one."""
    wanted = snake_case(column).replace("_", "")
    found = [name for name in free if snake_case(name).replace("_", "") == wanted]
    return found[0] if len(found) == 1 and wanted else None


def match(table: Table, schema: str, database: Database, taken: Collection[TableName]) -> Match | None:
    """The table of a schema that looks most like a source table which has no namesake there.

    Args:
        taken: Tables of the target that are another source table's namesakes.
    """
    ours = {_column(column.name) for column in table.stored_columns}
    found: list[tuple[bool, float, TableName, str]] = []
    for live in database.tables:
        if live.name.schema != schema or live.name in taken or not ours:
            continue
        theirs = {_column(column.name) for column in live.columns}
        shared = len(ours & theirs)
        said = f"{shared} of {len(ours)} columns are named alike"
        if plain(live.name.name) == plain(table.name.name) and shared >= ALIKE_BY_NAME * len(ours):
            found.append((True, shared / len(ours), live.name, f"the names are alike and {said}"))
        elif shared >= max(FEWEST_COLUMNS, ALIKE_BY_SHAPE * max(len(ours), len(theirs))):
            found.append((False, shared / len(ours), live.name, said))
    found.sort(key=lambda item: (-item[0], -item[1], item[2]))
    if not found:
        return None
    return Match(found[0][2], found[0][3], tuple(item[2] for item in found[1:]))


def _column(name: str) -> str:
    return snake_case(name).replace("_", "")


def _singular(word: str) -> str:
    for plural, one in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh")):
        if word.endswith(plural) and len(word) > len(plural) + 1:
            return word[: -len(plural)] + one
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2 else word
