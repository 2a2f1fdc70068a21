"""Reading rows back, to be compared cell by cell with the converted source."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.postgres.casting import ingest
from migrator_tui.postgres.connect import Target, connect_adbc, explain

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

_AT_ONCE = 1_000
_CHARACTERS_AT_ONCE = 8_000_000
"""A statement has at most 1 GB."""
"""Texts that one statement casts."""


class Reader:
    """One worker's connection for reading bulk data. Not to be shared between threads."""

    def __init__(self, target: Target, run: str, *, session: dbapi.Connection | None = None) -> None:
        """
        Args:
            session: One of the run that is open already, to go on with.
        """
        self._target = target
        self._connection = session or connect_adbc(target, application_name=f"migrator-tui {run}")
        try:
            with self._connection.cursor() as cursor:
                # The BRIN index on the locator is always right here: chunks were written one after the other.
                cursor.execute("SET enable_seqscan = off")
            self._connection.commit()
        except adbc_driver_manager.Error as error:
            self.close()
            raise explain(error, target, established=True) from error

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        close_quietly(self._connection)

    def staged(
        self, schema: str, table: str, locator: str, columns: Sequence[tuple[str, str]], lo: int, hi: int
    ) -> pa.Table:
        """Staged rows with locators from ``lo`` to ``hi``, in order of the locator.

        Args:
            locator: Name of the locator's column there.
            columns: (name in the result, Postgres expression).

        Returns:
            A table of the locator and the columns, extension types replaced by their storage.
        """
        chosen = ", ".join([quote(locator), *(f"{expression} AS {quote(name)}" for name, expression in columns)])
        found = self.query(
            f"SELECT {chosen} FROM {quote(schema)}.{quote(table)} "
            f"WHERE {quote(locator)} BETWEEN {int(lo)} AND {int(hi)}"
        )
        return found.take(pc.sort_indices(found, sort_keys=[(locator, "ascending")]))

    def as_cast(self, values: pa.Array, kind: str) -> pa.Array:
        """Texts as a type writes them.

        Raises:
            TargetError: The type does not take one.
        """
        different = [text for text in pc.unique(values).to_pylist() if text is not None]
        written: dict[str | None, str] = {}
        for some in _in_statements(different):
            listed = ", ".join(map(quote_literal, some))
            query = f"SELECT format('%s', CAST(v AS {kind})) FROM unnest(ARRAY[{listed}]) WITH ORDINALITY u (v, n)"
            written.update(zip(some, self.query(f"{query} ORDER BY n").column(0).to_pylist(), strict=True))
        return pa.array([written.get(value) for value in values.to_pylist()], pa.string())

    def query(self, sql: str) -> pa.Table:
        """The rows of any query, extension types replaced by their storage.

        Raises:
            TargetError: The server refused, or (``ConnectionLost``) the connection ended.
        """
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql)
                table = cursor.fetch_arrow_table()
            self._connection.rollback()
        except adbc_driver_manager.Error as error:
            raise explain(error, self._target, established=True) from error
        return pa.table([_storage(column) for column in table.columns], names=table.column_names)


def _storage(column: pa.ChunkedArray) -> Any:
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        combined = pa.concat_arrays(combined.chunks) if combined.num_chunks else pa.array([], combined.type)
    return combined.storage if isinstance(combined, pa.ExtensionArray) else combined


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows of a table beside the rows that it should have.

    Attributes:
        missing: Rows that should be there and are not, or not as they should be.
        extra: Rows that are there beyond those.
    """

    missing: int
    extra: int


class Verifier:
    """Compares a live table with rows that are sent for it, without keys, by ``EXCEPT ALL`` on the server."""

    def __init__(self, target: Target, run: str) -> None:
        self._target = target
        self._connection = connect_adbc(target, application_name=f"migrator-tui {run}")

    def close(self) -> None:
        """Close the connection; the temporary tables go with it."""
        close_quietly(self._connection)

    def compare(
        self, table: str, columns: Sequence[tuple[str, str]], batches: Iterator[pa.RecordBatch], schema: pa.Schema
    ) -> Comparison:
        """Compare.

        Args:
            table: The live table, quoted.
            columns: (column, expression under which equal means identical).
            batches: The rows that should be there; their first column, the locator, is left out of the comparison.

        Raises:
            TargetError: The server refused, or the connection ended.
        """
        locator = quote(schema.field(0).name)
        names = ", ".join(quote(name) for name, _ in columns) or "NULL AS nothing"
        exact = ", ".join(expression for _, expression in columns) or "1"
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(
                    f"CREATE TEMP TABLE mt_expected ON COMMIT DROP AS SELECT NULL::bigint AS {locator}, {names} "
                    f"FROM {table} WITH NO DATA"
                )
                reader = pa.RecordBatchReader.from_batches(schema, batches)
                ingest(cursor, "mt_expected", reader, schema="pg_temp")
                counts = []
                expected, live = f"SELECT {exact} FROM pg_temp.mt_expected", f"SELECT {exact} FROM {table}"
                for left, right in ((expected, live), (live, expected)):
                    cursor.execute(f"SELECT count(*) FROM ({left} EXCEPT ALL {right}) AS difference")
                    row = cursor.fetchone()
                    counts.append(int(row[0]) if row else 0)
            self._connection.rollback()
        except adbc_driver_manager.Error as error:
            raise explain(error, self._target, established=True) from error
        return Comparison(*counts)


def _in_statements(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in as few lots as statements can take."""
    lot: list[str] = []
    length = 0
    for text in texts:
        if lot and (len(lot) == _AT_ONCE or length + len(text) > _CHARACTERS_AT_ONCE):
            yield lot
            lot, length = [], 0
        lot.append(text)
        length += len(text)
    if lot:
        yield lot


def close_quietly(connection: Any) -> None:
    """Close an ADBC connection; one that the server ended already cannot be closed in an orderly way."""
    with contextlib.suppress(adbc_driver_manager.Error, RuntimeError):
        connection.close()
