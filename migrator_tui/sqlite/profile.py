"""Profile a snapshot: what is really stored, over every row, and the chunks that each table is read in."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.errors import Interrupted, SourceError
from migrator_tui.model.profile import CHUNK_BYTES, OrphanCount, SourceProfile, TableProfile
from migrator_tui.model.schema import Database, Table
from migrator_tui.sqlite import references
from migrator_tui.sqlite.chunks import chunks_of
from migrator_tui.sqlite.read import SnapshotReader, row_key, typed_cells
from migrator_tui.sqlite.snapshot import connect
from migrator_tui.sqlite.stored_values import count_classes, examine_texts

SHOWN_KEYS = 5


def profile(
    snapshot: Path,
    database: Database,
    *,
    chunk_bytes: int = CHUNK_BYTES,
    workers: int = 1,
    on_table: Callable[[str, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> SourceProfile:
    """Profile every table. Of tables whose rows are not their own to move, they are only counted.

    Args:
        chunk_bytes: Bytes of values after which a chunk ends.
        workers: Tables that are profiled at the same time.
        on_table: Is told each table and its rows once that is profiled, from a worker's thread.
        stop: Asked between batches; true ends the work.

    Raises:
        SourceError: ``SOURCE-READ``: a table cannot be read.
        Interrupted: ``stop`` said so.
    """

    def check() -> None:
        if stop is not None and stop():
            raise Interrupted(
                "CANCELLED", "Cancelled while the source was profiled.", "`resume` begins this step anew."
            )

    own = threading.local()
    opened: list[_Opened] = []

    def one(table: Table) -> _Found:
        check()
        if not hasattr(own, "opened"):
            own.opened = _Opened(snapshot)
            opened.append(own.opened)
        found = _profile_table(own.opened, snapshot, database, table, chunk_bytes, check)
        if on_table is not None:
            on_table(table.name.name, found.table.rows)
        return found

    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="profile") as pool:
        futures = [pool.submit(one, table) for table in database.tables]
        try:
            found = [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()
            pool.shutdown()
            for each in opened:
                each.close()
    return SourceProfile(
        {each.table.table: each.table for each in found},
        tuple(orphan for each in found for orphan in each.orphans),
        {(each.table.table, column): rows for each in found for column, rows in each.case_groups.items()},
        {each.table.table: each.null_keys for each in found if each.null_keys},
        tuple(apart for each in found for apart in each.spelled_apart),
        {(each.table.table, column): rows for each in found for column, rows in each.unicode_groups.items()},
    )


class _Opened:
    """The snapshot as one worker has it open: once, because opening it reads the whole schema."""

    def __init__(self, snapshot: Path) -> None:
        self.reader = SnapshotReader(snapshot)
        self.connection = connect(snapshot)

    def close(self) -> None:
        """Close both."""
        self.reader.close()
        self.connection.close()


class _Found:
    """What was found out about one table."""

    def __init__(self, table: TableProfile) -> None:
        self.table = table
        self.orphans: tuple[OrphanCount, ...] = ()
        self.spelled_apart: tuple[OrphanCount, ...] = ()
        self.case_groups: dict[str, int] = {}
        self.unicode_groups: dict[str, int] = {}
        self.null_keys = 0


def _profile_table(
    opened: _Opened,
    snapshot: Path,
    database: Database,
    table: Table,
    chunk_bytes: int,
    check: Callable[[], None],
) -> _Found:
    reader = opened.reader
    name = table.name.name
    if not table.holds_rows:
        return _Found(TableProfile(name, _rows_if_readable(reader, table), 0, (), ()))
    rows = _rows(reader, table)
    counted = count_classes(reader, table, rows)
    check()
    wide = [column for column, counts in counted.items() if counts.texts or counts.blobs]
    chunks = chunks_of(reader, table, wide, chunk_bytes=chunk_bytes, check=check)
    columns = examine_texts(reader, table, counted, chunks, check)
    profiled = TableProfile(name, rows, sum(chunk.bytes for chunk in chunks), tuple(columns.values()), chunks)
    found = _Found(profiled)
    check()
    found.null_keys = _null_keys(reader, table, profiled)
    found.case_groups = _case_groups(reader, table, profiled)
    check()
    found.unicode_groups = {
        name: groups
        for name in _alone_unique(table)
        if table.column(name).collation == "NOCASE" and (groups := references.case_groups(snapshot, table, name))
    }
    if rows:
        found.spelled_apart = _spelled_apart(snapshot, database, table)
    found.orphans = _orphans(opened.connection, snapshot, database, table) if rows and table.foreign_keys else ()
    return found


def _rows(reader: SnapshotReader, table: Table) -> int:
    return int(reader.scalar_rows(f"SELECT count(*) FROM {_named(table)}")[0][0])


def _rows_if_readable(reader: SnapshotReader, table: Table) -> int:
    try:
        return _rows(reader, table)
    except SourceError:  # its module is not part of this library
        return 0


def _null_keys(reader: SnapshotReader, table: Table, profiled: TableProfile) -> int:
    key = table.primary_key.columns if table.primary_key is not None else ()
    nullable = [name for name in key if profiled.column(name).nulls]
    if len(nullable) <= 1:
        return profiled.column(nullable[0]).nulls if nullable else 0
    where = references.predicate("null-key", nullable)
    return int(reader.scalar_rows(f"SELECT count(*) FROM {_named(table)} WHERE {where}")[0][0])


def _case_groups(reader: SnapshotReader, table: Table, profiled: TableProfile) -> dict[str, int]:
    groups: dict[str, int] = {}
    for name in _alone_unique(table):
        if not profiled.column(name).texts:
            continue
        column = quote_sqlite(name)
        (rows,) = reader.scalar_rows(
            f"SELECT ifnull(sum(same), 0) FROM (SELECT count(*) AS same FROM {_named(table)} "
            f"WHERE typeof({column}) = 'text' GROUP BY lower({column}) HAVING count(*) > 1)"
        )[0]
        if rows:
            groups[name] = int(rows)
    return groups


def _alone_unique(table: Table) -> list[str]:
    """The columns that are unique by themselves, in the table's order."""
    keys = [table.primary_key.columns] if table.primary_key is not None else []
    keys += [key.columns for key in table.uniques]
    keys += [
        tuple(part.column or "" for part in index.parts) for index in table.indexes if index.unique and not index.where
    ]
    alone = {key[0] for key in keys if len(key) == 1}
    return [column.name for column in table.columns if column.name in alone]


def _orphans(
    connection: sqlite3.Connection, snapshot: Path, database: Database, table: Table
) -> tuple[OrphanCount, ...]:
    counts: list[OrphanCount] = []
    for index in references.violated(connection, table):
        rows = references.orphans(snapshot, database, table, index)
        keys = tuple(row_key(table, cells, at) for at, cells in typed_cells(snapshot, table, rows[:SHOWN_KEYS]))
        if rows:
            counts.append(OrphanCount(table.name.name, index, len(rows), keys))
    return tuple(counts)


def _spelled_apart(snapshot: Path, database: Database, table: Table) -> tuple[OrphanCount, ...]:
    counts: list[OrphanCount] = []
    for index in range(len(table.foreign_keys)):
        rows = references.spelled_apart(snapshot, database, table, index)
        keys = tuple(row_key(table, cells, at) for at, cells in typed_cells(snapshot, table, rows[:SHOWN_KEYS]))
        if rows:
            counts.append(OrphanCount(table.name.name, index, len(rows), keys))
    return tuple(counts)


def _named(table: Table) -> str:
    return f"{quote_sqlite(table.name.name)} NOT INDEXED"
