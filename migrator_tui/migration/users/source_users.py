"""The source's users: the rows of the table that the plan names, and what becomes of each of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.errors import SourceError, UsageError
from migrator_tui.model.project import UsersPlan, UsersScope
from migrator_tui.model.schema import Database, Table, TableName
from migrator_tui.sqlite.locating import located_source
from migrator_tui.sqlite.snapshot import connect
from migrator_tui.supabase.auth_users import SourceUser, Users, users_of

_FIELDS = ("id", "email", "phone", "password_hash", "role", "name", "created", "confirmed")


def users_table(database: Database, scope: UsersScope) -> Table:
    """The table of users.

    Raises:
        UsageError: ``USERS-TABLE`` or ``USERS-COLUMN``: the source has none of that name; or ``USERS-ADDRESS``: no
            column holds an address.
    """
    table = database.table(TableName("", scope.table))
    if table is None:
        known = ", ".join(one.name.name for one in database.tables[:12])
        raise UsageError("USERS-TABLE", f"The source has no table {scope.table} of users.", f"It has: {known}.")
    columns = [one.name for one in table.columns]
    for field in _FIELDS:
        column = getattr(scope, field)
        if column is not None and column not in columns:
            raise UsageError(
                "USERS-COLUMN",
                f"users.{field}: {scope.table} has no column {column}.",
                f"It has: {', '.join(columns)}.",
            )
    if scope.email is None and scope.phone is None:
        raise UsageError(
            "USERS-ADDRESS",
            f"No column of {scope.table} is named that holds an e-mail address or a phone number.",
            "Name it: `users.email` or `users.phone`. Supabase Auth has no users without either.",
        )
    return table


def read_users(snapshot: Path, database: Database, plan: UsersPlan, *, without: Collection[int] = frozenset()) -> Users:
    """What becomes of every row of the users table.

    Args:
        without: Locators of rows that stay behind, of whom no users are made.

    Raises:
        UsageError: As :func:`users_table`.
        SourceError: SQLite cannot read the rows.
    """
    table = users_table(database, plan.scope)
    try:
        with closing(connect(snapshot)) as connection:
            return users_of((row for row in _rows(connection, table, plan.scope) if row.locator not in without), plan)
    except sqlite3.Error as error:
        raise SourceError("SOURCE-READ", f"The rows of {table.name} cannot be read: {error}.", "") from error


def _rows(connection: sqlite3.Connection, table: Table, scope: UsersScope) -> Iterator[SourceUser]:
    connection.text_factory = lambda stored: stored.decode("utf-8", "replace")
    locator, source = located_source(table)
    columns = [getattr(scope, field) for field in _FIELDS]
    wanted = ", ".join("NULL" if column is None else quote_sqlite(column) for column in columns)
    for row in connection.execute(f"SELECT {locator}, {wanted} FROM {source} ORDER BY 1"):
        yield SourceUser(*row)
