"""Which codec takes a column's values into a type that is given: a live column's, or one that a person wrote."""

from __future__ import annotations

import re
from dataclasses import replace

from migrator_tui.convert import shapes
from migrator_tui.convert.codecs import MAX_PRECISION
from migrator_tui.convert.types import Decide, Typed, boolean_text, exact_in_double, mixed, text_trouble
from migrator_tui.model.findings import Finding
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column

INT4 = (-(2**31), 2**31 - 1)
INT2 = (-(2**15), 2**15 - 1)


def onto(table: str, column: Column, profile: ColumnProfile, live: Column, decide: Decide) -> Typed:
    """The codec by which a column's values go into a column that the target has already."""
    kind = live.type
    classes = profile.classes
    typed = Typed(kind, "text")
    if len(classes) > 1 and set(classes) != {"integer", "real"}:
        several = mixed(table, column, profile, decide)
        typed = replace(typed, findings=several.findings, quarantine=several.quarantine)
        if several.codec.startswith("text:any"):
            if _is_textual(live):
                return replace(typed, codec=several.codec)
            return replace(typed, misfit=f"{table}.{column.name} holds several kinds of values and goes into {kind}")
        classes = classes[:1]
    found = _codec_onto(set(classes), column, profile, live)
    if found is None:
        holds = " and ".join(classes) or "nothing"
        return replace(
            typed, misfit=f"{table}.{column.name} holds {holds} values, which {kind} cannot take as they are"
        )
    typed = replace(typed, codec=found)
    if classes == ("text",) and (profile.nul_texts or profile.invalid_utf8):
        text = text_trouble(table, column, profile, decide, bytea=False)
        if text.codec != "text" and not _is_textual(live):
            return replace(typed, misfit=f"{table}.{column.name} holds texts that {kind} cannot take")
        typed = replace(
            typed,
            findings=typed.findings + text.findings,
            quarantine=typed.quarantine + text.quarantine,
            codec=text.codec if text.codec != "text" else typed.codec,
        )
    return _range_onto(table, column, profile, live, typed)


def _is_textual(live: Column) -> bool:
    # Whole: text[] is no text. An extension's type may be written with its schema.
    textual = r"(text|character varying|varchar|character|bpchar|(.*\.)?citext)(\(\d+\))?"
    return live.enum is None and bool(re.fullmatch(textual, live.type))


def _codec_onto(classes: set[str], column: Column, profile: ColumnProfile, live: Column) -> str | None:
    kind = live.type
    integers = {"bigint": "integer", "integer": "integer4", "smallint": "integer2"}
    numeric = re.fullmatch(r"numeric(?:\((\d+),(\d+)\))?", kind)
    if live.enum is not None or _is_textual(live):
        return "text" if classes <= {"text"} else None
    if kind in integers:
        return integers[kind] if classes <= {"integer"} else None
    if kind == "boolean":
        if classes <= {"integer"} and (profile.integer_min or 0) >= 0 and (profile.integer_max or 0) <= 1:
            return "boolean"
        return boolean_text(profile)
    if kind in ("double precision", "real"):
        if classes <= {"integer", "real"} and exact_in_double(profile):
            wide = "real" if classes <= {"real"} else "real-numeric"
            return wide if kind == "double precision" else None
        return None
    if numeric:
        if classes <= {"integer"} and (not numeric[2] or numeric[2] == "0"):
            return "integer-numeric"
        if (
            classes <= {"integer", "real"}
            and exact_in_double(profile)
            and (profile.decimals is not None or not profile.reals)
        ):
            precision, scale = (int(numeric[1]), int(numeric[2])) if numeric[1] else (38, profile.decimals or 0)
            fits = (profile.decimals or 0) <= scale <= precision <= MAX_PRECISION
            return f"decimal({precision},{scale})" if fits else None
        return None
    moments = {"timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz", "date": "date"}
    if kind in moments:
        if not classes:
            return f"{moments[kind]}:{'iso-date' if kind == 'date' else 'iso-datetime-space'}"
        if classes <= {"text"} and len(profile.shapes) == 1:
            shape = next(iter(profile.shapes))
            if shapes.is_moment(shape) and (kind != "date" or shapes.is_date(shape)):
                return f"{moments[kind]}:{shape}"
        return None
    plain = {"bytea": ("blob", "blob"), "uuid": ("text", "uuid"), "json": ("text", "json"), "jsonb": ("text", "jsonb")}
    if kind in plain and classes <= {plain[kind][0]}:
        return plain[kind][1]
    return None


def _range_onto(table: str, column: Column, profile: ColumnProfile, live: Column, typed: Typed) -> Typed:
    bounds = {"integer": INT4, "smallint": INT2}.get(live.type)
    length = re.search(r"\((\d+)\)$", live.type) if live.type.startswith("character") else None
    outside = ""
    argument = ""
    if bounds and profile.integer_min is not None and profile.integer_max is not None:
        if profile.integer_min < bounds[0] or profile.integer_max > bounds[1]:
            outside = f"its integers reach from {profile.integer_min} to {profile.integer_max}"
            argument = f"NOT BETWEEN {bounds[0]} AND {bounds[1]}"
    elif length and profile.text_max_characters > int(length[1]):
        outside = f"its longest text has {profile.text_max_characters} characters"
        argument = f"longer {length[1]}"
    if not outside:
        return typed
    finding = Finding(
        "VALUE-RANGE",
        f"{table}.{column.name} goes into {live.type}, but {outside}.",
        table=table,
        column=column.name,
        choices=("quarantine",),
    )
    return replace(typed.with_finding(finding), quarantine=(*typed.quarantine, ("VALUE-RANGE", "outside", argument)))


def codec_for(kind: str, proposed: str) -> str:
    """The codec for a type that a person wrote into the plan over the proposed one.

    The proposed codec where only its type was changed to a wider one; it is proved value by value in any case.
    """
    plain = re.sub(r"\s*\(.*", "", kind.strip().lower())
    base = proposed.partition(":")[0].partition("(")[0]
    if plain in ("text", "character varying", "varchar", "citext", "character"):
        return proposed if base == "text" else "text:any"
    integers = {"bigint": "integer", "int8": "integer", "integer": "integer4", "int4": "integer4", "int": "integer4",
                "smallint": "integer2", "int2": "integer2"}  # fmt: skip
    if plain in integers:
        return integers[plain]
    if plain == "numeric":
        sizes = re.search(r"\((\d+)\s*,\s*(\d+)\)", kind)
        return (
            f"decimal({sizes[1]},{sizes[2]})"
            if sizes and int(sizes[2]) <= int(sizes[1]) <= MAX_PRECISION
            else ("integer-numeric" if base == "integer" else "decimal(38,10)")
        )
    moments = {"timestamp": "timestamp", "timestamp without time zone": "timestamp", "timestamptz": "timestamptz",
               "timestamp with time zone": "timestamptz", "date": "date"}  # fmt: skip
    if plain in moments and base in moments.values():
        return f"{moments[plain]}:{proposed.partition(':')[2]}"
    fixed = {"double precision": "real-numeric", "float8": "real-numeric", "boolean": "boolean", "uuid": "uuid",
             "json": "json", "jsonb": "jsonb", "bytea": "blob-of-text" if base == "text" else "blob"}  # fmt: skip
    return fixed.get(plain, proposed)
