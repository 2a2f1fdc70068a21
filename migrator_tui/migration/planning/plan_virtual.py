"""Planning virtual tables: their rows as a plain table, and the index that does in Postgres what the module did."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.migration.planning.plan_draft import Drafting
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import TablePlan
from migrator_tui.model.profile import TableProfile
from migrator_tui.model.schema import Index, IndexPart, Table
from migrator_tui.postgres.ddl import create_index

_FULL_TEXT = frozenset({"fts3", "fts4", "fts5"})


def left_out(draft: Drafting, table: Table, rows: int) -> None:
    """Say why a shadow table, or a virtual table without rows of its own, is not moved."""
    name = table.name.name
    if table.shadow_of is not None:
        message = f"{name} keeps the index of the virtual table {table.shadow_of} and is left out."
        draft.find(Finding("TABLE-SHADOW", message, table=name, rows=rows, samples=(table.sql,)))
        return
    message = f"{name}, a virtual table of {table.virtual}, is not carried: {table.left_out}."
    if table.virtual in _FULL_TEXT:
        message += " In PostgreSQL a GIN index over to_tsvector(…) of the table that has the texts takes its place."
    draft.find(Finding("TABLE-NOT-CARRIED", message, table=name, rows=rows, samples=(table.sql,)))


def choice(draft: Drafting, table: Table, profile: TableProfile) -> str:
    """Record that the table becomes a plain one; what was chosen."""
    name = table.name.name
    proposed = f" {text}" if (text := _proposal(table)) else ""
    message = (
        f"{name}, a virtual table of {table.virtual}, becomes a plain table of its {profile.rows:,} rows.{proposed}"
    )
    finding = Finding(
        "TABLE-VIRTUAL", message, table=name, rows=profile.rows, choices=_choices(table), samples=(table.sql,)
    )
    return draft.find(finding)


def with_search(draft: Drafting, table: Table, plan: TablePlan) -> TablePlan:
    """The plan with the index that was chosen, if one was."""
    chosen = next((f for f in draft.findings if f.id == "TABLE-VIRTUAL" and f.table == plan.source), None)
    wanted = (chosen.decision or chosen.choices[0]) if chosen else "plain"
    renamed = {column.source: column.target for column in plan.columns}
    if wanted == "search":
        textual = [c.target for c in plan.columns if c.type == "text" and c.source in _texts(table)]
        made = _search(plan.target.name, textual, _language(table)) if textual else None
    elif wanted == "gist":
        corners = [renamed[name] for name in _corners(table) if name in renamed]
        made = _box(plan.target.name, corners) if len(corners) == 4 else None
    else:
        made = None
    if made is None:
        return plan
    name = draft.names.relation(plan.target.schema, made.name, "index")
    return replace(plan, indexes=(*plan.indexes, replace(made, name=name.name)))


def _choices(table: Table) -> tuple[str, ...]:
    if table.virtual in _FULL_TEXT:
        return ("plain", "search", "skip")
    return ("plain", "gist", "skip") if _corners(table) else ("plain", "skip")


def _proposal(table: Table) -> str:
    """What to ask Postgres instead, for a person."""
    name = table.name.name
    if table.virtual in _FULL_TEXT:
        language = quote_literal(_language(table))
        said = create_index(_search(name, _texts(table), _language(table)), quote(name))
        return (
            f"Full-text search: choose search, which adds {said}, and ask with @@ websearch_to_tsquery({language}, …) "
            "in place of MATCH."
        )
    if _corners(table):
        said = create_index(_box(name, _corners(table)), quote(name))
        return f"Search by place: choose gist, which adds {said}; with PostGIS, a geometry column is the equivalent."
    return "For ranges of its coordinates, a B-tree index on each, or the cube extension."


def _texts(table: Table) -> list[str]:
    """The columns that the table indexes: not its key, and none declared UNINDEXED."""
    unindexed = {name.strip('"').lower() for name in re.findall(r'("[^"]+"|\w+)\s+UNINDEXED', table.sql, re.IGNORECASE)}
    key = table.primary_key.columns if table.primary_key else ()
    return [c.name for c in table.columns if c.name not in key and c.name.lower() not in unindexed]


def _language(table: Table) -> str:
    return "english" if re.search(r"\bporter\b", table.sql, re.IGNORECASE) else "simple"


def _search(table: str, columns: Sequence[str], language: str) -> Index:
    texts = " || ' ' || ".join(f"coalesce({quote(column)}, '')" for column in columns)
    expression = f"to_tsvector({quote_literal(language)}, {texts or quote_literal('')})"
    return Index(f"{table}_search_idx", (IndexPart(expression=expression),), method="gin")


def _corners(table: Table) -> tuple[str, ...]:
    """Lowest and highest x, lowest and highest y, of a table of two dimensions."""
    coordinates = [c.name for c in table.columns if c.type in ("REAL", "INT") and not c.identity]
    return tuple(coordinates) if len(coordinates) == 4 else ()


def _box(table: str, corners: Sequence[str]) -> Index:
    x1, x2, y1, y2 = (f"{quote(column)}::double precision" for column in corners)
    expression = f"box(point({x1}, {y1}), point({x2}, {y2}))"
    return Index(f"{table}_box_idx", (IndexPart(expression=expression),), method="gist")
