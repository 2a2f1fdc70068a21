"""Columns of paths as columns of object keys or URLs, and back: what the ``object-key`` and ``object-url`` codecs do.

Values that are their own keys behind the prefix, which is nearly all of them, never leave Arrow.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import object_keys

KEY, URL = "object-key", "object-url"


def codec_name(prefix: str, base: str = "") -> str:
    """The recorded name: ``object-key:uploads/``, or ``object-url:https://…/documents/|uploads/``."""
    return f"{URL}:{base}|{prefix}" if base else f"{KEY}:{prefix}"


def arguments(kind: str, argument: str) -> tuple[str, str] | None:
    """Prefix and base of a recorded name's two parts; None where they say too little."""
    if kind == KEY:
        return argument, ""
    base, bar, prefix = argument.partition("|")
    return (prefix, base) if bar and re.fullmatch(r"https?://\S+/", base) else None


def rewritten(values: pa.Array, prefix: str, base: str = "") -> pa.Array:
    """:func:`object_keys.rewritten` of each value."""
    begins = pc.starts_with(values, prefix)
    rest = pc.utf8_slice_codeunits(values, len(prefix))
    plain = pc.and_(begins, _plain(rest))
    if base:
        plain = pc.and_(plain, pc.match_substring_regex(rest, r"^[A-Za-z0-9_./-]+$"))  # percent-encoding changes none
        rest = pc.binary_join_element_wise(pa.scalar(base), rest, "")
    return _mixed(values, plain, rest, lambda value: object_keys.rewritten(value, prefix, base))


def original(values: pa.Array, prefix: str, base: str = "") -> pa.Array:
    """:func:`object_keys.original` of each value."""
    rest = pc.utf8_slice_codeunits(values, len(base))
    plain = _plain(rest)
    if base:
        safe = pc.match_substring_regex(rest, r"^[A-Za-z0-9_./-]+$")
        plain = pc.and_(pc.and_(plain, safe), pc.starts_with(values, base))
    whole = pc.binary_join_element_wise(pa.scalar(prefix), rest, "")
    return _mixed(values, plain, whole, lambda value: object_keys.original(value, prefix, base))


def _plain(paths: pa.Array) -> pa.Array:
    taken = pc.match_substring_regex(paths, f"^{object_keys.PLAIN}$")
    return pc.and_not(taken, pc.match_substring_regex(paths, object_keys.UNPLAIN))


def _mixed(values: pa.Array, plain: pa.Array, easy: pa.Array, each: Callable[[str], str]) -> pa.Array:
    """``easy`` where it is plain, and ``each`` of the value where it is not."""
    hard = pc.fill_null(pc.invert(plain), False)
    if not pc.any(hard).as_py():
        return easy
    told = pa.array([each(value) for value in values.filter(hard).to_pylist()], pa.string())
    return pc.replace_with_mask(easy, hard, told)
