"""Planning columns that compare otherwise than exactly: NOCASE, RTRIM, and what only the application knows."""

from __future__ import annotations

from dataclasses import replace

from migrator_tui.convert.comparisons import fold_case
from migrator_tui.convert.identifiers import quote
from migrator_tui.migration.planning.plan_draft import Drafting
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import ColumnPlan, TablePlan
from migrator_tui.model.schema import Column, Index, IndexPart, Table

FOLDING = ("NOCASE", "RTRIM")
"""SQLite's own collations beside BINARY (sqlite.org/datatype3.html, section 7)."""

_TEXTS = ("text", "character varying", "citext")


def choose(draft: Drafting, table: Table, plan: TablePlan) -> TablePlan:
    """The plan with citext where that was chosen; records what each collation becomes."""
    columns = []
    for planned in plan.columns:
        column = table.column(planned.source)
        columns.append(_chosen(draft, table, column, planned) if column.collation else planned)
    return replace(plan, columns=tuple(columns))


def part(draft: Drafting, table: Table, planned: ColumnPlan, written: IndexPart) -> IndexPart | str:
    """A column of an index as Postgres has to index it, or why it cannot."""
    plain = IndexPart(column=planned.target, descending=written.descending)
    own = (table.column(planned.source).collation or "BINARY").upper()
    wanted = (written.collation or own).upper()
    if wanted == "BINARY" or not planned.type.startswith(_TEXTS) or planned.type == "citext":
        return plain
    if written.collation is None and decision(draft, table, planned.source) != "folded":
        return plain
    if wanted not in FOLDING:
        return f"it compares by {written.collation}"
    return IndexPart(expression=folded(planned.target, wanted), descending=written.descending)


def folded(column: str, collation: str) -> str:
    """The expression by which equal means equal to SQLite's collation."""
    return fold_case(quote(column)) if collation == "NOCASE" else f"rtrim({quote(column)}, ' ')"


def decision(draft: Drafting, table: Table, column: str) -> str:
    """What was chosen for a column's collation; empty where there is nothing to choose."""
    return draft.chosen("COLLATION-NOT-CARRIED", table.name.name, column)


def unique_indexes(draft: Drafting, table: Table, plan: TablePlan) -> tuple[Index, ...]:
    """For each key over a column that ignores case or spaces, the unique index that says so.

    The key itself stays beside it: foreign keys refer to it, and it holds wherever the index does.
    """
    by_target = {c.target: c for c in plan.columns}
    made = []
    for key in (plan.primary_key, *plan.uniques):
        if key is None:
            continue
        parts = [part(draft, table, by_target[name], IndexPart(column=name)) for name in key.columns]
        usable = [each for each in parts if isinstance(each, IndexPart)]
        if len(usable) == len(parts) and any(each.expression for each in usable):
            wanted = f"{plan.target.name}_{'_'.join(key.columns)}_folded_key"
            name = draft.names.relation(plan.target.schema, wanted, "index")
            made.append(Index(name.name, tuple(usable), unique=True))
    return tuple(made)


def exact_beside(draft: Drafting, table: Table, plan: TablePlan, index: Index, made: Index) -> tuple[Index, ...]:
    """The exact form of a unique index that was folded, where a foreign key refers to its columns."""
    if not index.key or made.key or (table.name, frozenset(index.key)) not in draft.referred_to:
        return ()
    renamed = {c.source: c.target for c in plan.columns}
    name = draft.names.relation(plan.target.schema, f"{index.name}_exact", "index")
    return (Index(name.name, tuple(IndexPart(column=renamed[c]) for c in index.key), unique=True),)


def _chosen(draft: Drafting, table: Table, column: Column, planned: ColumnPlan) -> ColumnPlan:
    name, collation = table.name.name, str(column.collation)
    if not planned.type.startswith(_TEXTS):  # numbers and dates compare as they do
        return planned
    if collation not in FOLDING:
        message = f"{name}.{column.name} compares by {collation}, which only the application has, and here exactly."
        draft.find(Finding("COLLATION-NOT-CARRIED", message, table=name, column=column.name, samples=(collation,)))
        return planned
    clashes = draft.profile.unicode_groups.get((name, column.name), 0)
    choices = ["folded", "exact"] if _indexed(table, column.name) else ["exact"]
    aside = ""
    if collation == "NOCASE" and planned.codec == "text" and planned.type.startswith(_TEXTS):
        if clashes:
            aside = f" As citext {clashes:,} rows would clash: they differ only in the case of letters beyond A to Z."
        elif column.name in _among_others(table):
            aside = " citext is not offered, because the column is unique only together with others."
        elif "citext" in draft.target.database.extra_types:
            choices.insert(1, "citext")
        else:
            aside = " Where the target has the extension citext (CREATE EXTENSION citext), citext is a choice."
    message = f"{name}.{column.name} compares by {collation} in SQLite and exactly in PostgreSQL.{aside}"
    finding = Finding(
        "COLLATION-NOT-CARRIED", message, table=name, column=column.name, rows=clashes, choices=tuple(choices)
    )
    return replace(planned, type="citext") if draft.find(finding) == "citext" else planned


def _indexed(table: Table, column: str) -> bool:
    keys = [key.columns for key in (table.primary_key, *table.uniques) if key is not None]
    keys += [tuple(part.column or "" for part in index.parts) for index in table.indexes]
    return any(column in key for key in keys)


def _among_others(table: Table) -> set[str]:
    keys: list[tuple[str, ...]] = [key.columns for key in (table.primary_key, *table.uniques) if key is not None]
    keys += [tuple(part.column or "" for part in index.parts) for index in table.indexes if index.unique]
    return {name for key in keys if len(key) > 1 for name in key}
