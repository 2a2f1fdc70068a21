"""Cleaning: what a run left on the target, outside of what it published."""

from __future__ import annotations

import psycopg

from migrator_tui.model.errors import TargetError
from migrator_tui.postgres import ledger
from migrator_tui.postgres.connect import Target, connect, explain
from migrator_tui.postgres.ddl import staging_schema, undone_schema
from migrator_tui.postgres.publish import drop_schema
from migrator_tui.postgres.undo import dependents


def clean_target(target: Target, run: str) -> list[str]:
    """Drop the run's staging and undone schemas, and its rows in the schema ``migrator``.

    Returns:
        What there was to remove, in words.

    Raises:
        TargetError: The target cannot be reached, or something else depends on a table that was taken back.
    """
    removed = []
    with connect(target) as connection:
        try:
            if theirs := dependents(connection, undone_schema(run)):
                raise TargetError(
                    "CLEAN-DEPENDENTS",
                    f"{theirs[0]} depends on a table that was taken back, and would go with it."
                    + (f" So would {len(theirs) - 1} more." if len(theirs) > 1 else ""),
                    f"Drop or change what depends on the schema {undone_schema(run)}, then clean again.",
                )
            for schema, what in ((staging_schema(run), "staged tables"), (undone_schema(run), "tables taken back")):
                row = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone()
                if row:
                    drop_schema(connection, schema)
                    removed.append(what)
            if ledger.is_installed(connection) and ledger.delete_run(connection, run):
                removed.append("the run's rows in the schema migrator")
        except psycopg.Error as error:
            raise explain(error, target, established=True) from error
    return removed
