"""Files on their way into buckets: the companion of a run that uploads, verifies and takes back.

Uploads happen while nothing of the run is visible. The ledger has every file before the first is sent; what became of
one is recorded a little after it, which is safe: a file that is met again is found at its key, with the run's name on
it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote
from migrator_tui.migration.companions import RunContext, Silent, Undoing
from migrator_tui.migration.files import pulling_files
from migrator_tui.migration.files.matching_files import count, files_of
from migrator_tui.migration.files.removing_files import bucket_step, remove_buckets, remove_objects
from migrator_tui.migration.files.uploads import upload_all
from migrator_tui.migration.files.verifying_files import compare_listing, download_all
from migrator_tui.migration.verifying_later import by_bucket, rows_and_objects
from migrator_tui.model.errors import DecisionsNeeded, TargetError, UsageError, VerificationFailed
from migrator_tui.model.outcome import Beside
from migrator_tui.model.plan import Plan
from migrator_tui.model.progress import TableState
from migrator_tui.model.project import FilesPlan
from migrator_tui.postgres import ledger, objects
from migrator_tui.postgres.connect import connect
from migrator_tui.postgres.object_rows import Reconciled
from migrator_tui.postgres.objects import ObjectRow
from migrator_tui.supabase.api import STORAGE_PATH, Api
from migrator_tui.supabase.storage_api import Bucket, Storage
from migrator_tui.supabase.storage_errors import ObjectThere

BATCH = 500
"""Files that are recorded in one transaction."""
UUID = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
NAMED = 3
"""Files that a message names."""


class Files(Silent):
    """The companion."""

    name = "files"

    def stage(self, context: RunContext) -> None:
        """Make the buckets, record every file, and upload those that are not there yet."""
        api = _api(context)
        with Storage(api, stopped=context.control.stopped) as storage:
            for bucket, plans in by_bucket(context.plan).items():
                self._bucket(context, storage, bucket, plans)
        context.with_target(lambda c: objects.retry(c, context.fence))
        for plan in _files(context.plan):
            self._intend(context, plan)
        _show(context, TableState.STAGING)
        context.failpoint("files-intended")
        # Where a bucket takes files and blobs, it is known by the plan that has the folder.
        plans = sorted(_files(context.plan), key=lambda plan: not plan.of_blobs)
        upload_all(context, api, {plan.bucket: plan for plan in plans})
        context.board.set_retry(None)
        for bucket in by_bucket(context.plan):
            context.board.set_table(line_of(bucket), TableState.STAGED)
        context.audit.record("files-stored", **_counted(context))
        context.failpoint("files-stored")

    def check(self, context: RunContext) -> Sequence[str]:
        """Stop where a row would name what is not its file.

        Raises:
            DecisionsNeeded: Storage refused files, or holds something else at their keys.
        """
        self.require_stored(context)
        for bucket in by_bucket(context.plan):
            context.board.set_table(line_of(bucket), TableState.CHECKED)
        return ()

    def require_stored(self, context: RunContext) -> None:
        """Raise where Storage did not take a file.

        Raises:
            DecisionsNeeded: ``FILES-STOPPED``.
        """
        left = context.with_target(lambda c: objects.left(c, context.run))
        stopping = [row for row in left if row.detail.get("stops")]
        if stopping:
            named = "; ".join(f"{row.path}: {row.detail['why'].rstrip('.')}" for row in stopping[:NAMED])
            more = f"; and {len(stopping) - NAMED:,} more" if len(stopping) > NAMED else ""
            raise DecisionsNeeded(
                "FILES-STOPPED",
                f"{count(len(stopping), 'file')} could not be stored, and nothing was published. {named}{more}.",
                "Make room for them (remove or rename the object, raise the bucket's limit, add the type), or move the "
                "file out of the uploads folder to leave it behind; then `migrator-tui resume RUN`.",
            )

    def within_publish(self, connection: psycopg.Connection[Any], context: RunContext) -> None:
        """Give each object that the run made its owner, so that policies by owner hold for it; keep the way back."""
        pulling_files.record(connection, context.run, _files(context.plan), _storage(context), context.plan.users)
        for plan in _files(context.plan):
            if plan.owner is not None:
                own_objects(connection, context.run, context.plan, plan)

    def verify(self, context: RunContext) -> Beside | None:
        """Compare the buckets with the ledger, both ways.

        Raises:
            VerificationFailed: An object is missing, or of another size or content.
        """
        api = _api(context)
        _show(context, TableState.CHECKED)
        lines: list[str] = []
        wrong: list[str] = []
        rows: dict[str, Reconciled] = {}
        with Storage(api, stopped=context.control.stopped) as storage:
            for bucket, plans in by_bucket(context.plan).items():
                with connect(context.target, application_name=f"migrator-tui {context.run}") as connection:
                    listed = storage.objects(bucket)
                    compared = compare_listing(objects.stored(connection, context.run, bucket), listed)
                    both = rows_and_objects(connection, context.plan, context.run, bucket, plans)
                if both is not None:
                    rows[bucket] = both
                    if both.unreferenced:
                        unnamed = count(both.unreferenced, "object")
                        lines.append(f"The bucket {bucket} holds {unnamed} that no row names.")
                wrong += [f"{bucket}/{key}: {why}" for key, why in compared.wrong]
                if compared.others:
                    others = count(compared.others, "more object")
                    lines.append(f"The bucket {bucket} holds {others} that the run did not make.")
        other_hash = context.with_target(lambda c: objects.of_another_hash(c, context.run))
        wrong += [f"{bucket}/{key}: its recorded SHA-256 is another" for bucket, key in other_hash]
        asked = {plan.bucket for plan in _files(context.plan) if plan.by_download}
        if asked and not wrong:
            wrong += download_all(context, api, sorted(asked))
        if wrong:
            raise VerificationFailed(
                "VERIFY-FILES",
                f"{count(len(wrong), 'object')} differ from the files. {'; '.join(wrong[:NAMED])}.",
                f"Somebody may be writing to the bucket. `migrator-tui rollback {context.run}` takes the run back.",
            )
        _show(context, TableState.VERIFIED)
        return _beside(context, lines, rows)

    def undo(self, undoing: Undoing) -> Sequence[str]:
        """Remove the objects that the run made and nobody replaced since, and its buckets where they are empty."""
        if not _files(undoing.plan):
            return ()
        with connect(undoing.target, application_name=f"migrator-tui {undoing.run}") as connection:
            buckets = list(by_bucket(undoing.plan))
            made = [name for name in buckets if ledger.read_step(connection, undoing.run, bucket_step(name))]
            if not made and not objects.own(connection, undoing.run):
                return ()
            if undoing.api is None:
                raise _no_key()
            with Storage(undoing.api, stopped=undoing.control.stopped) as storage:
                kept = remove_objects(connection, storage, undoing)
                kept += remove_buckets(connection, storage, undoing, made)
        undoing.audit.record("files-removed", kept=len(kept))
        return kept

    def _bucket(self, context: RunContext, storage: Storage, name: str, plans: Sequence[FilesPlan]) -> None:
        """Have the bucket there, and open as planned. A bucket that the run makes is recorded first."""
        public = plans[0].public
        step = bucket_step(name)
        there = storage.bucket(name)
        if there is None:
            context.with_target(lambda c: ledger.write_step(c, context.run, step, {"public": public}))
            context.failpoint("files-bucket")
            with contextlib.suppress(ObjectThere):  # made meanwhile: looked at below
                storage.create_bucket(_new_bucket(name, public, plans))
            there = storage.bucket(name)
        if there is not None and there.public != public:
            is_, planned = ("public", "private") if there.public else ("private", "public")
            raise TargetError(
                "FILES-BUCKET-CHANGED",
                f"The bucket {name} is {is_} now, and was {planned} when the run was planned.",
                "Change it back, or plan anew.",
            )

    def _intend(self, context: RunContext, plan: FilesPlan) -> None:
        sets = context.sets
        stay = {*sets.quarantined.get(plan.table, ()), *sets.nulled.get(plan.table, {}).get(plan.column, ())}
        found = (
            i
            for i in files_of(plan, context.source.snapshot, _storage(context), context.plan.users)
            if i.row not in stay
        )
        rows = (
            ObjectRow(
                plan.bucket,
                item.key,
                item.file.path,
                item.file.size,
                state="left" if item.left else "intended",
                detail={"value": item.on_target}
                | ({} if item.row is None else {"cell": [plan.table, plan.column, item.row]})
                | ({"why": item.left} if item.left else {}),
            )
            for item in found
        )
        for batch in _batches(rows, BATCH):
            context.control.between_chunks()
            context.with_target(partial(_record, context, batch))


def _new_bucket(name: str, public: bool, plans: Sequence[FilesPlan]) -> Bucket:
    """A bucket that takes what each of the columns that share it is to take."""
    limits = [plan.bucket_size_limit for plan in plans]
    types = [plan.bucket_mime_types for plan in plans]
    limit = None if None in limits else max(limit for limit in limits if limit is not None)
    taken = None if None in types else tuple(dict.fromkeys(one for each in types for one in each or ()))
    return Bucket(name, public, limit, taken)


def _record(context: RunContext, rows: list[ObjectRow], connection: psycopg.Connection[Any]) -> None:
    objects.intend(connection, context.fence, rows)


def line_of(bucket: str) -> str:
    """The name of a bucket's line beside the tables; no table is named so."""
    return f"files: {bucket}"


def _show(context: RunContext, state: TableState) -> None:
    """Have a line for each bucket, counted from the ledger where this process has not counted it itself."""
    shown = {table.source for table in context.board.snapshot().tables}
    tallies = context.with_target(lambda c: objects.tallies(c, context.run))
    for bucket, plans in by_bucket(context.plan).items():
        line = line_of(bucket)
        if line not in shown:
            files, size = sum(plan.files for plan in plans), sum(plan.bytes for plan in plans)
            context.board.set_beside(line, f"bucket {bucket}", files, unit="files", bytes=size)
            for tally in tallies:
                if tally.bucket == bucket and tally.state in ("made", "matched"):
                    context.board.add(line, rows=tally.objects, bytes=tally.bytes)
                elif tally.bucket == bucket and tally.state == "left":
                    context.board.add(line, quarantined=tally.objects)
        context.board.set_table(line, state)


def _files(plan: Plan) -> tuple[FilesPlan, ...]:
    return plan.project.files if plan.project else ()


def _api(context: RunContext) -> Api:
    if context.api is None:
        raise _no_key()
    return context.api


def _storage(context: RunContext) -> str:
    """Base address of the project's Storage, as it was planned."""
    assert context.plan.project is not None
    return f"{context.plan.project.api}{STORAGE_PATH}"


def _no_key() -> UsageError:
    return UsageError(
        "STORAGE-NO-KEY",
        "Files are to be moved, and no secret key of the project is known.",
        "Give it by SUPABASE_SECRET_KEY or SUPABASE_SERVICE_ROLE_KEY, or keep it with `migrator-tui credentials set`.",
    )


def _batches(rows: Iterable[ObjectRow], size: int) -> Iterator[list[ObjectRow]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch


def _counted(context: RunContext) -> dict[str, int]:
    counts: dict[str, int] = {}
    for tally in context.with_target(lambda c: objects.tallies(c, context.run)):
        counts[tally.state] = counts.get(tally.state, 0) + tally.objects
    return counts


def own_objects(connection: psycopg.Connection[Any], run: str, whole: Plan, plan: FilesPlan) -> None:
    """Give each object of a column that the run made the user as its owner whom its row names."""
    table = whole.table(plan.table)
    column = next(c.target for c in table.columns if c.source == plan.column)
    target = f"{quote(table.target.schema)}.{quote(table.target.name)}"
    owner = f"t.{quote(plan.owner or '')}"
    # Users that SQL makes come later in this transaction; an id that is no UUID is none of Auth's.
    # An object that several users' rows name stays without an owner: no one of them may remove it for the others.
    connection.execute(
        f"WITH owned AS (SELECT m.key, min({owner}::text) AS owner FROM migrator.object m "
        f"JOIN {target} t ON t.{quote(column)}::text = m.detail ->> 'value' "
        f"WHERE m.run = %s AND m.bucket = %s AND m.state = 'made' AND {owner}::text ~ %s "
        f"GROUP BY m.key HAVING count(DISTINCT {owner}) = 1) "
        "UPDATE storage.objects o SET owner_id = owned.owner FROM owned WHERE o.bucket_id = %s AND o.name = owned.key "
        "AND o.owner_id IS DISTINCT FROM owned.owner",
        (run, plan.bucket, UUID, plan.bucket),
    )


def _beside(context: RunContext, lines: list[str], rows: dict[str, Reconciled]) -> Beside:
    tallies = context.with_target(lambda c: objects.tallies(c, context.run))

    def of(*states: str) -> int:
        return sum(tally.objects for tally in tallies if tally.state in states)

    left = context.with_target(lambda c: objects.left(c, context.run))
    lines += [f"{row.path} stays behind: {row.detail.get('why', 'by decision')}." for row in left[:NAMED]]
    if len(left) > NAMED:
        lines.append(f"{count(len(left) - NAMED, 'more file')} stay behind.")
    missing = sum(plan.missing for plan in _files(context.plan))
    if missing:
        lines.append(f"{count(missing, 'value')} without a file.")
    buckets = {
        bucket: {
            tally.state: {"files": tally.objects, "bytes": tally.bytes} for tally in tallies if tally.bucket == bucket
        }
        for bucket in by_bucket(context.plan)
    }
    return Beside(
        "files",
        ", ".join(f"bucket {bucket}" for bucket in buckets),
        total=of("made", "matched", "left", "intended"),
        moved=of("made"),
        matched=of("matched"),
        left=of("left"),
        bytes=sum(tally.bytes for tally in tallies if tally.state in ("made", "matched")),
        verified=True,
        lines=tuple(lines),
        details={
            "buckets": buckets,
            "missing": missing,
            "reconciled": {bucket: asdict(both) for bucket, both in rows.items()},
        },
    )
