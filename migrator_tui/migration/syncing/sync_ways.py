"""The three-way comparisons of a sync's tables, as its record and its plan have them."""

from __future__ import annotations

from typing import Any

import psycopg

from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.syncing.sync_record import SYNC, SyncRecord
from migrator_tui.model.plan import Plan
from migrator_tui.postgres.ddl import staging_schema
from migrator_tui.postgres.merge_plan import parents_first
from migrator_tui.postgres.three_way import ThreeWay


def ways_of(connection: psycopg.Connection[Any], plan: Plan, folder: RunFolder) -> dict[str, ThreeWay] | None:
    """By source name, tables that others refer to first; None where the run is no sync."""
    if not folder.file(SYNC).exists():
        return None
    schema, record = staging_schema(folder.run), SyncRecord.read(folder)
    return {
        table.source: ThreeWay(table, schema, per_cell=record.per_cell, computed=record.computed.get(table.source, ()))
        for table in parents_first(connection, plan.moved)
    }
