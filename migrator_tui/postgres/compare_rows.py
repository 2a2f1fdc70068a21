"""Rows of a live table beside the rows that it should have: by key where there is one, else as multisets.

The expected rows go into a temporary table and both are joined on the server, all in one transaction that is rolled
back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import adbc_driver_manager
import pyarrow as pa

from migrator_tui.convert.identifiers import quote
from migrator_tui.postgres.casting import ingest
from migrator_tui.postgres.compare import close_quietly
from migrator_tui.postgres.connect import Target, connect_adbc, explain
from migrator_tui.postgres.load import noting

FIRST_KEYS = 5
"""Keys of each kind of difference that are told."""


@dataclass(frozen=True, slots=True)
class RowDifferences:
    """Rows of one table on both sides.

    Attributes:
        expected, live: How many rows each side has.
        missing, extra: Rows that only the source or only the target has.
        changed: Rows of the same key that differ in some column; 0 without a key.
        keys: ``missing``, ``extra``, ``changed`` → the first keys, as text.
        columns: Target column → changed rows that differ in it.
    """

    expected: int
    live: int
    missing: int
    extra: int
    changed: int = 0
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[str, int] = field(default_factory=dict)


class RowComparer:
    """One connection on which rows are compared, a table at a time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection = connect_adbc(target, application_name="migrator-tui compare")

    def close(self) -> None:
        """Close the connection; the temporary tables go with it."""
        close_quietly(self._connection)

    def compare(
        self,
        table: str,
        columns: Sequence[tuple[str, str]],
        key: Sequence[str],
        batches: Iterator[pa.RecordBatch],
        schema: pa.Schema,
    ) -> RowDifferences:
        """Compare.

        Args:
            table: The live table, quoted.
            columns: (column, expression under which equal means identical).
            key: Columns that are unique and never NULL on both sides; empty to compare whole rows.
            batches: The rows that should be there; their first column, the locator, is left out of the comparison.
                What they raise ends the comparison and is raised here.

        Raises:
            TargetError: The server refused, or the connection ended.
        """
        locator = quote(schema.field(0).name)
        names = "".join(f", {quote(name)}" for name, _ in columns)
        raised: list[BaseException] = []
        try:
            self._run(f"CREATE TEMP TABLE mt_expected ON COMMIT DROP AS SELECT NULL::bigint AS {locator}{names} "
                      f"FROM {table} WITH NO DATA")  # fmt: skip
            with self._connection.cursor() as cursor:
                reader = pa.RecordBatchReader.from_batches(schema, noting(batches, raised))
                ingest(cursor, "mt_expected", reader, schema="pg_temp")
            self._run("ANALYZE mt_expected")
            found = self._by_key(table, locator, columns, key) if key else self._as_multisets(table, columns)
            self._connection.rollback()
        except adbc_driver_manager.Error as error:
            if raised:
                self._connection.rollback()
                raise raised[0] from None
            raise explain(error, self._target, established=True) from error
        except BaseException:
            self._connection.rollback()
            raise
        return found

    def _by_key(
        self, table: str, locator: str, columns: Sequence[tuple[str, str]], key: Sequence[str]
    ) -> RowDifferences:
        keys = ", ".join(f"{quote(name)} AS k{n}" for n, name in enumerate(key))
        values = ", ".join(f"{expression} AS x{n}" for n, (_, expression) in enumerate(columns))
        joined = " AND ".join(f"e.k{n} = l.k{n}" for n in range(len(key)))
        either = ", ".join(f"coalesce(e.k{n}, l.k{n}) AS k{n}" for n in range(len(key)))
        differ = ", ".join(f"e.x{n} IS DISTINCT FROM l.x{n}" for n in range(len(columns)))
        self._run(
            "CREATE TEMP TABLE mt_differs ON COMMIT DROP AS SELECT * FROM ("
            "SELECT CASE WHEN l.here IS NULL THEN 'missing' WHEN e.here IS NULL THEN 'extra' ELSE 'changed' END "
            f"AS kind, {either}, ARRAY[{differ}] AS differ "
            f"FROM (SELECT true AS here, {keys}, {values} FROM mt_expected) e "
            f"FULL JOIN (SELECT true AS here, {keys}, {values} FROM {table}) l ON {joined}) both_sides "
            "WHERE kind <> 'changed' OR true = ANY (differ)"
        )
        counts = dict(self._rows("SELECT kind, count(*) FROM mt_differs GROUP BY kind"))
        order = ", ".join(f"k{n}" for n in range(len(key)))
        shown = ", ".join(f"k{n}::text" for n in range(len(key)))
        first = {
            kind: tuple(
                _key_text(key, row)
                for row in self._rows(
                    f"SELECT {shown} FROM mt_differs WHERE kind = '{kind}' ORDER BY {order} LIMIT {FIRST_KEYS}"
                )
            )
            for kind in counts
        }
        per_column = self._rows(
            "SELECT position, count(*) FROM mt_differs, unnest(differ) WITH ORDINALITY AS u (differs, position) "
            "WHERE kind = 'changed' AND differs GROUP BY position ORDER BY position"
        )
        return RowDifferences(
            self._count("mt_expected"),
            self._count(table),
            int(counts.get("missing", 0)),
            int(counts.get("extra", 0)),
            int(counts.get("changed", 0)),
            first,
            {columns[int(position) - 1][0]: int(rows) for position, rows in per_column},
        )

    def _as_multisets(self, table: str, columns: Sequence[tuple[str, str]]) -> RowDifferences:
        exact = ", ".join(expression for _, expression in columns) or "1"
        expected, live = f"SELECT {exact} FROM mt_expected", f"SELECT {exact} FROM {table}"
        missing, extra = (
            int(self._rows(f"SELECT count(*) FROM ({left} EXCEPT ALL {right}) AS difference")[0][0])
            for left, right in ((expected, live), (live, expected))
        )
        return RowDifferences(self._count("mt_expected"), self._count(table), missing, extra)

    def _count(self, table: str) -> int:
        return int(self._rows(f"SELECT count(*) FROM {table}")[0][0])

    def _run(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return [tuple(row) for row in cursor.fetchall()]


def _key_text(key: Sequence[str], row: Sequence[object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(key, row, strict=True))
