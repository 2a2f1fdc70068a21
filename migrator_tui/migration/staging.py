"""Staging: the snapshot's rows, converted, into the staging schema on the target, chunk by chunk, resumable."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import placeholders
from migrator_tui.convert.codecs import Codec, CodecError, codec, encode, with_folders, with_matched
from migrator_tui.convert.identifiers import quote
from migrator_tui.convert.user_folders import of_codec
from migrator_tui.convert.user_ids import Matched
from migrator_tui.migration.board import Board
from migrator_tui.migration.control import Control
from migrator_tui.migration.planning import quarantine
from migrator_tui.migration.planning.quarantine import RowSets
from migrator_tui.migration.planning.unbuilt import Uncomputable
from migrator_tui.migration.users.ids_in_paths import folders_of
from migrator_tui.migration.workers import Workers
from migrator_tui.model.errors import SourceError, TargetError, UsageError
from migrator_tui.model.plan import ColumnPlan, Plan, RowRule, TablePlan
from migrator_tui.model.profile import Chunk, SourceProfile
from migrator_tui.model.progress import TableState
from migrator_tui.model.project import UsersPlan
from migrator_tui.model.schema import Database, Table, TableName
from migrator_tui.postgres import ledger
from migrator_tui.postgres.casting import to_be_cast
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.ddl import (
    comments,
    create_enum,
    create_staging_table,
    enum_names,
    generated_column,
    locator_name,
    staged_name,
    staging_schema,
)
from migrator_tui.postgres.idle_sessions import BulkSessions
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.load import Loader, of_values
from migrator_tui.postgres.merge import sql
from migrator_tui.sqlite.read import SnapshotReader
from migrator_tui.sqlite.references import of_shapes, predicate

BATCH_BYTES = 1 << 20
"""About the bytes of one Arrow batch: small enough that a pause or cancel is noticed well within a second."""
MAX_BATCH_ROWS = 16_384
TABLES_PER_TRANSACTION = 100

_EMPTY = {"0": pa.int64(), "0.0": pa.float64(), "''": pa.string(), "x''": pa.binary()}


@dataclass(frozen=True, slots=True)
class Source:
    """The frozen source and everything known about it.

    Attributes:
        examples: Keys and values that were read for findings, kept while plans are drafted again and again.
    """

    snapshot: Path
    database: Database
    profile: SourceProfile
    examples: dict[tuple[str, RowRule], tuple[tuple[str, ...], tuple[str, ...]]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def table(self, name: str) -> Table:
        """A source table's schema."""
        found = self.database.table(TableName("", name))
        if found is None:
            raise KeyError(name)
        return found


class Encoder:
    """Converts one table's rows: reads batches of the snapshot, leaves out and nulls what was decided, encodes.

    Args:
        users: The plan's users, by which ids of those who were there already become theirs.
        only: Locators of the rows that are converted; None for all that are not left out.
    """

    def __init__(
        self,
        source: Source,
        table: TablePlan,
        sets: RowSets,
        *,
        users: UsersPlan | None,
        with_generated: bool = False,
        only: Collection[int] | None = None,
    ) -> None:
        self._only = None if only is None else pa.array(sorted(only), pa.int64())
        self._source = source
        self._plan = table
        self._table = source.table(table.source)
        self.columns: tuple[ColumnPlan, ...] = table.columns if with_generated else table.moved_columns
        self.codecs: tuple[Codec, ...] = tuple(_codec(column, users, source.snapshot) for column in self.columns)
        self._left_out = pa.array(sorted(sets.quarantined.get(table.source, {})), pa.int64())
        # A column can be read as one class only; the rows that hold another stay behind.
        # So are those that are no more than a placeholder, where these become NULL.
        self._no_value = [
            (rule.columns[0], predicate(rule.predicate, rule.columns, rule.argument))
            for rule in table.row_rules
            if rule.predicate == "class-not" or (rule.nulls and rule.predicate == placeholders.PREDICATE)
        ]
        self._shapes = {
            rule.columns[0]: rule.argument.split(",")
            for rule in table.row_rules
            if rule.nulls and rule.predicate == "shape-other"
        }
        nulled = sets.nulled.get(table.source, {})
        self._nulled = {name: pa.array(sorted(rows), pa.int64()) for name, rows in nulled.items()}
        self.schema = pa.schema(
            [pa.field(locator_name(table), pa.int64())]
            + [
                to_be_cast(column.target, column.type)
                if c.cast
                else pa.field(column.target, c.to_target(pa.array([], _EMPTY[c.header])).type)
                for column, c in zip(self.columns, self.codecs, strict=True)
            ]
        )

    def batches(self, reader: SnapshotReader, chunk: Chunk, check: Callable[[], None]) -> Iterator[pa.RecordBatch]:
        """The chunk's encoded batches. ``check`` is called before each; what it raises ends the iteration.

        Raises:
            SourceError: A value that the plan's codec cannot carry, named by table, column and row.
        """
        for batch in self.read(reader, chunk, check):
            yield self._encode(batch)

    def read(self, reader: SnapshotReader, chunk: Chunk, check: Callable[[], None]) -> Iterator[pa.RecordBatch]:
        """The chunk's batches as they are read, without the rows that stay behind."""
        wanted = [
            (column.target, c.header, self._expression(column, c))
            for column, c in zip(self.columns, self.codecs, strict=True)
        ]
        rows = max(1, min(MAX_BATCH_ROWS, BATCH_BYTES * max(1, chunk.rows) // max(1, chunk.bytes)))
        for batch in reader.batches(self._table, wanted, chunk.lo, chunk.hi, batch_rows=rows):
            check()
            kept = batch
            if len(self._left_out):
                kept = batch.filter(pc.invert(pc.is_in(batch.column(0), self._left_out)))
            if self._only is not None:
                kept = kept.filter(pc.is_in(kept.column(0), self._only))
            if kept.num_rows:
                yield kept

    def _expression(self, column: ColumnPlan, c: Codec) -> str:
        expression = c.source_expression(column.source)
        for name, condition in self._no_value:
            if name == column.source:
                expression = f"CASE WHEN NOT {condition} THEN {expression} END"
        return expression

    def _encode(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        locators = batch.column(0)
        arrays = [locators]
        for index, (column, c) in enumerate(zip(self.columns, self.codecs, strict=True), start=1):
            values = batch.column(index)
            if column.source in self._nulled:
                hit = pc.is_in(locators, self._nulled[column.source])
                values = pc.if_else(hit, pa.scalar(None, values.type), values)
            if (known := self._shapes.get(column.source)) is not None:
                values = pc.if_else(of_shapes(values, known), values, pa.scalar(None, values.type))
            try:
                arrays.append(encode(c, values))
            except CodecError as error:
                raise SourceError(
                    "VALUE-UNEXPECTED",
                    f"{self._plan.source}.{column.source}, row {locators[error.index].as_py()}: a value cannot become "
                    f"{column.type}: {error}.",
                    "Give the column another type or codec in the plan (text and bytea take every text), and migrate "
                    "with --plan.",
                ) from error
        return pa.record_batch(arrays, schema=self.schema)


def _codec(column: ColumnPlan, users: UsersPlan | None, snapshot: Path) -> Codec:
    made = codec(column.codec)
    if not made.mapped:
        return made
    if users is None:
        raise UsageError(
            "PLAN-USERS",
            f"The plan makes user ids of {column.source} (codec {column.codec}), but names no table of users.",
            "Give the plan its `users` back, or the column another type and codec.",
        )
    if of_codec(column.codec) is not None:
        return with_folders(made, folders_of(snapshot, users))
    return with_matched(made, Matched(users.matched))


class LoadContext:
    """A worker's two connections: one to the snapshot, one to the target."""

    def __init__(self, snapshot: Path, target: Target, fence: Fence, idle: BulkSessions) -> None:
        self._idle = idle
        self.loader = Loader(target, fence, staging_schema(fence.run), session=idle.take())
        self.reader = SnapshotReader(snapshot)

    def close(self) -> None:
        """Close both."""
        self.loader.close()
        self.reader.close()

    def leave(self) -> None:
        """Close the one to the snapshot, and leave the other to whoever goes on with it."""
        self.reader.close()
        self._idle.leave(self.loader.session)


def prepare(connection: psycopg.Connection[Any], plan: Plan, fence: Fence) -> None:
    """Create the staging schema and its tables, or what of them is missing.

    The ledger forgets the chunks of a table that has to be made: its rows went with an earlier staging schema.
    """
    schema = staging_schema(fence.run)
    with connection.transaction():
        ledger.hold(connection, fence)
        connection.execute(sql(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}"))
        connection.execute(sql(f"REVOKE ALL ON SCHEMA {quote(schema)} FROM PUBLIC"))
        for enum in plan.enums:
            if not _exists(connection, "to_regtype", schema, enum.name.name):
                connection.execute(sql(create_enum(enum, schema)))
    for begin in range(0, len(plan.moved), TABLES_PER_TRANSACTION):
        with connection.transaction():
            ledger.hold(connection, fence)
            for table in plan.moved[begin : begin + TABLES_PER_TRANSACTION]:
                if not _exists(connection, "to_regclass", schema, staged_name(table)):
                    # A run that failed dropped its staging: what the ledger says of such a table is no longer so.
                    name = f"{quote(schema)}.{quote(staged_name(table))}"
                    made = create_staging_table(table, schema, plan.enums)
                    connection.execute(sql(";\n".join([made, *comments(table, name)])))
                    ledger.forget_chunks(connection, fence.run, table.source)


def drop(connection: psycopg.Connection[Any], table: TablePlan, fence: Fence) -> None:
    """Drop the staging table of a table that is to be staged otherwise; :func:`prepare` makes it anew."""
    with connection.transaction():
        ledger.hold(connection, fence)
        connection.execute(sql(f"DROP TABLE IF EXISTS {quote(staging_schema(fence.run))}.{quote(staged_name(table))}"))


def _exists(connection: psycopg.Connection[Any], function: str, schema: str, name: str) -> bool:
    row = connection.execute(sql(f"SELECT {function}(%s) IS NOT NULL"), (f"{quote(schema)}.{quote(name)}",)).fetchone()
    return bool(row and row[0])


def stage(
    source: Source,
    plan: Plan,
    sets: RowSets,
    committed: Mapping[str, Mapping[int, ledger.ChunkRow]],
    target: Target,
    fence: Fence,
    board: Board,
    control: Control,
    idle: BulkSessions,
    *,
    workers: int,
) -> None:
    """Load every chunk that the ledger does not have yet.

    Args:
        committed: What the ledger has, by table and number.
        idle: Sessions to go on with, and to leave for the check.

    Raises:
        Interrupted, FenceLost, SourceError, TargetError: As the words say; what is committed stays for ``resume``.
        Uncomputable: The target cannot compute generated columns for some rows.
    """
    left: dict[str, int] = {}
    tasks: list[tuple[TablePlan, Chunk]] = []
    encoders: dict[str, Encoder] = {}
    for table in plan.moved:
        done = committed.get(table.source, {})
        chunks = source.profile.tables[table.source].chunks
        _same_chunks(table.source, chunks, done)
        for row in done.values():
            board.add(table.source, rows=row.staged_rows, quarantined=row.quarantined_rows, bytes=row.bytes)
        waiting = [chunk for chunk in chunks if chunk.seq not in done]
        left[table.source] = len(waiting)
        encoders[table.source] = Encoder(source, table, sets, users=plan.users)
        tasks += [(table, chunk) for chunk in waiting]
        board.set_table(table.source, TableState.WAITING if waiting else TableState.STAGED)
    # The longest table first, so that no worker is left alone with it at the end.
    tasks.sort(key=lambda task: (-task[0].bytes, task[0].source, task[1].seq))

    def work(context: LoadContext, task: tuple[TablePlan, Chunk]) -> None:
        table, chunk = task
        board.set_table(table.source, TableState.STAGING)
        encoder = encoders[table.source]
        chosen = sets.within(table.source, chunk)
        rows = quarantine.rows_of(source.snapshot, source.database, table, chosen) if chosen else []
        batches = encoder.batches(context.reader, chunk, control.within_chunk)
        try:
            done = context.loader.load(table.source, staged_name(table), chunk, batches, encoder.schema, rows)
        except TargetError as error:
            if of_values(error.sqlstate) and (columns := computed_in_vain(context, encoder, table, chunk)):
                raise Uncomputable(table, columns) from error
            raise
        board.add(table.source, rows=done.staged_rows, quarantined=done.quarantined_rows, bytes=done.bytes)
        left[table.source] -= 1
        if left[table.source] == 0:
            board.set_table(table.source, TableState.STAGED)

    def computed_in_vain(context: LoadContext, encoder: Encoder, table: TablePlan, chunk: Chunk) -> dict[str, str]:
        return _uncomputable(context, encoder, table, chunk, plan, fence, control)

    Workers(
        "stage",
        workers,
        target,
        control,
        open_context=lambda: LoadContext(source.snapshot, target, fence, idle),
        work=work,
        on_retry=board.set_retry,
        terminate=lambda contexts: terminate(target, [context.loader.backend_pid for context in contexts]),
        leave=LoadContext.leave,
    ).run(tasks)


def _uncomputable(
    context: LoadContext, encoder: Encoder, table: TablePlan, chunk: Chunk, plan: Plan, fence: Fence, control: Control
) -> dict[str, str]:
    """The generated columns that the target cannot compute for a chunk, each tried by itself → what it said."""
    types = enum_names(plan.enums, staging_schema(fence.run))
    staged = f"{quote(staging_schema(fence.run))}.{quote(staged_name(table))}"
    sent = ", ".join(map(quote, encoder.schema.names))
    refused = {}
    for column in table.columns:
        if column.generated is None:
            continue
        likeness = (
            f"CREATE TEMP TABLE _mt_computed ON COMMIT DROP AS SELECT {sent} FROM {staged} WITH NO DATA",
            f"ALTER TABLE pg_temp._mt_computed ADD COLUMN {generated_column(column, types)}",
        )
        batches = encoder.batches(context.reader, chunk, control.within_chunk)
        if said := context.loader.refuses(likeness, "_mt_computed", batches, encoder.schema):
            refused[column.source] = said
    return refused


def terminate(target: Target, pids: list[int]) -> None:
    """End backends of this program's own workers that do not react; where the server does not either, nobody waits."""
    with contextlib.suppress(psycopg.Error, TargetError), connect(target) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", (pids,))


def staged_counts(connection: psycopg.Connection[Any], plan: Plan, run: str) -> dict[str, tuple[int, int]]:
    """Source name → (staged, quarantined) rows by the ledger."""
    committed = ledger.chunks(connection, run)
    return {
        table.source: (
            sum(chunk.staged_rows for chunk in committed.get(table.source, {}).values()),
            sum(chunk.quarantined_rows for chunk in committed.get(table.source, {}).values()),
        )
        for table in plan.moved
    }


def _same_chunks(table: str, chunks: tuple[Chunk, ...], done: Mapping[int, ledger.ChunkRow]) -> None:
    by_seq = {chunk.seq: chunk for chunk in chunks}
    for seq, row in done.items():
        chunk = by_seq.get(seq)
        if chunk is None or (chunk.lo, chunk.hi) != (row.lo, row.hi):
            raise UsageError(
                "RESUME-CHUNKS",
                f"{table}: the rows that were staged were divided otherwise than this program divides them.",
                "The run was begun by another version of migrator-tui: resume it with that one, or roll it back and "
                "start anew.",
            )
