"""UUIDs between the ways they are written as text and their sixteen bytes, whole arrays at a time."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import constants
from migrator_tui.convert.shapes import UUIDS

_DIGITS = pa.binary(32)
_BYTES = pa.binary(16)


def parse(texts: pa.Array, shape: str) -> pa.Array:
    """Texts of one shape of :data:`~migrator_tui.convert.shapes.UUIDS` → 16 bytes; null for a text of another."""
    fits = pc.fill_null(pc.match_substring_regex(texts, UUIDS[shape]), constants.boolean(False))
    written = b"".join(texts.filter(fits).cast(pa.binary()).to_pylist())
    data = bytes.fromhex(written.replace(b"-", b"").decode("ascii"))
    parsed = pa.Array.from_buffers(_BYTES, len(data) // 16, [None, pa.py_buffer(data)])
    if len(parsed) == len(texts):
        return parsed
    return pc.replace_with_mask(pa.nulls(len(texts), _BYTES), fits, parsed)


def render(values: pa.Array, shape: str) -> pa.Array:
    """Sixteen bytes each → texts of one shape: the inverse of :func:`parse`."""
    known = values.drop_null()
    digits = b"".join(known.to_pylist()).hex()
    if shape == "uuid-upper":
        digits = digits.upper()
    fixed = pa.Array.from_buffers(_DIGITS, len(known), [None, pa.py_buffer(digits.encode("ascii"))])
    texts = fixed.cast(pa.binary()).cast(pa.string())
    if shape != "uuid-hex":
        parts = [pc.utf8_slice_codeunits(texts, a, b) for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))]
        texts = pc.binary_join_element_wise(*parts, constants.text("-"))
    if len(texts) == len(values):
        return texts
    return pc.replace_with_mask(pa.nulls(len(values), pa.string()), pc.is_valid(values), texts)
