"""JSON that is written as text: whether Postgres' json and jsonb keep it, and what it is by value."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import json_templates

VERSION = b"\x01"
"""What jsonb's binary form begins with; the text follows."""


def kept_as(texts: pa.Array, most: str) -> str:
    """``jsonb`` or ``json``, whichever keeps all texts, and no more than ``most``; empty where some are no JSON."""
    if most == "jsonb":
        try:
            kept(texts)
        except pa.ArrowInvalid:
            pass
        else:
            return "jsonb"
    return "json" if most and all(map(_is_json, texts.to_pylist())) else ""


def _is_json(text: str | None) -> bool:
    try:
        if text is not None:
            _STRICT.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


_STRICT = json.JSONDecoder(parse_constant=_no_constant)


def without_version(sent: pa.Array) -> pa.Array:
    """The text of what jsonb takes in binary form."""
    # ``binary_slice`` fails on an array that ends in a null (pyarrow 26); the version byte is a character of its own.
    return pc.utf8_slice_codeunits(sent.view(pa.string()), 1)


def kept(texts: pa.Array) -> pa.Array:
    """The texts, each of which jsonb keeps by value: no name twice in an object, no number or character it lacks."""

    readable = texts.cast(pa.binary()).cast(pa.string())  # this cast validates
    for text in json_templates.unmatched(readable.drop_null()).to_pylist():
        try:
            value = _ONCE.decode(text)
            if "\\u" in text:
                written = json.dumps(value, ensure_ascii=False)
                written.encode("utf-8")  # half of a surrogate pair is no character
                if "\\u0000" in written:
                    raise ValueError("jsonb has no U+0000")
        except RecursionError as error:
            raise pa.ArrowInvalid("JSON is nested too deeply") from error
        except (ValueError, ArithmeticError) as error:
            raise pa.ArrowInvalid(f"not kept by jsonb: {error}") from error
    return texts


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a name twice, of which jsonb keeps the last")
    return members


def _number(text: str) -> int:
    value = Decimal(text)
    if value.is_zero() and value.is_signed():
        raise ValueError("jsonb has no minus zero")
    if max(abs(value.adjusted()), len(text)) > _JSONB_DIGITS:
        raise ValueError("a number has more digits than jsonb keeps")
    return 0


_ONCE = json.JSONDecoder(object_pairs_hook=_once, parse_int=_number, parse_float=_number, parse_constant=_no_constant)
_JSONB_DIGITS = json_templates.LONGEST


def canonical(texts: pa.Array) -> pa.Array:
    """JSON by value: members in order of name, numbers as decimals without trailing zeros."""

    def number(text: str) -> str:
        return f"number:{Decimal(text).normalize()}"

    def canonical(text: str) -> str:
        return json.dumps(json.loads(text, parse_float=number, parse_int=number), sort_keys=True)

    return pa.array([None if v is None else canonical(v) for v in texts.to_pylist()], pa.string())
