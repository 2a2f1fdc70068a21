"""What a sync does to files, laid out before either end is written; contents that come or go are fetched and kept."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote
from migrator_tui.locations import PRIVATE_FILE
from migrator_tui.migration.companions import RunContext
from migrator_tui.migration.files.matching_files import NOBODY, count
from migrator_tui.migration.syncing import file_changes
from migrator_tui.migration.syncing.file_changes import NAMED, FileChange, Named, key_on_target, sha256_of, sides
from migrator_tui.migration.syncing.file_contents import keep_file, kept_folder, reading
from migrator_tui.migration.syncing.files_named_elsewhere import Elsewhere, named_elsewhere, places
from migrator_tui.migration.users.ids_in_paths import folders_of
from migrator_tui.model.decisions import OnConflict
from migrator_tui.model.errors import DecisionsNeeded, MigratorError, UsageError
from migrator_tui.model.plan import Plan
from migrator_tui.model.project import FilesPlan
from migrator_tui.postgres import objects
from migrator_tui.postgres.merge_parts import sql
from migrator_tui.postgres.three_way import ThreeWay
from migrator_tui.postgres.three_way_publish import to_source, to_target
from migrator_tui.supabase.api import STORAGE_PATH
from migrator_tui.supabase.storage_api import Storage
from migrator_tui.supabase.upload_folder import UploadFolder


def lay_out(
    context: RunContext, ways: Mapping[str, ThreeWay], after: Path, policy: OnConflict
) -> tuple[list[FileChange], list[str]]:
    """What becomes of the files, by what was chosen for the rows; contents that come into the folder are fetched.

    Args:
        after: The file as both ends will be.

    Returns:
        The changes, and lines of what stays although its row goes.

    Raises:
        UsageError: ``STORAGE-NO-KEY``.
        SourceError: ``SYNC-FILES-UNREAD``: a file cannot be read or kept.
        DecisionsNeeded: ``SYNC-FILES``: both ends changed a file. ``SYNC-UPLOADS-GONE``: the uploads folder has none of
            those that both ends had.
    """
    plans = files_of(context.plan)
    if not plans:
        return [], []
    if context.api is None:
        raise UsageError(
            "STORAGE-NO-KEY",
            "Files go with the rows of a sync, and no secret key of the project is known.",
            "Give it by SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY, or leave their tables out with --tables.",
        )
    storage_url = _storage_url(context.plan)
    with Storage(context.api, stopped=context.control.stopped) as storage:
        laying = _LayingOut(context, storage)
        wanted = file_changes.named_by(after, plans, storage_url, context.plan.users)
        if policy is not OnConflict.KEEP_TARGET:
            laying.require_uploads(wanted)
        changes = [change for one in wanted.values() for change in laying.of_named(one, policy)]
        going = laying.alone(context.with_target(lambda c: _going(c, context, ways, plans, storage_url)), wanted)
        elsewhere = named_elsewhere(context, after, storage_url, plans) if going else Elsewhere()
        changes += laying.of_deleted(going, elsewhere)
    if laying.conflicts:
        more = f" and {len(laying.conflicts) - NAMED} more" if len(laying.conflicts) > NAMED else ""
        raise DecisionsNeeded(
            "SYNC-FILES",
            f"Both ends changed {', '.join(laying.conflicts[:NAMED])}{more}. Nothing was changed.",
            "Make them alike, or take one side's: `migrator-tui resume RUN --on-conflict keep-source` or keep-target.",
        )
    return changes, laying.kept


class _LayingOut:
    def __init__(self, context: RunContext, storage: Storage) -> None:
        self._context = context
        self._storage = storage
        self._kept = kept_folder(context.folder)
        buckets = {plan.bucket for plan in files_of(context.plan)}

        def look(connection: psycopg.Connection[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
            remote = {bucket: objects.sizes_and_hashes(connection, bucket) for bucket in buckets}
            return remote, {bucket: objects.common_hashes(connection, bucket) for bucket in buckets}

        self._remote, self._common = context.with_target(look)
        self.conflicts: list[str] = []
        self.kept: list[str] = []

    def require_uploads(self, wanted: Mapping[tuple[str, str], Named]) -> None:
        """Stop where the folder has none of the files that both ends had: it is perhaps not mounted."""
        for folder in {one.plan.uploads for one in wanted.values() if one.plan.uploads is not None}:
            had = [o for o in wanted.values() if o.plan.uploads == folder and o.key in self._common[o.plan.bucket]]
            if had and next(UploadFolder(folder).walk(), None) is None:
                is_ = "is empty" if folder.is_dir() else "is not there"
                raise DecisionsNeeded(
                    "SYNC-UPLOADS-GONE",
                    f"The uploads folder {folder} {is_}; both ends had {count(len(had), 'file')} of it. Nothing was "
                    "changed.",
                    "Mount it or put it back, then `migrator-tui resume RUN`; with --on-conflict keep-target the files "
                    "come from the bucket again.",
                )

    def of_named(self, one: Named, policy: OnConflict) -> list[FileChange]:
        assert one.plan.uploads is not None
        with reading(one.plan.uploads / one.path):
            return self._of_named(one, policy)

    def _of_named(self, one: Named, policy: OnConflict) -> list[FileChange]:
        bucket, key = one.plan.bucket, one.key
        assert one.plan.uploads is not None
        local = sha256_of(one.plan.uploads / one.path) if one.local is not None else ""
        there = self._remote[bucket].get(key)
        remote = self._hash(bucket, key) if there is not None else ""
        common = self._common[bucket].get(key, "")
        side = sides(common, local, remote, policy)
        about = (bucket, key, one.path, one.plan.uploads)
        if side is None:
            known = local == common
            return [] if known else [FileChange(*about, "target", there[0] if there else 0, local, local, one.value)]
        if side == "conflict":
            self.conflicts.append(one.path)
            return []
        self._context.control.check()
        if side == "source":
            assert one.local is not None
            if remote:
                keep_file(self._kept, one.plan.uploads / one.path, local)
            known = self._keep_object(bucket, key, remote) if remote else ()
            return [FileChange(*about, "target", one.local.size, local, remote, one.value, *known)]
        self._keep_object(bucket, key, remote)
        if local:
            keep_file(self._kept, one.plan.uploads / one.path, local)
        return [FileChange(*about, "source", there[0] if there else 0, remote, local, one.value)]

    def alone(
        self, going: Sequence[tuple[str, str, str, FilesPlan]], wanted: Mapping[tuple[str, str], Named]
    ) -> list[tuple[str, str, str, FilesPlan]]:
        """Those that both ends had and no other row of the synced tables names: not the object, nor the file."""
        files = places(wanted.values())
        return [
            (to, key, path, plan)
            for to, key, path, plan in going
            if self._common[plan.bucket].get(key)
            and file_changes.is_safe(path)
            and (plan.bucket, key) not in wanted
            and not (to == "source" and _place(plan, path) in files)
        ]

    def of_deleted(self, going: Sequence[tuple[str, str, str, FilesPlan]], elsewhere: Elsewhere) -> list[FileChange]:
        found: dict[tuple[str, str, str], FileChange] = {}
        for to, key, path, plan in going:
            common = self._common[plan.bucket][key]
            named = (plan.bucket, key) in elsewhere.objects or _place(plan, path) in elsewhere.files
            if named or elsewhere.unsure:
                why = (
                    "rows of a table that is not synced name it"
                    if named
                    else f"{elsewhere.unsure[0]}, it may be in use"
                )
                self.kept.append(f"{path} stays although its row goes: {why}.")
                continue
            assert plan.uploads is not None
            about = (plan.bucket, key, path, plan.uploads)
            with reading(plan.uploads / path):
                if to == "target":
                    if key in self._remote[plan.bucket] and self._hash(plan.bucket, key) == common:
                        known = self._keep_object(plan.bucket, key, common)
                        found[to, plan.bucket, key] = FileChange(*about, "target", 0, "", common, "", *known)
                elif sha256_of(plan.uploads / path) == common:
                    keep_file(self._kept, plan.uploads / path, common)
                    found[to, plan.bucket, key] = FileChange(*about, "source", 0, "", common)
        return list(found.values())

    def _hash(self, bucket: str, key: str) -> str:
        """Of an object: as its metadata says, or by reading it."""
        recorded: str = self._remote[bucket][key][1]
        return recorded or self._fetch(bucket, key)

    def _fetch(self, bucket: str, key: str) -> str:
        descriptor, part = tempfile.mkstemp(dir=self._kept, prefix=".part-")
        with os.fdopen(descriptor, "w+b") as into:
            between = self._context.control.within_chunk
            _, sha256 = self._storage.download(bucket, key, into, between=lambda received: between())
        Path(part).chmod(PRIVATE_FILE)
        Path(part).replace(self._kept / sha256)
        return sha256

    def _keep_object(self, bucket: str, key: str, sha256: str) -> tuple[str, dict[str, str], str]:
        """Keep its content; its type, metadata and owner."""
        if not (self._kept / sha256).exists() and self._fetch(bucket, key) != sha256:
            raise MigratorError(
                "SYNC-FILES-CHANGED",
                f"{bucket}/{key} does not read back as it was stored: somebody may be writing to the bucket.",
                "Sync again.",
            )
        about = self._storage.info(bucket, key)
        owner = self._context.with_target(lambda c: objects.owner(c, bucket, key))
        return (about.mime, dict(about.metadata), owner) if about else ("", {}, owner)


def files_of(plan: Plan) -> tuple[FilesPlan, ...]:
    """The columns of files whose tables are synced."""
    return plan.project.files if plan.project else ()


def _going(
    connection: psycopg.Connection[Any],
    context: RunContext,
    ways: Mapping[str, ThreeWay],
    plans: Sequence[FilesPlan],
    storage: str,
) -> list[tuple[str, str, str, FilesPlan]]:
    """The end, key and path of each file whose row is deleted there."""
    found = []
    for plan in plans:
        way = ways[plan.table]
        column = next(c.target for c in way.table.moved_columns if c.source == plan.column)
        users = context.plan.users
        folders = folders_of(context.source.snapshot, users) if plan.user_ids and users is not None else NOBODY
        for to, row, ops in (("target", "l", to_target(way)), ("source", "s", to_source(way))):
            for (value,) in connection.execute(
                sql(f"SELECT {row}.{quote(column)}::text FROM {way.joined} WHERE {ops['delete']}")
            ).fetchall():
                key = key_on_target(plan, storage, value or "", folders)
                if key:
                    found.append((to, key, _path_of(connection, plan, key), plan))
    return found


def _path_of(connection: psycopg.Connection[Any], plan: FilesPlan, key: str) -> str:
    row = connection.execute(
        "SELECT path FROM migrator.object WHERE bucket = %s AND key = %s AND state IN ('made', 'matched') "
        "ORDER BY at DESC LIMIT 1",
        (plan.bucket, key),
    ).fetchone()
    return str(row[0]) if row else ""


def _place(plan: FilesPlan, path: str) -> Path:
    assert plan.uploads is not None
    return (plan.uploads / path).resolve()


def _storage_url(plan: Plan) -> str:
    assert plan.project is not None
    return f"{plan.project.api}{STORAGE_PATH}"
