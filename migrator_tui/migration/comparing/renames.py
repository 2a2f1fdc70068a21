"""Objects that look alike under two names: said where they are compared, never acted upon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from migrator_tui.migration.comparing.object_texts import declared
from migrator_tui.migration.comparing.pairs import Pair, Standing
from migrator_tui.migration.comparing.reference import Reference
from migrator_tui.model.schema import Table

ENOUGH = 0.75
"""Share of the columns of two tables that must agree in name and type for one to be taken for the other renamed."""


def with_renames(pairs: list[Pair], reference: Reference) -> list[Pair]:
    """The pairs, with a candidate where what is missing and what is extra look the same."""
    found = _tables(pairs, reference) | _columns(pairs, reference)
    if not found:
        return pairs
    return [_told(pair, *found[id(pair)]) if id(pair) in found else pair for pair in pairs]


def _told(pair: Pair, candidate: str, advice: str) -> Pair:
    why = f"{pair.why}; perhaps renamed, {candidate} looks the same" + (f": {advice}" if advice else "")
    return replace(pair, why=why, candidate=candidate)


def _tables(pairs: Sequence[Pair], reference: Reference) -> dict[int, tuple[str, str]]:
    missing = [p for p in pairs if p.object == "table" and p.standing is Standing.MISSING and p.planned]
    extra = {p.name: p for p in pairs if p.object == "table" and p.standing is Standing.EXTRA}
    if not missing or not extra:
        return {}
    there = {str(table.name): table for table in reference.target.tables if str(table.name) in extra}
    by_column: dict[str, list[str]] = {}
    for name, table in there.items():
        for column in table.columns:
            by_column.setdefault(column.name, []).append(name)
    found = {}
    for pair in missing:
        ours = reference.tables.get(pair.table)
        if ours is None:
            continue
        near = {name for column in ours.columns for name in by_column.get(column.name, ())}
        best = sorted(((_likeness(ours, there[name]), name) for name in near), reverse=True)
        if not best or best[0][0] < ENOUGH or (len(best) > 1 and best[1][0] == best[0][0]):
            continue
        name = best[0][1]
        found[id(pair)] = (name, f"if it is, the configuration says tables: rename: {{{pair.table}: {name}}}")
        found[id(extra[name])] = (pair.name, "")
    return found


def _likeness(ours: Table, theirs: Table) -> float:
    types = {column.name: column.type for column in theirs.columns}
    agreeing = sum(1 for column in ours.columns if types.get(column.name) == column.type)
    return agreeing / max(len(ours.columns), len(theirs.columns), 1)


def _columns(pairs: Sequence[Pair], reference: Reference) -> dict[int, tuple[str, str]]:
    missing: dict[str, list[Pair]] = {}
    extra: dict[str, list[Pair]] = {}
    for pair in pairs:
        if pair.object == "column" and pair.target is None and pair.standing is Standing.MISSING and not pair.implied:
            missing.setdefault(pair.table, []).append(pair)
        elif pair.object == "column" and pair.standing is Standing.EXTRA:
            extra.setdefault(pair.table, []).append(pair)
    found = {}
    for table in missing.keys() & extra.keys():
        declared = _declared(reference, table)
        for pair in missing[table]:
            name = pair.name.removeprefix(f"{table}.")
            alike = [e for e in extra[table] if e.target is not None and e.target == declared.get(name)]
            rivals = [m for m in missing[table] if declared.get(m.name.removeprefix(f"{table}.")) == declared.get(name)]
            if len(alike) == 1 and len(rivals) == 1:
                other = alike[0].name.removeprefix(f"{table}.")
                advice = f"if it is, the configuration says columns: {{{table}: {{{name}: {other}}}}}"
                found[id(pair)] = (other, advice)
                found[id(alike[0])] = (name, "")
    return found


def _declared(reference: Reference, table: str) -> Mapping[str, str]:
    planned = next((t for t in reference.plan.tables if t.source == table), None)
    expected = {column.name: column for column in reference.tables[table].columns} if table in reference.tables else {}
    return {c.source: declared(expected[c.target]) for c in planned.columns if c.target in expected} if planned else {}
