"""Arithmetic: whole numbers stay whole, and what SQLite gives NULL for is no error."""

from __future__ import annotations

from dataclasses import replace

from migrator_tui.convert.operands import (
    NULL,
    Operand,
    Refused,
    Storage,
    as_integer,
    as_written_number,
    integer,
    plain,
    real,
)


def arithmetic(sign: str, left: Operand, right: Operand) -> Operand:
    """Two numbers added, subtracted, multiplied, divided, or the rest of their division.

    Raises:
        Refused: One is no number, or the result depends on how each row's numbers are stored.
    """
    a, b = as_written_number(plain(left)), as_written_number(plain(right))
    if Storage.NULL in (a.storage, b.storage):
        return NULL
    if not (a.storage.numeric and b.storage.numeric):
        other = b if a.storage.numeric else a
        raise Refused(f"{sign} makes numbers of {other.storage.said} first")
    if a.storage is b.storage is Storage.INTEGER:
        first = a.sql if "bigint" in (a.type, b.type) else f"{a.sql}::bigint"
        whole = integer(f"({first} {sign} {_divisor(b) if sign in '/%' else b.sql})")
        return replace(whole, least=_least(sign, a.least, b.least))
    if sign == "%":
        raise Refused("% makes integers of its operands first")
    if Storage.REAL not in (a.storage, b.storage):
        if sign == "/":
            raise Refused(
                "/ cuts the fraction where both numbers are stored as integers, which differs from row to row"
            )
        return replace(a, sql=f"({a.sql} {sign} {b.sql})", storage=Storage.NUMBER, type="", affinity="", column=False)
    first = a.sql if "double precision" in (a.type, b.type) else f"{a.sql}::double precision"
    return real(f"({first} {sign} {_divisor(b) if sign == '/' else b.sql})")


def bits(sign: str, left: Operand, right: Operand) -> Operand:
    """The bits of two integers joined, or shifted.

    Raises:
        Refused: They are no integers, or shifted by a number that is no constant.
    """
    if sign in ("<<", ">>"):
        if not isinstance(right.literal, int) or not 0 <= right.literal < 64:
            raise Refused("bits are shifted by something other than a number from 0 to 63")
        return integer(f"({as_integer(left)} {sign} {right.literal})")
    return integer(f"({as_integer(left)} {sign} {as_integer(right)})")


def _least(sign: str, left: int | None, right: int | None) -> int | None:
    if left is None or left < 0:
        return None
    if sign == "%":
        return 0
    return left + right if sign == "+" and right is not None else None


def _divisor(value: Operand) -> str:
    """SQLite gives NULL for a division by zero, Postgres an error."""
    return value.sql if value.literal else f"NULLIF({value.sql}, 0)"
