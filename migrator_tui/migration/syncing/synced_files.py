"""The companion of a sync that brings files to either end, and takes them back.

What is new for Storage is uploaded before the rows are published, as in a migration. What replaces, deletes, or lies in
the uploads folder comes after both ends have their rows, each file guarded by the content that was seen there; all
contents that go are kept with the run first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import psycopg

from migrator_tui.migration.companions import RunContext, Silent, Undoing
from migrator_tui.migration.files.matching_files import count
from migrator_tui.migration.files.moving_files import BATCH, Files, line_of, own_objects
from migrator_tui.migration.files.uploads import upload_all
from migrator_tui.migration.syncing import file_changes
from migrator_tui.migration.syncing.file_changes import FileChange, sha256_of
from migrator_tui.migration.syncing.file_contents import content_of, kept_folder, leads_elsewhere, place, store
from migrator_tui.migration.syncing.files_carried import Carried
from migrator_tui.migration.syncing.files_laid_out import files_of
from migrator_tui.model.errors import Interrupted, SourceError, UsageError
from migrator_tui.model.outcome import Beside
from migrator_tui.model.project import FilesPlan
from migrator_tui.postgres import objects
from migrator_tui.postgres.connect import connect
from migrator_tui.postgres.objects import ObjectRow
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.storage_api import Storage
from migrator_tui.supabase.storage_errors import ObjectThere, StorageRefused
from migrator_tui.supabase.uploading import NAME, RUN, SHA256


class SyncedFiles(Silent):
    """The companion."""

    name = "files"

    def before_publish(self, context: RunContext) -> None:
        """Upload what is new for Storage.

        Raises:
            UsageError: ``STORAGE-NO-KEY``.
            DecisionsNeeded: ``FILES-STOPPED``: Storage does not take a file.
        """
        new = [c for c in file_changes.read(context.folder) if c.to == "target" and c.sha256 and not c.before]
        if not new:
            return
        if context.api is None:
            raise UsageError(
                "STORAGE-NO-KEY",
                "Files are to be stored, and no secret key of the project is known. Nothing was published.",
                "Give it by SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY, then `migrator-tui resume RUN`.",
            )
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

        Raises:
            Interrupted: ``SYNC-FILES-LEFT``: they cannot be carried now; resuming goes on.
        """
        changes = file_changes.after_rows(context.folder)
        if not changes:
            return []
        if context.api is None:
            raise _left(
                f"{count(len(changes), 'file')} of them are not: no secret key of the project is known.",
                "Give it by SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY, then `migrator-tui resume RUN`.",
            )
        kept: list[str] = []
        carried = Carried(context.folder)
        with Storage(context.api, stopped=context.control.stopped) as storage:
            for change in changes:
                context.control.between_chunks()
                if carried.is_done(change):
                    continue
                try:
                    why = _carry(context, storage, carried, change)
                except (OSError, StorageRefused) as error:
                    said, hint = _why(change, error)
                    raise _left(said, f"{hint} Then `migrator-tui resume RUN`; what was done stays.") from error
                if why:
                    kept.append(f"{change.path}: {why}. Sync again.")
                    continue
                if change.sha256:
                    row = ObjectRow(change.bucket, change.key, change.path, change.size, change.sha256,
                                    "made" if change.to == "target" and carried.is_begun(change) else "matched",
                                    detail={"value": change.value, "replaced": change.before})  # fmt: skip
                    context.with_target(partial(_record, context, row))
                if carried.is_begun(change):
                    carried.end(change)
                context.failpoint("file-carried")
        return kept

    def after_publish(self, context: RunContext) -> Sequence[str]:
        """Give the new objects their owners, and record what both ends have alike, which rows name now."""
        if same := file_changes.alike(context.folder):
            context.with_target(partial(_match, context, same))
        for plan in files_of(context.plan):
            if plan.owner is not None:
                context.with_target(partial(_own, context, plan))
        return ()

    def verify(self, context: RunContext) -> Beside | None:
        """What was carried."""
        changes = file_changes.read(context.folder)
        if not changes:
            return None
        carried = Carried(context.folder)
        done = [c for c in changes if not c.comes_after_rows or carried.is_done(c)]
        buckets = {c.bucket for c in done if c.to == "target"}
        there = context.with_target(lambda c: {b: objects.sizes_and_hashes(c, b) for b in buckets})
        missing = [c.path for c in done if c.to == "target" and c.sha256 and c.key not in there[c.bucket]]
        stored = sum(1 for c in done if c.to == "target" and c.sha256)
        brought = sum(1 for c in done if c.to == "source" and c.sha256)
        deleted = len(done) - stored - brought
        lines = [f"{count(brought, 'file')} came into the uploads folder."] if brought else []
        lines += [f"{count(deleted, 'file')} went with their rows; the run keeps them."] if deleted else []
        lines += [f"Not in its bucket any more: {path}." for path in missing]
        return Beside(
            "files",
            ", ".join(dict.fromkeys(f"bucket {c.bucket}" for c in changes)),
            total=len(changes),
            moved=stored,
            matched=brought,
            bytes=sum(c.size for c in done),
            verified=not missing,
            lines=tuple(lines),
            details={"stored": stored, "brought": brought, "deleted": deleted},
        )

    def undo_within(self, connection: psycopg.Connection[Any], undoing: Undoing) -> Sequence[str]:
        """Nothing is taken back where files could not be."""
        _require_key(undoing, _own_changes(undoing))
        return ()

    def undo(self, undoing: Undoing) -> Sequence[str]:
        """What the sync itself did: each file as it was before, where it is still what the sync left; then what was new
        in Storage goes.
        """
        changes = _own_changes(undoing)
        api = _require_key(undoing, changes)
        kept: list[str] = []
        if api is not None:
            with (
                connect(undoing.target, application_name=f"migrator-tui {undoing.run}") as connection,
                Storage(api, stopped=undoing.control.stopped) as storage,
            ):
                for change in reversed(changes):
                    undoing.control.check()
                    try:
                        why = _give_back(undoing, storage, change)
                    except OSError as error:
                        said, hint = _why(change, error)
                        raise SourceError(
                            "SYNC-FILES-LEFT", said, f"{hint} Then `migrator-tui rollback {undoing.run}` again."
                        ) from error
                    if why:
                        kept.append(f"{change.path}: {why}.")
                    elif change.to == "target" and change.owner:
                        _give_to_owner(change, connection)
                    row = ObjectRow(
                        change.bucket, change.key, change.path, change.size, change.sha256 or None, "undone"
                    )
                    objects.record(connection, undoing.fence, [row])
        return [*kept, *Files().undo(undoing)]


def _carry(context: RunContext, storage: Storage, carried: Carried, change: FileChange) -> str:
    """Make one change, where its end still is what was seen there; why not, else."""
    now = _now(storage, change)
    if now == change.sha256:
        return ""
    if now != change.before:
        return f"{_what_happened(change, now)} meanwhile; kept"
    if change.to == "source" and leads_elsewhere(change):
        return "it leads out of the uploads folder, or is a link; kept"
    contents = kept_folder(context.folder)
    address = carried.address(change)
    carried.begin(change, address)
    context.failpoint("file-intended")
    if change.to == "source":
        place(change, contents, change.sha256)
    elif not change.sha256:
        storage.remove(change.bucket, [change.key])
    else:

        def on_address(address: str) -> None:
            carried.begin(change, address)
            context.failpoint("file-begun")

        store(
            storage,
            change,
            contents / change.sha256,
            {NAME: change.path, SHA256: change.sha256, RUN: context.run},
            replaces=True,
            address=address,
            on_address=on_address,
            check=context.control.check,
        )
        if change.owner:
            context.with_target(partial(_give_to_owner, change))
    return ""


def _give_back(undoing: Undoing, storage: Storage, change: FileChange) -> str:
    """Take one change back, where its end still is as the sync left it; why not, else."""
    now = _now(storage, change)
    if now == change.before:
        return ""
    changed = f"{_what_happened(change, now)} since; kept"
    if now != change.sha256:
        return changed
    contents = kept_folder(undoing.folder)
    if change.to == "source":
        if leads_elsewhere(change):
            return changed
        place(change, contents, change.before)
        return ""
    try:
        store(
            storage,
            change,
            contents / change.before,
            change.metadata,
            replaces=bool(now),
            check=undoing.control.check,
        )
    except ObjectThere:
        return changed
    return ""


def _now(storage: Storage, change: FileChange) -> str:
    """SHA-256 of what the end that changes has at the place; empty for nothing."""
    if change.to == "source":
        return sha256_of(change.uploads / change.path)
    return content_of(storage, change.bucket, change.key)


def _what_happened(change: FileChange, now: str) -> str:
    where = f"the bucket {change.bucket}" if change.to == "target" else "the uploads folder"
    return f"changed in {where}" if now else f"removed from {where}"


def _why(change: FileChange, error: OSError | StorageRefused) -> tuple[str, str]:
    """What kept a file from being carried, and what to do about it."""
    if isinstance(error, StorageRefused):
        return error.message, error.hint
    where = change.uploads / change.path
    return (
        f"{where} could not be read or written: {error.strerror or error}.",
        "Make room, or let this program write there.",
    )


def _left(why: str, hint: str) -> Interrupted:
    return Interrupted("SYNC-FILES-LEFT", f"The rows of both ends are done, and not all files: {why}", hint)


def _own_changes(undoing: Undoing) -> list[FileChange]:
    carried = Carried(undoing.folder)
    return [change for change in file_changes.after_rows(undoing.folder) if carried.is_begun(change)]


def _require_key(undoing: Undoing, changes: Sequence[FileChange]) -> Api | None:
    """The project's APIs, where there is something to do with them."""
    if changes and undoing.api is None:
        raise UsageError(
            "STORAGE-NO-KEY",
            "Files went with the rows of the sync, and no secret key of the project is known.",
            "Give it by SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY.",
        )
    return undoing.api if changes else None


def _intend(context: RunContext, rows: list[ObjectRow], connection: psycopg.Connection[Any]) -> None:
    objects.intend(connection, context.fence, rows)


def _give_to_owner(change: FileChange, connection: psycopg.Connection[Any]) -> None:
    objects.give_owner(connection, change.bucket, change.key, change.owner)


def _match(context: RunContext, same: list[FileChange], connection: psycopg.Connection[Any]) -> None:
    """Record as found what the run did not store itself before it was interrupted."""
    own = {(row.bucket, row.key) for row in objects.of_run(connection, context.run)}
    rows = [
        ObjectRow(c.bucket, c.key, c.path, c.size, c.sha256, "matched", detail={"value": c.value})
        for c in same
        if (c.bucket, c.key) not in own
    ]
    for at in range(0, len(rows), BATCH):
        objects.intend(connection, context.fence, rows[at : at + BATCH])


def _record(context: RunContext, row: ObjectRow, connection: psycopg.Connection[Any]) -> None:
    objects.intend(connection, context.fence, [row])
    objects.record(connection, context.fence, [row])


def _own(context: RunContext, plan: FilesPlan, connection: psycopg.Connection[Any]) -> None:
    own_objects(connection, context.run, context.plan, plan)
