"""Which Postgres type a SQLite column becomes: proposed by its declaration, decided by its stored values.

Nothing is narrowed on a guess. A value that has no lossless home becomes a finding with choices; the recommended
one is applied until a person decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from migrator_tui.convert import codecs, shapes
from migrator_tui.convert.spellings import BOOLEANS
from migrator_tui.model.findings import Finding
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column

EXACT_IN_DOUBLE = 2**53
MAX_NUMERIC_PRECISION = 38

Decide = Callable[[Finding], str]
"""Gives the choice for a finding: the person's, else the recommended one."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What becomes of one column's values.

    Attributes:
        quarantine: ``(finding id, predicate kind, argument)`` of the rows that stay behind, for
            ``sqlite.references``.
        misfit: Why an existing target column cannot take the values, or None.
    """

    type: str
    codec: str
    findings: tuple[Finding, ...] = ()
    quarantine: tuple[tuple[str, str, str], ...] = ()
    misfit: str | None = None

    def with_finding(self, finding: Finding) -> Typed:
        """This with one more finding."""
        return replace(self, findings=(*self.findings, finding))


def affinity(declared: str) -> str:
    """SQLite's affinity of a declared type (sqlite.org/datatype3.html, section 3.1)."""
    upper = declared.upper()
    if "INT" in upper:
        return "INTEGER"
    if any(word in upper for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in upper or not upper:
        return "BLOB"
    if any(word in upper for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"


def affinity_of(column: Column) -> str:
    """The affinity by which SQLite converts what is put into a column."""
    return "BLOB" if column.keeps_class else affinity(column.type)


def propose(table: str, column: Column, profile: ColumnProfile, decide: Decide) -> Typed:
    """The type and codec of a column that is made anew."""
    classes = profile.classes
    if not classes:
        return _empty(column)
    if set(classes) == {"integer", "real"} and affinity_of(column) in ("NUMERIC", "INTEGER"):
        return _numbers(table, column, profile, decide)
    if len(classes) > 1:
        return mixed(table, column, profile, decide)
    return _single(classes[0], table, column, profile, decide)


def exact_in_double(profile: ColumnProfile) -> bool:
    return abs(profile.integer_min or 0) <= EXACT_IN_DOUBLE and abs(profile.integer_max or 0) <= EXACT_IN_DOUBLE


def _precision(declared: str) -> tuple[int, int] | None:
    match = re.match(r"\s*(?:DECIMAL|NUMERIC|NUMBER|DEC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)", declared, re.IGNORECASE)
    return (int(match[1]), int(match[2] or 0)) if match else None


def _is_decimal(declared: str) -> bool:
    return bool(re.match(r"\s*(DECIMAL|NUMERIC|NUMBER|DEC|MONEY|CURRENCY)\b", declared, re.IGNORECASE))


def _is_boolean(declared: str) -> bool:
    return "BOOL" in declared.upper()


def _is_moment(declared: str) -> bool:
    return bool(re.search(r"DATE|TIME", declared, re.IGNORECASE))


def boolean_text(profile: ColumnProfile) -> str | None:
    if set(profile.classes) == {"text"}:
        for spelling in BOOLEANS:
            if set(profile.shapes) == {f"bool-{spelling}"}:
                return f"boolean:{spelling}"
    return None


def _length(declared: str) -> int | None:
    match = re.search(r"CHAR\w*\s*\(\s*(\d+)\s*\)", declared, re.IGNORECASE)
    return int(match[1]) if match and 0 < int(match[1]) <= 10_485_760 else None


def _kept(table: str, column: Column, became: str, why: str) -> Finding:
    return Finding(
        "TYPE-KEPT",
        f"{table}.{column.name}, declared {column.type or 'without a type'}, becomes {became}: {why}.",
        table=table,
        column=column.name,
    )


def _empty(column: Column) -> Typed:
    declared = column.type
    upper = declared.upper()
    if _is_boolean(declared):
        return Typed("boolean", "boolean")
    if _is_moment(declared) and affinity(declared) == "NUMERIC":
        if "TIME" in upper:
            return Typed("timestamp without time zone", "timestamp:iso-datetime-space")
        return Typed("date", "date:iso-date")
    if precision := _precision(declared):
        return _numeric_type(*precision)
    if _is_decimal(declared):
        return Typed("numeric", "decimal(38,10)")
    kind = affinity(declared)
    if kind == "INTEGER":
        return Typed("bigint", "integer")
    if kind == "REAL":
        return Typed("double precision", "real")
    if "BLOB" in upper or "BINARY" in upper:
        return Typed("bytea", "blob")
    length = _length(declared)
    return Typed(f"character varying({length})" if length else "text", "text")


def _numeric_type(precision: int, scale: int) -> Typed:
    if precision > MAX_NUMERIC_PRECISION or scale > precision:
        return Typed("numeric", f"decimal({MAX_NUMERIC_PRECISION},{min(scale, 20)})")
    return Typed(f"numeric({precision},{scale})", f"decimal({precision},{scale})")


def _numbers(table: str, column: Column, profile: ColumnProfile, decide: Decide) -> Typed:
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
    if not _is_decimal(column.type) or profile.infinite_reals or (profile.reals and profile.decimals is None):
        return wide
    decimals = profile.decimals or 0
    largest = max(
        abs(v)
        for v in (profile.integer_min, profile.integer_max, profile.real_min, profile.real_max, 0)
        if v is not None
    )
    if precision := _precision(column.type):
        if decimals <= precision[1] and largest < 10 ** (precision[0] - precision[1]):
            return _numeric_type(*precision)
        return wide.with_finding(
            _kept(
                table,
                column,
                "double precision",
                f"its values reach {largest:g} with {decimals} digits after the point",
            )
        )
    return Typed("numeric", f"decimal({MAX_NUMERIC_PRECISION},{decimals})")


def mixed(table: str, column: Column, profile: ColumnProfile, decide: Decide) -> Typed:
    counts = {"integer": profile.integers, "real": profile.reals, "text": profile.texts, "blob": profile.blobs}
    main, *others = profile.classes
    said = ", ".join(f"{counts[name]} {name}" for name in profile.classes)
    finding = Finding(
        "TYPE-MIXED",
        f"{table}.{column.name}, declared {column.type or 'without a type'}, holds values of several classes: {said}.",
        table=table,
        column=column.name,
        rows=sum(counts[name] for name in others),
        choices=("exact", "text", "quarantine"),
    )
    choice = decide(finding)
    if choice == "exact":
        return Typed("text", codecs.exact_text(profile.classes), (finding,))
    if choice == "quarantine":
        without: dict[str, Any] = {f"{name}s": 0 for name in others}
        alone = replace(profile, **without)
        typed = _single(main, table, column, alone, decide)
        return replace(
            typed,
            findings=(finding, *typed.findings),
            quarantine=(*typed.quarantine, ("TYPE-MIXED", "class-not", main)),
        )
    trouble = text_trouble(table, column, profile, decide, bytea=False)
    how = "+".join(["any", *(trouble.codec.partition(":")[2] or "").split("+")]).rstrip("+")
    return Typed("text", f"text:{how}", (finding, *trouble.findings), trouble.quarantine)


def _single(name: str, table: str, column: Column, profile: ColumnProfile, decide: Decide) -> Typed:
    if name == "integer":
        return _integers(table, column, profile, decide)
    if name == "real":
        return _numbers(table, column, profile, decide)
    if name == "blob":
        return Typed("bytea", "blob")
    return _texts(table, column, profile, decide)


def _counted_time(table: str, column: Column, profile: ColumnProfile, typed: Typed, decide: Decide) -> Typed:
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


def _integers(table: str, column: Column, profile: ColumnProfile, decide: Decide) -> Typed:
    low, high = profile.integer_min or 0, profile.integer_max or 0
    if _is_boolean(column.type) and low >= 0 and high <= 1:
        return Typed("boolean", "boolean")
    if _is_decimal(column.type) and affinity_of(column) == "NUMERIC" and exact_in_double(profile):
        precision = _precision(column.type)
        if precision and max(abs(low), abs(high)) < 10 ** (precision[0] - precision[1]):
            return _numeric_type(*precision)
    typed = Typed("bigint", "integer")
    if _is_moment(column.type):
        return _counted_time(table, column, profile, typed, decide)
    if _is_boolean(column.type):
        return typed.with_finding(_kept(table, column, "bigint", f"its values reach from {low} to {high}"))
    if affinity_of(column) == "BLOB":
        return typed.with_finding(_untyped(table, column, "bigint", "integers"))
    return typed


def _untyped(table: str, column: Column, became: str, holds: str) -> Finding:
    return Finding(
        "TYPE-UNTYPED",
        f"{table}.{column.name}, declared {column.type or 'without a type'}, holds only {holds} and becomes {became}.",
        table=table,
        column=column.name,
    )


def _texts(table: str, column: Column, profile: ColumnProfile, decide: Decide) -> Typed:
    if profile.nul_texts or profile.invalid_utf8:
        return text_trouble(table, column, profile, decide, bytea=True)
    if _is_boolean(column.type) and (codec := boolean_text(profile)):
        return Typed("boolean", codec)
    if _is_moment(column.type) and profile.shapes:
        return _moments(table, column, profile, decide)
    length = _length(column.type)
    if length and profile.text_max_characters <= length:
        return Typed(f"character varying({length})", "text")
    typed = Typed("text", "text")
    if length:
        why = f"its longest value has {profile.text_max_characters} characters"
        return typed.with_finding(_kept(table, column, "text", why))
    if "JSON" in column.type.upper():
        return typed.with_finding(_kept(table, column, "text", "JSON is kept to the letter"))
    if affinity_of(column) in ("INTEGER", "REAL", "NUMERIC"):
        return typed.with_finding(_kept(table, column, "text", "its values are texts"))
    return typed


def _moments(table: str, column: Column, profile: ColumnProfile, decide: Decide) -> Typed:
    known = [shape for shape in profile.shapes if shapes.is_moment(shape)]
    text = Typed("text", "text")
    if not known:
        return text.with_finding(_kept(table, column, "text", "no value is a date in a spelling that is known"))
    if len(profile.shapes) == 1:
        shape = known[0]
        if shapes.is_date(shape):
            return Typed("date", f"date:{shape}")
        if shapes.has_zone(shape):
            return Typed("timestamp with time zone", f"timestamptz:{shape}")
        return Typed("timestamp without time zone", f"timestamp:{shape}")
    finding = mixed_spellings(table, column, profile, ("text", "timestamp"))
    if decide(finding) == "timestamp":
        unknown = (("DATE-MIXED", "shape-other", ",".join(known)),) if len(known) < len(profile.shapes) else ()
        return Typed("timestamp without time zone", "timestamp:mixed", (finding,), unknown)
    return text.with_finding(finding)


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


def text_trouble(table: str, column: Column, profile: ColumnProfile, decide: Decide, *, bytea: bool) -> Typed:
    findings: list[Finding] = []
    quarantine: list[tuple[str, str, str]] = []
    how: list[str] = []
    troubles: Mapping[str, tuple[int, str, tuple[str, ...], str]] = {
        "VALUE-NUL": (profile.nul_texts, "NUL characters", ("replace", "bytea", "quarantine"), "nul"),
        "VALUE-UTF8": (
            profile.invalid_utf8,
            "bytes that are not UTF-8",
            ("latin1", "replace", "bytea", "quarantine"),
            "invalid-utf8",
        ),
    }
    for id, (rows, what, choices, predicate) in troubles.items():
        if not rows:
            continue
        finding = Finding(
            id,
            f"{table}.{column.name}: {what} in {rows:,} of {profile.texts:,} texts.",
            table=table,
            column=column.name,
            rows=rows,
            choices=choices if bytea else tuple(c for c in choices if c != "bytea"),
        )
        findings.append(finding)
        choice = decide(finding)
        if choice == "quarantine":
            quarantine.append((id, predicate, ""))
        else:
            how.append(
                {
                    "VALUE-NUL": {"replace": "nul-replaced"},
                    "VALUE-UTF8": {"replace": "utf8-replaced", "latin1": "latin1"},
                }[id].get(choice, choice)
            )
    if "bytea" in how:
        return Typed("bytea", "blob-of-text", tuple(findings), tuple(quarantine))
    return Typed("text", f"text:{'+'.join(sorted(how))}" if how else "text", tuple(findings), tuple(quarantine))
