"""Columns of dates, times and moments: which type their spellings or numbers become, and what is asked about them."""

from __future__ import annotations

from dataclasses import replace

from migrator_tui.convert import codecs, counted_time, shapes
from migrator_tui.convert.declared import is_moment
from migrator_tui.convert.typed import Decide, Typed, kept
from migrator_tui.model.findings import Finding
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column


def counted(table: str, column: Column, profile: ColumnProfile, typed: Typed, decide: Decide) -> Typed:
    """Integers of a column that may count time: nothing in them says so, nor since when, so a person does.

    Args:
        typed: What becomes of them as numbers.
    """
    low, high = profile.integer_min or 0, profile.integer_max or 0
    possible = tuple(
        f"{name}{codecs.ROUNDED}" if name in counted_time.NANOSECONDS and name not in profile.counted else name
        for name in _possible(column, counted_time.OF_INTEGERS, low, high)
        if name not in counted_time.NANOSECONDS or counted_time.likely(name, low, high)
    )
    if not possible and not is_moment(column.type):
        return typed
    finding = _finding(table, column, profile.integers, "integers", (low, high), ("bigint", *possible))
    choice = decide(finding)
    if choice in possible:
        return Typed("timestamp with time zone", f"timestamptz:{choice}", (finding,))
    return typed.with_finding(finding)


def counted_reals(table: str, column: Column, profile: ColumnProfile, typed: Typed, decide: Decide) -> Typed:
    """The same of reals, and of the integers that some of them are for SQLite."""
    ends = [profile.integer_min, profile.integer_max, profile.real_min, profile.real_max]
    found = [value for value in ends if value is not None]
    low, high = min(found), max(found)
    possible = [
        name if name in profile.counted else f"{name}{codecs.ROUNDED}"
        for name in _possible(column, counted_time.OF_REALS, low, high)
        if name in profile.counted or (name != "julian" and counted_time.likely(name, low, high))
    ]
    if not possible and not is_moment(column.type):
        return typed
    rows = profile.integers + profile.reals
    finding = _finding(table, column, rows, "numbers", (low, high), ("double", *possible))
    choice = decide(finding)
    if choice == "julian":
        return Typed("timestamp without time zone", "timestamp:real-julian", (finding,))
    if choice in possible:
        return Typed("timestamp with time zone", f"timestamptz:real-{choice}", (finding,))
    return typed.with_finding(finding)


def _possible(column: Column, names: tuple[str, ...], low: float, high: float) -> tuple[str, ...]:
    """Ways to count time, the likely ones first; of a column that only its name speaks for, those alone."""
    likely = [name for name in names if counted_time.likely(name, low, high)]
    others = [name for name in names if name not in likely and counted_time.holds(name, low, high)]
    return (*likely, *others) if is_moment(column.type) else tuple(likely)


def _finding(
    table: str, column: Column, rows: int, what: str, ends: tuple[float, float], choices: tuple[str, ...]
) -> Finding:
    low, high = ends
    return Finding(
        "TYPE-EPOCH",
        f"{table}.{column.name}, declared {column.type or 'without a type'}, holds {what} from {low} to {high}, which "
        "may count time.",
        table=table,
        column=column.name,
        rows=rows,
        samples=(str(low), str(high)),
        choices=choices,
    )


def written(table: str, column: Column, profile: ColumnProfile, decide: Decide, nullable: bool) -> Typed:
    """Texts of a column that is declared a date."""
    ordered = sorted(profile.shapes, key=lambda shape: -profile.shapes[shape])
    moments = tuple(filter(shapes.is_moment, ordered))
    known = moments or tuple(filter(shapes.is_time, ordered))
    text = Typed("text", "text")
    if not known:
        return text.with_finding(kept(table, column, "text", "no value is a date in a spelling that is known"))
    main = _of_one_shape(known[0])
    if len(profile.shapes) == 1:
        return main
    several = moments[1:] != ()  # which only timestamps hold together
    taken = moments if several else known[:1]
    strange = len(taken) < len(profile.shapes)
    choices = ["text", "timestamp"] if moments else ["text"]
    choices += ["null"] if strange and nullable else []
    finding = mixed_spellings(table, column, profile, (*choices, "quarantine"))
    choice = decide(finding)
    if choice == "text":
        return text.with_finding(finding)
    if choice == "quarantine":
        return replace(main, findings=(finding,), quarantine=(("DATE-MIXED", "shape-other", known[0]),))
    others = (("DATE-MIXED", "shape-other", ",".join(taken)),) if strange else ()
    every = Typed("timestamp without time zone", "timestamp:mixed", (finding,))
    if choice == "timestamp":
        return replace(every, quarantine=others)
    return replace(every if several else main, findings=(finding,), nulled=others)


def _of_one_shape(shape: str) -> Typed:
    if shapes.is_time(shape):
        return Typed("time without time zone", f"time:{shape}")
    if shapes.is_date(shape):
        return Typed("date", f"date:{shape}")
    if shapes.has_zone(shape):
        return Typed("timestamp with time zone", f"timestamptz:{shape}")
    return Typed("timestamp without time zone", f"timestamp:{shape}")


def mixed_spellings(table: str, column: Column, profile: ColumnProfile, choices: tuple[str, ...]) -> Finding:
    """The finding of a column whose dates are written in several ways."""
    spelled = ", ".join(f"{count} {shape}" for shape, count in sorted(profile.shapes.items(), key=lambda i: -i[1]))
    most = max(profile.shapes.values())
    return Finding(
        "DATE-MIXED",
        f"{table}.{column.name} writes its dates in several ways: {spelled}.",
        table=table,
        column=column.name,
        rows=profile.texts - most,
        choices=choices,
    )
