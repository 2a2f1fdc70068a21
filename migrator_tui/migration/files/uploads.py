"""Uploading with several workers, and recording what became of each file over one connection."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg

from migrator_tui.migration.companions import RunContext
from migrator_tui.migration.files.blob_cells import BlobCell
from migrator_tui.migration.workers import Task, Workers
from migrator_tui.model.errors import MigratorError, SourceError
from migrator_tui.model.project import FilesPlan
from migrator_tui.postgres import objects
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.objects import ObjectRow
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.storage_api import Storage
from migrator_tui.supabase.storage_errors import StorageRefused
from migrator_tui.supabase.upload_folder import LocalFile, UploadFolder, Why
from migrator_tui.supabase.uploading import Contents, Other, put

WORKERS = 8
"""Uploads at once. They are requests to the Storage API, not connections to the database."""
FLUSH_ROWS, FLUSH_SECONDS = 100, 0.5

REFUSED_ONE = ("STORAGE-TOO-LARGE", "STORAGE-MIME", "STORAGE-KEY", "STORAGE-REFUSED")
"""Refusals of one file; the others go on, and the run stops before publishing."""


@dataclass
class UploadTask:
    """A file to send, and its bytes that the progress line has counted."""

    row: ObjectRow
    counted: int = 0


class UploadContext:
    """What a worker holds: its own HTTP connection."""

    def __init__(self, api: Api, stopped: threading.Event) -> None:
        self.storage = Storage(api, stopped=stopped)

    def close(self) -> None:
        """Close it."""
        self.storage.close()


class Recorder:
    """Writes to the ledger for all workers over one connection, many rows at a time.

    What is not written when the process ends is found out by the next one: the objects bear the run's name.
    """

    def __init__(self, target: Target, fence: Fence) -> None:
        self._target, self._fence = target, fence
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[object] | None = None
        self._rows: list[ObjectRow] = []
        self._written = time.monotonic()

    def add(self, row: ObjectRow, *, at_once: bool = False) -> None:
        """Record what became of a file, soon or at once.

        Raises:
            FenceLost: Another process took the run over.
        """
        with self._lock:
            self._rows.append(row)
            due = len(self._rows) >= FLUSH_ROWS or time.monotonic() - self._written >= FLUSH_SECONDS
            if at_once or due:
                self._write()

    def flush(self) -> None:
        """Write what is waiting."""
        with self._lock:
            self._write()

    def close(self) -> None:
        """Write what is waiting if the target lets it, and let go of the connection."""
        with contextlib.suppress(MigratorError, psycopg.Error):
            self.flush()
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _write(self) -> None:
        if not self._rows:
            return
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._target, application_name=f"migrator-tui {self._fence.run}")
        try:
            objects.record(self._connection, self._fence, self._rows)
        except psycopg.OperationalError:
            self._connection.close()
            raise
        self._rows.clear()
        self._written = time.monotonic()


def upload_all(context: RunContext, api: Api, plans: dict[str, FilesPlan]) -> None:
    """Upload what the ledger has as intended.

    Args:
        plans: By bucket, one of the plans of that bucket.

    Raises:
        Interrupted: Cancelled; a large upload goes on where it stopped.
        StorageRefused: Storage does not let this program in.
    """
    folders = {bucket: UploadFolder(plan.uploads) for bucket, plan in plans.items() if plan.uploads is not None}
    recorder = Recorder(context.target, context.fence)

    def work(held: UploadContext, task: UploadTask) -> None:
        _upload(held.storage, task, folders.get(task.row.bucket), plans[task.row.bucket], context, recorder)

    try:
        while rows := context.with_target(lambda c: objects.pending(c, context.run)):
            storage_workers("upload", api, context, work).run([UploadTask(row) for row in rows])
            recorder.flush()
            context.board.set_retry(None)
    finally:
        recorder.close()


def storage_workers(
    name: str, api: Api, context: RunContext, work: Callable[[UploadContext, Task], None]
) -> Workers[UploadContext, Task]:
    """Workers that each talk to Storage over a connection of their own, which ends when they do not react."""
    return Workers(
        name,
        WORKERS,
        context.target,
        context.control,
        open_context=lambda: UploadContext(api, context.control.stopped),
        work=work,
        on_retry=context.board.set_retry,
        terminate=_close,
    )


def _close(held: list[UploadContext]) -> None:
    for each in held:
        each.close()


def _upload(
    storage: Storage,
    task: UploadTask,
    folder: UploadFolder | None,
    plan: FilesPlan,
    context: RunContext,
    recorder: Recorder,
) -> None:
    row = task.row
    line = f"files: {row.bucket}"
    sent = 0

    def on_bytes(more: int) -> None:
        nonlocal sent
        sent += more
        if sent > task.counted:
            context.board.add(line, bytes=sent - task.counted)
            task.counted = sent

    def on_address(address: str | None, sha256: str) -> None:
        task.row = replace(task.row, upload_url=address, sha256=sha256)
        recorder.add(task.row, at_once=True)
        context.failpoint("file-begun")

    contents: Contents
    found: LocalFile | Why
    if cell := row.detail.get("cell"):
        contents = BlobCell(context.source.snapshot, *cell)
        found = contents.file(row.path)
    else:
        assert folder is not None
        contents, found = folder, folder.find(row.path)
    if not isinstance(found, LocalFile):
        _leave(row, f"it cannot be had from the uploads folder any more, {found}", context, recorder, stops=False)
        return
    try:
        stored = put(
            storage,
            contents,
            found,
            row.bucket,
            row.key,
            run=context.run,
            address=row.upload_url,
            sha256_then=row.sha256,
            on_address=on_address,
            within=context.control.within_chunk,
            on_bytes=on_bytes,
        )
    except StorageRefused as error:
        if error.id not in REFUSED_ONE:
            raise
        _leave(row, error.message, context, recorder, stops=True)
        return
    except SourceError as error:
        _leave(row, error.message, context, recorder, stops=error.id == "FILE-CHANGED")
        return
    if isinstance(stored, Other):
        why = f"{row.bucket}/{row.key} holds another content of {stored.there.size:,} bytes"
        _leave(row, why, context, recorder, stops=not plan.keeps_others)
        return
    made = replace(row, bytes=stored.size, sha256=stored.sha256, state=stored.state, upload_url=None)
    context.failpoint("file-stored")
    recorder.add(made)
    context.board.add(line, rows=1, bytes=max(0, stored.size - task.counted))


def _leave(row: ObjectRow, why: str, context: RunContext, recorder: Recorder, *, stops: bool) -> None:
    detail = row.detail | {"why": why} | ({"stops": True} if stops else {})
    recorder.add(replace(row, state="left", detail=detail, upload_url=None))
    context.board.add(f"files: {row.bucket}", quarantined=1)
