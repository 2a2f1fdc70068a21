"""Writing tables into a backup: one state of them, in one READ ONLY transaction, streamed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote
from migrator_tui.model.errors import BackupError, Interrupted, TargetError
from migrator_tui.postgres import backup_schema
from migrator_tui.postgres.backup_file import Writer
from migrator_tui.postgres.connect import Target, connect, explain
from migrator_tui.postgres.merge import sql
from migrator_tui.postgres.row_hash import hash_rows, shape

SCHEMA, TABLE, DATA, END, MANIFEST = b"S", b"T", b"D", b"E", b"M"
"""Kinds of records: the document that makes the tables; then for each table its start, its rows as COPY gives them, its
end; at last the list of all."""
BLOCK = 1 << 18
"""About the bytes of rows in a record."""
LOCKED_AT_ONCE = 100
NOTICED_AFTER = 0.2
"""Seconds until a wish to stop reaches a statement at work."""
CANCEL_SECONDS = 5.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TableRows:
    """A table in a backup: how many rows it has, and the hash of them all (:mod:`row_hash`)."""

    table: str
    rows: int
    hash: str

    def as_json(self) -> dict[str, Any]:
        """For a manifest and the JSON document."""
        return {"table": self.table, "rows": self.rows, "hash": self.hash}


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a backup.

    Attributes:
        document: What makes the tables again (:func:`backup_schema.read`).
        tables: In the order of the file.
    """

    document: dict[str, Any] = field(repr=False)
    tables: tuple[TableRows, ...]


def write(
    target: Target,
    writer: Writer,
    *,
    schema: str,
    tables: Sequence[str] = (),
    stop: threading.Event,
    progress: Progress,
) -> Contents:
    """Write tables of one schema into a backup, all as they were at one moment.

    Args:
        tables: Names; empty for all of the schema.
        stop: Ends the work.
        progress: Told what is at work.

    Raises:
        TargetError, BackupError: The target refused, or has no such table.
        Interrupted: ``stop`` was set.
    """
    with (
        connect(target, autocommit=False, application_name="migrator-tui backup") as connection,
        cancelled_by(stop, connection),
    ):
        try:
            connection.execute("SET client_encoding = 'UTF8'")
            document = _held_still(connection, schema, tables)
            writer.record(SCHEMA, _json(document))
            written = [
                _write_table(connection, writer, schema, table["name"], stop, progress) for table in document["tables"]
            ]
            writer.record(MANIFEST, _json([table.as_json() for table in written]))
            connection.rollback()
        except psycopg.Error as error:
            raise explain(error, target, established=True) from error
    return Contents(document, tuple(written))


def _held_still(connection: psycopg.Connection[Any], schema: str, tables: Sequence[str]) -> dict[str, Any]:
    """Begin the transaction whose one moment is kept, and say what makes the tables.

    They are locked before its snapshot is taken (which LOCK does not): a table that is emptied or rewritten between the
    two would look empty to the older snapshot.
    """
    known: list[str] = []
    while True:
        document = backup_schema.read(connection, schema, tables)
        names = [table["name"] for table in document["tables"]]
        if names == known:
            return document
        known = names
        connection.rollback()
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        for first in range(0, len(names), LOCKED_AT_ONCE):
            places = ", ".join(f"{quote(schema)}.{quote(name)}" for name in names[first : first + LOCKED_AT_ONCE])
            connection.execute(sql(f"LOCK TABLE {places} IN ACCESS SHARE MODE"))


def _write_table(
    connection: psycopg.Connection[Any],
    writer: Writer,
    schema: str,
    table: str,
    stop: threading.Event,
    progress: Progress,
) -> TableRows:
    progress(f"reading {table}")
    place = f"{quote(schema)}.{quote(table)}"
    found = shape(connection, place)
    writer.record(TABLE, _json({"table": table, "columns": found.stored, "binary": found.binary}))
    columns = f"({', '.join(quote(name) for name in found.stored)})" if found.stored else ""
    options = "(FORMAT binary)" if found.binary else "(FORMAT text)"
    block = bytearray()
    with connection.cursor() as cursor, cursor.copy(sql(f"COPY {place} {columns} TO STDOUT {options}")) as copy:
        for part in copy:
            block += part
            if len(block) >= BLOCK:
                writer.record(DATA, bytes(block))
                block.clear()
                stop_if(stop)
    if block:
        writer.record(DATA, bytes(block))
    progress(f"hashing {table}")
    stop_if(stop)
    rows, digest = hash_rows(connection, place, found)
    done = TableRows(table, rows, digest)
    writer.record(END, _json(done.as_json()))
    return done


@contextmanager
def cancelled_by(stop: threading.Event, connection: psycopg.Connection[Any]) -> Iterator[None]:
    """End the statement at work when ``stop`` is set, which then counts as an interruption, not as an error.

    Raises:
        Interrupted: ``stop`` was set, and something failed since.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.wait(NOTICED_AFTER):
            if stop.is_set():
                with suppress(psycopg.Error):
                    connection.cancel_safe(timeout=CANCEL_SECONDS)

    watcher = threading.Thread(target=watch, name="cancel", daemon=True)
    watcher.start()
    try:
        yield
    except (psycopg.Error, TargetError, BackupError):
        stop_if(stop)
        raise
    finally:
        done.set()
        watcher.join()


def stop_if(stop: threading.Event) -> None:
    """
    Raises:
        Interrupted: It is set.
    """
    if stop.is_set():
        raise Interrupted("CANCELLED", "Cancelled; nothing was kept.", "The same command starts again.")


def contents(records: Any, stop: threading.Event) -> Contents:
    """Read all of a backup's records, and so prove that it is whole.

    Raises:
        BackupError: ``BACKUP-ALTERED``: it is not.
    """
    document: dict[str, Any] | None = None
    tables: list[TableRows] = []
    open_table: str | None = None
    manifest: Any = None
    for kind, payload in records:
        stop_if(stop)
        if manifest is not None or (document is None) != (kind == SCHEMA):
            raise _disordered()
        if kind == SCHEMA:
            document = json.loads(payload)
        elif kind == TABLE and open_table is None:
            open_table = json.loads(payload)["table"]
        elif kind == END and open_table is not None:
            tables.append(TableRows(**json.loads(payload)))
            if tables[-1].table != open_table:
                raise _disordered()
            open_table = None
        elif kind == MANIFEST and open_table is None:
            manifest = json.loads(payload)
        elif kind != DATA or open_table is None:
            raise _disordered()
    if document is None or manifest != [table.as_json() for table in tables]:
        raise _disordered()
    if [table.table for table in tables] != [table["name"] for table in document["tables"]]:
        raise _disordered()
    return Contents(document, tuple(tables))


def _disordered() -> BackupError:
    return BackupError("BACKUP-ALTERED", "The backup cannot be trusted: it is not complete.", "Take an older backup.")


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
