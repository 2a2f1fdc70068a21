"""Codecs of types that only the server reads: values go as texts, and it casts them to the column's type."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from migrator_tui.convert.codec import INTEGER, REAL, TEXT, Codec, utf8

RESPELLED = "respelled"
"""Ends the name of the codec of values that the type writes otherwise than the source does, which is lossy."""

_OF_CLASS = {"text": "cast", "integer": "cast-of-integer", "real": "cast-of-real"}
NAMES = tuple(_OF_CLASS.values())


def written(column: str) -> str:
    """A quoted column as its type writes it, in Postgres; a cast to text writes some types otherwise (inet)."""
    return f"CASE num_nulls({column}) WHEN 0 THEN format('%s', {column}) END"


def of_classes(classes: Iterable[str]) -> str | None:
    """The codec of values of one class; None where there is none."""
    several = set(classes) or {"text"}
    return _OF_CLASS.get(several.pop()) if len(several) == 1 else None


def respelled(name: str) -> str:
    """The codec by which a type may write values in its own way."""
    return f"{name.partition(':')[0]}:{RESPELLED}"


def cast(name: str, argument: str) -> Codec | None:
    """The codec of a recorded name, or None."""
    base = name.partition(":")[0]
    if argument not in ("", RESPELLED) or (":" in name and not argument):
        return None
    if base == "cast":
        made = Codec(name, TEXT, utf8, lambda sent: sent, read_back=written, cast=True)
    else:
        header, kind = (INTEGER, pa.int64()) if base == "cast-of-integer" else (REAL, pa.float64())
        made = Codec(
            name, header, lambda v: v.cast(pa.string()), lambda sent: sent.cast(kind), read_back=written, cast=True
        )
    return made if not argument else _lossy(made)


def _lossy(made: Codec) -> Codec:
    return Codec(made.name, made.header, made.to_target, None, read_back=written, cast=True)
