"""Rows into a new SQLite file, in C, each batch read back and compared before the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager.dbapi import Error as AdbcError

from migrator_tui.convert.codecs import differences
from migrator_tui.convert.declared import affinity_of
from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.convert.to_sqlite_values import Cells, numbers_by_affinity
from migrator_tui.model.errors import VerificationFailed
from migrator_tui.model.schema import Table

if TYPE_CHECKING:
    from adbc_driver_sqlite.dbapi import Cursor

_HEADERS = {pa.int64(): "0", pa.float64(): "0.0", pa.string(): "''", pa.binary(): "x''"}
_KEYS = "temp.mt_keys"
_ALIKE = "UNIQUE constraint failed: "
_NUMERIC = ("INTEGER", "REAL", "NUMERIC")


@dataclass(slots=True)
class Written:
    """What was written of one table.

    Attributes:
        numbers: Column → texts that its declared type turned into numbers.
        computed: Column → cells that SQLite computed, and to another value than was given.
        zeros: Column → zeros whose minus sign its declared type took.
    """

    rows: int = 0
    numbers: dict[str, int] = field(default_factory=dict)
    computed: dict[str, int] = field(default_factory=dict)
    zeros: dict[str, int] = field(default_factory=dict)


class RowWriter:
    """Writes into the tables of a new file. One at a time."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def table(self, table: Table, columns: Sequence[str], computed: Sequence[str] = ()) -> TableWriter:
        """Begin with a table, which is empty.

        Args:
            table: As SQLite describes it.
            columns: The columns that are given, in the order in which they are.
            computed: Columns that are given after them, and that SQLite computes: they are compared only.
        """
        return TableWriter(self._cursor, table, columns, computed)


class TableWriter:
    """Writes one table, in one transaction."""

    def __init__(self, cursor: Cursor, table: Table, columns: Sequence[str], computed: Sequence[str]) -> None:
        self._cursor = cursor
        self._table = table
        self._name = quote_sqlite(table.name.name)
        self._columns = [table.column(name) for name in (*columns, *computed)]
        self._stored = len(columns)
        self._affinities = [affinity_of(c) for c in self._columns]
        self.written = Written()
        self._keys = _key_of(table, columns)
        self._cursor.execute("BEGIN")
        self._run(f"DROP TABLE IF EXISTS {_KEYS}")
        names = ", ".join(f"k{number}" for number in range(len(self._keys)))
        self._run(f"CREATE TEMP TABLE mt_keys (n INTEGER PRIMARY KEY{', ' + names if names else ''})")

    def write(self, cells: Sequence[Cells]) -> None:
        """Insert a batch and compare what is in the file then with what was given.

        Raises:
            VerificationFailed: ``PULL-CELLS``: a cell reads back as something else. ``PULL-UNIQUE``: rows are alike
                that must not be.
        """
        rows = len(cells[0])
        if not rows:
            return
        stored = cells[: self._stored]
        parts = [part for column in stored for part in column.parts]
        values = ", ".join(
            "?" if len(column.parts) == 1 else f"coalesce({', '.join('?' * len(column.parts))})" for column in stored
        )
        listed = ", ".join(quote_sqlite(column.name) for column in self._columns[: self._stored])
        batch = pa.record_batch(parts, names=[f"p{number}" for number in range(len(parts))])
        try:
            self._cursor.executemany(f"INSERT INTO {self._name} ({listed}) VALUES ({values})", batch)
        except AdbcError as error:
            _, alike, names = str(error).partition(_ALIKE)
            if not alike:
                raise
            raise VerificationFailed(
                "PULL-UNIQUE",
                f"Two rows of {self._table.name} have the same {names}, which the file's definition has as unique.",
                "Where the column is masked, two masks are alike: leave it out of --redact, or pull fewer rows.",
            ) from error
        self._compare(cells, rows)
        self.written.rows += rows

    def finish(self) -> None:
        """Commit, and count once more.

        Raises:
            VerificationFailed: ``PULL-COUNT``.
        """
        self._cursor.execute("COMMIT")
        self._cursor.execute(f"SELECT count(*) FROM {self._name}")
        row = self._cursor.fetchone()
        if row is None or row[0] != self.written.rows:
            raise VerificationFailed(
                "PULL-COUNT",
                f"{self._table.name} has {row[0] if row else 0} rows in the file; {self.written.rows} were written.",
                "Nothing was left in the file's place. Pull again.",
            )

    def _compare(self, cells: Sequence[Cells], rows: int) -> None:
        source = self._locate(cells, rows)
        if source is None:
            return
        expected: list[tuple[int, pa.Array, pa.Array | None]] = []
        selected = []
        for number, (column, kind, given) in enumerate(zip(self._columns, self._affinities, cells, strict=True)):
            turned = numbers_by_affinity(given) if kind in _NUMERIC else None
            if turned is not None and (count := pc.sum(turned).as_py() or 0):
                self.written.numbers[column.name] = self.written.numbers.get(column.name, 0) + count
            else:
                turned = None
            classes = {part.type for part in given.parts}
            for part in given.parts:
                expected.append((number, part, turned))
                selected.append(_of_class(f"t.{quote_sqlite(column.name)}", part.type, kind, classes))
        header = ", ".join(["0", *(_HEADERS[part.type] for _, part, _ in expected)])
        self._cursor.execute(f"SELECT {header} UNION ALL SELECT {', '.join([source[0], *selected])} {source[1]}")
        found = self._cursor.fetch_arrow_table().combine_chunks().slice(1)
        found = found.take(pc.sort_indices(found.column(0)))
        if found.num_rows != rows:
            raise self._differs(f"{rows} rows were written, {found.num_rows} are there")
        for index, (number, part, turned) in enumerate(expected, start=1):
            read = _whole(found.column(index))
            if turned is not None:
                part, read = (pc.if_else(turned, pa.scalar(None, a.type), a) for a in (part, read))
            # Bytes, because texts may be none in UTF-8, and equal texts of another form are not equal.
            if pa.types.is_string(part.type):
                part, read = part.view(pa.binary()), read.view(pa.binary())
            different = differences(part, read)
            name = self._columns[number].name
            if different and part.type == pa.float64():
                # A whole real is kept as an integer in columns with a numeric affinity, which has no -0.
                left = [at for at in different if part[at].as_py() != 0 or read[at].as_py() != 0]
                if len(left) < len(different):
                    self.written.zeros[name] = self.written.zeros.get(name, 0) + len(different) - len(left)
                different = left
            if different and number >= self._stored:
                self.written.computed[name] = self.written.computed.get(name, 0) + len(different)
            elif different:
                row = self.written.rows + different[0] + 1
                raise self._differs(f"{name} of the row {row} that was read is another value")

    def _locate(self, cells: Sequence[Cells], rows: int) -> tuple[str, str] | None:
        """The batch's rows in the file: the expression of a row's position, and the FROM clause."""
        if not self._keys:
            if self._table.locator is None:
                return None
            last = self.written.rows
            place = f"t.{self._table.locator}"
            return f"{place} - {last}", f"FROM {self._name} t WHERE {place} BETWEEN {last + 1} AND {last + rows}"
        self._run(f"DELETE FROM {_KEYS}")
        names = [column.name for column in self._columns]
        parts: list[pa.Array] = [pa.array(range(rows), pa.int64())]
        values = ["?"]
        for key in self._keys:
            own = cells[names.index(key)].parts
            parts += own
            values.append(f"coalesce({', '.join('?' * len(own))}, NULL)")
        batch = pa.record_batch(parts, names=[f"p{number}" for number in range(len(parts))])
        self._cursor.executemany(f"INSERT INTO {_KEYS} VALUES ({', '.join(values)})", batch)
        on = " AND ".join(f"t.{quote_sqlite(key)} IS k.k{number}" for number, key in enumerate(self._keys))
        return "k.n", f"FROM {_KEYS} k CROSS JOIN {self._name} t ON {on}"

    def _differs(self, what: str) -> VerificationFailed:
        return VerificationFailed(
            "PULL-CELLS",
            f"{self._table.name}: the file does not read back as it was written: {what}.",
            "Nothing was left in the file's place. Pull again; if it happens again, the table's definition changes "
            "values as they are written.",
        )

    def _run(self, statement: str) -> None:
        self._cursor.execute(statement)


def _key_of(table: Table, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that find a row: the alias of the rowid, or the key of a table without one; else none."""
    alias = next((column.name for column in table.columns if column.identity), None)
    if alias is not None:
        return (alias,) if alias in columns else ()
    if table.without_rowid and table.primary_key is not None:
        return table.primary_key.columns
    return ()


def _of_class(column: str, kind: pa.DataType, declared: str, classes: set[pa.DataType]) -> str:
    if kind == pa.int64():
        return f"CASE typeof({column}) WHEN 'integer' THEN {column} END"
    if kind == pa.float64():
        # Columns with these affinities keep a whole real as an integer.
        whole = declared in ("NUMERIC", "INTEGER") and pa.int64() not in classes
        also = f" WHEN 'integer' THEN CAST({column} AS REAL)" if whole else ""
        return f"CASE typeof({column}) WHEN 'real' THEN {column}{also} END"
    return f"CASE typeof({column}) WHEN '{'text' if kind == pa.string() else 'blob'}' THEN {column} END"


def _whole(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        combined = pa.concat_arrays(combined.chunks) if combined.num_chunks else pa.array([], combined.type)
    return combined
