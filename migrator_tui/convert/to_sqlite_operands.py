"""What expressions on the way back are made of: columns, pieces of SQL, and why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from migrator_tui.convert.to_sqlite_types import Kind

NUMERIC = ("integer", "real", "numeric")
"""The kinds that are numbers in SQLite too."""

Any_ = Literal["any", "null"]


class Refused(Exception):
    """An expression has no equivalent; the text says why."""


@dataclass(frozen=True, slots=True)
class Known:
    """A column as an expression meets it: its name in SQLite, and what its values are there."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Rendered:
    """A piece of SQL and what it gives; ``literal`` where it is a constant."""

    sql: str
    kind: Kind | Any_
    literal: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """An expression on its way: ``sql`` is None where it is refused, and ``why`` says so."""

    original: str
    sql: str | None
    why: str = ""


Columns = Mapping[str, Known]
"""Postgres column name → the column in SQLite."""


def text_literal(text: str) -> str:
    """A SQLite string literal."""
    if "\0" in text:
        raise Refused("a text with a NUL")
    return "'" + text.replace("'", "''") + "'"


def one_kind(parts: list[Rendered]) -> Kind | Any_:
    """The kind that all pieces have.

    Raises:
        Refused: They have several.
    """
    kinds = {part.kind for part in parts} - {"null"}
    if len(kinds) == 1:
        return kinds.pop()
    if kinds and kinds <= set(NUMERIC):
        return "numeric"
    raise Refused("values of several kinds")


def guarded(original: str, translate: Callable[[], str]) -> Carried:
    """What a translation gives, or why it is refused."""
    try:
        return Carried(original, translate())
    except Refused as refused:
        return Carried(original, None, str(refused))
    except RecursionError:
        return Carried(original, None, "it is nested too deeply")
