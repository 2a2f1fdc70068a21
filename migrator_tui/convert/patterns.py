"""LIKE and GLOB."""

from __future__ import annotations

import re

from migrator_tui.convert.identifiers import quote_literal
from migrator_tui.convert.operands import Operand, Refused, as_text


def like(value: Operand, pattern: Operand, escape: str | None) -> str:
    """SQLite's LIKE: without regard to the case of A to Z, and with no escape character unless one is named.

    Raises:
        Refused: One side is no text.
    """
    if escape and (escape.isalpha() or escape in "%_"):
        raise Refused(f"LIKE with the escape character {escape}")
    if escape and isinstance(pattern.literal, str):
        trailing = len(pattern.literal) - len(pattern.literal.rstrip(escape))
        if trailing % 2:
            raise Refused("the pattern of LIKE ends in its escape character")
    # ILIKE under the collation "C" folds ASCII alone.
    return f'({as_text(value)} COLLATE "C" ILIKE {as_text(pattern)} ESCAPE {quote_literal(escape or "")})'


def glob(value: Operand, pattern: Operand) -> str:
    """SQLite's GLOB as a regular expression.

    Raises:
        Refused: The pattern is no constant, or one that the two read differently.
    """
    if not isinstance(pattern.literal, str):
        raise Refused("the pattern of GLOB is no constant")
    return f'({as_text(value)} COLLATE "C" ~ {quote_literal(_regular_expression(pattern.literal))})'


def _regular_expression(pattern: str) -> str:
    out, i = "", 0
    while i < len(pattern):
        character = pattern[i]
        i += 1
        if character == "*":
            out += ".*"
        elif character == "?":
            out += "."
        elif character == "[":
            end = pattern.find("]", i + (2 if pattern[i : i + 2] == "^]" else 1))
            if end < 0:
                raise Refused("a [ of GLOB has no ]")
            out += _class(pattern[i:end])
            i = end + 1
        elif character.isascii() and not character.isalnum() and character not in " _-":
            out += f"\\{character}"
        else:
            out += character
    return f"^{out}$"


def _class(members: str) -> str:
    negated, members = members.startswith("^"), members.removeprefix("^")
    if not re.fullmatch(r"(?:[^\W_]-[^\W_]|[^\W_]|[ _.,:;@/+])+", members):
        raise Refused(f"the character class [{members}] of GLOB")
    if any(first > last for first, last in re.findall(r"(.)-(.)", members)):
        raise Refused(f"the character class [{members}] of GLOB")
    return f"[{'^' if negated else ''}{members}]"
