"""Texts that stand for no value: ``''`` among numbers, booleans and dates, ``0000-00-00`` among dates."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

from migrator_tui.convert.declared import affinity_of, is_boolean, is_moment
from migrator_tui.convert.identifiers import quote_literal
from migrator_tui.model.findings import Finding
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column

EMPTY, ZERO_DATE = "empty", "zero-date"
"""Shapes (:mod:`migrator_tui.convert.shapes`) of such texts."""

PREDICATE = "placeholder"
"""What a row rule about them looks for."""

ZERO_DATES = tuple(
    f"0000-00-00{clock}{zone}"
    for clock, zone in itertools.product(
        (
            "",
            *(
                f"{separator}00:00{seconds}"
                for separator in " T"
                for seconds in ("", ":00", *(f":00.{'0' * digits}" for digits in range(1, 7)))
            ),
        ),
        ("", "Z"),
    )
)


@dataclass(frozen=True, slots=True)
class Placeholders:
    """The texts of a column that stand for no value.

    Attributes:
        said: What they are, in words.
        rest: The profile as it is when they are NULL.
    """

    rows: int
    said: str
    rest: ColumnProfile


def among(
    column: Column, profile: ColumnProfile, has_type: Callable[[Column, ColumnProfile], bool]
) -> Placeholders | None:
    """The placeholders of a column; None where there are none, or where an empty text is a text like others.

    Args:
        has_type: Whether a column that holds this becomes more than text.
    """
    if not profile.texts:
        return None
    if is_moment(column.type) or is_boolean(column.type):
        shapes = (EMPTY, ZERO_DATE) if is_moment(column.type) else (EMPTY,)
        counts = {shape: profile.shapes[shape] for shape in shapes if shape in profile.shapes}
    elif affinity_of(column) in ("INTEGER", "REAL", "NUMERIC") and profile.empty_texts == profile.texts:
        counts = {EMPTY: profile.empty_texts}
    else:
        return None
    rows = sum(counts.values())
    if not rows:
        return None
    rest = replace(
        profile,
        texts=profile.texts - rows,
        nulls=profile.nulls + rows,
        empty_texts=profile.empty_texts - counts.get(EMPTY, 0),
        shapes={shape: count for shape, count in profile.shapes.items() if shape not in counts},
    )
    said = " or ".join({EMPTY: "the empty text", ZERO_DATE: "0000-00-00"}[shape] for shape in counts)
    return Placeholders(rows, said, rest) if has_type(column, rest) else None


def finding(table: str, column: Column, found: Placeholders) -> Finding:
    """What is asked about them."""
    return Finding(
        "VALUE-EMPTY",
        f"{table}.{column.name}, declared {column.type}, holds {found.said} in {found.rows:,} rows.",
        table=table,
        column=column.name,
        rows=found.rows,
        choices=("keep", "null"),
    )


def condition(name: str) -> str:
    """SQLite's condition of a quoted column's placeholders."""
    listed = ", ".join(map(quote_literal, ("", *ZERO_DATES)))
    return f"(typeof({name}) = 'text' AND +{name} COLLATE BINARY IN ({listed}))"
