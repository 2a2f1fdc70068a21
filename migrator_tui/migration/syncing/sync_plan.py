"""What becomes of a plan in a sync: the tables that the runs before moved, paired as then, and their users."""

from __future__ import annotations

from dataclasses import replace

from migrator_tui.convert.identifiers import quote_name
from migrator_tui.migration.planning import drafting
from migrator_tui.migration.staging import Source
from migrator_tui.migration.syncing import sync_base
from migrator_tui.migration.syncing.sync_base import Bases
from migrator_tui.migration.syncing.sync_users import told_apart
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import Action, Plan, TablePlan
from migrator_tui.model.project import ProjectPlan

NOT_ABOUT_ROWS = ("EXPOSURE-", "USER-", "USERS-", "FILES-", "TARGET-HAS-ROWS", "TARGET-EXISTS")


def computed_of(source: Source, table: TablePlan) -> tuple[str, ...]:
    """The target columns whose values the file computes.

    Raises:
        UsageError: ``SYNC-NOT-COVERED``: rows are paired by one of them.
    """
    described = source.table(table.source)
    columns = tuple(c.target for c in table.moved_columns if described.column(c.source).generated is not None)
    if set(columns) & set(table.match_key):
        raise UsageError(
            "SYNC-NOT-COVERED",
            f"{table.source} cannot be synced: rows are paired by {', '.join(table.match_key)}, which SQLite computes. "
            "Nothing was changed.",
            "Name the other tables with --tables.",
        )
    return columns


def of_rows(plan: Plan, bases: Bases) -> Plan:
    """The plan without what is none of a sync's: views, types, who may reach what."""
    findings = tuple(
        finding
        for finding in plan.findings
        if finding.table in bases.tables and not finding.id.endswith("-NOT-CARRIED")
        and not finding.id.startswith(NOT_ABOUT_ROWS)
    )  # fmt: skip
    tables = tuple(table for table in plan.tables if table.source in bases.tables)
    order = tuple(source for source in plan.load_order if source in bases.tables)
    only = replace(plan, tables=tables, views=(), enums=(), project=None, findings=findings, load_order=order)
    users = told_apart(plan.users, only) if plan.users is not None else None
    moved = {base.run: base.plan.project for base in bases.tables.values() if base.plan.project is not None}
    files = tuple(
        file
        for name, base in bases.tables.items()
        for file in (base.plan.project.files if base.plan.project else ())
        if file.table == name
    )
    if users or files:
        api = next((project.api for project in moved.values() if project.api), None)
        only = replace(only, project=ProjectPlan(api, users, files))
    return drafting.finished(only)


def require_same_tables(plan: Plan, bases: Bases) -> None:
    """
    Raises:
        UsageError: ``SYNC-DRIFT``: a table is gone, or does not take the rows any more.
    """
    for name, base in bases.tables.items():
        then = base.table(name)
        now = next((table for table in plan.tables if table.source == name), None)
        if now is None or now.action is not Action.MERGE:
            said = [f.message for f in plan.findings if f.table == name and f.id == "TARGET-MISFIT"]
            why = said[0] if said else f"The target has no table {quote_name(then.target)} any more."
            raise sync_base.drifted(
                why,
                f"Bring the change of the tables to the other end first, or leave {name} out with --tables.",
            )
        codecs = {column.target: column.codec for column in now.moved_columns}
        other = [c for c in then.moved_columns if codecs.get(c.target) != sync_base.taken_as(c.codec)]
        if other:
            raise sync_base.drifted(
                f"{name}.{other[0].source} does not become {then.target}.{other[0].target} as it did in the run "
                f"{base.run}.",
                f"Bring the change of the column to the other end first, or leave {name} out with --tables.",
            )
