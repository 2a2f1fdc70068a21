"""Users that a run made, taken back with the rows that triggers wrote for them; never one whom somebody touched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg

from migrator_tui.model.schema import TableName
from migrator_tui.supabase import auth_conditions, auth_ledger, auth_roles, auth_sql, auth_triggers
from migrator_tui.supabase.auth_ledger import UserRow
from migrator_tui.supabase.auth_triggers import TriggeredRow

SHOWN = 50


def by_user(rows: Iterable[TriggeredRow]) -> dict[UUID, list[dict[str, str]]]:
    """Rows that triggers wrote, by the user they were written for, as the ledger keeps them."""
    found: dict[UUID, list[dict[str, str]]] = {}
    for row in rows:
        found.setdefault(row.user, []).append(row.as_json())
    return found


def with_effects(row: UserRow, now: Sequence[dict[str, str]]) -> UserRow:
    """The row with what appeared for its user: what is there now, less what was there before."""
    before = row.detail.get("before", ())
    return replace(row, detail={**row.detail, "rows": [new for new in now if new not in before]})


def triggered(row: UserRow) -> list[TriggeredRow]:
    """The rows that triggers wrote for one user, as the ledger has them."""
    return [TriggeredRow.from_json(row.id, kept) for kept in row.detail.get("rows", ())]


def in_own_tables(row: UserRow) -> list[TriggeredRow]:
    """Those that they wrote for one user where the run was to write itself."""
    return [TriggeredRow.from_json(row.id, kept) for kept in row.detail.get(auth_ledger.OWN, ())]


def take_back(connection: psycopg.Connection[Any], run: str) -> list[str]:
    """Within a transaction: delete the users of a run whom nobody touched; lines of those who are kept."""
    roles_kept = auth_roles.unmake(connection, run)
    rows = auth_ledger.read(connection, run)
    open_rows = [row for row in rows.values() if row.state in ("intended", "made") and "kept" not in row.detail]
    if not open_rows:
        return roles_kept
    # A run that ended amid its users had not looked yet at what triggers wrote for the last of them.
    unseen = {row.id: row for row in open_rows if "state" not in row.detail}
    now = by_user(auth_triggers.rows_of_users(connection, list(unseen))) if unseen else {}
    open_rows = [with_effects(row, now.get(row.id, ())) if row.id in unseen else row for row in open_rows]
    places: dict[tuple[TableName, str], set[UUID]] = {}
    # Those in tables of the run are there if it was not published, or are there again now.
    written = [row for one in open_rows for row in (*triggered(one), *in_own_tables(one))]
    for row in written:
        places.setdefault((row.table, row.column), set()).add(row.user)
    made: dict[UUID, str | None] = {row.id: row.detail.get("state") for row in open_rows}
    places.setdefault(auth_roles.REFERENCE, set()).update(made)  # a role that the run gave goes with its user
    kept = auth_conditions.touched(connection, made, apart=places)
    for user, why in auth_triggers.changed_rows(connection, written).items():
        kept.setdefault(user, why)
    going = [row.id for row in open_rows if row.id not in kept]
    auth_triggers.delete_rows(connection, [row for row in written if row.user not in kept])
    auth_sql.delete(connection, going)
    auth_ledger.record(
        connection,
        run,
        [
            replace(row, detail={**row.detail, "kept": kept[row.id]})
            if row.id in kept
            else replace(row, state="undone")
            for row in open_rows
        ],
    )
    lines = [f"User {row.key} ({row.email or row.id}) {kept[row.id]}; kept." for row in open_rows if row.id in kept]
    more = len(lines) - SHOWN
    return [*roles_kept, *lines[:SHOWN], *([f"{more:,} more users were kept for such reasons."] if more > 0 else ())]
