"""Planning foreign keys: once every table is planned, because a key needs its parent's plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from migrator_tui.convert.codecs import tells_classes_apart
from migrator_tui.migration.planning.plan_draft import Drafting
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, RowRule, TablePlan
from migrator_tui.model.profile import OrphanCount
from migrator_tui.model.schema import ForeignKey, TableName


def foreign_keys(draft: Drafting, tables: list[TablePlan]) -> list[TablePlan]:
    """The plans with their foreign keys; live tables keep the ones that they have."""
    by_source = {table.source: table for table in tables}
    return [_with_keys(draft, by_source, table) if table.action is not Action.SKIP else table for table in tables]


def _with_keys(draft: Drafting, by_source: dict[str, TablePlan], plan: TablePlan) -> TablePlan:
    table = draft.source.table(TableName("", plan.source))
    assert table is not None
    renamed = {c.source: c.target for c in plan.columns}
    orphans = draft.orphans.get(plan.source, {})
    apart = draft.spelled_apart.get(plan.source, {})
    written = draft.written_apart.get(plan.source, {})
    for number, key in enumerate(table.foreign_keys):
        if not all(c in renamed for c in key.columns):
            continue
        plan = _as_citext(by_source, plan, key)
        parent = _parent(draft, by_source, plan, key)
        if isinstance(parent, str):
            said = f"{plan.source} ({', '.join(key.columns)}) REFERENCES {key.parent}"
            if plan.action is Action.CREATE:
                message = f"{said} is not carried: {parent}."
                draft.find(Finding("FK-PARENT", message, table=plan.source, column=key.columns[0], object=key.name))
            continue
        validated = True
        if number in orphans:
            plan, validated = _orphans(draft, plan, key, number, orphans[number].rows, orphans[number].keys)
        target, columns = parent
        if plan.action is not Action.CREATE:
            followed = ForeignKey(tuple(renamed[c] for c in key.columns), target, columns)
            plan = replace(plan, references=(*plan.references, followed))
            continue
        if number in apart:
            plan, exact = _spelled_apart(draft, plan, key, number, apart[number])
            validated = validated and exact
        if number in written and _tells_classes_apart(by_source, plan, key):
            draft.find(_spelling(plan, key, written[number], ("not-valid",)))
            validated = False
        wanted = key.name or f"{plan.target.name}_{'_'.join(renamed[c] for c in key.columns)}_fkey"
        name = draft.names.constraint(plan.target, wanted)
        carried = replace(
            key,
            name=name,
            columns=tuple(renamed[c] for c in key.columns),
            parent=target,
            parent_columns=columns,
            validated=validated,
        )
        plan = replace(plan, foreign_keys=(*plan.foreign_keys, carried))
    return plan


def _parent(
    draft: Drafting, by_source: dict[str, TablePlan], plan: TablePlan, key: ForeignKey
) -> tuple[TableName, tuple[str, ...]] | str:
    """The target table and columns that a key refers to, or why it cannot."""
    parent = by_source.get(key.parent.name) or _not_chosen(draft, key)
    if parent is None:
        return f"there is no table {key.parent.name}"
    if key.parent_columns and len(key.columns) != len(key.parent_columns):
        return f"({', '.join(key.columns)}) are not as many columns as ({', '.join(key.parent_columns)})"
    if parent.action is Action.SKIP:
        live = draft.target.database.table(parent.target)
        if live is None:
            return f"the table {key.parent.name} is left out, and the target has none; take it along to keep the key"
        names = {c.name for c in live.columns}
        columns = tuple(c if c in names else draft.names.wanted(c) for c in key.parent_columns)
        if not names >= set(columns):
            return f"{parent.target} on the target has no column {', '.join(c for c in columns if c not in names)}"
    else:
        renamed = {c.source: c.target for c in parent.columns}
        if not key.parent_columns or not all(c in renamed for c in key.parent_columns):
            return f"the columns it refers to are not those of {key.parent.name}"
        columns = tuple(renamed[c] for c in key.parent_columns)
        live = draft.target.database.table(parent.target) if parent.action is Action.MERGE else None
    if not any(sorted(key) == sorted(columns) for key in (live.keys if live else _keys(parent))):
        return f"({', '.join(columns)}) is no key of {key.parent.name}"
    if plan.action is Action.CREATE:
        theirs = {c.name: c.type for c in live.columns} if live else {c.target: c.type for c in parent.columns}
        ours = {c.source: c.type for c in plan.columns}
        for mine, other in zip(key.columns, columns, strict=True):
            if not comparable(ours[mine], theirs[other]):
                return f"{mine} is {ours[mine]}, but {key.parent.name}.{other} is {theirs[other]}"
    return parent.target, columns


def _not_chosen(draft: Drafting, key: ForeignKey) -> TablePlan | None:
    """A table of the source that was not asked for, as one that is left out: it may be on the target already."""
    table = draft.source.table(TableName("", key.parent.name))
    if table is None:
        return None
    fixed = draft.scope.tables.get(table.name.name)
    named = fixed.target if fixed else None
    target = named or TableName(draft.scope.schema, draft.names.wanted(table.name.name))
    return TablePlan(table.name.name, target, Action.SKIP, ())


def _keys(plan: TablePlan) -> Iterator[tuple[str, ...]]:
    """What may be referred to in a table that is made anew."""
    yield from (key.columns for key in (plan.primary_key, *plan.uniques) if key is not None)
    yield from (index.key for index in plan.indexes if index.key)


def comparable(child: str, parent: str) -> bool:
    """Whether Postgres accepts a foreign key between columns of these types."""
    return _family(child) == _family(parent)


def _family(kind: str) -> str:
    plain = re.sub(r"\(.*", "", kind).strip()
    families = {
        "smallint": "integer",
        "integer": "integer",
        "bigint": "integer",
        "text": "text",
        "character varying": "text",
        "character": "text",
    }
    return families.get(plain, plain)


def _orphans(
    draft: Drafting, plan: TablePlan, key: ForeignKey, number: int, rows: int, keys: tuple[str, ...]
) -> tuple[TablePlan, bool]:
    required = {c.source for c in plan.columns if c.not_null or c.target in plan.match_key}
    choices = ["not-valid", "null", "quarantine"]
    if required & set(key.columns):
        choices.remove("null")
    if plan.action is Action.MERGE:
        choices.remove("not-valid")
    finding = Finding(
        "FK-ORPHAN",
        f"{plan.source} ({', '.join(key.columns)}): {rows:,} of {plan.rows:,} rows refer to no row of {key.parent}.",
        table=plan.source,
        column=key.columns[0],
        object=key.name,
        rows=rows,
        keys=keys,
        choices=tuple(choices),
    )
    choice = draft.find(finding)
    if choice == "not-valid":
        return plan, False
    rule = RowRule("FK-ORPHAN", "orphan", key.columns, str(number), finding.message, nulls=choice == "null")
    return replace(plan, row_rules=(*plan.row_rules, rule)), True


def _spelled_apart(
    draft: Drafting, plan: TablePlan, key: ForeignKey, number: int, apart: OrphanCount
) -> tuple[TablePlan, bool]:
    """What becomes of rows that refer by a collation of the parent; whether the key holds for every row then."""
    types = {c.source: c.type for c in plan.columns}
    if any(types[name] == "citext" for name in key.columns):
        return plan, True
    finding = _spelling(plan, key, apart, ("not-valid", "quarantine"))
    if draft.find(finding) == "not-valid":
        return plan, False
    rule = RowRule("FK-SPELLING", "spelled-apart", key.columns, str(number), finding.message)
    return replace(plan, row_rules=(*plan.row_rules, rule)), True


def _spelling(plan: TablePlan, key: ForeignKey, apart: OrphanCount, choices: tuple[str, ...]) -> Finding:
    return Finding(
        "FK-SPELLING",
        f"{plan.source} ({', '.join(key.columns)}): {apart.rows:,} of {plan.rows:,} rows refer to a row of "
        f"{key.parent} in another spelling than its own.",
        table=plan.source,
        column=key.columns[0],
        object=key.name,
        rows=apart.rows,
        keys=apart.keys,
        choices=choices,
    )


def _tells_classes_apart(by_source: dict[str, TablePlan], plan: TablePlan, key: ForeignKey) -> bool:
    """Whether a side of the key becomes text in which the values of several storage classes can be told."""
    parent = by_source.get(key.parent.name)
    ours = [c.codec for c in plan.columns if c.source in key.columns]
    theirs = [c.codec for c in parent.columns if c.source in key.parent_columns] if parent else []
    return any(tells_classes_apart(codec) for codec in (*ours, *theirs))


def _as_citext(by_source: dict[str, TablePlan], plan: TablePlan, key: ForeignKey) -> TablePlan:
    """The plan with the columns that refer to citext as citext, without which there is no foreign key between them."""
    parent = by_source.get(key.parent.name)
    if parent is None or plan.action is not Action.CREATE:
        return plan
    theirs = {c.source: c.type for c in parent.columns}
    wanted = {
        ours for ours, other in zip(key.columns, key.parent_columns, strict=False) if theirs.get(other) == "citext"
    }
    return replace(
        plan,
        columns=tuple(
            replace(c, type="citext") if c.source in wanted and c.type == "text" and c.codec == "text" else c
            for c in plan.columns
        ),
    )
