"""A part of the target's rows in which every foreign key holds.

Rows are chosen by tables and conditions. Downwards, a row that refers to a table with a condition is left out where the
row that it refers to does not meet it. Upwards, the rows that a chosen row refers to come along, whatever their own
table's condition says, and what those refer to, and so on. Foreign keys of a cycle work upwards only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import psycopg

from migrator_tui.convert.identifiers import quote
from migrator_tui.model.errors import UsageError
from migrator_tui.model.schema import ForeignKey, Table, TableName
from migrator_tui.postgres.extract import Catalogue, Extract, from_clause
from migrator_tui.postgres.merge import sql

AT_ONCE = 2_000
"""Rows that one query names by their place."""

Place = tuple[int, str]
"""Where a row is in this snapshot: the oid of its table or partition, and its ctid."""


class Subset:
    """Which rows are pulled.

    Args:
        tables: All tables that there are.
        chosen: Those that were asked for; None for all.
        where: A condition a table.
    """

    def __init__(
        self,
        extract: Extract,
        catalogue: Catalogue,
        tables: Sequence[Table],
        chosen: Collection[TableName] | None,
        where: Mapping[TableName, str],
    ) -> None:
        self._extract = extract
        self._catalogue = catalogue
        self._all = {table.name: table for table in tables}
        self._chosen = None if chosen is None else {*chosen, *where}
        self._where = where
        self._along: dict[TableName, set[Place]] = {}
        self._conditions: dict[TableName, str | None] = {}

    @property
    def tables(self) -> list[Table]:
        """Those that were asked for, and all that they refer to, one through another."""
        if self._chosen is None:
            return list(self._all.values())
        wanted, waiting = set(self._chosen), list(self._chosen)
        while waiting:
            for key in self._keys(waiting.pop()):
                if key.parent not in wanted:
                    wanted.add(key.parent)
                    waiting.append(key.parent)
        return [table for name, table in self._all.items() if name in wanted]

    def work_out(self) -> None:
        """Find the rows that come along.

        Raises:
            UsageError: ``PULL-WHERE``: the target does not take a condition.
        """
        for name, given in self._where.items():
            self._try(name, given)
        wanted = self.tables
        self._conditions = {table.name: self._condition(table.name) for table in wanted}
        fresh: dict[TableName, set[Place]] = {}
        for table in wanted:
            condition = self._conditions[table.name]
            if condition != "false":
                self._refer(table, condition or "true", fresh)
        while fresh:
            waiting, fresh = fresh, {}
            for name, places in waiting.items():
                for part in _parts(name, places):
                    self._refer(self._all[name], part, fresh)

    def queries(self, name: TableName) -> Iterator[str]:
        """WHERE clauses that give the table's rows, each row once; an empty one for all."""
        condition = self._conditions.get(name)
        if condition is None:
            yield ""
            return
        if condition != "false":
            yield f" WHERE {condition}"
        for part in _parts(name, self._along.get(name, set())):
            yield f" WHERE {part}"

    def _try(self, name: TableName, condition: str) -> None:
        query = f"SELECT 1 FROM {from_clause(self._all[name], self._catalogue)} WHERE ({condition}\n) LIMIT 0"
        try:
            # Binary results take the protocol that lets no second statement in.
            with self._extract.connection.cursor(binary=True) as cursor:
                cursor.execute(sql(query))
        except psycopg.Error as error:
            said = (error.diag.message_primary or str(error)).rstrip(".")
            raise UsageError(
                "PULL-WHERE",
                f"The condition for {name.name} is refused: {said}.",
                "Write it in Postgres' SQL, over the table's columns as the target names them.",
            ) from error

    def _keys(self, name: TableName) -> list[ForeignKey]:
        return [key for key in self._all[name].foreign_keys if key.parent in self._all]

    def _condition(self, name: TableName) -> str | None:
        """Which rows are chosen before any come along: None for all."""
        if self._chosen is not None and name not in self._chosen:
            return "false"
        return self._restricted(name, ())

    def _restricted(self, name: TableName, path: tuple[TableName, ...]) -> str | None:
        if name in self._where:
            return f"({self._where[name]}\n)"
        parts = []
        for key in self._keys(name):
            if key.parent == name or key.parent in path:
                continue
            condition = self._restricted(key.parent, (*path, name))
            if condition is None:
                continue
            parent = from_clause(self._all[key.parent], self._catalogue)
            pairs = [
                f"{quote(key.parent.name)}.{quote(theirs)} = {quote(name.name)}.{quote(own)}"
                for own, theirs in zip(key.columns, key.parent_columns, strict=True)
            ]
            unset = [f"{quote(name.name)}.{quote(own)} IS NULL" for own in key.columns]
            found = f"EXISTS (SELECT 1 FROM {parent} WHERE {' AND '.join([*pairs, condition])})"
            parts.append(f"({' OR '.join([*unset, found])})")
        return " AND ".join(parts) or None

    def _refer(self, table: Table, condition: str, fresh: dict[TableName, set[Place]]) -> None:
        """Note the rows that a table's rows refer to and that are not chosen yet."""
        source = from_clause(table, self._catalogue)
        for key in self._keys(table.name):
            chosen = self._conditions[key.parent]
            if chosen is None:
                continue
            parent = quote(key.parent.name)
            theirs = ", ".join(f"{parent}.{quote(column)}" for column in key.parent_columns)
            own = ", ".join(f"{quote(table.name.name)}.{quote(column)}" for column in key.columns)
            rows = self._extract.rows(
                f"SELECT {parent}.tableoid::bigint, {parent}.ctid::text "
                f"FROM {from_clause(self._all[key.parent], self._catalogue)} "
                f"WHERE ({theirs}) IN (SELECT {own} FROM {source} WHERE {condition}) "
                f"AND NOT coalesce(({chosen}), false)"
            )
            known = self._along.setdefault(key.parent, set())
            if new := {(oid, place) for oid, place in rows} - known:
                known |= new
                fresh.setdefault(key.parent, set()).update(new)


def _parts(name: TableName, places: Collection[Place]) -> Iterator[str]:
    """Conditions that name rows by their place, some rows each."""
    by_table: dict[int, list[str]] = {}
    for oid, place in sorted(places):
        by_table.setdefault(oid, []).append(place)
    own = quote(name.name)
    for oid, found in by_table.items():
        for first in range(0, len(found), AT_ONCE):
            listed = ",".join(f'"{place}"' for place in found[first : first + AT_ONCE])
            yield f"({own}.tableoid = {oid} AND {own}.ctid = ANY ('{{{listed}}}'::tid[]))"
