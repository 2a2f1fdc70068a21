"""Masks for values: the same value gets the same mask wherever it stands, and no mask says what it was.

Masks are made by HMAC-SHA-256 from a key of the pull's own, unless a seed is given. They keep the storage class and
the look: an e-mail address stays one, at example.com (RFC 2606), a UUID, a date, a number and JSON stay what they are.
Integers are permuted, so that different keys stay different; for other values two masks are alike once in 2^64 or so.
NULL and the empty text stay as they are.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert.to_sqlite_values import Cells

SMALL = 1 << 31
"""Integers from 0 up to here stay among themselves, so that a key still fits four bytes."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATED = re.compile(r"\d{4}-\d\d-\d\d(.*)", re.DOTALL)
_DECIMAL = re.compile(r"-?\d+(\.\d+)?")
_FIRST_DAY = date(1950, 1, 1)
_DAYS = 36_500


class Masks:
    """Makes masks.

    Args:
        key: Whoever knows it can find out which mask a guessed value has.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def cells(self, cells: Cells, *, fold: bool = False, json: bool = False) -> Cells:
        """The cells with every value masked.

        Args:
            fold: Texts that differ only in case are the same value.
            json: Texts are JSON, and stay so.
        """

        def text(value: bytes) -> bytes:
            return self._text(value.lower() if fold else value, json=json)

        masked = []
        for part in cells.parts:
            kind = part.type
            if kind == pa.int64():
                masked.append(_each(part, kind, self._integer))
            elif kind == pa.float64():
                masked.append(_each(part, kind, self._real))
            elif kind == pa.string():
                # As bytes: a text that comes back from a file may be none in UTF-8.
                masked.append(_each(part.view(pa.binary()), pa.binary(), text).cast(pa.string()))
            else:
                masked.append(_each(part, kind, lambda value: self._digest(b"b", value)[:16]))
        return Cells(tuple(masked))

    def _digest(self, kind: bytes, value: bytes) -> bytes:
        return hmac.new(self._key, kind + value, hashlib.sha256).digest()

    def _number(self, kind: bytes, value: bytes) -> int:
        return int.from_bytes(self._digest(kind, value)[:8], "big")

    def _integer(self, value: int) -> int:
        if 0 <= value < SMALL:
            permuted = self._permute(value, 16)
            while permuted >= SMALL:
                permuted = self._permute(permuted, 16)
            return permuted
        permuted = self._permute(value & (1 << 64) - 1, 32)
        while permuted < SMALL:
            permuted = self._permute(permuted, 32)
        return permuted - (1 << 64) if permuted >= 1 << 63 else permuted

    def _permute(self, value: int, half: int) -> int:
        """A Feistel network over two halves of so many bits: a permutation whatever its round function is."""
        mask = (1 << half) - 1
        left, right = value >> half, value & mask
        for number in range(4):
            mixed = self._number(b"i%d" % number, right.to_bytes(4, "big") + bytes([half])) & mask
            left, right = right, left ^ mixed
        return left << half | right

    def _real(self, value: float) -> float:
        return float(self._number(b"r", value.hex().encode()) >> 11) / (1 << 20)

    def _text(self, value: bytes, *, json: bool) -> bytes:
        if not value:
            return value
        digest = self._digest(b"t", value)
        word = digest[:8].hex()
        written = value.decode("utf-8", "replace")
        if json:
            masked = f'["{word}"]' if written.lstrip().startswith("[") else f'{{"redacted": "{word}"}}'
        elif _EMAIL.fullmatch(written):
            masked = f"{word}@example.com"
        elif _UUID.fullmatch(written):
            h = digest.hex()
            masked = f"{h[:8]}-{h[8:12]}-4{h[13:16]}-8{h[17:20]}-{h[20:32]}"
        elif dated := _DATED.fullmatch(written):
            day = _FIRST_DAY + timedelta(days=int.from_bytes(digest[:4], "big") % _DAYS)
            masked = day.isoformat() + re.sub(r"\d", "0", dated[1])
        elif _DECIMAL.fullmatch(written):
            masked = str(int.from_bytes(digest[:8], "big"))
        else:
            masked = f"x{word}"
        return masked.encode()


def _each(array: pa.Array, kind: pa.DataType, mask: Callable[[Any], Any]) -> pa.Array:
    """Each different value masked once."""
    encoded = array.dictionary_encode()
    masks = pa.array([mask(value) for value in encoded.dictionary.to_pylist()], kind)
    return pc.take(masks, encoded.indices)
