"""Comparisons: which values SQLite takes for equal or less, said so that Postgres does too."""

from __future__ import annotations

from datetime import datetime

from migrator_tui.convert.identifiers import quote_literal
from migrator_tui.convert.operands import (
    BOOLEAN_SPELLINGS,
    Operand,
    Refused,
    Storage,
    as_text,
    family,
    literal,
    number_of,
    plain,
    text_of,
)
from migrator_tui.convert.spellings import spelling


def fold_case(sql: str) -> str:
    """Lower case of the letters A to Z alone, which is what SQLite's NOCASE and ``lower`` change."""
    return f'lower({sql} COLLATE "C")'


def compared(left: Operand, right: Operand, *, ordered: bool = False) -> tuple[str, str]:
    """Two values as operands of a Postgres comparison that comes out as SQLite's.

    Args:
        ordered: It asks for less or greater, not only for equal.

    Raises:
        Refused: No such comparison is known.
    """
    for one, other, swapped in ((left, right, False), (right, left, True)):
        pair = _compared_to_literal(one, other, ordered)
        if pair:
            return (pair[1], pair[0]) if swapped else pair
    if left.form == right.form != "plain" and left.form != "mixed" and _same_kind(left, right, ordered):
        return left.sql, right.sql
    a, b = _apply_affinity(plain(left), plain(right))
    if Storage.NULL in (a.storage, b.storage):
        return a.sql, b.sql
    if a.storage.numeric and b.storage.numeric:
        return a.sql, b.sql
    if a.storage is not b.storage:
        raise Refused(f"{a.storage.said} is compared with {b.storage.said}, which in Postgres have no order")
    return _collated(a, b, ordered) if a.storage is Storage.TEXT else (a.sql, b.sql)


def collated(operand: Operand) -> str:
    """A value as SQLite sorts it.

    Raises:
        Refused: Its order is another one in Postgres.
    """
    if operand.form in ("boolean", "numeric-cast"):
        return operand.sql
    if operand.form == "moment" and (written := spelling(operand.codec)) and written.sortable:
        return operand.sql
    value = plain(operand)
    if value.storage is not Storage.TEXT:
        return value.sql
    match value.collation or "BINARY":
        case "BINARY":
            return f'{value.sql} COLLATE "C"'
        case "NOCASE":
            return fold_case(value.sql)
        case other:
            raise Refused(f"the collation {other} has no equivalent")


def _same_kind(left: Operand, right: Operand, ordered: bool) -> bool:
    if family(left.type) != family(right.type) or left.codec != right.codec:
        return False
    if left.form == "moment":
        written = spelling(left.codec)
        return written is not None and (written.sortable or not ordered)
    return left.form == "boolean" or family(left.type) == "uuid"


def _compared_to_literal(value: Operand, constant: Operand, ordered: bool) -> tuple[str, str] | None:
    """The short forms: a boolean with 0 or 1, a date with a date that is written alike."""
    if constant.literal is None:
        return None
    if value.form == "boolean" and value.literal is None and constant.literal in (0, 1) and constant.form == "plain":
        return value.sql, "TRUE" if constant.literal else "FALSE"
    if value.form == "boolean-text" and constant.literal in BOOLEAN_SPELLINGS[value.codec]:
        return value.sql, "TRUE" if constant.literal == BOOLEAN_SPELLINGS[value.codec][0] else "FALSE"
    if value.form == "moment" and isinstance(constant.literal, str):
        written = spelling(value.codec)
        if written and written.fits(constant.literal) and (written.iso or not ordered) and _exists(constant.literal):
            return value.sql, f"{quote_literal(constant.literal)}::{value.type}"
    return None


def _apply_affinity(a: Operand, b: Operand) -> tuple[Operand, Operand]:
    """SQLite's conversion of a constant to its partner's affinity (sqlite.org/datatype3.html, section 4.2)."""
    numeric = ("INTEGER", "REAL", "NUMERIC")
    for one, other, swapped in ((a, b, False), (b, a, True)):
        if other.affinity in numeric or other.literal is None:
            continue
        converted = other
        if one.affinity in numeric and isinstance(other.literal, str) and other.affinity != "TEXT":
            number = number_of(other.literal)
            if number is not None:
                converted = literal(number)
        elif one.affinity == "TEXT" and isinstance(other.literal, int | float) and not other.affinity:
            converted = literal(text_of(other.literal))
        if converted is not other:
            return (converted, one) if swapped else (one, converted)
    for one, other, swapped in ((a, b, False), (b, a, True)):
        if one.affinity in numeric and other.storage is Storage.TEXT and other.affinity not in numeric:
            known = isinstance(other.literal, str)
            if one.storage is Storage.TEXT and not known:
                raise Refused("a column that SQLite would read as a number is compared with texts")
            if one.storage is Storage.INTEGER:
                read = _read_as_number(other)
                return (read, one) if swapped else (one, read)
        if one.affinity == "TEXT" and other.storage.numeric and not other.affinity and other.literal is None:
            if other.storage is not Storage.INTEGER or one.storage is not Storage.TEXT:
                raise Refused("a number is compared with a text")
            written = Operand(as_text(other), Storage.TEXT, type="text")
            return (written, one) if swapped else (one, written)
    return a, b


_NUMBER = r"^[ \t\n\r\f\v]*[+-]?(\d{1,18}\.?\d{0,18}|\.\d{1,18})([eE][+-]?\d{1,2})?[ \t\n\r\f\v]*$"


def _read_as_number(value: Operand) -> Operand:
    """A text that is compared with an integer: the number that it is, or what is above every number."""
    if value.volatile:
        raise Refused("a random value is compared several times")
    if isinstance(value.literal, str):
        return Operand("'NaN'::numeric", Storage.NUMBER, type="numeric")
    sql = value.sql
    number = f"CASE WHEN {sql} ~ '{_NUMBER}' THEN {sql}::numeric WHEN {sql} IS NOT NULL THEN 'NaN' END"
    return Operand(f"({number})", Storage.NUMBER, type="numeric")


def _collated(a: Operand, b: Operand, ordered: bool) -> tuple[str, str]:
    if a.explicit_collation or not b.explicit_collation:
        collation = a.collation or b.collation or "BINARY"
    else:
        collation = b.collation or "BINARY"
    if collation == "NOCASE":
        return fold_case(a.sql), fold_case(b.sql)
    if collation != "BINARY":
        raise Refused(f"the collation {collation} has no equivalent")
    return (f'{a.sql} COLLATE "C"' if ordered else a.sql), b.sql


def _exists(written: str) -> bool:
    """Whether a date that is written as ISO 8601 is one; Postgres refuses the 30th of February."""
    try:
        datetime.fromisoformat(written)
    except ValueError:
        return False
    return True
