"""The application's users become users of Supabase Auth, in the same run as its tables.

Over the Admin API they are made before the tables are published, each after its intent was recorded; by SQL, within
the publishing transaction. Either way the ledger knows each of them: a run that is resumed makes nobody twice, and one
that is undone deletes those it made and nobody has touched since, with the rows that triggers wrote for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import local
from typing import Any
from uuid import UUID

import psycopg

from migrator_tui import locations
from migrator_tui.migration.companions import RunContext, Silent, Undoing
from migrator_tui.migration.files.matching_files import count
from migrator_tui.migration.users.listed_users import LEFT, TO_RESET, left_list, reset_list
from migrator_tui.migration.users.source_users import read_users
from migrator_tui.migration.users.taking_back_users import by_user, take_back, triggered, with_effects
from migrator_tui.model.errors import MigratorError, TargetError, UsageError
from migrator_tui.model.outcome import Beside
from migrator_tui.model.plan import Action, Plan
from migrator_tui.model.progress import TableState
from migrator_tui.model.project import UsersPlan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres import ledger
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase import auth_conditions, auth_ledger, auth_roles, auth_sql, auth_triggers
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.auth_admin import AuthAdmin, UserRefused
from migrator_tui.supabase.auth_ledger import UserRow
from migrator_tui.supabase.auth_users import AuthUser, LeftUser, Users

NAME = "users"
LINE = "auth.users"
"""The name of the progress line, and where users are."""
WORKERS = 4
BATCH = 20
"""Users whose making is noted in the ledger at once; after a crash as many are asked for again."""


class MovingUsers(Silent):
    """The companion that makes users."""

    name = NAME

    def stage(self, context: RunContext) -> None:
        """See that users can be made, before the long part is spent in vain; show how many there are."""
        plan = _plan(context.plan)
        context.with_target(lambda c: auth_sql.preflight(c, writes=plan.scope.via == "sql"))
        if plan.scope.roles == "table":
            roles = sorted({user.role for user in self._users(context).to_make if user.role})
            context.with_target(lambda c: auth_roles.require_free(c, roles))
        if plan.scope.via == "api":
            with AuthAdmin(_api(context.api), stop=context.control.stopped, on_wait=context.board.set_retry) as admin:
                admin.check()
        self._users(context)

    def before_publish(self, context: RunContext) -> None:
        """Over the API: intents, then users."""
        if _plan(context.plan).scope.via != "api":
            return
        users = self._users(context)

        def intend(connection: psycopg.Connection[Any]) -> dict[str, UserRow]:
            with connection.transaction():
                ledger.hold(connection, context.fence)
                return _intend(connection, context.run, users)

        rows = context.with_target(intend)
        context.board.say("making users of Supabase Auth")
        context.board.set_table(LINE, TableState.STAGING)
        context.failpoint("users-intended")
        done = [row for row in rows.values() if row.state == "made"]
        context.board.add(LINE, rows=len(done))
        self._create(context, [user for user in users.to_make if rows[user.key].state == "intended"])
        context.with_target(lambda connection: self._note_effects(connection, context, users))
        context.board.set_table(LINE, TableState.STAGED)
        context.failpoint("users-made")

    def within_publish(self, connection: psycopg.Connection[Any], context: RunContext) -> None:
        """By SQL: users and their ledger rows, in the transaction that publishes the tables; and tables of roles."""
        plan, users = _plan(context.plan), self._users(context)
        if plan.scope.via == "sql":
            self._insert(connection, context, users)
        if plan.scope.roles == "table":
            rows = auth_ledger.read(connection, context.run)
            made = [user for user in users.to_make if rows[user.key].state == "made"]
            auth_roles.make(connection, context.run, [(user.id, user.role) for user in made if user.role])

    def _insert(self, connection: psycopg.Connection[Any], context: RunContext, users: Users) -> None:
        rows = _intend(connection, context.run, users, self.own_tables(context.plan))
        making = [user for user in users.to_make if rows[user.key].state == "intended"]
        auth_sql.preflight(connection)
        try:
            auth_sql.insert(connection, making)
        except psycopg.Error as error:
            if error.sqlstate in ("40001", "40P01", "55P03") or (error.sqlstate or "08").startswith(("08", "57")):
                raise
            raise _refused_by_database(
                f"The users cannot be made: {str(error).splitlines()[0]}.", _trigger_names(context)
            ) from error
        auth_ledger.record(connection, context.run, [replace(rows[user.key], state="made") for user in making])
        self._note_effects(connection, context, users)
        context.failpoint("users-inserted")

    def after_publish(self, context: RunContext) -> Sequence[str]:
        """Show them as published."""
        self._users(context)
        rows = context.with_target(lambda connection: auth_ledger.read(connection, context.run))
        shown = next(line.rows_done for line in context.board.snapshot().tables if line.source == LINE)
        context.board.add(LINE, rows=sum(row.state == "made" for row in rows.values()) - shown)
        context.board.set_table(LINE, TableState.PUBLISHED)
        return ()

    def verify(self, context: RunContext) -> Beside | None:
        """Every user that was made fulfils what signing in needs; who needs a reset is written into the run's folder.

        Raises:
            VerificationFailed: ``USERS-VERIFY``.
        """
        users = self._users(context)
        rows = context.with_target(lambda connection: auth_ledger.read(connection, context.run))
        made = [user for user in users.to_make if rows.get(user.key, _NOBODY).state == "made"]
        wrong = [str(item) for item in context.with_target(lambda c: auth_conditions.violations(c, made))]
        missing = [user.key for user in users.users if rows.get(user.key, _NOBODY).state not in _ACCOUNTED]
        if missing:
            wrong.append(f"{len(missing)} users were not made: user {', '.join(missing[:5])}")
        if wrong:
            raise auth_conditions.not_met(wrong, context.run)
        left = [*users.left, *_refused(users, rows)]
        reset = [user for user in made if not user.hash.importable]
        lines = [f"{len(made):,} users were made; each passes the conditions for signing in."] if made else []
        if matched := sum(user.matched for user in users.users):
            lines.append(f"{matched:,} users were there already, found by their address; the rows are theirs now.")
        if given := context.with_target(lambda c: ledger.read_step(c, context.run, auth_roles.STEP)):
            lines.append(
                f"{given['rows']:,} users have their role in {auth_roles.USER_ROLES}. It comes into access tokens once "
                "custom_access_token_hook is switched on in the dashboard (Authentication, Hooks)."
            )
        if reset:
            path = context.folder.file(TO_RESET)
            locations.write_private(path, reset_list(reset))
            lines.append(f"{len(reset):,} users need a password reset before they can sign in; they are in {path}.")
        if left:
            path = context.folder.file(LEFT)
            locations.write_private(path, left_list(left))
            lines.append(f"{count(len(left), 'row')} became no user; who and why is in {path}.")
        effects = auth_triggers.counts([row for one in rows.values() for row in triggered(one)])
        lines += [
            f"Triggers on auth.users wrote {n:,} rows into {table}; undo deletes them." for table, n in effects.items()
        ]
        context.board.set_table(LINE, TableState.VERIFIED)
        context.audit.record("users", made=len(made), left=len(left), to_reset=len(reset))
        return Beside(
            name=NAME,
            target=LINE,
            total=len(users.users) + len(users.left),
            moved=len(made),
            matched=sum(user.matched for user in users.users),
            left=len(left),
            verified=True,
            lines=tuple(lines),
            details={"to_reset": len(reset), "triggered": {str(table): n for table, n in effects.items()}},
        )

    def undo_within(self, connection: psycopg.Connection[Any], undoing: Undoing) -> Sequence[str]:
        """Users whom nobody touched go with the tables, in the same transaction; the others are kept and named."""
        return take_back(connection, undoing.run)

    def undo(self, undoing: Undoing) -> Sequence[str]:
        """Where the tables were not published: users whom the API had made by then."""
        with connect(undoing.target) as connection, connection.transaction():
            ledger.hold(connection, undoing.fence)
            return take_back(connection, undoing.run)

    def own_tables(self, plan: Plan) -> frozenset[TableName]:
        """Those that the run makes: what they hold of users was not written by triggers, and leaves with the run."""
        return frozenset(table.target for table in plan.moved if table.action is Action.CREATE)

    def users_of(self, context: RunContext) -> Users:
        """The users of the source whom the run moves."""
        plan = _plan(context.plan)
        without = context.sets.quarantined.get(plan.scope.table, {})
        return read_users(context.source.snapshot, context.source.database, plan, without=without)

    def _users(self, context: RunContext) -> Users:
        """The plan's users; the progress has a line for them from here on."""
        users = self.users_of(context)
        if all(line.source != LINE for line in context.board.snapshot().tables):
            context.board.set_beside(LINE, LINE, len(users.to_make), unit="users")
        return users

    def _create(self, context: RunContext, users: Sequence[AuthUser]) -> None:
        own = local()
        admins: list[AuthAdmin] = []
        api = _api(context.api)

        def admin() -> AuthAdmin:
            if not hasattr(own, "admin"):  # one client for each thread: shared ones break
                own.admin = AuthAdmin(api, stop=context.control.stopped, on_wait=context.board.set_retry)
                admins.append(own.admin)
            found: AuthAdmin = own.admin
            return found

        def make(batch: Sequence[AuthUser]) -> None:
            done: list[UserRow] = []
            try:
                for user in batch:
                    context.control.between_chunks()
                    done.append(_made(admin(), user, context))
                    context.board.add(LINE, rows=1)
                    context.failpoint("user-made")
            finally:
                # What a crash leaves out here is found by its identifier when the run goes on.
                if done:
                    context.with_target(lambda connection: self._note(connection, context, done))

        batches = [users[first : first + BATCH] for first in range(0, len(users), BATCH)]
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="users") as pool:
            futures = [pool.submit(make, batch) for batch in batches]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            finally:
                for one in admins:
                    one.close()

    def _note(self, connection: psycopg.Connection[Any], context: RunContext, rows: Sequence[UserRow]) -> None:
        with connection.transaction():
            ledger.hold(connection, context.fence)
            known = auth_ledger.read(connection, context.run)
            auth_ledger.record(
                connection,
                context.run,
                [replace(row, detail={**known[row.key].detail, **row.detail}) for row in rows],
            )

    def _note_effects(self, connection: psycopg.Connection[Any], context: RunContext, users: Users) -> None:
        """Keep of each user that was made the state they were made in, and the rows that triggers wrote for them."""
        with connection.transaction():
            ledger.hold(connection, context.fence)
            rows = auth_ledger.read(connection, context.run)
            fresh = [
                row for user in users.to_make if (row := rows[user.key]).state == "made" and "state" not in row.detail
            ]
            ids = [row.id for row in fresh]
            states = auth_conditions.states(connection, ids)
            seen = by_user(auth_triggers.rows_of_users(connection, ids, self.own_tables(context.plan))) if ids else {}
            auth_ledger.record(
                connection,
                context.run,
                [
                    with_effects(replace(row, detail={**row.detail, "state": states.get(row.id)}), seen.get(row.id, ()))
                    for row in fresh
                ],
            )


_NOBODY = UserRow("", UUID(int=0), None, "undone")
_ACCOUNTED = ("made", "matched", "left")


def _plan(plan: Plan) -> UsersPlan:
    assert plan.project is not None
    assert plan.project.users is not None
    return plan.project.users


def _api(api: Api | None) -> Api:
    if api is None:
        raise UsageError(
            "AUTH-NO-API",
            "Users are to be made over the project's API, and its address or its secret key is not known.",
            "Name it in config.yaml (`target.api`) and set SUPABASE_SECRET_KEY, or make them by SQL: `users.via: sql`.",
        )
    return api


def _intend(
    connection: psycopg.Connection[Any], run: str, users: Users, own: frozenset[TableName] = frozenset()
) -> dict[str, UserRow]:
    """Record what is to become of every user of whom nothing is recorded yet; all rows of the run.

    Args:
        own: Tables that the run has made already.

    Raises:
        TargetError: ``AUTH-TAKEN``: an address was taken since the plan was made.
    """
    known = auth_ledger.read(connection, run)
    new = [user for user in users.to_make if user.key not in known]
    taken = auth_sql.existing(
        connection,
        [user.email for user in new if user.email],
        [user.phone for user in new if user.phone],
        [user.id for user in new],
    )
    if taken:
        raise TargetError(
            "AUTH-TAKEN",
            f"Since the plan was made {len(taken)} users with addresses of the source were added to auth.users, first: "
            f"{taken[0].email or taken[0].phone or taken[0].id}.",
            "Nothing was published. Start a new run: it will find those users and move the rows to them.",
        )
    before = by_user(auth_triggers.rows_of_users(connection, [user.id for user in new], own)) if new else {}
    rows = [UserRow(user.key, user.id, user.email, "intended", {"before": before.get(user.id, [])}) for user in new]
    rows += [
        UserRow(user.key, user.id, user.email, "matched")
        for user in users.users
        if user.matched and user.key not in known
    ]
    auth_ledger.record(connection, run, rows)
    return known | {row.key: row for row in rows}


def _made(admin: AuthAdmin, user: AuthUser, context: RunContext) -> UserRow:
    try:
        admin.create(user)
    except UserRefused as refused:
        return UserRow(user.key, user.id, user.email, "left", {"reason": refused.message})
    except TargetError as error:
        if error.id != "AUTH-DATABASE":
            raise
        raise _refused_by_database(error.message, _trigger_names(context)) from None
    return UserRow(user.key, user.id, user.email, "made")


def _trigger_names(context: RunContext) -> list[str]:
    found: list[auth_triggers.UserTrigger] = context.with_target(auth_triggers.triggers)
    return [f"{trigger.name} ({trigger.function})" for trigger in found if trigger.on_insert]


def _refused_by_database(message: str, triggers: Sequence[str]) -> MigratorError:
    which = f"Triggers on auth.users: {', '.join(triggers)}. Repair or drop them" if triggers else "See its log"
    return TargetError(
        "AUTH-DATABASE",
        message,
        f"{which}, then `migrator-tui rollback RUN` (it deletes the users made so far) and start a new run.",
    )


def _refused(users: Users, rows: Mapping[str, UserRow]) -> list[LeftUser]:
    return [
        LeftUser(user.key, 0, user.email, "refused-address", str(rows[user.key].detail.get("reason", "")))
        for user in users.users
        if user.key in rows and rows[user.key].state == "left"
    ]
