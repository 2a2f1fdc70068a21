"""Which rows follow one that gets another key, or becomes one with another: shown before that is decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors
from psycopg.types.json import Jsonb

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.plan import Plan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.ddl import staging_schema
from migrator_tui.postgres.merge import Merge, sql
from migrator_tui.postgres.merge_parts import Parts, key_json
from migrator_tui.postgres.rekeying import live_references, references

FIRST = 5
"""So many of them are named."""
PATIENCE_MS = 2_000
"""A person waits for them: a table without an index for its foreign key may be long."""


@dataclass(frozen=True, slots=True)
class Followers:
    """Rows of one table that refer to a row.

    Attributes:
        side: ``source`` for staged rows, ``target`` for live ones.
        of: The key of the row that they refer to.
        found: How many; None where counting them took too long.
        keys: Of the first ones.
    """

    side: str
    of: Mapping[str, Any]
    table: str
    found: int | None
    keys: tuple[Mapping[str, Any], ...]


class Following:
    """The rows that refer to those of one merged table."""

    def __init__(self, connection: psycopg.Connection[Any], plan: Plan, run: str, merge: Merge) -> None:
        self._connection = connection
        self._plan = plan
        self._run = run
        self._m = merge
        self._references = [r for r in references(connection, plan) if r.parent == merge.table.source]

    def counted(self, rows: Sequence[int]) -> int:
        """How many staged rows refer to these staged rows, by locator, which have a choice."""
        found = 0
        for reference in self._references:
            child = Parts(self._plan.table(reference.child), staging_schema(self._run), ())
            row = self._connection.execute(
                sql(
                    f"SELECT count(*) FROM {child.bare} c JOIN {self._m.bare} p "
                    f"ON {_refers(reference.columns, reference.parent_columns)} "
                    f"JOIN {self._m.state} d ON d.src = p.{self._m.locator} "
                    "WHERE d.choice IS NOT NULL AND d.src = ANY(%s)"
                ),
                (list(rows),),
            ).fetchone()
            found += int(row[0]) if row else 0
        return found

    def of_source(self, key: Mapping[str, Any]) -> Iterator[Followers]:
        """Staged rows that refer to the staged row of a key."""
        for reference in self._references:
            table = self._plan.table(reference.child)
            child = Parts(table, staging_schema(self._run), ())
            primary = table.primary_key.columns if table.primary_key else ()
            columns = table.match_key or primary
            parent = f"{self._m.bare} p JOIN {self._m.state} d ON d.src = p.{self._m.locator} AND d.key = %s"
            on = _refers(reference.columns, reference.parent_columns)
            yield self._found("source", key, reference.child, f"{child.bare} c JOIN {parent} ON {on}", columns)

    def of_live(self, key: Mapping[str, Any]) -> Iterator[Followers]:
        """Live rows that refer to the live row of a key."""
        for child, columns, parents in live_references(self._connection, self._m.table.target):
            parent = f"{self._m.live} p CROSS JOIN (SELECT %s::jsonb AS key) k"
            on = f"{_refers(columns, parents)} AND {self._m.by_key('p', 'k.key')}"
            rows = f"{quote_name(child)} c JOIN ({parent}) ON {on}"
            yield self._found("target", key, str(child), rows, self._primary(child))

    def _found(self, side: str, of: Mapping[str, Any], table: str, rows: str, key: Sequence[str]) -> Followers:
        named = key_json("c", tuple(key)) if key else "NULL"
        try:
            with self._connection.transaction():
                self._connection.execute(sql(f"SET LOCAL statement_timeout = {PATIENCE_MS}"))
                found = self._connection.execute(
                    sql(f"SELECT {named}, count(*) OVER () FROM {rows} ORDER BY 1 LIMIT {FIRST}"), (Jsonb(dict(of)),)
                ).fetchall()
                self._connection.execute("SET LOCAL statement_timeout = DEFAULT")
        except errors.QueryCanceled:
            return Followers(side, of, table, None, ())
        keys = tuple(row[0] for row in found if row[0] is not None)
        return Followers(side, of, table, int(found[0][1]) if found else 0, keys)

    def _primary(self, table: TableName) -> list[str]:
        rows = self._connection.execute(
            "SELECT a.attname::text FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(num, n) "
            "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num "
            "WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY k.n",
            (quote_name(table),),
        )
        return [name for (name,) in rows]


def _refers(columns: Sequence[str], parents: Sequence[str]) -> str:
    """SQL: a child ``c`` refers to a parent ``p``."""
    return " AND ".join(f"c.{quote(a)} = p.{quote(b)}" for a, b in zip(columns, parents, strict=True))
