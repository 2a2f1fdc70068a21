"""The rows that a sync brings into the file: read from staging, given back by each column's codec, and written into
``next.sqlite``, a copy of the snapshot. Of a row that is there already only the columns that are apart are written."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrator_tui.convert.identifiers import quote, quote_sqlite
from migrator_tui.convert.to_sqlite_types import LiveType, Way, way, way_by_codec
from migrator_tui.locations import PRIVATE_FILE
from migrator_tui.migration.syncing.sync_record import NEXT
from migrator_tui.migration.users.given_back import UserIds
from migrator_tui.model.errors import SourceError
from migrator_tui.model.plan import ColumnPlan, TablePlan
from migrator_tui.model.schema import Table
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.extract import Catalogue, Extract
from migrator_tui.postgres.three_way import ThreeWay
from migrator_tui.sqlite.locating import located_source
from migrator_tui.sqlite.snapshot import snapshot_uri


@dataclass(frozen=True, slots=True)
class BackTable:
    """A table that the file gets rows of.

    Attributes:
        source: As SQLite describes it.
        codecs: Target column → the codec by which its values get their form in the file.
        user_ids: What ids of users are in the file.
        given: Source column that the target does not have → what it holds in rows that are new in the file.
    """

    way: ThreeWay
    source: Table
    codecs: Mapping[str, str]
    user_ids: UserIds | None = None
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def plan(self) -> TablePlan:
        """How it is moved."""
        return self.way.table


def build(folder: Path, snapshot: Path, tables: Sequence[BackTable], target: Target) -> Path:
    """Make ``next.sqlite``.

    Raises:
        SourceError: ``SYNC-SOURCE-REFUSED``: a constraint of the file refuses a row.
        TargetError: The rows cannot be read.
    """
    part, final = folder / f"{NEXT}.part", folder / NEXT
    shutil.copyfile(snapshot, part)
    part.chmod(PRIVATE_FILE)
    with closing(sqlite3.connect(part, isolation_level=None)) as connection, Extract(target) as extract:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {quote_sqlite(name)}")
        catalogues = {schema: extract.catalogue(schema) for schema in {t.plan.target.schema for t in tables}}
        writers = [_Writer(snapshot, table, catalogues[table.plan.target.schema]) for table in tables]
        for op in ("delete", "update", "insert"):
            for writer in writers:
                for rows in writer.read(extract, op):
                    writer.write(connection, op, rows)
        connection.execute("COMMIT")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(final)
    return final


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows with all their cells, column by column; ``apart`` are target names."""

    locators: Sequence[int | None]
    apart: Sequence[frozenset[str]]
    cells: Sequence[Sequence[Any]]

    def row(self, at: int, chosen: Sequence[int]) -> tuple[Any, ...]:
        return tuple(self.cells[number][at] for number in chosen)


class _Writer:
    """Brings one table's rows."""

    def __init__(self, snapshot: Path, table: BackTable, catalogue: Catalogue) -> None:
        self._snapshot = snapshot
        self._table = table
        self._name = quote_sqlite(table.source.name.name)
        computed = table.way.computed
        self._columns = tuple(column for column in table.plan.moved_columns if column.target not in computed)
        types = catalogue.types
        self._ways = [self._way(c, types[table.plan.target.name, c.target]) for c in self._columns]

    def _way(self, column: ColumnPlan, live: LiveType) -> Way:
        natural = way(live, column.target)
        declared = self._table.source.column(column.source).type
        codec = self._table.codecs.get(column.target, column.codec)
        if self._table.user_ids is not None:
            of_user = self._table.user_ids.way(column.target, codec, declared, natural.collation)
            if of_user is not None:
                return of_user
        return way_by_codec(live, column.target, codec, declared, natural.collation) or natural

    def read(self, extract: Extract, op: str) -> Iterator[_Rows]:
        """The rows that are written in one way."""
        listed = ["_mt_src", "_mt_apart"]
        for number, found in enumerate(self._ways):
            listed += [f"{expression} AS {quote(f'c{number}_{n}')}" for n, expression in enumerate(found.select)]
        query = f"SELECT {', '.join(listed)} FROM {self._table.way.back} WHERE _mt_op = '{op}' ORDER BY _mt_n"
        for batch in extract.stream(query):
            arrays = iter(batch.columns)
            locators, apart = next(arrays).to_pylist(), next(arrays).to_pylist()
            cells = []
            for found in self._ways:
                parts = [part.to_pylist() for part in found.decode(tuple(next(arrays) for _ in found.select)).parts]
                cells.append([next((v for v in values if v is not None), None) for values in zip(*parts, strict=True)])
            yield _Rows(locators, [frozenset(json.loads(names)) for names in apart], cells)

    def write(self, connection: sqlite3.Connection, op: str, rows: _Rows) -> None:
        """Write them.

        Raises:
            SourceError: ``SYNC-SOURCE-REFUSED``.
        """
        try:
            if op == "insert":
                self._insert(connection, rows)
            elif op == "delete":
                where, places = self._places(rows.locators)
                connection.executemany(f"DELETE FROM {self._name} WHERE {where}", places)
            else:
                self._update(connection, rows)
        except sqlite3.IntegrityError as error:
            raise SourceError(
                "SYNC-SOURCE-REFUSED",
                f"The file does not take a row of {self._table.source.name.name} as the target has it: {error}. "
                "Nothing was changed.",
                "Change the row on one end, or decide otherwise, and sync again.",
            ) from error

    def _insert(self, connection: sqlite3.Connection, rows: _Rows) -> None:
        given = self._table.given
        listed = ", ".join(map(quote_sqlite, [*(column.source for column in self._columns), *given]))
        marks = ", ".join("?" * (len(self._columns) + len(given)))
        connection.executemany(
            f"INSERT INTO {self._name} ({listed}) VALUES ({marks})",
            [(*rows.row(at, range(len(self._columns))), *given.values()) for at in range(len(rows.locators))],
        )

    def _update(self, connection: sqlite3.Connection, rows: _Rows) -> None:
        where, places = self._places(rows.locators)
        alike: dict[frozenset[str], list[int]] = {}
        for at, names in enumerate(rows.apart):
            alike.setdefault(names, []).append(at)
        for names, positions in alike.items():
            chosen = [number for number, column in enumerate(self._columns) if column.target in names]
            values = ", ".join(f"{quote_sqlite(self._columns[number].source)} = ?" for number in chosen)
            connection.executemany(
                f"UPDATE {self._name} SET {values} WHERE {where}",
                [(*rows.row(at, chosen), *places[at]) for at in positions],
            )

    def _places(self, locators: Sequence[int | None]) -> tuple[str, list[tuple[Any, ...]]]:
        """How rows are found in the copy: by rowid, or by the key that they have in the snapshot."""
        table = self._table.source
        if table.locator is not None:
            return f"{table.locator} = ?", [(locator,) for locator in locators]
        assert table.primary_key is not None
        key = [quote_sqlite(name) for name in table.primary_key.columns]
        keys = self._keys(key, [locator for locator in locators if locator is not None])
        return " AND ".join(f"{name} = ?" for name in key), [
            keys[locator] for locator in locators if locator is not None
        ]

    def _keys(self, key: Sequence[str], locators: Sequence[int]) -> Mapping[int, tuple[Any, ...]]:
        at, source = located_source(self._table.source)
        with closing(sqlite3.connect(snapshot_uri(self._snapshot), uri=True)) as connection:
            connection.execute("CREATE TEMP TABLE mt_wanted (n INTEGER PRIMARY KEY)")
            connection.executemany("INSERT OR IGNORE INTO mt_wanted VALUES (?)", [(n,) for n in locators])
            rows = connection.execute(
                f"SELECT x.* FROM (SELECT {at} AS mt_at, {', '.join(key)} FROM {source}) x "
                "JOIN mt_wanted w ON w.n = mt_at"
            )
            return {row[0]: row[1:] for row in rows}
