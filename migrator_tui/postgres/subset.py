"""A part of the target's rows in which every foreign key holds.

Rows are chosen by tables and conditions. Downwards, a row that refers to a table with a condition is left out where the
row that it refers to does not meet it. Upwards, the rows that a chosen row refers to come along, whatever their own
table's condition says, and what those refer to, and so on. Foreign keys of a cycle work upwards only.
"""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import psycopg

from migrator_tui.convert.identifiers import quote
from migrator_tui.model.errors import UsageError
from migrator_tui.model.schema import ForeignKey, Table, TableName
from migrator_tui.postgres.extract import Catalogue, Extract, from_clause
from migrator_tui.postgres.merge import sql

AT_ONCE = 2_000
"""Rows that one query names by their place."""

DEEPEST = 50
LONGEST = 100_000
"""Foreign keys one after another, and characters, of a condition; what goes beyond works upwards only."""

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
        restricted = self._restricted()
        self._conditions = {table.name: self._condition(table.name, restricted) for table in wanted}
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

    def _condition(self, name: TableName, restricted: Mapping[TableName, str]) -> str | None:
        """Which rows are chosen before any come along: None for all."""
        if self._chosen is not None and name not in self._chosen:
            return "false"
        return restricted.get(name)

    def _restricted(self) -> dict[TableName, str]:
        """Table → which of its rows meet the conditions, its own or those of what they refer to."""
        above = self._above()
        found: dict[TableName, str] = {}
        depths: dict[TableName, int] = {}
        for name in graphlib.TopologicalSorter(above).static_order():
            if name in self._where:
                found[name], depths[name] = f"({self._where[name]}\n)", 0
                continue
            keys = [key for key in self._keys(name) if key.parent in above[name] and key.parent in found]
            depth = 1 + max((depths[key.parent] for key in keys), default=0)
            text = " AND ".join(self._met(name, key, found[key.parent]) for key in keys)
            if text and depth <= DEEPEST and len(text) <= LONGEST:
                found[name], depths[name] = text, depth
        return found

    def _above(self) -> dict[TableName, set[TableName]]:
        """Table → those that it refers to and that a condition reaches, without the foreign keys of a cycle."""
        below: dict[TableName, set[TableName]] = {}
        for name in self._all:
            for key in self._keys(name):
                below.setdefault(key.parent, set()).add(name)
        reached = _reached(self._where, lambda name: below.get(name, ()))
        above: dict[TableName, set[TableName]] = {name: set() for name in self._where}
        for name in reached - self._where.keys():
            under = _reached([name], lambda n: () if n in self._where else below.get(n, ()))
            above[name] = {key.parent for key in self._keys(name) if key.parent in reached} - (
                under - self._where.keys()
            )
        return above

    def _met(self, name: TableName, key: ForeignKey, condition: str) -> str:
        # IN and not EXISTS, which the planner plans twice, and what is within it twice again.
        own = [f"{quote(name.name)}.{quote(column)}" for column in key.columns]
        theirs = ", ".join(f"{quote(key.parent.name)}.{quote(column)}" for column in key.parent_columns)
        parent = from_clause(self._all[key.parent], self._catalogue)
        found = f"({', '.join(own)}) IN (SELECT {theirs} FROM {parent} WHERE {condition})"
        return f"({' OR '.join([*(f'{column} IS NULL' for column in own), found])})"

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


def _reached(starts: Iterable[TableName], following: Callable[[TableName], Collection[TableName]]) -> set[TableName]:
    found = set(starts)
    waiting = list(found)
    while waiting:
        for name in following(waiting.pop()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found


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
