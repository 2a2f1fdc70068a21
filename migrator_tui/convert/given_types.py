"""Which codec takes a column's values into a type that is given: a live column's, or one that a person wrote."""

from __future__ import annotations

import re
from dataclasses import replace

from migrator_tui.convert import cast_codecs, counted_time, shapes, zones
from migrator_tui.convert.codecs import MAX_PRECISION
from migrator_tui.convert.parsed_texts import uuid_codec
from migrator_tui.convert.refused_texts import text_trouble
from migrator_tui.convert.times import mixed_spellings
from migrator_tui.convert.typed import Decide, Typed
from migrator_tui.convert.types import as_text, boolean_text, exact_in_double, main_classes, mixed_finding, set_aside
from migrator_tui.convert.zones import Zone
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column


def onto(
    table: str,
    column: Column,
    profile: ColumnProfile,
    live: Column,
    decide: Decide,
    *,
    nullable: bool = True,
    zone: Zone | None = None,
) -> Typed:
    """The codec by which a column's values go into a column that the target has already.

    It is chosen by what the column mostly holds; whether every value fits is proved on the values themselves.

    Args:
        nullable: The live column takes NULL, and no key by which rows are paired is made of it.
        zone: That naive times may be in, beside UTC.
    """
    if live.base is not None:  # a domain takes what its base type does, but for its checks
        live = replace(live, type=live.base)
    kind = live.type
    classes = profile.classes
    typed = Typed(kind, "text")
    if len(classes) > 1 and set(classes) != {"integer", "real"}:
        choices = ("exact", "text", "null", "quarantine") if is_textual(live) else ("quarantine", "null")
        main = _main_classes_onto(column, profile, live)
        finding = mixed_finding(table, column, profile, main, choices, nullable=nullable)
        choice = decide(finding)
        if choice in ("exact", "text"):
            several = as_text(table, column, profile, decide, exact=choice == "exact")
            return replace(several, type=kind, findings=(finding, *several.findings))
        profile, others = set_aside(profile, main)
        if choice == "null":
            typed = replace(typed, findings=(finding,), nulled=(others,))
        else:
            typed = replace(typed, findings=(finding,), quarantine=(others,))
        classes = profile.classes
    found = _codec_onto(set(classes), column, profile, live)
    if found is None:
        holds = " and ".join(classes) or "nothing"
        return replace(
            typed, misfit=f"{table}.{column.name} holds {holds} values, which {kind} cannot take as they are"
        )
    typed = _moments_onto(table, column, profile, replace(typed, codec=found), decide)
    typed = zones.asked(table, column, profile, typed, decide, zone)
    if classes == ("text",) and (profile.nul_texts or profile.invalid_utf8):
        text = text_trouble(table, column, profile, decide, bytea=False)
        if text.codec != "text" and not is_textual(live):
            return replace(typed, misfit=f"{table}.{column.name} holds texts that {kind} cannot take")
        typed = replace(
            typed,
            findings=typed.findings + text.findings,
            quarantine=typed.quarantine + text.quarantine,
            codec=text.codec if text.codec != "text" else typed.codec,
        )
    return typed


def _main_classes_onto(column: Column, profile: ColumnProfile, live: Column) -> tuple[str, ...]:
    """The classes that a live column is made for, where there are such values; else those that most values have."""
    kind = re.sub(r"\(.*", "", live.type)
    if kind in ("bigint", "integer", "smallint"):
        made_for: tuple[str, ...] = ("integer",)
    elif kind in ("numeric", "double precision", "real"):
        made_for = ("integer", "real")
    elif kind == "bytea":
        made_for = ("blob",)
    elif _moment(live.type) or kind in ("json", "jsonb"):
        made_for = ("text",)
    else:
        made_for = ()
    return tuple(name for name in made_for if name in profile.classes) or main_classes(column, profile)


def is_textual(live: Column) -> bool:
    """Whether a column takes any text."""
    # Whole: text[] is no text. An extension's type may be written with its schema.
    textual = r"(text|character varying|varchar|character|bpchar|(.*\.)?citext)(\(\d+\))?"
    return live.enum is None and bool(re.fullmatch(textual, live.type))


def _codec_onto(classes: set[str], column: Column, profile: ColumnProfile, live: Column) -> str | None:
    kind = live.type
    if live.enum is not None or is_textual(live):
        if classes <= {"text"}:
            return "text"
        return "text-of-integer" if classes <= {"integer"} and live.enum is None else None
    return _known_codec(classes, column, profile, live) or _by_the_server(classes, kind)


def _by_the_server(classes: set[str], kind: str) -> str | None:
    """The codec that leaves it to the server to read values: of types that have none of their own, and of texts.

    Not of moments: the server would take the day for the month, or the other way round, as it is set.
    """
    plain = re.sub(r"\(.*?\)", "", kind)
    if _moment(kind) or plain in ("time without time zone", "bytea"):
        return None
    ours = ("bigint", "integer", "smallint", "boolean", "double precision", "real", "numeric", "uuid", "json", "jsonb")
    return None if plain in ours and classes - {"text"} else cast_codecs.of_classes(classes)


def _known_codec(classes: set[str], column: Column, profile: ColumnProfile, live: Column) -> str | None:
    kind = live.type
    integers = {"bigint": "integer", "integer": "integer4", "smallint": "integer2"}
    numeric = re.fullmatch(r"numeric(?:\((\d+),(\d+)\))?", kind)
    if kind in integers:
        if classes <= {"text"} and classes:
            return f"{integers[kind]}-of-text"
        return integers[kind] if classes <= {"integer"} else None
    if kind == "boolean":
        return "boolean" if classes <= {"integer"} else boolean_text(profile)
    if kind in ("double precision", "real"):
        if classes <= {"integer", "real"} and exact_in_double(profile):
            if kind == "double precision":
                return "real" if classes <= {"real"} else "real-numeric"
            return "real4" if classes <= {"real"} else None
        return None
    if numeric:
        if classes <= {"integer"} and (not numeric[2] or numeric[2] == "0"):
            return "integer-numeric"
        if (
            classes <= {"integer", "real"}
            and exact_in_double(profile)
            and (numeric[1] or profile.decimals is not None or not profile.reals)
        ):
            precision, scale = (int(numeric[1]), int(numeric[2])) if numeric[1] else (38, profile.decimals or 0)
            return f"decimal({precision},{scale})" if scale <= precision <= MAX_PRECISION else None
        return None
    if moment := _moment(kind):
        if not classes:
            return f"{moment}:{'iso-date' if kind == 'date' else 'iso-datetime-space'}"
        fit = _spellings(profile, kind) if classes <= {"text"} else []
        return f"{moment}:{fit[0]}" if fit else None
    if kind == "time without time zone":
        clocks = [shape for shape in profile.shapes if shapes.is_time(shape)] if classes <= {"text"} else []
        most = max(clocks, key=lambda shape: profile.shapes[shape], default="")
        return f"time:{most}" if most else None if classes else "time:time"
    if kind == "uuid" and (written := uuid_codec(profile)):
        return written
    plain = {"bytea": ("blob", "blob"), "uuid": ("text", "uuid"), "json": ("text", "json"), "jsonb": ("text", "jsonb")}
    if kind in plain and classes <= {plain[kind][0]}:
        return plain[kind][1]
    return None


_MOMENTS = {"timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz", "date": "date"}


def _moment(kind: str) -> str | None:
    """How codecs call a type of moments, of whatever precision; None for other types."""
    return _MOMENTS.get(re.sub(r"\(\d\)", "", kind))


def _spellings(profile: ColumnProfile, kind: str) -> list[str]:
    """The shapes of a column's texts that a type of moments can hold, the most frequent first."""
    fit = [s for s in profile.shapes if shapes.is_moment(s) and (kind != "date" or shapes.is_date(s))]
    return sorted(fit, key=lambda s: -profile.shapes[s])


def _moments_onto(table: str, column: Column, profile: ColumnProfile, typed: Typed, decide: Decide) -> Typed:
    """What goes into a type of moments, where several known spellings are among the texts."""
    moment = _moment(typed.type)
    known = _spellings(profile, typed.type) if moment and ":" in typed.codec else []
    if len(known) < 2:
        return typed
    finding = mixed_spellings(table, column, profile, ("timestamp", "quarantine"))
    typed = replace(typed, findings=(*typed.findings, finding))
    if decide(finding) == "quarantine":
        return replace(typed, quarantine=(*typed.quarantine, ("DATE-MIXED", "shape-other", known[0])))
    unknown = (("DATE-MIXED", "shape-other", ",".join(known)),) if len(known) < len(profile.shapes) else ()
    return replace(typed, codec=f"{moment}:mixed", quarantine=(*typed.quarantine, *unknown))


_LONG_NAMES = {
    "int8": "bigint", "int4": "integer", "int": "integer", "int2": "smallint", "bool": "boolean",
    "float8": "double precision", "float4": "real", "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone", "time": "time without time zone", "decimal": "numeric",
}  # fmt: skip


def live_column(name: str, kind: str) -> Column:
    """A column of the target of a type as a person writes it."""
    plain = re.sub(r"\s*\(.*", "", kind.strip().lower())
    length = re.sub(r"\s", "", kind.strip()[len(plain) :])
    return Column(name, _LONG_NAMES.get(plain, plain) + length)


def _counted_codec(plain: str, profile: ColumnProfile) -> str | None:
    """The codec of numbers that a person calls moments: by the way to count that makes likely moments of all."""
    kind = _LONG_NAMES.get(plain, plain)
    if set(profile.classes) == {"integer"}:
        ends = (profile.integer_min or 0, profile.integer_max or 0)
        if kind == "timestamp with time zone":
            return next((f"timestamptz:{n}" for n in counted_time.EPOCHS if counted_time.likely(n, *ends)), None)
    elif set(profile.classes) == {"real"}:
        span = (profile.real_min or 0.0, profile.real_max or 0.0)
        for name in counted_time.OF_REALS:
            fits = "timestamp without time zone" if name == "julian" else "timestamp with time zone"
            if kind == fits and counted_time.likely(name, *span):
                return f"{'timestamp' if name == 'julian' else 'timestamptz'}:real-{name}"
    return None


def codec_for(kind: str, proposed: str, column: Column | None = None, profile: ColumnProfile | None = None) -> str:
    """The codec for a type that a person wrote into the plan over the proposed one.

    Args:
        proposed: The codec that was proposed, kept where only its type was changed to a wider one.
        column, profile: The column and what it holds, by which a codec is chosen that gives its values back.

    It is proved value by value in any case.
    """
    plain = re.sub(r"\s*\(.*", "", kind.strip().lower())
    base = proposed.partition(":")[0].partition("(")[0]
    if plain in ("text", "character varying", "varchar", "citext", "character"):
        return proposed if base == "text" else "text:any"
    if column is not None and profile is not None and profile.classes:
        found = _codec_onto(set(profile.classes), column, profile, live_column(column.name, kind))
        if found is not None:
            return found
        if counted := _counted_codec(plain, profile):
            return counted
        moment = _moment(live_column(column.name, kind).type)
        if moment and profile.classes == ("text",) and not profile.shapes:  # too few were dates to count spellings
            return "date:iso-date" if moment == "date" else f"{moment}:mixed"
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
