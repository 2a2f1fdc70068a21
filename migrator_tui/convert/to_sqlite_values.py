"""Values on the way back: what Postgres gives becomes the cells that SQLite holds, by storage class.

A column's cells are one or more arrays of different classes; in each row at most one of them has a value. Where a
published column has a codec, the codec says what the value was in SQLite, and every cell is proved by the codec's own
comparison. A value that is new since then and that the codec would change is written naturally, and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import json_values
from migrator_tui.convert.codecs import Codec, differences

_REFUSED = (
    pa.ArrowInvalid,
    pa.ArrowNotImplementedError,
    pa.ArrowTypeError,
    OverflowError,
    UnicodeDecodeError,
    ValueError,
)

NUMBER = r"^[ \t\n\v\f\r]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\n\v\f\r]*$"
"""Texts that a column with a numeric affinity turns into a number (sqlite.org/datatype3.html#type_affinity)."""


@dataclass(frozen=True, slots=True)
class Cells:
    """One column's cells of one batch.

    Attributes:
        parts: int64, float64, string or binary arrays; in each row at most one is not null.
        otherwise: Positions of cells that a codec could not give back and that are written naturally.
    """

    parts: tuple[pa.Array, ...]
    otherwise: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.parts[0])


def natural(read: tuple[pa.Array, ...]) -> Cells:
    """Cells of what a natural way selects."""
    parts = tuple(_by_class(array) for array in read)
    return Cells(parts if len(parts) == 1 else (parts[0], *(p for p in parts[1:] if p.null_count < len(p))))


def returned(codec: Codec, read: tuple[pa.Array, ...]) -> Cells:
    """Cells of what a codec's way selects: given back by the codec, and proved."""
    main = read[0]
    values, changed = _give_back(codec, main)
    if changed:
        mask = pc.is_in(pa.array(range(len(main)), pa.int64()), pa.array(changed, pa.int64()))
        values = pc.if_else(mask, pa.scalar(None, values.type), values)
    parts = list(codec.parts(values))
    if changed:
        parts = _with_text(parts, pc.if_else(mask, natural_text(main), pa.scalar(None, pa.string())))
    positions = list(changed)
    if len(read) > 1 and read[1].null_count < len(read[1]):
        text = read[1].cast(pa.string())
        positions += pc.indices_nonzero(pc.is_valid(text)).to_pylist()
        parts = _with_text(parts, text)
    return Cells(tuple(parts), tuple(positions))


def numbers_by_affinity(cells: Cells) -> pa.Array | None:
    """Which texts a column with a numeric affinity would turn into numbers; None where there are no texts."""
    for part in cells.parts:
        if pa.types.is_string(part.type):
            # Bytes, because a text that comes back may be none in UTF-8.
            return pc.fill_null(pc.match_substring_regex(part.view(pa.binary()), NUMBER), False)
    return None


def natural_text(values: pa.Array) -> pa.Array:
    """Values of any type as text: moments as Postgres writes them, with ``+00:00`` where they have a zone."""
    kind = values.type
    if pa.types.is_timestamp(kind):
        plain = values.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us")) if kind.tz else values
        text = pc.replace_substring_regex(plain.cast(pa.string()), r"(\.[0-9]*?)0+$", r"\1")
        text = pc.replace_substring_regex(text, r"\.$", "")
        return pc.binary_join_element_wise(text, "+00:00", "") if kind.tz else text
    if pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pa.array([None if v is None else v.hex() for v in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def _with_text(parts: list[pa.Array], text: pa.Array) -> list[pa.Array]:
    for index, part in enumerate(parts):
        if pa.types.is_string(part.type):
            return [*parts[:index], pc.coalesce(part, text), *parts[index + 1 :]]
    return [*parts, text]


def _give_back(codec: Codec, read: pa.Array) -> tuple[pa.Array, list[int]]:
    """What was in SQLite, and the positions of values that would not come here again as they are."""
    try:
        return _proved(codec, read)
    except _REFUSED:
        pass
    # One value of the batch is to blame, or some: halves tell faster than a look at each.
    if len(read) == 1:
        return pa.nulls(1, _header_type(codec)), [0]
    middle = len(read) // 2
    left, changed = _give_back(codec, read.slice(0, middle))
    right, more = _give_back(codec, read.slice(middle))
    return pa.concat_arrays([left, right]), changed + [position + middle for position in more]


def _proved(codec: Codec, read: pa.Array) -> tuple[pa.Array, list[int]]:
    assert codec.to_source is not None
    sent = _received(codec, read)
    values = codec.to_source(sent)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    again = codec.comparable(codec.to_target(values))
    found = codec.normalise(read)
    if again.type != found.type:
        found = found.cast(again.type)
    return values, differences(again, found)


def _received(codec: Codec, read: pa.Array) -> pa.Array:
    """What COPY sent, from what is read back."""
    received = _RECEIVED.get("uuid" if codec.name.partition(":")[0] in ("uuid", "uuid-of-blob") else codec.name)
    if received is not None:
        return received(read)
    sent_type = codec.to_target(pa.array([], _header_type(codec))).type
    found = codec.normalise(read)
    return found if found.type == sent_type else found.cast(sent_type)


_RECEIVED: dict[str, Callable[[pa.Array], pa.Array]] = {
    "uuid": lambda read: read.cast(pa.binary()).cast(pa.binary(16)),
    "integer-numeric": lambda read: read.cast(pa.decimal128(19, 0)),
    "jsonb": lambda read: pc.binary_join_element_wise(
        pa.scalar(json_values.VERSION, pa.binary()), read.cast(pa.binary()), pa.scalar(b"", pa.binary())
    ),
}
"""Codecs that compare something else than what is sent."""

_CLASS_OF_HEADER = {"0": pa.int64(), "0.0": pa.float64(), "''": pa.string(), "x''": pa.binary()}


def _header_type(codec: Codec) -> pa.DataType:
    return _CLASS_OF_HEADER[codec.header]


def _by_class(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return array.cast(pa.int64())
    if pa.types.is_floating(kind):
        return array.cast(pa.float64())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return array.cast(pa.binary())
    return array.cast(pa.string())
