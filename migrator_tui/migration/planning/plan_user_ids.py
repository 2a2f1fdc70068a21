"""Planning the columns that hold ids of users: they become UUIDs, in the users' own table and wherever it is named.

A foreign key takes its columns along, one after the other: where ``profiles.id`` refers to ``users.id`` and
``posts.author`` to ``profiles.id``, all three are ids of users. Of a composite key only the part that is one changes.
Columns that refer to users without a declared foreign key are named by a person (``users.references``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from migrator_tui.convert.user_ids import codec_name, namespace_of
from migrator_tui.migration.planning.plan_draft import Drafting
from migrator_tui.model.errors import UsageError
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, Plan, TablePlan
from migrator_tui.model.profile import ColumnProfile, SourceProfile
from migrator_tui.model.project import ProjectPlan, UsersPlan, UsersScope
from migrator_tui.model.schema import Column, Database, ForeignKey, ReferentialAction, Table, TableName

AUTH_USERS = TableName("auth", "users")
_SHOWN = 12

Place = tuple[str, str]
"""Source table and column."""


def codecs_of(database: Database, profile: SourceProfile, users: UsersPlan) -> dict[Place, str]:
    """The columns that hold ids of users, each with its codec.

    Raises:
        UsageError: ``USERS-KEY``, ``USERS-REFERENCE``: ids that are no key or no ids; a column that is not there.
    """
    scope = users.scope
    first = (scope.table, scope.id)
    table = database.table(TableName("", scope.table))
    assert table is not None
    _require_key(table, profile, scope)
    named = [_reference(database, written) for written in scope.references]
    found: dict[Place, str] = {}
    children = _children(database.tables)
    waiting = [first, *named]
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        codec = _codec(_profile(profile, place), _column(database, place), users.namespace)
        if codec is None:
            if place in named:
                raise UsageError(
                    "USERS-REFERENCE",
                    f"{place[0]}.{place[1]} holds values that are neither all integers nor all texts, so no ids.",
                    "Take it out of `users.references`.",
                )
            continue  # its foreign key is not carried, which is told
        found[place] = codec
        waiting += children.get(place, ())
    return found


def _children(tables: Sequence[Table]) -> Mapping[Place, list[Place]]:
    found: dict[Place, list[Place]] = {}
    for table in tables:
        for key in table.foreign_keys:
            for column, parent in zip(key.columns, key.parent_columns, strict=False):
                found.setdefault((key.parent.name, parent), []).append((table.name.name, column))
    return found


def _require_key(table: Table, profile: SourceProfile, scope: UsersScope) -> None:
    if not any(key == (scope.id,) for key in table.keys):
        keys = "; ".join(", ".join(key) for key in table.keys) or "none"
        raise UsageError(
            "USERS-KEY",
            f"{scope.table}.{scope.id} is no key of {scope.table}, so a value does not tell whose id it is.",
            f"Name the column of its key: `users.id`. Its keys: {keys}.",
        )
    found = _profile(profile, (scope.table, scope.id))
    if _kind(found, table.column(scope.id)) is None:
        raise UsageError(
            "USERS-KEY",
            f"{scope.table}.{scope.id} holds {' and '.join(found.classes)} values; ids of users are all integers or "
            "all texts.",
            "Keep users as an ordinary table (`users` left out of the configuration), or repair the ids.",
        )


def _reference(database: Database, written: str) -> Place:
    name = TableName.parse(written, default_schema="")
    table = database.table(TableName("", name.schema))
    if table is None or all(column.name != name.name for column in table.columns):
        there = ", ".join(c.name for c in table.columns) if table else ", ".join(t.name.name for t in database.tables)
        raise UsageError(
            "USERS-REFERENCE",
            f"users.references: the source has no column {written}.",
            f"{f'{name.schema} has' if table else 'It has the tables'}: {there}.",
        )
    return name.schema, name.name


def _profile(profile: SourceProfile, place: Place) -> ColumnProfile:
    table = profile.tables.get(place[0])
    try:
        return table.column(place[1]) if table else ColumnProfile(place[1])
    except KeyError:
        return ColumnProfile(place[1])


def _column(database: Database, place: Place) -> Column:
    table = database.table(TableName("", place[0]))
    assert table is not None
    return table.column(place[1])


def _kind(found: ColumnProfile, column: Column) -> str | None:
    if found.classes == ("integer",):
        return "integer"
    if found.classes == ("text",):
        return "text" if not found.nul_texts and not found.invalid_utf8 else None
    if found.classes:
        return None
    return "integer" if "INT" in column.type.upper() else "text"


def _codec(found: ColumnProfile, column: Column, namespace: str) -> str | None:
    kind = _kind(found, column)
    return None if kind is None else codec_name(namespace, of_text=kind == "text")


def begin(draft: Drafting) -> None:
    """Note in the draft which columns hold ids of users; nothing where no users are moved."""
    users = draft.target.users
    if users is not None:
        draft.user_ids = codecs_of(draft.source, draft.profile, users)


def referring(draft: Drafting, tables: list[TablePlan]) -> list[TablePlan]:
    """The plans, the new table of users with its foreign key to auth.users: who is deleted there is deleted here.

    Rows of nobody who could be made a user are let be: the key is validated once everything is there, and what does
    not hold is told.
    """
    users = draft.target.users
    return [
        _referring(draft, table, users.scope.id)
        if users is not None and table.source == users.scope.table and table.action is Action.CREATE
        else table
        for table in tables
    ]


def _referring(draft: Drafting, plan: TablePlan, id: str) -> TablePlan:
    column = next((c for c in plan.columns if c.source == id), None)
    if column is None or namespace_of(column.codec) is None or column.type != "uuid":
        return plan
    name = draft.names.constraint(plan.target, f"{plan.target.name}_{column.target}_auth_fkey")
    key = ForeignKey((column.target,), AUTH_USERS, ("id",), name, on_delete=ReferentialAction.CASCADE)
    return replace(plan, foreign_keys=(*plan.foreign_keys, key))


def finished(draft: Drafting, plan: Plan) -> Plan:
    """The plan with its users, and the finding that says which columns change.

    Raises:
        UsageError: ``PLAN-USERS``: a column is to hold ids of users, and there are none.
    """
    users = draft.target.users
    changed = [
        f"{table.source}.{column.source}"
        for table in plan.moved
        for column in table.columns
        if namespace_of(column.codec) is not None
    ]
    if users is None:
        if changed:
            raise UsageError(
                "PLAN-USERS",
                f"The plan makes ids of users of Supabase Auth of {', '.join(changed[:3])}, but moves no users.",
                "Give the plan its `users` back, or these columns another type and codec.",
            )
        return plan
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    message = (
        f"{users.scope.table}: {users.rows - users.left:,} of {users.rows:,} rows become users of Supabase Auth, and "
        "all ids UUIDs, in "
        f"{len(changed)} columns: {', '.join(changed[:_SHOWN])}{more}."
    )
    finding = draft.chooser.settle(Finding("USER-IDS", message, table=users.scope.table, rows=users.rows))
    project = plan.project or ProjectPlan(draft.scope.project.api)
    return replace(plan, project=replace(project, users=users), findings=(*plan.findings, finding))
