"""A backup's rows in staging: they join live tables as migrated rows do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.model.errors import BackupError
from migrator_tui.model.plan import Plan, TablePlan
from migrator_tui.postgres import ledger
from migrator_tui.postgres.backup import DATA, END, TABLE, Progress, stop_if
from migrator_tui.postgres.ddl import locator_name, staged_name, staging_schema
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.load import QuarantinedRow
from migrator_tui.postgres.merge import sql
from migrator_tui.postgres.merge_parts import key_json, texts_of


def load(
    connection: psycopg.Connection[Any],
    plan: Plan,
    fence: Fence,
    records: Iterable[tuple[bytes, bytes]],
    stop: threading.Event,
    progress: Progress,
) -> None:
    """Load the rows of the plan's tables that are not in staging yet, each table with its ledger row in a transaction.

    Args:
        records: Of the backup, from the beginning.

    Raises:
        BackupError: ``BACKUP-ALTERED``: other rows came than the backup says.
    """
    wanted = {table.source: table for table in plan.moved}
    there = ledger.chunks(connection, fence.run)
    for start, blocks in _tables(records):
        table = wanted.get(start["table"])
        if table is None or table.source in there:
            continue
        progress(f"staging {table.source}")
        with connection.transaction():
            ledger.hold(connection, fence)
            _enter(connection, table, fence)
            _copy(connection, table, fence.run, start, blocks, stop)


def _tables(records: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[Mapping[str, Any], Iterator[bytes]]]:
    """Each table's start, and its rows as COPY gave them; what is not taken is passed over."""
    rest = iter(records)

    def blocks() -> Iterator[bytes]:
        for kind, payload in rest:
            if kind == END:
                return
            if kind == DATA:
                yield payload

    for kind, payload in rest:
        if kind == TABLE:
            part = blocks()
            yield json.loads(payload), part
            for _ in part:
                pass


def _enter(connection: psycopg.Connection[Any], table: TablePlan, fence: Fence) -> None:
    connection.execute(
        "INSERT INTO migrator.chunk (run, tbl, seq, lo, hi, staged_rows, quarantined_rows, bytes) "
        "VALUES (%s, %s, 0, 1, %s, %s, 0, 0)",
        (fence.run, table.source, table.rows, table.rows),
    )


def _copy(
    connection: psycopg.Connection[Any],
    table: TablePlan,
    run: str,
    start: Mapping[str, Any],
    blocks: Iterator[bytes],
    stop: threading.Event,
) -> None:
    schema, locator = quote(staging_schema(run)), quote(locator_name(table))
    place, counter = f"{schema}.{quote(staged_name(table))}", f"{schema}._mt_counter"
    connection.execute(sql(f"CREATE SEQUENCE {counter}"))
    connection.execute(sql(f"ALTER TABLE {place} ALTER {locator} SET DEFAULT nextval({quote_literal(counter)})"))
    columns = ", ".join(map(quote, start["columns"]))
    format = "binary" if start["binary"] else "text"
    connection.execute("SET LOCAL client_encoding = 'UTF8'")
    with (
        connection.cursor() as cursor,
        cursor.copy(sql(f"COPY {place} ({columns}) FROM STDIN (FORMAT {format})")) as copy,
    ):
        for block in blocks:
            stop_if(stop)
            copy.write(block)
    connection.execute(sql(f"ALTER TABLE {place} ALTER {locator} DROP DEFAULT"))
    connection.execute(sql(f"DROP SEQUENCE {counter}"))
    row = connection.execute(sql(f"SELECT count(*) FROM {place}")).fetchone()
    if row != (table.rows,):
        raise BackupError(
            "BACKUP-ALTERED",
            f"The backup says {table.rows:,} rows of {table.source}, and has {row[0] if row else 0:,}.",
            "Take an older backup.",
        )


def rows_of(
    connection: psycopg.Connection[Any], table: TablePlan, run: str, chosen: Mapping[int, tuple[str, str]]
) -> list[QuarantinedRow]:
    """Staged rows that stay behind, whole, each value as text.

    Args:
        chosen: Locator → (finding id, reason).
    """
    locator = quote(locator_name(table))
    columns = [column.target for column in table.moved_columns]
    found = connection.execute(
        sql(
            f"SELECT s.{locator}, {key_json('s', table.match_key)}::text, {texts_of('s', columns)} "
            f"FROM {quote(staging_schema(run))}.{quote(staged_name(table))} s WHERE s.{locator} = ANY(%s) ORDER BY 1"
        ),
        (list(chosen),),
    )
    return [
        QuarantinedRow(
            src,
            key,
            *chosen[src],
            {name: ("null", None) if cells[name] is None else ("text", str(cells[name]).encode()) for name in columns},
        )
        for src, key, cells in found
    ]
