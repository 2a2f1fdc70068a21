"""Contents of files on either end of a sync: kept before they go, put in their place, each guarded by what is there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from migrator_tui.locations import PRIVATE_FILE
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.syncing.file_changes import KEPT, FileChange, sha256_of
from migrator_tui.model.errors import MigratorError
from migrator_tui.supabase import resumable
from migrator_tui.supabase.storage_api import Storage
from migrator_tui.supabase.uploading import IN_ONE, SHA256


def kept_folder(folder: RunFolder) -> Path:
    """Where contents are kept."""
    kept = folder.file(KEPT)
    kept.mkdir(mode=0o700, exist_ok=True)
    return kept


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


def place(file: Path, kept: Path, wanted: str, before: str) -> bool:
    """Give a file of the uploads folder its content, or take it away; whether it is as wanted then.

    Args:
        wanted, before: SHA-256 of the content then, and of what may be replaced; empty for no file.
    """
    now = sha256_of(file)
    if now == wanted:
        return True
    if now != before or file.is_symlink():
        return False
    if not wanted:
        file.unlink()
        return True
    file.parent.mkdir(parents=True, exist_ok=True)
    _copy(kept / wanted, file)
    return True


def content_of(storage: Storage, bucket: str, key: str) -> str:
    """SHA-256 of an object; empty where there is none."""
    about = storage.info(bucket, key)
    if about is None:
        return ""
    return about.metadata.get(SHA256) or storage.download(bucket, key)[1]


def store(storage: Storage, change: FileChange, body: Path, metadata: Mapping[str, str]) -> None:
    """Store a content in the place of what is at the key."""
    mime = change.mime or "application/octet-stream"
    size = body.stat().st_size
    with body.open("rb") as file:
        if size <= IN_ONE:
            storage.upload(
                change.bucket, change.key, file, size, mime=mime, metadata=metadata, name=change.path, replaces=True
            )
            return
        storage.remove(change.bucket, [change.key])
        address = resumable.begin(
            storage, change.bucket, change.key, size, mime=mime, metadata=metadata, name=change.path
        )
        resumable.go_on(storage, address, file, size, name=change.path)


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
