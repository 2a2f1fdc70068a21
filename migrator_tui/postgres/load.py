"""Loading: one chunk of rows into its staging table, by binary COPY, together with its ledger row.

An ADBC connection belongs to one worker thread. What ends a COPY early (pause, cancel, a conversion that fails) is
raised inside the batch iterator: seen to end the ingest within one batch, while ``adbc_cancel`` and server-side
errors are noticed only when the stream ends.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import adbc_driver_manager
import pyarrow as pa

from migrator_tui.model.errors import TargetError
from migrator_tui.model.profile import Chunk
from migrator_tui.postgres.casting import ingest
from migrator_tui.postgres.compare import close_quietly
from migrator_tui.postgres.connect import Target, connect_adbc, explain
from migrator_tui.postgres.ledger import ChunkRow, Fence, fence_lost

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

UNIQUE_VIOLATION = "23505"
_PROGRAM_LIMIT = "54000"

_OF_VALUES = ("22", "54")
"""SQLSTATE classes: data exception, program limit."""


def of_values(sqlstate: str | None) -> bool:
    """Whether an error says that the target cannot hold or compute something of the values that are there."""
    return (sqlstate or "").startswith(_OF_VALUES)


def noting(batches: Iterable[pa.RecordBatch], raised: list[BaseException]) -> Iterator[pa.RecordBatch]:
    """The batches; what they raise is kept in ``raised``, because the driver turns it into an error of its own."""
    try:
        yield from batches
    except BaseException as error:
        raised.append(error)
        raise


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A source row that stays behind.

    Attributes:
        src: Its locator in the snapshot.
        key: Its key, readable.
        finding: Id of the finding that was decided so.
        cells: Column → (storage class, bytes or None for NULL).
    """

    src: int
    key: str
    finding: str
    reason: str
    cells: Mapping[str, tuple[str, bytes | None]]

    def cells_json(self) -> str:
        """The cells as they are kept: ``{column: [class, base64]}``."""
        return json.dumps(
            {
                name: [kind, None if value is None else base64.b64encode(value).decode()]
                for name, (kind, value) in self.cells.items()
            }
        )


class Loader:
    """One worker's connection for bulk loading. Not to be shared between threads."""

    def __init__(self, target: Target, fence: Fence, schema: str, *, session: dbapi.Connection | None = None) -> None:
        """
        Args:
            session: One of the run that is open already, to go on with.
        """
        self._target = target
        self._fence = fence
        self._schema = schema
        self.session = session or connect_adbc(target, application_name=f"migrator-tui {fence.run}")
        try:
            with self.session.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO migrator.backend SELECT $1, pid, backend_start FROM pg_stat_activity "
                    "WHERE pid = pg_backend_pid() ON CONFLICT DO NOTHING",
                    (fence.run,),
                )
                cursor.execute("SELECT pg_backend_pid()")
                row = cursor.fetchone()
                self.backend_pid: int = row[0] if row else 0
            self.session.commit()
        except adbc_driver_manager.Error as error:
            self.close()
            raise explain(error, target, established=True) from error

    def close(self) -> None:
        """Close the connection, whatever state it is in."""
        close_quietly(self.session)

    def load(
        self,
        table: str,
        staged_as: str,
        chunk: Chunk,
        batches: Iterator[pa.RecordBatch],
        schema: pa.Schema,
        quarantined: Sequence[QuarantinedRow],
    ) -> ChunkRow:
        """Load one chunk and commit it with its ledger row and its quarantined rows.

        Args:
            table: Source name, the ledger's name for the table.
            batches: Encoded rows. What it raises ends the load, rolls back and is raised here.

        Returns:
            The chunk as committed; also where an earlier attempt had committed it, whose answer was lost.

        Raises:
            FenceLost: Another process took the run over.
            TargetError: The server refused, or (``ConnectionLost``) the connection ended; nothing is known then
                about the commit, and calling again tells.
        """
        raised: list[BaseException] = []
        expected = chunk.rows - len(quarantined)
        try:
            with self.session.cursor() as cursor:
                self._hold(cursor)
                self._enter(cursor, table, chunk, expected, len(quarantined))
                staged = 0
                if expected:
                    reader = pa.RecordBatchReader.from_batches(schema, noting(batches, raised))
                    staged = ingest(cursor, staged_as, reader, schema=self._schema)
                if staged != expected:
                    raise TargetError(
                        "STAGE-COUNT",
                        f"{table}: rows {chunk.lo} to {chunk.hi} should give {expected} rows, but {staged} were sent.",
                        "This is a fault of the program; nothing was published.",
                    )
                if quarantined:
                    cursor.adbc_ingest(
                        "quarantine", self._quarantine(table, quarantined), mode="append", db_schema_name="migrator"
                    )
            self.session.commit()
        except adbc_driver_manager.Error as error:
            self._roll_back()
            if raised:
                raise raised[0] from None
            if error.sqlstate == UNIQUE_VIOLATION and "chunk_pkey" in str(error):
                return self._committed_before(table, chunk.seq)
            explained = explain(error, self._target, established=True)
            explained.message = f"{table}: {explained.message}"
            if error.sqlstate == _PROGRAM_LIMIT and "row is too big" in str(error):
                explained.id = "TARGET-ROW-SIZE"
                explained.hint = (
                    "A row has to fit a page of the server, but for long texts and blobs, each of which takes 18 bytes "
                    "there. Leave columns behind (null in the plan), or the table out with --tables."
                )
            raise explained from error
        except BaseException:
            self._roll_back()
            raise
        return ChunkRow(table, chunk.seq, chunk.lo, chunk.hi, expected, len(quarantined), chunk.bytes)

    def refuses(
        self, likeness: Sequence[str], name: str, batches: Iterator[pa.RecordBatch], schema: pa.Schema
    ) -> str | None:
        """Why the server cannot have rows in a temporary table, which is rolled back; None where it can.

        Args:
            likeness: Statements that make the table.

        Raises:
            TargetError: The server refuses for another reason than the values, or the connection ended.
        """
        raised: list[BaseException] = []
        try:
            with self.session.cursor() as cursor:
                for statement in likeness:
                    cursor.execute(statement)
                reader = pa.RecordBatchReader.from_batches(schema, noting(batches, raised))
                ingest(cursor, name, reader, schema="pg_temp")
        except adbc_driver_manager.Error as error:
            if raised:
                raise raised[0] from None
            explained = explain(error, self._target, established=True)
            if of_values(error.sqlstate):
                return explained.message.removeprefix(f"{self._target.label}: ").rstrip(".")
            raise explained from error
        finally:
            self._roll_back()
        return None

    def _hold(self, cursor: Any) -> None:
        # COPY (SELECT … FOR SHARE) is what the driver would make of a plain SELECT, and Postgres refuses a locking
        # clause there; as a parameterised statement it runs as it is.
        cursor.execute(
            "SELECT 1 FROM migrator.run WHERE id = $1 AND fence = $2 FOR SHARE", (self._fence.run, self._fence.number)
        )
        if cursor.fetchone() is None:
            raise fence_lost(self._fence.run)

    def _enter(self, cursor: Any, table: str, chunk: Chunk, staged: int, quarantined: int) -> None:
        cursor.execute(
            "INSERT INTO migrator.chunk (run, tbl, seq, lo, hi, staged_rows, quarantined_rows, bytes) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            (self._fence.run, table, chunk.seq, chunk.lo, chunk.hi, staged, quarantined, chunk.bytes),
        )

    def _committed_before(self, table: str, seq: int) -> ChunkRow:
        with self.session.cursor() as cursor:
            cursor.execute(
                "SELECT tbl, seq, lo, hi, staged_rows, quarantined_rows, bytes FROM migrator.chunk "
                "WHERE run = $1 AND tbl = $2 AND seq = $3",
                (self._fence.run, table, seq),
            )
            row = cursor.fetchone()
        self.session.rollback()
        assert row is not None
        return ChunkRow(*row)

    def _quarantine(self, table: str, rows: Sequence[QuarantinedRow]) -> pa.Table:
        return pa.table(
            {
                "run": pa.array([self._fence.run] * len(rows), pa.string()),
                "tbl": pa.array([table] * len(rows), pa.string()),
                "src": pa.array([row.src for row in rows], pa.int64()),
                "row_key": pa.array([row.key for row in rows], pa.string()),
                "finding": pa.array([row.finding for row in rows], pa.string()),
                "reason": pa.array([row.reason for row in rows], pa.string()),
                "cells": pa.array([b"\x01" + row.cells_json().encode() for row in rows], pa.binary()),
            }
        )

    def _roll_back(self) -> None:
        try:
            self.session.rollback()
        except adbc_driver_manager.Error:
            return  # the connection is gone, and with it the transaction
