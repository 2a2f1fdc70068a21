"""The plan of a restore whose rows join live tables: the backup's tables that are there, as they are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote_name
from migrator_tui.model.errors import BackupError, DecisionsNeeded
from migrator_tui.model.plan import Action, ColumnPlan, Estimate, Plan, TablePlan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres import backup_schema
from migrator_tui.postgres.backup import Contents


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """
    Attributes:
        absent: Tables of the backup that the target does not have.
    """

    plan: Plan
    absent: tuple[str, ...]


def restore_plan(
    connection: psycopg.Connection[Any],
    contents: Contents,
    *,
    file: str,
    digest: str,
    server: str,
    schema: str,
    tables: Sequence[str],
) -> RestorePlan:
    """What becomes of the backup's tables.

    Args:
        file, digest: The backup and its hash.
        tables: Names; empty for all in the backup.

    Raises:
        BackupError: ``BACKUP-NO-TABLE``: the backup has no such table.
        DecisionsNeeded: ``RESTORE-SHAPE``: a live table has not the backup's columns. ``RESTORE-NO-KEY``: it has no
            primary key by which rows are told to be one. ``RESTORE-NONE``: no table of the backup is there.
    """
    known = {table.table: table for table in contents.tables}
    if missing := [name for name in tables if name not in known]:
        raise BackupError("BACKUP-NO-TABLE", f"The backup has no table {missing[0]}.", f"It has: {', '.join(known)}.")
    wanted = [name for name in known if not tables or name in tables]
    there = [name for name in wanted if _is_there(connection, TableName(schema, name))]
    absent = tuple(name for name in wanted if name not in there)
    if not there:
        raise DecisionsNeeded(
            "RESTORE-NONE",
            f"No table of the backup is in {schema}: there is nothing to merge into.",
            "Restore without --merge.",
        )
    with connection.transaction():  # the names that its expressions are read by last as long
        live = backup_schema.read(connection, schema, there)
    before = {table["name"]: table for table in contents.document["tables"]}
    planned = tuple(
        _table(connection, before[table["name"]], table, schema, known[table["name"]].rows) for table in live["tables"]
    )
    rows = sum(table.rows for table in planned)
    plan = Plan(file, digest, server, planned, tuple(t.source for t in planned), estimate=Estimate(rows, 0, 0, 0.0))
    return RestorePlan(plan, absent)


def _is_there(connection: psycopg.Connection[Any], name: TableName) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (quote_name(name),)).fetchone()
    return row == (True,)


def _table(
    connection: psycopg.Connection[Any], before: Mapping[str, Any], live: Mapping[str, Any], schema: str, rows: int
) -> TablePlan:
    target = TableName(schema, live["name"])
    now = {column["name"]: column for column in live["columns"]}
    kept = [column for column in before["columns"] if not column["generated"]]
    odd = [
        f"{column['name']} is {now[column['name']]['type'] if column['name'] in now else 'not there'}, and was "
        f"{column['type']}"
        for column in kept
        if column["name"] not in now
        or now[column["name"]]["generated"]
        or now[column["name"]]["type"] != column["type"]
    ]
    names = {column["name"] for column in kept}
    odd += [
        f"{name} must have a value, and was not there"
        for name, column in now.items()
        if name not in names
        and column["not_null"]
        and not (column["generated"] or column["identity"] or column["default"])
    ]
    if odd:
        raise DecisionsNeeded(
            "RESTORE-SHAPE",
            f"{target} has other columns than in the backup: {'; '.join(odd)}. Nothing was changed.",
            "Restore beside it with --into-schema NAME, or leave it out with --tables.",
        )
    key = _primary_key(connection, target)
    if not key or not set(key) <= names:
        raise DecisionsNeeded(
            "RESTORE-NO-KEY",
            f"{target} has no primary key of the backup's columns, by which rows are told to be one. "
            "Nothing was changed.",
            "Restore beside it with --into-schema NAME, or leave it out with --tables.",
        )
    types = _types(connection, target)
    columns = tuple(
        ColumnPlan(c["name"], c["name"], types[c["name"]], "text", not_null=now[c["name"]]["not_null"]) for c in kept
    )
    return TablePlan(live["name"], target, Action.MERGE, columns, match_key=key, rows=rows)


def _primary_key(connection: psycopg.Connection[Any], table: TableName) -> tuple[str, ...]:
    rows = connection.execute(
        "SELECT a.attname::text FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(num, n) "
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num "
        "WHERE i.indrelid = %s::regclass AND i.indisprimary AND k.n <= i.indnkeyatts ORDER BY k.n",
        (quote_name(table),),
    )
    return tuple(name for (name,) in rows)


def _types(connection: psycopg.Connection[Any], table: TableName) -> dict[str, str]:
    """As they are called from anywhere."""
    rows = connection.execute(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
        (quote_name(table),),
    )
    return dict(rows.fetchall())
