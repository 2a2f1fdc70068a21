"""The ledger: the run's row and its fence, chunks, steps and quarantine in the schema ``migrator``.

The fence is what makes a resumed run safe: every transaction that writes for a run holds the run's row ``FOR SHARE``
(several workers may, at once) and proves that the fence is the one it was given. A process that takes the run over
first ends the backends that the run recorded, then raises the fence, so that a worker which wakes later commits
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from migrator_tui.model.errors import FenceLost, TargetError

VERSION = 2


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write for a run: valid while the run's row holds this number."""

    run: str
    number: int


@dataclass(frozen=True, slots=True)
class RunRow:
    """The run's row as the target has it."""

    id: str
    fence: int
    state: str
    source_sha256: str
    server_identity: str
    audit_count: int | None
    audit_head: str | None


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk that is committed."""

    table: str
    seq: int
    lo: int
    hi: int
    staged_rows: int
    quarantined_rows: int
    bytes: int


def install(connection: psycopg.Connection[Any]) -> None:
    """Create the schema ``migrator``, or leave it as it is.

    Raises:
        TargetError: It was written by a newer version of this program.
    """
    with connection.transaction():
        # Two processes may install at once; CREATE SCHEMA IF NOT EXISTS alone can fail on a duplicate key then.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('migrator_tui'))")
        if is_installed(connection):
            row = connection.execute("SELECT max(version) FROM migrator.version").fetchone()
            if row and row[0] is not None and row[0] > VERSION:
                raise TargetError(
                    "LEDGER-NEWER",
                    f"The schema migrator on the target has version {row[0]}; this program knows {VERSION}.",
                    "Use the newer migrator-tui that made it.",
                )
            if row and row[0] == VERSION:
                return
        script = resources.files("migrator_tui.postgres").joinpath("ledger.sql").read_text("utf-8")
        connection.execute(script)


def is_installed(connection: psycopg.Connection[Any]) -> bool:
    """Whether the target has a ledger."""
    row = connection.execute("SELECT to_regclass('migrator.run') IS NOT NULL").fetchone()
    return bool(row and row[0])


def create_run(connection: psycopg.Connection[Any], run: str, source_sha256: str, server_identity: str) -> Fence:
    """Record a new run; its fence is 1. Recording it again takes it over, as :func:`take_over` does."""
    # Looked for first: an INSERT waits for a process that is in the middle of publishing, and taking over ends it.
    if connection.execute("SELECT 1 FROM migrator.run WHERE id = %s", (run,)).fetchone():
        return take_over(connection, run)
    with connection.transaction():
        created = connection.execute(
            "INSERT INTO migrator.run (id, state, source_sha256, server_identity) VALUES (%s, 'staging', %s, %s) "
            "ON CONFLICT (id) DO NOTHING RETURNING fence",
            (run, source_sha256, server_identity),
        ).fetchone()
    return Fence(run, created[0]) if created else take_over(connection, run)


def read_run(connection: psycopg.Connection[Any], run: str) -> RunRow | None:
    """The run's row, or None."""
    if not is_installed(connection):
        return None
    row = connection.execute(
        "SELECT id, fence, state, source_sha256, server_identity, audit_count, audit_head FROM migrator.run "
        "WHERE id = %s",
        (run,),
    ).fetchone()
    return RunRow(*row) if row else None


def take_over(connection: psycopg.Connection[Any], run: str) -> Fence:
    """End the backends that the run recorded and raise its fence.

    Raises:
        TargetError: The run is not known here.
    """
    with connection.transaction():
        connection.execute(
            "SELECT pg_terminate_backend(a.pid) FROM migrator.backend b "
            "JOIN pg_stat_activity a ON a.pid = b.pid AND a.backend_start = b.started "
            "WHERE b.run = %s AND a.pid <> pg_backend_pid()",
            (run,),
        )
    with connection.transaction():
        row = connection.execute(
            "UPDATE migrator.run SET fence = fence + 1 WHERE id = %s RETURNING fence", (run,)
        ).fetchone()
        if row is None:
            raise TargetError(
                "RUN-UNKNOWN",
                f"The target has no run {run}.",
                "Is this the target that the run was made for? `migrator-tui runs` lists the runs of this machine.",
            )
        connection.execute("DELETE FROM migrator.backend WHERE run = %s", (run,))
    return Fence(run, row[0])


def hold(connection: psycopg.Connection[Any], fence: Fence) -> None:
    """Within a transaction: prove the fence and keep it until the end.

    Raises:
        FenceLost: Another process took the run over.
    """
    row = connection.execute(
        "SELECT 1 FROM migrator.run WHERE id = %s AND fence = %s FOR SHARE", (fence.run, fence.number)
    ).fetchone()
    if row is None:
        raise fence_lost(fence.run)


def fence_lost(run: str) -> FenceLost:
    """The error of a worker whose run was taken over."""
    return FenceLost(
        "RUN-TAKEN-OVER",
        f"Another process took the run {run} over; this one stopped writing.",
        "Watch the other process; `migrator-tui runs` shows the state.",
    )


def record_backend(connection: psycopg.Connection[Any], fence: Fence) -> None:
    """Record the connection's own backend, so that a process that takes over can end it."""
    connection.execute(
        "INSERT INTO migrator.backend SELECT %s, pid, backend_start FROM pg_stat_activity "
        "WHERE pid = pg_backend_pid() ON CONFLICT DO NOTHING",
        (fence.run,),
    )


def set_state(connection: psycopg.Connection[Any], fence: Fence, state: str) -> None:
    """Write the run's state, under the fence.

    Raises:
        FenceLost: Another process took the run over.
    """
    row = connection.execute(
        "UPDATE migrator.run SET state = %s, "
        "published_at = CASE WHEN %s = 'published' THEN now() ELSE published_at END, "
        "undone_at = CASE WHEN %s = 'rolled_back' THEN now() ELSE undone_at END "
        "WHERE id = %s AND fence = %s RETURNING id",
        (state, state, state, fence.run, fence.number),
    ).fetchone()
    if row is None:
        raise fence_lost(fence.run)


def anchor(connection: psycopg.Connection[Any], run: str, count: int, head: str) -> None:
    """Keep the audit chain's length and last hash on the target, where the file's keeper cannot restamp them."""
    connection.execute("UPDATE migrator.run SET audit_count = %s, audit_head = %s WHERE id = %s", (count, head, run))


def chunks(connection: psycopg.Connection[Any], run: str) -> dict[str, dict[int, ChunkRow]]:
    """The committed chunks, by table and number."""
    found: dict[str, dict[int, ChunkRow]] = {}
    for row in connection.execute(
        "SELECT tbl, seq, lo, hi, staged_rows, quarantined_rows, bytes FROM migrator.chunk WHERE run = %s", (run,)
    ):
        found.setdefault(row[0], {})[row[1]] = ChunkRow(*row)
    return found


def forget_chunks(connection: psycopg.Connection[Any], run: str, table: str) -> None:
    """Take back what was recorded of a table's chunks and quarantined rows: its staging table is gone."""
    connection.execute("DELETE FROM migrator.chunk WHERE run = %s AND tbl = %s", (run, table))
    connection.execute("DELETE FROM migrator.quarantine WHERE run = %s AND tbl = %s", (run, table))


def write_step(connection: psycopg.Connection[Any], run: str, name: str, detail: Mapping[str, Any]) -> None:
    """Record a step, or replace what was recorded of it."""
    connection.execute(
        "INSERT INTO migrator.step (run, name, detail) VALUES (%s, %s, %s) "
        "ON CONFLICT (run, name) DO UPDATE SET detail = excluded.detail, done_at = now()",
        (run, name, Jsonb(detail)),
    )


def read_step(connection: psycopg.Connection[Any], run: str, name: str) -> dict[str, Any] | None:
    """What a step recorded, or None while it was not done."""
    row = connection.execute("SELECT detail FROM migrator.step WHERE run = %s AND name = %s", (run, name)).fetchone()
    if row is None:
        return None
    detail: dict[str, Any] = row[0] if isinstance(row[0], dict) else json.loads(row[0])
    return detail


def quarantined_rows(connection: psycopg.Connection[Any], run: str) -> dict[str, set[int]]:
    """Source table → locators of the rows that stay behind."""
    found: dict[str, set[int]] = {}
    for table, src in connection.execute("SELECT tbl, src FROM migrator.quarantine WHERE run = %s", (run,)):
        found.setdefault(table, set()).add(src)
    return found


def outvoted_rows(connection: psycopg.Connection[Any], run: str, table: str, locator: str) -> set[int]:
    """Locators of the source's rows that lost to a live row.

    Args:
        table: The target table's name, as the journal has it.
        locator: The name of the staged rows' locator.
    """
    rows = connection.execute(
        "SELECT (cells ->> %s)::bigint FROM migrator.archive WHERE run = %s AND tbl = %s AND side = 'source'",
        (locator, run, table),
    )
    return {src for (src,) in rows}


def delete_run(connection: psycopg.Connection[Any], run: str) -> bool:
    """Remove a run's rows: ledger, quarantine, undo journal, archive. Whether there were any."""
    return connection.execute("DELETE FROM migrator.run WHERE id = %s", (run,)).rowcount > 0
