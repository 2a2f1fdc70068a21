"""What is known of the users before the run: who is there already, who cannot be taken over, what triggers will do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg

from migrator_tui.convert.user_ids import is_namespace, user_id
from migrator_tui.migration.files.matching_files import count
from migrator_tui.migration.planning.plan_draft import Chooser
from migrator_tui.migration.planning.quarantine import as_ranges
from migrator_tui.migration.staging import Source
from migrator_tui.migration.users.source_users import read_users
from migrator_tui.model.errors import UsageError
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Plan, RowRule, Scope
from migrator_tui.model.project import ProjectPlan, UsersPlan, UsersScope
from migrator_tui.supabase import auth_sql, auth_triggers
from migrator_tui.supabase.auth_sql import Existing
from migrator_tui.supabase.auth_triggers import UserTrigger
from migrator_tui.supabase.auth_users import DUPLICATE, NO_ADDRESS, REFUSED, AuthUser, LeftUser, Users

_SHOWN = 5
_LEFT = {
    DUPLICATE: ("USER-SAME-ADDRESS", "with an address that another user has"),
    REFUSED: ("USER-REFUSED", "with an address that Auth refuses"),
    NO_ADDRESS: ("USER-NO-ADDRESS", "with neither an e-mail address nor a phone number"),
}


@dataclass(frozen=True, slots=True)
class Looked:
    """The users as they are before the run.

    Attributes:
        unproven: Identifiers of users who are there and never confirmed their address: it may be somebody else's.
    """

    plan: UsersPlan
    users: Users
    triggers: tuple[UserTrigger, ...]
    unproven: frozenset[UUID] = frozenset()


def namespace(wanted: UsersScope, source: Path) -> str:
    """The namespace of a source project's user ids: the UUID or the name that was given, else where the file is."""
    if wanted.namespace is not None and is_namespace(wanted.namespace):
        return wanted.namespace
    return str(uuid5(NAMESPACE_URL, f"migrator-tui:{wanted.namespace or source.absolute()}"))


def look(
    connection: psycopg.Connection[Any],
    source: Source,
    scope: Scope,
    file: Path,
    known: Mapping[str, str] = MappingProxyType({}),
) -> Looked | None:
    """Look at the users of both ends, changing nothing; None where no users are to be moved.

    Args:
        file: The source as the person named it.
        known: Text of the source id → UUID, of users whom an earlier run moved: they are not looked for by address.

    Raises:
        UsageError: The scope names a table or column that is not there.
        TargetError: ``AUTH-SCHEMA``, ``AUTH-RIGHTS``: users cannot be read, or made as asked.
    """
    wanted = scope.project.users
    if wanted is None:
        return None
    plan = UsersPlan(wanted, namespace(wanted, file), matched=known)
    users = read_users(source.snapshot, source.database, plan)
    auth_sql.preflight(connection, writes=wanted.via == "sql")
    there = auth_sql.existing(
        connection,
        [user.email for user in users.to_make if user.email],
        [user.phone for user in users.to_make if user.phone],
        [user.id for user in users.to_make],
    )
    owned = set(known.values())
    free = [one for one in there if str(one.id) not in owned]
    matched, taken = _matched(users.to_make, free)
    taken = tuple(sorted({*taken, *(one.phone for one in there if one.phone and str(one.id) in owned)}))
    plan = replace(plan, matched={**known, **matched}, phones_taken=taken, rows=len(users.users) + len(users.left))
    users = read_users(source.snapshot, source.database, plan)
    unproven = frozenset(one.id for one in there if not one.proven)
    _require_own_ids(plan, users)
    plan = replace(plan, left=len(users.left))
    return Looked(plan, users, tuple(auth_triggers.triggers(connection)), unproven)


def _require_own_ids(plan: UsersPlan, users: Users) -> None:
    """Raise where two ids of the source would become one, so that two people's rows became one person's.

    Raises:
        UsageError: ``USERS-SAME-ID``: naming both.
    """
    owners = {UUID(uuid): key for key, uuid in plan.matched.items()}
    if not owners:  # without a match each id has its own
        return
    for key in (*(user.key for user in users.users), *(row.key for row in users.left)):
        own = UUID(plan.matched[key]) if key in plan.matched else user_id(plan.namespace, key)
        if owners.setdefault(own, key) != key:
            raise UsageError(
                "USERS-SAME-ID",
                f"{plan.scope.table}: the users {owners[own]} and {key} would both become {own}: the one by their "
                "address, which is that of a user who is there, the other by their id.",
                "They changed addresses since an earlier migration. Give one of them their earlier address back, or "
                "give the users another `namespace`.",
            )


def look_at_source(source: Source, scope: Scope, file: Path) -> Looked | None:
    """As :func:`look`, where there is no target: nobody is there already.

    Raises:
        UsageError: As :func:`look`.
    """
    wanted = scope.project.users
    if wanted is None:
        return None
    plan = UsersPlan(wanted, namespace(wanted, file))
    users = read_users(source.snapshot, source.database, plan)
    return Looked(replace(plan, rows=len(users.users) + len(users.left), left=len(users.left)), users, ())


def _matched(users: Sequence[AuthUser], there: Iterable[Existing]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Source id → the user who is there: by address first, then by identifier, then by number. And the numbers of
    those who are there and are nobody's match."""
    known = list(there)
    by_email = {one.email: one for one in known if one.email}
    by_id = {one.id: one for one in known}
    by_phone = {one.phone: one for one in known if one.phone}
    found: dict[str, Existing] = {}
    claimed: set[Any] = set()
    for index, of in ((by_email, "email"), (by_id, "id"), (by_phone, "phone")):
        for user in users:
            if user.key in found or (of == "phone" and user.email is not None):
                continue
            match = index.get(getattr(user, of))
            if match is not None and match.id not in claimed:
                found[user.key] = match
                claimed.add(match.id)
    own = {match.phone for match in found.values()}
    taken = sorted(phone for phone in by_phone if phone not in own)
    return {key: str(match.id) for key, match in found.items()}, tuple(taken)


def with_users(plan: Plan, looked: Looked | None, scope: Scope, chooser: Chooser) -> Plan:
    """The plan with its users, and what is to be known or decided about them."""
    if looked is None:
        return plan
    project = plan.project or ProjectPlan(scope.project.api)
    plan = replace(plan, project=replace(project, users=looked.plan))
    findings: list[Finding] = []
    for kind, (id, what) in _LEFT.items():
        rows = [one for one in looked.users.left if one.kind == kind]
        if rows:
            plan = _decide_left(plan, looked.plan.scope.table, id, what, rows, chooser, findings)
    findings += [chooser.settle(finding) for finding in told_of(looked)]
    return replace(plan, findings=(*plan.findings, *findings))


def _decide_left(
    plan: Plan, table: str, id: str, what: str, rows: Sequence[LeftUser], chooser: Chooser, findings: list[Finding]
) -> Plan:
    moved = any(one.source == table for one in plan.moved)
    finding = Finding(
        id,
        f"{count(len(rows), 'row')} of {table} {what}; Supabase Auth can have no user for "
        + ("it." if len(rows) == 1 else "them."),
        table=table,
        rows=len(rows),
        keys=tuple(row.key for row in rows[:_SHOWN]),
        samples=tuple(row.email for row in rows[:_SHOWN] if row.email),
        choices=("leave", "quarantine") if moved else ("leave",),
    )
    findings.append(chooser.settle(finding))
    if chooser.choice(finding) != "quarantine":
        return plan
    rule = RowRule(id, "rows", (), as_ranges(sorted(row.locator for row in rows)), f"its rows {what}")
    tables = tuple(
        replace(one, row_rules=(*one.row_rules, rule)) if one.source == table else one for one in plan.tables
    )
    return replace(plan, tables=tables)


def told_of(looked: Looked) -> list[Finding]:
    """What is to be known of the users before the run."""
    table = looked.plan.scope.table
    findings = []
    if reset := looked.users.need_reset:
        kinds: dict[str, int] = {}
        for user in reset:
            kinds[user.hash.reason] = kinds.get(user.hash.reason, 0) + 1
        findings.append(
            Finding(
                "USER-RESET",
                f"{len(reset):,} users need a password reset before they can sign in: "
                + "; ".join(f"{count:,}: {reason}" for reason, count in sorted(kinds.items(), key=lambda k: -k[1])[:4])
                + ".",
                table=table,
                column=looked.plan.scope.password_hash,
                rows=len(reset),
                keys=tuple(user.key for user in reset[:_SHOWN]),
            )
        )
    matched = [user for user in looked.users.users if user.matched]
    if matched:
        message = f"{len(matched):,} users are in auth.users already, found by their address; the rows become theirs."
        if doubtful := sum(user.id in looked.unproven for user in matched):
            message += f" {doubtful:,} of them never confirmed it: whoever signed up may not be its owner."
        findings.append(
            Finding(
                "USER-MATCHED",
                message,
                table=table,
                rows=len(matched),
                keys=tuple(user.key for user in matched[:_SHOWN]),
                samples=tuple(user.address for user in matched[:_SHOWN]),
            )
        )
    noted = [user for user in looked.users.users if user.notes]
    if noted:
        message = f"{len(noted):,} users are made without an address or number of theirs: {noted[0].notes[0]}."
        findings.append(
            Finding("USER-PART", message, table=table, rows=len(noted), keys=tuple(u.key for u in noted[:_SHOWN]))
        )
    for trigger in looked.triggers:
        if trigger.on_insert and looked.users.to_make:
            message = f"The trigger {trigger.name} on auth.users runs {trigger.function} for each user that is made."
            findings.append(
                Finding(
                    "USER-TRIGGER", message, object=trigger.name, samples=(trigger.definition, trigger.function_text)
                )
            )
    return findings
