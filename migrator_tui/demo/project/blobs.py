"""The bytes of objects, in files named by the object's version; written and read as streams."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are stored.

    Attributes:
        version: Names the file, and goes to the object's row.
        etag: As S3 makes it for an upload in parts: no checksum of the bytes.
    """

    version: str
    size: int
    etag: str

    def metadata(self, mimetype: str, cache_control: str) -> dict[str, Any]:
        """The row's ``metadata``."""
        return {
            "eTag": self.etag,
            "size": self.size,
            "mimetype": mimetype,
            "cacheControl": cache_control,
            "lastModified": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "contentLength": self.size,
            "httpStatusCode": 200,
        }


class Blobs:
    """A folder of blobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, version: str) -> Path:
        """The file of a version."""
        return self._folder / version[:2] / version

    async def write(self, chunks: AsyncIterator[bytes]) -> Blob:
        """Store what comes; nothing is left where it breaks off."""
        version = str(uuid.uuid4())
        path = self.path(version)
        path.parent.mkdir(exist_ok=True)
        digest, size = hashlib.md5(usedforsecurity=False), 0
        try:
            with path.open("wb") as file:
                async for chunk in chunks:
                    file.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Blob(version, size, etag_of([digest.digest()]))

    def adopt(self, file: Path, size: int, etag: str) -> Blob:
        """Store a file of the same file system, which stays where it is too: a link to the same bytes."""
        version = str(uuid.uuid4())
        path = self.path(version)
        path.parent.mkdir(exist_ok=True)
        path.hardlink_to(file)
        return Blob(version, size, etag)

    def copy(self, version: str, etag: str) -> Blob:
        """Store the bytes of a version once more; a link, for they never change."""
        new, old = str(uuid.uuid4()), self.path(version)
        path = self.path(new)
        path.parent.mkdir(exist_ok=True)
        path.hardlink_to(old)
        return Blob(new, old.stat().st_size, etag)

    def remove(self, version: str | None) -> None:
        """Forget a version."""
        if version:
            self.path(version).unlink(missing_ok=True)


def etag_of(digests: list[bytes]) -> str:
    """The ETag of an upload in parts, from the MD5 of each."""
    return f'"{hashlib.md5(b"".join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"'
