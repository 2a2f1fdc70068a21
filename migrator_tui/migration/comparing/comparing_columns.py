"""Comparing a table's columns, and what its identities give next."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrator_tui.convert import codecs
from migrator_tui.migration.comparing.object_texts import declared
from migrator_tui.migration.comparing.pairs import Pair, Standing
from migrator_tui.migration.comparing.table_sides import ONLY_THERE, TableSides
from migrator_tui.model.plan import ColumnPlan
from migrator_tui.model.schema import Column

SPELLINGS = {
    "varchar": "character varying", "char": "character", "int8": "bigint", "int": "integer", "int4": "integer",
    "int2": "smallint", "bool": "boolean", "float8": "double precision", "decimal": "numeric",
    "timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone",
    "time": "time without time zone",
}  # fmt: skip
"""SQLite declarations that name a Postgres type by another of its spellings."""

FAMILIES = (
    frozenset({"smallint", "integer", "bigint"}),
    frozenset({"timestamp without time zone", "timestamp with time zone"}),
)
"""Types that are equal by conversion where every value of the source fits."""

PLAIN_CODECS = frozenset({"text", "integer", "real", "bytea", "blob"})


def columns(sides: TableSides) -> Iterator[Pair]:
    """The source's columns in their order, then those that only the target has."""
    for column in sides.source.columns:
        yield _column(sides, column)
    if sides.live is not None:
        known = set(sides.renamed.values())
        for other in sides.live.columns:
            if other.name not in known:
                yield sides.pair("column", other.name, Standing.EXTRA, None, declared(other), ONLY_THERE)


def sequences(sides: TableSides) -> Iterator[Pair]:
    """What identities give next: never a number that the source has given."""
    if sides.live is None:
        return
    for column in sides.afresh.columns:
        if column.identity_next is None:
            continue
        name = sides.renamed[column.source]
        there = sides.measure.reference.next_values.get((sides.live.name, name))
        if there is None:
            continue
        ours, theirs = f"next {column.identity_next:,}", f"next {there:,}"
        standing, why = Standing.SAME, "new rows go on where the source ended"
        if there < column.identity_next:
            standing = Standing.CHANGED
            why = f"the target would give {there:,}, the source has given numbers up to {column.identity_next - 1:,}"
        elif there > column.identity_next:
            standing, why = Standing.CONVERTED, "the target is ahead, so no number comes twice"
        yield sides.pair("sequence", column.source, standing, ours, theirs, why)


def _column(sides: TableSides, column: Column) -> Pair:
    made = sides.made.get(column.name)
    ours = declared(column)
    if made is None:
        why = "the configuration leaves it behind"
        return sides.pair("column", column.name, Standing.LEFT_OUT, ours, None, why)
    expected = next((c for c in sides.expected.columns if c.name == made.target), None) or Column(
        made.target, made.type, made.not_null
    )
    if sides.live is None:
        coming = declared(expected) if made.target == column.name else f"{made.target} {declared(expected)}"
        lost = _lost(sides, column, expected)
        why = "; ".join((f"becomes {expected.type}", *lost))
        return sides.pair("column", column.name, Standing.MISSING, ours, None, why, coming)
    name = sides.renamed[column.name]
    there = next((c for c in sides.live.columns if c.name == name), None)
    if there is None:
        why = f"{sides.live.name} has no column {name}"
        return sides.pair("column", column.name, Standing.MISSING, ours, None, why)
    theirs = declared(there) if there.name == column.name else f"{there.name} {declared(there)}"
    reasons = [*_types(sides, column, expected, there), *_lost(sides, column, expected), *_rest(expected, there)]
    if reasons:
        planned = declared(expected)
        return sides.pair("column", column.name, Standing.CHANGED, ours, theirs, "; ".join(reasons), planned)
    alike = _spelled(column.type) == there.type == expected.type and there.name == column.name
    if alike and made.codec in PLAIN_CODECS:
        return sides.pair("column", column.name, Standing.SAME, ours, theirs, "declared alike")
    carrying = sides.merged.get(column.name, made) if expected.type != there.type else made
    why = f"{column.type or 'no type'} is carried as {there.type} (codec {carrying.codec})"
    if column.default is not None and expected.default != column.default:
        why += ", the default by meaning"
    if there.name != column.name:
        why += f", named {there.name}"
    return sides.pair("column", column.name, Standing.CONVERTED, ours, theirs, why)


def carried_alike(sides: TableSides, expected: Column, there: Column) -> bool:
    """The target has the column as the very type that the plan gives it."""
    if expected.enum is not None and there.enum is not None:
        return sides.measure.labels.get(expected.enum) == sides.measure.live_labels.get(there.enum)
    return expected.type == there.type


def _types(sides: TableSides, column: Column, expected: Column, there: Column) -> Iterator[str]:
    if carried_alike(sides, expected, there):
        return
    if expected.enum is not None and there.enum is not None:
        yield f"the plan makes it one of {expected.enum.name}, the target one of {there.enum.name}"
        return
    merged = sides.merged.get(column.name)
    for family in FAMILIES:
        if {expected.type, there.type} <= family and merged is not None and _lossless(merged):
            return
    yield f"the plan makes it {expected.type}, the target has {there.type}"


def _lost(sides: TableSides, column: Column, expected: Column) -> Iterator[str]:
    """What the plan itself does not carry of a column."""
    for finding in sides.measure.not_carried.column(sides.name, column.name):
        if finding.id.startswith("DEFAULT") and expected.default is not None:
            continue
        yield finding.message.rstrip(".")


def _rest(expected: Column, there: Column) -> Iterator[str]:
    """What differs of two columns but for their types."""
    if expected.not_null != there.not_null:
        yield "the target allows NULL" if expected.not_null else "the target does not allow NULL"
    ours, theirs = expected.generated, there.generated
    if (ours is None) != (theirs is None):
        yield "the target does not compute it" if ours else "the target computes it"
    elif ours and theirs and ours.expression != theirs.expression:
        yield f"the plan computes {ours.expression}, the target {theirs.expression}"
    if expected.identity != there.identity:
        yield "the target does not number new rows" if expected.identity else "the target numbers new rows by itself"
    elif not there.identity and expected.default != there.default:
        yield (
            f"the plan gives it the default {expected.default or 'NULL'}, the target "
            f"{'has none' if there.default is None else there.default}"
        )
    if expected.collation != there.collation:
        yield f"the target sorts by {there.collation or 'its own collation'}"


def _lossless(column: ColumnPlan) -> bool:
    return codecs.exists(column.codec) and codecs.codec(column.codec).lossless


def _spelled(declared_type: str) -> str:
    """A SQLite declaration as Postgres spells that type."""
    found = re.fullmatch(r"\s*([A-Za-z0-9 _]+?)\s*(\([\d\s,]*\))?\s*", declared_type)
    if found is None:
        return declared_type
    name, arguments = found[1].lower(), re.sub(r"\s", "", found[2] or "")
    return SPELLINGS.get(name, name) + arguments
