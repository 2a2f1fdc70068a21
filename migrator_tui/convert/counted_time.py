"""Time that is counted in numbers: ways to count it, and whether every number comes back.

Integers count seconds, milliseconds or microseconds since an epoch; reals count seconds with their fraction, or days
(Julian days, as SQLite's ``julianday``). PostgreSQL keeps microseconds: finer reals do not come back, which
:func:`kept_by` finds out of a whole column.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

EPOCHS: dict[str, tuple[int, int]] = {
    "epoch-s": (1_000_000, 0),
    "epoch-ms": (1_000, 0),
    "epoch-us": (1, 0),
    "cocoa": (1_000_000, 978_307_200_000_000),
    "webkit": (1, -11_644_473_600_000_000),
}
"""Ways to count time in integers → microseconds of one, and where they begin in microseconds since 1970."""

NANOSECONDS: dict[str, int] = {"epoch-ns": 0, "cocoa-ns": 978_307_200_000_000}
"""Ways to count nanoseconds in integers → where they begin in microseconds since 1970."""

OF_INTEGERS = (*EPOCHS, *NANOSECONDS)
"""Ways to count time in integers."""

OF_REALS = ("epoch-s", "cocoa", "julian")
"""Ways to count time in reals."""

_YEAR_1, _YEAR_9999 = -62_135_596_800_000_000, 253_402_300_799_999_999
_DAY = 86_400_000_000
_NANO = 1_000
_JULIAN_BEGIN = -210_866_760_000_000_000
"""Noon of the first Julian day in microseconds since 1970."""

_LIKELY = (315_532_800_000_000, 4_102_444_800_000_000)
"""1980 to 2100, in microseconds since 1970."""
_NO_SMALL_NUMBER = 100_000_000


def holds(name: str, low: float, high: float, within: tuple[int, int] = (_YEAR_1, _YEAR_9999)) -> bool:
    """Whether numbers of that range, counted so, are moments of the years 1 to 9999, or of another time."""
    if name == "julian":
        low, high = low * _DAY + _JULIAN_BEGIN, high * _DAY + _JULIAN_BEGIN
    elif name in NANOSECONDS:
        low, high = (end // _NANO + NANOSECONDS[name] for end in (low, high))
    else:
        unit, begin = EPOCHS[name]
        low, high = low * unit + begin, high * unit + begin
    return low >= within[0] and high <= within[1]


def likely(name: str, low: float, high: float) -> bool:
    """Whether numbers of that range, counted so, are moments between 1980 and 2100, and no small numbers."""
    least = 0 if name == "julian" else _NO_SMALL_NUMBER * (10**9 if name in NANOSECONDS else 1)
    return low >= least and holds(name, low, high, _LIKELY)


@dataclass(frozen=True, slots=True)
class Integers:
    """Integers that count time in one of :data:`OF_INTEGERS`, to moments and back; nanoseconds that are no whole
    microseconds do not come back."""

    name: str

    def to_moments(self, values: pa.Array) -> pa.Array:
        """Microseconds in UTC.

        Raises:
            pyarrow.ArrowInvalid: A number is no moment of the years 1 to 9999.
        """
        if self.name in NANOSECONDS:
            nano, begin = pa.scalar(_NANO, pa.int64()), NANOSECONDS[self.name]
            whole = pc.divide(values, nano)
            below = pc.less(values, pc.multiply(whole, nano))
            counted = pc.subtract(whole, below.cast(pa.int64()))  # rounded down, also before the beginning
        else:
            unit, begin = EPOCHS[self.name]
            counted = pc.multiply_checked(values, pa.scalar(unit, pa.int64()))
        moved = pc.add_checked(counted, pa.scalar(begin, pa.int64()))
        _in_years(moved)
        return moved.cast(pa.timestamp("us", "UTC"))

    def to_numbers(self, moments: pa.Array) -> pa.Array:
        """The way back."""
        if self.name in NANOSECONDS:
            since_1970 = moments.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
            counted = pc.subtract(since_1970, pa.scalar(NANOSECONDS[self.name], pa.int64()))
            return pc.multiply(counted, pa.scalar(_NANO, pa.int64()))
        unit, begin = EPOCHS[self.name]
        counted = pc.subtract(moments.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), pa.scalar(begin, pa.int64()))
        return pc.divide(counted, pa.scalar(unit, pa.int64()))


@dataclass(frozen=True, slots=True)
class Reals:
    """Reals that count time in one of :data:`OF_REALS`, to the nearest microsecond and back."""

    name: str

    def to_moments(self, values: pa.Array) -> pa.Array:
        """Microseconds, in UTC but for Julian days, which SQLite gives no zone.

        Raises:
            pyarrow.ArrowInvalid: A number is no moment of the years 1 to 9999.
        """
        known = pc.drop_null(values)
        # Before anything is multiplied, so that infinities and huge numbers go no further.
        if len(known) and not (pc.all(pc.is_finite(known)).as_py() and holds(self.name, *_range(known))):
            raise pa.ArrowInvalid(_NO_MOMENT)
        if self.name == "julian":
            # Days and their fraction apart: together they have more digits than a double.
            days = pc.floor(values)
            rest = pc.subtract(values, days)
            begin = pc.multiply(days.cast(pa.int64()), pa.scalar(_DAY, pa.int64()))
            # SQLite counts milliseconds, and doubles are 40 microseconds apart there: a millisecond that gives the same
            # double is what it was made of.
            milli = pc.add(begin, pc.multiply(_rounded(rest, _DAY // 1000), pa.scalar(1000, pa.int64())))
            micro = pc.add(begin, _rounded(rest, _DAY))
            moved = pc.if_else(pc.equal(_julian(milli), values), milli, micro)
            moved = pc.add(moved, pa.scalar(_JULIAN_BEGIN, pa.int64()))
            _in_years(moved)
            return moved.cast(pa.timestamp("us"))
        unit, begin = EPOCHS[self.name]
        moved = pc.add(_rounded(values, unit), pa.scalar(begin, pa.int64()))
        _in_years(moved)
        return moved.cast(pa.timestamp("us", "UTC"))

    def to_numbers(self, moments: pa.Array) -> pa.Array:
        """The way back: the double that is nearest."""
        if self.name == "julian":
            since_1970 = moments.cast(pa.timestamp("us")).cast(pa.int64())
            return _julian(pc.subtract(since_1970, pa.scalar(_JULIAN_BEGIN, pa.int64())))
        unit, begin = EPOCHS[self.name]
        counted = pc.subtract(moments.cast(pa.timestamp("us", "UTC")).cast(pa.int64()), pa.scalar(begin, pa.int64()))
        return pc.divide(_double(counted), pa.scalar(float(unit)))


def whole_microseconds(values: pa.Array) -> bool:
    """Whether integers of nanoseconds (none is null) are all whole microseconds."""
    nano = pa.scalar(_NANO, pa.int64())
    return bool(pc.multiply(pc.divide(values, nano), nano).equals(values))


def kept_by(values: pa.Array, names: frozenset[str]) -> frozenset[str]:
    """Of these ways to count time in reals, those under which every number comes back to the bit (none is null)."""
    kept = set()
    bits = values.view(pa.int64())
    for name in names:
        way = Reals(name)
        try:
            if way.to_numbers(way.to_moments(values)).view(pa.int64()).equals(bits):
                kept.add(name)
        except pa.ArrowInvalid:
            continue
    return frozenset(kept)


_NO_MOMENT = "the number is no moment of the years 1 to 9999"


def _range(values: pa.Array) -> tuple[float, float]:
    found = pc.min_max(values).as_py()
    return found["min"], found["max"]


def _rounded(values: pa.Array, unit: int) -> pa.Array:
    return pc.round(pc.multiply(values, pa.scalar(float(unit)))).cast(pa.int64(), safe=False)


def _julian(counted: pa.Array) -> pa.Array:
    """Microseconds since noon of the first Julian day, in days."""
    days = pc.divide(counted, pa.scalar(_DAY, pa.int64()))
    rest = pc.subtract(counted, pc.multiply(days, pa.scalar(_DAY, pa.int64())))
    return pc.add(_double(days), pc.divide(_double(rest), pa.scalar(float(_DAY))))


def _double(values: pa.Array) -> pa.Array:
    return values.cast(pa.float64(), safe=False)


def _in_years(moved: pa.Array) -> None:
    outside = pc.or_(pc.less(moved, _YEAR_1), pc.greater(moved, _YEAR_9999))
    if pc.any(outside).as_py():
        raise pa.ArrowInvalid(_NO_MOMENT)
