"""Errors as the Storage API answers them: mostly HTTP 400, the true code as a string in the body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import psycopg
from psycopg import errors as pg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from migrator_tui.demo.project.keys import KeyRefused


class StorageError(Exception):
    """An error of the Storage API.

    Attributes:
        status: The true status, in the body's ``statusCode`` (TUS answers with it).
        code: The body's ``code`` (``KeyAlreadyExists`` …).
        error: The body's ``error``, which may be an older word for it (``Duplicate``).
        message: What it says.
    """

    def __init__(self, status: int, code: str, message: str, error: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.error = error or code
        self.message = message

    def response(self) -> Response:
        """The REST answer."""
        return JSONResponse(
            {"statusCode": str(self.status), "code": self.code, "error": self.error, "message": self.message},
            500 if self.status == 500 else 400,
        )


def duplicate_key() -> StorageError:
    """An object of that name is there."""
    return StorageError(409, "KeyAlreadyExists", "The resource already exists", "Duplicate")


def duplicate_bucket() -> StorageError:
    """A bucket of that name is there."""
    return StorageError(409, "BucketAlreadyExists", "The resource already exists", "Duplicate")


def no_such_bucket() -> StorageError:
    """There is no such bucket, or it is not for this caller."""
    return StorageError(404, "NoSuchBucket", "Bucket not found", "Bucket not found")


def no_such_key() -> StorageError:
    """There is no such object, or it is not for this caller."""
    return StorageError(404, "NoSuchKey", "Object not found", "not_found")


def invalid_key(key: str) -> StorageError:
    """The key has a character that Storage does not take."""
    return StorageError(400, "InvalidKey", f"Invalid key: {key}")


def invalid_bucket_name() -> StorageError:
    """The bucket's name is too long or has a character that Storage does not take."""
    return StorageError(400, "InvalidBucketName", "Bucket name invalid", "Invalid Input")


def too_large() -> StorageError:
    """Larger than the bucket or the project allows."""
    return StorageError(413, "EntityTooLarge", "The object exceeded the maximum allowed size", "Payload too large")


def wrong_mime_type(kind: str) -> StorageError:
    """The bucket does not take this type."""
    return StorageError(415, "InvalidMimeType", f"mime type {kind} is not supported", "invalid_mime_type")


def invalid_request(message: str) -> StorageError:
    """The request cannot be understood."""
    return StorageError(400, "InvalidRequest", message)


def denied(message: str) -> StorageError:
    """The caller may not."""
    return StorageError(403, "AccessDenied", message, "Unauthorized")


def of_database(error: psycopg.Error) -> StorageError:
    """What an error of the database is to the caller."""
    if isinstance(error, pg.InsufficientPrivilege):
        return denied(error.diag.message_primary or "Access denied")
    if isinstance(error, pg.UniqueViolation):
        return StorageError(409, "ResourceAlreadyExists", "The resource already exists", "Duplicate")
    if isinstance(error, pg.ForeignKeyViolation):
        return StorageError(404, "InvalidRequest", "The related resource does not exist")
    if isinstance(error, pg.ReadOnlySqlTransaction):
        return StorageError(
            503, "DatabaseReadOnly", "The database is currently in read-only mode. Please try again later."
        )
    return StorageError(500, "DatabaseError", error.diag.message_primary or str(error))


def answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """A handler whose errors become answers."""

    async def answering(request: Request) -> Response:
        try:
            return await handler(request)
        except StorageError as error:
            return error.response()
        except psycopg.Error as error:
            return of_database(error).response()
        except KeyRefused as error:
            # The gateway in front asks for a key of the project; a token in its place is Storage's to judge.
            if "JWT" in error.message:
                return denied(error.message).response()
            return JSONResponse({"message": error.message, "hint": error.hint}, 401)

    return answering
