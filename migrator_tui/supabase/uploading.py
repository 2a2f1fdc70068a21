"""One file into one object, and never over another: sent, met again after a crash, or found to be there already."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from migrator_tui.model.errors import SourceError
from migrator_tui.supabase import resumable
from migrator_tui.supabase.resumable import UploadGone
from migrator_tui.supabase.storage_api import BLOCK, Storage, StoredObject
from migrator_tui.supabase.storage_errors import NotThere, ObjectThere
from migrator_tui.supabase.upload_folder import LocalFile

IN_ONE = 6_000_000
"""Bytes up to which a file goes in one request; Supabase recommends resumable uploads above."""

NAME, SHA256, RUN = "name", "sha256", "migrator_run"
"""What an object's metadata says: the path as it was, the content, and the run that made it."""

Step = Callable[[int], None]


class Contents(Protocol):
    """Where contents come from: the uploads folder, or blobs of the snapshot."""

    def open(self, path: str) -> BinaryIO:
        """Open one for reading, from its beginning; raises ``OSError`` where it is gone."""

    def stamp(self, body: BinaryIO) -> object:
        """What is another as soon as an open one was changed."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one file.

    Attributes:
        state: ``made`` by this run (perhaps before it was resumed), or ``matched``: the same content was there.
    """

    state: Literal["made", "matched"]
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Other:
    """The key is taken by an object of another content."""

    there: StoredObject


def put(
    storage: Storage,
    folder: Contents,
    file: LocalFile,
    bucket: str,
    key: str,
    *,
    run: str,
    address: str | None = None,
    sha256_then: str | None = None,
    on_address: Callable[[str | None, str], None] = lambda address, sha256: None,
    within: Callable[[], None] = lambda: None,
    on_bytes: Step = lambda sent: None,
) -> Stored | Other:
    """Store a file, unless the same is there.

    Args:
        address: Of a resumable upload that an earlier attempt began, of the content ``sha256_then``.
        on_address: Told the address and the content's SHA-256 before the first byte goes, and None as the address
            when it is of no more use.
        within: Called between blocks, also while the file is hashed; may raise to abort.
        on_bytes: Told how many more bytes the server has taken.

    Raises:
        SourceError: The file changed while it was read, or is gone.
        StorageRefused: Storage does not take it.
        ConnectionLost: No answer; calling again goes on where it stopped.
    """
    try:
        with folder.open(file.path) as body:
            before = folder.stamp(body)
            sha256, size = _hash(body, within)
            metadata = {NAME: file.path, SHA256: sha256, RUN: run}

            def tell(address: str | None) -> None:
                on_address(address, sha256)

            if address is not None and sha256_then != sha256:
                resumable.end(storage, address, file.path)
                address = None
            sender = _Sender(storage, file, bucket, key, body, size, metadata, tell, within, on_bytes)
            try:
                if size <= IN_ONE:
                    sender.at_once()
                else:
                    sender.in_chunks(address)
            except ObjectThere:
                return _compare(storage, bucket, key, size, sha256, run, within)
            if folder.stamp(body) != before:
                storage.remove(bucket, [key])
                raise _changed(file)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise SourceError(
            "FILE-GONE",
            f"{file.path} cannot be read any more: {error.strerror or error}.",
            "Put it back, or leave it out; then resume the run.",
        ) from error
    return Stored("made", size, sha256)


class _Sender:
    """The two ways in which a file's bytes get there."""

    def __init__(
        self,
        storage: Storage,
        file: LocalFile,
        bucket: str,
        key: str,
        body: BinaryIO,
        size: int,
        metadata: dict[str, str],
        on_address: Callable[[str | None], None],
        within: Callable[[], None],
        on_bytes: Step,
    ) -> None:
        self._storage, self._file, self._bucket, self._key = storage, file, bucket, key
        self._body, self._size, self._metadata = body, size, metadata
        self._on_address, self._within, self._on_bytes = on_address, within, on_bytes

    def at_once(self) -> None:
        self._body.seek(0)
        self._storage.upload(
            self._bucket,
            self._key,
            self._body,
            self._size,
            mime=self._file.type,
            metadata=self._metadata,
            name=self._file.path,
            between=lambda sent: self._within(),
        )
        self._on_bytes(self._size)

    def in_chunks(self, address: str | None) -> None:
        if address is not None:
            try:
                self._go_on(address)
                return
            except UploadGone:
                # Complete, and forgotten by the server, or expired: what is at the key tells, when it is begun anew.
                self._on_address(None)
        address = resumable.begin(
            self._storage,
            self._bucket,
            self._key,
            self._size,
            mime=self._file.type,
            metadata=self._metadata,
            name=self._file.path,
        )
        self._on_address(address)
        try:
            self._go_on(address)
        except UploadGone as error:
            # The answer to the last chunk was lost, and the server has put the object in its place.
            there = self._storage.info(self._bucket, self._key)
            if there is None:
                raise
            raise ObjectThere("STORAGE-DUPLICATE", error.message, error.hint, status=409) from error

    def _go_on(self, address: str) -> None:
        counted = 0

        def on_offset(offset: int) -> None:
            nonlocal counted
            self._on_bytes(offset - counted)
            counted = offset

        resumable.go_on(
            self._storage,
            address,
            self._body,
            self._size,
            name=self._file.path,
            between=lambda sent: self._within(),
            on_offset=on_offset,
        )
        self._on_address(None)


def _compare(
    storage: Storage, bucket: str, key: str, size: int, sha256: str, run: str, within: Callable[[], None]
) -> Stored | Other:
    """What an object that is there already is to this file."""
    there = storage.info(bucket, key)
    if there is None:  # removed in between; the next attempt finds the place free
        raise NotThere("STORAGE-NOT-THERE", f"{bucket}/{key} was there and is gone.", "Resume the run.", status=404)
    known = there.metadata.get(SHA256)
    if there.size == size and known is None:
        known = storage.download(bucket, key, between=lambda received: within())[1]
    if there.size != size or known != sha256:
        return Other(there)
    return Stored("made" if there.metadata.get(RUN) == run else "matched", size, sha256)


def hash_of(folder: Contents, file: LocalFile, within: Callable[[], None] = lambda: None) -> str:
    """SHA-256 of a file's content, in hex."""
    with contextlib.closing(folder.open(file.path)) as body:
        return _hash(body, within)[0]


def _hash(body: BinaryIO, within: Callable[[], None]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while block := body.read(BLOCK):
        digest.update(block)
        size += len(block)
        within()
    return digest.hexdigest(), size


def _changed(file: LocalFile) -> SourceError:
    return SourceError(
        "FILE-CHANGED",
        f"{file.path} changed while it was being uploaded.",
        "Stop what writes to the uploads folder, then resume the run.",
    )
