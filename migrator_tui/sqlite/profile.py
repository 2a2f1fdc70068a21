"""Profile a snapshot: what is really stored, over every row, and the chunks that each table is read in."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Mapping, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.errors import Interrupted, SourceError
from migrator_tui.model.profile import CHUNK_BYTES, Chunk, OrphanCount, SourceProfile, TableProfile
from migrator_tui.model.schema import Database, ForeignKey, Table, TableName
from migrator_tui.sqlite import references
from migrator_tui.sqlite.chunks import Gathered, chunks_of, whole
from migrator_tui.sqlite.locating import named
from migrator_tui.sqlite.read import SnapshotReader, row_key, typed_cells
from migrator_tui.sqlite.snapshot import connect
from migrator_tui.sqlite.stored_values import PARTS_PER_QUERY, count_classes, examine, guess_classes

SHOWN_KEYS = 5
SEARCHED_KEYS = 1_000
_NO_LONGER = frozenset(
    (
        *("abs", "coalesce", "date", "datetime", "ifnull", "iif", "instr", "julianday", "length", "lower", "ltrim"),
        *("max", "min", "nullif", "round", "rtrim", "substr", "substring", "time", "trim", "typeof", "unicode"),
        *("unixepoch", "upper"),
    )
)
"""Functions that give nothing longer than what they are given, or a few bytes."""

SMALL_FILE = 128 << 20
"""Bytes of a file whose tables are read before the sizes of their rows are known: a batch is never more than that."""


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

    in_references = _in_references(database)
    own = threading.local()
    opened: list[_Opened] = []

    def one(table: Table) -> _Found:
        check()
        if not hasattr(own, "opened"):
            own.opened = _Opened(snapshot)
            opened.append(own.opened)
        found = _profile_table(
            own.opened, snapshot, database, table, chunk_bytes, check, in_references.get(table.name, set())
        )
        if on_table is not None:
            on_table(table.name.name, found.table.rows)
        return found

    def references_of(table: Table, found: Mapping[str, _Found]) -> _References:
        check()
        if not hasattr(own, "opened"):
            own.opened = _Opened(snapshot)
            opened.append(own.opened)
        orphans = _orphans(own.opened.connection, snapshot, database, table, found)
        check()
        return _References(orphans, _written_apart(snapshot, database, table, found))

    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="profile") as pool:
        futures = [pool.submit(one, table) for table in database.tables]
        further: list[Future[_References]] = []
        try:
            found = [future.result() for future in futures]
            by_name = {each.table.table: each for each in found}
            profiles = {name: each.table for name, each in by_name.items()}
            further = [
                pool.submit(references_of, table, by_name)
                for table in database.tables
                if table.foreign_keys and profiles[table.name.name].columns and profiles[table.name.name].rows
            ]
            references_found = [future.result() for future in further]
        finally:
            for waiting in further:
                waiting.cancel()
            for future in futures:
                future.cancel()
            pool.shutdown()
            for each in opened:
                each.close()
    return SourceProfile(
        profiles,
        tuple(orphan for each in references_found for orphan in each.orphans),
        {(each.table.table, column): rows for each in found for column, rows in each.case_groups.items()},
        {each.table.table: each.null_keys for each in found if each.null_keys},
        tuple(apart for each in found for apart in each.spelled_apart),
        {(each.table.table, column): rows for each in found for column, rows in each.unicode_groups.items()},
        tuple(apart for each in references_found for apart in each.written_apart),
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


@dataclass(frozen=True, slots=True)
class _References:
    """What was found out about one table's foreign keys once every table was profiled."""

    orphans: tuple[OrphanCount, ...]
    written_apart: tuple[OrphanCount, ...]


class _Found:
    """What was found out about one table."""

    def __init__(self, table: TableProfile, integers: Mapping[str, pa.Array]) -> None:
        self.table = table
        self.spelled_apart: tuple[OrphanCount, ...] = ()
        self.integers = integers
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
    keep: Set[str],
) -> _Found:
    reader = opened.reader
    name = table.name.name
    if not table.holds_rows:
        return _Found(TableProfile(name, _rows_if_readable(reader, table), 0, (), ()), {})
    classes = guess_classes(reader, table)
    gathered = Gathered(chunk_bytes) if _fits_memory(snapshot, table, classes) else None
    if gathered is not None:
        chunks: tuple[Chunk, ...] = (whole(reader, table, _wide(classes)),)
    else:
        chunks = _chunks(reader, table, classes, chunk_bytes, check)
    examined = examine(reader, table, chunks, classes, check, guessed=True, keep=keep, gathered=gathered)
    if gathered is not None:
        chunks = gathered.chunks()
    if examined is None:
        classes = count_classes(reader, table)
        chunks = _chunks(reader, table, classes, chunk_bytes, check)
        examined = examine(reader, table, chunks, classes, check, guessed=False, keep=keep)
        assert examined is not None
    columns, integers = examined
    rows = sum(chunk.rows for chunk in chunks)
    profiled = TableProfile(name, rows, sum(chunk.bytes for chunk in chunks), tuple(columns.values()), chunks)
    found = _Found(profiled, integers)
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
    return found


def _fits_memory(snapshot: Path, table: Table, classes: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether rows can be read before their sizes are known: a column of all of them is no more than the file."""
    bounded = table.virtual is None and all(
        column.generated is None or _makes_nothing_longer(column.generated.expression) for column in table.columns
    )
    parts = sum(map(len, classes.values()))
    return bounded and 0 < parts <= PARTS_PER_QUERY and snapshot.stat().st_size <= SMALL_FILE


def _makes_nothing_longer(expression: str) -> bool:
    called = {name.lower() for name in re.findall(r"(\w+)\s*\(", expression)}
    return called <= _NO_LONGER and "||" not in expression


def _chunks(
    reader: SnapshotReader,
    table: Table,
    classes: Mapping[str, tuple[str, ...]],
    chunk_bytes: int,
    check: Callable[[], None],
) -> tuple[Chunk, ...]:
    return chunks_of(reader, table, _wide(classes), chunk_bytes=chunk_bytes, check=check)


def _wide(classes: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [column for column, names in classes.items() if "text" in names or "blob" in names]


def _rows(reader: SnapshotReader, table: Table) -> int:
    return int(reader.scalar_rows(f"SELECT count(*) FROM {named(table)}")[0][0])


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
    return int(reader.scalar_rows(f"SELECT count(*) FROM {named(table)} WHERE {where}")[0][0])


def _case_groups(reader: SnapshotReader, table: Table, profiled: TableProfile) -> dict[str, int]:
    groups: dict[str, int] = {}
    for name in _alone_unique(table):
        if not profiled.column(name).texts:
            continue
        column = quote_sqlite(name)
        (rows,) = reader.scalar_rows(
            f"SELECT ifnull(sum(same), 0) FROM (SELECT count(*) AS same FROM {named(table)} "
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
    connection: sqlite3.Connection,
    snapshot: Path,
    database: Database,
    table: Table,
    found: Mapping[str, _Found],
) -> tuple[OrphanCount, ...]:
    missing = {index: _missing(database, table, key, found) for index, key in enumerate(table.foreign_keys)}
    unknown = {index for index, keys in missing.items() if keys is None}
    violated = {index for index, keys in missing.items() if keys is not None and len(keys)}
    if unknown:
        violated |= unknown & set(references.violated(connection, table))
    counts: list[OrphanCount] = []
    for index in sorted(violated):
        keys = missing[index]
        if keys is not None and len(keys) <= SEARCHED_KEYS:
            column = quote_sqlite(table.foreign_keys[index].columns[0])
            where = f"{column} IN ({', '.join(map(str, keys.to_pylist()))})"
            rows = references.rows_where(snapshot, table, where, connection)
        else:
            rows = references.orphans(snapshot, database, table, index)
        if rows:
            some = typed_cells(snapshot, table, rows[:SHOWN_KEYS], connection)
            keys_of = tuple(row_key(table, cells, at) for at, cells in some)
            counts.append(OrphanCount(table.name.name, index, len(rows), keys_of))
    return tuple(counts)


def _spelled_apart(snapshot: Path, database: Database, table: Table) -> tuple[OrphanCount, ...]:
    return _counted(snapshot, table, lambda index: references.spelled_apart(snapshot, database, table, index))


def _written_apart(
    snapshot: Path, database: Database, table: Table, found: Mapping[str, _Found]
) -> tuple[OrphanCount, ...]:
    classes = {
        (name, column.name): column.classes
        for name in {table.name.name, *(key.parent.name for key in table.foreign_keys)}
        if name in found
        for column in found[name].table.columns
    }
    if all(len(names) < 2 for names in classes.values()):
        return ()
    return _counted(snapshot, table, lambda index: references.written_apart(snapshot, database, table, index, classes))


def _counted(snapshot: Path, table: Table, rows_of: Callable[[int], list[int]]) -> tuple[OrphanCount, ...]:
    counts: list[OrphanCount] = []
    for index in range(len(table.foreign_keys)):
        if rows := rows_of(index):
            keys = tuple(row_key(table, cells, at) for at, cells in typed_cells(snapshot, table, rows[:SHOWN_KEYS]))
            counts.append(OrphanCount(table.name.name, index, len(rows), keys))
    return tuple(counts)


def _in_references(database: Database) -> dict[TableName, set[str]]:
    """Table → its columns that refer to another table's single column, or are referred to so."""
    found: dict[TableName, set[str]] = {}
    for table in database.tables:
        for key in table.foreign_keys:
            if len(key.columns) == 1:
                found.setdefault(table.name, set()).add(key.columns[0])
            if len(key.parent_columns) == 1:
                found.setdefault(key.parent, set()).add(key.parent_columns[0])
    return found


def _missing(database: Database, table: Table, key: ForeignKey, found: Mapping[str, _Found]) -> pa.Array | None:
    """The integers of a reference that its parent does not have; None where that cannot be told from the profiles."""
    parent = database.table(key.parent)
    if parent is None or len(key.columns) != 1 or len(key.parent_columns) != 1:
        return None
    if not any(unique and unique.columns == key.parent_columns for unique in (parent.primary_key, *parent.uniques)):
        return None
    ours, theirs = found[table.name.name], found[parent.name.name]
    try:
        child, keys = ours.table.column(key.columns[0]), theirs.table.column(key.parent_columns[0])
    except KeyError:
        return None
    if not child.classes:
        return pa.array([], pa.int64())
    wanted, there = ours.integers.get(child.name), theirs.integers.get(keys.name)
    if child.classes != ("integer",) or keys.classes != ("integer",) or wanted is None or there is None:
        return None
    return pc.unique(wanted.filter(pc.invert(pc.is_in(wanted, there))))
