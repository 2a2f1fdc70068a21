"""The Storage API's endpoints for objects: up, down, looked at, moved, removed and signed."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

import jwt
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from migrator_tui.demo.project import storage_errors as errors
from migrator_tui.demo.project import storage_rules as rules
from migrator_tui.demo.project.blobs import Blob
from migrator_tui.demo.project.keys import Caller, KeyRefused, Keys
from migrator_tui.demo.project.storage_errors import StorageError, answering
from migrator_tui.demo.project.storage_objects import Objects

AT_ONCE = 1000
_PIECE = 1 << 20
_SIGNED = "storage-download"


class StorageApi:
    """The endpoints under ``/storage/v1/object``.

    Attributes:
        file_size_limit: The project's, in bytes.
    """

    def __init__(self, objects: Objects, keys: Keys, file_size_limit: int) -> None:
        self._objects = objects
        self._keys = keys
        self.file_size_limit = file_size_limit

    def routes(self) -> list[Route]:
        """The routes, relative to ``/storage/v1``."""
        key = "{bucket}/{key:path}"
        return [
            Route("/object/move", answering(self._move), methods=["POST"]),
            Route("/object/copy", answering(self._copy), methods=["POST"]),
            Route(f"/object/sign/{key}", answering(self._sign), methods=["POST"]),
            Route(f"/object/sign/{key}", answering(self._signed), methods=["GET"]),
            Route("/object/sign/{bucket}", answering(self._sign_many), methods=["POST"]),
            Route(f"/object/info/public/{key}", answering(self._info_public), methods=["GET"]),
            Route(f"/object/info/authenticated/{key}", answering(self._info), methods=["GET"]),
            Route(f"/object/info/{key}", answering(self._info), methods=["GET"]),
            Route(f"/object/public/{key}", answering(self._public), methods=["GET", "HEAD"]),
            Route(f"/object/authenticated/{key}", answering(self._download), methods=["GET", "HEAD"]),
            Route(f"/object/{key}", answering(self._upload), methods=["POST", "PUT"]),
            Route(f"/object/{key}", answering(self._download), methods=["GET", "HEAD"]),
            Route(f"/object/{key}", answering(self._remove_one), methods=["DELETE"]),
            Route("/object/{bucket}", answering(self._remove), methods=["DELETE"]),
        ]

    # ------------------------------------------------------------ up

    async def _upload(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        upsert = request.method == "PUT" or request.headers.get("x-upsert") == "true"
        rules.check_bucket_name(bucket)
        row = await self._objects.bucket(bucket)
        limit = self.limit(row, key)
        try:
            blob, kind, cache, user_metadata = await self._take(request, row, key, caller, limit, upsert=upsert)
        except ClientDisconnect as error:
            raise errors.invalid_request("Request stream closed before upload could complete") from error
        found = await self._objects.complete(bucket, key, caller, blob, blob.metadata(kind, cache), user_metadata)
        return JSONResponse({"Id": found, "Key": f"{bucket}/{key}"})

    def limit(self, bucket: Mapping[str, Any], key: str) -> int:
        """The largest file that a bucket takes under a key, in bytes."""
        if key.endswith(rules.EMPTY_FOLDER):
            return 0
        own = bucket["file_size_limit"]
        return min(self.file_size_limit, own) if own is not None else self.file_size_limit

    async def _take(
        self, request: Request, bucket: Mapping[str, Any], key: str, caller: Caller, limit: int, *, upsert: bool
    ) -> tuple[Blob, str, str, dict[str, Any]]:
        """The file of a request: its body, or the first file of its form."""
        allowed = None if key.endswith(rules.EMPTY_FOLDER) else bucket["allowed_mime_types"]
        kind = request.headers.get("content-type", "application/octet-stream")
        if not kind.startswith("multipart/form-data"):
            rules.check_mime_type(kind, allowed)
            declared = request.headers.get("content-length", "")
            if declared.isdecimal() and int(declared) > limit:
                raise errors.too_large()
            rules.check_key(key)
            await self._objects.may_write(bucket["id"], key, caller, upsert=upsert)
            blob = await self._objects.blobs.write(request.stream())
            cache = request.headers.get("cache-control", "no-cache")
            return blob, kind, cache, read_metadata(request.headers.get("x-metadata", ""))
        try:
            form = await request.form(max_files=1, max_fields=10)
        except HTTPException as error:
            raise errors.invalid_request("No content provided") from error
        async with form_closing(form):
            file = next((value for value in form.values() if isinstance(value, UploadFile)), None)
            if file is None:
                raise errors.invalid_request("No content provided")
            kind = _field(form, "contentType") or file.content_type or "application/octet-stream"
            rules.check_mime_type(kind, allowed)
            rules.check_key(key)
            await self._objects.may_write(bucket["id"], key, caller, upsert=upsert)
            if (file.size or 0) > limit:
                raise errors.too_large()
            blob = await self._objects.blobs.write(_pieces(file))
            seconds = _field(form, "cacheControl")
            given = _field(form, "metadata") or _field(form, "userMetadata")
            return blob, kind, f"max-age={seconds}" if seconds else "no-cache", _json_object(given)

    # ------------------------------------------------------------ down

    async def _download(self, request: Request) -> Response:
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        caller = self._reader(request)
        row = await self._readable(bucket, key, caller)
        return self._file(request, row)

    async def _public(self, request: Request) -> Response:
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        if not (await self._objects.bucket(bucket))["public"]:
            raise errors.no_such_bucket()
        rules.check_key(key)
        return self._file(request, await self._objects.find(bucket, key))

    async def _info(self, request: Request) -> Response:
        row = await self._readable(request.path_params["bucket"], request.path_params["key"], self._reader(request))
        return _info(row)

    async def _info_public(self, request: Request) -> Response:
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        if not (await self._objects.bucket(bucket))["public"]:
            raise errors.no_such_bucket()
        return _info(await self._objects.find(bucket, key))

    def _reader(self, request: Request) -> Caller | None:
        """Who reads; None without a key, who sees public buckets only."""
        try:
            return self._keys.caller(request)
        except KeyRefused as error:
            if "No API key" in error.message:
                return None
            raise

    async def _readable(self, bucket: str, key: str, caller: Caller | None) -> dict[str, Any]:
        rules.check_bucket_name(bucket)
        row = await self._objects.bucket(bucket)
        rules.check_key(key)
        if row["public"]:
            return await self._objects.find(bucket, key)
        if caller is None:
            raise errors.no_such_bucket()
        return await self._objects.find(bucket, key, caller)

    def _file(self, request: Request, row: Mapping[str, Any]) -> Response:
        metadata = row["metadata"] or {}
        path = self._objects.blobs.path(str(row["version"]))
        if not path.exists():
            # A row that SQL made: there are no bytes.
            return JSONResponse(
                {"statusCode": "404", "code": "NoSuchKey", "error": "Not found",
                 "message": "The resource was not found"}, 400
            )  # fmt: skip
        headers = {
            "ETag": str(metadata.get("eTag", "")),
            "Cache-Control": str(metadata.get("cacheControl", "no-cache")),
            "X-Robots-Tag": "none",
        }
        name = request.query_params.get("download")
        if name is not None:
            name = name or str(row["name"]).rpartition("/")[2]
            headers["Content-Disposition"] = f"attachment; filename={quote(name)}; filename*=UTF-8''{quote(name)};"
        return FileResponse(path, headers=headers, media_type=str(metadata.get("mimetype", "application/octet-stream")))

    # ------------------------------------------------------------ signed

    async def _sign(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        seconds = whole_number(await body(request), "expiresIn", least=1)
        rules.check_key(key)
        await self._objects.find(bucket, key, caller)
        return JSONResponse({"signedURL": self._url(f"{bucket}/{key}", seconds)})

    async def _sign_many(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        bucket = request.path_params["bucket"]
        given = await body(request)
        seconds = whole_number(given, "expiresIn", least=1)
        answers = []
        for key in strings(given, "paths"):
            try:
                await self._objects.find(bucket, key, caller)
                answers.append({"error": None, "path": key, "signedURL": self._url(f"{bucket}/{key}", seconds)})
            except StorageError:
                message = "Either the object does not exist or you do not have access to it"
                answers.append({"error": message, "path": key, "signedURL": None})
        return JSONResponse(answers)

    def _url(self, path: str, seconds: int) -> str:
        now = int(time.time())
        token = self._keys.sign({"url": path, "scope": _SIGNED, "iat": now, "exp": now + seconds})
        return f"/object/sign/{path}?token={token}"

    async def _signed(self, request: Request) -> Response:
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        token = request.query_params.get("token")
        if not token:
            raise errors.invalid_request("querystring must have required property 'token'")
        try:
            claims = self._keys.read(token)
        except jwt.ExpiredSignatureError as error:
            raise StorageError(400, "InvalidJWT", '"exp" claim timestamp check failed') from error
        except jwt.InvalidTokenError as error:
            raise StorageError(400, "InvalidJWT", "signature verification failed") from error
        if claims.get("scope") != _SIGNED or claims.get("url") != f"{bucket}/{key}":
            raise StorageError(400, "InvalidSignature", "Invalid signature")
        return self._file(request, await self._objects.find(bucket, key))

    # ------------------------------------------------------------ moved and removed

    async def _move(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        bucket, key, to_bucket, to_key, _ = await _two_places(request)
        source = await self._objects.find(bucket, key, caller)
        if (bucket, key) == (to_bucket, to_key):
            return JSONResponse({"message": "Successfully moved", "Id": str(source["id"]), "Key": to_key})
        found = await self._objects.rename(source, to_bucket, to_key, caller)
        return JSONResponse({"message": "Successfully moved", "Id": found, "Key": to_key})

    async def _copy(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        bucket, key, to_bucket, to_key, given = await _two_places(request)
        source = await self._objects.find(bucket, key, caller)
        upsert = request.headers.get("x-upsert") == "true"
        await self._objects.may_write(to_bucket, to_key, caller, upsert=upsert)
        metadata = dict(source["metadata"] or {})
        blob = self._objects.blobs.copy(str(source["version"]), str(metadata.get("eTag", "")))
        user_metadata = source["user_metadata"] or {}
        if given.get("copyMetadata") is False:
            metadata |= given.get("metadata") or {}
            user_metadata = read_metadata(request.headers.get("x-metadata", ""))
        found = await self._objects.complete(to_bucket, to_key, caller, blob, metadata, user_metadata)
        return JSONResponse({"Id": found, "Key": f"{to_bucket}/{to_key}"})

    async def _remove(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        keys = strings(await body(request), "prefixes")
        if len(keys) > AT_ONCE:
            raise errors.invalid_request(f"Bulk object requests are limited to {AT_ONCE} objects per request.")
        rows = await self._objects.remove(request.path_params["bucket"], keys, caller)
        return JSONResponse([shown(row) for row in rows])

    async def _remove_one(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        bucket, key = request.path_params["bucket"], request.path_params["key"]
        await self._objects.find(bucket, key)
        if not await self._objects.remove(bucket, [key], caller):
            raise errors.denied("Access denied")
        return JSONResponse({"message": "Successfully deleted"})


# ---------------------------------------------------------------- what is asked, read


async def body(request: Request) -> dict[str, Any]:
    """The request's JSON object.

    Raises:
        StorageError: It is none.
    """
    raw = await request.body()
    try:
        given = json.loads(raw) if raw else {}
    except ValueError as error:
        raise errors.invalid_request("Body is not valid JSON but content-type is set to 'application/json'") from error
    if not isinstance(given, dict):
        raise errors.invalid_request("body must be object")
    return given


def whole_number(given: Mapping[str, Any], name: str, *, usual: int | None = None, least: int = 0) -> int:
    """A number of the request; one in quotes will do, as it does on the server.

    Raises:
        StorageError: It is missing, or none, or too small.
    """
    value = given.get(name, usual)
    if value is None:
        raise errors.invalid_request(f"body must have required property '{name}'")
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise errors.invalid_request(f"body/{name} must be integer") from error
    if number < least:
        raise errors.invalid_request(f"body/{name} must be >= {least}")
    return number


def strings(given: Mapping[str, Any], name: str) -> list[str]:
    """A list of strings of the request.

    Raises:
        StorageError: It is missing, or empty, or no list.
    """
    values = given.get(name)
    if values is None:
        raise errors.invalid_request(f"body must have required property '{name}'")
    if not isinstance(values, list):
        raise errors.invalid_request(f"body/{name} must be array")
    if not values:
        raise errors.invalid_request(f"body/{name} must NOT have fewer than 1 items")
    return [str(value) for value in values]


def read_metadata(header: str) -> dict[str, Any]:
    """User metadata as a header carries it: JSON in base64; what cannot be read is left out, as on the server."""
    try:
        return _json_object(base64.b64decode(header).decode())
    except ValueError:
        return {}


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


async def _two_places(request: Request) -> tuple[str, str, str, str, dict[str, Any]]:
    given = await body(request)
    for name in ("bucketId", "sourceKey", "destinationKey"):
        if not isinstance(given.get(name), str):
            raise errors.invalid_request(f"body must have required property '{name}'")
    rules.check_key(given["destinationKey"])
    bucket = given["bucketId"]
    return bucket, given["sourceKey"], given.get("destinationBucket") or bucket, given["destinationKey"], given


def _field(form: Mapping[str, Any], name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(_PIECE):
        yield piece


class form_closing:  # noqa: N801 - used as a function
    """Closes a form's files, however its use ends."""

    def __init__(self, form: Any) -> None:
        self._form = form

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        await self._form.close()


# ---------------------------------------------------------------- what is answered


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """An object's row as JSON."""
    return {
        name: value.isoformat()
        if hasattr(value, "isoformat")
        else str(value)
        if name in ("id", "owner") and value
        else value
        for name, value in row.items()
    }


def _info(row: Mapping[str, Any]) -> Response:
    metadata = row["metadata"] or {}
    etag = metadata.get("eTag")
    return JSONResponse(
        {
            "id": str(row["id"]),
            "name": row["name"],
            "version": row["version"],
            "bucket_id": row["bucket_id"],
            "size": metadata.get("size"),
            "content_type": metadata.get("mimetype"),
            "cache_control": metadata.get("cacheControl"),
            "etag": etag,
            "metadata": row["user_metadata"],
            "last_modified": row["updated_at"].isoformat(),
            "created_at": row["created_at"].isoformat(),
        },
        headers={"ETag": etag} if etag else {},
    )
