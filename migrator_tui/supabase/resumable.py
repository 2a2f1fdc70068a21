"""Resumable uploads: the TUS protocol (version 1.0.0, creation and PATCH) as Supabase Storage speaks it.

Files above 6 MB go in chunks of 6 MiB; where the connection or the process ends, the server is asked how far it got.
An upload's address is good for a day. The client libraries of the protocol bring another HTTP stack along, so that
what is needed of it is here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from migrator_tui.model.errors import ConnectionLost
from migrator_tui.supabase.storage_api import Storage, read_blocks
from migrator_tui.supabase.storage_errors import Answer, NotThere, ObjectThere, StorageRefused

CHUNK = 6 * 1024 * 1024
"""Bytes of every chunk but the last; Storage asks for exactly this."""
FRUITLESS = 5
"""How often in a row the connection may end without a byte having arrived."""
GONE_HINT = "An upload that was begun can be gone on with for 24 hours; the file is begun anew when the run is resumed."

_HEADERS = {"Tus-Resumable": "1.0.0"}


class UploadGone(NotThere):
    """The server no longer knows the upload: it expired, was ended, or is complete."""

    def __init__(self, error: NotThere) -> None:
        """
        Args:
            error: What the server said.
        """
        super().__init__("STORAGE-UPLOAD-GONE", error.message, GONE_HINT, status=error.status)


def begin(
    storage: Storage,
    bucket: str,
    key: str,
    size: int,
    *,
    mime: str,
    metadata: Mapping[str, str],
    name: str,
    cache_seconds: int = 3600,
    replaces: bool = False,
) -> str:
    """Announce an upload; its address.

    Args:
        replaces: What is at the key gives way once all bytes are there; else it is never replaced.

    Raises:
        ObjectThere: An object of that key is there.
        StorageRefused: Too large, or of a type that the bucket does not take.
    """
    said = {
        "bucketName": bucket,
        "objectName": key,
        "contentType": mime,
        "cacheControl": str(cache_seconds),
        "metadata": json.dumps(dict(metadata)),
    }
    encoded = ",".join(
        f"{word} {base64.b64encode(text.encode('utf-8')).decode('ascii')}" for word, text in said.items()
    )
    response = storage.request(
        "POST",
        f"{storage.base}/upload/resumable",
        f"{name} could not be stored as {bucket}/{key}",
        headers={
            **_headers(replaces),
            "Upload-Length": str(size),
            "Upload-Metadata": encoded,
            "Content-Length": "0",
        },
    )
    place = response.headers.get("Location", "").rstrip("/").rpartition("/")[2]
    if not place:
        raise StorageRefused(
            "STORAGE-RESUMABLE",
            f"{name} could not be stored as {bucket}/{key}: Storage gave the upload no address.",
            "Is something between this machine and the project that changes its answers, such as a proxy?",
            status=response.status_code,
        )
    # Behind a proxy the server may not know its own host and scheme; and the key goes to no other host.
    return f"{storage.base}/upload/resumable/{place}"


def offset(storage: Storage, address: str, name: str) -> int:
    """Bytes that the server has.

    Raises:
        UploadGone: It does not know the upload.
    """
    what = f"The upload of {name} could not be looked up"
    try:
        response = storage.request("HEAD", address, what, headers=_HEADERS)
    except NotThere as error:
        raise UploadGone(error) from error
    return int(response.headers.get("Upload-Offset", "0"))


def go_on(
    storage: Storage,
    address: str,
    body: BinaryIO,
    size: int,
    *,
    name: str,
    between: Callable[[int], None] = lambda sent: None,
    on_offset: Callable[[int], None] = lambda offset: None,
    replaces: bool = False,
) -> None:
    """Send what the server does not have yet.

    Args:
        replaces: As the upload was begun: the server asks with every chunk.
        between: Called with the bytes of each block that was handed to the connection; may raise.
        on_offset: Called with what the server has, at the beginning and after each chunk.

    Raises:
        UploadGone: The server does not know the upload (any more).
        ObjectThere: An object of that key was made by somebody else in the meantime.
        ConnectionLost: The connection ended several times without progress.
    """
    at = offset(storage, address, name)
    on_offset(at)
    fruitless = 0
    while at < size:
        try:
            at = _send(storage, address, body, at, min(CHUNK, size - at), name, between, replaces)
            fruitless = 0
        except ConnectionLost:
            there = offset(storage, address, name)
            fruitless = 0 if there > at else fruitless + 1
            at = there
            if fruitless == FRUITLESS:
                raise
        on_offset(at)


def end(storage: Storage, address: str, name: str) -> None:
    """Give an unfinished upload up; nothing happens where the server does not know it."""
    try:
        storage.request("DELETE", address, f"The upload of {name} could not be ended", headers=_HEADERS)
    except StorageRefused:
        return


def _headers(replaces: bool) -> dict[str, str]:
    return {**_HEADERS, "x-upsert": "true"} if replaces else _HEADERS


def _send(
    storage: Storage,
    address: str,
    body: BinaryIO,
    at: int,
    length: int,
    name: str,
    between: Callable[[int], None],
    replaces: bool,
) -> int:
    """One chunk; what the server has then."""

    def blocks() -> Iterator[bytes]:
        body.seek(at)
        yield from read_blocks(body, length, between)

    headers = {
        **_headers(replaces),
        "Upload-Offset": str(at),
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(length),
    }
    what = f"{name} could not be sent"
    try:
        response = storage.request("PATCH", address, what, headers=headers, content=blocks, attempts=1, accept=(409,))
    except NotThere as error:
        raise UploadGone(error) from error
    if response.status_code != 409:
        return int(response.headers.get("Upload-Offset", at + length))
    # Two things are a conflict: bytes that the server has already, and an object that came to be meanwhile.
    there = offset(storage, address, name)
    if there != at:
        return there
    said = Answer.of(response).text
    raise ObjectThere(
        "STORAGE-DUPLICATE",
        f"{name} could not be stored. Something of that name is there. Storage says: {said} (status 409).",
        "Remove it, or use another bucket.",
        status=409,
    )
