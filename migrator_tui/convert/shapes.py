"""Shapes of dates, booleans and UUIDs that are written as text: recognised, read and written back to the letter.

A shape's name says everything that is needed to write its values again: how many digits the fraction of a second has
and which zone is written. So :func:`render` is the exact inverse of :func:`parse` for every value that
:func:`classify` gives the shape. Everything is vectorised: milliseconds for a million values.

Names of the shapes of a moment are made of parts, such as ``iso-datetime-T.3+Z`` for ``2026-01-05T10:00:00.250Z``:

* ``iso-datetime-space`` or ``iso-datetime-T``, by what separates date and time; without seconds
  ``iso-datetime-minutes`` and ``iso-datetime-T-minutes``;
* ``.1`` to ``.6``, the digits of the fraction, where there is one;
* the zone where there is one: ``+Z`` for the letter Z, else as it is written (``+00:00``, ``-0530``).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import constants
from migrator_tui.convert.spellings import BOOLEANS

OTHER = "other"
"""The shape of every text that has none of the shapes below, such as ``2026-02-30``."""

Kind = Literal["date", "time", "moment", "boolean", "uuid", "none"]


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to write a value.

    Attributes:
        kind: ``date``, ``time`` (of day), ``moment`` (date and time), ``boolean``, ``uuid``, or ``none``: a text that
            stands for no value.
        digits: Digits of the fraction of a second, 0 without one.
        zone: As written (``Z``, ``+02:00``), None for a moment without.
        offset_minutes: The zone's distance from UTC, east positive.
    """

    name: str
    kind: Kind
    example: str
    digits: int = 0
    zone: str | None = None

    @property
    def offset_minutes(self) -> int:
        if self.zone is None or self.zone == "Z":
            return 0
        numbers = self.zone[1:].replace(":", "")
        minutes = int(numbers[:2]) * 60 + int(numbers[2:] or 0)
        return -minutes if self.zone[0] == "-" else minutes


SHAPES: tuple[Shape, ...] = (
    Shape("iso-date", "date", "2026-01-05"),
    Shape("iso-datetime-space", "moment", "2026-01-05 10:00:00"),
    Shape("iso-datetime-T", "moment", "2026-01-05T10:00:00"),
    Shape("iso-datetime-minutes", "moment", "2026-01-05 10:00"),
    Shape("iso-datetime-T-minutes", "moment", "2026-01-05T10:00"),
    Shape("date-dmy-dots", "date", "05.01.2026"),
    Shape("date-mdy-slash", "date", "01/05/2026"),
    Shape("date-compact8", "date", "20260105"),
    Shape("datetime-compact14", "moment", "20260105100000"),
    Shape("time", "time", "10:00:00"),
    Shape("time-minutes", "time", "10:00"),
    Shape("zero-date", "none", "0000-00-00"),
    Shape("empty", "none", ""),
    *(Shape(f"bool-{name}", "boolean", true) for name, (true, _) in BOOLEANS.items()),
    Shape("bool-01", "boolean", "1"),
    Shape("uuid", "uuid", "0b5a3f0e-6c1d-4a3e-9f00-1d2c3b4a5968"),
    Shape("uuid-upper", "uuid", "0B5A3F0E-6C1D-4A3E-9F00-1D2C3B4A5968"),
    Shape("uuid-hex", "uuid", "0b5a3f0e6c1d4a3e9f001d2c3b4a5968"),
    Shape(OTHER, "none", "next week"),
)
"""The families; fraction and zone are added to the names of the ``iso-datetime`` ones, and the fraction to ``time``."""

_FAMILIES = {shape.name: shape for shape in SHAPES}
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?)"
_NAME = re.compile(rf"(iso-datetime-(?:space|T-minutes|T|minutes))(?:\.([1-6]))?(?:\+(Z)|({_ZONE}))?")

_TIME_NAME = re.compile(r"time\.([1-6])")

# RE2 takes the whole text only with \A and \z; the months' lengths are looked at afterwards.
_YEAR, _MONTH, _DAY = "[0-9]{4}", "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_MINUTES = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_ISO_DATE = rf"\A{_YEAR}-{_MONTH}-{_DAY}\z"
_ISO_MOMENT = (
    rf"\A{_YEAR}-{_MONTH}-{_DAY}(?P<separator>[ T]){_MINUTES}"
    rf"(?P<seconds>:[0-5][0-9](?:\.[0-9]{{1,6}})?)?(?P<zone>{_ZONE})?\z"
)
UUIDS = {
    "uuid": r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\z",
    "uuid-upper": r"\A[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}\z",
    "uuid-hex": r"\A[0-9a-f]{32}\z",
}
"""Shapes of UUIDs → what their texts match."""

_CLOCK = r"\A(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?\z"
_CLOCK_NAMES = {5: "time-minutes", 8: "time", **{9 + digits: f"time.{digits}" for digits in range(1, 7)}}
"""Length of a time of day → its shape."""

_PLAIN = (
    ("time", _CLOCK),
    ("date-dmy-dots", rf"\A{_DAY}\.{_MONTH}\.{_YEAR}\z"),
    ("date-mdy-slash", rf"\A{_MONTH}/{_DAY}/{_YEAR}\z"),
    ("date-compact8", rf"\A{_YEAR}{_MONTH}{_DAY}\z"),
    ("datetime-compact14", rf"\A{_YEAR}{_MONTH}{_DAY}(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]\z"),
    ("zero-date", r"\A0000-00-00(?:[ T]00:00(?::00(?:\.0{1,6})?)?)?Z?\z"),
    ("empty", r"\A\z"),
    *UUIDS.items(),
)
_CLOCK_LENGTHS = pa.array(list(_CLOCK_NAMES), pa.int32())
_WORDS = {word: f"bool-{name}" for name, words in (*BOOLEANS.items(), ("01", ("1", "0"))) for word in words}
_WORD_ARRAY, _WORD_SHAPES = pa.array(list(_WORDS), pa.string()), pa.array(list(_WORDS.values()), pa.string())

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_FIRST_DAY, _LAST_DAY = date(1, 1, 2).toordinal() - _EPOCH_DAY, date(9999, 12, 30).toordinal() - _EPOCH_DAY
"""Days since 1970."""

# Where year, month and day stand.
_POSITIONS = {
    "date-dmy-dots": ((6, 10), (3, 5), (0, 2)),
    "date-mdy-slash": ((6, 10), (0, 2), (3, 5)),
    "date-compact8": ((0, 4), (4, 6), (6, 8)),
    "datetime-compact14": ((0, 4), (4, 6), (6, 8)),
}
_ISO_POSITIONS = ((0, 4), (5, 7), (8, 10))


@functools.lru_cache(maxsize=1024)
def shape(name: str) -> Shape | None:
    """The shape of that name, or None."""
    if name in _FAMILIES:
        return _FAMILIES[name]
    if (match := _TIME_NAME.fullmatch(name)) is not None:
        digits = int(match[1])
        return Shape(name, "time", "10:00:00." + "25".ljust(digits, "0")[:digits], digits)
    match = _NAME.fullmatch(name)
    if match is None or (match[2] and match[1].endswith("minutes")):
        return None
    family, digits, zone = _FAMILIES[match[1]], int(match[2] or 0), match[3] or match[4]
    example = family.example + ("." + "25".ljust(digits, "0")[:digits] if digits else "") + (zone or "")
    return Shape(name, "moment", example, digits, zone)


def is_moment(name: str) -> bool:
    """Whether values of this shape can be read as a date or a moment."""
    found = shape(name)
    return found is not None and found.kind in ("date", "moment")


def is_date(name: str) -> bool:
    """Whether values of this shape are dates without a time."""
    found = shape(name)
    return found is not None and found.kind == "date"


def is_time(name: str) -> bool:
    """Whether values of this shape are times of day."""
    found = shape(name)
    return found is not None and found.kind == "time"


def is_uuid(name: str) -> bool:
    """Whether values of this shape are UUIDs."""
    return name in UUIDS


def has_zone(name: str) -> bool:
    """Whether values of this shape say which zone they are in."""
    found = shape(name)
    return found is not None and found.zone is not None


def classify(array: pa.Array) -> pa.Array:
    """The name of each text's shape; null for null.

    A date that does not exist (``2026-02-30``), a year 0000, and a moment whose zone carries it out of the years 1 to
    9999 have the shape ``other``, and so has a text that is not UTF-8.
    """
    result = _where(pc.is_valid(array), constants.text(OTHER), constants.text(None))
    left = len(array) - array.null_count
    words = pc.index_in(array, value_set=_WORD_ARRAY)
    if counted := len(words) - words.null_count:
        result = pc.coalesce(_WORD_SHAPES.take(words), result)
        left -= counted
    for name, pattern in (("iso-date", _ISO_DATE), (None, _ISO_MOMENT), *_PLAIN):
        if left <= 0:  # nearly always after one or two patterns
            break
        found = pc.fill_null(pc.match_substring_regex(array, pattern), constants.boolean(False))
        count = pc.sum(found).as_py() or 0
        if not count:
            continue
        left -= count
        values = array.filter(found)
        if name is None:
            names = _moment_names(values)
        elif name == "time":
            names = pa.array(list(_CLOCK_NAMES.values())).take(pc.index_in(pc.binary_length(values), _CLOCK_LENGTHS))
        else:
            names = pa.array([name], pa.string()).take(_zeros(count))
        positions = _ISO_POSITIONS if name in (None, "iso-date") else _POSITIONS.get(name)
        if positions is not None:
            names = _where(_exists(values, positions), names, constants.text(OTHER))
        result = pc.replace_with_mask(result, found, names)
    return result


def all_are(array: pa.Array, name: str) -> bool:
    """Whether :func:`classify` gives this shape to every text (none of them null); false may mean that it is unknown.

    For dates it is much quicker than classifying.
    """
    if name in UUIDS:
        return pc.all(pc.match_substring_regex(array, UUIDS[name]), min_count=0).as_py() is True
    if is_time(name):
        if pc.all(pc.match_substring_regex(array, _CLOCK), min_count=0).as_py() is not True:
            return False
        sizes = pc.min_max(pc.binary_length(array)).as_py()
        return not len(array) or _CLOCK_NAMES[sizes["min"]] == name == _CLOCK_NAMES[sizes["max"]]
    if not is_moment(name):
        return False
    try:
        if name == "iso-datetime-space":
            # Of this length Arrow reads two spellings, and the other one has a T.
            sizes = pc.min_max(pc.binary_length(array)).as_py()
            if (sizes["min"], sizes["max"]) != (19, 19) or pc.any(pc.match_substring(array, "T")).as_py():
                return not len(array)
            parsed = array.cast(pa.timestamp("us"))
        else:
            parsed = parse(array, name)
            if not render(parsed, name).equals(array):
                return False
    except pa.ArrowInvalid:
        return False
    # The first and the last day are left to ``classify``: an offset may carry them out of the years. As numbers of
    # days, because Arrow has a year 0 and Python's dates have none.
    days = pc.min_max(parsed.cast(pa.date32()).cast(pa.int32())).as_py()
    return not len(array) or _FIRST_DAY < days["min"] <= days["max"] < _LAST_DAY


def parse(array: pa.Array, name: str) -> pa.Array:
    """Read texts of one shape: ``date32``, ``time64[us]``, ``timestamp[us]``, or ``timestamp[us, UTC]`` with a zone.

    Raises:
        ValueError: The shape is not one of dates, times or moments.
        pyarrow.ArrowInvalid: A value that is no date in that place. Values of a *similar* shape may pass: what
            :func:`render` makes of them then differs.
    """
    found = _dated(name)
    if found.kind == "date":
        return _iso_dates(array, name).cast(pa.date32())
    if found.kind == "time":
        moments = pc.binary_join_element_wise(constants.text("1970-01-01"), array, constants.text(" "))
        return moments.cast(pa.timestamp("us")).cast(pa.time64("us"))
    if name == "datetime-compact14":
        clock = [_cut(array, a, b) for a, b in ((8, 10), (10, 12), (12, 14))]
        text = pc.binary_join_element_wise(
            _iso_dates(array, name), pc.binary_join_element_wise(*clock, constants.text(":")), constants.text(" ")
        )
    else:
        text = _cut(array, 0, _moment_length(found))
    moments = text.cast(pa.timestamp("us"))
    if found.zone is None:
        return moments
    return _shift(moments, -found.offset_minutes).cast(pa.timestamp("us", "UTC"))


def render(array: pa.Array, name: str) -> pa.Array:
    """Write dates, times or moments in one shape: the inverse of :func:`parse`.

    Raises:
        ValueError: The shape is not one of dates, times or moments.
    """
    found = _dated(name)
    if found.kind == "date":
        return _written_date(array.cast(pa.date32()).cast(pa.string()), name)
    if found.kind == "time":
        clock = array.cast(pa.time64("us")).cast(pa.int64()).cast(pa.timestamp("us")).cast(pa.string())
        return _cut(clock, 11, 11 + len(found.example))
    if getattr(array.type, "tz", None):
        array = array.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    text = _shift(array.cast(pa.timestamp("us")), found.offset_minutes).cast(pa.string())
    if name == "datetime-compact14":
        pieces = [_cut(text, a, b) for a, b in ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))]
        return pc.binary_join_element_wise(*pieces, constants.text(""))
    text = _cut(text, 0, _moment_length(found))
    if "-T" in name:
        text = pc.binary_join_element_wise(_cut(text, 0, 10), _cut(text, 11, 26), constants.text("T"))
    return pc.binary_join_element_wise(text, constants.text(found.zone), constants.text("")) if found.zone else text


def _dated(name: str) -> Shape:
    found = shape(name)
    if found is None or found.kind not in ("date", "time", "moment"):
        raise ValueError(f"{name!r} is not a shape of dates, times or moments")
    return found


def _moment_length(found: Shape) -> int:
    if "minutes" in found.name:
        return 16
    return 19 + (found.digits + 1 if found.digits else 0)


def _moment_names(values: pa.Array) -> pa.Array:
    parts = pc.extract_regex(values, _ISO_MOMENT)
    minutes = pc.equal(parts.field("seconds"), constants.text(""))
    spaced = pc.equal(parts.field("separator"), constants.text(" "))
    with_seconds = _where(spaced, constants.text("iso-datetime-space"), constants.text("iso-datetime-T"))
    without = _where(spaced, constants.text("iso-datetime-minutes"), constants.text("iso-datetime-T-minutes"))
    fraction = pa.array(["", *(f".{digits}" for digits in range(1, 7))], pa.string())
    # ":05" has 3 characters, ":05.2" has 5 and one digit.
    digits = fraction.take(
        pc.max_element_wise(
            pc.subtract(pc.binary_length(parts.field("seconds")), constants.integer(4)), constants.integer(0)
        )
    )
    zone = parts.field("zone")
    zone = _where(pc.equal(zone, constants.text("Z")), constants.text("+Z"), zone)
    return pc.binary_join_element_wise(_where(minutes, without, with_seconds), digits, zone, constants.text(""))


_SMALL = {number: pa.scalar(number, pa.int16()) for number in (0, 1, 2, 4, 100, 400, 9999)}


def _exists(values: pa.Array, positions: tuple[tuple[int, int], ...]) -> pa.Array:
    year, month, day = (_cut(values, a, b).cast(pa.int16()) for a, b in positions)
    leap = pc.and_(
        _divisible(year, 4),
        pc.or_(pc.invert(_divisible(year, 100)), _divisible(year, 400)),
    )
    days = pa.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], pa.int16()).take(month)
    days = pc.add(days, pc.and_(leap, pc.equal(month, _SMALL[2])).cast(pa.int16()))
    exists = pc.and_(pc.less_equal(day, days), pc.greater(year, _SMALL[0]))
    # An offset may carry the first and the last day out of the years 1 to 9999.
    edge = pc.or_(pc.equal(year, _SMALL[1]), pc.equal(year, _SMALL[9999]))
    with_offset = pc.match_substring_regex(values, r"[0-9T ][+-][0-9:]+\z")
    dated_only = pc.less_equal(pc.binary_length(values), constants.integer(14))
    return pc.and_(exists, pc.or_(pc.invert(edge), pc.or_(dated_only, pc.invert(with_offset))))


def _divisible(numbers: pa.Array, by: int) -> pa.Array:
    divisor = _SMALL[by]
    return pc.equal(pc.multiply(pc.divide(numbers, divisor), divisor), numbers)


def _iso_dates(array: pa.Array, name: str) -> pa.Array:
    if name == "iso-date":
        return array
    pieces = [_cut(array, a, b) for a, b in _POSITIONS[name]]
    return pc.binary_join_element_wise(*pieces, constants.text("-"))


def _written_date(iso: pa.Array, name: str) -> pa.Array:
    if name == "iso-date":
        return iso
    year, month, day = (_cut(iso, a, b) for a, b in _ISO_POSITIONS)
    if name == "date-dmy-dots":
        return pc.binary_join_element_wise(day, month, year, constants.text("."))
    if name == "date-mdy-slash":
        return pc.binary_join_element_wise(month, day, year, constants.text("/"))
    return pc.binary_join_element_wise(year, month, day, constants.text(""))


def _shift(moments: pa.Array, minutes: int) -> pa.Array:
    if not minutes:
        return moments
    return pc.add(moments, pa.scalar(minutes * 60_000_000, pa.duration("us")))


def _cut(array: pa.Array, start: int, stop: int) -> pa.Array:
    return pc.utf8_slice_codeunits(array, start, stop)


def _where(condition: pa.Array, yes: pa.Array | pa.Scalar, no: pa.Array | pa.Scalar) -> pa.Array:
    return pc.if_else(condition, yes, no)


def _zeros(count: int) -> pa.Array:
    return pa.repeat(constants.integer(0), count)
