"""What the values of one storage class in one column say, gathered batch by batch: in Arrow's C."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import constants, counted_time, json_values, shapes
from migrator_tui.convert.declared import may_count_time
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column

MAX_DIGITS = 15
"""Decimal digits that a double keeps for certain (DBL_DIG)."""
_TRIED_TEXTS = 256
_STRANGE = 10  # of so many texts of a column of dates one may be none
_NO_DATE = ("empty", "zero-date")
_MAX_DIFFERENT = 2_000_000
_ASKS_FOR_SHAPES = re.compile("DATE|TIME|BOOL", re.IGNORECASE)


def asks_for_shapes(column: Column) -> bool:
    """Whether the declared type promises dates or booleans, so that texts are looked at."""
    return _ASKS_FOR_SHAPES.search(column.type) is not None


def gatherer(column: Column, name: str, keep: bool) -> Integers | Reals | Texts | Blobs:
    """What gathers the values of a class in a column.

    Args:
        keep: Which different integers there are is wanted.
    """
    if name == "text":
        return Texts(asks_for_shapes(column), "JSON" in column.type.upper())
    return (
        Integers(keep, column.identity, may_count_time(column))
        if name == "integer"
        else Reals(may_count_time(column))
        if name == "real"
        else Blobs()
    )


def invalid_utf8(values: pa.Array) -> pa.Array:
    """Which of these texts are not UTF-8 (null counts as valid); Python looks only at batches that Arrow refuses."""
    raw = values.cast(pa.binary())
    try:
        raw.cast(pa.string())  # this cast validates; one from string to string does not
    except pa.ArrowInvalid:
        return pa.array([not _is_utf8(value) for value in raw.to_pylist()], pa.bool_())
    return pa.repeat(constants.boolean(False), len(values))


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class Integers:
    """The integers of one column, and where that is wanted which different ones there are."""

    def __init__(self, keep: bool, unique: bool, asks_for_time: bool = False) -> None:
        self._unique = unique
        self._nanoseconds = asks_for_time
        self._count = 0
        self._low: int | None = None
        self._high: int | None = None
        self._different: list[pa.Array] | None = [] if keep else None
        self._kept = 0

    def add(self, values: pa.Array) -> None:
        found = pc.min_max(values).as_py()
        self._count += len(values)
        self._low = found["min"] if self._low is None else min(self._low, found["min"])
        self._high = found["max"] if self._high is None else max(self._high, found["max"])
        if self._nanoseconds:
            self._nanoseconds = counted_time.whole_microseconds(values)
        if self._different is not None:
            self._different.append(values if self._unique else pc.unique(values))
            self._kept += len(self._different[-1])
            if self._kept > _MAX_DIFFERENT:
                self._different = None

    @property
    def different(self) -> pa.Array | None:
        """Which integers there are, some of them perhaps several times; None where nobody asked, or of too many."""
        return None if self._different is None else pa.concat_arrays([pa.array([], pa.int64()), *self._different])

    def onto(self, profile: ColumnProfile) -> ColumnProfile:
        counted = frozenset(counted_time.NANOSECONDS if self._nanoseconds else ())
        found = replace(profile, integers=self._count, integer_min=self._low, integer_max=self._high)
        return replace(found, counted=counted) if self._count and counted else found


class Blobs:
    """The blobs of one column."""

    def __init__(self) -> None:
        self._count = self._bytes = 0
        self._least: int | None = None

    def add(self, values: pa.Array) -> None:
        found = pc.min_max(pc.binary_length(values)).as_py()
        self._count += len(values)
        self._bytes = max(self._bytes, found["max"])
        self._least = found["min"] if self._least is None else min(self._least, found["min"])

    def onto(self, profile: ColumnProfile) -> ColumnProfile:
        return replace(
            profile,
            blobs=self._count,
            max_bytes=max(profile.max_bytes, self._bytes),
            blob_min_bytes=self._least or 0,
        )


class Texts:
    """What the texts of one column are like."""

    def __init__(self, asks_for_shapes: bool, asks_for_json: bool = False) -> None:
        self._json = "jsonb" if asks_for_json else ""
        # Texts of a column that does not ask may be dates all the same, which a live column of the target wants to
        # know; they are looked at while nearly all are of one shape, or dates in several.
        self._asks = asks_for_shapes
        self._shapes: Counter[str] | None = Counter()
        self._count = self._characters = self._bytes = self._nul = self._invalid = self._empty = 0

    def add(self, values: pa.Array) -> None:
        self._count += len(values)
        sizes = pc.binary_length(values)
        found = pc.min_max(sizes).as_py()
        self._bytes = max(self._bytes, found["max"])
        if found["min"] == 0:
            self._empty += pc.sum(pc.equal(sizes, constants.integer(0))).as_py()
        together = _bytes_of(values)
        if b"\0" in together:
            self._nul += pc.sum(pc.match_substring(values.cast(pa.binary()), b"\0")).as_py()
        if together.isascii():
            self._characters = max(self._characters, found["max"])
        else:
            values = self._measured(values, sizes)
        if self._shapes is not None and len(values):
            self._classify(values)
        if self._json and len(values):
            self._json = json_values.kept_as(values, self._json)

    def _measured(self, values: pa.Array, sizes: pa.Array) -> pa.Array:
        """The texts that are UTF-8, measured in characters; the others count as Latin-1."""
        wrong = invalid_utf8(values)
        invalid = pc.sum(wrong).as_py()
        if invalid:
            self._invalid += invalid
            self._characters = max(self._characters, pc.max(sizes.filter(wrong)).as_py())
            values = values.filter(pc.invert(wrong))
            if self._shapes is not None:
                self._shapes[shapes.OTHER] += invalid
        if self._bytes > self._characters:
            self._characters = max(self._characters, pc.max(pc.utf8_length(values)).as_py() or 0)
        return values

    def _classify(self, values: pa.Array) -> None:
        assert self._shapes is not None
        self._count_shapes(values[:_TRIED_TEXTS])
        if self._several():
            return
        values = values[_TRIED_TEXTS:]
        if len(self._shapes) == 1 and shapes.all_are(values, only := next(iter(self._shapes))):
            self._shapes[only] += len(values)
            return
        self._count_shapes(values)
        self._several()

    def _count_shapes(self, values: pa.Array) -> None:
        assert self._shapes is not None
        for counted in pc.value_counts(shapes.classify(values)).to_pylist():
            self._shapes[counted["values"]] += counted["counts"]

    def _several(self) -> bool:
        if not self._asks and self._shapes and (len(self._shapes) > 1 or shapes.OTHER in self._shapes):
            strange = sum(n for name, n in self._shapes.items() if name not in _NO_DATE and not shapes.is_moment(name))
            if strange * _STRANGE > self._shapes.total():
                self._shapes = None
        return self._shapes is None

    def onto(self, profile: ColumnProfile) -> ColumnProfile:
        return replace(
            profile,
            texts=self._count,
            text_max_characters=self._characters,
            max_bytes=max(profile.max_bytes, self._bytes),
            nul_texts=self._nul,
            invalid_utf8=self._invalid,
            empty_texts=self._empty,
            json=self._json,
            shapes=dict(self._shapes.most_common()) if self._shapes is not None else {},
        )


def _bytes_of(values: pa.Array) -> bytes:
    """The bytes of all texts one after the other, which C searches faster than each by itself."""
    _, offsets, data = values.buffers()
    if data is None:
        return b""
    ends = pa.Array.from_buffers(pa.int32(), len(values) + 1, [None, offsets], offset=values.offset)
    first, last = ends[0].as_py(), ends[-1].as_py()
    return bytes(memoryview(data)[first:last])


class Reals:
    """The reals of one column, how many digits after the point they need, and how they may count time."""

    def __init__(self, asks_for_time: bool) -> None:
        self._counted = frozenset(counted_time.OF_REALS if asks_for_time else ())
        self._count = self._infinite = 0
        self._low, self._high = math.inf, -math.inf
        self._decimals: int | None = 0

    def add(self, values: pa.Array) -> None:
        self._count += len(values)
        found = pc.min_max(values).as_py()
        self._low, self._high = min(self._low, found["min"]), max(self._high, found["max"])
        if math.isinf(found["min"]) or math.isinf(found["max"]):
            self._infinite += pc.sum(pc.is_inf(values)).as_py()
        if self._decimals is not None:
            self._decimals = self._digits(values, self._decimals)
        if self._counted:
            self._counted = counted_time.kept_by(values, self._counted)

    def _digits(self, values: pa.Array, known: int) -> int | None:
        text = values.cast(pa.string())  # the shortest that reads back to the same double
        # An exponent, an infinity, or a minus zero, which no decimal has.
        if pc.any(pc.match_substring_regex(text, r"[a-z]|\A-0\z")).as_py():
            return None
        digits = pc.utf8_ltrim(pc.replace_substring(text, ".", ""), "-0")
        if pc.max(pc.binary_length(digits)).as_py() > MAX_DIGITS:
            return None
        point = pc.find_substring(text, ".")
        after = pc.subtract(pc.subtract(pc.binary_length(text), point), constants.integer(1))
        after = pc.if_else(pc.less(point, constants.integer(0)), constants.integer(0), after)
        return max(known, int(pc.max(after).as_py()))

    def onto(self, profile: ColumnProfile) -> ColumnProfile:
        return replace(
            profile,
            reals=self._count,
            real_min=self._low if self._count else None,
            real_max=self._high if self._count else None,
            infinite_reals=self._infinite,
            decimals=self._decimals if self._count else None,
            counted=self._counted if self._count else frozenset(),
        )
