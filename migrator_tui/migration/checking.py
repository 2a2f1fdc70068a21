"""The check: staged rows against the converted source, cell by cell, then keys, indexes and foreign keys.

All of it happens in the staging schema, before anything is visible.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import errors

from migrator_tui.convert.codecs import differences
from migrator_tui.convert.identifiers import quote
from migrator_tui.migration.board import Board
from migrator_tui.migration.control import Control
from migrator_tui.migration.planning.quarantine import RowSets
from migrator_tui.migration.planning.unbuilt import Unbuilt, Uncomputable, digests, referring
from migrator_tui.migration.staging import Encoder, Source, terminate
from migrator_tui.migration.workers import Workers
from migrator_tui.model.errors import MigratorError, VerificationFailed
from migrator_tui.model.plan import Action, Plan, TablePlan
from migrator_tui.model.profile import Chunk
from migrator_tui.model.progress import TableState
from migrator_tui.model.schema import Check, ForeignKey, Index, Key
from migrator_tui.postgres.compare import Reader
from migrator_tui.postgres.connect import Target, connect, explain
from migrator_tui.postgres.ddl import (
    add_foreign_key,
    create_index,
    keys_and_indexes,
    locator_name,
    staged_name,
    staging_schema,
)
from migrator_tui.postgres.idle_sessions import BulkSessions, IdleSessions
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.load import of_values
from migrator_tui.postgres.merge import sql
from migrator_tui.sqlite.read import SnapshotReader

EXISTS_ALREADY = (errors.DuplicateTable, errors.DuplicateObject, errors.InvalidTableDefinition)

Statement = tuple[Key | Check | Index | ForeignKey | None, str]


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check found.

    Attributes:
        notes: Constraints that hold for new rows alone.
        unbuilt: What the stored rows did not let be built.
    """

    notes: tuple[str, ...]
    unbuilt: tuple[Unbuilt, ...] = ()


class CompareContext:
    """A worker's two connections for comparing."""

    def __init__(self, snapshot: Path, target: Target, run: str, idle: BulkSessions) -> None:
        self.target_reader = Reader(target, run, session=idle.take())
        self.reader = SnapshotReader(snapshot)

    def close(self) -> None:
        """Close both."""
        self.target_reader.close()
        self.reader.close()


class BuildContext:
    """A worker's connection for building keys and indexes."""

    def __init__(self, target: Target, fence: Fence) -> None:
        self.connection = connect(target, application_name=f"migrator-tui {fence.run}")
        self.backend_pid = self.connection.info.backend_pid

    def close(self) -> None:
        """Close it."""
        self.connection.close()


def check(
    source: Source,
    plan: Plan,
    sets: RowSets,
    target: Target,
    fence: Fence,
    board: Board,
    control: Control,
    idle: BulkSessions,
    *,
    workers: int,
) -> Checked:
    """Compare every staged cell, then build keys, indexes and foreign keys on the staged tables.

    Raises:
        VerificationFailed: A cell, a row or a key is not as the plan makes it; names the first.
        Uncomputable: The target computes another value for a generated column than the source.
    """
    schema = staging_schema(fence.run)
    notes: list[str] = []

    unbuilt: list[Unbuilt] = []

    def build(context: BuildContext, statements: tuple[TablePlan, Sequence[Statement]]) -> None:
        table, texts = statements
        for object, text in texts:
            try:
                _apply(context.connection, table, text, target, notes)
            except _Unbuildable as error:
                if object is None or isinstance(object, ForeignKey):
                    raise error.explained from error
                instead = _instead(context, table, object, schema, target)
                unbuilt.append(Unbuilt(table.source, object, error.why, instead))

    idle_builders = IdleSessions(workers, BuildContext.close)

    def in_threads(tasks: list[tuple[TablePlan, Sequence[Statement]]]) -> None:
        Workers(
            "build",
            workers,
            target,
            control,
            open_context=lambda: idle_builders.take() or BuildContext(target, fence),
            work=build,
            on_retry=board.set_retry,
            terminate=lambda contexts: terminate(target, [context.backend_pid for context in contexts]),
            leave=idle_builders.leave,
        ).run(tasks)

    with closing(idle_builders):
        in_threads([(table, [(None, _locator_index(table, schema))]) for table in plan.moved if table.rows])
        _compare(source, plan, sets, target, fence, board, control, idle, workers)
        created = [table for table in plan.moved if table.action is Action.CREATE]
        in_threads([(table, list(keys_and_indexes(table, schema))) for table in created])
        staged = {table.target: table for table in created}
        references: list[tuple[TablePlan, Sequence[Statement]]] = []
        for table in created:
            mine: list[Statement] = []
            for key in table.foreign_keys:
                if key.parent not in staged:
                    continue
                parent = staged[key.parent]
                if lost := referring(table, parent, key, tuple(unbuilt)):
                    unbuilt.append(lost)
                else:
                    mine.append((key, add_foreign_key(_staged(table, schema), key, _staged(parent, schema))))
            if mine:
                references.append((table, mine))
        in_threads(references)
        gone = f"DROP INDEX IF EXISTS {quote(schema)}."
        in_threads([(table, [(None, gone + quote(_index_name(table)))]) for table in plan.moved])
    for table in plan.moved:
        board.set_table(table.source, TableState.CHECKED)
    return Checked(tuple(notes), tuple(unbuilt))


class _Unbuildable(Exception):
    """What ``explained`` says of a statement is said of the rows that are there."""

    def __init__(self, why: str, explained: MigratorError) -> None:
        super().__init__(why)
        self.why = why
        self.explained = explained


def _instead(
    context: BuildContext, table: TablePlan, object: Key | Check | Index, schema: str, target: Target
) -> Index | None:
    """The unique index on digests, built in place of a key or unique index; None where it cannot be."""
    index = digests(table, object)
    if index is None:
        return None
    try:
        _apply(context.connection, table, create_index(index, _staged(table, schema)), target, [])
    except _Unbuildable:
        return None
    return index


def _staged(table: TablePlan, schema: str) -> str:
    return f"{quote(schema)}.{quote(staged_name(table))}"


def _index_name(table: TablePlan) -> str:
    return f"_mt_brin_{zlib.crc32(table.source.encode()):x}"


def _locator_index(table: TablePlan, schema: str) -> str:
    return (
        f"CREATE INDEX IF NOT EXISTS {quote(_index_name(table))} ON {_staged(table, schema)} "
        f"USING brin ({quote(locator_name(table))}) WITH (pages_per_range = 16)"
    )


def _apply(
    connection: psycopg.Connection[Any], table: TablePlan, statement: str, target: Target, notes: list[str]
) -> None:
    try:
        connection.execute(sql(statement))
    except EXISTS_ALREADY:
        return  # built before the run was resumed
    except errors.CheckViolation:
        # SQLite checks only rows written since the constraint was there, and by its own rules of comparison.
        connection.execute(sql(f"{statement} NOT VALID"))
        notes.append(
            f"{table.target}: a check holds for new rows only, because stored rows do not satisfy it: {statement}"
        )
    except (errors.UniqueViolation, errors.ForeignKeyViolation, errors.NotNullViolation) as error:
        first = str(error).strip().splitlines()
        raise VerificationFailed(
            "CHECK-KEY",
            f"{table.source}: {' '.join(first)}",
            "The staged rows do not satisfy a key that the source declares. Nothing was published. Leave the key out "
            "in the plan, or decide which rows to quarantine.",
        ) from error
    except psycopg.Error as error:
        explained = explain(error, target, established=True)
        explained.message = f"{table.source}: {explained.message} ({statement})"
        if of_values(error.sqlstate):
            raise _Unbuildable((error.diag.message_primary or str(error)).strip(), explained) from error
        raise explained from error


def _compare(
    source: Source,
    plan: Plan,
    sets: RowSets,
    target: Target,
    fence: Fence,
    board: Board,
    control: Control,
    idle: BulkSessions,
    workers: int,
) -> None:
    encoders = {t.source: Encoder(source, t, sets, users=plan.users, with_generated=True) for t in plan.moved}
    tasks = [(table, chunk) for table in plan.moved for chunk in source.profile.tables[table.source].chunks]
    tasks.sort(key=lambda task: (-task[0].bytes, task[0].source, task[1].seq))
    left = {table.source: len(source.profile.tables[table.source].chunks) for table in plan.moved}

    def work(context: CompareContext, task: tuple[TablePlan, Chunk]) -> None:
        table, chunk = task
        board.set_table(table.source, TableState.CHECKING)
        rows = compare_chunk(context, encoders[table.source], table, chunk, staging_schema(fence.run), control)
        board.add(table.source, checked=rows)
        left[table.source] -= 1

    Workers(
        "check",
        workers,
        target,
        control,
        open_context=lambda: CompareContext(source.snapshot, target, fence.run, idle),
        work=work,
        on_retry=board.set_retry,
        terminate=lambda contexts: None,
    ).run(tasks)


def compare_chunk(
    context: CompareContext, encoder: Encoder, table: TablePlan, chunk: Chunk, schema: str, control: Control
) -> int:
    """Compare one chunk, both sides read anew.

    Returns:
        Rows compared.

    Raises:
        VerificationFailed: Naming table, column and row of the first difference.
        Uncomputable: It is in a column that the target computes.
    """
    encoded = pa.Table.from_batches(
        list(encoder.batches(context.reader, chunk, control.within_chunk)), schema=encoder.schema
    ).combine_chunks()
    expressions = [
        (c.target, k.target_expression(c.target)) for c, k in zip(encoder.columns, encoder.codecs, strict=True)
    ]
    found = context.target_reader.staged(
        schema, staged_name(table), locator_name(table), expressions, chunk.lo, chunk.hi
    )
    expected_rows, found_rows = _flat(encoded.column(0)), _flat(found.column(0))
    if not expected_rows.equals(found_rows):
        raise _row_difference(table, chunk, expected_rows, found_rows)
    computed: dict[str, str] = {}
    for index, (column, c) in enumerate(zip(encoder.columns, encoder.codecs, strict=True), start=1):
        expected = c.comparable(_flat(encoded.column(index)))
        if c.cast and not c.lossless:
            expected = context.target_reader.as_cast(expected, column.type)
        got = c.normalise(_flat(found.column(index)))
        if got.type != expected.type:
            got = got.cast(expected.type)
        wrong = differences(expected, got)
        if wrong:
            row = expected_rows[wrong[0]].as_py()
            if column.generated:
                computed[column.source] = f"it computes another value for row {row}"
                continue
            raise VerificationFailed(
                "CHECK-CELL",
                f"{table.source}.{column.source}: {len(wrong)} cells of rows {chunk.lo} to {chunk.hi} differ; the "
                f"first is in row {row}.",
                "Nothing was published.",
            )
    if computed:
        raise Uncomputable(table, computed)
    return len(expected_rows)


def _flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _row_difference(table: TablePlan, chunk: Chunk, expected: pa.Array, found: pa.Array) -> MigratorError:
    a, b = set(expected.to_pylist()), set(found.to_pylist())
    missing, extra = sorted(a - b), sorted(b - a)
    doubled = len(found) - len(b)
    said = [
        f"{len(missing)} are missing (first: row {missing[0]})" if missing else "",
        f"{len(extra)} are too many (first: row {extra[0]})" if extra else "",
        f"{doubled} are there twice" if doubled else "",
    ]
    return VerificationFailed(
        "CHECK-ROWS",
        f"{table.source}: of rows {chunk.lo} to {chunk.hi}, {', '.join(part for part in said if part)}.",
        "Nothing was published. Start a new run.",
    )
