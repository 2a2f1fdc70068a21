"""Constants for Arrow's functions.

Of a value without a type Arrow finds out the type, and looks for libraries of dates on the way: each time as long as
it needs for thousands of cells.
"""

from __future__ import annotations

from functools import cache

import pyarrow as pa


@cache
def text(value: str | None) -> pa.Scalar:
    """A text, or the NULL of texts."""
    return pa.scalar(value, pa.string())


def integer(value: int) -> pa.Scalar:
    """An integer of 64 bits."""
    return pa.scalar(value, pa.int64())


@cache
def boolean(value: bool) -> pa.Scalar:
    """True or false."""
    return pa.scalar(value, pa.bool_())
