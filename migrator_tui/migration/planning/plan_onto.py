"""Planning a table whose rows join a table that the target has already, under its own names and types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from migrator_tui.convert import codecs, given_types
from migrator_tui.convert.fills import as_sql, is_constant
from migrator_tui.convert.typed import Typed
from migrator_tui.migration.planning.plan_columns import row_rules
from migrator_tui.migration.planning.plan_draft import Drafting
from migrator_tui.migration.planning.plan_matching import Alike
from migrator_tui.model.errors import UsageError
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, ColumnPlan, Fill, RowRule, TableOverride, TablePlan
from migrator_tui.model.profile import ColumnProfile, TableProfile
from migrator_tui.model.schema import Column, Table


@dataclass
class _Columns:
    """What becomes of the source's columns.

    Attributes:
        unplaced: Column → why the live table has no place for it.
    """

    planned: list[ColumnPlan] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)
    rules: list[RowRule] = field(default_factory=list)
    unplaced: dict[str, str] = field(default_factory=dict)


def merged_table(
    draft: Drafting, table: Table, profile: TableProfile, live: Table, override: TableOverride
) -> TablePlan | None:
    """The plan of a merge, or None where the live table cannot take the rows and the table is left out.

    Raises:
        UsageError: What a person wrote of the table's columns does not fit the live table.
    """
    name = table.name.name
    columns = _columns(draft, table, profile, live, override)
    given = {c.target for c in columns.planned}
    fills = _fills(name, live, override, given)
    given |= {fill.target for fill in fills}
    filled_by_itself = {c.name for c in live.columns if c.default is not None or c.identity or c.generated}
    missing = [c.name for c in live.columns if c.not_null and c.name not in given | filled_by_itself]
    misfits = [f"the target's column {c} is NOT NULL, has no default and gets no value" for c in missing]
    key = _match_key(live, columns.planned, profile, fills)
    if not key:
        misfits.append("no primary or unique key of the target is filled by the source, so rows cannot be paired")
    if misfits or columns.unplaced:
        said = "; ".join((*columns.unplaced.values(), *misfits))
        message = f"{live.name} cannot take the rows of {name}: {said}."
        if missing:
            message += f" A value for {missing[0]} is given under `fill` of {name} in the plan or the configuration."
        choices = ("skip",) if misfits else ("skip", "leave")
        finding = Finding("TARGET-MISFIT", message, table=name, rows=profile.rows, choices=choices)
        if draft.find(finding) != "leave":
            return None
        columns.left_behind += columns.unplaced
    columns.rules += _without_nulls(draft, name, key, columns.planned, profile)
    _effects(draft, name, live)
    return TablePlan(
        source=name,
        target=live.name,
        action=Action.MERGE,
        columns=tuple(columns.planned),
        left_behind=tuple(columns.left_behind),
        match_key=key,
        locator=table.locator,
        order_by=table.primary_key.columns if table.primary_key else (),
        rows=profile.rows,
        bytes=profile.bytes,
        primary_key=live.primary_key,
        uniques=live.uniques,
        row_rules=tuple(columns.rules),
        fills=fills,
    )


def _match_key(
    live: Table, planned: Sequence[ColumnPlan], profile: TableProfile, fills: Sequence[Fill]
) -> tuple[str, ...]:
    """The live table's key by which rows are paired; empty where the source fills none.

    A NULL is equal to nothing, and a value such as ``gen_random_uuid()`` is another one each time that it is asked
    for, so a key without either is taken where there is one.
    """
    given = {c.target for c in planned} | {fill.target for fill in fills}
    nulls = {c.target for c in planned if _nulls(profile, c)}
    changing = {fill.target for fill in fills if not is_constant(fill.expression)}
    whole = [key for key in live.keys if set(key) <= given]
    return min(whole, key=lambda key: (bool(nulls & set(key)), bool(changing & set(key))), default=())


def _nulls(profile: TableProfile, planned: ColumnPlan) -> int:
    return next((c.nulls for c in profile.columns if c.name == planned.source), 0)


def _without_nulls(
    draft: Drafting, name: str, key: Sequence[str], planned: Sequence[ColumnPlan], profile: TableProfile
) -> list[RowRule]:
    """The quarantine of rows that no live row can be told to be, or not to be, because their key holds NULL."""
    sources = tuple(c.source for c in planned if c.target in key and not c.not_null and _nulls(profile, c))
    if not sources:  # what NOT NULL refuses is found with the other values that do not fit
        return []
    rows = max(_nulls(profile, c) for c in planned if c.source in sources)
    least = "at least " if len(sources) > 1 else ""
    finding = Finding(
        "KEY-NULL",
        f"{name}: {least}{rows:,} rows have a NULL in the key ({', '.join(key)}) by which they are paired with live "
        "rows.",
        table=name,
        rows=rows,
        choices=("quarantine",),
    )
    draft.find(finding)
    return [RowRule("KEY-NULL", "null-key", sources, "", finding.message)]


def _columns(draft: Drafting, table: Table, profile: TableProfile, live: Table, override: TableOverride) -> _Columns:
    name = table.name.name
    made = _Columns()
    ids = set(draft.user_ids.values())
    counterparts = _counterparts(draft, table, live, override, made.unplaced)
    for column in table.columns:
        other = counterparts.get(column.name)
        if column.name in made.unplaced:
            continue
        if other is None:
            made.left_behind.append(column.name)
            continue
        fixed = override.columns.get(column.name) or (None, None, None)
        found = next((c for c in profile.columns if c.name == column.name), ColumnProfile(column.name))
        nullable = not other.not_null and not any(other.name in key for key in live.keys)
        typed = _typed(draft, name, column, found, other, nullable)
        if typed.misfit:
            made.unplaced[column.name] = typed.misfit
            continue
        for finding in typed.findings:
            draft.find(finding)
        made.rules += row_rules(column, typed)
        given = fixed[2] if fixed[2] and codecs.exists(fixed[2]) and typed.codec not in ids else None
        codec = given or typed.codec
        made.planned.append(ColumnPlan(column.name, other.name, other.type, codec, not_null=other.not_null))
    return made


def _typed(draft: Drafting, table: str, column: Column, found: ColumnProfile, live: Column, nullable: bool) -> Typed:
    """How a column goes into the live one; ids of users only into a UUID."""
    user_id = draft.user_ids.get((table, column.name))
    blob = draft.target.blobs.get((table, column.name))
    if blob is not None and live.type == "text":
        return Typed("text", blob)
    if user_id is None:
        return given_types.onto(table, column, found, live, draft.chooser.choice, nullable=nullable, zone=draft.zone)
    if live.type == "uuid":
        return Typed("uuid", user_id)
    return Typed(
        live.type, "text", misfit=f"{table}.{column.name} holds ids of users, which become uuid, not {live.type}"
    )


def _counterparts(
    draft: Drafting, table: Table, live: Table, override: TableOverride, unplaced: dict[str, str]
) -> dict[str, Column]:
    """Source column → live column: by what a person wrote, by name, by name in another case, else as proposed.

    Raises:
        UsageError: ``PLAN-SAME-COLUMN``: a person sends two columns into one.
    """
    name = table.name.name
    there = {column.name: column for column in live.columns}
    found: dict[str, Column] = {}
    sources: dict[str, str] = {}
    waiting: list[str] = []
    for column in table.columns:
        fixed = override.columns.get(column.name, (None, None, None))
        if fixed is None or (column.generated and column.name not in override.columns):
            continue
        if fixed[0] is None:
            waiting.append(column.name)
            continue
        other = there.get(fixed[0]) or next((c for c in live.columns if c.name.lower() == fixed[0].lower()), None)
        if other is None or other.generated:
            unplaced[column.name] = f"its column {column.name} has no counterpart named {fixed[0]}"
        elif first := sources.get(other.name):
            raise UsageError(
                "PLAN-SAME-COLUMN",
                f"{name}: {first} and {column.name} are both to become {live.name}.{other.name}.",
                "Give one of them another name in the plan or the configuration, or leave it behind with null.",
            )
        else:
            found[column.name] = other
            sources[other.name] = column.name

    free = {c.name: c for c in live.columns if not c.generated and c.name not in sources}
    for fold in (str, str.lower):
        by_fold: dict[str, list[str]] = {}
        for free_name in free:
            by_fold.setdefault(fold(free_name), []).append(free_name)
        still = []
        for column_name in waiting:
            names = by_fold.get(fold(column_name), [])
            if len(names) == 1:
                found[column_name] = free.pop(names.pop())
            else:
                still.append(column_name)
        waiting = still
    left, unmatched = Alike(free), Alike(waiting)
    for column_name in waiting:
        proposed = left.of(column_name)
        # Where two columns look like one, nothing says which of them it is.
        if proposed is None or unmatched.of(proposed) is None:
            unplaced[column_name] = f"its column {column_name} has no counterpart"
            continue
        message = f"{name}.{column_name} has no namesake in {live.name}, where {proposed} is named alike."
        finding = Finding("COLUMN-MATCH", message, table=name, column=column_name, choices=("map", "leave"))
        if draft.find(finding) == "map":
            found[column_name] = there[proposed]
    return found


def _fills(name: str, live: Table, override: TableOverride, given: set[str]) -> tuple[Fill, ...]:
    """What a person gave for columns that only the target has.

    Raises:
        UsageError: ``PLAN-FILL``: there is no such column, it is filled otherwise, or the value is no expression.
    """
    fills = []
    for wanted, value in override.fill.items():
        column = next((c for c in live.columns if c.name == wanted), None)
        column = column or next((c for c in live.columns if c.name.lower() == wanted.lower()), None)
        problem = ""
        if column is None:
            problem = f"{live.name} has no column {wanted}"
        elif column.generated:
            problem = f"{live.name}.{column.name} is computed by the target"
        elif column.name in given:
            problem = f"{live.name}.{column.name} is filled by a column of the source"
        else:
            try:
                fills.append(Fill(column.name, as_sql(value), column.type, column.not_null))
            except ValueError as error:
                problem = str(error)
        if problem:
            raise UsageError("PLAN-FILL", f"{name}: fill.{wanted}: {problem}.", f"Correct it under `fill` of {name}.")
    return tuple(fills)


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
