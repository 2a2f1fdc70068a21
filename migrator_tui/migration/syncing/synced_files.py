"""The companion of a sync that brings files to either end, and takes them back.

What is new for Storage is uploaded before the rows are published, as in a migration. What replaces, deletes, or lies in
the uploads folder comes after both ends have their rows, each file guarded by the content that was seen there; all
contents that go are kept with the run first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.migration.companions import RunContext, Silent, Undoing
from migrator_tui.migration.files.matching_files import count
from migrator_tui.migration.files.moving_files import Files, line_of, own_objects
from migrator_tui.migration.files.uploads import upload_all
from migrator_tui.migration.syncing import file_changes
from migrator_tui.migration.syncing.file_changes import FileChange, sha256_of
from migrator_tui.migration.syncing.file_contents import content_of, kept_folder, place, store
from migrator_tui.migration.syncing.files_laid_out import files_of
from migrator_tui.model.errors import UsageError
from migrator_tui.model.outcome import Beside
from migrator_tui.model.project import FilesPlan
from migrator_tui.postgres import objects
from migrator_tui.postgres.connect import connect
from migrator_tui.postgres.objects import ObjectRow
from migrator_tui.supabase.storage_api import Storage
from migrator_tui.supabase.uploading import NAME, RUN, SHA256


class SyncedFiles(Silent):
    """The companion."""

    name = "files"

    def before_publish(self, context: RunContext) -> None:
        """Upload what is new for Storage.

        Raises:
            DecisionsNeeded: ``FILES-STOPPED``: Storage does not take a file.
        """
        new = [c for c in file_changes.read(context.folder) if c.to == "target" and c.sha256 and not c.before]
        if not new:
            return
        assert context.api is not None
        rows = [ObjectRow(c.bucket, c.key, c.path, c.size, detail={"value": c.value}) for c in new]
        context.with_target(lambda c: objects.retry(c, context.fence))
        context.with_target(partial(_intend, context, rows))
        for bucket in dict.fromkeys(c.bucket for c in new):
            own = [c for c in new if c.bucket == bucket]
            context.board.set_beside(
                line_of(bucket), f"bucket {bucket}", len(own), unit="files", bytes=sum(c.size for c in own)
            )
        context.failpoint("files-intended")
        upload_all(context, context.api, {plan.bucket: plan for plan in files_of(context.plan)})
        context.board.set_retry(None)
        Files().require_stored(context)
        context.failpoint("files-stored")

    def after_rows(self, context: RunContext) -> list[str]:
        """Once both ends have their rows: what is replaced or deleted, and what the uploads folder gets.

        Returns:
            A line for each file that somebody changed meanwhile; it is kept.
        """
        changes = [c for c in file_changes.read(context.folder) if c.to == "source" or c.before]
        if not changes:
            return []
        assert context.api is not None
        kept: list[str] = []
        contents = kept_folder(context.folder)
        with Storage(context.api, stopped=context.control.stopped) as storage:
            for change in changes:
                context.control.check()
                if change.to == "source":
                    done = place(change.uploads / change.path, contents, change.sha256, change.before)
                else:
                    done = self._on_target(context, storage, change)
                if not done:
                    kept.append(f"{change.path}: changed meanwhile on the {change.to}; kept. Sync again.")
                    continue
                if change.sha256:
                    made = "made" if change.to == "target" else "matched"
                    row = ObjectRow(change.bucket, change.key, change.path, change.size, change.sha256, made,
                                    detail={"value": change.value, "replaced": change.before})  # fmt: skip
                    context.with_target(partial(_record, context, row))
                context.failpoint("file-carried")
        return kept

    def _on_target(self, context: RunContext, storage: Storage, change: FileChange) -> bool:
        now = content_of(storage, change.bucket, change.key)
        if now == change.sha256:
            return True
        if now != change.before:
            return False
        if not change.sha256:
            storage.remove(change.bucket, [change.key])
            return True
        body = change.uploads / change.path
        if sha256_of(body) != change.sha256:
            return False
        metadata = {NAME: change.path, SHA256: change.sha256, RUN: context.run}
        store(storage, change, body, metadata)
        return True

    def after_publish(self, context: RunContext) -> Sequence[str]:
        """Give the new objects their owners; what was uploaded is shown."""
        for plan in files_of(context.plan):
            if plan.owner is not None:
                context.with_target(partial(_own, context, plan))
        return ()

    def verify(self, context: RunContext) -> Beside | None:
        """What was carried."""
        changes = file_changes.read(context.folder)
        if not changes:
            return None
        stored = sum(1 for c in changes if c.to == "target" and c.sha256)
        brought = sum(1 for c in changes if c.to == "source" and c.sha256)
        deleted = len(changes) - stored - brought
        lines = [f"{count(brought, 'file')} came into the uploads folder."] if brought else []
        lines += [f"{count(deleted, 'file')} went with their rows; the run keeps them."] if deleted else []
        return Beside(
            "files",
            ", ".join(dict.fromkeys(f"bucket {c.bucket}" for c in changes)),
            total=len(changes),
            moved=stored,
            matched=brought,
            bytes=sum(c.size for c in changes),
            verified=True,
            lines=tuple(lines),
            details={"stored": stored, "brought": brought, "deleted": deleted},
        )

    def undo(self, undoing: Undoing) -> Sequence[str]:
        """Each file as it was before, where it is still what the sync left; then what was new in Storage goes."""
        changes = [c for c in file_changes.read(undoing.folder) if c.to == "source" or c.before]
        kept: list[str] = []
        if changes and undoing.api is None:
            raise UsageError(
                "STORAGE-NO-KEY",
                "Files went with the rows of the sync, and no secret key of the project is known.",
                "Give it by SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY.",
            )
        if changes and undoing.api is not None:
            contents = kept_folder(undoing.folder)
            with (
                connect(undoing.target, application_name=f"migrator-tui {undoing.run}") as connection,
                Storage(undoing.api, stopped=undoing.control.stopped) as storage,
            ):
                for change in reversed(changes):
                    if change.to == "source":
                        back = place(change.uploads / change.path, contents, change.before, change.sha256)
                    else:
                        back = _given_back(storage, contents, change)
                    if not back:
                        kept.append(f"{change.path}: changed since on the {change.to}; kept.")
                    row = ObjectRow(
                        change.bucket, change.key, change.path, change.size, change.sha256 or None, "undone"
                    )
                    objects.record(connection, undoing.fence, [row])
        return [*kept, *Files().undo(undoing)]


def _given_back(storage: Storage, contents: Path, change: FileChange) -> bool:
    now = content_of(storage, change.bucket, change.key)
    if now == change.before:
        return True
    if now != change.sha256:
        return False
    store(storage, change, contents / change.before, change.metadata)
    return True


def _intend(context: RunContext, rows: list[ObjectRow], connection: psycopg.Connection[Any]) -> None:
    objects.intend(connection, context.fence, rows)


def _record(context: RunContext, row: ObjectRow, connection: psycopg.Connection[Any]) -> None:
    objects.intend(connection, context.fence, [row])
    objects.record(connection, context.fence, [row])


def _own(context: RunContext, plan: FilesPlan, connection: psycopg.Connection[Any]) -> None:
    own_objects(connection, context.run, context.plan, plan)
