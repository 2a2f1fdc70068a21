"""Columns of dates, times and moments: which type their spellings or numbers become, and what is asked about them."""

from __future__ import annotations

from dataclasses import replace

from migrator_tui.convert import codecs, shapes
from migrator_tui.convert.typed import Decide, Typed, kept
from migrator_tui.model.findings import Finding
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column


def counted(table: str, column: Column, profile: ColumnProfile, typed: Typed, decide: Decide) -> Typed:
    """Integers of a column that is declared a date: nothing in them says what they count, so a person does."""
    low, high = profile.integer_min or 0, profile.integer_max or 0
    possible = tuple(name for name in codecs.EPOCHS if codecs.epoch_holds(name, low, high))
    finding = Finding(
        "TYPE-EPOCH",
        f"{table}.{column.name}, declared {column.type}, holds integers from {low} to {high}, which may count time.",
        table=table,
        column=column.name,
        rows=profile.integers,
        samples=(str(low), str(high)),
        choices=("bigint", *possible),
    )
    choice = decide(finding)
    if choice in possible:
        return Typed("timestamp with time zone", f"timestamptz:{choice}", (finding,))
    return typed.with_finding(finding)


def written(table: str, column: Column, profile: ColumnProfile, decide: Decide, nullable: bool) -> Typed:
    """Texts of a column that is declared a date."""
    known = sorted(filter(shapes.is_moment, profile.shapes), key=lambda shape: -profile.shapes[shape])
    text = Typed("text", "text")
    if not known:
        return text.with_finding(kept(table, column, "text", "no value is a date in a spelling that is known"))
    if len(profile.shapes) == 1:
        return _of_one_shape(known[0])
    strange = len(known) < len(profile.shapes)
    choices = ("text", "timestamp", *(("null",) if strange and nullable else ()), "quarantine")
    finding = mixed_spellings(table, column, profile, choices)
    choice = decide(finding)
    if choice == "text":
        return text.with_finding(finding)
    if choice == "quarantine":
        return replace(
            _of_one_shape(known[0]), findings=(finding,), quarantine=(("DATE-MIXED", "shape-other", known[0]),)
        )
    unknown = (("DATE-MIXED", "shape-other", ",".join(known)),) if strange else ()
    every = Typed("timestamp without time zone", "timestamp:mixed", (finding,))
    if choice == "timestamp":
        return replace(every, quarantine=unknown)
    typed = replace(_of_one_shape(known[0]), findings=(finding,)) if len(known) == 1 else every
    return replace(typed, nulled=unknown)


def _of_one_shape(shape: str) -> Typed:
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
