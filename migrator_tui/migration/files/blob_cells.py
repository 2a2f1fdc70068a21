"""Blobs of the snapshot as files that are uploaded: which rows hold one, and one cell's bytes as a stream."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from migrator_tui.convert.blob_objects import BlobObjects
from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.errors import SourceError
from migrator_tui.sqlite.snapshot import connect
from migrator_tui.supabase.content_types import LOOKED_AT, content_type
from migrator_tui.supabase.upload_folder import LocalFile


@dataclass(frozen=True, slots=True)
class BlobCell:
    """One cell, which is opened like a file below the uploads folder.

    Attributes:
        row: The row's rowid.
    """

    snapshot: Path
    table: str
    column: str
    row: int

    def open(self, path: str) -> BinaryIO:
        """The blob's bytes. The snapshot does not change, so neither do they.

        Raises:
            SourceError: The snapshot cannot be read.
        """
        try:
            connection = connect(self.snapshot)
            try:
                blob = connection.blobopen(self.table, self.column, self.row, readonly=True)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise SourceError("SOURCE-READ", f"{path} cannot be read from the snapshot: {error}.", "") from error
        return cast(BinaryIO, _Bytes(connection, blob))

    def file(self, path: str) -> LocalFile:
        """What the cell is as a file.

        Raises:
            SourceError: The snapshot cannot be read.
        """
        with self.open(path) as body:
            beginning = body.read(LOOKED_AT)
            return LocalFile(path, body.seek(0, io.SEEK_END), 0, content_type(beginning))

    def stamp(self, body: BinaryIO) -> object:
        """What would tell that the content changed while it was read."""
        return None


class _Bytes(io.RawIOBase):
    def __init__(self, connection: sqlite3.Connection, blob: sqlite3.Blob) -> None:
        self._connection, self._blob = connection, blob

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._blob.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._blob.seek(offset, whence)
        return self._blob.tell()

    def tell(self) -> int:
        return self._blob.tell()

    def close(self) -> None:
        if not self.closed:
            self._blob.close()
            self._connection.close()
        super().close()


def cells(snapshot: Path, table: str, column: str, locator: str, named: BlobObjects) -> Iterator[tuple[int, LocalFile]]:
    """Every blob of a column: its rowid, and what it is as a file; in order of rowid.

    Args:
        locator: The name that the table has for the rowid.
    """
    own = quote_sqlite(column)
    query = (
        f"SELECT {locator}, {named.path(own)}, length({own}) "
        f"FROM {quote_sqlite(table)} NOT INDEXED WHERE typeof({own}) = 'blob' ORDER BY {locator}"
    )
    try:
        with closing(connect(snapshot)) as connection:
            cursor = connection.execute(query)
            while rows := cursor.fetchmany(1000):
                for row, path, size in rows:
                    # substr() would read the whole blob for its beginning.
                    with connection.blobopen(table, column, row, readonly=True) as blob:
                        beginning = blob.read(LOOKED_AT)
                    yield row, LocalFile(path, size, 0, content_type(beginning))
    except sqlite3.Error as error:
        raise SourceError("SOURCE-READ", f"{table}.{column} cannot be read: {error}.", "") from error
