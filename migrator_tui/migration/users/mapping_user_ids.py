"""The companion that keeps which UUID each user id of the source became, in the transaction that publishes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.convert.user_ids import namespace_of, user_id
from migrator_tui.migration.companions import RunContext, Silent
from migrator_tui.model.errors import SourceError
from migrator_tui.model.plan import Plan
from migrator_tui.model.project import UsersPlan
from migrator_tui.sqlite.snapshot import connect
from migrator_tui.supabase import key_map


class MappingUserIds(Silent):
    """Writes ``migrator.key_map``; undoing the run needs nothing, for the map counts as long as the run does."""

    name = "user ids"

    def within_publish(self, connection: psycopg.Connection[Any], context: RunContext) -> None:
        """Every id that is sent, those of rows that refer to nobody included."""
        users = context.plan.users
        if users is not None:
            with closing(ids_of(context.source.snapshot, context.plan, users)) as pairs:
                key_map.write(connection, context.run, users.scope.table, pairs)


def ids_of(snapshot: Path, plan: Plan, users: UsersPlan) -> Generator[tuple[key_map.Key, UUID], None, None]:
    """Every id of a user in the source, once, and its UUID."""
    places = [(t.source, c.source) for t in plan.moved for c in t.columns if namespace_of(c.codec) is not None]
    # What the users' own table has comes from there; in the others only what is not in it is looked for.
    id, table_of_users = quote_sqlite(users.scope.id), quote_sqlite(users.scope.table)
    known = f"(SELECT CAST({id} AS TEXT) FROM {table_of_users})"
    asked = [f"SELECT {id} COLLATE BINARY FROM {table_of_users}"] + [
        f"SELECT {quote_sqlite(column)} FROM {quote_sqlite(table)} "
        f"WHERE CAST({quote_sqlite(column)} AS TEXT) COLLATE BINARY NOT IN {known}"
        for table, column in places
        if (table, column) != (users.scope.table, users.scope.id)
    ]
    matched = {key: UUID(uuid) for key, uuid in users.matched.items()}
    try:
        with closing(connect(snapshot)) as connection:
            for (found,) in connection.execute(" UNION ".join(asked)):
                if found is not None:
                    key = str(found)
                    yield found, matched.get(key) or user_id(users.namespace, key)
    except sqlite3.Error as error:
        raise SourceError("SOURCE-READ", f"The ids of {users.scope.table} cannot be read: {error}.", "") from error
