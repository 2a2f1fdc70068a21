"""Virtual tables of the modules that come with SQLite: what each holds, and in which tables it keeps it.

From sqlite.org/fts3.html, fts5.html, rtree.html and geopoly.html.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

FULL_TEXT = frozenset({"fts3", "fts4", "fts5"})
SPATIAL = frozenset({"rtree", "rtree_i32"})

_SHADOWS = {
    "fts3": ("content", "segments", "segdir", "docsize", "stat"),
    "fts4": ("content", "segments", "segdir", "docsize", "stat"),
    "fts5": ("data", "idx", "content", "docsize", "config"),
    "rtree": ("node", "rowid", "parent"),
    "rtree_i32": ("node", "rowid", "parent"),
    "geopoly": ("node", "rowid", "parent"),
}
_DERIVED = frozenset({"fts3tokenize", "fts4aux", "fts5vocab", "dbstat"})
_OPTION = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class VirtualTable:
    """A CREATE VIRTUAL TABLE, as far as it says where the rows are.

    Attributes:
        module: In lower case.
        arguments: What stands between the module's parentheses, part by part.
        readable: SQLite knows the module and gives the table's columns.
    """

    module: str
    arguments: tuple[str, ...] = ()
    readable: bool = True

    @property
    def content(self) -> str | None:
        """The table that a full-text table takes its texts from; empty where it keeps none, None for its own."""
        if self.module not in ("fts4", "fts5"):
            return None
        return option(self.arguments, "content")

    @property
    def why_left_out(self) -> str | None:
        """Why its rows cannot or need not be read, or None where they are the table's own."""
        if self.module in _DERIVED:
            return f"what {self.module} shows is computed from other tables"
        if self.content:
            return f"it only indexes the texts of {self.content}"
        if self.content == "":
            return "it keeps an index without the texts"
        if not self.readable:
            return f"the module {self.module} is not part of the SQLite library that reads it"
        if self.module not in FULL_TEXT | SPATIAL:
            return f"what the module {self.module} keeps is not known here"
        return None

    def shadows(self, name: str, tables: Collection[str]) -> dict[str, str]:
        """Its shadow tables among the tables of the database → how the module uses each.

        Args:
            name: The virtual table's own.
            tables: Names of all tables, in the spelling that SQLite compares them by, as ``name`` is.
        """
        found = {f"{name}_{suffix}": suffix for suffix in _SHADOWS.get(self.module, ())}
        if self.content is not None or (self.module in FULL_TEXT and not self.readable):
            # Whatever has that name is not the module's; or it is the only place where the texts can be had.
            found.pop(f"{name}_content", None)
        return {shadow: use for shadow, use in found.items() if shadow in tables}


def option(arguments: Sequence[str], name: str) -> str | None:
    """The value of an option such as ``content='posts'``, without its quotes; None where it is not given."""
    for argument in arguments:
        match = _OPTION.match(argument)
        if match and match[1].lower() == name:
            value = match[2]
            if len(value) > 1 and value[0] in "\"'`" and value[-1] == value[0]:
                return value[1:-1].replace(value[0] * 2, value[0])
            return value.removeprefix("[").removesuffix("]")
    return None
