"""Blobs that became objects, on the way back: each path in the column is the object's content again."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pyarrow as pa

from migrator_tui.convert.blob_objects import of_codec
from migrator_tui.convert.identifiers import quote
from migrator_tui.convert.object_keys import from_url
from migrator_tui.convert.to_sqlite_schema import FileColumn
from migrator_tui.convert.to_sqlite_types import Way
from migrator_tui.convert.to_sqlite_values import Cells
from migrator_tui.migration.files.pulling_files import FilesOrigin, origins
from migrator_tui.migration.files.uploads import WORKERS
from migrator_tui.model.errors import Interrupted, MigratorError, VerificationFailed
from migrator_tui.model.origin import ColumnOrigin, TableOrigin
from migrator_tui.model.schema import TableName
from migrator_tui.postgres import objects
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.storage_api import Storage
from migrator_tui.supabase.storage_errors import NotThere

AT_ONCE = 32_000_000
"""Bytes of objects that are in memory at a time, unless a single one is larger."""


class Blobs:
    """Brings objects back into the columns that held their contents.

    Attributes:
        notes: What is told of columns whose objects stay where they are.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        tables: Iterable[TableOrigin | None],
        api: Api | None,
        stop: threading.Event,
    ) -> None:
        """
        Args:
            tables: Where the tables that are pulled came from.
            api: The project's APIs; None leaves the paths in their columns.

        Raises:
            MigratorError: ``PULL-STORAGE``: the role may not read what Storage knows of the objects.
        """
        names = {
            (table.source, column.source)
            for table in tables
            if table is not None
            for column in table.columns
            if of_codec(column.codec)
        }
        self._origins: Mapping[tuple[str, str], FilesOrigin] = {}
        self.notes: list[str] = []
        if names and api is None:
            self.notes.append(
                f"{', '.join(sorted('.'.join(name) for name in names))}: the blobs stay in their buckets, and the file "
                "has the paths of their objects: no API is named (--api), no key is known for it, or --no-files."
            )
        elif names:
            self._origins = {(o.table, o.column): o for o in origins(connection) if o.blobs}
        buckets = {self._origins[name].bucket for name in names if name in self._origins}
        self._known = {bucket: _known(connection, bucket) for bucket in buckets}
        self._api, self._stop = api, stop
        self._local = threading.local()
        self._lock = threading.Lock()
        self._clients: list[Storage] = []
        self._columns: dict[tuple[TableName, str], FilesOrigin] = {}

    def way(self, live: TableName, table: TableOrigin, column: ColumnOrigin) -> Way | None:
        """How a column comes back; None where it holds no paths of objects that were blobs, or they stay away."""
        origin = self._origins.get((table.source, column.source))
        named = of_codec(column.codec)
        if origin is None or named is None:
            return None
        self._columns[live, column.target] = origin

        def decode(read: Sequence[pa.Array]) -> Cells:
            return self._cells(origin, named.base, read[0].cast(pa.string()).to_pylist())

        return Way(column.declared, "other", (f"{quote(column.target)}::text",), decode)

    def parts(self, live: TableName, columns: Sequence[FileColumn], batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """A batch of rows in slices whose objects fit into memory."""
        sized: list[tuple[FilesOrigin, int]] = []
        position = 0
        for column in columns:
            origin = self._columns.get((live, column.live.name))
            if origin is not None:
                sized.append((origin, position))
            position += len(column.way.select)
        if not sized:
            yield batch
            return
        sizes = [0] * batch.num_rows
        for origin, at in sized:
            known = self._known[origin.bucket]
            for row, value in enumerate(batch.column(at).cast(pa.string()).to_pylist()):
                sizes[row] += known.get(_key(value, origin.base) or "", (0, ""))[0]
        begin = held = 0
        for row, size in enumerate(sizes):
            if held and held + size > AT_ONCE:
                yield batch.slice(begin, row - begin)
                begin, held = row, 0
            held += size
        yield batch.slice(begin)

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients:
            client.close()

    def _cells(self, origin: FilesOrigin, base: str, values: list[str | None]) -> Cells:
        keys = [_key(value, base) for value in values]
        wanted = sorted({key for key in keys if key})
        with ThreadPoolExecutor(min(WORKERS, max(1, len(wanted))), thread_name_prefix="pull-blobs") as pool:
            found = dict(zip(wanted, pool.map(lambda key: self._read(origin.bucket, key), wanted), strict=True))
        blobs = [found.get(key) if key else None for key in keys]
        # What names no object is new since then, or its object is gone: the text stays, and is told.
        lone = [value if blob is None else None for value, blob in zip(values, blobs, strict=True)]
        at = tuple(position for position, value in enumerate(lone) if value is not None)
        parts: tuple[pa.Array, ...] = (pa.array(blobs, pa.binary()),)
        return Cells((*parts, pa.array(lone, pa.string())) if at else parts, at)

    def _read(self, bucket: str, key: str) -> bytes | None:
        if self._stop.is_set():
            raise Interrupted("CANCELLED", "Cancelled.", "Nothing was left in the file's place.")
        into = io.BytesIO()
        try:
            _, sha256 = self._storage().download(bucket, key, into)
        except NotThere:
            return None
        expected = self._known[bucket].get(key, (0, ""))[1]
        if expected not in ("", sha256):
            raise VerificationFailed(
                "PULL-FILES",
                f"{bucket}/{key} does not read back as it was stored.",
                "Somebody may be writing to the bucket: pull again.",
            )
        return into.getvalue()

    def _storage(self) -> Storage:
        client: Storage | None = getattr(self._local, "client", None)
        if client is None:
            assert self._api is not None
            client = self._local.client = Storage(self._api, stopped=self._stop)
            with self._lock:
                self._clients.append(client)
        return client


def _key(value: str | None, base: str) -> str | None:
    """The key in a column's value, or None where it names no object."""
    if not value or not value.startswith(base):
        return None
    try:
        return from_url(value.removeprefix(base)) if base else value
    except UnicodeDecodeError:
        return None


def _known(connection: psycopg.Connection[Any], bucket: str) -> dict[str, tuple[int, str]]:
    """Key → bytes and recorded SHA-256 of a bucket's objects."""
    try:
        with connection.transaction():
            return objects.sizes_and_hashes(connection, bucket)
    except psycopg.Error as error:
        raise MigratorError(
            "PULL-STORAGE",
            f"The objects of the bucket {bucket} cannot be read: {str(error).splitlines()[0]}.",
            "Pull as the project's owner, or leave the files out with --no-files.",
        ) from error
