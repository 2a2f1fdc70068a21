"""Staging for a three-way comparison: beside the rows of today those of the last common state, and the keys of the
rows that stay behind today, which are no deleted ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.migration.board import Board
from migrator_tui.migration.control import Control
from migrator_tui.migration.planning import quarantine
from migrator_tui.migration.planning.quarantine import RowSets
from migrator_tui.migration.staging import Encoder, LoadContext, Source, terminate
from migrator_tui.migration.syncing.sync_base import Base
from migrator_tui.migration.workers import Workers
from migrator_tui.model.plan import Plan, TablePlan
from migrator_tui.model.profile import Chunk, SourceProfile
from migrator_tui.model.project import UsersPlan
from migrator_tui.postgres import ledger
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.idle_sessions import BulkSessions
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.merge_parts import sql
from migrator_tui.postgres.three_way import ThreeWay
from migrator_tui.sqlite.chunks import chunks_of
from migrator_tui.sqlite.inspect import inspect
from migrator_tui.sqlite.read import SnapshotReader


@dataclass(frozen=True, slots=True)
class _Load:
    """A chunk of rows on its way into one of the tables.

    Attributes:
        name: What the ledger calls the table.
    """

    name: str
    staged_as: str
    chunk: Chunk
    encoder: Encoder


def prepare(connection: psycopg.Connection[Any], ways: Mapping[str, ThreeWay], fence: Fence) -> None:
    """Create the tables beside the staged ones, or what of them is missing."""
    with connection.transaction():
        ledger.hold(connection, fence)
        for source, way in ways.items():
            for name, made, columns in (
                (_base_name(source), way.base, way.columns),
                (_left_name(source), way.left, way.table.match_key),
            ):
                there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (made,)).fetchone()
                if there and there[0]:
                    continue
                listed = ", ".join(map(quote, columns))
                connection.execute(
                    sql(
                        f"CREATE TABLE {made} AS SELECT NULL::bigint AS {way.locator}, {listed} "
                        f"FROM {quote_name(way.table.target)} WITH NO DATA"
                    )
                )
                ledger.forget_chunks(connection, fence.run, name)


def stage(
    source: Source,
    plan: Plan,
    sets: RowSets,
    ways: Mapping[str, ThreeWay],
    bases: Mapping[str, Base],
    conflicting: Mapping[str, Mapping[str, set[int]]],
    committed: Mapping[str, Mapping[int, ledger.ChunkRow]],
    target: Target,
    fence: Fence,
    board: Board,
    control: Control,
    idle: BulkSessions,
    *,
    workers: int,
    chunk_bytes: int,
) -> None:
    """Load what the ledger does not have yet.

    Args:
        idle: Sessions to go on with, and to leave for the check.
        conflicting: Run → source table → locators of rows that stayed behind in that run by its ledger.
        committed: What the ledger has, by name and number.
    """
    by_file: dict[Path, list[_Load]] = {}
    for table in plan.moved:
        left = sets.quarantined.get(table.source, {})
        by_file.setdefault(source.snapshot, []).extend(_left(source, table, left, ways[table.source], plan.users))
    for base in {base.run: base for base in bases.values()}.values():
        board.say(f"reading what the run {base.run} left on both ends")
        database = inspect(base.file)
        before = Source(base.file, database, SourceProfile({}))
        stayed = quarantine.find(base.file, database, base.plan)
        with SnapshotReader(base.file) as reader:
            for table in plan.moved:
                if bases[table.source].run != base.run:
                    continue
                out = set(stayed.quarantined.get(table.source, {})) | conflicting.get(base.run, {}).get(
                    table.source, set()
                )
                described = before.table(table.source)
                chunks = chunks_of(
                    reader,
                    described,
                    [column.name for column in described.columns],
                    chunk_bytes=chunk_bytes,
                    check=control.check,
                )
                by_file.setdefault(base.file, []).extend(
                    _base(before, base.table(table.source), table, chunks, out, stayed, ways[table.source], plan.users)
                )
    for file, loads in by_file.items():
        waiting = [load for load in loads if load.chunk.seq not in committed.get(load.name, {}) and load.chunk.rows]

        def work(context: LoadContext, load: _Load) -> None:
            batches = load.encoder.batches(context.reader, load.chunk, control.within_chunk)
            context.loader.load(load.name, load.staged_as, load.chunk, batches, load.encoder.schema, [])

        Workers(
            "base",
            workers,
            target,
            control,
            open_context=lambda file=file: LoadContext(file, target, fence, idle),  # type: ignore[misc]
            work=work,
            on_retry=board.set_retry,
            terminate=lambda contexts: terminate(target, [context.loader.backend_pid for context in contexts]),
            leave=LoadContext.leave,
        ).run(waiting)


def _base_name(source: str) -> str:
    return f"base:{source}"


def _left_name(source: str) -> str:
    return f"left:{source}"


def _left(
    source: Source, table: TablePlan, left: Mapping[int, object], way: ThreeWay, users: UsersPlan | None
) -> list[_Load]:
    if not left:
        return []
    keys = replace(table, columns=tuple(c for c in table.moved_columns if c.target in table.match_key))
    encoder = Encoder(source, keys, RowSets(), users=users, only=list(left))
    return [
        _Load(_left_name(table.source), way.left_name, replace(chunk, rows=rows), encoder)
        for chunk in source.profile.tables[table.source].chunks
        if (rows := sum(1 for src in left if chunk.lo <= src <= chunk.hi))
    ]


def _base(
    before: Source,
    then: TablePlan,
    table: TablePlan,
    chunks: tuple[Chunk, ...],
    out: set[int],
    stayed: RowSets,
    way: ThreeWay,
    users: UsersPlan | None,
) -> list[_Load]:
    now = {column.target for column in table.moved_columns}
    columns = tuple(column for column in then.moved_columns if column.target in now)
    sets = RowSets({then.source: dict.fromkeys(out, ("", ""))}, stayed.nulled)
    encoder = Encoder(before, replace(then, columns=columns), sets, users=users)
    loads = []
    for chunk in chunks:
        rows = chunk.rows - sum(1 for src in out if chunk.lo <= src <= chunk.hi)
        loads.append(_Load(_base_name(table.source), way.base_name, replace(chunk, rows=rows), encoder))
    return loads
