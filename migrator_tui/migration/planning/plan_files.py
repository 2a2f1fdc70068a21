"""Planning what becomes of files: which columns name them, which bucket they go to, what keeps one from going there.

Reads the snapshot, the uploads folder and the target's schema ``storage``; changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import errors

from migrator_tui.convert import object_values
from migrator_tui.convert.blob_objects import of_codec
from migrator_tui.convert.user_folders import OfUser
from migrator_tui.migration.files import matching_files
from migrator_tui.migration.files.file_owners import owner_of
from migrator_tui.migration.files.matching_files import NOBODY, count
from migrator_tui.migration.planning import drafting
from migrator_tui.migration.planning.guess_files import guess, is_text
from migrator_tui.migration.planning.plan_blobs import keys_of, require_files
from migrator_tui.migration.planning.plan_bucket import SHOWN, BucketCheck, asked_bucket, with_limits
from migrator_tui.migration.planning.plan_draft import Chooser
from migrator_tui.migration.staging import Source
from migrator_tui.migration.users import ids_in_paths
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, ColumnPlan, Plan, TablePlan
from migrator_tui.model.project import FilesPlan, FilesScope, ProjectPlan, ProjectScope, UsersPlan
from migrator_tui.model.schema import TableName
from migrator_tui.supabase.api import STORAGE_PATH
from migrator_tui.supabase.storage_api import Bucket, public_base
from migrator_tui.supabase.upload_folder import UploadFolder, Why


@dataclass(frozen=True, slots=True)
class StorageThere:
    """What the target's Storage has.

    Attributes:
        objects: Bucket → key → bytes, of the buckets that were asked about.
    """

    buckets: dict[str, Bucket]
    objects: dict[str, dict[str, int]] = field(default_factory=dict)


def with_files(
    plan: Plan,
    source: Source,
    connection: psycopg.Connection[Any],
    project: ProjectScope,
    chooser: Chooser,
    blobs: Sequence[FilesScope] = (),
) -> Plan:
    """The plan with its files: findings, the columns rewritten by a codec, and what is uploaded where.

    Args:
        blobs: Columns of blobs that the plan has as columns of paths already.
    """
    moved = {(t.source, c.source) for t in plan.moved for c in t.moved_columns if of_codec(c.codec)}
    of_blobs = [scope for scope in blobs if (scope.table, scope.column) in moved]
    kept = tuple(
        Finding(
            "FILES-BLOB-KEPT",
            f"{scope.table}.{scope.column} keeps its blobs: its column on the target is no text.",
            table=scope.table,
            column=scope.column,
        )
        for scope in blobs
        if scope not in of_blobs
    )
    plan = replace(plan, findings=(*plan.findings, *kept))
    named = {(scope.table, scope.column) for scope in blobs}
    project = replace(project, files=tuple(f for f in project.files if (f.table, f.column) not in named))
    plan, files = _of_paths(plan, source, connection, project, chooser)
    if of_blobs:
        there = read_storage(connection, {scope.bucket for scope in of_blobs})
        for scope in of_blobs if there else ():
            drafted, findings = _of_blobs(plan, source, scope, there or StorageThere({}), chooser, project)
            plan = replace(plan, findings=(*plan.findings, *findings))
            files = (*files, drafted)
    base = plan.project or ProjectPlan()
    made = replace(base, api=project.api, files=files) if files else plan.project
    plan = replace(plan, project=made)
    require_files(plan)
    return drafting.finished(plan)


def _of_paths(
    plan: Plan, source: Source, connection: psycopg.Connection[Any], project: ProjectScope, chooser: Chooser
) -> tuple[Plan, tuple[FilesPlan, ...]]:
    if project.api is None or project.uploads is None:
        lacks = "address of the project's API" if project.uploads else "uploads folder"
        return _not_moved(plan, project.files, f"no {lacks} is named"), ()
    folder = UploadFolder(project.uploads)
    if not folder.exists():
        return _not_moved(plan, project.files, f"{project.uploads} is no folder"), ()
    paths = set(folder.walk())
    scopes = project.files
    findings: list[Finding] = []
    if not scopes:
        scopes, findings = _guessed(plan, source, paths, chooser)
    there = read_storage(connection, {scope.bucket for scope in scopes}) if scopes else StorageThere({})
    if there is None:
        return _not_moved(plan, scopes, "the target has no Supabase Storage that this role may read"), ()
    files: list[FilesPlan] = []
    referenced: set[str] = set()
    for scope in scopes:
        table = next((t for t in plan.moved if t.source == scope.table), None)
        column = next((c for c in table.columns if c.source == scope.column), None) if table else None
        if table is None or column is None:
            findings.append(_left_out(scope, f"{scope.table}.{scope.column} is not moved"))
            continue
        drafted = _Draft(plan, source, table, column, scope, folder, paths, there, chooser, project)
        files.append(drafted.files)
        findings += drafted.found
        referenced |= drafted.referenced
        plan = _with_column(plan, table, drafted.column)
    if files and (unreferenced := sorted(paths - referenced)):
        message = (
            f"{count(len(unreferenced), 'file')} below {project.uploads} that no row names; they stay where they are."
        )
        findings.append(Finding("FILES-UNREFERENCED", message, samples=tuple(unreferenced[:SHOWN])))
    return replace(plan, findings=(*plan.findings, *findings)), tuple(files)


def read_storage(connection: psycopg.Connection[Any], asked: set[str]) -> StorageThere | None:
    """Buckets, and the objects of those that were asked about; None where there is no Storage to be read."""
    try:
        with connection.transaction():
            if not _is_there(connection):
                return None
            buckets = {
                name: Bucket(name, bool(public), limit, tuple(mimes) if mimes else None)
                for name, public, limit, mimes in connection.execute(
                    "SELECT id, public, file_size_limit, allowed_mime_types FROM storage.buckets"
                )
            }
            objects: dict[str, dict[str, int]] = {}
            for name in asked & set(buckets):
                found = connection.execute(
                    "SELECT name, coalesce((metadata ->> 'size')::bigint, 0) FROM storage.objects WHERE bucket_id = %s",
                    (name,),
                )
                objects[name] = dict(found)
    except (errors.InsufficientPrivilege, errors.UndefinedColumn):
        return None
    return StorageThere(buckets, objects)


def _is_there(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(
        "SELECT to_regclass('storage.buckets') IS NOT NULL AND to_regclass('storage.objects') IS NOT NULL"
    ).fetchone()
    return bool(row and row[0])


def _guessed(
    plan: Plan, source: Source, paths: set[str], chooser: Chooser
) -> tuple[tuple[FilesScope, ...], list[Finding]]:
    scopes: list[FilesScope] = []
    findings: list[Finding] = []
    for found in guess(plan, source.snapshot, paths):
        scope = found.scope
        of = f"{found.found:,} of {found.of:,} different values" if found.found < found.of else "its values"
        message = f"{scope.table}.{scope.column}: {of} name files; they would go to the bucket {scope.bucket}."
        finding = Finding(
            "FILES-COLUMN", message, table=scope.table, column=scope.column, choices=("key", "keep", "leave")
        )
        findings.append(chooser.settle(finding))
        choice = chooser.choice(finding)
        if choice != "leave":
            scopes.append(replace(scope, value="keep" if choice == "keep" else "key"))
    return tuple(scopes), findings


def _not_moved(plan: Plan, scopes: Sequence[FilesScope], why: str) -> Plan:
    found = tuple(_left_out(scope, why) for scope in scopes)
    return replace(plan, findings=(*plan.findings, *found)) if found else plan


def _left_out(scope: FilesScope, why: str) -> Finding:
    message = f"The files that {scope.table}.{scope.column} names are not moved: {why}."
    return Finding("FILES-NOT-MOVED", message, table=scope.table, column=scope.column)


def _with_column(plan: Plan, table: TablePlan, column: ColumnPlan) -> Plan:
    changed = replace(table, columns=tuple(column if c.source == column.source else c for c in table.columns))
    return replace(plan, tables=tuple(changed if t.source == table.source else t for t in plan.tables))


class _Draft:
    """One column's files. Its findings are gathered on the way."""

    def __init__(
        self,
        plan: Plan,
        source: Source,
        table: TablePlan,
        column: ColumnPlan,
        scope: FilesScope,
        folder: UploadFolder,
        paths: set[str],
        there: StorageThere,
        chooser: Chooser,
        project: ProjectScope,
    ) -> None:
        self._plan, self._source, self._table, self._scope = plan, source, table, scope
        self._folder = folder
        self._find = _Find(scope, chooser)
        self._storage = f"{project.api}{STORAGE_PATH}"
        self.referenced: set[str] = set()
        bucket = there.buckets.get(scope.bucket)
        prefixes, _ = matching_files.prefixes_of(self._values(), paths)
        self.files = FilesPlan(
            scope.table,
            scope.column,
            scope.bucket,
            folder.root,
            public=bucket.public if bucket else scope.public,
            prefix=prefixes[0] if len(prefixes) == 1 else "",
            prefixes=prefixes or ("",),
            owner=owner_of(plan, table, source, scope, project),
            creates=bucket is None,
            by_download=scope.by_download,
            access=scope.access,
            value="keep",
        )
        self.files = with_limits(self.files, bucket or asked_bucket(scope))
        self._folders = NOBODY
        why = _depends(source, table, column)
        if scope.value != "keep" and why:
            self._find("FILES-VALUE-KEPT", f"{self._name} keeps its values, and its files are moved: {why}.")
        elif scope.value != "keep":
            self.files = replace(self.files, value=scope.value)
        if self.files.value != "keep" and len(prefixes) == 1:
            self._ids_in_paths(source, plan.users)
        self.column = self._rewritten(column)
        self._match(bucket, there.objects.get(scope.bucket, {}))

    @property
    def found(self) -> list[Finding]:
        """What was found of the column."""
        return self._find.findings

    @property
    def _name(self) -> str:
        return f"{self._scope.table}.{self._scope.column}"

    def _values(self) -> Iterator[str]:
        return matching_files.values(self._source.snapshot, self._scope.table, self._scope.column)

    def _ids_in_paths(self, source: Source, users: UsersPlan | None) -> None:
        """Ask what becomes of users' ids that the paths begin with, or do what was said."""
        asked, files = self._scope.user_ids, self.files
        if users is None or asked == "keep":
            return
        folders = ids_in_paths.folders_of(source.snapshot, users)
        owner = next((c.source for c in self._table.columns if c.target == files.owner), None)
        table, column = self._scope.table, self._scope.column
        found = ids_in_paths.look(source.snapshot, table, column, owner, [*self._values()], files.prefix, folders)
        if found is None:
            return
        of_rows = "" if found.own is None else f"; in {found.own:,} rows it is the row's own user"
        message = (
            f"{self._name}: {found.paths:,} of {found.of:,} different paths begin with the id of a user "
            f"({found.prefix}…){of_rows}."
        )
        sure = asked == "uuid" or bool(found.own)
        choice = self._find("FILES-USER-ID", message, (), ("uuid", "keep") if sure else ("keep", "uuid"))
        if choice == "uuid":
            self._folders = folders
            self.files = replace(files, prefix=found.prefix, user_ids=True)

    def _rewritten(self, column: ColumnPlan) -> ColumnPlan:
        """The column with the codec that rewrites its values, and a type that takes them."""
        plan = self.files
        if plan.value == "keep":
            return replace(column, codec="text") if is_text(column) else column
        base = public_base(self._storage, plan.bucket) if plan.value == "url" else ""
        codec = object_values.codec_name(plan.prefix, base)
        if plan.user_ids:
            assert self._plan.users is not None
            codec = OfUser(self._plan.users.namespace, plan.prefix, base).codec
        limited = re.search(r"\((\d+)\)$", column.type)
        if limited is None:
            return replace(column, codec=codec)
        longest = max((len(self._folders.rewritten(value, plan.prefix, base)) for value in self._values()), default=0)
        if longest <= int(limited[1]):
            return replace(column, codec=codec)
        if self._table.action is Action.CREATE:
            return replace(column, codec=codec, type="text")
        message = f"{self._name} keeps its values, and its files are moved: {column.type} on the target is too narrow."
        self._find("FILES-VALUE-KEPT", message)
        self.files = replace(plan, value="keep", user_ids=False)
        self._folders = NOBODY
        return replace(column, codec="text")

    def _match(self, bucket: Bucket | None, objects: dict[str, int]) -> None:
        """Look every value up, and say what was found."""
        gone: list[str] = []
        refused: list[str] = []
        asked = asked_bucket(self._scope)
        check = BucketCheck(bucket or asked, asked, objects)
        for value in self._values():
            found = matching_files.find(value, self.files.prefixes, self._folder)
            if isinstance(found, Why):
                (gone if found is Why.MISSING else refused).append(value)
                continue
            self.referenced.add(found.path)
            check.add(matching_files.named(self.files, found, value, self._storage, self._folders))
        self.files = replace(self.files, missing=len(gone) + len(refused))
        if gone:
            self._find("FILES-MISSING", f"{self._name}: {count(len(gone), 'value')} without a file.", gone)
        if refused:
            where = "out of the uploads folder, or to no regular file"
            message = f"{self._name}: {count(len(refused), 'value')} not followed, {where}."
            self._find("FILES-REFUSED", message, refused)
        self.files = check.finished(self.files, self._find)


def _of_blobs(
    plan: Plan, source: Source, scope: FilesScope, there: StorageThere, chooser: Chooser, project: ProjectScope
) -> tuple[FilesPlan, list[Finding]]:
    """What becomes of the blobs of a column, which the plan has as one of paths already."""
    table = source.table(scope.table)
    bucket = there.buckets.get(scope.bucket)
    files = FilesPlan(
        scope.table,
        scope.column,
        scope.bucket,
        None,
        public=bucket.public if bucket else scope.public,
        value=scope.value,
        owner=owner_of(plan, plan.table(scope.table), source, scope, project),
        creates=bucket is None,
        by_download=scope.by_download,
        access=scope.access,
        keys=keys_of(source, table),
        locator=table.locator or "",
    )
    find = _Find(scope, chooser)
    files = with_limits(files, bucket or asked_bucket(scope))
    check = BucketCheck(bucket or asked_bucket(scope), asked_bucket(scope), there.objects.get(scope.bucket, {}))
    for item in matching_files.blobs_of(files, source.snapshot, f"{project.api}{STORAGE_PATH}"):
        check.add(item)
    return check.finished(files, find), find.findings


class _Find:
    """Records what is found of one column."""

    def __init__(self, scope: FilesScope, chooser: Chooser) -> None:
        self._scope, self._chooser = scope, chooser
        self.findings: list[Finding] = []

    def __call__(self, id: str, message: str, samples: Sequence[str] = (), choices: tuple[str, ...] = ()) -> str:
        """Record a finding; the choice to plan by."""
        finding = Finding(
            id,
            message,
            table=self._scope.table,
            column=self._scope.column,
            samples=tuple(sample[:200] for sample in samples[:SHOWN]),
            choices=choices,
        )
        self.findings.append(self._chooser.settle(finding))
        return self._chooser.choice(finding)


def _depends(source: Source, table: TablePlan, column: ColumnPlan) -> str:
    """What keeps the column's values from being rewritten, or nothing."""
    if column.generated is not None:
        return "the target computes it"
    if not is_text(column):
        return f"it is {column.type} on the target"
    described = source.table(table.source)
    if any(column.source in key.columns for key in described.foreign_keys) or any(
        key.parent == TableName("", table.source) and column.source in key.parent_columns
        for other in source.database.tables
        for key in other.foreign_keys
    ):
        return "a foreign key compares it"
    word = re.compile(rf"(?<!\w){re.escape(column.source)}(?!\w)", re.IGNORECASE)
    if any(word.search(check.expression) for check in described.checks):
        return "a CHECK reads it"
    if any(c.generated and word.search(c.generated.expression) for c in described.columns):
        return "a generated column is computed of it"
    return ""
