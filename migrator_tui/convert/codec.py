"""A codec: how one column's values travel and come back, proved on every value.

:func:`encode` proves what it does: for a lossless codec every value is turned back and compared to the bit, so that
nothing which would change on the way can be sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert.identifiers import quote, quote_sqlite

INTEGER, REAL, TEXT, BLOB = "0", "0.0", "''", "x''"
"""Header literals: the storage class that a column is read as (``sqlite.read``)."""


class CodecError(ValueError):
    """A value that the codec cannot carry, or that would not come back the same.

    Attributes:
        index: Position of the first such value in the array.
    """

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


@dataclass(frozen=True, slots=True)
class Codec:
    """One conversion.

    Attributes:
        header: The storage class it is read as.
        select: SQLite expression for a quoted column.
        to_target: What is read → what COPY sends.
        to_source: What COPY sends → what was read; None for a lossy codec.
        read_back: Postgres expression for a quoted column, whose binary form Arrow reads as ``comparable`` gives.
        comparable: What COPY sends → what ``normalise`` makes of what ``read_back`` gives.
        proved: What is read → what ``to_source`` has to give back.
        parts: What ``to_source`` gives → cells by storage class.
        mapped: What was read can be had back by the map of the run, and by it alone.
        cast: COPY sends texts, which the server casts to the column's type.
    """

    name: str
    header: str
    to_target: Callable[[pa.Array], pa.Array]
    to_source: Callable[[pa.Array], pa.Array] | None
    comparable: Callable[[pa.Array], pa.Array] = lambda sent: sent
    normalise: Callable[[pa.Array], pa.Array] = lambda read: read
    select: Callable[[str], str] = lambda column: column
    read_back: Callable[[str], str] = lambda column: column
    proved: Callable[[pa.Array], pa.Array] = lambda read: read
    parts: Callable[[pa.Array], tuple[pa.Array, ...]] = lambda given: (given,)
    mapped: bool = False
    cast: bool = False

    @property
    def lossless(self) -> bool:
        """The identical value and storage class can be had back."""
        return self.to_source is not None

    def source_expression(self, column: str) -> str:
        """The SQLite expression that reads this column, by its unquoted name."""
        return self.select(quote_sqlite(column))

    def target_expression(self, column: str) -> str:
        """The Postgres expression that reads this column back, by its unquoted name."""
        return self.read_back(quote(column))


def same(left: pa.Array, right: pa.Array) -> bool:
    """Equal to the bit: NaN equals NaN, and -0.0 does not equal 0.0."""
    return bool(_bits(left).equals(_bits(right)))


def differences(left: pa.Array, right: pa.Array) -> list[int]:
    """Positions at which two arrays of the same length are not the same."""
    a, b = _bits(left), _bits(right)
    if a.equals(b):
        return []
    unequal = pc.not_equal(a, b)
    one_null = pc.not_equal(pc.is_null(a), pc.is_null(b))
    return pc.indices_nonzero(pc.or_(pc.fill_null(unequal, False), one_null)).to_pylist()  # type: ignore[no-any-return]


def encode(codec: Codec, values: pa.Array) -> pa.Array:
    """Convert an array, and prove that a lossless codec gives every value back.

    Raises:
        CodecError: With the position of the first value that cannot be carried.
    """
    try:
        sent = codec.to_target(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError, UnicodeDecodeError) as error:
        raise CodecError(str(error).splitlines()[0], _first_refused(codec, values)) from error
    if codec.to_source is not None:
        changed = differences(_as_bytes(codec.proved(values)), _as_bytes(codec.to_source(sent)))
        if changed:
            raise CodecError(f"the codec {codec.name} would change the value", changed[0])
    lost = pc.indices_nonzero(pc.and_(pc.is_valid(values), pc.is_null(sent)))
    if len(lost):
        raise CodecError(f"the codec {codec.name} cannot read the value", lost[0].as_py())
    return sent


def as_text(column: str) -> str:
    """A quoted column as text, in Postgres."""
    return f"{column}::text"


def utf8(values: pa.Array) -> pa.Array:
    """Texts as they are, if all of them are UTF-8.

    Raises:
        pyarrow.ArrowInvalid: One is not.
    """
    return values.cast(pa.binary()).cast(pa.string())  # this cast validates; one from string to string does not


def _bits(values: pa.Array) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values.view(pa.int64()) if pa.types.is_float64(values.type) else values


def _as_bytes(values: pa.Array) -> pa.Array:
    # Texts of a snapshot may be none in UTF-8, which only bytes compare.
    return values.view(pa.binary()) if isinstance(values, pa.StringArray) else values


def _first_refused(codec: Codec, values: pa.Array) -> int:
    for index in range(len(values)):
        try:
            codec.to_target(values.slice(index, 1))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError, UnicodeDecodeError):
            return index
    return 0
