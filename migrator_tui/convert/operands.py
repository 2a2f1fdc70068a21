"""Values inside an expression: what SQLite takes them for, and the Postgres expression that is the same value.

SQLite gives each value a storage class and each column an affinity, and its operators go by both
(sqlite.org/datatype3.html). Postgres goes by types. An :class:`Operand` carries both, so that an operator is translated
only where they say the same thing; everything else is a :class:`Refused`, with its reason.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from migrator_tui.convert import cast_codecs
from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.convert.spellings import BOOLEANS, spelling

INT4_MAX = 2**31 - 1
INT8_MAX = 2**63 - 1

BOOLEAN_SPELLINGS = {f"boolean:{name}": written for name, written in BOOLEANS.items()}


class Refused(Exception):
    """An expression that has no Postgres expression of the same meaning; the message says why."""


class Storage(StrEnum):
    """What a value is for SQLite. ``NUMBER`` is an integer in some rows and a real in others."""

    NULL = "null"
    INTEGER = "integer"
    REAL = "real"
    NUMBER = "number"
    TEXT = "text"
    BLOB = "blob"

    @property
    def said(self) -> str:
        """With its article, for a sentence."""
        return f"an {self.value}" if self is Storage.INTEGER else f"a {self.value}"

    @property
    def numeric(self) -> bool:
        """Whether it is a number of any kind."""
        return self in (Storage.INTEGER, Storage.REAL, Storage.NUMBER)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a column that an expression reads.

    Attributes:
        type: Its Postgres type.
        codec: Its codec's name; without it, the type's most natural source is assumed (integers 0 and 1 for
            ``boolean``, reals for ``double precision``), and dates cannot be compared with texts.
        affinity: SQLite's affinity of the declared type; without it, the one that fits the Postgres type.
        collation: ``NOCASE`` or ``RTRIM`` where the source's column says so.
        target: Its name on the target; empty where that is the same.
        utf16: SQLite keeps the texts of its database as UTF-16, so that their bytes are others than on the target.
    """

    type: str
    codec: str = ""
    affinity: str = ""
    collation: str = "BINARY"
    target: str = ""
    utf16: bool = False


@dataclass(frozen=True, slots=True)
class Operand:
    """One value inside an expression.

    Attributes:
        sql: Postgres expression, safe to use as an operand as it is.
        storage: What SQLite takes it for.
        form: ``plain``, where Postgres' type is the natural one of the storage class; else how the source's value
            is had from it (:func:`plain`): ``boolean``, ``boolean-text``, ``moment``, ``text-cast``, ``numeric-cast``,
            ``mixed``.
        type: Postgres type, where it is known.
        affinity: As comparisons see it: a column's or cast's; empty for every other expression.
        collation: A column's or an explicit one; None for every other expression.
        explicit_collation: It was written with COLLATE, and so wins over a column's.
        literal: The value of a constant.
        column: It is a column as it stands.
        assigned: Postgres type family → expression of the same moment in that type, for defaults.
        least: A number that it is never below, where one is known.
        note: What a person should know about the translation.
    """

    sql: str
    storage: Storage
    form: str = "plain"
    type: str = ""
    affinity: str = ""
    codec: str = ""
    collation: str | None = None
    explicit_collation: bool = False
    literal: str | int | float | bytes | None = None
    column: bool = False
    assigned: tuple[tuple[str, str], ...] = ()
    least: int | None = None
    note: str = ""

    @property
    def volatile(self) -> bool:
        """Written twice, it would be two values."""
        return "gen_random_uuid()" in self.sql


NULL = Operand("NULL", Storage.NULL)


def boolean(sql: str) -> Operand:
    """A condition, which is 0 or 1 for SQLite."""
    return Operand(sql, Storage.INTEGER, form="boolean", type="boolean")


def integer(sql: str) -> Operand:
    """A bigint expression."""
    return Operand(sql, Storage.INTEGER, type="bigint")


def text(sql: str) -> Operand:
    """A text expression."""
    return Operand(sql, Storage.TEXT, type="text")


def real(sql: str) -> Operand:
    """A double precision expression."""
    return Operand(sql, Storage.REAL, type="double precision")


def literal(value: str | int | float | bytes) -> Operand:
    """A constant.

    Raises:
        Refused: Postgres cannot write it.
    """
    if isinstance(value, bytes):
        return Operand(f"'\\x{value.hex()}'::bytea", Storage.BLOB, type="bytea", literal=value)
    if isinstance(value, str):
        if "\0" in value:
            raise Refused("it holds a text with a NUL character")
        return Operand(quote_literal(value), Storage.TEXT, type="text", literal=value)
    if isinstance(value, int):
        if not -INT8_MAX - 1 <= value <= INT8_MAX:
            return literal(float(value))
        sql = str(value) if value >= 0 else f"({value})"
        width = "integer" if abs(value) <= INT4_MAX else "bigint"
        return Operand(sql, Storage.INTEGER, type=width, literal=value, least=value)
    if math.isinf(value) or math.isnan(value):
        return Operand(f"'{value}'::double precision", Storage.REAL, type="double precision", literal=value)
    sql = repr(value) if value >= 0 else f"({value!r})"
    return Operand(sql, Storage.REAL, type="numeric", literal=value)


def family(type_name: str) -> str:
    """The family of a Postgres type: ``text``, ``integer``, ``double``, ``numeric`` …, ``enum`` or ``other``."""
    if type_name.startswith('"') or '."' in type_name:
        return "enum"
    lower = re.sub(r"\s*\([^)]*\)", "", type_name.strip().lower())
    return _FAMILIES.get(lower, "other")


_FAMILIES = {
    name: family_name
    for family_name, names in {
        "boolean": ("boolean", "bool"),
        "integer": ("bigint", "integer", "smallint", "int", "int2", "int4", "int8"),
        "double": ("double precision", "float8"),
        "numeric": ("numeric", "decimal"),
        "text": ("text", "character varying", "varchar"),
        "citext": ("citext",),
        "bytea": ("bytea",),
        "date": ("date",),
        "timestamp": ("timestamp without time zone", "timestamp"),
        "timestamptz": ("timestamp with time zone", "timestamptz"),
        "time": ("time without time zone", "time"),
        "uuid": ("uuid",),
        "json": ("json",),
        "jsonb": ("jsonb",),
    }.items()
    for name in names
}

_AFFINITIES = {
    "boolean": "NUMERIC",
    "integer": "INTEGER",
    "double": "REAL",
    "numeric": "NUMERIC",
    "bytea": "BLOB",
    "date": "NUMERIC",
    "timestamp": "NUMERIC",
    "timestamptz": "NUMERIC",
    "time": "NUMERIC",
}


def column(sql: str, known: Known) -> Operand:
    """A column's value."""
    kind = family(known.type)
    base = Operand(
        sql,
        Storage.TEXT,
        type=known.type,
        affinity=known.affinity or _AFFINITIES.get(kind, "TEXT"),
        codec=known.codec,
        collation=known.collation.upper(),
        column=True,
    )
    if known.codec in BOOLEAN_SPELLINGS:
        return replace(base, form="boolean-text")
    if known.codec.partition(":")[0] in cast_codecs.NAMES:  # only the text of a text is what the source holds
        return replace(base, form="text-cast" if known.codec == "cast" else "mixed")
    match kind:
        case "boolean":
            return replace(base, storage=Storage.INTEGER, form="boolean")
        case "integer":
            return replace(base, storage=Storage.INTEGER)
        case "double":
            return replace(base, storage=Storage.NUMBER if known.codec == "real-numeric" else Storage.REAL)
        case "numeric" if known.codec == "integer-numeric":
            return replace(base, storage=Storage.INTEGER, form="numeric-cast")
        case "numeric":
            return replace(base, storage=Storage.NUMBER)
        case "text" if known.codec in ("", "text"):
            return base
        case "bytea" if known.codec in ("", "blob"):
            return replace(base, storage=Storage.BLOB)
        case "date" | "time" | "timestamp" | "timestamptz":
            return replace(base, form="moment")
        case "citext":
            return replace(base, form="text-cast", collation="NOCASE")
        case "uuid" if known.codec in ("uuid:upper", "uuid:hex", "uuid-of-blob"):
            return replace(base, form="mixed")  # the source writes it otherwise than Postgres does
        case "uuid" | "json" | "enum":
            return replace(base, form="text-cast")
        case _:
            return replace(base, form="mixed")


def plain(operand: Operand) -> Operand:
    """The value as SQLite has it: 0 or 1 for a boolean, the written text for a date.

    Raises:
        Refused: That cannot be had from the Postgres value.
    """
    kept = replace(operand, form="plain", column=False, type="text")
    match operand.form:
        case "plain":
            return operand
        case "boolean":
            return replace(kept, sql=f"({operand.sql})::integer", type="integer")
        case "boolean-text":
            true, false = BOOLEAN_SPELLINGS[operand.codec]
            return replace(kept, sql=f"CASE {operand.sql} WHEN TRUE THEN '{true}' WHEN FALSE THEN '{false}' END")
        case "moment":
            written = spelling(operand.codec)
            if written is None or (written.zone is None) == (family(operand.type) == "timestamptz"):
                raise Refused(f"{operand.sql} is a {operand.type}, and how its texts were written is not known here")
            return replace(kept, sql=written.text(operand.sql))
        case "text-cast":
            return replace(kept, sql=f"({operand.sql})::text")
        case "numeric-cast":
            return replace(kept, sql=f"({operand.sql})::bigint", type="bigint")
        case _:
            raise Refused(f"the values of {operand.sql} become {operand.type} and are not compared as in SQLite")


def as_text(operand: Operand) -> str:
    """The text that SQLite makes of a value.

    Raises:
        Refused: Postgres would write it otherwise (reals), or it is no text (blobs).
    """
    value = plain(operand)
    if value.storage is Storage.NULL:
        return "NULL::text"
    if value.storage is Storage.TEXT:
        return value.sql if value.literal is None else f"{value.sql}::text"
    if isinstance(value.literal, int):
        return f"'{value.literal}'::text"
    if value.storage is Storage.INTEGER:
        return f"({value.sql})::text"
    raise Refused(f"{value.storage.said} is written as text, which the two databases do differently")


def condition(operand: Operand) -> str:
    """A value as a condition: what is not 0 is true.

    Raises:
        Refused: It is a text or blob, of which SQLite makes a number first.
    """
    if operand.form == "boolean":
        return operand.sql
    value = plain(operand)
    if value.storage is Storage.NULL:
        return "NULL::boolean"
    if isinstance(value.literal, int):
        return "TRUE" if value.literal else "FALSE"
    if not value.storage.numeric:
        raise Refused(f"{value.storage.said} is used as a condition")
    return f"({value.sql} <> 0)"


def as_integer(operand: Operand) -> str:
    """An integer as Postgres' bigint.

    Raises:
        Refused: It is no integer.
    """
    value = plain(operand)
    if value.storage is Storage.NULL:
        return "NULL::bigint"
    if value.storage is not Storage.INTEGER:
        raise Refused(f"{value.storage.said} is used where an integer is needed")
    return value.sql if value.type == "bigint" else f"{value.sql}::bigint"


def as_written_number(operand: Operand) -> Operand:
    """The number that a text is known to be written as, such as a year; else the value itself."""
    for kind, sql in operand.assigned:
        if kind == "integer" and operand.storage is Storage.TEXT:
            return integer(sql)
    return operand


def number_of(written: str) -> int | float | None:
    """The number that a text is for SQLite's numeric affinity, or None where it stays a text."""
    stripped = written.strip(" \t\n\v\f\r")
    if re.fullmatch(r"[+-]?\d+", stripped):
        value = int(stripped)
        return value if -INT8_MAX - 1 <= value <= INT8_MAX else float(value)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", stripped):
        return float(stripped)
    return None


def text_of(value: float) -> str:
    """The text that SQLite makes of a number: 15 digits, and always a point in a real."""
    if isinstance(value, int):
        return str(value)
    written = f"{value:.15g}"
    mantissa, e, exponent = written.partition("e")
    return (mantissa if "." in mantissa else mantissa + ".0") + e + exponent


def unify(operands: Sequence[Operand], what: str) -> tuple[list[str], Operand]:
    """Values of which one is the result (CASE, COALESCE, UNION): their expressions in one type, and that result.

    Raises:
        Refused: They are of classes that no one Postgres type holds.
    """
    typed = [operand for operand in operands if operand.storage is not Storage.NULL]
    if not typed:
        return [operand.sql for operand in operands], NULL
    first = typed[0]
    alike = all((o.form, family(o.type), o.codec) == (first.form, family(first.type), first.codec) for o in typed)
    if first.form != "plain" and alike and (family(first.type) != "enum" or len({o.type for o in typed}) == 1):
        return [operand.sql for operand in operands], replace(first, sql="", column=False, affinity="", collation=None)
    values = [plain(operand) for operand in operands]
    storages = {value.storage for value in values} - {Storage.NULL}
    # SQLite takes the collation of what it compares, not of what a CASE returns; one that matters is refused there.
    result = Operand("", first.storage, type="", note=next((o.note for o in operands if o.note), ""))
    if len(storages) == 1:
        (storage,) = storages
        types = {Storage.INTEGER: "bigint", Storage.REAL: "double precision", Storage.TEXT: "text"}
        if storage is Storage.REAL and all(value.literal is not None for value in values if value.sql != "NULL"):
            return [f"{value.sql}::double precision" for value in values], replace(
                result, storage=storage, type="double precision"
            )
        return [value.sql for value in values], replace(result, storage=storage, type=types.get(storage, ""))
    if all(storage.numeric for storage in storages):
        return [f"({value.sql})::double precision" for value in values], replace(
            result, storage=Storage.NUMBER, type="double precision"
        )
    kinds = " and ".join(sorted(storages))
    raise Refused(f"{what} gives {kinds} by turns, and a Postgres expression has one type")


def quoted_column(alias: str, name: str) -> str:
    """A column's name, after its table's where there is one."""
    return f"{quote(alias)}.{quote(name)}" if alias else quote(name)
