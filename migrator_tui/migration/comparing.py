"""Comparing two schemas object by object: equal, equal by conversion, missing, extra or changed, and why.

The plan says how the two are paired: a column that the plan turns from DATETIME into ``timestamptz`` is equal by
conversion, not different.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from migrator_tui.convert.expressions import enum_values
from migrator_tui.convert.identifiers import quote
from migrator_tui.model.plan import Action, ColumnPlan, Plan, TablePlan
from migrator_tui.model.schema import Column, Database, Table, TableName


class Standing(StrEnum):
    """How the two sides of an object stand to one another."""

    SAME = "same"
    CONVERTED = "converted"
    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"

    @property
    def differs(self) -> bool:
        """Neither equal nor equal by conversion."""
        return self not in (Standing.SAME, Standing.CONVERTED)


@dataclass(frozen=True, slots=True)
class Pair:
    """One object on both sides.

    Attributes:
        object: ``table``, ``column``, ``primary key``, ``unique``, ``foreign key``, ``check``, ``index`` or ``view``.
        name: ``users.email``; the table alone for a table.
        table: Source table it belongs to (the target's for an extra one); empty for a view.
        source, target: How each side declares it, None where it is not there.
        why: One line that says what the standing means here.
        planned: How the target will declare it after the run, None where the plan does not create it.
    """

    object: str
    name: str
    table: str
    standing: Standing
    source: str | None
    target: str | None
    why: str = ""
    planned: str | None = None


def compare(source: Database, target: Database, plan: Plan) -> tuple[Pair, ...]:
    """All objects of the plan's tables, and what the target has beyond them in the same schemas."""
    pairs: list[Pair] = []
    enums = frozenset(quote(enum.name.name) for enum in plan.enums)
    sources = {table.name: table for table in source.tables}  # a search for each is slow with thousands
    there = {table.name: table for table in target.tables}
    for table in plan.tables:
        described = sources.get(TableName("", table.source))
        if described is not None:
            pairs += _table(table, described, there.get(table.target), enums)
    planned = {table.target for table in plan.tables}
    for live in target.tables:
        if live.name not in planned:
            why = "only on the target"
            pairs.append(Pair("table", str(live.name), str(live.name), Standing.EXTRA, None, _summary(live), why))
    views = {view.name for view in target.views}
    carried = {view.source: view.target for view in plan.views}
    for view in source.views:
        name = carried.get(view.name.name)
        found = name in views if name else False
        standing = Standing.SAME if found else Standing.MISSING
        why = "" if found else ("will be created" if name else "is not carried; see the findings")
        shown, coming = (str(name), None) if found else (None, str(name) if name else None)
        pairs.append(Pair("view", view.name.name, "", standing, view.sql, shown, why, coming))
    known = set(carried.values())
    for other in target.views:
        if other.name not in known:
            pairs.append(Pair("view", str(other.name), "", Standing.EXTRA, None, other.sql, "only on the target"))
    return tuple(pairs)


def _table(plan: TablePlan, source: Table, live: Table | None, enums: frozenset[str]) -> Iterator[Pair]:
    name = plan.source
    if plan.action is Action.SKIP:
        yield Pair("table", name, name, Standing.MISSING, _summary(source), None, "is left out")
        return
    if live is None:
        why = f"will be created as {plan.target}"
        yield Pair("table", name, name, Standing.MISSING, _summary(source), None, why, str(plan.target))
    else:
        yield Pair(
            "table", name, name, Standing.SAME, _summary(source), _summary(live), f"rows are merged into {live.name}"
        )
    planned = {column.source: column for column in plan.columns}
    for column in source.columns:
        yield _column(name, column, planned.get(column.name), live)
    if live is not None:
        yield from _extra_columns(plan, live)
    yield from _keys(plan, source, live, enums)
    there = {index.name for index in live.indexes} if live else set()
    carried = {index.name for index in plan.indexes}
    for index in source.indexes:
        found = index.name in there
        why = "" if found else ("will be created" if index.name in carried else "is not carried; see the findings")
        standing = Standing.SAME if found else Standing.MISSING
        shown, coming = (index.name, None) if found else (None, index.name if index.name in carried else None)
        yield Pair("index", f"{name}.{index.name}", name, standing, index.sql, shown, why, coming)


def _column(table: str, column: Column, planned: ColumnPlan | None, live: Table | None) -> Pair:
    name = f"{table}.{column.name}"
    ours = _declared(column)
    if planned is None:
        return Pair("column", name, table, Standing.MISSING, ours, None, "is left behind")
    there = next((c for c in live.columns if c.name == planned.target), None) if live else None
    if there is None:
        coming = planned.type + (" NOT NULL" if planned.not_null else "")
        coming = coming if planned.target == column.name else f"{planned.target} {coming}"
        return Pair("column", name, table, Standing.MISSING, ours, None, f"becomes {planned.type}", coming)
    theirs = _declared(there)
    if there.type != planned.type:
        why = f"the plan makes it {planned.type}, the target has {there.type}"
        return Pair("column", name, table, Standing.CHANGED, ours, theirs, why)
    if there.not_null and not (column.not_null or column.identity):
        return Pair("column", name, table, Standing.CHANGED, ours, theirs, "the target does not allow NULL")
    why = f"{column.type or 'no type'} is carried as {there.type} ({planned.codec})"
    return Pair("column", name, table, Standing.CONVERTED, ours, theirs, why)


def _extra_columns(plan: TablePlan, live: Table) -> Iterator[Pair]:
    planned = {column.target for column in plan.columns}
    for column in live.columns:
        if column.name not in planned:
            name = f"{plan.source}.{column.name}"
            yield Pair("column", name, plan.source, Standing.EXTRA, None, _declared(column), "only on the target")


def _keys(plan: TablePlan, source: Table, live: Table | None, enums: frozenset[str]) -> Iterator[Pair]:
    renamed = {column.source: column.target for column in plan.columns}

    def target_names(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(renamed.get(column, column) for column in columns)

    def pair(object: str, text: str, found: bool, planned: bool) -> Pair:
        why = "" if found else ("will be created" if planned else "is not carried; see the findings")
        standing = Standing.SAME if found else Standing.MISSING
        shown, coming = (text, None) if found else (None, text if planned else None)
        return Pair(object, f"{plan.source}.{text}", plan.source, standing, text, shown, why, coming)

    if source.primary_key:
        wanted = target_names(source.primary_key.columns)
        found = bool(live and live.primary_key and live.primary_key.columns == wanted)
        yield pair("primary key", f"({', '.join(source.primary_key.columns)})", found, plan.primary_key is not None)
    for unique in source.uniques:
        wanted = target_names(unique.columns)
        found = bool(live and any(sorted(k.columns) == sorted(wanted) for k in live.uniques))
        yield pair("unique", f"({', '.join(unique.columns)})", found, True)
    for key in source.foreign_keys:
        wanted = target_names(key.columns)
        found = bool(live and any(k.columns == wanted for k in live.foreign_keys))
        planned = any(k.columns == wanted for k in plan.foreign_keys)
        yield pair("foreign key", f"({', '.join(key.columns)}) → {key.parent.name}", found, planned)
    for check in source.checks:
        text = f"({check.expression})"
        listed = [c for c in plan.columns if c.type in enums and enum_values(check.expression, c.source)]
        if listed:
            name, why = f"{plan.source}.{text}", f"the enum type {listed[0].type} says it"
            yield Pair("check", name, plan.source, Standing.MISSING, text, None, why, listed[0].type)
        else:
            yield pair("check", text, bool(live and live.checks), bool(plan.checks))


def _declared(column: Column) -> str:
    text = column.type or "(no type)"
    if column.not_null:
        text += " NOT NULL"
    if column.identity:
        text += " identity"
    elif column.default is not None:
        text += f" DEFAULT {column.default}"
    if column.generated:
        text += f" AS ({column.generated.expression})"
    return text


def _summary(table: Table) -> str:
    return f"{len(table.columns)} columns, {len(table.indexes)} indexes, {len(table.foreign_keys)} foreign keys"
