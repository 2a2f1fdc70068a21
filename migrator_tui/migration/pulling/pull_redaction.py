"""Which columns of a pull are masked: those asked for, and those whose values must go with them."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection, Mapping, Sequence

from migrator_tui.convert.identifiers import quote
from migrator_tui.convert.redaction import Masks
from migrator_tui.convert.to_sqlite_schema import FileColumn
from migrator_tui.convert.to_sqlite_values import Cells
from migrator_tui.migration.pulling.pull_plan import PullTable
from migrator_tui.model.errors import UsageError
from migrator_tui.model.schema import TableName
from migrator_tui.model.secret import Secret

Columns = set[tuple[TableName, str]]


class Redaction:
    """Masks the columns that were asked for.

    A column that a foreign key ties to one of them is masked as well, or nothing would fit any more; so is a column
    that the target computes from one, where the file cannot compute it itself.

    Raises:
        UsageError: ``PULL-UNKNOWN``: there is no such column. ``PULL-REDACT``: it has too few values to be masked.
    """

    def __init__(
        self, asked: Sequence[str], seed: Secret | None, tables: Sequence[PullTable], named: Mapping[str, TableName]
    ) -> None:
        self._tables = {table.live.name: table for table in tables}
        self._folded: Columns = set()
        self._asked = {self._find(text, named) for text in asked}
        self._columns = self._with_relatives(self._asked)
        for table, name in self._columns:
            column = self._column(table, name)
            if column.type.category == "enum" or column.type.base == "boolean":
                raise UsageError(
                    "PULL-REDACT",
                    f"{table.name}.{name} is of the type {column.live.type}, whose few values no mask can hide.",
                    "Leave its table or its rows out with --tables or --where.",
                )
        key = hashlib.sha256(seed.reveal().encode()).digest() if seed else secrets.token_bytes(32)
        self._masks = Masks(key)

    @property
    def names(self) -> tuple[str, ...]:
        """The masked columns, as the file names them."""
        return tuple(
            sorted(f"{self._tables[table].name}.{self._column(table, name).name}" for table, name in self._columns)
        )

    def covers(self, table: PullTable, column: FileColumn) -> bool:
        """Whether a column is masked."""
        return (table.live.name, column.live.name) in self._columns

    def touches(self, table: PullTable) -> bool:
        """Whether any column of a table is masked."""
        return any(name == table.live.name for name, _ in self._columns)

    def refuse_computed(self, table: PullTable, computed: Collection[str]) -> None:
        """
        Args:
            computed: The columns of a table that the file computes, as it names them: no mask can be written there.

        Raises:
            UsageError: ``PULL-REDACT``: one of them was asked for, and nothing that it is computed from is masked.
        """
        for column in table.columns:
            place = (table.live.name, column.live.name)
            if place in self._asked and column.name in computed and not self._computed_from(place, self._columns):
                raise UsageError(
                    "PULL-REDACT",
                    f"{table.name}.{column.name} cannot be masked: the file computes it from other columns.",
                    "Mask the columns that it is computed from; it goes with them.",
                )

    def mask(self, table: PullTable, column: FileColumn, cells: Cells) -> Cells:
        """The cells, masked where the column is."""
        if not self.covers(table, column):
            return cells
        place = (table.live.name, column.live.name)
        return self._masks.cells(cells, fold=place in self._folded, json=column.way.kind == "json")

    def _find(self, text: str, named: Mapping[str, TableName]) -> tuple[TableName, str]:
        name, dot, column_name = text.rpartition(".")
        table = self._tables.get(named[name]) if dot and name in named else None
        if table is None:
            raise UsageError(
                "PULL-UNKNOWN",
                f"--redact {text}: there is no such table among those that are pulled.",
                f"Write table.column; the tables are {', '.join(sorted(t.name for t in self._tables.values())[:20])}.",
            )
        for column in table.columns:
            if column_name in (column.live.name, column.name):
                return table.live.name, column.live.name
        raise UsageError(
            "PULL-UNKNOWN",
            f"--redact {text}: the table has no such column.",
            f"It has {', '.join(column.name for column in table.columns)}.",
        )

    def _with_relatives(self, columns: Columns) -> Columns:
        links: list[tuple[tuple[TableName, str], tuple[TableName, str]]] = []
        for table in self._tables.values():
            for key in table.live.foreign_keys:
                if key.parent in self._tables:
                    links += [
                        ((table.live.name, own), (key.parent, theirs))
                        for own, theirs in zip(key.columns, key.parent_columns, strict=True)
                    ]
        found, before = set(columns), -1
        while len(found) != before:
            before = len(found)
            for one, other in links:
                if one in found or other in found:
                    found |= {one, other}
            found |= {place for place in self._computed() if place not in found and self._computed_from(place, found)}
        # Texts that are one key to the target must have one mask.
        if any(self._column(*place).way.collation == "NOCASE" for place in found):
            self._folded = set(found)
        return found

    def _computed(self) -> Columns:
        return {
            (table.live.name, column.live.name)
            for table in self._tables.values()
            for column in table.columns
            if column.live.generated is not None
        }

    def _computed_from(self, place: tuple[TableName, str], found: Columns) -> bool:
        generated = self._column(*place).live.generated
        expression = generated.expression if generated else ""
        words = set(re.findall(r"\w+", expression))
        return any(
            table == place[0] and name != place[1] and (name in words or quote(name) in expression)
            for table, name in found
        )

    def _column(self, table: TableName, name: str) -> FileColumn:
        return next(column for column in self._tables[table].columns if column.live.name == name)
