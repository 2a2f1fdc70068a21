"""Codecs of dates, times and moments: written as texts, or counted in numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import counted_time, shapes
from migrator_tui.convert.codec import INTEGER, REAL, TEXT, Codec


def moment(name: str, shape: str) -> Codec | None:
    """The codec of dates, times or moments in one spelling, in all that are known, or counted; None for no such."""
    kind, (shape, _, zone) = name.partition(":")[0], shape.partition("@")
    if zone and (kind != "timestamptz" or shapes.has_zone(shape) or not _is_zone(zone)):
        return None
    if shape == "mixed":
        return _mixed_moments(name, zone) if kind != "time" else None
    if zone:
        return _in_zone(name, shape, zone) if shapes.is_moment(shape) else None
    if (counted := shape.removesuffix(ROUNDED)) in counted_time.OF_INTEGERS:
        epoch = counted_time.Integers(counted)
        if not name.startswith("timestamptz:") or (counted != shape and counted not in counted_time.NANOSECONDS):
            return None
        return Codec(name, INTEGER, epoch.to_moments, epoch.to_numbers if counted == shape else None)
    if shape.startswith("real-"):
        return _counted_reals(name, shape.removeprefix("real-"))
    if not (shapes.is_time(shape) if kind == "time" else shapes.is_moment(shape)):
        return None
    sent_as = _MOMENT_TYPES[kind]
    parsed_as = shapes.parse(pa.array([], pa.string()), shape).type
    return Codec(
        name,
        TEXT,
        to_target=lambda values: shapes.parse(values, shape).cast(sent_as),
        to_source=lambda sent: shapes.render(sent.cast(parsed_as), shape),
    )


def _in_zone(name: str, shape: str, zone: str) -> Codec:
    """Naive times of a zone. Of an hour that comes twice in autumn the first is taken; both are written alike. One
    that is left out in spring is none, and does not come back."""
    parsed_as = shapes.parse(pa.array([], pa.string()), shape).type

    def to_source(sent: pa.Array) -> pa.Array:
        here = pc.local_timestamp(sent.cast(pa.timestamp("us", zone)))
        # The later of two equal hours is written like the earlier one, which the target was sent.
        return shapes.render(here.cast(parsed_as), shape)

    return Codec(name, TEXT, lambda values: _moments_of(shapes.parse(values, shape), zone), to_source)


def _moments_of(naive: pa.Array, zone: str) -> pa.Array:
    moments = pc.assume_timezone(naive.cast(pa.timestamp("us")), zone, ambiguous="earliest", nonexistent="earliest")
    return moments.cast(pa.timestamp("us", "UTC"))


def _that_exist(naive: pa.Array, zone: str) -> pa.Array:
    """Their moments; NULL for a time that is left out in spring, which is none."""
    moments = _moments_of(naive, zone)
    here = pc.local_timestamp(moments.cast(pa.timestamp("us", zone)))
    return pc.if_else(pc.equal(here, naive), moments, pa.scalar(None, moments.type))


@functools.lru_cache(maxsize=64)
def _is_zone(zone: str) -> bool:
    try:
        _moments_of(pa.array([0], pa.timestamp("us")), zone)
    except (pa.ArrowInvalid, pa.ArrowKeyError):
        return False
    return True


def _counted_reals(name: str, counted: str) -> Codec | None:
    exact = not counted.endswith(ROUNDED)
    way = counted_time.Reals(counted.removesuffix(ROUNDED))
    if way.name not in counted_time.OF_REALS or name.startswith("timestamptz:") == (way.name == "julian"):
        return None
    if not name.startswith("timestamp"):
        return None
    return Codec(
        name,
        REAL,
        way.to_moments,
        way.to_numbers if exact else None,
        # Whole numbers among them are integers in a column with NUMERIC affinity.
        select=lambda column: f"CAST({column} AS REAL)",
    )


ROUNDED = "-rounded"
"""The end of the names of codecs by which finer moments become whole microseconds."""

_MOMENT_TYPES = {
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "time": pa.time64("us"),
}


def _mixed_moments(name: str, zone: str) -> Codec:
    kind = name.partition(":")[0]

    def to_target(values: pa.Array) -> pa.Array:
        # A date has no room for a time of day, so that only what is written without one is a date.
        takes = shapes.is_date if kind == "date" else shapes.is_moment
        return _parse_mixed(values, takes, zone).cast(_MOMENT_TYPES[kind])

    return Codec(name, TEXT, to_target, None)


def _parse_mixed(values: pa.Array, takes: Callable[[str], bool], zone: str) -> pa.Array:
    """Each value by its own shape, as a timestamp without zone; moments with a zone in UTC, and all where naive ones
    are of a zone."""
    found = shapes.classify(values)
    result = pa.nulls(len(values), pa.timestamp("us"))
    for shape in pc.unique(pc.drop_null(found)).to_pylist():
        if not takes(shape):
            continue
        here = pc.fill_null(pc.equal(found, shape), False)
        parsed = shapes.parse(pc.if_else(here, values, pa.scalar(None, pa.string())), shape)
        if zone and not getattr(parsed.type, "tz", None):
            parsed = _that_exist(parsed.cast(pa.timestamp("us")), zone)
        if getattr(parsed.type, "tz", None):
            parsed = parsed.cast(pa.timestamp("us"))
        result = pc.if_else(here, parsed.cast(pa.timestamp("us")), result)
    return result
