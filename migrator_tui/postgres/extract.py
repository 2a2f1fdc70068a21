"""Reading a target as one state: a single snapshot for schema and rows, rows streamed by binary COPY.

The session that looks at the schema exports its snapshot; the one that reads rows imports it. Both are REPEATABLE READ
and READ ONLY, so nothing can be changed, whatever condition a person gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import adbc_driver_manager
import psycopg
import pyarrow as pa

from migrator_tui.convert.identifiers import quote_literal, quote_name
from migrator_tui.convert.to_sqlite_types import Category, LiveType
from migrator_tui.model.errors import TargetError
from migrator_tui.model.schema import Table, TableName
from migrator_tui.postgres.compare import close_quietly
from migrator_tui.postgres.connect import Target, connect, connect_adbc, explain
from migrator_tui.postgres.merge import sql

BATCH_BYTES = 4 << 20
"""About the bytes of one Arrow batch; one row is never cut."""
LOCKED_AT_ONCE = 100

_READ_ONLY = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

_TYPES = """
    WITH RECURSIVE base (attrelid, attnum, oid, typmod, domain, depth) AS (
        SELECT a.attrelid, a.attnum, a.atttypid, a.atttypmod, NULL::oid, 0
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT b.attrelid, b.attnum, t.typbasetype, CASE WHEN b.typmod < 0 THEN t.typtypmod ELSE b.typmod END,
               t.oid, b.depth + 1
        FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd'
    )
    SELECT c.relname, a.attname, format_type(b.oid, b.typmod), t.typtype::text,
           t.typcategory = 'A',
           ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
           (SELECT coalesce(max(d.domain::regtype::text) FILTER (WHERE d.depth = 1), '') FROM base d
            WHERE d.attrelid = b.attrelid AND d.attnum = b.attnum),
           ARRAY(SELECT pg_get_expr(k.conbin, 0) FROM base d JOIN pg_constraint k ON k.contypid = d.domain
                 WHERE d.attrelid = b.attrelid AND d.attnum = b.attnum AND k.contype = 'c' ORDER BY k.conname),
           coalesce((SELECT NOT l.collisdeterministic FROM pg_collation l WHERE l.oid = a.attcollation), false)
    FROM base b JOIN pg_type t ON t.oid = b.oid JOIN pg_class c ON c.oid = b.attrelid
    JOIN pg_attribute a ON a.attrelid = b.attrelid AND a.attnum = b.attnum WHERE t.typtype <> 'd'
"""

_SEQUENCES = """
    SELECT c.relname, a.attname, coalesce(s.last_value, s.start_value - s.increment_by)
    FROM pg_depend d JOIN pg_class q ON q.oid = d.objid AND q.relkind = 'S'
    JOIN pg_class c ON c.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
    JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_namespace qn ON qn.oid = q.relnamespace
    JOIN pg_sequences s ON s.schemaname = qn.nspname AND s.sequencename = q.relname
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
      AND n.nspname = %(schema)s
"""

# What a SQLite file has no place for, and nothing else of this module reads.
_OTHERS = """
    SELECT 'policy', p.tablename || '.' || p.policyname, coalesce(p.qual, p.with_check, '') FROM pg_policies p
    WHERE p.schemaname = %(schema)s
    UNION ALL SELECT 'exclusion constraint', c.relname || '.' || k.conname, pg_get_constraintdef(k.oid)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE k.contype = 'x' AND n.nspname = %(schema)s
    UNION ALL SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, p.oid::regprocedure::text, ''
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = %(schema)s AND NOT EXISTS (
        SELECT 1 FROM pg_depend x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e')
    UNION ALL SELECT 'foreign table', c.relname, '' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'f' AND n.nspname = %(schema)s
    UNION ALL SELECT 'sequence', c.relname, '' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND n.nspname = %(schema)s AND NOT EXISTS (
        SELECT 1 FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid
        AND x.deptype IN ('a', 'i', 'e'))
    ORDER BY 1, 2
"""

_KINDS = """
    SELECT c.relname, c.relkind::text, c.relispartition AND EXISTS (
               SELECT 1 FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
               WHERE i.inhrelid = c.oid AND p.relnamespace = c.relnamespace),
           CASE WHEN c.relkind = 'r' THEN ARRAY(
               SELECT i.inhrelid::regclass::text FROM pg_inherits i WHERE i.inhparent = c.oid ORDER BY 1) END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'v', 'm')
"""


@dataclass(frozen=True, slots=True)
class Counter:
    """A sequence that belongs to a column, and the last value that it gave or is to count from."""

    table: str
    column: str
    last: int


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a pull has to know of a schema beyond its tables.

    Attributes:
        types: (table, column) → its type.
        others: Kind, name and text of objects that have no place in SQLite.
        partitions: Tables that are parts of another one of the schema, which holds their rows.
        partitioned, materialized: Names.
        heirs: Table → tables that inherit from it, whose rows a query of it gives too.
    """

    types: dict[tuple[str, str], LiveType]
    counters: tuple[Counter, ...]
    others: tuple[tuple[str, str, str], ...]
    partitions: frozenset[str]
    partitioned: frozenset[str]
    materialized: frozenset[str]
    heirs: dict[str, tuple[str, ...]]


class Extract:
    """A target held still: a session for questions, ``connection``, and one for rows."""

    def __init__(self, target: Target) -> None:
        """
        Raises:
            TargetError: The target cannot be reached, or refuses.
        """
        self._target = target
        self.connection = connect(target, autocommit=False, application_name="migrator-tui pull")
        try:
            self.connection.execute(sql(_READ_ONLY))
            row = self.connection.execute("SELECT pg_export_snapshot()").fetchone()
            assert row is not None
            self._rows = connect_adbc(target, application_name="migrator-tui pull")
            with self._rows.cursor() as cursor:
                cursor.execute(_READ_ONLY)
                cursor.execute(f"SET TRANSACTION SNAPSHOT {quote_literal(row[0])}")
        except (psycopg.Error, adbc_driver_manager.Error) as error:
            self.close()
            raise explain(error, target, established=True) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close both sessions."""
        if rows := getattr(self, "_rows", None):
            close_quietly(rows)
        self.connection.close()

    def lock(self, tables: Sequence[TableName]) -> None:
        """Keep the tables' definitions as they are until the end.

        Raises:
            TargetError: ``TARGET-PRIVILEGE``: the role may not read one of them.
        """
        for first in range(0, len(tables), LOCKED_AT_ONCE):
            names = ", ".join(quote_name(name) for name in tables[first : first + LOCKED_AT_ONCE])
            self._ask(f"LOCK TABLE {names} IN ACCESS SHARE MODE")

    def rows(self, query: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of a short answer."""
        return self._ask(query, parameters)

    def catalogue(self, schema: str) -> Catalogue:
        """Types, sequences and what else there is in a schema."""
        scope = {"schema": schema}
        kinds = self._ask(_KINDS, scope)
        return Catalogue(
            {(table, column): _live_type(*rest) for table, column, *rest in self._ask(_TYPES, scope)},
            tuple(Counter(*row) for row in self._ask(_SEQUENCES, scope)),
            tuple((kind, name, text) for kind, name, text in self._ask(_OTHERS, scope)),
            frozenset(name for name, _, partition, _ in kinds if partition),
            frozenset(name for name, kind, *_ in kinds if kind == "p"),
            frozenset(name for name, kind, *_ in kinds if kind == "m"),
            {name: tuple(heirs) for name, _, _, heirs in kinds if heirs},
        )

    def stream(self, query: str) -> Iterator[pa.RecordBatch]:
        """The rows of a query, in batches of bounded size, extension types replaced by their storage.

        Raises:
            TargetError: The server refused, or (``ConnectionLost``) the connection ended.
        """
        try:
            with self._rows.cursor() as cursor:
                cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)})
                cursor.execute(query)
                for batch in cursor.fetch_record_batch():
                    yield pa.record_batch([_storage(column) for column in batch.columns], names=batch.schema.names)
        # The stream's own errors come as Arrow's.
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
            raise explain(error, self._target, established=True) from error

    def _ask(self, query: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        try:
            cursor = self.connection.execute(sql(query), parameters)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise explain(error, self._target, established=True) from error


def from_clause(table: Table, catalogue: Catalogue) -> str:
    """The table as FROM has it: without the rows of tables that inherit from it, which are tables of their own."""
    only = "" if table.name.name in catalogue.partitioned else "ONLY "
    return only + quote_name(table.name)


def require_schema(extract: Extract, schema: str) -> None:
    """
    Raises:
        TargetError: ``TARGET-SCHEMA``: there is none of that name, or the role may not use it.
    """
    found = extract.rows(
        "SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = %(schema)s", {"schema": schema}
    )
    if not found:
        raise TargetError("TARGET-SCHEMA", f"The target has no schema {schema}.", "Name another one with --schema.")
    if not found[0][0]:
        raise TargetError(
            "TARGET-PRIVILEGE",
            f"The role may not use the schema {schema}.",
            f'As an owner or administrator: GRANT USAGE ON SCHEMA "{schema}" TO the role.',
        )


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _live_type(
    name: str, kind: str, is_array: bool, labels: list[str], domain: str, checks: list[str], loose: bool
) -> LiveType:
    found: Category = "plain"
    if kind == "e":
        found = "enum"
    elif is_array:
        found = "array"
    elif kind == "c":
        found = "composite"
    return LiveType(name, found, tuple(labels), domain, tuple(checks), loose)
