"""Backups: written beside their place, proven by a restore that is compared and rolled back, and only then there."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import psycopg

from migrator_tui import locations
from migrator_tui.migration.run_folder import RUN_ALPHABET
from migrator_tui.model.errors import BackupError, ConnectionLost, TargetError, UsageError
from migrator_tui.postgres import backup_file
from migrator_tui.postgres.backup import Contents, Progress, TableRows, cancelled_by, contents, write
from migrator_tui.postgres.backup_file import Header, OpeningKey, Writer
from migrator_tui.postgres.connect import Target, connect, explain
from migrator_tui.postgres.restore import Restored, restore

PROOF_DATABASE = "migrator_backup_proof"

Keys = Callable[[Header], Iterator[OpeningKey]]

UNPROVEN_HINT = (
    "Nothing was kept. Prove it on an embedded server with --prove embedded, or keep it unproven with --no-prove."
)


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made.

    Attributes:
        proven: Where it was restored and compared equal: ``target`` or ``embedded``; None where it was not.
        left_out: Object, name and why, of what of the schema is not in it.
        unproven: The same, of what is in it and could not be made where it was proven.
    """

    id: str
    file: Path
    bytes: int
    schema: str
    tables: tuple[TableRows, ...]
    proven: str | None
    left_out: tuple[dict[str, str], ...]
    unproven: tuple[dict[str, str], ...]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The JSON document of the command."""
        return {
            "command": "backup",
            "status": "succeeded",
            "backup": self.id,
            "file": str(self.file),
            "bytes": self.bytes,
            "schema": self.schema,
            "tables": [table.as_json() for table in self.tables],
            "proven": self.proven is not None,
            "proven_on": self.proven,
            "left_out": list(self.left_out),
            "unproven": list(self.unproven),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class PutBack:
    """A backup that was restored."""

    id: str
    file: Path
    schema: str
    restored: Restored
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The JSON document of the command."""
        return {
            "command": "restore",
            "status": "succeeded",
            "backup": self.id,
            "file": str(self.file),
            "schema": self.schema,
            "tables": [table.as_json() | {"verified": True} for table in self.restored.tables],
            "replaced": self.restored.replaced,
            "not_restored": list(self.restored.not_restored),
            "seconds": round(self.seconds, 3),
        }


def make(
    target: Target,
    out: Path | None,
    *,
    schema: str,
    tables: tuple[str, ...],
    key: OpeningKey,
    recovery: OpeningKey,
    proof: Target | None,
    stop: threading.Event,
    progress: Progress,
) -> Made:
    """Write a backup and prove it.

    Args:
        out: The new file; None for one in the program's own folder.
        proof: Where it is restored and compared; None to leave it unproven.

    Raises:
        BackupError: ``BACKUP-NO-CREATE``, ``BACKUP-NO-ROOM``, ``BACKUP-UNPROVEN``, and as :func:`backup.write` says.
        UsageError: The file is there, or its folder is not.
        TargetError, Interrupted, VerificationFailed: Nothing is kept.
    """
    began = time.monotonic()
    now = datetime.now(UTC)
    id = f"{now:%Y%m%d-%H%M%S}-{''.join(secrets.choice(RUN_ALPHABET) for _ in range(4))}"
    file = _new_file(out, id)
    if proof is not None:
        _may_prove(proof)
    part = file.with_name(file.name + ".part")
    try:
        with _private_file(part) as sink:
            writer = Writer(sink, id=id, created=now.isoformat(timespec="seconds"), keys=(key, recovery))
            written = write(target, writer, schema=schema, tables=tables, stop=stop, progress=progress)
            writer.finish()
        unproven: tuple[dict[str, str], ...] = ()
        if proof is not None:
            unproven = _prove(part, key, written, proof, id, stop, progress)
        size = part.stat().st_size
        os.replace(part, file)
        locations.sync_folder(file.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    where = None if proof is None else "target" if proof == target else "embedded"
    left_out = tuple(written.document["left_out"])
    return Made(id, file, size, schema, written.tables, where, left_out, unproven, time.monotonic() - began)


def put_back(
    target: Target,
    file: Path,
    *,
    tables: tuple[str, ...],
    schema: str | None,
    beside: str | None,
    replace: bool,
    keys: Keys,
    stop: threading.Event,
    progress: Progress,
) -> PutBack:
    """Restore a backup, after all of it was read and found whole.

    Args:
        schema: Where to; None for where the tables were.
        beside: A schema of their own instead, in which nothing acts on live tables.
        replace: Tables in the way move to ``migrator_replaced_<id>``.

    Raises:
        BackupError: ``BACKUP-NOT-ONE``, ``BACKUP-KEY``, ``BACKUP-ALTERED``; as :func:`restore.restore` says.
        DecisionsNeeded, VerificationFailed, TargetError, Interrupted: Nothing was changed.
    """
    began = time.monotonic()
    with opened(file, keys) as (header, source, data_key):
        progress(f"checking {file.name}")
        begins = source.tell()
        whole = contents(backup_file.records(source, header, data_key), stop)
        source.seek(begins)
        place = beside or schema or str(whole.document["schema"])
        stamp = f"{datetime.now(UTC):%Y%m%d_%H%M%S}_{''.join(secrets.choice(RUN_ALPHABET) for _ in range(4))}"
        try:
            with (
                connect(target, autocommit=False, application_name="migrator-tui restore") as connection,
                cancelled_by(stop, connection),
            ):
                restored = restore(
                    connection,
                    whole,
                    backup_file.records(source, header, data_key),
                    schema=place,
                    tables=tables,
                    purpose="beside" if beside else "put back",
                    replaced_schema=f"migrator_replaced_{stamp}" if replace else None,
                    stop=stop,
                    progress=progress,
                )
                connection.commit()
        except psycopg.Error as error:
            raise explain(error, target, established=True) from error
    return PutBack(header.id, file, place, restored, time.monotonic() - began)


def embedded_proof(server: Target) -> Target:
    """A database of an embedded server to prove backups in; it stays empty, because proofs are rolled back."""
    with connect(server) as connection:
        there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (PROOF_DATABASE,)).fetchone()
        if there is None:
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):  # another backup's
                connection.execute(f'CREATE DATABASE "{PROOF_DATABASE}"')
    return server.with_database(PROOF_DATABASE)


def scratch_schema(id: str) -> str:
    """Where a backup is proven; it is never committed, so that nothing of it can stay behind."""
    return f"migrator_backup_{id.replace('-', '_')}"


def _prove(
    part: Path, key: OpeningKey, written: Contents, proof: Target, id: str, stop: threading.Event, progress: Progress
) -> tuple[dict[str, str], ...]:
    """Read the file back from the disk, restore it, compare it, and roll that back."""
    with opened(part, lambda header: iter([key])) as (header, source, data_key):
        begins = source.tell()
        progress("reading the file back")
        if contents(backup_file.records(source, header, data_key), stop) != written:
            raise BackupError("BACKUP-UNPROVEN", "The file does not hold what was written.", "Check the disk.")
        source.seek(begins)
        with (
            connect(proof, autocommit=False, application_name="migrator-tui backup proof") as connection,
            cancelled_by(stop, connection),
        ):
            try:
                restored = restore(
                    connection,
                    written,
                    backup_file.records(source, header, data_key),
                    schema=scratch_schema(id),
                    purpose="proof",
                    stop=stop,
                    progress=lambda text: progress(f"proving: {text}"),
                )
            except psycopg.Error as error:
                raise _unproven(explain(error, proof, established=True)) from error
            finally:
                if not connection.closed:
                    connection.rollback()
    meant = {"trigger", "foreign key"}
    return tuple(item for item in restored.not_restored if item["object"] not in meant)


def _unproven(error: TargetError) -> TargetError | BackupError:
    if isinstance(error, ConnectionLost):
        return error
    if error.id == "TARGET-DISK-FULL":
        return BackupError("BACKUP-NO-ROOM", f"There is no room to prove the backup: {error.message}", UNPROVEN_HINT)
    return BackupError("BACKUP-UNPROVEN", f"The backup could not be restored: {error.message}", UNPROVEN_HINT)


def _may_prove(proof: Target) -> None:
    with connect(proof) as connection:
        row = connection.execute(
            "SELECT has_database_privilege(current_database(), 'CREATE'), current_setting('transaction_read_only')"
        ).fetchone()
    assert row is not None
    if row[1] == "on" or not row[0]:
        why = "it is read-only" if row[1] == "on" else f"{proof.user} may not make a schema there"
        raise BackupError(
            "BACKUP-NO-CREATE",
            f"A backup cannot be proven on {proof.label}: {why}.",
            f'{UNPROVEN_HINT} Or, as its owner: GRANT CREATE ON DATABASE "{proof.database}" TO "{proof.user}".',
        )


def _new_file(out: Path | None, id: str) -> Path:
    if out is None:
        folder = locations.home() / "backups"
        locations.make_private_folder(folder)
        return folder / f"{id}.backup"
    file = out.expanduser().resolve()
    if file.exists():
        raise UsageError("BACKUP-EXISTS", f"{file} is there already.", "Name another file, or remove that one.")
    if not file.parent.is_dir():
        raise UsageError("BACKUP-FOLDER", f"{file.parent} is no folder.", "Make it first, or name another place.")
    return file


@contextmanager
def _private_file(part: Path) -> Iterator[BinaryIO]:
    # One that was left by a process that was killed may have any mode.
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, locations.PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as sink:
        yield sink
        sink.flush()
        os.fsync(sink.fileno())


@contextmanager
def opened(file: Path, keys: Keys) -> Iterator[tuple[Header, BinaryIO, bytes]]:
    """A backup's header, its file after that, and the key of its data.

    Raises:
        BackupError: ``BACKUP-NOT-ONE``; ``BACKUP-KEY``: none of the keys opens it.
    """
    with file.open("rb") as source:
        header = backup_file.read_header(source)
        yield header, source, backup_file.unwrap(header, keys(header))
