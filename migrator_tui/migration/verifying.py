"""Verifying what is published: every planned object is there, and every row is still what the plan makes of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import psycopg

from migrator_tui.convert.codecs import Codec
from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.migration.control import Control
from migrator_tui.migration.planning.quarantine import RowSets
from migrator_tui.migration.staging import Encoder, Source
from migrator_tui.model.outcome import TableOutcome
from migrator_tui.model.plan import Action, Plan, TablePlan
from migrator_tui.model.schema import Key, Table
from migrator_tui.postgres import ledger, publish
from migrator_tui.postgres.compare import Comparison, Verifier
from migrator_tui.postgres.connect import Target, connect, explain
from migrator_tui.postgres.ddl import locator_name
from migrator_tui.postgres.inspect import inspect
from migrator_tui.sqlite.read import SnapshotReader


def missing_objects(connection: psycopg.Connection[Any], plan: Plan) -> list[str]:
    """What of the planned schema is not on the target: tables, keys, checks, indexes, identities, views."""
    schemas = sorted({table.target.schema for table in plan.moved} | {view.target.schema for view in plan.views})
    if not schemas:
        return []
    found = inspect(connection, schemas)
    live = {table.name: table for table in found.tables}
    missing = []
    for table in plan.moved:
        there = live.get(table.target)
        if there is None:
            missing.append(f"table {table.target}")
        elif table.action is Action.CREATE:
            missing += _missing_of(table, there)
    views = {view.name for view in found.views}
    return missing + [f"view {view.target}" for view in plan.views if view.target not in views]


def _missing_of(table: TablePlan, there: Table) -> list[str]:
    def same(a: Key | None, b: Key | None) -> bool:
        return (a.columns if a else ()) == (b.columns if b else ())

    missing = []
    if not same(table.primary_key, there.primary_key):
        missing.append(f"primary key of {table.target}")
    uniques = {key.columns for key in there.uniques}
    missing += [f"unique key {key.name} of {table.target}" for key in table.uniques if key.columns not in uniques]
    keys = {key.name: key for key in there.foreign_keys}
    for key in table.foreign_keys:
        if key.name not in keys:
            missing.append(f"foreign key {key.name} of {table.target}")
    checks = {check.name for check in there.checks}
    missing += [f"check {check.name} of {table.target}" for check in table.checks if check.name not in checks]
    indexes = {index.name for index in there.indexes}
    missing += [f"index {index.name} of {table.target}" for index in table.indexes if index.name not in indexes]
    columns = {column.name: column for column in there.columns}
    for planned in table.columns:
        column = columns.get(planned.target)
        if column is None:
            missing.append(f"column {table.target}.{planned.target}")
        elif planned.identity_next is not None and not column.identity:
            missing.append(f"identity of {table.target}.{planned.target}")
        elif planned.not_null and not column.not_null:
            missing.append(f"NOT NULL of {table.target}.{planned.target}")
    return missing


def compare_published(
    source: Source,
    plan: Plan,
    sets: RowSets,
    target: Target,
    run: str,
    control: Control,
    on_table: Callable[[str], None],
    *,
    without: Collection[str] = (),
    synced: bool = False,
) -> list[tuple[TableOutcome, Comparison]]:
    """Send the converted source once more, into temporary tables, and compare it set-wise with what is live.

    Rows that the application added since count as ``extra``, rows that it changed as ``missing`` and ``extra``. Rows
    that conflicted with live ones and were decided to stay behind are not looked for.

    Args:
        without: Source tables whose target is gone.
        synced: The source is what both ends were like after a sync: no row of it lost to a live one.
    """
    results = []
    quarantined, kept, gave_way = _stayed_behind(target, plan, run)
    verifier = Verifier(target, run)
    reader = SnapshotReader(source.snapshot)
    try:
        for table in plan.moved:
            if table.source in without:
                continue
            on_table(table.source)
            control.check()
            outvoted = set() if synced else kept.get(table.source, set())
            left = quarantined.get(table.source, set()) | set(sets.quarantined.get(table.source, {}))
            without_those = RowSets({table.source: dict.fromkeys(left | outvoted, ("", ""))}, sets.nulled)
            encoder = Encoder(source, table, without_those, users=plan.users)
            names = [(c.target, exact(c.target, k)) for c, k in zip(encoder.columns, encoder.codecs, strict=True)]
            chunks = source.profile.tables[table.source].chunks
            batches = (batch for chunk in chunks for batch in encoder.batches(reader, chunk, control.check))
            compared = verifier.compare(quote_name(table.target), names, batches, encoder.schema)
            rows = source.profile.tables[table.source].rows if synced else table.rows
            staged = rows - len(left)
            # Rows with another key or other values are there, if not as the source has them.
            lost = 0 if synced else gave_way.get(table.source, 0)
            results.append(
                (
                    TableOutcome(
                        source=table.source,
                        target=str(table.target),
                        source_rows=rows,
                        staged_rows=staged,
                        quarantined_rows=len(left),
                        published_rows=staged - lost - compared.missing,
                        kept_target=lost,
                        verified=compared.missing == 0,
                    ),
                    compared,
                )
            )
    finally:
        reader.close()
        verifier.close()
    return results


def _stayed_behind(
    target: Target, plan: Plan, run: str
) -> tuple[dict[str, set[int]], dict[str, set[int]], dict[str, int]]:
    """By source table and the target's ledger: locators of quarantined rows, and of rows of which the target has not
    all values; how many gave way to a live row altogether."""
    with connect(target, application_name=f"migrator-tui {run}") as connection:
        try:
            if not ledger.is_installed(connection):
                return {}, {}, {}
            quarantined = ledger.quarantined_rows(connection, run)
            kept = {
                table.source: ledger.outvoted_rows(connection, run, str(table.target), locator_name(table))
                for table in plan.moved
            }
            step = ledger.read_step(connection, run, publish.STEP) or {}
        except psycopg.Error as error:
            raise explain(error, target, established=True) from error
    return quarantined, kept, {source: counts[3] for source, counts in (step.get("merged") or {}).items()}


def exact(column: str, codec: Codec) -> str:
    """An expression under which equal means identical: no two spellings, zeros or cases of a type are taken for one."""
    name = quote(column)
    if codec.name in ("real", "real-numeric"):
        return f"float8send({name})"
    if codec.name == "real4":
        return f"float4send({name})"
    if codec.name == "jsonb":
        return name
    return codec.read_back(name)
