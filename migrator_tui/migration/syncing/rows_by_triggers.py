"""Rows that triggers on auth.users write where a new user of the file is to have theirs.

As a trigger left it such a row is nobody's work: the file's row takes its place, journalled and archived as any row
that is overwritten. One that somebody changed since, as a user does who signs in meanwhile, is a conflict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

import psycopg

from migrator_tui.convert.user_ids import namespace_of
from migrator_tui.migration.users.taking_back_users import by_user, in_own_tables
from migrator_tui.model.plan import Plan, TablePlan
from migrator_tui.postgres.three_way import ThreeWay
from migrator_tui.supabase import auth_ledger, auth_triggers
from migrator_tui.supabase.auth_triggers import TriggeredRow


def there(connection: psycopg.Connection[Any], plan: Plan, ids: Collection[UUID]) -> list[TriggeredRow]:
    """The rows of users in tables that are synced."""
    return [
        row
        for table in plan.moved
        for column in _of_users(table)
        for row in auth_triggers.rows_in(connection, table.target, column, ids)
    ]


def keep(
    connection: psycopg.Connection[Any],
    plan: Plan,
    run: str,
    made: Collection[UUID],
    before: Collection[TriggeredRow],
) -> None:
    """Note the rows that there are for users who were made this moment, as they are.

    Args:
        before: Those that were there before the users were: they are somebody's, also where a trigger changed them.
    """
    somebodys = {(row.table, row.column, row.user) for row in before}
    rows = [r for r in there(connection, plan, made) if (r.table, r.column, r.user) not in somebodys] if made else []
    if rows:
        auth_ledger.add_detail(connection, run, auth_ledger.OWN, by_user(rows))


def take_over(connection: psycopg.Connection[Any], ways: Mapping[str, ThreeWay], run: str) -> None:
    """Have the file's rows take the place of those that are as triggers left them; within a transaction, once compared.

    Calling again changes nothing.
    """
    written = [row for one in auth_ledger.read(connection, run).values() for row in in_own_tables(one)]
    for way in ways.values():
        for column in _of_users(way.table):
            rows = [(r.user, r.hash) for r in written if (r.table, r.column) == (way.table.target, column)]
            if rows:
                way.take_over(connection, column, rows)


def _of_users(table: TablePlan) -> Iterator[str]:
    """The columns of a key by which rows are those of a user."""
    return (c.target for c in table.moved_columns if c.target in table.match_key and namespace_of(c.codec) is not None)
