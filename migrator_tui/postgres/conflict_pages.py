"""Conflicts numbered once when they are detected, so that any page of any number of them is read at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.model.plan import Plan, TablePlan
from migrator_tui.postgres.ddl import locator_name, staged_name, staging_schema
from migrator_tui.postgres.merge_parts import sql

_PAGES, _INDEX = "_mt_conflicts_", "_mt_row_"


def pages_name(table: TablePlan, schema: str) -> str:
    """The table of a staging schema that numbers a table's conflicts by ``met``, quoted; there if there are any."""
    return f"{quote(schema)}.{quote(_PAGES + _digest(table.source))}"


def number(connection: psycopg.Connection[Any], table: TablePlan, schema: str, state: str, met: Sequence[str]) -> None:
    """Number the conflicts of a detection, each kind in order of the source.

    Args:
        state: The detection's table, quoted.
        met: What a staged row meets that makes it a conflict.
    """
    pages, staged = pages_name(table, schema), f"{quote(schema)}.{quote(staged_name(table))}"
    listed = ", ".join(map(quote_literal, met))
    connection.execute(sql(f"DROP TABLE IF EXISTS {pages}"))
    row = connection.execute(sql(f"SELECT EXISTS (SELECT 1 FROM {state} WHERE met IN ({listed}))")).fetchone()
    if not row or not row[0]:
        return
    # Staging has no index that finds single rows, and nothing has told the planner yet what these tables hold.
    for statement in (
        f"CREATE TABLE {pages} AS SELECT met, row_number() OVER (PARTITION BY met ORDER BY src) AS n, src "
        f"FROM {state} WHERE met IN ({listed})",
        f"ALTER TABLE {pages} ADD PRIMARY KEY (met, n)",
        f"CREATE INDEX IF NOT EXISTS {quote(_INDEX + _digest(table.source))} "
        f"ON {staged} ({quote(locator_name(table))})",
        f"ANALYZE {staged}",
        f"ANALYZE {pages}",
        f"ANALYZE {state}",
    ):
        connection.execute(sql(statement))


def with_conflicts(connection: psycopg.Connection[Any], plan: Plan, run: str) -> set[str]:
    """The source tables in which conflicts were found, by one look."""
    rows = connection.execute(
        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = %s AND c.relkind = 'r' AND starts_with(c.relname::text, %s)",
        (staging_schema(run), _PAGES),
    )
    there = {name for (name,) in rows}
    return {table.source for table in plan.moved if _PAGES + _digest(table.source) in there}


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:10]
