"""Functions of Postgres that SQLite has too, whatever it calls them."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from migrator_tui.convert.to_sqlite_operands import NUMERIC, Refused, Rendered, one_kind
from migrator_tui.convert.to_sqlite_types import Kind


def _text_function(word: str, gives: Kind) -> Callable[[list[Rendered]], Rendered]:
    def make(arguments: list[Rendered]) -> Rendered:
        if any(a.kind not in ("text", "integer", "any", "null") for a in arguments):
            raise Refused(f"{word} of something else than a text")
        return Rendered(f"{word}({', '.join(a.sql for a in arguments)})", gives)

    return make


def _number_function(word: str, gives: Kind | None = None) -> Callable[[list[Rendered]], Rendered]:
    def make(arguments: list[Rendered]) -> Rendered:
        if any(a.kind not in (*NUMERIC, "any") for a in arguments):
            raise Refused(f"{word} of something else than a number")
        return Rendered(f"{word}({', '.join(a.sql for a in arguments)})", gives or arguments[0].kind)

    return make


def _same_kind_function(word: str) -> Callable[[list[Rendered]], Rendered]:
    return lambda arguments: Rendered(f"{word}({', '.join(a.sql for a in arguments)})", one_kind(arguments))


FUNCTIONS: dict[str, Callable[[list[Rendered]], Rendered]] = {
    "lower": _text_function("lower", "text"),
    "upper": _text_function("upper", "text"),
    "length": _text_function("length", "integer"),
    "char_length": _text_function("length", "integer"),
    "character_length": _text_function("length", "integer"),
    "replace": _text_function("replace", "text"),
    "substring": _text_function("substr", "text"),
    "substr": _text_function("substr", "text"),
    "trim": _text_function("trim", "text"),
    "btrim": _text_function("trim", "text"),
    "ltrim": _text_function("ltrim", "text"),
    "rtrim": _text_function("rtrim", "text"),
    "strpos": _text_function("instr", "integer"),
    "abs": _number_function("abs"),
    "round": _number_function("round", "real"),
    "coalesce": _same_kind_function("coalesce"),
    "nullif": _same_kind_function("nullif"),
}
"""Postgres' name → SQLite's call of the same meaning."""

_SQLGLOT_NAMES = {"str_position": "strpos", "char_length": "length"}


def named(node: exp.Expr) -> str:
    """The function that a node calls, in Postgres' words; empty where it is none."""
    if isinstance(node, exp.Anonymous):
        return str(node.this).lower()
    if isinstance(node, exp.Trim):
        position = str(node.args.get("position") or "").upper()
        return {"": "trim", "BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}.get(position, "")
    if isinstance(node, exp.Func):
        name = node.sql_name().lower()
        return _SQLGLOT_NAMES.get(name, name)
    return ""
