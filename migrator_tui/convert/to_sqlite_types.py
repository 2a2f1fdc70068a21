"""From Postgres' types to SQLite's: what a column is declared as, and how its values are written there.

Each type has one natural spelling:

* integers, reals, bytea and texts as they are; booleans 0 and 1; NaN, which SQLite cannot hold, as the text ``NaN``;
* ``numeric`` as a number where every value of the column is exact as one, else as text, to the digit;
* date, time, timestamp, interval, uuid, inet, ranges, tsvector and all other types as Postgres writes them, with
  ISO dates; ``timestamptz`` in UTC, with ``+00:00``;
* json and jsonb as text; arrays and composite types as JSON text;
* enums as text with a CHECK; ``citext`` as text that compares NOCASE.

A type name is chosen so that SQLite's affinity leaves the values alone (sqlite.org/datatype3.html): what is written as
text is declared by a name with TEXT or CHAR in it, or one whose values never look like a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa

from migrator_tui.convert.codecs import codec, exists
from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.convert.to_sqlite_values import Cells, natural, returned

Category = Literal["plain", "enum", "array", "composite", "other"]
Kind = Literal["integer", "real", "numeric", "boolean", "text", "blob", "date", "moment", "moment-tz", "json", "other"]

EXACT_DIGITS = 15
"""A decimal of so many digits comes back from a double as it was (IEEE 754)."""

_LOOSE = "compares byte by byte, and not by its collation"


@dataclass(frozen=True, slots=True)
class LiveType:
    """A column's type on the target, domains seen through.

    Attributes:
        name: The base type as ``format_type`` writes it, with its length or precision.
        labels: Of an enum.
        domain: Name of the domain, if it is one.
        checks: The domain's conditions on VALUE.
        loose: It has a collation to which different texts are equal.
    """

    name: str
    category: Category = "plain"
    labels: tuple[str, ...] = ()
    domain: str = ""
    checks: tuple[str, ...] = ()
    loose: bool = False

    @property
    def base(self) -> str:
        """The name without length, precision or quotes."""
        return re.sub(r"\s*\([^)]*\)", "", self.name).strip().strip('"').lower()


@dataclass(frozen=True, slots=True)
class Way:
    """How one column comes back.

    Attributes:
        declared: Type name in CREATE TABLE.
        collation: ``NOCASE``, or None.
        kind: What its values are to an expression; ``other`` for those that no translated expression may look at.
        select: Postgres expressions: the values, then, if there is one, the text of those that the first cannot hold.
        decode: What they give → the cells.
        how: How the values are written, where that is not as they are.
    """

    declared: str
    kind: Kind
    select: tuple[str, ...]
    decode: Callable[[tuple[pa.Array, ...]], Cells]
    collation: str | None = None
    how: str = ""


def way(live: LiveType, column: str, *, exact_real: bool = False) -> Way:
    """The natural way.

    Args:
        column: Its unquoted name.
        exact_real: Every value of this numeric column is exact as a double.
    """
    found = _way(live, column, exact_real=exact_real)
    if live.loose and found.collation is None:
        return replace(found, kind="other", how=_LOOSE)
    return found


def _way(live: LiveType, column: str, *, exact_real: bool) -> Way:
    own, base = quote(column), live.base
    text = f"{own}::text"
    if live.category == "enum":
        return Way("TEXT", "text", (text,), natural, how="enum as text with a CHECK")
    if live.category in ("array", "composite"):
        return Way("TEXT", "json", (f"to_json({own})::text",), natural, how=f"{live.category} as JSON text")
    if base in ("smallint", "integer", "bigint"):
        return Way(base.upper(), "integer", (own,), natural)
    if base in ("oid", "xid", "cid"):
        return Way("BIGINT", "integer", (f"{text}::int8",), natural)
    if base == "boolean":
        return Way("BOOLEAN", "boolean", (own,), natural, how="0 and 1")
    if base in ("real", "double precision"):
        return Way("DOUBLE PRECISION" if base != "real" else "REAL", "real", _without_nan(own), natural)
    if base in ("numeric", "money"):
        return _numeric(live, own, exact_real=exact_real)
    if base == "bytea":
        return Way("BLOB", "blob", (own,), natural)
    if base == "citext":
        return Way("TEXT", "text", (text,), natural, "NOCASE", "compares without case, for ASCII letters only")
    if base in ("text", "name"):
        return Way("TEXT", "text", (text,), natural)
    if base in ("character varying", "character"):
        length = re.search(r"\(\d+\)", live.name)
        kind = "VARCHAR" if base == "character varying" else "CHAR"
        # A cast to text would take the blanks off the end of a char.
        if base == "character":
            # To Postgres its texts are equal but for blanks at the end, to SQLite they are not.
            return Way(kind + (length[0] if length else ""), "other", (own,), natural, how="with its blanks")
        return Way(kind + (length[0] if length else ""), "text", (text,), natural)
    if base in ("json", "jsonb"):
        return Way("JSON_TEXT", "json", (text,), natural, how="JSON as text")
    if base == "date":
        return Way("DATE", "date", (text,), natural)
    if base == "timestamp without time zone":
        return Way("TIMESTAMP", "moment", (text,), natural)
    if base == "timestamp with time zone":
        select = f"regexp_replace({text}, '\\+00($| BC$)', '+00:00\\1')"
        return Way("TIMESTAMP WITH TIME ZONE", "moment-tz", (select,), natural, how="in UTC, with +00:00")
    if base == "time without time zone":
        return Way("TIME", "other", (text,), natural)
    if base == "uuid":
        return Way("UUID", "text", (text,), natural)
    return Way("TEXT", "other", (text,), natural, how=f"{base} as Postgres writes it")


def way_by_codec(live: LiveType, column: str, name: str, declared: str, collation: str | None) -> Way | None:
    """The way back that the codec of a published column remembers; None where there is none.

    Values that it would not give back, which are new since then, are written naturally.
    """
    if not exists(name):
        return None
    known = codec(name)
    if known.cast and not known.lossless:
        how = f"{live.base} as Postgres writes it"
        return Way(declared, "other", (known.target_expression(column),), natural, collation, how)
    if not known.lossless:
        return None
    own, base = quote(column), live.base
    expression, text = known.target_expression(column), f"{own}::text"
    select: tuple[str, ...] = (expression,)
    if known.cast:
        pass
    elif base.startswith("timestamp") or base == "date":
        last = "9999-12-31" if base == "date" else "9999-12-31 23:59:59.999999"
        zone = "+00" if base.endswith("with time zone") else ""
        within = f"{own} BETWEEN '0001-01-01'::{live.name} AND {quote_literal(last + zone)}::{live.name}"
        select = (f"CASE WHEN {within} THEN {expression} END", f"CASE WHEN NOT ({within}) THEN {text} END")
    elif base == "time without time zone":
        select = (f"CASE WHEN {own} < '24:00' THEN {expression} END", f"CASE WHEN {own} = '24:00' THEN {text} END")
    elif base in ("real", "double precision"):
        select = (f"CASE WHEN {own} <> 'NaN' THEN {expression} END", f"CASE WHEN {own} = 'NaN' THEN {text} END")
    elif name == "integer-numeric":
        # The codec's own cast would round.
        whole = f"{own} = trunc({own}) AND abs({own}) <= 9223372036854775807"
        select = (f"CASE WHEN {whole} THEN {expression} END", f"CASE WHEN NOT ({whole}) THEN {text} END")
    natural_way = way(live, column)
    same_as_written = name in ("integer", "integer2", "integer4", "real", "text", "blob", "boolean")
    return Way(
        declared,
        natural_way.kind if same_as_written else "other",
        select,
        lambda read: returned(known, read),
        collation,
    )


def is_exact(live: LiveType) -> bool:
    """Whether every value that a numeric type can have is exact as a double."""
    match = re.search(r"\((\d+)", live.name)
    return match is not None and int(match[1]) <= EXACT_DIGITS


def exactness(column: str, cast: str = "") -> str:
    """The Postgres condition under which a numeric value is exact as a double."""
    own = quote(column) + cast
    # The text of a double is the shortest that reads back to it; its cast to numeric would round to 15 digits.
    in_range = f"abs({own}) < 1e300::numeric AND (abs({own}) > 1e-300::numeric OR {own} = 0)"
    return (
        f"(CASE WHEN {own} IS NULL THEN true WHEN {in_range} THEN {own}::float8::text::numeric = {own} ELSE false END)"
    )


def _numeric(live: LiveType, own: str, *, exact_real: bool) -> Way:
    number = f"{own}::numeric" if live.base == "money" else own
    if not exact_real and not is_exact(live):
        return Way("TEXT", "other", (f"{number}::text",), natural, how="numeric as text, to the digit")
    sizes = re.search(r"\([^)]*\)", live.name)
    declared = "NUMERIC" + (sizes[0] if sizes and "-" not in sizes[0] else "")
    select = (f"CASE WHEN {number} <> 'NaN' THEN {number}::float8 END", f"CASE WHEN {number} = 'NaN' THEN 'NaN' END")
    return Way(declared, "numeric", select, natural)


def _without_nan(own: str) -> tuple[str, str]:
    return f"CASE WHEN {own} <> 'NaN' THEN {own} END", f"CASE WHEN {own} = 'NaN' THEN 'NaN' END"
