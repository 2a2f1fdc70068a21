"""Foreign keys that run in a circle: rows that refer to one another are written and deleted within one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge_parts import sql


@contextmanager
def checked_at_the_end(connection: psycopg.Connection[Any], tables: Sequence[TableName]) -> Iterator[None]:
    """Within the caller's transaction: foreign keys of circles among these tables are checked when the block ends.

    Those that cannot be deferred are made so, and are again as they were afterwards.
    """
    rigid = _of_circles(connection, tables)
    try:
        with connection.transaction():
            for table, name in rigid:
                connection.execute(
                    sql(f"ALTER TABLE {table} ALTER CONSTRAINT {quote(name)} DEFERRABLE INITIALLY DEFERRED")
                )
    except errors.InsufficientPrivilege:  # somebody else's tables: only rows that close a circle are refused then
        rigid = []
    yield
    if rigid:
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table, name in rigid:
            connection.execute(sql(f"ALTER TABLE {table} ALTER CONSTRAINT {quote(name)} NOT DEFERRABLE"))


def _of_circles(connection: psycopg.Connection[Any], tables: Sequence[TableName]) -> list[tuple[str, str]]:
    """The foreign keys that close a circle of several of the tables and cannot be deferred."""
    rows = connection.execute(
        "SELECT conrelid::regclass::text, confrelid::regclass::text, conname::text, condeferrable FROM pg_constraint "
        "WHERE contype = 'f' AND conparentid = 0 AND conrelid <> confrelid AND conrelid = ANY(%(names)s::regclass[]) "
        "AND confrelid = ANY(%(names)s::regclass[]) ORDER BY 1, 3",
        {"names": [quote_name(table) for table in tables]},
    ).fetchall()
    parents: dict[str, set[str]] = {}
    for child, parent, _, _ in rows:
        parents.setdefault(child, set()).add(parent)

    def reaches(start: str, end: str) -> bool:
        seen, waiting = set[str](), [start]
        while waiting:
            at = waiting.pop()
            if at == end:
                return True
            if at not in seen:
                seen.add(at)
                waiting += parents.get(at, ())
        return False

    return [(child, name) for child, parent, name, deferrable in rows if not deferrable and reaches(parent, child)]
