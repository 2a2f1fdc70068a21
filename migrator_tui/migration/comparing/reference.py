"""The measure that Compare holds the target to: what it would be if the source were migrated to it afresh.

The same decisions give the same types, names, keys and expressions whether or not the target has the tables already,
so the plan is made once more as if it had none. Where a table is there, the server writes the planned one out, because
its own expressions can be compared with no other text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote
from migrator_tui.migration.planning import drafting
from migrator_tui.migration.planning.plan_draft import Chooser, Target
from migrator_tui.migration.request import Request
from migrator_tui.migration.staging import Source
from migrator_tui.model.errors import TargetError
from migrator_tui.model.plan import Action, Plan, TablePlan
from migrator_tui.model.schema import Column, Database, EnumType, Table, TableName
from migrator_tui.postgres.prove import prove
from migrator_tui.postgres.written import inspect_in, next_values, written_tables, written_views


@dataclass(frozen=True, slots=True)
class Reference:
    """What the target is compared with, and the target in the words that make it comparable.

    Attributes:
        plan: Made as if the target were empty.
        target: The target's schemas that the plan is about, their own names written without the schema.
        tables: Source name → the planned table; as the server writes it where the target has one of that name.
        views: Source name → the planned query, likewise.
        next_values: What the target's identities give next.
    """

    plan: Plan
    target: Database
    tables: Mapping[str, Table]
    views: Mapping[str, str]
    next_values: Mapping[tuple[TableName, str], int] = field(default_factory=dict)


def unasked(plan: Plan, target: Database) -> Reference:
    """The reference by the plan's own texts alone: enough where the target has none of the tables."""
    return Reference(
        plan,
        target,
        {table.source: planned_table(table, plan.enums) for table in plan.moved},
        {view.source: view.query for view in plan.views},
    )


def reference(connection: psycopg.Connection[Any], source: Source, plan: Plan, request: Request) -> Reference:
    """The reference for a plan that was made against the target as it is.

    Everything is tried in transactions that are rolled back.

    Raises:
        TargetError: The connection ended, or the server refused to be asked.
    """
    schemas = sorted({request.scope.schema, *(table.target.schema for table in plan.tables)})
    target = inspect_in(connection, schemas)
    there = {table.name: table for table in target.tables}
    views = {view.name for view in target.views}
    wanted = {planned_name(request, table.name.name) for table in source.database.tables}
    wanted_views = {TableName(request.scope.schema, view.name.name) for view in source.database.views}
    if not (wanted & there.keys() or wanted_views & views or {table.target for table in plan.tables} & there.keys()):
        return unasked(plan, target)
    afresh = _afresh(connection, source, plan, request, target)
    plain = unasked(afresh, target)
    asked = [t for t in afresh.moved if t.target in there and _needs_asking(plain.tables[t.source], there[t.target])]
    written = written_tables(connection, asked, afresh.enums)
    queries = written_views(connection, [view for view in afresh.views if view.target in views])
    return replace(
        plain,
        tables=dict(plain.tables) | {table.source: written[table.target] for table in asked if table.target in written},
        views=dict(plain.views) | {v.source: queries[v.target] for v in afresh.views if v.target in queries},
        next_values=next_values(connection, schemas),
    )


def planned_name(request: Request, source: str) -> TableName:
    """The target that a source table has if nothing is in its way."""
    override = request.scope.tables.get(source)
    return override.target if override and override.target else TableName(request.scope.schema, source)


def _afresh(
    connection: psycopg.Connection[Any], source: Source, plan: Plan, request: Request, target: Database
) -> Plan:
    empty = Target(
        plan.target_identity, replace(target, tables=(), views=(), triggers=(), enums=(), taken=()), users=plan.users
    )
    chooser = Chooser(request.decisions, request.accept_recommended, request.accept_lossy)
    made = drafting.make_plan(
        plan.source_path,
        plan.source_sha256,
        source.database,
        source.profile,
        empty,
        _for_an_empty_target(request).scope,
        chooser,
    )
    try:
        refused = prove(connection, made.moved, made.views, made.enums)
    except TargetError as error:
        # A role that may only look can compare: what the server refused when the tables were made is not on it.
        if error.id not in ("TARGET-PRIVILEGE", "TARGET-READ-ONLY"):
            raise
        refused = []
    refused = [item for item in refused if item.object != "type"]
    return drafting.without_refused(made, refused, source.database) if refused else made


def _for_an_empty_target(request: Request) -> Request:
    """What is said of tables that are there says nothing of new ones; what is skipped stays so."""
    tables = {
        name: replace(override, action=Action.CREATE if override.action is Action.MERGE else override.action, fill={})
        for name, override in request.scope.tables.items()
    }
    return replace(request, scope=replace(request.scope, tables=tables))


def planned_table(plan: TablePlan, enums: tuple[EnumType, ...] = ()) -> Table:
    """A planned table in the words of a schema."""
    types = {quote(enum.name.name): enum.name for enum in enums}
    columns = tuple(
        Column(
            c.target,
            types[c.type].name if c.type in types else c.type,
            c.not_null,
            None if c.identity_next is not None or c.generated else c.default,
            c.identity_next is not None,
            c.generated,
            enum=types.get(c.type),
        )
        for c in plan.columns
    )
    return Table(
        plan.target, columns, plan.primary_key, plan.uniques, plan.foreign_keys, plan.checks, plan.indexes
    )  # fmt: skip


def _needs_asking(planned: Table, there: Table) -> bool:
    """Something in it may be written in another way than the plan writes it."""
    types = {column.name: column.type for column in there.columns}
    return bool(
        planned.checks
        or any(c.default is not None or c.generated for c in planned.columns)
        or any(types.get(c.name, c.type) != c.type for c in planned.columns)
        or any(i.where or any(part.expression for part in i.parts) for i in planned.indexes)
    )
