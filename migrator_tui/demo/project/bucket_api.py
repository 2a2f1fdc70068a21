"""The Storage API's endpoints for buckets, and what lists their objects."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from migrator_tui.demo.project import storage_errors as errors
from migrator_tui.demo.project import storage_rules as rules
from migrator_tui.demo.project.blobs import Blobs
from migrator_tui.demo.project.database import STORAGE_ADMIN, Database
from migrator_tui.demo.project.keys import Keys
from migrator_tui.demo.project.storage_api import body, shown, whole_number
from migrator_tui.demo.project.storage_errors import answering

USUAL_LIMIT = 100
MOST_LISTED = 1000
_SORTS = ("name", "updated_at", "created_at", "last_accessed_at")


class BucketApi:
    """The endpoints under ``/storage/v1/bucket`` and ``/storage/v1/object/list…``."""

    def __init__(self, database: Database, blobs: Blobs, keys: Keys, file_size_limit: int) -> None:
        self._database = database
        self._blobs = blobs
        self._keys = keys
        self._file_size_limit = file_size_limit

    def routes(self) -> list[Route]:
        """The routes, relative to ``/storage/v1``."""
        return [
            Route("/bucket", answering(self._all), methods=["GET"]),
            Route("/bucket", answering(self._create), methods=["POST"]),
            Route("/bucket/{id}", answering(self._get), methods=["GET"]),
            Route("/bucket/{id}", answering(self._update), methods=["PUT"]),
            Route("/bucket/{id}", answering(self._delete), methods=["DELETE"]),
            Route("/bucket/{id}/empty", answering(self._empty), methods=["POST"]),
            Route("/object/list/{bucket}", answering(self._list), methods=["POST"]),
            Route("/object/list-v2/{bucket}", answering(self._list_v2), methods=["POST"]),
        ]

    async def _all(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        async with self._database.transaction(caller.role, caller.claims) as session:
            cursor = await session.execute("SELECT * FROM storage.buckets ORDER BY created_at, id")
            return JSONResponse([_bucket(row) for row in await cursor.fetchall()])

    async def _get(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        async with self._database.transaction(caller.role, caller.claims) as session:
            cursor = await session.execute("SELECT * FROM storage.buckets WHERE id = %s", (request.path_params["id"],))
            row = await cursor.fetchone()
        if row is None:
            raise errors.no_such_bucket()
        return JSONResponse(_bucket(row))

    async def _create(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        given = await body(request)
        name = given.get("name")
        if not isinstance(name, str):
            raise errors.invalid_request("body must have required property 'name'")
        rules.check_bucket_name(name)
        limit = rules.size_limit(given.get("file_size_limit"), self._file_size_limit)
        kinds = rules.mime_types(given.get("allowed_mime_types"))
        try:
            async with self._database.transaction(caller.role, caller.claims) as session:
                await session.execute(
                    "INSERT INTO storage.buckets (id, name, public, file_size_limit, allowed_mime_types, owner_id)"
                    " VALUES (%s, %s, %s, %s, %s, %s)",
                    (given.get("id") or name, name, bool(given.get("public")), limit, kinds, caller.user),
                )
        except psycopg.errors.UniqueViolation as error:
            raise errors.duplicate_bucket() from error
        return JSONResponse({"name": name})

    async def _update(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        given = await body(request)
        changes: dict[str, Any] = {}
        if "public" in given:
            changes["public"] = bool(given["public"])
        if "file_size_limit" in given:
            changes["file_size_limit"] = rules.size_limit(given["file_size_limit"], self._file_size_limit)
        if "allowed_mime_types" in given:
            changes["allowed_mime_types"] = rules.mime_types(given["allowed_mime_types"])
        if not changes:
            raise errors.invalid_request("body must match a schema in anyOf")
        settings = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder()) for name in changes
        )
        async with self._database.transaction(caller.role, caller.claims) as session:
            cursor = await session.execute(
                sql.SQL("UPDATE storage.buckets SET {}, updated_at = now() WHERE id = %s").format(settings),
                (*changes.values(), request.path_params["id"]),
            )
        if cursor.rowcount == 0:
            raise errors.no_such_bucket()
        return JSONResponse({"message": "Successfully updated"})

    async def _delete(self, request: Request) -> Response:
        caller = self._keys.caller(request)
        bucket = request.path_params["id"]
        async with self._database.transaction(STORAGE_ADMIN) as session:
            found = await (
                await session.execute("SELECT 1 FROM storage.buckets WHERE id = %s FOR UPDATE", (bucket,))
            ).fetchone()
            if not found:
                raise errors.no_such_bucket()
            cursor = await session.execute("SELECT 1 FROM storage.objects WHERE bucket_id = %s LIMIT 1", (bucket,))
            if await cursor.fetchone():
                raise errors.StorageError(409, "ResourceNotEmpty", "The bucket you tried to delete is not empty")
        async with self._database.transaction(caller.role, caller.claims) as session:
            deleted = await session.execute("DELETE FROM storage.buckets WHERE id = %s", (bucket,))
        if deleted.rowcount == 0:
            raise errors.no_such_bucket()
        return JSONResponse({"message": "Successfully deleted"})

    async def _empty(self, request: Request) -> Response:
        """The server queues it and may take an hour; here it is done at once."""
        caller = self._keys.caller(request)
        bucket = request.path_params["id"]
        async with self._database.transaction(caller.role, caller.claims) as session:
            cursor = await session.execute("SELECT 1 FROM storage.buckets WHERE id = %s", (bucket,))
            if not await cursor.fetchone():
                raise errors.no_such_bucket()
            cursor = await session.execute(
                "DELETE FROM storage.objects WHERE bucket_id = %s RETURNING version", (bucket,)
            )
            rows = await cursor.fetchall()
        for row in rows:
            self._blobs.remove(row["version"])
        return JSONResponse({"message": "Empty bucket has been queued. Completion may take up to an hour."})

    async def _list(self, request: Request) -> Response:
        """One folder: its objects, and the folders in it without an id. A bucket that is not there is an empty one."""
        caller = self._keys.caller(request)
        given = await body(request)
        prefix = given.get("prefix")
        if not isinstance(prefix, str):
            raise errors.invalid_request("body must have required property 'prefix'")
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        limit = min(whole_number(given, "limit", usual=USUAL_LIMIT, least=1), MOST_LISTED)
        offset = whole_number(given, "offset", usual=0)
        sort = given.get("sortBy") or {}
        column, order = sort.get("column") or "name", str(sort.get("order") or "asc").lower()
        if column not in _SORTS:
            raise errors.invalid_request("body/sortBy/column must be equal to one of the allowed values")
        direction = "DESC" if order == "desc" else "ASC"
        by = 'lower(name) COLLATE "C"' if column == "name" else f"{column} {direction} NULLS FIRST, name"
        statement = f"""
            WITH hit AS (
                SELECT substr(o.name, length(%(prefix)s) + 1) AS rest, o.* FROM storage.objects o
                WHERE bucket_id = %(bucket)s AND starts_with(lower(name), lower(%(prefix)s || %(search)s))
            ), listed AS (
                SELECT min(split_part(rest, '/', 1)) AS name, NULL::uuid AS id, NULL::timestamptz AS updated_at,
                    NULL::timestamptz AS created_at, NULL::timestamptz AS last_accessed_at, NULL::jsonb AS metadata
                FROM hit WHERE strpos(rest, '/') > 0 GROUP BY lower(split_part(rest, '/', 1))
                UNION ALL
                SELECT rest, id, updated_at, created_at, last_accessed_at, metadata
                FROM hit WHERE strpos(rest, '/') = 0
            )
            SELECT * FROM listed ORDER BY {by} {direction if column == "name" else ""}
            LIMIT %(limit)s OFFSET %(offset)s"""
        async with self._database.transaction(caller.role, caller.claims) as session:
            cursor = await session.execute(
                statement.encode(),
                {
                    "prefix": prefix,
                    "search": str(given.get("search") or ""),
                    "bucket": request.path_params["bucket"],
                    "limit": limit,
                    "offset": offset,
                },
            )
            return JSONResponse([shown(row) for row in await cursor.fetchall()])

    async def _list_v2(self, request: Request) -> Response:
        """All below a prefix, by name, with a cursor; ``with_delimiter`` stops at folders."""
        caller = self._keys.caller(request)
        given = await body(request)
        limit = min(whole_number(given, "limit", usual=MOST_LISTED, least=1), MOST_LISTED)
        prefix = str(given.get("prefix") or "")
        delimiter = bool(given.get("with_delimiter"))
        sort = given.get("sortBy") or {}
        if sort.get("column", "name") != "name" or str(sort.get("order") or "asc").lower() != "asc":
            raise errors.invalid_request("body/sortBy: the stand-in lists by name only")
        # A folder sorts where its first object does; its name with the slash is what the cursor goes on after.
        statement = f"""
            WITH hit AS (
                SELECT o.*, CASE WHEN {str(delimiter).lower()} AND strpos(substr(name, length(%(prefix)s) + 1), '/') > 0
                    THEN %(prefix)s || split_part(substr(name, length(%(prefix)s) + 1), '/', 1) || '/'
                    END AS folder
                FROM storage.objects o WHERE bucket_id = %(bucket)s AND starts_with(name, %(prefix)s)
            ), listed AS (
                SELECT DISTINCT folder AS at, true AS is_folder, NULL::uuid AS id, NULL::timestamptz AS updated_at,
                    NULL::timestamptz AS created_at, NULL::timestamptz AS last_accessed_at, NULL::jsonb AS metadata
                FROM hit WHERE folder IS NOT NULL
                UNION ALL
                SELECT name, false, id, updated_at, created_at, last_accessed_at, metadata FROM hit WHERE folder IS NULL
            )
            SELECT * FROM listed WHERE at COLLATE "C" > %(after)s ORDER BY at COLLATE "C" LIMIT %(limit)s"""
        async with self._database.transaction(caller.role, caller.claims) as session:
            cursor = await session.execute(
                statement.encode(),
                {
                    "prefix": prefix,
                    "bucket": request.path_params["bucket"],
                    "after": _read_cursor(given.get("cursor")),
                    "limit": limit + 1,
                },
            )
            rows = await cursor.fetchall()
        more, rows = len(rows) > limit, rows[:limit]
        answer: dict[str, Any] = {"hasNext": more, "folders": [], "objects": []}
        for row in rows:
            name = row.pop("at")
            if row.pop("is_folder"):
                answer["folders"].append({"key": name.rstrip("/"), "name": name})
            else:
                answer["objects"].append(shown({"key": name, "name": name, **row}))
        if more:
            last = name if rows else ""
            answer["nextCursor"] = base64.b64encode(f"l:{last}".encode()).decode()
        return JSONResponse(answer)


def _read_cursor(text: Any) -> str:
    if not text:
        return ""
    try:
        return base64.b64decode(str(text), validate=True).decode().removeprefix("l:")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise errors.StorageError(400, "InvalidParameter", "Invalid Parameter cursor") from error


def _bucket(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "owner": row["owner_id"] or "",
        "public": row["public"],
        "file_size_limit": row["file_size_limit"],
        "allowed_mime_types": row["allowed_mime_types"],
        "created_at": row["created_at"].isoformat(),
        "updated_at": row["updated_at"].isoformat(),
        "type": row["type"],
    }
