"""Which Postgres type a SQLite column becomes: proposed by its declaration, decided by its stored values.

Nothing is narrowed on a guess. A value that has no lossless home becomes a finding with choices; the recommended
one is applied until a person decides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from migrator_tui.convert import codecs, placeholders, shapes, times
from migrator_tui.convert.declared import (
    affinity,
    affinity_of,
    declared_length,
    declared_precision,
    is_boolean,
    is_decimal,
    is_moment,
    may_count_time,
)
from migrator_tui.convert.refused_texts import text_trouble
from migrator_tui.convert.spellings import BOOLEANS
from migrator_tui.convert.typed import Decide, Typed, kept
from migrator_tui.model.findings import Finding
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column

EXACT_IN_DOUBLE = 2**53
MAX_NUMERIC_PRECISION = 38


def propose(table: str, column: Column, profile: ColumnProfile, decide: Decide, *, nullable: bool = True) -> Typed:
    """The type and codec of a column that is made anew.

    Args:
        nullable: Values of it may become NULL, if a person says so.
    """
    found = placeholders.among(column, profile, _has_type) if nullable else None
    if found is None:
        return _of_classes(table, column, profile, decide, nullable)
    finding = placeholders.finding(table, column, found)
    if decide(finding) != "null":
        typed = _of_classes(table, column, profile, decide, nullable)
        return replace(typed, findings=(finding, *typed.findings))
    typed = _of_classes(table, column, found.rest, decide, nullable)
    nulled = ("VALUE-EMPTY", placeholders.PREDICATE, "")
    return replace(typed, findings=(finding, *typed.findings), nulled=(nulled, *typed.nulled))


def _has_type(column: Column, rest: ColumnProfile) -> bool:
    """Whether a column that holds this becomes more than text."""
    if rest.texts:
        return boolean_text(rest) is not None or any(shapes.is_moment(s) or shapes.is_time(s) for s in rest.shapes)
    return bool(rest.classes) or not _empty(column).codec.startswith("text")


def _of_classes(table: str, column: Column, profile: ColumnProfile, decide: Decide, nullable: bool) -> Typed:
    classes = profile.classes
    if not classes:
        return _empty(column)
    if set(classes) == {"integer", "real"} and affinity_of(column) in ("NUMERIC", "INTEGER"):
        return _numbers(table, column, profile, decide, nullable)
    if len(classes) > 1:
        return _mixed(table, column, profile, decide, nullable)
    return _single(classes[0], table, column, profile, decide, nullable)


def exact_in_double(profile: ColumnProfile) -> bool:
    return abs(profile.integer_min or 0) <= EXACT_IN_DOUBLE and abs(profile.integer_max or 0) <= EXACT_IN_DOUBLE


def boolean_text(profile: ColumnProfile) -> str | None:
    if set(profile.classes) == {"text"}:
        for spelling in BOOLEANS:
            if set(profile.shapes) == {f"bool-{spelling}"}:
                return f"boolean:{spelling}"
    return None


def _empty(column: Column) -> Typed:
    declared = column.type
    upper = declared.upper()
    if is_boolean(declared):
        return Typed("boolean", "boolean")
    if is_moment(declared) and affinity(declared) == "NUMERIC":
        if "TIME" in upper:
            return Typed("timestamp without time zone", "timestamp:iso-datetime-space")
        return Typed("date", "date:iso-date")
    if precision := declared_precision(declared):
        return _numeric_type(*precision)
    if is_decimal(declared):
        return Typed("numeric", "decimal(38,10)")
    kind = affinity(declared)
    if kind == "INTEGER":
        return Typed("bigint", "integer")
    if kind == "REAL":
        return Typed("double precision", "real")
    if "BLOB" in upper or "BINARY" in upper:
        return Typed("bytea", "blob")
    length = declared_length(declared)
    return Typed(f"character varying({length})" if length else "text", "text")


def _numeric_type(precision: int, scale: int) -> Typed:
    if precision > MAX_NUMERIC_PRECISION or scale > precision:
        return Typed("numeric", f"decimal({MAX_NUMERIC_PRECISION},{min(scale, 20)})")
    return Typed(f"numeric({precision},{scale})", f"decimal({precision},{scale})")


def _numbers(table: str, column: Column, profile: ColumnProfile, decide: Decide, nullable: bool) -> Typed:
    """Reals, or integers and reals of a column that turns whole reals into integers by itself."""
    exact = exact_in_double(profile)
    if not exact:
        finding = Finding(
            "TYPE-MIXED",
            f"{table}.{column.name} holds integers beyond 2^53 beside reals.",
            table=table,
            column=column.name,
            rows=profile.integers,
            choices=("exact", "text"),
        )
        exact = decide(finding) == "exact"
        return Typed("text", codecs.exact_text(profile.classes) if exact else "text:any", (finding,))
    wide = Typed("double precision", "real-numeric" if profile.integers else "real")
    if _asks_for_time(column, nullable) and not is_decimal(column.type):
        return times.counted_reals(table, column, profile, wide, decide)
    if not is_decimal(column.type) or profile.infinite_reals or (profile.reals and profile.decimals is None):
        return wide
    decimals = profile.decimals or 0
    largest = max(
        abs(v)
        for v in (profile.integer_min, profile.integer_max, profile.real_min, profile.real_max, 0)
        if v is not None
    )
    if precision := declared_precision(column.type):
        if decimals <= precision[1] and largest < 10 ** (precision[0] - precision[1]):
            return _numeric_type(*precision)
        return wide.with_finding(
            kept(
                table,
                column,
                "double precision",
                f"its values reach {largest:g} with {decimals} digits after the point",
            )
        )
    return Typed("numeric", f"decimal({MAX_NUMERIC_PRECISION},{decimals})")


def main_classes(column: Column, profile: ColumnProfile) -> tuple[str, ...]:
    """The storage classes that most values have: both kinds of numbers where SQLite makes one of the other by itself.

    Texts count only where some of them say something.
    """
    counts = _counts(profile)
    if profile.texts == profile.empty_texts and len(profile.classes) > 1:
        del counts["text"]
    main = max(counts, key=lambda name: counts[name])
    numbers = ("integer", "real")
    alike = affinity_of(column) in ("NUMERIC", "INTEGER") and exact_in_double(profile)
    if alike and all(counts[name] for name in numbers) and sum(counts[name] for name in numbers) >= counts[main]:
        return numbers
    return (main,)


def _counts(profile: ColumnProfile) -> dict[str, int]:
    return {"integer": profile.integers, "real": profile.reals, "text": profile.texts, "blob": profile.blobs}


def mixed_finding(
    table: str,
    column: Column,
    profile: ColumnProfile,
    main: tuple[str, ...],
    choices: tuple[str, ...],
    *,
    nullable: bool,
) -> Finding:
    """The finding of a column that holds several storage classes.

    Args:
        main: The classes beside which the others are strange.
        choices: What is possible, the recommended one first; ``null`` goes where it is not nullable.
    """
    counts = _counts(profile)
    said = [f"{counts[name]} {name}" for name in profile.classes]
    if profile.empty_texts:
        said = [f"{each} ({profile.empty_texts} of them empty)" if each.endswith("text") else each for each in said]
    return Finding(
        "TYPE-MIXED",
        f"{table}.{column.name}, declared {column.type or 'without a type'}, holds values of several classes: "
        f"{', '.join(said)}.",
        table=table,
        column=column.name,
        rows=sum(count for name, count in counts.items() if name not in main),
        choices=choices if nullable else tuple(choice for choice in choices if choice != "null"),
    )


def set_aside(profile: ColumnProfile, main: tuple[str, ...]) -> tuple[ColumnProfile, tuple[str, str, str]]:
    """The profile of the values of the main classes, and which rows hold another one."""
    without: dict[str, Any] = {f"{name}s": 0 for name in _counts(profile) if name not in main}
    return replace(profile, **without), ("TYPE-MIXED", "class-not", "+".join(main))


def _mixed(table: str, column: Column, profile: ColumnProfile, decide: Decide, nullable: bool) -> Typed:
    choices = ("exact", "text", "null", "quarantine")
    main = main_classes(column, profile)
    finding = mixed_finding(table, column, profile, main, choices, nullable=nullable)
    choice = decide(finding)
    if choice in ("null", "quarantine"):
        rest, others = set_aside(profile, main)
        typed = _of_classes(table, column, rest, decide, nullable)
        typed = replace(typed, findings=(finding, *typed.findings))
        if choice == "null":
            return replace(typed, nulled=(*typed.nulled, others))
        return replace(typed, quarantine=(*typed.quarantine, others))
    typed = as_text(table, column, profile, decide, exact=choice == "exact")
    return replace(typed, findings=(finding, *typed.findings))


def as_text(table: str, column: Column, profile: ColumnProfile, decide: Decide, *, exact: bool) -> Typed:
    """Several storage classes in one column of texts.

    Args:
        exact: Each value tells its class.
    """
    if exact:
        return Typed("text", codecs.exact_text(profile.classes))
    trouble = text_trouble(table, column, profile, decide, bytea=False)
    how = "+".join(["any", *(trouble.codec.partition(":")[2] or "").split("+")]).rstrip("+")
    return Typed("text", f"text:{how}", trouble.findings, trouble.quarantine)


def _single(name: str, table: str, column: Column, profile: ColumnProfile, decide: Decide, nullable: bool) -> Typed:
    if name == "integer":
        return _integers(table, column, profile, decide, nullable)
    if name == "real":
        return _numbers(table, column, profile, decide, nullable)
    if name == "blob":
        return Typed("bytea", "blob")
    return _texts(table, column, profile, decide, nullable)


def _integers(table: str, column: Column, profile: ColumnProfile, decide: Decide, nullable: bool) -> Typed:
    low, high = profile.integer_min or 0, profile.integer_max or 0
    if is_boolean(column.type) and low >= 0 and high <= 1:
        return Typed("boolean", "boolean")
    if is_decimal(column.type) and affinity_of(column) == "NUMERIC" and exact_in_double(profile):
        precision = declared_precision(column.type)
        if precision and max(abs(low), abs(high)) < 10 ** (precision[0] - precision[1]):
            return _numeric_type(*precision)
    typed = Typed("bigint", "integer")
    if _asks_for_time(column, nullable) and not is_boolean(column.type):
        if affinity_of(column) == "BLOB":
            typed = typed.with_finding(_untyped(table, column, "bigint", "integers"))
        return times.counted(table, column, profile, typed, decide)
    if is_boolean(column.type):
        return typed.with_finding(kept(table, column, "bigint", f"its values reach from {low} to {high}"))
    if affinity_of(column) == "BLOB" or (affinity_of(column) == "NUMERIC" and not is_decimal(column.type)):
        return typed.with_finding(_untyped(table, column, "bigint", "integers"))
    return typed


def _asks_for_time(column: Column, nullable: bool) -> bool:
    """Whether a person is asked if numbers count time; of a key only where it is declared so."""
    return is_moment(column.type) or (nullable and not column.identity and may_count_time(column))


def _untyped(table: str, column: Column, became: str, holds: str) -> Finding:
    return Finding(
        "TYPE-UNTYPED",
        f"{table}.{column.name}, declared {column.type or 'without a type'}, holds only {holds} and becomes {became}.",
        table=table,
        column=column.name,
    )


def _texts(table: str, column: Column, profile: ColumnProfile, decide: Decide, nullable: bool) -> Typed:
    if profile.nul_texts or profile.invalid_utf8:
        return text_trouble(table, column, profile, decide, bytea=True)
    if is_boolean(column.type) and (codec := boolean_text(profile)):
        return Typed("boolean", codec)
    if is_moment(column.type) and profile.shapes:
        return times.written(table, column, profile, decide, nullable)
    length = declared_length(column.type)
    if length and profile.text_max_characters <= length:
        return Typed(f"character varying({length})", "text")
    typed = Typed("text", "text")
    if length:
        why = f"its longest value has {profile.text_max_characters} characters"
        return typed.with_finding(kept(table, column, "text", why))
    if "JSON" in column.type.upper():
        return typed.with_finding(kept(table, column, "text", "JSON is kept to the letter"))
    if affinity_of(column) in ("INTEGER", "REAL", "NUMERIC"):
        return typed.with_finding(kept(table, column, "text", "its values are texts"))
    return typed
