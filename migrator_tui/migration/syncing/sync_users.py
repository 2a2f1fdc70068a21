"""Users in a sync. Those who are new in the file become users of Supabase Auth as in a migration, where their rows come
to the target; those who signed up in production come into the file as in a pull, under the next ids.

Which UUID is which id of the file is what earlier runs kept in ``migrator.key_map``; a sync keeps the whole map anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from migrator_tui.convert.identifiers import quote, quote_sqlite
from migrator_tui.convert.user_folders import of_codec
from migrator_tui.convert.user_ids import OF_INTEGER, namespace_of, user_id
from migrator_tui.migration.companions import RunContext, Silent
from migrator_tui.migration.files.matching_files import count
from migrator_tui.migration.origins import origin_of
from migrator_tui.migration.pulling.pull_user_ids import runs_of
from migrator_tui.migration.request import Request
from migrator_tui.migration.syncing import rows_by_triggers
from migrator_tui.migration.syncing.sync_base import Bases
from migrator_tui.migration.syncing.sync_record import SyncRecord
from migrator_tui.migration.users.given_back import UserIds
from migrator_tui.migration.users.mapping_user_ids import ids_of
from migrator_tui.migration.users.moving_users import MovingUsers
from migrator_tui.model.errors import UsageError
from migrator_tui.model.outcome import Beside
from migrator_tui.model.plan import Plan, TablePlan
from migrator_tui.model.project import UsersPlan, UsersScope
from migrator_tui.model.schema import Table, TableName
from migrator_tui.postgres import origins
from migrator_tui.postgres.merge_parts import sql
from migrator_tui.postgres.three_way import ThreeWay
from migrator_tui.postgres.three_way_publish import to_target
from migrator_tui.sqlite import diagnosis
from migrator_tui.sqlite.snapshot import BUSY_SECONDS, connect
from migrator_tui.supabase import auth_ledger, auth_sql, key_map
from migrator_tui.supabase.auth_ledger import UserRow
from migrator_tui.supabase.auth_triggers import TriggeredRow
from migrator_tui.supabase.auth_users import AuthUser, Users


def wanted(request: Request, bases: Bases) -> UsersScope | None:
    """The users whom the runs that the sync starts from moved; None where none of its tables has ids of theirs.

    Raises:
        UsageError: ``SYNC-NOT-COVERED``: their own table takes no part.
    """
    having = {name for name, base in bases.tables.items() if _has_ids(base.table(name))}
    if not having:
        return None
    found = {}
    for name in having:
        plan = bases.tables[name].plan.users
        assert plan is not None
        found[plan.namespace] = plan
    if len(found) > 1:
        raise UsageError(
            "SYNC-NOT-COVERED",
            f"{', '.join(sorted(having))} were moved with users of several namespaces. Nothing was changed.",
            "Name those of one namespace with --tables.",
        )
    (users,) = found.values()
    if users.scope.table not in bases.tables:
        raise UsageError(
            "SYNC-NOT-COVERED",
            f"{', '.join(sorted(having))} cannot be synced without {users.scope.table}, which tells who is new on "
            "either end. Nothing was changed.",
            f"Name {users.scope.table} with --tables as well.",
        )
    given = request.scope.project.users
    via = given.via if given is not None else users.scope.via
    return replace(users.scope, namespace=users.namespace, via=via)


def known(connection: psycopg.Connection[Any], namespace: str) -> dict[str, str]:
    """Text of the source id → UUID, of everybody whom the published runs of a namespace moved."""
    runs = runs_of(origins.published(connection) or (), namespace)
    return {key: str(uuid) for uuid, key in key_map.read(connection, runs).items()}


def told_apart(users: UsersPlan, plan: Plan) -> UsersPlan:
    """The users of a plan that is kept: of the ids only those that no hash gives."""
    matched = {key: uuid for key, uuid in users.matched.items() if str(user_id(users.namespace, key)) != uuid}
    return replace(users, matched=matched, rows=plan.table(users.scope.table).rows)


def ids(connection: psycopg.Connection[Any], plan: Plan, snapshot: Path) -> UserIds | None:
    """The ids of everybody whom rows of either end name; None where no table has any.

    Who is on the target alone gets the next id that neither the file nor an earlier run has used.
    """
    users = plan.users
    if users is None:
        return None
    runs = runs_of(origins.published(connection) or (), users.namespace)
    keys = key_map.read(connection, runs)
    with closing(ids_of(snapshot, plan, users)) as pairs:
        keys |= {uuid: str(key) for key, uuid in pairs}
    columns = [(t.target, c.target) for t in plan.moved for c in t.moved_columns if namespace_of(c.codec)]
    integers = any(c.codec.startswith(f"{OF_INTEGER}:") for t in plan.moved for c in t.moved_columns)
    unknown = [uuid for uuid in key_map.unknown(connection, runs, columns) if uuid not in keys]
    whole = key_map.with_later(keys, unknown, integers=integers, above=_used(snapshot, users.scope.table))
    return UserIds(whole, {whole[uuid]: str(uuid) for uuid in unknown}, integers)


def coming(
    connection: psycopg.Connection[Any], plan: Plan, ways: Mapping[str, ThreeWay], found: UserIds, run: str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Whose rows the target gets: the texts of their ids; and those of them who are in auth.users by others' doing."""
    users = plan.users
    assert users is not None
    way = ways[users.scope.table]
    column = next(c.target for c in way.table.moved_columns if c.source == users.scope.id)
    rows = connection.execute(
        sql(f"SELECT s.{quote(column)} FROM {way.joined} WHERE {to_target(way)['insert']} ORDER BY d.n")
    ).fetchall()
    own = [row.id for row in auth_ledger.read(connection, run).values() if row.state in ("made", "intended")]
    come = [uuid for (uuid,) in rows]
    there = {one.id for one in auth_sql.existing(connection, ids=[*come, *own])} if come or own else set()
    # Of whom the run has made already a trigger may have written the row, or the user themselves.
    come += [uuid for uuid in own if uuid in there and uuid not in come]
    there -= set(own)
    return tuple(found.keys[uuid] for uuid in come), {found.keys[uuid]: str(uuid) for uuid in come if uuid in there}


class SyncedUsers(MovingUsers):
    """Makes users of the rows of theirs that the target gets."""

    def __init__(self) -> None:
        self._there: frozenset[UUID] = frozenset()
        self._before: Sequence[TriggeredRow] = ()

    def own_tables(self, plan: Plan) -> frozenset[TableName]:
        """All that are synced: their rows are compared, journalled and taken back by themselves."""
        return frozenset(table.target for table in plan.moved)

    def users_of(self, context: RunContext) -> Users:
        """Those whose rows come; before that is known, those who are new in the file."""
        users, record = super().users_of(context), SyncRecord.read(context.folder)
        if record.new_users is not None:
            chosen = set(record.new_users)
            return Users(
                tuple(one for one in users.users if one.key in chosen),
                tuple(one for one in users.left if one.key in chosen),
            )
        plan = context.plan.users
        assert plan is not None
        there = context.with_target(lambda c: known(c, plan.namespace))
        return Users(tuple(one for one in users.users if one.key not in there), ())

    def stage(self, context: RunContext) -> None:
        """As in a migration, where there is somebody to make."""
        if self.users_of(context).to_make:
            super().stage(context)

    def before_publish(self, context: RunContext) -> None:
        """As in a migration, where there is somebody."""
        if self._anybody(context):
            super().before_publish(context)

    def within_publish(self, connection: psycopg.Connection[Any], context: RunContext) -> None:
        """As in a migration, where there is somebody."""
        if self._anybody(context):
            super().within_publish(connection, context)

    def after_publish(self, context: RunContext) -> tuple[str, ...]:
        """Show them as published; say of whom the user of Auth stays as it is."""
        if self._anybody(context):
            super().after_publish(context)
        return SyncRecord.read(context.folder).told_of_users

    def verify(self, context: RunContext) -> Beside | None:
        """As in a migration, where there is somebody."""
        return super().verify(context) if self._anybody(context) else None

    def _create(self, context: RunContext, users: Sequence[AuthUser]) -> None:
        # Whom an attempt made of which nobody saw the end may have changed their row since.
        ids = [user.id for user in users]
        self._there = frozenset(one.id for one in context.with_target(lambda c: auth_sql.existing(c, ids=ids)))
        self._before = context.with_target(lambda c: rows_by_triggers.there(c, context.plan, ids))
        super()._create(context, users)

    def _note(self, connection: psycopg.Connection[Any], context: RunContext, rows: Sequence[UserRow]) -> None:
        with connection.transaction():
            super()._note(connection, context, rows)
            made = [row.id for row in rows if row.state == "made" and row.id not in self._there]
            rows_by_triggers.keep(connection, context.plan, context.run, made, self._before)

    def _insert(self, connection: psycopg.Connection[Any], context: RunContext, users: Users) -> None:
        self._before = rows_by_triggers.there(connection, context.plan, [user.id for user in users.to_make])
        super()._insert(connection, context, users)

    def _note_effects(self, connection: psycopg.Connection[Any], context: RunContext, users: Users) -> None:
        super()._note_effects(connection, context, users)
        if context.plan.users is not None and context.plan.users.scope.via == "sql":  # all within one transaction
            made = [row.id for row in auth_ledger.read(connection, context.run).values() if row.state == "made"]
            rows_by_triggers.keep(connection, context.plan, context.run, made, self._before)

    def _anybody(self, context: RunContext) -> bool:
        users = self.users_of(context)
        return bool(users.users or users.left)


class SyncedUserIds(Silent):
    """Keeps the whole map of ids, and that it is this namespace's, in the publishing transaction."""

    name = "user ids"

    def within_publish(self, connection: psycopg.Connection[Any], context: RunContext) -> None:
        """The map of everybody, and where the tables came from."""
        users = context.plan.users
        assert users is not None
        found = ids(connection, context.plan, context.source.snapshot)
        assert found is not None
        record = SyncRecord.read(context.folder)
        # Whoever came since the file was laid out is none of this sync's.
        keys = {UUID(uuid): key for key, uuid in record.later_users.items()}
        keys |= {uuid: key for uuid, key in found.keys.items() if key not in found.later and uuid not in keys}
        as_kept = [(int(key) if found.integers and key.isdecimal() else key, uuid) for uuid, key in keys.items()]
        key_map.write(connection, context.run, users.scope.table, as_kept)
        moved = replace(context.plan, tables=tuple(_as_before(t, record) for t in context.plan.tables), views=())
        origins.record(connection, context.run, origin_of(context.source, moved, context.run))


def not_there(live: Path, after: Path, users: UsersScope, later: Mapping[str, str]) -> dict[str, str]:
    """Those of whom the file has not the row that was laid out for it.

    Raises:
        SourceError: The file cannot be read.
    """
    if not after.exists():
        return dict(later)
    row_of = f"SELECT * FROM {quote_sqlite(users.table)} WHERE CAST({quote_sqlite(users.id)} AS TEXT) = ?"
    try:
        uri = live.absolute().as_uri() + "?mode=ro"
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as now,
            closing(connect(after)) as laid_out,
        ):
            return {
                key: uuid
                for key, uuid in later.items()
                if (row := now.execute(row_of, (key,)).fetchone()) is None
                or row != laid_out.execute(row_of, (key,)).fetchone()
            }
    except sqlite3.DatabaseError as error:
        raise diagnosis.explain(error, live, BUSY_SECONDS) from error


def forget_later(connection: psycopg.Connection[Any], run: str, later: Mapping[str, str]) -> None:
    """Take those out of a run's map who never came into the file: their ids are somebody else's there by now."""
    connection.execute(
        "DELETE FROM migrator.key_map WHERE run = %s AND target_key #>> '{}' = ANY(%s)", (run, list(later.values()))
    )


NO_PASSWORD = "!"
"""What no password hashes to."""


def no_password(plan: Plan, table: Table) -> dict[str, str]:
    """The column for a password that the file asks for and that was left behind, for those who signed up in Auth."""
    users = plan.users
    column = users.scope.password_hash if users is not None and users.scope.table == table.name.name else None
    if column is None or any(c.source == column for c in plan.table(table.name.name).moved_columns):
        return {}
    described = table.column(column)
    return {column: NO_PASSWORD} if described.not_null and described.default is None else {}


def not_told(connection: psycopg.Connection[Any], plan: Plan, ways: Mapping[str, ThreeWay]) -> tuple[str, ...]:
    """What a sync does not carry into Auth: addresses and passwords that changed in the file, and users who went."""
    users = plan.users
    assert users is not None
    way = ways[users.scope.table]
    ops = to_target(way)
    names = {c.source: c.target for c in way.table.moved_columns}
    told = [names[n] for n in (users.scope.email, users.scope.phone, users.scope.password_hash) if n in names]
    changed = " OR ".join(f"({way.from_source(c)} AND {way.differs_in(c, 's', 'l')})" for c in told if c in way.values)
    row = connection.execute(
        sql(
            f"SELECT count(*) FILTER (WHERE {ops['update']} AND ({changed or 'false'})), "
            f"count(*) FILTER (WHERE {ops['delete']}) FROM {way.joined}"
        )
    ).fetchone()
    assert row is not None
    lines = []
    if row[0]:
        lines.append(
            f"{count(row[0], 'user')} changed their address or password in the file: their rows have it now, Supabase "
            "Auth has what it had. Change it there."
        )
    if row[1]:
        lines.append(
            f"Deleted on the target: {count(row[1], 'row')} of {users.scope.table}. Of whom they were is still in "
            "Supabase Auth: delete them in the dashboard."
        )
    return tuple(lines)


def _has_ids(table: TablePlan) -> bool:
    return any(namespace_of(c.codec) is not None or of_codec(c.codec) is not None for c in table.moved_columns)


def _as_before(table: TablePlan, record: SyncRecord) -> TablePlan:
    codecs = record.codecs.get(table.source, {})
    return replace(table, columns=tuple(replace(c, codec=codecs.get(c.target, c.codec)) for c in table.columns))


def _used(snapshot: Path, table: str) -> int:
    """The highest id that AUTOINCREMENT gave; 0 without one."""
    with closing(connect(snapshot)) as connection:
        try:
            row = connection.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        except sqlite3.OperationalError:  # no table counts so
            return 0
    return int(row[0] or 0)
