"""Contents of files on either end of a sync: kept before they go, put in their place, each guarded by what is there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypedDict

from migrator_tui.locations import PRIVATE_FILE
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.syncing.file_changes import KEPT, FileChange, sha256_of
from migrator_tui.model.errors import MigratorError, SourceError
from migrator_tui.supabase import resumable
from migrator_tui.supabase.resumable import UploadGone
from migrator_tui.supabase.storage_api import Storage
from migrator_tui.supabase.uploading import IN_ONE, SHA256


class _About(TypedDict):
    mime: str
    metadata: Mapping[str, str]
    name: str
    replaces: bool


def kept_folder(folder: RunFolder) -> Path:
    """Where contents are kept."""
    kept = folder.file(KEPT)
    kept.mkdir(mode=0o700, exist_ok=True)
    return kept


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """While a file is looked at before anything is changed.

    Raises:
        SourceError: ``SYNC-FILES-UNREAD``: it cannot be read, or not be kept with the run.
    """
    try:
        yield
    except OSError as error:
        raise SourceError(
            "SYNC-FILES-UNREAD",
            f"{file} could not be read and kept with the run: {error.strerror or error}. Nothing was changed.",
            "Let this program read it, or make room where runs are kept; then sync again.",
        ) from error


def keep_file(kept: Path, file: Path, sha256: str) -> None:
    """Keep a copy of a content that is about to go.

    Raises:
        MigratorError: ``SYNC-FILES-CHANGED``: it changed meanwhile.
    """
    if (kept / sha256).exists():
        return
    _copy(file, kept / sha256)
    if sha256_of(kept / sha256) != sha256:
        (kept / sha256).unlink()
        raise MigratorError("SYNC-FILES-CHANGED", f"{file} changed while it was read.", "Sync again.")


def place(change: FileChange, kept: Path, wanted: str) -> None:
    """Give a file of the uploads folder its content, or take it away.

    Args:
        wanted: SHA-256 of the content; empty for no file.
    """
    file = change.uploads / change.path
    if not wanted:
        file.unlink()
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    _copy(kept / wanted, file)


def leads_elsewhere(change: FileChange) -> bool:
    """Whether the file's place is a link, or behind one out of the uploads folder."""
    file = change.uploads / change.path
    return file.is_symlink() or not Path(os.path.realpath(file.parent)).is_relative_to(os.path.realpath(change.uploads))


def content_of(storage: Storage, bucket: str, key: str) -> str:
    """SHA-256 of an object; empty where there is none."""
    about = storage.info(bucket, key)
    if about is None:
        return ""
    return about.metadata.get(SHA256) or storage.download(bucket, key)[1]


def store(
    storage: Storage,
    change: FileChange,
    body: Path,
    metadata: Mapping[str, str],
    *,
    replaces: bool,
    address: str | None = None,
    on_address: Callable[[str], None] = lambda address: None,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Store a content at the key. What is there stays until all of it has come, so that the key is never without.

    Args:
        body: A content that is kept, under its SHA-256.
        replaces: What is at the key gives way; else it is never replaced.
        address: Of a resumable upload of the same content that was begun before.
        on_address: Told the address of one before the first byte goes.
        check: Called between blocks; may raise.

    Raises:
        ObjectThere: An object is there that was not to be replaced.
    """
    mime = change.mime or "application/octet-stream"
    size = body.stat().st_size
    about: _About = {"mime": mime, "metadata": metadata, "name": change.path, "replaces": replaces}
    with body.open("rb") as file:
        if size <= IN_ONE:
            storage.upload(change.bucket, change.key, file, size, between=lambda sent: check(), **about)
            return

        def go_on(address: str) -> None:
            resumable.go_on(
                storage, address, file, size, name=change.path, between=lambda sent: check(), replaces=replaces
            )

        if address is not None:
            with suppress(UploadGone):  # expired: begun anew
                go_on(address)
                return
        address = resumable.begin(storage, change.bucket, change.key, size, **about)
        on_address(address)
        try:
            go_on(address)
        except UploadGone:  # perhaps all came, and the answer to the last of it was lost
            if content_of(storage, change.bucket, change.key) != body.name:
                raise


def _copy(file: Path, to: Path) -> None:
    descriptor, part = tempfile.mkstemp(dir=to.parent, prefix=".sync-")
    try:
        with os.fdopen(descriptor, "wb") as into, file.open("rb") as body:
            while block := body.read(1 << 20):
                into.write(block)
            into.flush()
            os.fsync(into.fileno())
        Path(part).chmod(PRIVATE_FILE)
        Path(part).replace(to)
    finally:
        with suppress(FileNotFoundError):
            Path(part).unlink()
