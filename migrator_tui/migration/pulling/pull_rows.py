"""Rows of one table on their way: what is read becomes cells, is masked, written, and accounted for."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from migrator_tui.convert.to_sqlite_schema import FileColumn
from migrator_tui.migration.pulling.pull_plan import PullTable
from migrator_tui.migration.pulling.pull_redaction import Redaction
from migrator_tui.model.pull import Represented
from migrator_tui.sqlite.write_rows import TableWriter

EXAMPLES = 3
_SHOWN_CHARACTERS = 60


class Filler:
    """Fills one table.

    Args:
        columns: Those whose values are read, each with as many arrays as its way selects.
    """

    def __init__(
        self, table: PullTable, writer: TableWriter, columns: Sequence[FileColumn], redaction: Redaction
    ) -> None:
        self._table = table
        self._writer = writer
        self._columns = columns
        self._redaction = redaction
        self._otherwise: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    @property
    def rows(self) -> int:
        """Rows written so far."""
        return self._writer.written.rows

    def write(self, batch: pa.RecordBatch) -> None:
        """Write a batch.

        Raises:
            VerificationFailed: It does not read back as it was written.
        """
        arrays = iter(batch.columns)
        cells = []
        for column in self._columns:
            read = tuple(next(arrays) for _ in column.way.select)
            found = column.way.decode(read)
            if found.otherwise:
                self._otherwise[column.name] = self._otherwise.get(column.name, 0) + len(found.otherwise)
                if not self._redaction.covers(self._table, column):
                    shown = self._examples.setdefault(column.name, [])
                    for position in found.otherwise[: EXAMPLES - len(shown)]:
                        value = next((part[position].as_py() for part in found.parts if part[position].is_valid), None)
                        shown.append(str(value)[:_SHOWN_CHARACTERS])
            cells.append(self._redaction.mask(self._table, column, found))
        self._writer.write(cells)

    def finish(self) -> list[Represented]:
        """Commit; what looks otherwise than it was, or than Postgres has it."""
        self._writer.finish()
        name = self._table.name
        found = [
            Represented(
                name,
                column,
                "new since it was published, and not of the form that its column had: as Postgres writes it",
                count,
                tuple(self._examples.get(column, ())),
            )
            for column, count in self._otherwise.items()
        ]
        found += [
            Represented(name, column, "SQLite computes another value than the target has", count)
            for column, count in self._writer.written.computed.items()
        ]
        found += [
            Represented(name, column, "-0.0, which SQLite keeps as 0.0 in a column of this type", count)
            for column, count in self._writer.written.zeros.items()
        ]
        return found + [
            Represented(name, column, "texts that the column's declared type turns into numbers", count)
            for column, count in self._writer.written.numbers.items()
        ]
