"""How the server itself writes what a plan makes, so that it can be compared with what is there word by word.

Postgres keeps no text of an expression: ``a IN (1, 2)`` comes back as ``a = ANY (ARRAY[1, 2])``. So the planned tables
are made, empty, in the session's temporary schema, read like any other, and rolled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote
from migrator_tui.model.plan import TablePlan, ViewPlan
from migrator_tui.model.schema import Database, EnumType, Table, TableName
from migrator_tui.postgres.ddl import create_enum, create_staging_table, keys_and_indexes, locator_name
from migrator_tui.postgres.inspect import inspect
from migrator_tui.postgres.merge import sql

TEMPORARY = "pg_temp"
BATCH = 100
"""Tables made in one transaction, or sequences read in one statement; each takes locks."""

_OWNED_SEQUENCES = """
    SELECT n.nspname, c.relname, a.attname, sn.nspname, s.relname
    FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_namespace sn ON sn.oid = s.relnamespace
    JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
      AND n.nspname = ANY(%s) AND has_schema_privilege(sn.oid, 'USAGE')
      AND CASE WHEN s.relkind = 'S' THEN has_sequence_privilege(s.oid, 'SELECT') END
    ORDER BY 1, 2, 3
"""


def inspect_in(connection: psycopg.Connection[Any], schemas: Sequence[str]) -> Database:
    """The schema of some schemas, their own names written without the schema."""
    with connection.transaction():
        _look_in(connection, schemas)
        return inspect(connection, schemas)


def written_tables(
    connection: psycopg.Connection[Any], tables: Sequence[TablePlan], enums: Sequence[EnumType]
) -> dict[TableName, Table]:
    """Planned tables as the server writes them, by target name; without foreign keys.

    A table that the server does not take is not among them. Nothing is left on the target.
    """
    found: dict[TableName, Table] = {}
    for first in range(0, len(tables), BATCH):
        batch = tables[first : first + BATCH]
        with connection.transaction(force_rollback=True):
            _look_in(connection, sorted({table.target.schema for table in batch}))
            for enum in enums:
                _attempt(connection, create_enum(enum, TEMPORARY))
            for table in batch:
                _attempt(connection, _whole(table, enums))
            row = connection.execute("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()").fetchone()
            made = {table.name.name: table for table in inspect(connection, [row[0]]).tables} if row else {}
        for table in batch:
            if table.target.name in made:
                found[table.target] = _as_published(made[table.target.name], table)
    return found


def written_views(connection: psycopg.Connection[Any], views: Sequence[ViewPlan]) -> dict[TableName, str]:
    """Planned views as the server writes them over the target's tables; those that it takes. Nothing is left."""
    found: dict[TableName, str] = {}
    with connection.transaction(force_rollback=True):
        for view in views:
            _look_in(connection, [view.target.schema])
            name = f"{quote(TEMPORARY)}.{quote(view.target.name)}"
            # Gone at once, so that the next view finds the target's own view and not this one.
            with connection.transaction(force_rollback=True):
                if _attempt(connection, f"CREATE VIEW {name} AS {view.query}"):
                    row = connection.execute("SELECT pg_get_viewdef(%s::regclass)", (name,)).fetchone()
                    if row:
                        found[view.target] = row[0]
    return found


def next_values(connection: psycopg.Connection[Any], schemas: Sequence[str]) -> dict[tuple[TableName, str], int]:
    """What each identity or serial column gives next, as far as the role may see it."""
    owned = connection.execute(sql(_OWNED_SEQUENCES), (list(schemas),)).fetchall()
    values: dict[tuple[TableName, str], int] = {}
    for first in range(0, len(owned), BATCH):
        batch = owned[first : first + BATCH]
        query = " UNION ALL ".join(
            f"SELECT {number}, CASE WHEN is_called THEN last_value + 1 ELSE last_value END "
            f"FROM {quote(row[3])}.{quote(row[4])}"
            for number, row in enumerate(batch)
        )
        for number, value in connection.execute(sql(query)).fetchall():
            schema, table, column = batch[number][:3]
            values[TableName(schema, table), column] = value
    return values


def _look_in(connection: psycopg.Connection[Any], schemas: Sequence[str]) -> None:
    """Names of these schemas, and of those that the session looks in anyway, are written without a schema."""
    row = connection.execute("SELECT current_setting('search_path')").fetchone()
    behind = [row[0]] if row and row[0] else []
    connection.execute(sql(f"SET LOCAL search_path = {', '.join([*map(quote, schemas), *behind])}"))


def _whole(table: TablePlan, enums: Sequence[EnumType]) -> str:
    added = (statement for _, statement in keys_and_indexes(table, TEMPORARY))
    return ";\n".join([create_staging_table(table, TEMPORARY, enums), *added])


def _attempt(connection: psycopg.Connection[Any], statements: str) -> bool:
    try:
        with connection.transaction():
            connection.execute(sql(statements))
    except psycopg.Error:
        if connection.broken or connection.closed:
            raise
        return False
    return True


def _as_published(made: Table, plan: TablePlan) -> Table:
    """A temporary table under its planned name, without the column that staging adds."""
    columns = tuple(
        replace(column, enum=replace(column.enum, schema=plan.target.schema) if column.enum else None)
        for column in made.columns
        if column.name != locator_name(plan)
    )
    return replace(made, name=plan.target, columns=columns, foreign_keys=plan.foreign_keys)
