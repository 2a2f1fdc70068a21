"""Rows of storage.buckets and storage.objects, read and written in the role of the caller or of the server."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from migrator_tui.demo.project import storage_errors as errors
from migrator_tui.demo.project.blobs import Blob, Blobs
from migrator_tui.demo.project.database import STORAGE_ADMIN, Database, Session
from migrator_tui.demo.project.keys import SERVICE, Caller

OBJECT = (
    "id, name, bucket_id, version, metadata, user_metadata, owner, owner_id, created_at, updated_at, last_accessed_at"
)


class Objects:
    """The rows, with their bytes."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self.blobs = blobs

    async def bucket(self, bucket: str) -> dict[str, Any]:
        """A bucket's row, whoever asks.

        Raises:
            StorageError: NoSuchBucket.
        """
        row = await self._database.look("SELECT * FROM storage.buckets WHERE id = %s", (bucket,))
        if row is None:
            raise errors.no_such_bucket()
        return row

    async def find(self, bucket: str, key: str, caller: Caller | None = None) -> dict[str, Any]:
        """An object's row, as the caller sees it; None is the server itself.

        Raises:
            StorageError: NoSuchKey.
        """
        statement = f"SELECT {OBJECT} FROM storage.objects WHERE bucket_id = %s AND name = %s"
        if caller is None or caller.role == SERVICE:
            row = await self._database.look(statement, (bucket, key))
        else:
            async with self._database.transaction(caller.role, caller.claims) as session:
                row = await _one(session, statement, (bucket, key))
        if row is None:
            raise errors.no_such_key()
        return row

    async def may_write(self, bucket: str, key: str, caller: Caller, *, upsert: bool) -> None:
        """Look whether the caller may create (or replace) an object, before its bytes are taken.

        Raises:
            StorageError: Duplicate, or AccessDenied.
        """
        if caller.role == SERVICE:
            there = await self._database.look(
                "SELECT 1 FROM storage.objects WHERE bucket_id = %s AND name = %s", (bucket, key)
            )
            if there and not upsert:
                raise errors.duplicate_key()
            return
        try:
            async with self._database.transaction(caller.role, caller.claims) as session:
                await _write(session, bucket, key, caller, {}, {}, "1", upsert=upsert)
                raise _Undo
        except _Undo:
            return
        except psycopg.errors.UniqueViolation as error:
            raise errors.duplicate_key() from error

    async def complete(
        self,
        bucket: str,
        key: str,
        caller: Caller,
        blob: Blob,
        metadata: Mapping[str, Any],
        user_metadata: Mapping[str, Any],
    ) -> str:
        """Write the row of an upload whose bytes are all there; an object that was there keeps its id.

        Returns:
            The object's id.
        """
        try:
            async with self._database.transaction(STORAGE_ADMIN) as session:
                before = await _one(
                    session,
                    "SELECT version FROM storage.objects WHERE bucket_id = %s AND name = %s FOR UPDATE",
                    (bucket, key),
                )
                found = await _write(session, bucket, key, caller, metadata, user_metadata, blob.version, upsert=True)
        except BaseException:
            self.blobs.remove(blob.version)
            raise
        if before:
            self.blobs.remove(before["version"])
        return str(found)

    async def rename(self, row: Mapping[str, Any], bucket: str, key: str, caller: Caller) -> str:
        """Move an object to another bucket or key.

        Returns:
            Its id, which stays.

        Raises:
            StorageError: Duplicate, or AccessDenied.
        """
        try:
            async with self._database.transaction(caller.role, caller.claims) as session:
                cursor = await session.execute(
                    "UPDATE storage.objects SET bucket_id = %s, name = %s WHERE id = %s", (bucket, key, row["id"])
                )
        except psycopg.errors.UniqueViolation as error:
            raise errors.duplicate_key() from error
        if cursor.rowcount == 0:
            raise errors.denied("Access denied")
        return str(row["id"])

    async def remove(self, bucket: str, keys: Sequence[str], caller: Caller) -> list[dict[str, Any]]:
        """Delete objects that the caller may delete; the others are passed over.

        Returns:
            The rows that were deleted.
        """
        async with self._database.transaction(caller.role, caller.claims) as session:
            cursor = await session.execute(
                f"DELETE FROM storage.objects WHERE bucket_id = %s AND name = ANY(%s) RETURNING {OBJECT}".encode(),
                (bucket, list(keys)),
            )
            rows = await cursor.fetchall()
        for row in rows:
            self.blobs.remove(row["version"])
        return rows


class _Undo(Exception):
    """Ends a transaction that only tried something."""


async def _one(session: Session, statement: str, parameters: tuple[Any, ...]) -> dict[str, Any] | None:
    return await (await session.execute(statement.encode(), parameters)).fetchone()


async def _write(
    session: Session,
    bucket: str,
    key: str,
    caller: Caller,
    metadata: Mapping[str, Any],
    user_metadata: Mapping[str, Any],
    version: str,
    *,
    upsert: bool,
) -> uuid.UUID:
    again = (
        "ON CONFLICT (bucket_id, name) DO UPDATE SET metadata = excluded.metadata, version = excluded.version,"
        " user_metadata = excluded.user_metadata, owner = excluded.owner, owner_id = excluded.owner_id"
        if upsert
        else ""
    )
    user = caller.user
    row = await _one(
        session,
        "INSERT INTO storage.objects (bucket_id, name, owner, owner_id, metadata, user_metadata, version)"
        f" VALUES (%s, %s, %s, %s, %s, %s, %s) {again} RETURNING id",
        (bucket, key, _uuid(user), user, Jsonb(dict(metadata)), Jsonb(dict(user_metadata)), version),
    )
    if row is None:
        raise errors.denied("Access denied")
    found = row["id"]
    assert isinstance(found, uuid.UUID)
    return found


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None
