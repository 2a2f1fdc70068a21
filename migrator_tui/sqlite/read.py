"""Read a snapshot's rows: in bulk as Arrow, or a few rows cell by cell with their storage classes."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import adbc_driver_sqlite.dbapi
import pyarrow as pa
from adbc_driver_manager.dbapi import Error as AdbcError

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.errors import SourceError
from migrator_tui.model.schema import Table
from migrator_tui.sqlite.locating import located_source
from migrator_tui.sqlite.snapshot import connect, snapshot_uri

HEADERS: Mapping[str, pa.DataType] = {"0": pa.int64(), "0.0": pa.float64(), "''": pa.string(), "x''": pa.binary()}
"""The literal of the header row → the type that the column is read as."""

Cell = tuple[str, bytes | None]
"""Storage class (``null``, ``integer``, ``real``, ``text``, ``blob``) and bytes: integers in decimal digits, reals as
eight bytes IEEE 754 big-endian, texts in UTF-8 as stored, blobs as they are."""

FIRST = "_mt_src"
"""The name of the first column of a batch, which is the locator."""

_BATCH_ROWS = "adbc.sqlite.query.batch_rows"
_PARAMETERS = 500
_SHOWN_CHARACTERS = 60


class SnapshotReader:
    """One ADBC connection on a snapshot. One per thread.

    ADBC's SQLite driver takes the types of the columns from the first batch. So every query begins with a header row
    of literals, which is cut off again.
    """

    def __init__(self, snapshot: Path) -> None:
        self._path = snapshot
        try:
            self._connection = adbc_driver_sqlite.dbapi.connect(snapshot_uri(snapshot))
        except AdbcError as error:
            raise _read_error(str(snapshot), error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; batches must not be read any more."""
        self._connection.close()

    def batches(
        self, table: Table, columns: Sequence[tuple[str, str, str]], lo: int, hi: int, *, batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Read the rows with locators ``lo`` to ``hi``, both included, in order of locator.

        Args:
            columns: (name in the batch, header literal of :data:`HEADERS`, SQL expression over the table's columns).
                The expression must give only that storage class or NULL: the driver makes texts of integers and reals
                of integers without an error.
            batch_rows: Most rows of a batch.

        Yields:
            Batches with ``_mt_src`` (int64) first, then the columns. Texts are *not* checked for being UTF-8.

        Raises:
            SourceError: ``SOURCE-READ``: a value is not of the header's class, or SQLite refused.
        """
        header = ", ".join([f"0 AS {FIRST}", *(f"{literal} AS {quote_sqlite(name)}" for name, literal, _ in columns)])
        locator, source = located_source(table, lo=lo, hi=hi)
        wanted = ", ".join([locator, *(expression for _, _, expression in columns)])
        query = f"SELECT {header} UNION ALL SELECT {wanted} FROM {source} WHERE {locator} BETWEEN {lo} AND {hi}"
        names = [FIRST, *(name for name, _, _ in columns)]
        types = [pa.int64(), *(HEADERS[literal] for _, literal, _ in columns)]
        first = True
        with self._stream(str(table.name), query, batch_rows) as stream:
            _promised(str(table.name), stream.schema, names, types)
            while (batch := _next_batch(str(table.name), stream)) is not None:
                kept = batch.slice(1) if first and batch.num_rows else batch
                first = first and not batch.num_rows
                if kept.num_rows:
                    yield kept

    def scalar_rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of another query, one that gives few. A column's values must be of one storage class.

        Raises:
            SourceError: ``SOURCE-READ``.
        """
        with self._stream(self._path.name, sql, 1024) as stream:
            rows: list[tuple[Any, ...]] = []
            while (batch := _next_batch(self._path.name, stream)) is not None:
                rows.extend(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            return rows

    def arrow(self, sql: str, *, batch_rows: int = 65536) -> Iterator[pa.RecordBatch]:
        """The batches of another query, typed by its own first batch.

        Raises:
            SourceError: ``SOURCE-READ``.
        """
        with self._stream(self._path.name, sql, batch_rows) as stream:
            while (batch := _next_batch(self._path.name, stream)) is not None:
                yield batch

    @contextmanager
    def _stream(self, what: str, sql: str, batch_rows: int) -> Iterator[pa.RecordBatchReader]:
        cursor = self._connection.cursor()
        try:
            cursor.adbc_statement.set_options(**{_BATCH_ROWS: str(max(1, batch_rows))})
            try:
                cursor.execute(sql)
                stream = cursor.fetch_record_batch()
            except (AdbcError, pa.ArrowException, OSError) as error:
                raise _read_error(what, error) from error
            with closing(stream):
                yield stream
        finally:
            cursor.close()


def typed_cells(
    snapshot: Path, table: Table, locators: Sequence[int], opened: sqlite3.Connection | None = None
) -> Iterator[tuple[int, dict[str, Cell]]]:
    """Rows cell by cell, in order of locator, each cell with its storage class and its bytes.

    Generated columns are among them. Locators that name no row are passed over.

    Args:
        opened: To the snapshot, to ask of many tables; opening one reads the whole schema.

    Raises:
        SourceError: ``SOURCE-READ``.
    """
    wanted = sorted(set(locators))
    names = [column.name for column in table.columns]
    at, source = located_source(table)
    selected = ", ".join([at, *(quote_sqlite(name) for name in names)])
    with nullcontext(opened) if opened is not None else closing(connect(snapshot)) as connection:
        factory, connection.text_factory = connection.text_factory, _Text
        try:
            for start in range(0, len(wanted), _PARAMETERS):
                some = wanted[start : start + _PARAMETERS]
                marks = ", ".join("?" * len(some))
                query = f"SELECT {selected} FROM {source} WHERE {at} IN ({marks}) ORDER BY {at}"
                for locator, *values in connection.execute(query, some):
                    yield locator, {name: _cell(value) for name, value in zip(names, values, strict=True)}
        except sqlite3.Error as error:
            raise _read_error(str(table.name), error) from error
        finally:
            connection.text_factory = factory


def row_key(table: Table, cells: Mapping[str, Cell], locator: int | None = None) -> str:
    """A row's key for people: ``id=7``, ``post=3, tag='new'``, ``rowid=3`` for a table without a primary key.

    Args:
        locator: Only needed where the table has no primary key; without it the first columns stand in.
    """
    if table.primary_key is not None:
        names = table.primary_key.columns
    elif locator is not None:
        return f"{table.locator or 'row'}={locator}"
    else:
        names = tuple(column.name for column in table.columns[:3])
    return ", ".join(f"{name}={shown(cells[name])}" for name in names if name in cells)


def shown(cell: Cell) -> str:
    """A cell for people, as a SQL literal, shortened."""
    kind, data = cell
    if data is None:
        return "NULL"
    if kind == "integer":
        return data.decode("ascii")
    if kind == "real":
        return repr(struct.unpack(">d", data)[0])
    if kind == "blob":
        digits = data[: _SHOWN_CHARACTERS // 2].hex()
        return f"x'{digits}{'…' if len(data) > _SHOWN_CHARACTERS // 2 else ''}'"
    text = data.decode("utf-8", "replace")
    return repr(text[:_SHOWN_CHARACTERS] + ("…" if len(text) > _SHOWN_CHARACTERS else ""))


class _Text(bytes):
    """Marks what was stored as text; both classes come as bytes otherwise."""


def _cell(value: int | float | bytes | None) -> Cell:
    if value is None:
        return "null", None
    if isinstance(value, int):
        return "integer", str(value).encode("ascii")
    if isinstance(value, float):
        return "real", struct.pack(">d", value)
    return ("text", bytes(value)) if isinstance(value, _Text) else ("blob", value)


def _next_batch(what: str, stream: pa.RecordBatchReader) -> pa.RecordBatch | None:
    try:
        return stream.read_next_batch()
    except StopIteration:
        return None
    except (AdbcError, pa.ArrowException, OSError) as error:
        raise _read_error(what, error) from error


def _promised(what: str, schema: pa.Schema, names: Sequence[str], types: Sequence[pa.DataType]) -> None:
    for name, promised, field in zip(names, types, schema, strict=True):
        if field.type != promised:
            raise SourceError(
                "SOURCE-READ",
                f"{what}: {name} was to be read as {promised}, but holds values of another storage class.",
                "The plan does not fit this snapshot; make a new plan.",
            )


def _read_error(what: str, error: BaseException) -> SourceError:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    hint = "Check the snapshot with the sqlite3 command line tool."
    if "no such collation" in said or "no such function" in said or "no such module" in said:
        hint = "Only the application that made the file has it: copy the table into one without it, or leave it out."
    return SourceError("SOURCE-READ", f"{what} cannot be read: {said}.", hint)
