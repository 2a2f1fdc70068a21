"""What a run keeps of its source on the target, for the way back."""

from __future__ import annotations

from contextlib import closing

from migrator_tui.migration.staging import Source
from migrator_tui.model.origin import ColumnOrigin, Origin, TableOrigin, ViewOrigin
from migrator_tui.model.plan import Action, Plan, TablePlan
from migrator_tui.sqlite.snapshot import connect

PRAGMAS = ("user_version", "application_id")


_ENCODINGS = {"UTF-16LE": 2, "UTF-16BE": 3}
"""As the file's own header has them; UTF-8 is 1."""


def origin_of(source: Source, plan: Plan, run: str) -> Origin:
    """The origin of everything that a plan moves, and of the views that it could not carry."""
    with closing(connect(source.snapshot)) as connection:
        pragmas = {name: int(connection.execute(f"PRAGMA {name}").fetchone()[0]) for name in PRAGMAS}
    pragmas["encoding"] = _ENCODINGS.get(source.database.encoding.upper(), 1)
    carried = {view.source: view.target for view in plan.views}
    return Origin(
        run,
        tuple(_table(source, table) for table in plan.moved),
        tuple(ViewOrigin(v.name.name, carried.get(v.name.name), v.sql) for v in source.database.views),
        pragmas,
    )


def _table(source: Source, plan: TablePlan) -> TableOrigin:
    table = source.table(plan.source)
    return TableOrigin(
        plan.source,
        plan.target,
        plan.action is Action.CREATE,
        tuple(ColumnOrigin(c.source, c.target, table.column(c.source).type, c.type, c.codec) for c in plan.columns),
        table.sql,
        tuple(index.sql for index in table.indexes if index.sql),
        tuple(trigger.sql for trigger in source.database.triggers_of(table.name)),
        plan.left_behind,
    )
