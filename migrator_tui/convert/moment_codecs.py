"""Codecs of dates, times and moments: written as texts, or counted in numbers."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import counted_time, shapes
from migrator_tui.convert.codec import INTEGER, REAL, TEXT, Codec


def moment(name: str, shape: str) -> Codec | None:
    """The codec of dates, times or moments in one spelling, in all that are known, or counted; None for no such."""
    if shape == "mixed":
        return _mixed_moments(name) if not name.startswith("time:") else None
    if (counted := shape.removesuffix(ROUNDED)) in counted_time.OF_INTEGERS:
        epoch = counted_time.Integers(counted)
        if not name.startswith("timestamptz:") or (counted != shape and counted not in counted_time.NANOSECONDS):
            return None
        return Codec(name, INTEGER, epoch.to_moments, epoch.to_numbers if counted == shape else None)
    if shape.startswith("real-"):
        return _counted_reals(name, shape.removeprefix("real-"))
    kind = name.partition(":")[0]
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


def _mixed_moments(name: str) -> Codec:
    kind = name.partition(":")[0]

    def to_target(values: pa.Array) -> pa.Array:
        # A date has no room for a time of day, so that only what is written without one is a date.
        return _parse_mixed(values, shapes.is_date if kind == "date" else shapes.is_moment).cast(_MOMENT_TYPES[kind])

    return Codec(name, TEXT, to_target, None)


def _parse_mixed(values: pa.Array, takes: Callable[[str], bool]) -> pa.Array:
    """Each value by its own shape, as a timestamp without zone; moments with a zone in UTC."""
    found = shapes.classify(values)
    result = pa.nulls(len(values), pa.timestamp("us"))
    for shape in pc.unique(pc.drop_null(found)).to_pylist():
        if not takes(shape):
            continue
        here = pc.fill_null(pc.equal(found, shape), False)
        parsed = shapes.parse(pc.if_else(here, values, pa.scalar(None, pa.string())), shape)
        if getattr(parsed.type, "tz", None):
            parsed = parsed.cast(pa.timestamp("us"))
        result = pc.if_else(here, parsed.cast(pa.timestamp("us")), result)
    return result
