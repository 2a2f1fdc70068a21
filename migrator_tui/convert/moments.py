"""SQLite's date and time functions (sqlite.org/lang_datefunc.html), whose results are texts and numbers in UTC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from migrator_tui.convert.identifiers import quote_literal
from migrator_tui.convert.operands import (
    Operand,
    Refused,
    Storage,
    family,
    integer,
    literal,
    plain,
    real,
    text,
)
from migrator_tui.convert.spellings import spelling

NAMES = frozenset({"date", "time", "datetime", "strftime", "julianday", "unixepoch"})

UTC_NOW = "now() AT TIME ZONE 'utc'"
LOCAL_NOTE = "local time is that of the session's TimeZone on the target"

_EPOCH_RANGE = (-62167219200, 253402300799)
"""Seconds of the years 0000 to 9999, outside of which SQLite's functions give NULL."""

_JULIAN_MILLISECONDS = 210866760000000
"""1970-01-01 as a Julian day, in milliseconds."""

_RESULTS = {"date": "%Y-%m-%d", "time": "%H:%M:%S", "datetime": "%Y-%m-%d %H:%M:%S"}

_TO_CHAR = {
    "%Y": "YYYY",
    "%m": "MM",
    "%d": "DD",
    "%H": "HH24",
    "%M": "MI",
    "%S": "SS",
    "%f": "SS.MS",
    "%j": "DDD",
    "%%": "%",
}

_PARTS = {"%Y": "year", "%m": "month", "%d": "day", "%H": "hour", "%M": "minute", "%j": "doy", "%w": "dow"}


@dataclass(frozen=True, slots=True)
class _Moment:
    """A moment in UTC.

    Attributes:
        sql: ``timestamp without time zone``.
        now: It is the present; ``plain_now`` without any change.
        fractions: It may have a part of a second.
    """

    sql: str
    now: bool = False
    plain_now: bool = False
    fractions: bool = False
    note: str = ""


def call(name: str, arguments: Sequence[Operand]) -> Operand:
    """Translate a call of one of :data:`NAMES`.

    Raises:
        Refused: The moment is not of a type that is known, or a modifier has no exact equivalent.
    """
    pattern, rest = _RESULTS.get(name, ""), list(arguments)
    if name == "strftime":
        if not rest or not isinstance(rest[0].literal, str):
            raise Refused("the format of strftime is no constant")
        pattern = rest.pop(0).literal  # type: ignore[assignment]
    if rest and isinstance(rest[0].literal, str) and len(rest) == 1 and rest[0].literal.lower() != "now":
        return _constant(name, pattern, rest[0].literal)
    moment = _modified(*_subject(rest))
    if name == "unixepoch":
        return _noted(integer(_epoch(moment)), moment)
    if name == "julianday":
        milliseconds = f"(floor(extract(epoch FROM {moment.sql}) * 1000) + {_JULIAN_MILLISECONDS})"
        return _noted(real(f"({milliseconds}::double precision / 86400000.0::double precision)"), moment)
    return _noted(_written(pattern, moment), moment)


def _noted(operand: Operand, moment: _Moment) -> Operand:
    return replace(operand, note=moment.note) if moment.note else operand


def _subject(arguments: list[Operand]) -> tuple[_Moment, list[str]]:
    """The moment a call is about, and its modifiers in lower case."""
    first = arguments[0] if arguments else literal("now")
    modifiers = []
    for argument in arguments[1:]:
        if not isinstance(argument.literal, str):
            raise Refused("a modifier of a date is no constant")
        modifiers.append(argument.literal.strip().lower())
    if isinstance(first.literal, str) and first.literal.lower() == "now":
        if "localtime" in modifiers:
            if modifiers[0] != "localtime":
                raise Refused("the modifier localtime comes after others")
            return _Moment("LOCALTIMESTAMP", now=True, fractions=True, note=LOCAL_NOTE), modifiers[1:]
        return _Moment(f"({UTC_NOW})", now=True, plain_now=not modifiers, fractions=True), modifiers
    if isinstance(first.literal, str):
        parsed = _parsed(first.literal)
        if parsed is None:
            raise Refused(f"{first.literal!r} is no date that is known here")
        return _Moment(f"TIMESTAMP {quote_literal(parsed.isoformat(' '))}"), modifiers
    if first.form == "moment":
        written = spelling(first.codec)
        if written is None or not written.iso or written.digits > 3:
            raise Refused("dates are read that are written otherwise than in ISO 8601, or finer than milliseconds")
        if family(first.type) == "timestamptz":
            return _Moment(f"({first.sql} AT TIME ZONE 'utc')", fractions=bool(written.digits)), modifiers
        return _Moment(f"{first.sql}::timestamp", fractions=bool(written.digits)), modifiers
    for kind, exact in first.assigned:  # what another of these functions has written
        if kind == "timestamp" and first.storage is Storage.TEXT:
            return _Moment(exact, fractions="milliseconds" in exact, note=first.note), modifiers
    value = plain(first)
    if value.storage is Storage.INTEGER and modifiers[:1] == ["unixepoch"] and not value.volatile:
        low, high = _EPOCH_RANGE
        inside = f"CASE WHEN {value.sql} BETWEEN {low} AND {high} THEN {value.sql} END"
        return _Moment(f"(to_timestamp({inside}) AT TIME ZONE 'utc')"), modifiers[1:]
    raise Refused(f"a date function reads {value.storage.said}, which may or may not be a date")


def _modified(moment: _Moment, modifiers: list[str]) -> _Moment:
    for modifier in modifiers:
        if match := re.fullmatch(r"start of (day|month|year)", modifier):
            moment = replace(moment, sql=f"date_trunc('{match[1]}', {moment.sql})", fractions=False)
        elif match := re.fullmatch(r"([+-]?\d{1,6}) (second|minute|hour|day)s?", modifier):
            moment = replace(moment, sql=f"({moment.sql} + INTERVAL '{int(match[1])} {match[2]}')")
        else:
            raise Refused(f"the date modifier {modifier!r} has no exact equivalent")
    return moment


def _epoch(moment: _Moment) -> str:
    return f"floor(extract(epoch FROM {moment.sql}))::bigint"


def _written(pattern: str, moment: _Moment) -> Operand:
    if pattern == "%s":
        epoch = _epoch(moment)
        return replace(text(f"{epoch}::text"), assigned=(("integer", epoch),))
    if pattern in _PARTS:
        part = f"extract({_PARTS[pattern]} FROM {moment.sql})::bigint"
        written = f"to_char({moment.sql}, '{_TO_CHAR[pattern]}')" if pattern in _TO_CHAR else f"{part}::text"
        return replace(text(written), assigned=(("integer", part),))
    if pattern == "%J":
        raise Refused("%J writes a real as text, which the two databases do differently")
    out, plain_text = "", ""
    for token in re.findall(r"%.|[^%]+|%", pattern, re.DOTALL):
        if token in _TO_CHAR:
            out += (f'"{plain_text}"' if plain_text else "") + _TO_CHAR[token]
            plain_text = ""
        elif token.startswith("%") or '"' in token or "\\" in token:
            raise Refused(f"the format {pattern!r} has no exact equivalent")
        else:
            plain_text += token
    out += f'"{plain_text}"' if plain_text else ""
    result = text(f"to_char({moment.sql}, {quote_literal(_unquoted_separators(out))})")
    return replace(result, assigned=_assigned(pattern, moment))


def _unquoted_separators(to_char: str) -> str:
    """``YYYY"-"MM`` → ``YYYY-MM``: these separators mean themselves without quotes too."""
    return re.sub(r'"([-:. /]+)"', r"\1", to_char)


def _assigned(pattern: str, moment: _Moment) -> tuple[tuple[str, str], ...]:
    """The same moment as a date or timestamp, as precise as the text would be."""
    if re.fullmatch(r"%Y-%m-%d", pattern):
        day = f"date_trunc('day', {moment.sql})"
        return ("date", f"{moment.sql}::date"), ("timestamp", day), ("timestamptz", _in_utc(day, moment))
    if pattern in ("%H:%M", "%H:%M:%S"):
        unit = "second" if pattern.endswith("%S") else "minute"
        return (("time", f"date_trunc('{unit}', {moment.sql})::time"),)
    if match := re.fullmatch(r"%Y-%m-%d[ T]%H:%M:%(S|f)Z?", pattern):
        unit = "second" if match[1] == "S" else "milliseconds"
        exact = f"date_trunc('{unit}', {moment.sql})" if moment.fractions else moment.sql
        zoned = f"date_trunc('{unit}', now())" if moment.plain_now else _in_utc(exact, moment)
        return ("timestamp", exact), ("timestamptz", zoned)
    return ()


def _in_utc(sql: str, moment: _Moment) -> str:
    zone = "current_setting('TimeZone')" if moment.note else "'utc'"
    return f"({sql} AT TIME ZONE {zone})"


def _constant(name: str, pattern: str, written: str) -> Operand:
    parsed = _parsed(written)
    if parsed is None:
        raise Refused(f"{written!r} is no date that is known here")
    if name == "unixepoch":
        return literal(int(parsed.timestamp()))
    if name == "julianday":
        milliseconds = (parsed - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
        return literal((milliseconds + _JULIAN_MILLISECONDS) / 86400000.0)
    if re.sub(r"%[YmdHMS]", "", pattern).count("%"):
        raise Refused(f"the format {pattern!r} has no exact equivalent")
    year = f"{parsed.year:04d}"
    return literal(parsed.strftime(pattern.replace("%Y", year)))


def _parsed(written: str) -> datetime | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?", written):
        return None
    try:
        return datetime.fromisoformat(written).replace(tzinfo=UTC)
    except ValueError:
        return None
