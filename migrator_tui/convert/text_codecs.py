"""Codecs of columns that become text: of texts that Postgres refuses, and of several storage classes."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import several_classes
from migrator_tui.convert.codec import TEXT, Codec, as_text, utf8


def _by_python(convert: Callable[[bytes], str]) -> Callable[[pa.Array], pa.Array]:
    """For the few values that need a look at each; arrays that are fine as they are never get here."""

    def apply(values: pa.Array) -> pa.Array:
        raw = values.cast(pa.binary())
        try:
            return raw.cast(pa.string())
        except pa.ArrowInvalid:
            return pa.array([None if v is None else convert(v) for v in raw.to_pylist()], pa.string())

    return apply


def _latin1(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _without_nul(values: pa.Array) -> pa.Array:
    return pc.replace_substring(values, "\x00", "\N{REPLACEMENT CHARACTER}")


# Joined by "+", applied in this order: bytes become characters before a character can be replaced.
_TEXT_CODECS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "nul-replaced": _without_nul,
    "utf8-replaced": _by_python(lambda v: v.decode("utf-8", "replace")),
    "latin1": _by_python(_latin1),
}


def exact_text(classes: tuple[str, ...]) -> str:
    """The name of the codec for a column that holds several storage classes."""
    return "text:exact-" + "+".join(name for name in several_classes.CLASSES if name in classes)


def tells_classes_apart(name: str) -> bool:
    """Whether this is the codec of a column that holds several storage classes, each value spelled with its own."""
    return name.startswith("text:exact-")


def classes_told_apart(name: str) -> frozenset[str]:
    """The storage classes that a column of such a codec holds; empty for other codecs."""
    return frozenset(name.removeprefix("text:exact-").split("+")) if tells_classes_apart(name) else frozenset()


def _exact(name: str, classes: frozenset[str]) -> Codec | None:
    if not classes <= set(several_classes.CLASSES):
        return None
    return Codec(
        name,
        TEXT,
        to_target=lambda values: several_classes.spelled(values, classes),
        to_source=lambda sent: several_classes.marked(sent, classes),
        read_back=as_text,
        proved=several_classes.shortest,
        parts=several_classes.by_class,
        select=lambda column: several_classes.SELECT.format(column),
    )


def text(name: str, how: str) -> Codec | None:
    """The codec of texts by what is done to them, or of several storage classes; None for no such name."""
    if how.startswith("exact-"):
        return _exact(name, frozenset(how.removeprefix("exact-").split("+")))
    parts = sorted(how.split("+"))
    steps = [_TEXT_CODECS.get(part) for part in parts if part != "any"]
    if None in steps:
        return None

    def to_target(values: pa.Array) -> pa.Array:
        for step in steps:
            values = step(values) if step else values
        return utf8(values)

    if "any" not in parts:
        return Codec(name, TEXT, to_target, None, read_back=as_text)
    # Numbers as SQLite writes them, blobs as their hex digits.
    select = "CASE typeof({0}) WHEN 'blob' THEN hex({0}) ELSE CAST({0} AS TEXT) END"
    return Codec(name, TEXT, to_target, None, read_back=as_text, select=lambda column: select.format(column))
