"""Triggers on auth.users, and what they write into an application's tables when a user is made.

The customary ``handle_new_user`` adds a row to a table of profiles. Such rows are found by what they hold: the
identifier of a user that this run made, in a column of type uuid, where there was none before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge import row_hash, sql

_NOT_THE_APPLICATIONS = ("auth", "storage", "migrator", "pg_catalog", "information_schema", "realtime", "vault")
_STAGING_PREFIX = "migrator\\_%"


@dataclass(frozen=True, slots=True)
class UserTrigger:
    """A trigger on auth.users that somebody else made.

    Attributes:
        definition, function_text: As the server writes them.
        on_insert: It fires when a user is made.
    """

    name: str
    function: str
    definition: str
    function_text: str
    on_insert: bool


@dataclass(frozen=True, slots=True)
class TriggeredRow:
    """A row that appeared in an application's table when a user was made.

    Attributes:
        hash: Of the whole row as it appeared.
    """

    table: TableName
    column: str
    user: UUID
    hash: str

    def as_json(self) -> dict[str, str]:
        """As the ledger keeps it."""
        return {"schema": self.table.schema, "table": self.table.name, "column": self.column, "hash": self.hash}

    @classmethod
    def from_json(cls, user: UUID, kept: Mapping[str, str]) -> TriggeredRow:
        """What :meth:`as_json` gave."""
        return cls(TableName(kept["schema"], kept["table"]), kept["column"], user, kept["hash"])


def triggers(connection: psycopg.Connection[Any]) -> list[UserTrigger]:
    """The triggers on auth.users that are switched on."""
    rows = connection.execute(
        "SELECT t.tgname::text, t.tgfoid::regproc::text, pg_get_triggerdef(t.oid), pg_get_functiondef(t.tgfoid), "
        "(t.tgtype & 4) <> 0 FROM pg_trigger t WHERE t.tgrelid = to_regclass('auth.users') AND NOT t.tgisinternal "
        "AND t.tgenabled IN ('O', 'A') ORDER BY 1"
    ).fetchall()
    return [UserTrigger(*row) for row in rows]


def rows_of_users(
    connection: psycopg.Connection[Any], ids: Collection[UUID], apart: Collection[TableName] = ()
) -> list[TriggeredRow]:
    """The rows of an application's tables that hold one of these users' identifiers in a column of type uuid.

    Args:
        apart: Tables that are not looked at: the run's own.
    """
    found = []
    for table, column in _uuid_columns(connection):
        if table not in apart:
            found += rows_in(connection, table, column, ids)
    return found


def rows_in(
    connection: psycopg.Connection[Any], table: TableName, column: str, ids: Collection[UUID]
) -> list[TriggeredRow]:
    """The rows of a table that hold one of these users' identifiers in a column."""
    rows = connection.execute(_rows_holding(table, column), (list(ids),)).fetchall()
    return [TriggeredRow(table, column, user, hash) for user, hash in rows]


def changed_rows(connection: psycopg.Connection[Any], rows: Sequence[TriggeredRow]) -> dict[UUID, str]:
    """Users of whom such a row was changed, or joined by others, since it appeared, each with what it is."""
    changed: dict[UUID, str] = {}
    for (table, column), of in _by_place(rows).items():
        if not _exists(connection, table):
            continue
        now: dict[UUID, set[str]] = {}
        for user, hash in connection.execute(
            _rows_holding(table, column),
            ([row.user for row in of],),
        ).fetchall():
            now.setdefault(user, set()).add(hash)
        then: dict[UUID, set[str]] = {}
        for row in of:
            then.setdefault(row.user, set()).add(row.hash)
        for user, hashes in then.items():
            if not now.get(user, set()) <= hashes:
                changed.setdefault(user, f"their row in {table} was changed since")
    return changed


def delete_rows(connection: psycopg.Connection[Any], rows: Sequence[TriggeredRow]) -> int:
    """Delete such rows where they are what they were when they appeared; how many went."""
    gone = 0
    for (table, column), of in _by_place(rows).items():
        if _exists(connection, table):
            gone += connection.execute(
                sql(
                    f"DELETE FROM {_named(quote_name(table))} t USING unnest(%s::uuid[], %s::text[]) AS w(id, hash) "
                    f"WHERE t.{_named(quote(column))} = w.id AND {row_hash('t')} = w.hash"
                ),
                ([row.user for row in of], [row.hash for row in of]),
            ).rowcount
    return gone


def counts(rows: Sequence[TriggeredRow]) -> dict[TableName, int]:
    """How many rows appeared, by table; a row with a user's identifier in two columns is one."""
    seen = {(row.table, row.user, row.hash) for row in rows}
    found: dict[TableName, int] = {}
    for table, _, _ in sorted(seen, key=str):
        found[table] = found.get(table, 0) + 1
    return found


def _rows_holding(table: TableName, column: str) -> LiteralString:
    held = f"t.{_named(quote(column))}"
    return sql(f"SELECT {held}, {row_hash('t')} FROM {_named(quote_name(table))} t WHERE {held} = ANY(%s)")


def _named(identifier: str) -> str:
    """An identifier beside parameters, where psycopg would read % as one."""
    return identifier.replace("%", "%%")


def _by_place(rows: Sequence[TriggeredRow]) -> dict[tuple[TableName, str], list[TriggeredRow]]:
    places: dict[tuple[TableName, str], list[TriggeredRow]] = {}
    for row in rows:
        places.setdefault((row.table, row.column), []).append(row)
    return places


def _exists(connection: psycopg.Connection[Any], table: TableName) -> bool:
    return connection.execute("SELECT to_regclass(%s) IS NOT NULL", (quote_name(table),)).fetchone() == (True,)


def _uuid_columns(connection: psycopg.Connection[Any]) -> list[tuple[TableName, str]]:
    rows = connection.execute(
        "SELECT n.nspname::text, c.relname::text, a.attname::text FROM pg_attribute a "
        "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped "
        "AND a.atttypid = 'uuid'::regtype AND n.nspname <> ALL(%s) AND n.nspname NOT LIKE %s "
        "AND n.nspname NOT LIKE 'pg\\_%%' AND has_schema_privilege(n.oid, 'USAGE') "
        "AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, 2, 3",
        (list(_NOT_THE_APPLICATIONS), _STAGING_PREFIX),
    ).fetchall()
    return [(TableName(schema, table), column) for schema, table, column in rows]
