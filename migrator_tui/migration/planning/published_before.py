"""Columns that an earlier run left behind: a later run onto its tables leaves them behind again, and says so.

Without this a table would not take the rows of its own source: a column that was left out on purpose, such as the
passwords that Supabase Auth keeps now, has no counterpart there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from migrator_tui.migration.planning.plan_draft import Chooser
from migrator_tui.model.findings import Finding
from migrator_tui.model.origin import Origin
from migrator_tui.model.plan import Scope, TableOverride
from migrator_tui.model.schema import Database, Table, TableName


def as_published(
    scope: Scope,
    source: Database,
    live: Database,
    targets: Mapping[str, TableName],
    origins: Iterable[Origin],
    chooser: Chooser,
) -> tuple[Scope, tuple[Finding, ...]]:
    """The scope with those columns left behind, and what is told of them.

    A column that a person's configuration speaks of, or that the live table has by now, is none of them.

    Args:
        targets: Source table → the table of the target that its rows would join.
        origins: Of the runs that are published there.
    """
    published = [table for origin in origins for table in origin.tables]
    there = {table.name: table for table in live.tables}
    tables = dict(scope.tables)
    findings: list[Finding] = []
    for table in source.tables:
        name, target = table.name.name, targets.get(table.name.name)
        if target is None or target not in there:
            continue
        override = tables.get(name, TableOverride())
        earlier = {c for one in published if (one.source, one.target) == (name, target) for c in one.left_behind}
        left = _still_left(table, there[target], earlier, override)
        if not left:
            continue
        tables[name] = replace(override, columns={**override.columns, **dict.fromkeys(left)})
        message = f"{name}: {', '.join(left)}, which an earlier run left behind, stays behind again; {target} has no "
        message += f"such column{'s' if len(left) > 1 else ''}."
        findings.append(chooser.settle(Finding("COLUMN-LEFT-BEFORE", message, table=name, column=left[0])))
    return replace(scope, tables=tables), tuple(findings)


def _still_left(table: Table, live: Table, earlier: set[str], override: TableOverride) -> Sequence[str]:
    named = {column.name.lower() for column in live.columns}
    return [
        column.name
        for column in table.columns
        if column.name in earlier and column.name not in override.columns and column.name.lower() not in named
    ]
