"""Trying on the target, in a transaction that is rolled back, the values that columns of its own are to get."""

from __future__ import annotations

from typing import Any

import psycopg

from migrator_tui.convert.fills import depends_on_row
from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import Plan, TablePlan
from migrator_tui.postgres.merge import filled_rows, sql

_SHADOW = "pg_temp._mt_fill"


def prove_fills(connection: psycopg.Connection[Any], plan: Plan) -> None:
    """Insert one row of NULLs and fills into an empty likeness of each live table. Nothing is left behind.

    Raises:
        UsageError: ``PLAN-FILL``: naming table, column, and what the target said.
    """
    for table in plan.moved:
        for fill in table.fills:
            with connection.transaction(force_rollback=True):
                _prove(connection, table, fill.target, fill.expression, fill.not_null)


def _prove(connection: psycopg.Connection[Any], table: TablePlan, column: str, expression: str, not_null: bool) -> None:
    live, name = quote_name(table.target), quote(column)
    moved = ", ".join(quote(c.target) for c in table.moved_columns)
    try:
        connection.execute(sql(f"CREATE TEMP TABLE _mt_fill ON COMMIT DROP AS SELECT {moved} FROM {live} WITH NO DATA"))
        connection.execute(sql(f"INSERT INTO {_SHADOW} SELECT"))
        connection.execute(
            sql(f"CREATE TEMP TABLE _mt_filled ON COMMIT DROP AS SELECT {name} FROM {live} WITH NO DATA")
        )
        only = (next(fill for fill in table.fills if fill.target == column),)
        connection.execute(sql(f"INSERT INTO pg_temp._mt_filled SELECT s.{name} FROM {filled_rows(_SHADOW, only)} s"))
        row = connection.execute(sql(f"SELECT {name} IS NULL FROM pg_temp._mt_filled")).fetchone()
    except psycopg.Error as error:
        said = (error.diag.message_primary or str(error)).strip().rstrip(".")
        raise UsageError(
            "PLAN-FILL",
            f"{table.source}: the target does not take {expression} for its column {table.target}.{column}: {said}.",
            f"Correct it under `fill` of {table.source}: a SQL expression, or {{value: text}} for a text as it is.",
        ) from error
    if row and row[0] and not_null and not depends_on_row(expression):
        raise UsageError(
            "PLAN-FILL",
            f"{table.source}: {expression} is NULL, and the target's column {table.target}.{column} is NOT NULL.",
            f"Give another value under `fill` of {table.source}.",
        )
