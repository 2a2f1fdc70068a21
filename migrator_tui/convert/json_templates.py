"""JSON texts that are built alike: one is parsed, and all of its kind are known by a pattern, in C.

A pattern is made of one value: its names where they stand, any scalars for its scalars. What it matches is JSON in
which no object has a name twice, no number is minus zero or has an exponent, and no text has a ``\\u`` escape, so that
nothing is left to find out about it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import constants

LONGEST = 10_000
"""Bytes of the longest text that is matched; no number in it can have more digits."""

_SAMPLED = 12
_ROUNDS = 4
_FEW = 64
_LONGEST_PATTERN = 20_000
_DEEPEST = 12

_SPACE = r"[ \t\n\r]*"
_TEXT = r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*"'
_NUMBER = r"(?:0|-?[1-9][0-9]*)(?:\.[0-9]+)?"
_SCALAR = f"(?:{_TEXT}|{_NUMBER}|true|false|null)"
_PLAIN_NAME = re.compile(r'[^"\\\x00-\x1f\x7f-\x9f]*')


class _Members(list[tuple[str, Any]]):
    """An object, its members in their order."""


def unmatched(texts: pa.Array) -> pa.Array:
    """The texts (UTF-8, none null) that are not known by patterns, and have to be looked at one by one."""
    if len(texts) < _FEW:
        return texts
    short = pc.less_equal(pc.binary_length(texts), constants.integer(LONGEST))
    long, rest = texts.filter(pc.invert(short)), texts.filter(short)
    for _ in range(_ROUNDS):
        if len(rest) < _FEW:
            break
        before = len(rest)
        for pattern in _patterns(rest[:_SAMPLED].to_pylist()):
            rest = rest.filter(pc.invert(pc.match_substring_regex(rest, pattern)))
        if len(rest) > before // 2:
            break
    return pa.concat_arrays([rest, long])


def _patterns(sample: list[str]) -> list[str]:
    found: dict[str, None] = {}
    for text in sample:
        try:
            pattern = _pattern(json.loads(text, object_pairs_hook=_Members), _DEEPEST)
        except (ValueError, RecursionError):
            continue
        if pattern is not None and len(pattern) <= _LONGEST_PATTERN:
            found[rf"\A{_SPACE}{pattern}{_SPACE}\z"] = None
    return list(found)


def _pattern(value: Any, depth: int) -> str | None:
    """What is built like this value; None where a pattern cannot say it."""
    if depth == 0:
        return None
    if isinstance(value, _Members):
        return _of_object(value, depth)
    if not isinstance(value, list):
        return _SCALAR
    elements = {_pattern(element, depth - 1) for element in value} or {_SCALAR}
    element = elements.pop()
    if elements or element is None:
        return None
    return rf"\[{_SPACE}(?:{element}(?:{_SPACE},{_SPACE}{element})*)?{_SPACE}\]"


def _of_object(members: _Members, depth: int) -> str | None:
    names = [name for name, _ in members]
    if len(set(names)) < len(names) or not all(map(_PLAIN_NAME.fullmatch, names)):
        return None
    inner = [_pattern(value, depth - 1) for _, value in members]
    if None in inner:
        return None
    written = [rf'"{re.escape(name)}"{_SPACE}:{_SPACE}{each}' for name, each in zip(names, inner, strict=True)]
    return rf"\{{{_SPACE}{f'{_SPACE},{_SPACE}'.join(written)}{_SPACE}\}}"
