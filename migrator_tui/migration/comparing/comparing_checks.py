"""Comparing a table's checks and indexes, whose expressions the server has written on both sides."""

from __future__ import annotations

from collections.abc import Iterator

from migrator_tui.convert.expressions import enum_values
from migrator_tui.migration.comparing.object_texts import index_text, listed
from migrator_tui.migration.comparing.pairs import Pair, Standing
from migrator_tui.migration.comparing.table_sides import DIGESTED, ONLY_THERE, TableSides
from migrator_tui.migration.planning.unbuilt import digested
from migrator_tui.model.schema import Check, Index


def checks(sides: TableSides) -> Iterator[Pair]:
    """CHECKs by what they say, whatever they are called."""
    enums = sides.measure.enums
    made = {check.name: check for check in sides.expected.checks}
    free = list(sides.live.checks) if sides.live else []
    for number, ours in enumerate(sides.source.checks, start=1):
        text = f"({' '.join(ours.expression.split())})"
        told = [c for c in sides.afresh.columns if c.type in enums and enum_values(ours.expression, c.source)]
        label = ours.name or f"{sides.afresh.target.name}_check{number}"
        if told:
            why = f"the enum type {enums[told[0].type].name.name} says it"
            name = sides.renamed[told[0].source]
            there = next((c for c in sides.live.columns if c.name == name), None) if sides.live else None
            if sides.live is None:
                yield sides.pair("check", text, Standing.MISSING, text, None, why, told[0].type)
            elif there is not None and there.enum is not None:
                yield sides.pair("check", text, Standing.CONVERTED, text, f"type {there.type}", why)
            else:
                yield sides.pair("check", text, Standing.MISSING, text, None, "the target's column is of no enum type")
            continue
        expected = made.pop(label, None)
        if expected is None:
            why = sides.measure.not_carried.object("CHECK", sides.name, label) or "it is not carried"
            yield sides.pair("check", text, Standing.MISSING, text, None, why)
            continue
        if sides.live is None:
            why = "is made with the table"
            yield sides.pair("check", text, Standing.MISSING, text, None, why, f"({expected.expression})")
            continue
        found = _take_check(free, expected)
        if found is None:
            yield sides.pair("check", text, Standing.MISSING, text, None, "the target lets other values in")
        elif found.expression == expected.expression:
            theirs = f"({found.expression})"
            standing = Standing.SAME if theirs == text else Standing.CONVERTED
            yield sides.pair("check", text, standing, text, theirs, "the same by meaning")
        else:
            why = f"the plan makes it ({expected.expression})"
            yield sides.pair("check", text, Standing.CHANGED, text, f"({found.expression})", why)
    for expected in made.values():  # of the program's own making: a type's range, say
        if sides.live is not None and (found := _take_check(free, expected)) is not None:
            theirs = f"({found.expression})"
            yield sides.pair("check", theirs, Standing.CONVERTED, None, theirs, "made by the plan")
    for other in free:
        text = f"({other.expression})"
        yield sides.pair("check", text, Standing.EXTRA, None, text, ONLY_THERE)


def indexes(sides: TableSides) -> Iterator[Pair]:
    """Indexes by their columns, expressions, order and condition, whatever they are called."""
    live = sides.live
    made = list(zip(sides.afresh.indexes, _as_written(sides), strict=True))
    free = list(live.indexes) if live else []
    for ours in sides.source.indexes:
        text = index_text(ours)
        mine = next((pair for pair in made if pair[0].name == ours.name), None)
        mine = mine or next((pair for pair in made if pair[0].sql and pair[0].sql == ours.sql), None)
        if mine is None:
            why = sides.measure.not_carried.object("INDEX", sides.name, ours.name) or "it is not carried"
            yield sides.pair("index", ours.name, Standing.MISSING, text, None, why)
            continue
        made.remove(mine)
        expected = mine[1]
        if live is None:
            yield sides.pair("index", ours.name, Standing.MISSING, text, None, "is made with the table",
                             index_text(expected))  # fmt: skip
            continue
        alike = [index for index in free if _shape(sides, expected, ours=True) == _shape(sides, index)]
        found = next((index for index in alike if index.name == expected.name), alike[0] if alike else None)
        if found is not None:
            free.remove(found)
            named = "" if found.name == ours.name else f", named {found.name}"
            why = f"the same columns and conditions{named}"
            yield sides.pair("index", ours.name, Standing.SAME, text, index_text(found), why)
            continue
        key = sides.live_names(expected.key) if expected.key else ()
        if key and any(sorted(unique.columns) == sorted(key) for unique in live.uniques):
            why = "a unique key of the target says the same"
            yield sides.pair("index", ours.name, Standing.CONVERTED, text, f"UNIQUE {listed(key)}", why)
            continue
        if (digests := sides.digests(key)) and digests in free:
            free.remove(digests)
            yield sides.pair("index", ours.name, Standing.CONVERTED, text, index_text(digests), DIGESTED)
            continue
        other = next((index for index in free if index.name == expected.name), None)
        if other is None:
            yield sides.pair("index", ours.name, Standing.MISSING, text, None, "the target lacks it")
            continue
        free.remove(other)
        why = f"the plan makes it {index_text(expected)}"
        yield sides.pair("index", ours.name, Standing.CHANGED, text, index_text(other), why)
    for _, expected in made:  # of the program's own making
        if live is not None:
            alike = [index for index in free if _shape(sides, expected, ours=True) == _shape(sides, index)]
            if alike:
                free.remove(alike[0])
                text = index_text(alike[0])
                yield sides.pair("index", alike[0].name, Standing.CONVERTED, None, text, "made by the plan")
    keys = (*sides.source.uniques, *([sides.source.primary_key] if sides.source.primary_key else []))
    unique = [sorted(sides.renamed.get(c, c) for c in key.columns) for key in sides.source.uniques]
    either = [sorted(sides.renamed.get(c, c) for c in key.columns) for key in keys]
    for other in free:
        if (other.key and sorted(other.key) in unique) or (sorted(digested(other)) or None) in either:
            continue  # it is what the source's unique constraint was found as
        yield sides.pair("index", other.name, Standing.EXTRA, None, index_text(other), ONLY_THERE)


def _as_written(sides: TableSides) -> list[Index]:
    written = {index.name: index for index in sides.expected.indexes}
    return [written.get(index.name, index) for index in sides.afresh.indexes]


def _shape(sides: TableSides, index: Index, *, ours: bool = False) -> tuple[object, ...]:
    def name(column: str | None) -> str | None:
        return sides.to_live.get(column, column) if ours and column is not None else column

    parts = tuple((name(p.column), p.expression, p.descending, p.collation) for p in index.parts)
    return index.unique, index.method, parts, index.where


def _take_check(free: list[Check], expected: Check) -> Check | None:
    found = next((c for c in free if c.expression == expected.expression), None)
    found = found or next((c for c in free if c.name == expected.name), None)
    if found is not None:
        free.remove(found)
    return found
