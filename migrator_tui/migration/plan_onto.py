"""Planning a table whose rows join a table that the target has already, under its own names and types."""

from __future__ import annotations

from migrator_tui.convert import codecs, given_types
from migrator_tui.migration.plan_columns import row_rules
from migrator_tui.migration.plan_draft import Drafting
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, ColumnPlan, RowRule, TableOverride, TablePlan
from migrator_tui.model.profile import ColumnProfile, TableProfile
from migrator_tui.model.schema import Table


def merged_table(
    draft: Drafting, table: Table, profile: TableProfile, live: Table, override: TableOverride
) -> TablePlan | None:
    """The plan of a merge, or None where the live table cannot take the rows and the table is left out."""
    name = table.name.name
    columns: list[ColumnPlan] = []
    left_behind: list[str] = []
    rules: list[RowRule] = []
    misfits: list[str] = []
    for column in table.columns:
        fixed = override.columns.get(column.name, (None, None, None))
        if fixed is None or (column.generated and column.name not in override.columns):
            left_behind.append(column.name)
            continue
        wanted = fixed[0] or column.name
        other = next((c for c in live.columns if c.name == wanted), None)
        other = other or next((c for c in live.columns if c.name.lower() == wanted.lower()), None)
        if other is None or other.generated:
            misfits.append(f"its column {column.name} has no counterpart")
            continue
        found = next((c for c in profile.columns if c.name == column.name), ColumnProfile(column.name))
        typed = given_types.onto(name, column, found, other, draft.chooser.choice)
        if typed.misfit:
            misfits.append(typed.misfit)
            continue
        for finding in typed.findings:
            draft.find(finding)
        rules += row_rules(column, typed)
        codec = fixed[2] if fixed[2] and codecs.exists(fixed[2]) else typed.codec
        columns.append(ColumnPlan(column.name, other.name, other.type, codec, not_null=other.not_null))
    given = {c.target for c in columns}
    filled_by_itself = {c.name for c in live.columns if c.default is not None or c.identity or c.generated}
    misfits += [
        f"the target's column {other.name} is NOT NULL, has no default and gets no value"
        for other in live.columns
        if other.not_null and other.name not in given | filled_by_itself
    ]
    key = _match_key(live, given)
    if not key:
        misfits.append("no primary or unique key of the target is filled by the source, so rows cannot be paired")
    if misfits:
        message = f"{live.name} cannot take the rows of {name}: {'; '.join(misfits)}."
        draft.find(Finding("TARGET-MISFIT", message, table=name, rows=profile.rows, choices=("skip",)))
        return None
    _effects(draft, name, live)
    return TablePlan(
        source=name,
        target=live.name,
        action=Action.MERGE,
        columns=tuple(columns),
        left_behind=tuple(left_behind),
        match_key=key,
        locator=table.locator,
        order_by=table.primary_key.columns if table.primary_key else (),
        rows=profile.rows,
        bytes=profile.bytes,
        primary_key=live.primary_key,
        uniques=live.uniques,
        row_rules=tuple(rules),
    )


def _match_key(live: Table, given: set[str]) -> tuple[str, ...]:
    return next((key for key in live.keys if set(key) <= given), ())


def _effects(draft: Drafting, name: str, live: Table) -> None:
    """Say what fires when rows of the live table are written."""
    effects = [
        f"trigger {trigger.name}"
        for trigger in draft.target.database.triggers_of(live.name)
        if trigger.row_level and trigger.enabled
    ]
    effects += [f"rule {rule}" for rule in live.rules]
    if effects:
        message = f"{live.name} has {', '.join(effects)}: rows that are added or changed there fire them."
        draft.find(Finding("TARGET-TRIGGERS", message, table=name, object=effects[0].split(" ", 1)[1]))
