"""Cells of several storage classes in one text column, each spelled so that its value and class come back.

A cell is written as a person would write it, and as SQLite's literal where that could be taken for another class:
``12`` and ``2.5`` are numbers (a real always has a point or an exponent), ``n/a`` is a text, ``'12'`` the text of two
digits, ``x'00ff'`` a blob, ``CAST(x'6100' AS TEXT)`` a text that Postgres refuses (NUL, bytes that are not UTF-8).
Only classes that the column holds can be confused: without numbers in it, the text ``12`` is written plainly. Text
rather than jsonb, because defaults, checks, collations and keys of the column go on working.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

CLASSES = ("integer", "real", "text", "blob")

SELECT = (
    "CASE typeof({0}) WHEN 'integer' THEN 'i' || {0} "
    # printf loses the sign of zero; 21 digits are more than a double needs.
    "WHEN 'real' THEN CASE WHEN {0} = 0.0 AND atan2({0}, -1.0) < 0 THEN 'r-0.0' "
    "ELSE 'r' || printf('%!.20e', {0}) END "
    "WHEN 'text' THEN 't' || {0} WHEN 'blob' THEN 'b' || hex({0}) END"
)
"""SQLite's expression of a quoted column: a letter for the class, then the value."""

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_REAL = re.compile(r"-?(inf|9e999|[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?)")
_INFINITE = {"inf": "9e999", "-inf": "-9e999"}

# What cells mostly are, for C to see at once: a text that begins as no literal does, an integer of few digits.
_USUAL = rb"\At(\z|[^'xXcC0-9\x00-][^\x00]*\z)"
_USUAL_WITH_INTEGERS = rb"\A(i|t(\z|[^'xXcC0-9\x00-][^\x00]*\z))"
_CERTAIN_TEXT = rb"\A([^'xC0-9-]|\z)"
_CERTAIN_INTEGER = rb"\A(0|-?[1-9][0-9]{0,17})\z"


def spelled(marked: pa.Array, classes: frozenset[str]) -> pa.Array:
    """What :data:`SELECT` gives → what the text column holds; null for a class that the column was not to hold."""
    raw = marked.cast(pa.binary())
    usual = pc.match_substring_regex(raw, _USUAL_WITH_INTEGERS if "integer" in classes else _USUAL)
    texts = _with_others(pc.binary_replace_slice(raw, 0, 1, b""), usual, raw, lambda cell: _spell(cell, classes))
    try:
        return texts.cast(pa.string())
    except pa.ArrowInvalid:  # some text is not UTF-8
        return _with_others(raw, pc.is_null(raw), raw, lambda cell: _spell(cell, classes)).cast(pa.string())


def marked(spellings: pa.Array, classes: frozenset[str]) -> pa.Array:
    """The way back: what :data:`SELECT` gave, with the digits of reals as :func:`shortest` writes them."""
    raw = spellings.cast(pa.binary())
    texts = pc.match_substring_regex(raw, _CERTAIN_TEXT)
    usual, marks = texts, pa.scalar(b"t")
    if "integer" in classes:
        integers = pc.match_substring_regex(raw, _CERTAIN_INTEGER)
        usual, marks = pc.or_(texts, integers), pc.if_else(integers, pa.scalar(b"i"), pa.scalar(b"t"))
    given = pc.binary_join_element_wise(marks, raw, pa.scalar(b""))
    return _with_others(given, usual, raw, lambda cell: _mark(cell.decode(), classes)).view(pa.string())


def shortest(marked: pa.Array) -> pa.Array:
    """The marked cells with reals in the fewest digits that read back as the same double."""
    raw = marked.cast(pa.binary())
    others = pc.invert(pc.starts_with(raw, b"r"))
    return _with_others(raw, others, raw, lambda cell: b"r" + repr(float(cell[1:])).encode()).view(pa.string())


def spelling(value: str | int | float | bytes, classes: frozenset[str]) -> str | None:
    """How one value is spelled; None where the column was not to hold its class."""
    if isinstance(value, str):
        cell = b"t" + value.encode()
    elif isinstance(value, bytes):
        cell = b"b" + value.hex().encode("ascii")
    else:
        cell = f"{'i' if isinstance(value, int) else 'r'}{value}".encode("ascii")
    return _spelling(cell, classes)


def _with_others(made: pa.Array, usual: pa.Array, raw: pa.Array, one: Callable[[bytes], bytes | None]) -> pa.Array:
    """``made`` where a cell is a usual one, and each other cell by itself."""
    other = pc.fill_null(pc.invert(usual), False)
    if not pc.any(other).as_py():
        return made
    return pc.replace_with_mask(made, other, pa.array([one(cell) for cell in raw.filter(other).to_pylist()], raw.type))


def by_class(marked: pa.Array) -> tuple[pa.Array, ...]:
    """Marked cells as arrays of int64, float64, string and binary; in each row at most one has a value."""
    raw = marked.cast(pa.binary())
    cells = raw.to_pylist()

    def of(mark: bytes) -> list[bytes | None]:
        return [cell[1:] if cell is not None and cell[:1] == mark else None for cell in cells]

    parts = (
        pa.array([None if v is None else int(v) for v in of(b"i")], pa.int64()),
        pa.array([None if v is None else float(v) for v in of(b"r")], pa.float64()),
        pa.array(of(b"t"), pa.binary()).view(pa.string()),
        pa.array([None if v is None else bytes.fromhex(v.decode("ascii")) for v in of(b"b")], pa.binary()),
    )
    held = tuple(part for part in parts if pc.count(part).as_py())
    return held or parts[2:3]


def _spell(cell: bytes, classes: frozenset[str]) -> bytes | None:
    spelling = _spelling(cell, classes)
    return None if spelling is None else spelling.encode()


def _spelling(cell: bytes, classes: frozenset[str]) -> str | None:
    mark, data = cell[:1], cell[1:]
    name = {b"i": "integer", b"r": "real", b"t": "text", b"b": "blob"}[mark]
    if name not in classes:
        return None
    if mark == b"i":
        return data.decode("ascii")
    if mark == b"r":
        digits = repr(float(data))
        return _INFINITE.get(digits, digits)
    if mark == b"b":
        return f"x'{data.decode('ascii').lower()}'"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return f"CAST(x'{data.hex()}' AS TEXT)"
    if "\x00" in text:
        return f"CAST(x'{data.hex()}' AS TEXT)"
    return text if _plain(text, classes) else "'" + text.replace("'", "''") + "'"


def _plain(text: str, classes: frozenset[str]) -> bool:
    """Whether a text can be told from cells of other classes, by a collation that folds case or spaces as well."""
    alike = {text, text.lower(), text.rstrip(" "), text.lower().rstrip(" ")}
    return all(_mark(one, classes) == b"t" + one.encode() for one in alike)


def _mark(text: str, classes: frozenset[str]) -> bytes:
    """The cell that a spelling stands for; a spelling that is not the one of its value is a plain text."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return b"t" + text[1:-1].replace("''", "'").encode()
    if "blob" in classes and (hexed := _hex(text, "x'", "'")) is not None:
        return b"b" + hexed.hex().upper().encode("ascii")
    if (hexed := _hex(text, "CAST(x'", "' AS TEXT)")) is not None:
        return b"t" + hexed
    if "integer" in classes and _INTEGER.fullmatch(text) and str(int(text)) == text and -(2**63) <= int(text) < 2**63:
        return b"i" + text.encode("ascii")
    if "real" in classes and _REAL.fullmatch(text):
        digits = repr(float(text))
        if _INFINITE.get(digits, digits) == text:
            return b"r" + digits.encode("ascii")
    return b"t" + text.encode()


def _hex(text: str, before: str, after: str) -> bytes | None:
    digits = text[len(before) : -len(after)]
    if not (text.startswith(before) and text.endswith(after)) or not re.fullmatch("([0-9a-f]{2})*", digits, re.ASCII):
        return None
    return bytes.fromhex(digits) if len(text) >= len(before) + len(after) else None
