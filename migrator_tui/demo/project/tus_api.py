"""Resumable uploads (TUS 1.0.0) under ``/storage/v1/upload/resumable``: created, gone on with, and ended.

Unlike the REST endpoints these answer with true status codes, and errors in plain text. What came of a piece before
its connection ended is kept, and what is kept survives a restart: an upload is its file and a description beside it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from email.utils import formatdate
from pathlib import Path

import psycopg
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from migrator_tui.demo.project import storage_errors as errors
from migrator_tui.demo.project import storage_rules as rules
from migrator_tui.demo.project.blobs import etag_of
from migrator_tui.demo.project.keys import KeyRefused, Keys
from migrator_tui.demo.project.storage_api import StorageApi
from migrator_tui.demo.project.storage_errors import StorageError
from migrator_tui.demo.project.storage_objects import Objects

PIECE = 6 * 1024 * 1024
"""Bytes of each piece but the last."""
LIFETIME = 24 * 3600
"""Seconds that an upload's URL is good for."""
VERSION = "1.0.0"
_OCTETS = "application/offset+octet-stream"
_METADATA = (
    "Upload-Metadata is invalid. It MUST consist of one or more comma-separated key-value pairs. The key and value MUST"
    " be separated by a space. The key MUST NOT contain spaces and commas and MUST NOT be empty. The key SHOULD be"
    " ASCII encoded and the value MUST be Base64 encoded. All keys MUST be unique"
)


class _TusError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class _Upload:
    """What is written beside an upload's file.

    Attributes:
        expires: Seconds since 1970.
    """

    bucket: str
    key: str
    length: int
    metadata: dict[str, str]
    expires: float


class TusApi:
    """The endpoints under ``/storage/v1/upload/resumable``.

    Attributes:
        lifetime: Seconds that the URL of an upload created from now on is good for.
    """

    def __init__(
        self, storage: StorageApi, objects: Objects, keys: Keys, folder: Path, api_url: Callable[[], str]
    ) -> None:
        self._storage = storage
        self._objects = objects
        self._keys = keys
        self._folder = folder
        self._api_url = api_url
        self._locks: dict[str, asyncio.Lock] = {}
        self.lifetime: float = LIFETIME
        folder.mkdir(parents=True, exist_ok=True)

    def routes(self) -> list[Route]:
        """The routes, relative to ``/storage/v1``."""
        return [
            Route("/upload/resumable", _answering(self._create), methods=["POST"]),
            Route("/upload/resumable", self._options, methods=["OPTIONS"]),
            Route("/upload/resumable/{id}", self._options, methods=["OPTIONS"]),
            Route("/upload/resumable/{id}", _answering(self._head), methods=["HEAD"]),
            Route("/upload/resumable/{id}", _answering(self._patch), methods=["PATCH"]),
            Route("/upload/resumable/{id}", _answering(self._end), methods=["DELETE"]),
        ]

    async def _options(self, request: Request) -> Response:
        return Response(
            status_code=204,
            headers={
                "Tus-Resumable": VERSION,
                "Tus-Version": VERSION,
                "Tus-Extension": "creation,creation-with-upload,termination,expiration",
                "Tus-Max-Size": str(self._storage.file_size_limit),
            },
        )

    async def _create(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        length = request.headers.get("upload-length", "")
        if not length.isdecimal():
            raise _TusError(400, "Upload-Length or Upload-Defer-Length header required\n")
        metadata = _read_metadata(request.headers.get("upload-metadata"))
        bucket, key = metadata.get("bucketName", ""), metadata.get("objectName", "")
        rules.check_bucket_name(bucket)
        rules.check_key(key)
        row = await self._objects.bucket(bucket)
        upsert = request.headers.get("x-upsert") == "true"
        await self._objects.may_write(bucket, key, caller, upsert=upsert)
        if int(length) > self._storage.limit(row, key):
            raise _TusError(413, "Maximum size exceeded\n")
        if metadata.get("contentType"):
            rules.check_mime_type(metadata["contentType"], row["allowed_mime_types"])
        id = _encoded(f"{bucket}/{key}/{secrets.token_hex(16)}")
        upload = _Upload(bucket, key, int(length), metadata, time.time() + self.lifetime)
        self._file(id).touch()
        self._note(id).write_text(json.dumps(asdict(upload)))
        headers = {"Location": f"{self._api_url()}/storage/v1/upload/resumable/{id}"}
        with_bytes = request.headers.get("content-type") == _OCTETS
        async with self._locked(id):
            if with_bytes:
                headers |= await self._take(request, id, upload, 0)
            elif upload.length == 0:
                headers |= await self._finish(request, id, upload)
            else:
                headers |= _expiring(upload)
        return Response(status_code=201, headers=headers)

    async def _head(self, request: Request) -> Response:
        async with self._locked(request.path_params["id"]) as id:
            upload = self._upload(id)
            return Response(
                headers={
                    "Upload-Offset": str(self._file(id).stat().st_size),
                    "Upload-Length": str(upload.length),
                    "Cache-Control": "no-store",
                    **_expiring(upload),
                }
            )

    async def _patch(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        at = request.headers.get("upload-offset", "")
        if not at.isdecimal():
            raise _TusError(403, "Upload-Offset header required\n")
        if request.headers.get("content-type") != _OCTETS:
            raise _TusError(403, "Content-Type header required\n")
        async with self._locked(request.path_params["id"]) as id:
            upload = self._upload(id)
            upsert = request.headers.get("x-upsert") == "true"
            await self._objects.may_write(upload.bucket, upload.key, caller, upsert=upsert)
            return Response(status_code=204, headers=await self._take(request, id, upload, int(at)))

    async def _end(self, request: Request) -> Response:
        self._keys.caller(request)
        async with self._locked(request.path_params["id"]) as id:
            self._upload(id)
            self._forget(id)
        return Response(status_code=204)

    async def _take(self, request: Request, id: str, upload: _Upload, at: int) -> dict[str, str]:
        """Append the request's body.

        Returns:
            The headers of the answer.
        """
        file = self._file(id)
        if file.stat().st_size != at:
            raise _TusError(409, "Upload-Offset conflict\n")
        declared = request.headers.get("content-length", "")
        if declared.isdecimal():
            size = int(declared)
            if at + size > upload.length:
                raise _TusError(413, "upload's size exceeded\n")
            if at + size < upload.length and size != PIECE and (at + size) % PIECE:
                # The documentation asks for it; a server on S3 would hold back what is less than a part.
                raise _TusError(400, f"Each piece but the last has {PIECE} bytes\n")
        with file.open("ab") as end:
            try:
                async for chunk in request.stream():
                    if at + len(chunk) > upload.length:
                        raise _TusError(413, "upload's size exceeded\n")
                    end.write(chunk)
                    at += len(chunk)
            except ClientDisconnect:
                return {}  # nobody reads the answer; what came is kept
        if at == upload.length:
            return await self._finish(request, id, upload)
        return {"Upload-Offset": str(at), **_expiring(upload)}

    async def _finish(self, request: Request, id: str, upload: _Upload) -> dict[str, str]:
        caller = self._keys.caller(request)
        seconds = upload.metadata.get("cacheControl", "")
        cache = f"max-age={seconds}" if seconds.removeprefix("-").isdecimal() else "no-cache"
        kind = upload.metadata.get("contentType") or "application/octet-stream"
        etag = etag_of([os.urandom(16)] * max(1, -(-upload.length // PIECE)))
        blob = self._objects.blobs.adopt(self._file(id), upload.length, etag)
        try:
            own = json.loads(upload.metadata.get("metadata") or "{}")
        except ValueError:
            own = {}
        await self._objects.complete(
            upload.bucket, upload.key, caller, blob, blob.metadata(kind, cache), own if isinstance(own, dict) else {}
        )
        self._forget(id)
        return {"Upload-Offset": str(upload.length), "Tus-Complete": "1"}

    # ------------------------------------------------------------ kept

    def _locked(self, id: str) -> _Locked:
        return _Locked(self._locks, id)

    def _upload(self, id: str) -> _Upload:
        try:
            upload = _Upload(**json.loads(self._note(id).read_text()))
        except FileNotFoundError as error:
            raise _TusError(404, "The file for this url was not found\n") from error
        if upload.expires <= time.time():
            self._forget(id)
            raise _TusError(410, "The file for this url no longer exists\n")
        if upload.length and self._file(id).stat().st_size >= upload.length:
            # All came, but the object was not made: killed in between, or refused. The last piece is asked for again.
            os.truncate(self._file(id), (upload.length - 1) // PIECE * PIECE)
        return upload

    def _forget(self, id: str) -> None:
        self._file(id).unlink(missing_ok=True)
        self._note(id).unlink(missing_ok=True)

    def _file(self, id: str) -> Path:
        return self._folder / f"{_name(id)}.part"

    def _note(self, id: str) -> Path:
        return self._folder / f"{_name(id)}.json"


class _Locked:
    """One request at a time works on an upload."""

    def __init__(self, locks: dict[str, asyncio.Lock], id: str) -> None:
        self._lock = locks.setdefault(id, asyncio.Lock())
        self._id = id

    async def __aenter__(self) -> str:
        await self._lock.acquire()
        return self._id

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


def _answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answering(request: Request) -> Response:
        try:
            if not request.headers.get("tus-resumable"):
                raise _TusError(412, "Tus-Resumable Required\n")
            response = await handler(request)
        except _TusError as error:
            response = PlainTextResponse(error.text, error.status)
        except StorageError as error:
            response = PlainTextResponse(error.message, error.status)
        except psycopg.Error as error:
            found = errors.of_database(error)
            response = PlainTextResponse(found.message, found.status)
        except KeyRefused as error:
            status = 403 if "JWT" in error.message else 401
            response = PlainTextResponse(error.message, status)
        response.headers["Tus-Resumable"] = VERSION
        return response

    return answering


def _expiring(upload: _Upload) -> dict[str, str]:
    return {"Upload-Expires": formatdate(upload.expires, usegmt=True)}


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _name(id: str) -> str:
    """The upload's part of its URL that is nobody's to choose, so that no path can be made of it."""
    try:
        plain = base64.urlsafe_b64decode(id + "=" * (-len(id) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _TusError(404, "The file for this url was not found\n") from error
    name = plain.rpartition("/")[2]
    if len(name) != 32 or not set(name) <= set("0123456789abcdef"):
        raise _TusError(404, "The file for this url was not found\n")
    return name


def _read_metadata(header: str | None) -> dict[str, str]:
    if not header:
        raise errors.invalid_request("Metadata header is required")
    found: dict[str, str] = {}
    for pair in header.split(","):
        key, _, value = pair.strip().partition(" ")
        try:
            text = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise _TusError(400, _METADATA) from error
        if not key or key in found:
            raise _TusError(400, _METADATA)
        found[key] = text
    return found
