"""Values that are put into a column: what a DEFAULT or a generated column gives, in the column's type."""

from __future__ import annotations

import json
import re
import uuid

from migrator_tui.convert import grammar
from migrator_tui.convert.identifiers import quote_literal
from migrator_tui.convert.operands import (
    Operand,
    Refused,
    Storage,
    as_text,
    condition,
    family,
    literal,
    number_of,
    plain,
    text_of,
)
from migrator_tui.convert.scalars import Scalars
from migrator_tui.convert.scope import Scope
from migrator_tui.convert.several_classes import spelling

_TRUE = frozenset({"t", "true", "1", "y", "yes", "on"})
_FALSE = frozenset({"f", "false", "0", "n", "no", "off"})
_DATE = r"\d{4}-\d\d-\d\d"
_MOMENT = _DATE + r"[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?"
_ZONE = r"(Z|[+-]\d\d:\d\d)"


def operand(expression: str, *, utf16: bool = False) -> Operand:
    """The value of a DEFAULT, where a bare word and a name in double quotes are texts.

    Raises:
        Refused: Something in it has no equivalent.
    """
    stripped = expression.strip()
    if re.fullmatch(r'"(?:[^"]|"")*"', stripped):
        return literal(stripped[1:-1].replace('""', '"'))
    if re.fullmatch(r"[^\W\d]\w*", stripped) and stripped.lower() not in _KEYWORDS:
        return literal(stripped)
    parsed = grammar.expression(expression, utf16=utf16)
    return Scalars(parsed, Scope()).operand(parsed.tree)


_KEYWORDS = frozenset({"null", "true", "false", "current_timestamp", "current_date", "current_time"})


def assigned(value: Operand, target_type: str) -> str:
    """A value as one of a column's type.

    Raises:
        Refused: It is none of that type.
    """
    kind = family(target_type)
    if value.storage is Storage.NULL:
        return "NULL"
    for wanted, sql in value.assigned:
        if wanted == kind:
            return sql
    if value.literal is not None:
        return _constant(value.literal, kind, target_type)
    if kind == "boolean" and value.form in ("boolean", "plain"):
        return condition(value)
    same = value.form != "plain" and family(value.type) == kind
    if same and (kind != "enum" or value.type == target_type):
        return value.sql
    source = plain(value)
    allowed = {
        "integer": (Storage.INTEGER,),
        "double": (Storage.INTEGER, Storage.REAL, Storage.NUMBER),
        "numeric": (Storage.INTEGER, Storage.REAL, Storage.NUMBER),
        "text": (Storage.TEXT, Storage.INTEGER),
        "citext": (Storage.TEXT, Storage.INTEGER),
        "bytea": (Storage.BLOB,),
    }
    if kind == "uuid" and source.storage is Storage.TEXT:
        return f"({source.sql})::uuid"
    if source.storage not in allowed.get(kind, ()):
        raise Refused(f"it gives {source.storage.said}, and the column is of type {target_type}")
    return as_text(source) if kind in ("text", "citext") else source.sql


def assigned_to_several(value: Operand, affinity: str, classes: frozenset[str]) -> str:
    """A value as a column spells it that holds several storage classes (:mod:`migrator_tui.convert.several_classes`).

    Raises:
        Refused: What SQLite would store is not known, or of a class that the column does not hold.
    """
    if value.storage is Storage.NULL:
        return "NULL"
    if value.literal is None:
        if value.storage is Storage.TEXT and {"date", "time", "timestamp", "timestamptz"} & {
            kind for kind, _ in value.assigned
        }:
            return as_text(value)  # a moment as it is written looks like no other class
        raise Refused("its column holds several storage classes")
    stored = value.literal
    if affinity == "TEXT" and isinstance(stored, int | float):
        stored = text_of(stored)
    elif affinity not in ("TEXT", "BLOB"):
        number = number_of(stored) if isinstance(stored, str) else stored
        if isinstance(number, int | float):
            whole = affinity != "REAL" and float(number).is_integer() and abs(number) < 2**53
            stored = int(number) if whole or (isinstance(number, int) and affinity != "REAL") else float(number)
    written = spelling(stored, classes)
    if written is None:
        raise Refused(f"the column holds no value of its class, and {stored!r} could not be told from a text there")
    return literal(written).sql


def _constant(value: str | int | float | bytes, kind: str, target_type: str) -> str:
    sql = None
    if isinstance(value, bytes):
        sql = literal(value).sql if kind == "bytea" else None
    elif kind == "bytea":
        sql = literal(value.encode()).sql if isinstance(value, str) else None
    elif kind in ("text", "citext"):
        sql = literal(value if isinstance(value, str) else text_of(value)).sql
    elif kind == "boolean":
        word = str(value).lower()
        sql = "true" if word in _TRUE else "false" if word in _FALSE else None
    elif kind in ("integer", "double", "numeric"):
        sql = _number(value, kind)
    elif isinstance(value, str):
        sql = _typed(value, kind, target_type)
    if sql is None:
        raise Refused(f"{value!r} is no value of type {target_type}")
    return sql


def _number(value: str | int | float, kind: str) -> str | None:
    number = number_of(value) if isinstance(value, str) else value
    if isinstance(number, float) and number.is_integer() and abs(number) < 2**53:
        number = int(number)
    if number is None or (kind == "integer" and isinstance(number, float)):
        return None
    return literal(number).sql.removeprefix("(").removesuffix(")")


def _typed(value: str, kind: str, target_type: str) -> str | None:
    return f"{quote_literal(value)}::{target_type}" if _is_written_as(value, kind) else None


def _is_written_as(value: str, kind: str) -> bool:
    patterns = {"date": _DATE, "timestamp": f"{_DATE}|{_MOMENT}", "timestamptz": _MOMENT + _ZONE, "time": _CLOCK}
    if kind in patterns:
        return re.fullmatch(patterns[kind], value) is not None
    try:
        if kind == "uuid":
            return str(uuid.UUID(value)) == value.lower()
        if kind in ("json", "jsonb"):
            json.loads(value)
            return True
    except ValueError:
        return False
    return kind == "enum"
