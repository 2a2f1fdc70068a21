"""The plan: source schema + stored values + target schema + decisions → what becomes of every table and column.

Pure: what the target refuses is found out by ``postgres.prove`` and comes back through :func:`without_refused`.
"""

from __future__ import annotations

import difflib
import fnmatch
from dataclasses import replace
from pathlib import Path

from migrator_tui.convert import expressions
from migrator_tui.convert.identifiers import Names
from migrator_tui.convert.trigger_drafts import draft as draft_trigger
from migrator_tui.migration.planning import plan_columns, plan_keys, plan_onto, plan_user_ids, plan_virtual
from migrator_tui.migration.planning.plan_draft import Chooser, Drafting, Target
from migrator_tui.model.errors import UsageError
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, Estimate, Plan, Scope, TableOverride, TablePlan, ViewPlan
from migrator_tui.model.profile import SourceProfile, TableProfile
from migrator_tui.model.schema import Database, Table, TableName, Trigger
from migrator_tui.postgres import ddl
from migrator_tui.postgres.prove import Refused

BYTES_PER_SECOND = 20_000_000
"""What staging and checking together move on two shared cores; an estimate for the person, never a limit."""
ROWS_PER_SECOND = 150_000
ALIKE = 0.7
"""How much of a name must be right for it to be taken for a slip."""
MOST_COLUMNS = 1_599
"""PostgreSQL's 1,600, of which one is the rows' place in the source while they are staged."""
PEAK_FACTOR = 2.5
"""Rows in Postgres have headers and indexes, and staging comes before publishing."""


def make_plan(
    source_path: str,
    sha256: str,
    source: Database,
    profile: SourceProfile,
    target: Target,
    scope: Scope,
    chooser: Chooser,
) -> Plan:
    """The whole plan, findings and their decisions included."""
    draft = Drafting(source, profile, target, scope, chooser, Names(scope.names))
    for schema in {scope.schema, *(o.target.schema for o in scope.tables.values() if o.target)}:
        draft.names.reserve(schema, taken(target.database, schema))
    plan_user_ids.begin(draft)
    _doubts(draft, Path(source_path).name)
    chosen = [table for table in source.tables if included(table, scope)]
    # First the names that a person gave, then those that stay as they are, then those that are made.
    order = sorted(chosen, key=lambda t: (not _named(scope, t), draft.names.wanted(t.name.name) != t.name.name))
    by_source = {table.name.name: _table(draft, table) for table in order}
    drafts = [by_source[table.name.name] for table in chosen]
    _distinct(drafts)
    tables = plan_user_ids.referring(draft, plan_keys.foreign_keys(draft, drafts))
    views = _views(draft, tables)
    for trigger in source.triggers:
        message = f"The trigger {trigger.name} on {trigger.table} is not carried."
        finding = Finding("TRIGGER-NOT-CARRIED", message, table=trigger.table.name, object=trigger.name)
        draft.find(replace(finding, samples=_with_draft(trigger, tables, views, scope.schema)))
    for change in draft.names.changes:
        message = f"The {change.kind} {change.old!r} is named {change.new!r} on the target."
        draft.find(
            Finding("NAME-CHANGED", message, table=str(change.table) if change.table else None, object=change.old)
        )
    plan = Plan(
        source_path=source_path,
        source_sha256=sha256,
        target_identity=target.identity,
        tables=tuple(tables),
        load_order=load_order(tables),
        enums=tuple(draft.enums),
        views=views,
        findings=tuple(draft.findings),
        names=scope.names,
    )
    return finished(plan_user_ids.finished(draft, plan))


def finished(plan: Plan) -> Plan:
    """The plan with its DDL and estimate, which follow from the rest."""
    rows = sum(table.rows for table in plan.moved)
    size = sum(table.bytes for table in plan.moved)
    seconds = 1.0 + size / BYTES_PER_SECOND + rows / ROWS_PER_SECOND
    return replace(
        plan, ddl=ddl.script(plan), estimate=Estimate(rows, size, int(size * PEAK_FACTOR), round(seconds, 1))
    )


def without_refused(plan: Plan, refused: list[Refused], source: Database) -> Plan:
    """The plan without what the target refused, each with a finding that has the source's own text."""
    findings = list(plan.findings)
    tables = {table.target: table for table in plan.tables}
    views = list(plan.views)
    for item in refused:
        kind = {"generated": "GENERATED", "default": "DEFAULT", "check": "CHECK", "index": "INDEX", "view": "VIEW"}[
            item.object
        ]
        table = tables.get(item.table) if item.table else None
        if item.object == "view":
            views = [view for view in views if view.target.name != item.name]
        elif table is not None:
            tables[table.target] = _without(table, item)
        findings.append(
            Finding(
                f"{kind}-NOT-CARRIED",
                f"The {item.object} {item.name}{f' of {table.source}' if table else ''} is not carried; the target: "
                f"{item.error}.",
                table=table.source if table else None,
                column=_source_column(table, item.name) if item.object in ("default", "generated") else None,
                object=None if item.object in ("default", "generated") else item.name,
                samples=_original(source, table, item),
            )
        )
    changed = replace(
        plan, tables=tuple(tables[t.target] for t in plan.tables), views=tuple(views), findings=tuple(findings)
    )
    return finished(changed)


def _with_draft(trigger: Trigger, tables: list[TablePlan], views: tuple[ViewPlan, ...], schema: str) -> tuple[str, ...]:
    """The trigger as it is, and where it can be read a draft of it for the target."""
    names = {table.source: table.target.name for table in tables} | {view.source: view.target.name for view in views}
    drafted = draft_trigger(trigger.sql, names, schema)
    return (trigger.sql, drafted) if drafted else (trigger.sql,)


def _source_column(table: TablePlan | None, target: str) -> str:
    """The source's name of a target column."""
    return next((c.source for c in table.columns if c.target == target), target) if table else target


def _original(source: Database, plan: TablePlan | None, refused: Refused) -> tuple[str, ...]:
    """What the source says of the object that was refused."""
    if plan is None:
        return tuple(view.sql for view in source.views if view.name.name == refused.name)
    table = source.table(TableName("", plan.source))
    own = {column.target: column.source for column in plan.columns}
    if table is None or refused.object not in ("default", "generated"):
        return tuple(index.sql for index in plan.indexes if index.name == refused.name and index.sql)
    column = table.column(own[refused.name])
    text = column.generated.expression if column.generated else column.default
    return (text,) if text else ()


def _distinct(tables: list[TablePlan]) -> None:
    """Raise where two tables would meet in one.

    Raises:
        UsageError: Naming both.
    """
    by_target: dict[TableName, str] = {}
    by_name: dict[str, str] = {}
    for table in tables:
        if table.action is Action.SKIP:
            continue
        if (other := by_target.setdefault(table.target, table.source)) != table.source:
            raise UsageError(
                "PLAN-SAME-TARGET",
                f"{other} and {table.source} are both to become {table.target}.",
                "Give one of them another target in the plan or the configuration, or migrate them in two runs.",
            )
        if table.action is Action.MERGE:
            continue
        if (other := by_name.setdefault(table.target.name, table.source)) != table.source:
            raise UsageError(
                "PLAN-SAME-NAME",
                f"{other} and {table.source} are both to become new tables named {table.target.name}, in two schemas.",
                "One run makes each name once: give one of them another name, or migrate them in two runs.",
            )


def load_order(tables: list[TablePlan]) -> tuple[str, ...]:
    """Source names, parents before children; tables of a cycle in the order of the source."""
    by_target = {table.target: table for table in tables}
    order: list[str] = []
    seen: set[str] = set()
    for first in tables:  # iterative, because a chain of foreign keys may be longer than Python's stack
        stack = [(first, False)]
        while stack:
            table, done = stack.pop()
            if done:
                order.append(table.source)
            elif table.source not in seen:
                seen.add(table.source)
                stack.append((table, True))
                parents = [by_target[key.parent] for key in table.foreign_keys if key.parent in by_target]
                stack += [(parent, False) for parent in reversed(parents)]
    return tuple(order)


def _doubts(draft: Drafting, file: str) -> None:
    """What a slip in a path or in a name leads to: nothing, or less than was meant."""
    names = [table.name.name for table in draft.source.tables]
    if not names:
        draft.find(
            Finding("SOURCE-EMPTY", f"{file} has no tables: there is nothing to move. It may be the wrong file.")
        )
        return
    for pattern in draft.scope.include:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            alike = difflib.get_close_matches(pattern, names, 1, ALIKE)
            message = f"No table of {file} is called {pattern}{f'; one is called {alike[0]}' if alike else ''}."
            draft.find(Finding("TABLES-UNMATCHED", message, object=pattern, choices=("leave",)))


def included(table: Table, scope: Scope) -> bool:
    """Whether a person's choice of tables has this one."""
    name = table.name.name
    override = scope.tables.get(name)
    if override and override.action is not None:
        return True
    wanted = any(fnmatch.fnmatchcase(name, pattern) for pattern in scope.include)
    return wanted and not any(fnmatch.fnmatchcase(name, pattern) for pattern in scope.exclude)


def _named(scope: Scope, table: Table) -> bool:
    override = scope.tables.get(table.name.name)
    return override is not None and override.target is not None


def taken(database: Database, schema: str) -> list[str]:
    """Relation and type names that exist in a schema of the target."""
    names = [name.name for name in database.taken if name.schema == schema]
    names += [table.name.name for table in database.tables if table.name.schema == schema]
    names += [view.name.name for view in database.views if view.name.schema == schema]
    names += [enum.name.name for enum in database.enums if enum.name.schema == schema]
    for table in database.tables:
        if table.name.schema == schema:
            names += [index.name for index in table.indexes]
            names += [key.name for key in (table.primary_key, *table.uniques) if key and key.name]
    return names


def _table(draft: Drafting, table: Table) -> TablePlan:
    name = table.name.name
    profile = draft.profile.tables.get(name) or TableProfile(name, 0, 0, (), ())
    override = draft.scope.tables.get(name, TableOverride())
    wanted = override.target or TableName(draft.scope.schema, draft.names.wanted(name))
    skipped = TablePlan(name, wanted, Action.SKIP, (), rows=profile.rows, bytes=profile.bytes)
    if not table.holds_rows:
        plan_virtual.left_out(draft, table, profile.rows)
        return skipped
    if override.action is Action.SKIP:
        return skipped
    if table.virtual is not None and plan_virtual.choice(draft, table, profile) == "skip":
        return skipped
    live = draft.target.database.table(wanted)
    asked = override.action is Action.MERGE
    if live is None and override.target is None and not asked and (alike := draft.target.alike.get(name)):
        rows = draft.target.counts.get(alike.table, 0)
        message = f"{name} has no namesake on the target, but {alike.table} ({rows:,} rows) looks like it: {alike.why}."
        if alike.others:
            message += f" So do {', '.join(map(str, alike.others))}."
        finding = Finding("TARGET-MATCH", message, table=name, choices=("create", "merge"))
        if draft.find(finding) == "merge":
            wanted, asked = alike.table, True
            live = draft.target.database.table(wanted)
            skipped = replace(skipped, target=wanted)
    if (
        live is None
        and (columns := len([c for c in table.columns if override.columns.get(c.name, ()) is not None])) > MOST_COLUMNS
    ):
        message = f"{name} has {columns:,} columns, and a table of PostgreSQL has at most {MOST_COLUMNS:,} here."
        finding = Finding("TABLE-WIDE", message, table=name, rows=profile.rows, choices=("skip",))
        draft.find(finding)
        return skipped
    if live is None:
        if override.fill:
            raise UsageError(
                "PLAN-FILL",
                f"{name}: fill.{next(iter(override.fill))}: {wanted} is made anew and has the source's columns alone.",
                f"Give {name} the name of a table that is there, or leave `fill` out.",
            )
        given = wanted.name if override.target else name
        target = draft.names.relation(wanted.schema, given, "table", fixed=override.target is not None)
        plan = plan_columns.new_table(draft, table, profile, target, override)
        return plan_virtual.with_search(draft, table, plan) if table.virtual is not None else plan
    rows = draft.target.counts.get(wanted, 0)
    if not asked:
        id, state = ("TARGET-HAS-ROWS", f"holds {rows} rows") if rows else ("TARGET-EXISTS", "is empty")
        message = f"{wanted} exists on the target and {state}."
        finding = Finding(id, message, table=name, rows=rows, choices=("merge", "skip"))
        if draft.find(finding) == "skip":
            return skipped
    draft.names.reserve(wanted.schema, [wanted.name])
    return plan_onto.merged_table(draft, table, profile, live, override) or skipped


def _views(draft: Drafting, tables: list[TablePlan]) -> tuple[ViewPlan, ...]:
    if not draft.source.views:
        return ()
    moved = {table.source: table for table in tables if table.action is not Action.SKIP}
    known = {}
    for source, table in moved.items():
        described = draft.source.table(TableName("", source))
        assert described is not None
        known[source] = plan_columns.known_columns(described, table)
    occupied = set(taken(draft.target.database, draft.scope.schema))
    for view in draft.source.views:
        if (
            draft.names.wanted(view.name.name) in occupied
        ):  # beside which another name would be a second view of the same
            message = f"The view {view.name.name} is not carried: the target has something of that name."
            draft.find(Finding("VIEW-NOT-CARRIED", message, object=view.name.name, samples=(view.sql,)))
    wanted = [view for view in draft.source.views if draft.names.wanted(view.name.name) not in occupied]
    names = {view.name.name: draft.names.relation(draft.scope.schema, view.name.name, "view") for view in wanted}
    translated = expressions.views(
        {view.name.name: view.sql for view in wanted},
        {source: table.target.name for source, table in moved.items()},
        known,
        {source: name.name for source, name in names.items()},
        {view.name.name: view.columns for view in wanted if view.columns},
    )
    views = []
    for source, result in translated.items():
        if result.sql is not None:
            views.append(ViewPlan(source, names[source], result.sql))
            continue
        message = f"The view {source} is not carried: {result.why}."
        draft.find(Finding("VIEW-NOT-CARRIED", message, object=source, samples=(result.original,)))
    return tuple(views)


def _without(table: TablePlan, refused: Refused) -> TablePlan:
    name = refused.name
    if refused.object == "check":
        return replace(table, checks=tuple(check for check in table.checks if check.name != name))
    if refused.object == "index":
        return replace(table, indexes=tuple(index for index in table.indexes if index.name != name))
    gone = {"default": {"default": None}, "generated": {"generated": None}}[refused.object]
    return replace(
        table,
        columns=tuple(replace(c, **gone) if c.target == name else c for c in table.columns),  # type: ignore[arg-type]
    )
