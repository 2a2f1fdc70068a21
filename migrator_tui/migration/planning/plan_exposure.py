"""Who may reach which table over a project's Data API: guessed from the plan, fixed by the configuration, decided.

Pure. A table that refers to the table of users belongs to the users that its rows name. Where nothing says who may
reach a table, nobody may: leaving one closed costs a request, leaving one open costs everybody's rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from migrator_tui.convert.identifiers import MAX_BYTES, quote_name, shorten
from migrator_tui.migration.planning.plan_draft import Chooser
from migrator_tui.model.errors import UsageError
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, Plan, Scope, TableOverride, TablePlan
from migrator_tui.model.project import ExposurePolicy, ExposureScope, ProjectPlan, TableExposure
from migrator_tui.model.schema import Index, IndexPart, TableName
from migrator_tui.supabase import exposure
from migrator_tui.supabase.policies import can_own
from migrator_tui.supabase.sensitive import sensitive

_OWNERS = ("user_id", "owner_id", "owner", "author_id", "created_by", "userid", "ownerid", "user", "author")
"""Names of the column that says whose a row is, where several refer to users; the likeliest first."""
POLICIES: tuple[ExposurePolicy, ...] = ("owner", "owner-read", "read-all", "read-public", "admin", "none")
_READ: Mapping[str, ExposurePolicy] = {"all": "read-all", "public": "read-public"}


@dataclass(frozen=True, slots=True)
class Planned:
    """What came of planning the exposure: the plan, and the columns that a decision leaves behind.

    Attributes:
        left: ``(source table, source column)``; the plan is to be made again without them.
    """

    plan: Plan
    left: tuple[tuple[str, str], ...] = ()


@dataclass
class _Drafting:
    chooser: Chooser
    secrets: Mapping[tuple[str, str], str]
    names: set[str]
    findings: list[Finding] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)

    def find(self, finding: Finding) -> str:
        self.findings.append(self.chooser.settle(finding))
        return self.chooser.choice(finding)


def with_exposure(
    plan: Plan,
    scope: Scope,
    chooser: Chooser,
    *,
    is_project: bool,
    secrets: Mapping[tuple[str, str], str] = MappingProxyType({}),
    taken: Set[str] = frozenset(),
) -> Planned:
    """The plan with who may reach each table, where the target is a project.

    Args:
        is_project: The target has the roles of Supabase's API.
        secrets: ``(source table, source column)`` → what its values are, of columns that hold secrets.
        taken: Names of relations that are on the target.

    Raises:
        UsageError: The configuration names a table or column that is not moved, or an owner that cannot be one.
    """
    asked = scope.project.exposure
    _refuse_unknown(plan, asked)
    if not is_project:
        if not asked:
            return Planned(plan)
        message = "The target has no roles of Supabase's API (anon, authenticated, service_role): nothing is exposed."
        return Planned(replace(plan, findings=(*plan.findings, Finding("EXPOSURE-NO-PROJECT", message))))
    names = {table.target.name for table in plan.tables} | {view.target.name for view in plan.views}
    for table in plan.moved:
        names |= {index.name for index in table.indexes}
        names |= {key.name for key in (table.primary_key, *table.uniques) if key and key.name}
    draft = _Drafting(chooser, secrets, names | set(taken))
    users = _users_table(plan)
    tables = {table.source: table for table in plan.tables}
    exposures: list[TableExposure] = []
    for table in plan.moved:
        made = _exposure(draft, table, asked.get(table.source), users)
        if made is not None:
            made = _hiding(draft, table, made, users)
            exposures.append(made)
            tables[table.source] = _with_index(table, made, draft.names)
    project = replace(
        plan.project or ProjectPlan(api=scope.project.api),
        exposure=tuple(exposures),
        views=tuple(view.target for view in plan.views),
    )
    plan = replace(
        plan,
        tables=tuple(tables[table.source] for table in plan.tables),
        findings=(*plan.findings, *draft.findings),
        project=project,
    )
    return Planned(plan, tuple(draft.left))


def script(plan: Plan) -> tuple[str, ...]:
    """The statements of the exposure, for the person who reviews the plan."""
    if plan.project is None:
        return ()
    # As Postgres names the sequence of an identity column; a long name is cut off by rules of its own.
    names = {
        table.target: [f"{table.target.name}_{c.target}_seq" for c in table.columns if c.identity_next is not None]
        for table in plan.moved
        if table.action is Action.CREATE
    }
    sequences = {
        table: [quote_name(TableName(table.schema, name)) for name in given if len(name.encode()) <= MAX_BYTES]
        for table, given in names.items()
    }
    return exposure.script(plan.project, sequences)


def without(scope: Scope, left: Sequence[tuple[str, str]]) -> Scope:
    """The scope with columns left behind."""
    tables = dict(scope.tables)
    for table, column in left:
        override = tables.get(table, TableOverride())
        tables[table] = replace(override, columns={**override.columns, column: None})
    return replace(scope, tables=tables)


def _refuse_unknown(plan: Plan, asked: Mapping[str, ExposureScope]) -> None:
    moved = {table.source: table for table in plan.moved}
    known = {table.source for table in plan.tables}
    for source, scope in asked.items():
        if source not in known:
            raise UsageError(
                "EXPOSURE-TABLE-UNKNOWN",
                f"exposure.{source}: there is no such table among those that are migrated.",
                f"It has: {', '.join(sorted(known))}." if known else "",
            )
        if source in moved and scope.owner and not any(c.source == scope.owner for c in moved[source].columns):
            raise UsageError(
                "EXPOSURE-OWNER",
                f"exposure.{source}.owner: {source} has no column {scope.owner} that is moved.",
                "Name the column of the source with the id of the user whose row it is.",
            )


def _users_table(plan: Plan) -> TableName | None:
    users = plan.project.users if plan.project else None
    if users is None:
        return None
    return next((table.target for table in plan.moved if table.source == users.scope.table), None)


def _exposure(
    draft: _Drafting, table: TablePlan, scope: ExposureScope | None, users: TableName | None
) -> TableExposure | None:
    existing = table.action is Action.MERGE
    if scope is None and existing:
        return None  # its rights and policies are its own
    if scope is not None:
        made = _as_asked(table, scope)
        if not existing:
            return made
        message = (
            f"{table.target} is there already; the configuration asks for {made.policy}: row-level security is turned "
            "on, and policies and rights are added to those that it has."
        )
        if draft.find(Finding("EXPOSURE-EXISTING", message, table=table.source, choices=("set", "leave"))) == "leave":
            return None
        return replace(made, existing=True)
    owners = tuple(_owner_columns(table, users))
    if not owners:
        message = f"Nothing says who may reach {table.target} over the Data API: it is closed to everybody."
        choice = draft.find(Finding("EXPOSURE-NONE", message, table=table.source, choices=POLICIES[:1:-1]))
        return TableExposure(table.target, _policy(choice))
    owner = owners[0]
    itself = table.target == users
    named = next(c.source for c in table.columns if c.target == owner)
    message = f"The rows of {table.target} belong to the users that {named} names."
    if itself:
        message = f"{table.target} is the table of users: each may read their own row."
    elif len(owners) > 1:
        message += f" So might those of {', '.join(owners[1:])}; the configuration's exposure says which."
    # What a user may write of their own row there (a role, a balance) only the application knows.
    order: tuple[ExposurePolicy, ...] = ("owner-read", "owner") if itself else ("owner", "owner-read")
    finding = Finding("EXPOSURE-OWNER", message, table=table.source, column=named, choices=(*order, *POLICIES[2:]))
    choice = draft.find(finding)
    if not choice.startswith("owner"):
        return TableExposure(table.target, _policy(choice))
    return TableExposure(table.target, _policy(choice), owner, _type_of(table, owner))


def _as_asked(table: TablePlan, scope: ExposureScope) -> TableExposure:
    if scope.owner is None:
        return TableExposure(table.target, "admin" if scope.admin else _READ.get(scope.read or "", "none"))
    column = next(c for c in table.columns if c.source == scope.owner)
    if not can_own(column.type):
        raise UsageError(
            "EXPOSURE-OWNER",
            f"exposure.{table.source}.owner: {scope.owner} becomes {column.type}; a user of Supabase Auth has a UUID.",
            "Name the table of users under `users`, so that references to it become UUIDs; or leave `owner` out.",
        )
    return TableExposure(table.target, "owner", column.target, column.type, scope.read or "own")


def _policy(choice: str) -> ExposurePolicy:
    return next(policy for policy in POLICIES if policy == choice)


def _owner_columns(table: TablePlan, users: TableName | None) -> Iterator[str]:
    """Target columns that name a user, the likeliest owner first."""
    if users is None:
        return
    key = table.primary_key
    if table.target == users and key is not None and len(key.columns) == 1 and can_own(_type_of(table, key.columns[0])):
        yield key.columns[0]
        return
    found = [k.columns[0] for k in table.foreign_keys if k.parent == users and len(k.columns) == 1]
    found = [column for column in dict.fromkeys(found) if can_own(_type_of(table, column))]
    rank = {name: n for n, name in enumerate(_OWNERS)}
    yield from sorted(found, key=lambda c: rank.get(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", c).lower(), len(rank)))


def _type_of(table: TablePlan, target: str) -> str:
    return next(column.type for column in table.columns if column.target == target)


def _hiding(draft: _Drafting, table: TablePlan, made: TableExposure, users: TableName | None) -> TableExposure:
    """The exposure without the columns that nobody should read over the API."""
    if made.policy == "none" and table.target != users:
        return made
    hidden = []
    for column in table.columns:
        why = draft.secrets.get((table.source, column.source)) or sensitive(column.source) or sensitive(column.target)
        if why is None or column.target == made.owner:
            continue
        message = f"{table.source}.{column.source} looks like {why}."
        needed = column.not_null and column.default is None
        choices = (
            ("hide", "leave", "show") if not _in_key(table, column.target) and not made.existing else ("hide", "show")
        )
        if needed and made.policy in ("owner", "admin"):
            message += " Without a default, hiding it also keeps users from adding rows."
        choice = draft.find(
            Finding("EXPOSURE-SENSITIVE", message, table=table.source, column=column.source, choices=choices)
        )
        if choice == "hide":
            hidden.append(column.target)
        elif choice == "leave":
            draft.left.append((table.source, column.source))
    if not hidden:
        return made
    shown = tuple(c.target for c in table.columns if c.target not in hidden)
    return replace(made, hidden=tuple(hidden), columns=shown)


def _in_key(table: TablePlan, column: str) -> bool:
    keys = [key.columns for key in (table.primary_key, *table.uniques) if key]
    return any(column in columns for columns in (*keys, *(key.columns for key in table.foreign_keys)))


def _with_index(table: TablePlan, made: TableExposure, names: set[str]) -> TablePlan:
    """The table with an index for the policy's column, unless one begins with it."""
    if made.owner is None or made.existing or not made.policy.startswith("owner"):
        return table
    keys = [key.columns[0] for key in (table.primary_key, *table.uniques) if key]
    begun = [index.parts[0].column for index in table.indexes if index.where is None and index.parts]
    if made.owner in (*keys, *begun):
        return table
    name = shorten(f"{table.target.name}_{made.owner}_idx", names)
    names.add(name)
    return replace(table, indexes=(*table.indexes, Index(name, (IndexPart(column=made.owner),))))
