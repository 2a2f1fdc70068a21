"""Which live tables with rows a run merges into: those that are worth a backup first."""

from __future__ import annotations

from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote_name
from migrator_tui.model.plan import Action, Plan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge import sql


def merged_with_rows(connection: psycopg.Connection[Any], plan: Plan) -> tuple[TableName, ...]:
    """The live tables that the plan merges rows into and that have rows, in the plan's order."""
    found = []
    for table in plan.moved:
        if table.action is Action.MERGE:
            row = connection.execute(sql(f"SELECT EXISTS (SELECT FROM {quote_name(table.target)})")).fetchone()
            if row is not None and row[0]:
                found.append(table.target)
    return tuple(found)
