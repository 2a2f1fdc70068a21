"""SQLite's functions (sqlite.org/lang_corefunc.html, lang_aggfunc.html) of which the Postgres equal is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlglot import exp

from migrator_tui.convert import moments
from migrator_tui.convert.comparisons import collated, compared, fold_case
from migrator_tui.convert.identifiers import quote_literal
from migrator_tui.convert.operands import (
    NULL,
    Operand,
    Refused,
    Storage,
    as_integer,
    as_text,
    as_written_number,
    boolean,
    condition,
    integer,
    literal,
    plain,
    real,
    text,
    text_of,
    unify,
)

MAX_RANDOM_BYTES = 64
_RANDOM_HEX = "md5(gen_random_uuid()::text)"
"""32 hexadecimal digits that nobody can guess; pgcrypto's gen_random_bytes is not everywhere."""

OF_BYTES = frozenset({"hex"})
"""Functions that see the bytes of a text, and so how the database encodes it."""

_AGGREGATES = frozenset({"count", "sum", "total", "avg", "group_concat", "string_agg"})


def is_aggregate(name: str, arguments: int) -> bool:
    """Whether a call is an aggregate; ``min`` and ``max`` are with one argument, and choose among several."""
    return name in _AGGREGATES or (name in ("min", "max") and arguments == 1)


def call(name: str, arguments: Sequence[Operand]) -> Operand:
    """Translate a call of a function that is no aggregate.

    Raises:
        Refused: The function, or its use with these arguments, has no equivalent.
    """
    if name in moments.NAMES:
        return moments.call(name, arguments)
    entry = _FUNCTIONS.get(name)
    if entry is None:
        raise Refused(f"the function {name} has no equivalent that is known here")
    least, most, translate = entry
    if not least <= len(arguments) <= most:
        raise Refused(f"the function {name} has {len(arguments)} arguments")
    return translate(*arguments)


def cast(value: Operand, to: exp.Expr) -> Operand:
    """Translate CAST, whose target SQLite reads by affinity.

    Raises:
        Refused: It makes numbers of texts, or texts of reals, which the two databases do differently.
    """
    kind = to.this.name if isinstance(to, exp.DataType) and isinstance(to.this, exp.DType) else ""
    source = plain(value)
    if source.storage is Storage.NULL:
        return NULL
    number = as_written_number(source)
    if kind in ("INT", "BIGINT", "SMALLINT", "TINYINT", "MEDIUMINT", "UBIGINT", "UINT"):
        if number.storage is Storage.INTEGER:
            return replace(integer(as_integer(number)), affinity="INTEGER", least=number.least)
        if source.storage in (Storage.REAL, Storage.NUMBER):
            return replace(integer(f"trunc({source.sql})::bigint"), affinity="INTEGER")
    elif kind in ("TEXT", "VARCHAR", "CHAR", "NVARCHAR", "NCHAR"):
        if isinstance(source.literal, float):
            return replace(literal(text_of(source.literal)), literal=None, affinity="TEXT")
        return replace(text(as_text(source)), affinity="TEXT", collation="BINARY")
    elif kind in ("DOUBLE", "FLOAT") and source.storage.numeric:
        return replace(real(f"({source.sql})::double precision"), affinity="REAL")
    elif kind in ("VARBINARY", "BLOB", "BINARY") and source.storage is Storage.TEXT:
        return Operand(_bytes_of(source), Storage.BLOB, type="bytea")
    raise Refused(f"{source.storage.said} is cast to {kind or 'a type that is not known here'}")


def count_rows(name: str, suffix: str) -> Operand:
    """``count(*)``.

    Raises:
        Refused: Another function has a star.
    """
    if name != "count":
        raise Refused(f"{name}(*) is no function")
    return integer(f"count(*){suffix}")


def aggregate(name: str, arguments: Sequence[Operand], distinct: bool, suffix: str) -> Operand:
    """Translate an aggregate.

    Args:
        suffix: What follows the call: FILTER.

    Raises:
        Refused: The aggregate, or its use with these arguments, has no equivalent.
    """
    word = "DISTINCT " if distinct else ""
    if name == "count" and not arguments:
        return count_rows(name, suffix)
    if not arguments or len(arguments) > (2 if name in ("group_concat", "string_agg") else 1):
        raise Refused(f"the function {name} has {len(arguments)} arguments")
    first = arguments[0]
    if distinct and plain(first).collation not in (None, "BINARY"):
        raise Refused("DISTINCT values of a column that ignores case")
    if name == "count":
        return integer(f"count({word}{first.sql}){suffix}")
    if name in ("group_concat", "string_agg"):
        separator = as_text(arguments[1]) if len(arguments) == 2 else "','"
        return text(f"string_agg({word}{as_text(first)}, {separator}){suffix}")
    if name in ("min", "max"):
        ordered = collated(first)
        if first.form == "boolean":
            return integer(f"{name}({plain(first).sql}){suffix}")
        if ordered.startswith("lower("):
            raise Refused(f"{name} of a column that ignores case")
        kept = first if first.form == "moment" else plain(first)
        return replace(kept, sql=f"{name}({ordered}){suffix}", column=False, affinity="", literal=None)
    value = plain(first)
    if not value.storage.numeric:
        raise Refused(f"{name} makes numbers of {value.storage.said} first")
    if name == "sum" and value.storage is Storage.INTEGER:
        return integer(f"(sum({word}{value.sql}){suffix})::bigint")
    if name == "sum":
        return replace(value, sql=f"sum({word}{value.sql}){suffix}", column=False, affinity="", literal=None)
    if name == "avg":
        return real(f"(avg({word}{value.sql}){suffix})::double precision")
    return real(f"coalesce(sum({word}{value.sql}::double precision){suffix}, 0)")


def random_hex(count: int) -> str:
    """``2 * count`` random hexadecimal digits in lower case."""
    whole = " || ".join([_RANDOM_HEX] * -(-count // 16))
    if count % 16 == 0:
        return f"({whole})" if count > 16 else whole
    return f"substr({whole}, 1, {2 * count})"


def _fold(value: Operand) -> Operand:
    if value.storage is Storage.BLOB and value.codec.startswith("random:"):
        raise Refused("a blob is used as text")
    if value.codec == "random-hex":
        return replace(value, sql=value.sql.removeprefix("upper(")[:-1], codec="")
    return text(fold_case(as_text(value)))


def _upper(value: Operand) -> Operand:
    return text(f'upper({as_text(value)} COLLATE "C")')


def _length(value: Operand) -> Operand:
    if value.storage is Storage.BLOB:
        return replace(integer(f"octet_length({plain(value).sql})"), type="integer")
    return replace(integer(f"length({as_text(value)})"), type="integer", least=0)


def _substr(value: Operand, start: Operand, count: Operand | None = None) -> Operand:
    source, begin = as_text(value), as_integer(start)
    if start.least is not None and start.least >= 0 and start.literal is None:
        begin = f"({begin})::integer"
    elif start.volatile or (value.volatile and start.literal is None):
        raise Refused("substr of random values")
    elif isinstance(start.literal, int):
        begin = str(start.literal) if start.literal >= 0 else f"length({source}) + 1 - {-start.literal}"
    else:
        begin = f"(CASE WHEN {begin} < 0 THEN length({source}) + 1 + {begin} ELSE {begin} END)::integer"
    if count is None:
        return text(f"substr({source}, {begin})")
    if not isinstance(count.literal, int) or count.literal < 0:
        raise Refused("substr takes a number of characters that is no constant, or one below 0")
    return text(f"substr({source}, {begin}, {count.literal})")


def _strip(function: str) -> Callable[..., Operand]:
    def translate(value: Operand, characters: Operand | None = None) -> Operand:
        more = "" if characters is None else f", {as_text(characters)}"
        return text(f"{function}({as_text(value)}{more})")

    return translate


def _replace(value: Operand, old: Operand, new: Operand) -> Operand:
    source, pattern = as_text(value), as_text(old)
    replaced = f"replace({source}, {pattern}, {as_text(new)})"
    if old.literal is not None and old.literal != "":
        return text(replaced)
    if value.volatile or old.volatile:
        raise Refused("replace of random values")
    # SQLite gives the text itself where nothing is to be replaced, also by NULL.
    return text(f"CASE WHEN {pattern} = '' THEN {source} ELSE {replaced} END")


def _instr(value: Operand, part: Operand) -> Operand:
    return replace(integer(f"strpos({as_text(value)}, {as_text(part)})"), type="integer", least=0)


def _coalesce(*values: Operand) -> Operand:
    sqls, result = unify(values, "coalesce")
    return replace(result, sql=f"coalesce({', '.join(sqls)})")


def _nullif(value: Operand, other: Operand) -> Operand:
    if value.volatile:
        raise Refused("nullif of random values")
    left, right = compared(value, other)
    (sql, _), result = unify([value, NULL], "nullif")
    return replace(result, sql=f"CASE WHEN {left} = {right} THEN NULL ELSE {sql} END")


def _iif(test: Operand, yes: Operand, no: Operand = NULL) -> Operand:
    (first, second), result = unify([yes, no], "iif")
    return replace(result, sql=f"CASE WHEN {condition(test)} THEN {first} ELSE {second} END")


def _extreme(function: str) -> Callable[..., Operand]:
    """Scalar ``min`` and ``max`` give NULL where any argument is; GREATEST and LEAST pass NULLs over."""

    def translate(*values: Operand) -> Operand:
        if any(value.volatile for value in values):
            raise Refused("min or max of random values")
        sqls, result = unify(values, "min or max")
        if result.form == "boolean":
            sqls = [plain(value).sql for value in values]
            result = integer("")
        elif result.storage is Storage.TEXT:
            if any(v.collation not in (None, "BINARY") for v in values):
                raise Refused("min or max of texts that ignore case")
            first = replace(values[0], collation=None)
            sqls[0] = collated(first if result.form == "moment" else plain(first))
        nulls = " OR ".join(f"{sql} IS NULL" for sql, value in zip(sqls, values, strict=True) if value.literal is None)
        chosen = f"{function}({', '.join(sqls)})"
        return replace(result, sql=f"CASE WHEN {nulls} THEN NULL ELSE {chosen} END" if nulls else chosen)

    return translate


def _absolute(value: Operand) -> Operand:
    number = plain(value)
    if not number.storage.numeric:
        raise Refused(f"abs makes a number of {number.storage.said} first")
    if number.storage is Storage.INTEGER:
        return replace(integer(f"abs({as_integer(number)})"), least=0)
    return replace(number, sql=f"abs({number.sql})", column=False, affinity="", literal=None)


def _round(value: Operand, digits: Operand | None = None) -> Operand:
    number = plain(value)
    places = 0 if digits is None else digits.literal
    if not number.storage.numeric or not isinstance(places, int) or not 0 <= places <= 15:
        raise Refused("round of something other than a number, or to digits that are no constant")
    # round(double precision) rounds halves to even, SQLite away from zero as numeric does.
    return real(f"round(({number.sql})::numeric, {places})::double precision")


def _typeof(value: Operand) -> Operand:
    if value.storage is Storage.NUMBER or value.form == "mixed":
        raise Refused("typeof of a column that holds values of several classes")
    if value.storage is Storage.NULL:
        return literal("null")
    return text(f"CASE WHEN {value.sql} IS NULL THEN 'null' ELSE '{value.storage.value}' END")


def _bytes_of(value: Operand) -> str:
    """The bytes of a text. convert_to says the same, but may stand in no index and no generated column."""
    return f"replace({as_text(value)}, '\\', '\\\\')::bytea"


def _hex(value: Operand) -> Operand:
    if value.codec.startswith("random:"):
        return replace(text(f"upper({random_hex(int(value.codec[7:]))})"), codec="random-hex")
    source = plain(value)
    if source.storage is Storage.NULL:
        return literal("")
    blob = source.sql if source.storage is Storage.BLOB else _bytes_of(source)
    # hex(NULL) is '' and not NULL.
    return text(f"coalesce(upper(encode({blob}, 'hex')), '')")


def _quote(value: Operand) -> Operand:
    source = plain(value)
    if source.storage is Storage.NULL:
        return literal("NULL")
    if source.volatile:
        raise Refused("quote of random values")
    if source.storage is Storage.TEXT:
        doubled = f"replace({as_text(source)}, chr(39), repeat(chr(39), 2))"
        written = f"chr(39) || {doubled} || chr(39)"
    elif source.storage is Storage.INTEGER:
        written = as_text(source)
    elif source.storage is Storage.BLOB:
        written = f"'X' || chr(39) || upper(encode({source.sql}, 'hex')) || chr(39)"
    else:
        raise Refused("quote writes a real as text, which the two databases do differently")
    return text(f"coalesce({written}, 'NULL')")


def _randomblob(count: Operand) -> Operand:
    if not isinstance(count.literal, int) or not 1 <= count.literal <= MAX_RANDOM_BYTES:
        raise Refused(f"randomblob of something other than 1 to {MAX_RANDOM_BYTES} bytes")
    sql = f"decode({random_hex(count.literal)}, 'hex')"
    return Operand(sql, Storage.BLOB, type="bytea", codec=f"random:{count.literal}")


def _zeroblob(count: Operand) -> Operand:
    if not isinstance(count.literal, int) or not 0 <= count.literal <= 1_000_000:
        raise Refused("zeroblob of something other than a number of bytes")
    return Operand(f"decode(repeat('00', {count.literal}), 'hex')", Storage.BLOB, type="bytea")


def _random() -> Operand:
    return integer(f"('x' || substr({_RANDOM_HEX}, 1, 16))::bit(64)::bigint")


def _unicode(value: Operand) -> Operand:
    return replace(integer(f"NULLIF(ascii({as_text(value)}), 0)"), type="integer")


def _printf(pattern: Operand, *values: Operand) -> Operand:
    if not isinstance(pattern.literal, str):
        raise Refused("the format of printf is no constant")
    parts, rest = [], list(values)
    for token in re.findall(r"%.|[^%]+|%", pattern.literal, re.DOTALL):
        if token == "%%":
            parts.append("'%'")
        elif not token.startswith("%"):
            parts.append(quote_literal(token))
        elif token in ("%s", "%d", "%i") and rest:
            value = plain(rest.pop(0))
            if token == "%s":
                parts.append(f"coalesce({as_text(value)}, '')")
            else:
                parts.append(f"coalesce({as_integer(value)}, 0)::text")
        else:
            raise Refused(f"the format {pattern.literal!r} has no exact equivalent")
    if not parts or rest:
        raise Refused(f"the format {pattern.literal!r} has no exact equivalent")
    return text(f"({' || '.join([parts[0] + '::text', *parts[1:]])})")


def _json_valid(value: Operand) -> Operand:
    if value.type in ("json", "jsonb"):
        return boolean(f"({value.sql} IS NOT NULL OR NULL)")
    if plain(value).storage is not Storage.TEXT:
        raise Refused("json_valid of something other than text")
    # PostgreSQL 16 and later; an older server refuses it, which is found when it is proved there.
    return boolean(f"({as_text(value)} IS JSON)")


def _same(value: Operand, *_: Operand) -> Operand:
    return replace(value, column=False, affinity="")


_FUNCTIONS: dict[str, tuple[int, int, Callable[..., Operand]]] = {
    "abs": (1, 1, _absolute),
    "coalesce": (2, 100, _coalesce),
    "format": (1, 100, _printf),
    "hex": (1, 1, _hex),
    "if": (2, 3, _iif),
    "ifnull": (2, 2, _coalesce),
    "iif": (2, 3, _iif),
    "instr": (2, 2, _instr),
    "json_valid": (1, 1, _json_valid),
    "length": (1, 1, _length),
    "likelihood": (2, 2, _same),
    "likely": (1, 1, _same),
    "lower": (1, 1, _fold),
    "ltrim": (1, 2, _strip("ltrim")),
    "max": (2, 100, _extreme("GREATEST")),
    "min": (2, 100, _extreme("LEAST")),
    "nullif": (2, 2, _nullif),
    "printf": (1, 100, _printf),
    "quote": (1, 1, _quote),
    "random": (0, 0, _random),
    "randomblob": (1, 1, _randomblob),
    "replace": (3, 3, _replace),
    "round": (1, 2, _round),
    "rtrim": (1, 2, _strip("rtrim")),
    "substr": (2, 3, _substr),
    "substring": (2, 3, _substr),
    "trim": (1, 2, _strip("btrim")),
    "typeof": (1, 1, _typeof),
    "unicode": (1, 1, _unicode),
    "unlikely": (1, 1, _same),
    "upper": (1, 1, _upper),
    "zeroblob": (1, 1, _zeroblob),
}
