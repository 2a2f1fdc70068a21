"""Which file below the uploads folder each value of a column names: read from the snapshot, looked up on the disk."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from migrator_tui.convert.blob_objects import BlobObjects
from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.convert.object_keys import is_too_long, key_of, rewritten
from migrator_tui.convert.user_folders import UserFolders
from migrator_tui.migration.files.blob_cells import cells
from migrator_tui.migration.users.ids_in_paths import folders_of
from migrator_tui.model.project import FilesPlan, UsersPlan
from migrator_tui.sqlite.snapshot import connect
from migrator_tui.supabase.storage_api import public_base
from migrator_tui.supabase.upload_folder import LocalFile, UploadFolder, Why

NOBODY = UserFolders({})
"""For columns whose paths keep the ids that are in them."""


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A value and the file that it names.

    Attributes:
        key: Of the object.
        on_target: The column's value there.
        left: Why the file stays behind, by decision; empty for a file that is uploaded.
        row: Of a blob: its row's rowid.
    """

    value: str
    file: LocalFile
    key: str
    on_target: str
    left: str = ""
    row: int | None = None


def values(snapshot: Path, table: str, column: str, *, limit: int | None = None) -> Iterator[str]:
    """The column's different texts that are not empty; bytes that are no UTF-8 name nothing."""
    name = quote_sqlite(column)
    query = f"SELECT DISTINCT {name} FROM {quote_sqlite(table)} WHERE typeof({name}) = 'text' AND {name} <> ''"
    with closing(connect(snapshot)) as connection:
        connection.text_factory = bytes
        try:
            cursor = connection.execute(query + (f" LIMIT {limit}" if limit else ""))
            while rows := cursor.fetchmany(1000):
                for (raw,) in rows:
                    try:
                        yield raw.decode("utf-8")
                    except UnicodeDecodeError:
                        continue
        except sqlite3.OperationalError:  # a virtual table whose module is not at hand
            return


def prefixes_of(texts: Iterable[str], paths: Collection[str]) -> tuple[tuple[str, ...], int]:
    """What the texts that end in one of the paths begin with, most frequent first, and how many there are of them.

    Args:
        paths: Of the files below the uploads folder, a set.
    """
    found: Counter[str] = Counter()
    for text in texts:
        at = 0
        while at != -1:
            if text[at:] in paths:
                found[text[:at]] += 1
                break
            slash = text.find("/", at)
            at = slash + 1 if slash != -1 else -1
    return tuple(prefix for prefix, _ in found.most_common()), sum(found.values())


def find(value: str, prefixes: Sequence[str], folder: UploadFolder) -> LocalFile | Why:
    """The file that a value names behind one of the prefixes, or why there is none."""
    worst = Why.MISSING
    for prefix in prefixes:
        if value.startswith(prefix):
            found = folder.find(value[len(prefix) :])
            if isinstance(found, LocalFile):
                return found
            worst = found if worst is Why.MISSING else worst
    # Without a prefix it is no file of this column; that it leads elsewhere is worth telling all the same.
    outside = worst is Why.MISSING and folder.find(value) is Why.OUTSIDE
    return Why.OUTSIDE if outside else worst


def named(plan: FilesPlan, file: LocalFile, value: str, storage: str, folders: UserFolders) -> NamedFile:
    """A value's file with its key, and why it stays behind where that was decided.

    Args:
        storage: Base address of the project's Storage.
        folders: The users whose ids in paths become UUIDs; none where they do not.
    """
    key = key_of(folders.moved(value.removeprefix(plan.prefix)))
    base = public_base(storage, plan.bucket) if plan.value == "url" else ""
    on_target = value if plan.value == "keep" else folders.rewritten(value, plan.prefix, base)
    return NamedFile(value, file, key, on_target, _left(plan, file, key))


def blob_objects(plan: FilesPlan, storage: str) -> BlobObjects:
    """How the objects of a planned column of blobs are named."""
    return named_by(
        plan.table, plan.column, plan.keys, public_base(storage, plan.bucket) if plan.value == "url" else ""
    )


def named_by(table: str, column: str, keys: tuple[str, ...], base: str = "") -> BlobObjects:
    """How the objects of a column of blobs are named."""
    return BlobObjects(f"{table}/{column}/", keys, base)


def blobs_of(plan: FilesPlan, snapshot: Path, storage: str) -> Iterator[NamedFile]:
    """Every blob of a planned column."""
    named_so = blob_objects(plan, storage)
    for row, file in cells(snapshot, plan.table, plan.column, plan.locator, named_so):
        key = key_of(file.path)
        on_target = rewritten(file.path, "", named_so.base)
        yield NamedFile(file.path, file, key, on_target, _left(plan, file, key), row)


def files_of(plan: FilesPlan, snapshot: Path, storage: str, users: UsersPlan | None) -> Iterator[NamedFile]:
    """Every value of a planned column that names a file, as the files are now; or every blob.

    Args:
        users: The plan's users, for ids of theirs in paths.
    """
    if plan.of_blobs:
        yield from blobs_of(plan, snapshot, storage)
        return
    assert plan.uploads is not None
    folder = UploadFolder(plan.uploads)
    folders = folders_of(snapshot, users) if plan.user_ids and users is not None else NOBODY
    for value in values(snapshot, plan.table, plan.column):
        found = find(value, plan.prefixes, folder)
        if isinstance(found, LocalFile):
            yield named(plan, found, value, storage, folders)


def takes_type(mime_types: Collection[str] | None, mime: str) -> bool:
    """Whether a bucket with that list takes a file of that type."""
    if mime_types is None:
        return True
    return any(pattern in ("*", "*/*", mime, f"{mime.partition('/')[0]}/*") for pattern in mime_types)


def count(number: int, noun: str) -> str:
    """A number of things, as it is written: ``1 file``, ``1,200 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _left(plan: FilesPlan, file: LocalFile, key: str) -> str:
    if plan.size_limit is not None and file.size > plan.size_limit:
        return "it is above the bucket's limit"
    if not takes_type(plan.mime_types, file.type):
        return "the bucket does not take its type"
    return "its path is too long for a key" if is_too_long(key) else ""
