"""Codecs: how one column's values become what Postgres' binary COPY takes, and what they were before.

A codec is recorded in the plan by its name (``decimal(10,2)``, ``timestamp:iso-datetime-space``). It says how the
column is read from SQLite, what Arrow array is sent, how the sent array is turned back into what was read, and how
the target's column is selected so that it can be compared to the cell. All of it is vectorised.

:func:`encode` proves what it does: for a lossless codec every value is turned back and compared to the bit, so that
nothing which would change on the way can be sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import (
    blob_objects,
    counted_time,
    json_values,
    object_values,
    several_classes,
    shapes,
    user_folders,
    user_ids,
    uuids,
)
from migrator_tui.convert.identifiers import quote, quote_sqlite
from migrator_tui.convert.spellings import BOOLEANS

INTEGER, REAL, TEXT, BLOB = "0", "0.0", "''", "x''"
"""Header literals: the storage class that a column is read as (``sqlite.read``)."""

MAX_PRECISION = 76
"""Digits of Arrow's widest decimal."""


class CodecError(ValueError):
    """A value that the codec cannot carry, or that would not come back the same.

    Attributes:
        index: Position of the first such value in the array.
    """

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


@dataclass(frozen=True, slots=True)
class Codec:
    """One conversion.

    Attributes:
        header: The storage class it is read as.
        select: SQLite expression for a quoted column.
        to_target: What is read → what COPY sends.
        to_source: What COPY sends → what was read; None for a lossy codec.
        read_back: Postgres expression for a quoted column, whose binary form Arrow reads as ``comparable`` gives.
        comparable: What COPY sends → what ``normalise`` makes of what ``read_back`` gives.
        proved: What is read → what ``to_source`` has to give back.
        parts: What ``to_source`` gives → cells by storage class.
        mapped: What was read can be had back by the map of the run, and by it alone.
    """

    name: str
    header: str
    to_target: Callable[[pa.Array], pa.Array]
    to_source: Callable[[pa.Array], pa.Array] | None
    comparable: Callable[[pa.Array], pa.Array] = lambda sent: sent
    normalise: Callable[[pa.Array], pa.Array] = lambda read: read
    select: Callable[[str], str] = lambda column: column
    read_back: Callable[[str], str] = lambda column: column
    proved: Callable[[pa.Array], pa.Array] = lambda read: read
    parts: Callable[[pa.Array], tuple[pa.Array, ...]] = lambda given: (given,)
    mapped: bool = False

    @property
    def lossless(self) -> bool:
        """The identical value and storage class can be had back."""
        return self.to_source is not None

    def source_expression(self, column: str) -> str:
        """The SQLite expression that reads this column, by its unquoted name."""
        return self.select(quote_sqlite(column))

    def target_expression(self, column: str) -> str:
        """The Postgres expression that reads this column back, by its unquoted name."""
        return self.read_back(quote(column))


def same(left: pa.Array, right: pa.Array) -> bool:
    """Equal to the bit: NaN equals NaN, and -0.0 does not equal 0.0."""
    return bool(_bits(left).equals(_bits(right)))


def differences(left: pa.Array, right: pa.Array) -> list[int]:
    """Positions at which two arrays of the same length are not the same."""
    a, b = _bits(left), _bits(right)
    if a.equals(b):
        return []
    unequal = pc.not_equal(a, b)
    one_null = pc.not_equal(pc.is_null(a), pc.is_null(b))
    return pc.indices_nonzero(pc.or_(pc.fill_null(unequal, False), one_null)).to_pylist()  # type: ignore[no-any-return]


def encode(codec: Codec, values: pa.Array) -> pa.Array:
    """Convert an array, and prove that a lossless codec gives every value back.

    Raises:
        CodecError: With the position of the first value that cannot be carried.
    """
    try:
        sent = codec.to_target(values)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError, UnicodeDecodeError) as error:
        raise CodecError(str(error).splitlines()[0], _first_refused(codec, values)) from error
    if codec.to_source is not None:
        changed = differences(_as_bytes(codec.proved(values)), _as_bytes(codec.to_source(sent)))
        if changed:
            raise CodecError(f"the codec {codec.name} would change the value", changed[0])
    lost = pc.indices_nonzero(pc.and_(pc.is_valid(values), pc.is_null(sent)))
    if len(lost):
        raise CodecError(f"the codec {codec.name} cannot read the value", lost[0].as_py())
    return sent


def codec(name: str) -> Codec:
    """The codec of a recorded name.

    Raises:
        KeyError: There is no such codec.
    """
    base, _, argument = name.partition(":")
    if name in _FIXED:
        return _FIXED[name]
    match = re.fullmatch(r"decimal\((\d+),(\d+)\)", name, re.ASCII)
    if match and 0 < int(match[1]) <= MAX_PRECISION and int(match[2]) <= int(match[1]):
        return _decimal(name, int(match[1]), int(match[2]))
    maker = _BY_ARGUMENT.get(base)
    made = maker(name, argument) if maker else None
    if made is None:
        raise KeyError(f"there is no codec {name!r}")
    return made


def exists(name: str) -> bool:
    """Whether a recorded name is a codec's."""
    try:
        codec(name)
    except KeyError:
        return False
    return True


def _bits(values: pa.Array) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    return values.view(pa.int64()) if pa.types.is_float64(values.type) else values


def _as_bytes(values: pa.Array) -> pa.Array:
    # Texts of a snapshot may be none in UTF-8, which only bytes compare.
    return values.view(pa.binary()) if isinstance(values, pa.StringArray) else values


def _first_refused(codec: Codec, values: pa.Array) -> int:
    for index in range(len(values)):
        try:
            codec.to_target(values.slice(index, 1))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError, UnicodeDecodeError):
            return index
    return 0


def _same_array(values: pa.Array) -> pa.Array:
    return values


def _as_text(column: str) -> str:
    return f"{column}::text"


def _cast(to: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    return lambda values: values.cast(to)


def _utf8(values: pa.Array) -> pa.Array:
    return values.cast(pa.binary()).cast(pa.string())  # this cast validates; one from string to string does not


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


def _decimal(name: str, precision: int, scale: int) -> Codec:
    kind = pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)
    return Codec(
        name,
        REAL,
        # Through the shortest text, which is the number a person sees; Arrow's own casts between float and decimal
        # are an ulp off for some values.
        to_target=lambda values: values.cast(pa.string()).cast(kind),
        to_source=lambda sent: sent.cast(pa.string()).cast(pa.float64()),
        select=lambda column: f"CAST({column} AS REAL)",
        read_back=_as_text,
        normalise=lambda read: read.cast(pa.string()).cast(kind),
    )


def _boolean_text(name: str, spelling: str) -> Codec | None:
    if spelling not in BOOLEANS:
        return None
    true, false = BOOLEANS[spelling]

    def to_target(values: pa.Array) -> pa.Array:
        known = pc.is_in(values, pa.array([true, false]))
        return pc.if_else(known, pc.equal(values, true), pa.scalar(None, pa.bool_()))

    return Codec(name, TEXT, to_target, lambda sent: pc.if_else(sent, true, false))


def _moment(name: str, shape: str) -> Codec | None:
    if shape == "mixed":
        return _mixed_moments(name) if not name.startswith("time:") else None
    if shape in counted_time.EPOCHS:
        epoch = counted_time.Integers(shape)
        zoned = name.startswith("timestamptz:")
        return Codec(name, INTEGER, epoch.to_moments, epoch.to_numbers) if zoned else None
    if shape.startswith("real-"):
        return _counted_reals(name, shape.removeprefix("real-"))
    kind = name.partition(":")[0]
    if not (shapes.is_time(shape) if kind == "time" else shapes.is_moment(shape)):
        return None
    sent_as = _MOMENT_TYPES[kind]
    parsed_as = shapes.parse(pa.array([], pa.string()), shape).type
    return Codec(
        name,
        TEXT,
        to_target=lambda values: shapes.parse(values, shape).cast(sent_as),
        to_source=lambda sent: shapes.render(sent.cast(parsed_as), shape),
    )


def _counted_reals(name: str, counted: str) -> Codec | None:
    exact = not counted.endswith(ROUNDED)
    way = counted_time.Reals(counted.removesuffix(ROUNDED))
    if way.name not in counted_time.OF_REALS or name.startswith("timestamptz:") == (way.name == "julian"):
        return None
    if not name.startswith("timestamp"):
        return None
    return Codec(
        name,
        REAL,
        way.to_moments,
        way.to_numbers if exact else None,
        # Whole numbers among them are integers in a column with NUMERIC affinity.
        select=lambda column: f"CAST({column} AS REAL)",
    )


ROUNDED = "-rounded"
"""The end of the names of codecs by which finer moments become whole microseconds."""

_MOMENT_TYPES = {
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "time": pa.time64("us"),
}


def _mixed_moments(name: str) -> Codec:
    kind = name.partition(":")[0]

    def to_target(values: pa.Array) -> pa.Array:
        # A date has no room for a time of day, so that only what is written without one is a date.
        return _parse_mixed(values, shapes.is_date if kind == "date" else shapes.is_moment).cast(_MOMENT_TYPES[kind])

    return Codec(name, TEXT, to_target, None)


def _parse_mixed(values: pa.Array, takes: Callable[[str], bool]) -> pa.Array:
    """Each value by its own shape, as a timestamp without zone; moments with a zone in UTC."""
    found = shapes.classify(values)
    result = pa.nulls(len(values), pa.timestamp("us"))
    for shape in pc.unique(pc.drop_null(found)).to_pylist():
        if not takes(shape):
            continue
        here = pc.fill_null(pc.equal(found, shape), False)
        parsed = shapes.parse(pc.if_else(here, values, pa.scalar(None, pa.string())), shape)
        if getattr(parsed.type, "tz", None):
            parsed = parsed.cast(pa.timestamp("us"))
        result = pc.if_else(here, parsed.cast(pa.timestamp("us")), result)
    return result


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
        read_back=_as_text,
        proved=several_classes.shortest,
        parts=several_classes.by_class,
        select=lambda column: several_classes.SELECT.format(column),
    )


def _text(name: str, how: str) -> Codec | None:
    if how.startswith("exact-"):
        return _exact(name, frozenset(how.removeprefix("exact-").split("+")))
    parts = sorted(how.split("+"))
    steps = [_TEXT_CODECS.get(part) for part in parts if part != "any"]
    if None in steps:
        return None

    def to_target(values: pa.Array) -> pa.Array:
        for step in steps:
            values = step(values) if step else values
        return _utf8(values)

    if "any" not in parts:
        return Codec(name, TEXT, to_target, None, read_back=_as_text)
    # Numbers as SQLite writes them, blobs as their hex digits.
    select = "CASE typeof({0}) WHEN 'blob' THEN hex({0}) ELSE CAST({0} AS TEXT) END"
    return Codec(name, TEXT, to_target, None, read_back=_as_text, select=lambda column: select.format(column))


def _uuid(name: str, written: str) -> Codec | None:
    shape = f"uuid-{written}" if ":" in name else name
    if shape not in shapes.UUIDS:
        return None
    return Codec(
        name,
        TEXT,
        to_target=lambda values: uuids.parse(values, shape),
        to_source=lambda sent: uuids.render(sent, shape),
        read_back=lambda column: f"uuid_send({column})",
        comparable=_cast(pa.binary()),
    )


def _object(name: str, argument: str) -> Codec | None:
    found = object_values.arguments(name.partition(":")[0], argument) if ":" in name else None
    if found is None:
        return None
    prefix, base = found
    return Codec(
        name,
        TEXT,
        to_target=lambda values: object_values.rewritten(_utf8(values), prefix, base),
        to_source=lambda sent: object_values.original(sent, prefix, base),
        read_back=_as_text,
    )


def _object_of_blob(name: str, argument: str) -> Codec | None:
    found = blob_objects.of_codec(name)
    if found is None:
        return None
    return Codec(
        name,
        TEXT,
        to_target=lambda values: object_values.rewritten(_utf8(values), "", found.base),
        to_source=lambda sent: object_values.original(sent, "", found.base),
        select=found.path,
        read_back=_as_text,
    )


def _object_of_user(name: str, argument: str) -> Codec | None:
    found = user_folders.of_codec(name)
    if found is None:
        return None
    return Codec(
        name,
        TEXT,
        to_target=lambda values: object_values.rewritten(_utf8(values), found.prefix, found.base),
        to_source=None,
        read_back=_as_text,
        mapped=True,
    )


def _user_id(name: str, namespace: str) -> Codec | None:
    if not user_ids.is_namespace(namespace):
        return None
    of_text = name.startswith(f"{user_ids.OF_TEXT}:")
    return Codec(
        name,
        TEXT if of_text else INTEGER,
        lambda values: user_ids.to_uuids(_utf8(values) if of_text else values, namespace),
        None,
        comparable=_cast(pa.binary()),
        read_back=lambda column: f"uuid_send({column})",
        mapped=True,
    )


def with_matched(made: Codec, matched: user_ids.Matched) -> Codec:
    """The codec of user ids by which users who were there already keep their UUIDs."""
    return replace(made, to_target=lambda values: matched.over(values, made.to_target(values)))


def with_folders(made: Codec, folders: user_folders.UserFolders) -> Codec:
    """The codec of paths that begin with users' ids, for the users of one source."""
    found = user_folders.of_codec(made.name)
    assert found is not None
    return replace(
        made,
        to_target=lambda values: folders.all_rewritten(_utf8(values), found),
        to_source=lambda sent: folders.all_original(sent, found),
    )


_FIXED: dict[str, Codec] = {
    c.name: c
    for c in (
        Codec("integer", INTEGER, _same_array, _same_array),
        Codec("integer4", INTEGER, _cast(pa.int32()), _cast(pa.int64())),
        Codec("integer2", INTEGER, _cast(pa.int16()), _cast(pa.int64())),
        Codec("real", REAL, _same_array, _same_array),
        # Integers among the reals of a column with NUMERIC affinity: SQLite makes them integers again.
        Codec("real-numeric", REAL, _same_array, _same_array, select=lambda c: f"CAST({c} AS REAL)"),
        Codec("real4", REAL, _cast(pa.float32()), _cast(pa.float64())),
        Codec("text", TEXT, _utf8, _same_array, read_back=_as_text),
        # Only digits that the number is written with; '007' does not come back, and is refused.
        Codec("integer-of-text", TEXT, _cast(pa.int64()), _cast(pa.string())),
        Codec("integer4-of-text", TEXT, _cast(pa.int32()), _cast(pa.string())),
        Codec("integer2-of-text", TEXT, _cast(pa.int16()), _cast(pa.string())),
        Codec("text-of-integer", INTEGER, _cast(pa.string()), _cast(pa.int64()), read_back=_as_text),
        Codec("blob", BLOB, _same_array, _same_array),
        # ``view`` takes the bytes for text unchecked: they are compared, not read.
        Codec("blob-of-text", TEXT, _cast(pa.binary()), lambda sent: sent.view(pa.string())),
        Codec("boolean", INTEGER, _cast(pa.bool_()), _cast(pa.int64())),
        Codec(
            "uuid-of-blob",
            BLOB,
            _cast(pa.binary(16)),
            _cast(pa.binary()),
            read_back=lambda c: f"uuid_send({c})",
            comparable=_cast(pa.binary()),
        ),
        Codec("json", TEXT, _utf8, _same_array, read_back=_as_text),
        Codec(
            "jsonb",
            TEXT,
            to_target=lambda values: pc.binary_join_element_wise(
                pa.scalar(json_values.VERSION, pa.binary()),
                json_values.kept(values).cast(pa.binary()),
                pa.scalar(b"", pa.binary()),
            ),
            to_source=lambda sent: json_values.without_version(sent),
            read_back=_as_text,
            comparable=lambda sent: json_values.canonical(json_values.without_version(sent)),
            normalise=lambda read: json_values.canonical(read),
        ),
        Codec(
            "integer-numeric",
            INTEGER,
            to_target=lambda values: values.cast(pa.decimal128(19, 0)),
            to_source=lambda sent: sent.cast(pa.int64()),
            read_back=lambda c: f"{c}::int8",
            comparable=lambda sent: sent.cast(pa.int64()),
        ),
    )
}

_BY_ARGUMENT: dict[str, Callable[[str, str], Codec | None]] = {
    "text": _text,
    "boolean": _boolean_text,
    "uuid": _uuid,
    "timestamp": _moment,
    "timestamptz": _moment,
    "date": _moment,
    "time": _moment,
    "object-key": _object,
    "object-url": _object,
    blob_objects.CODEC: _object_of_blob,
    user_folders.KEY: _object_of_user,
    user_folders.URL: _object_of_user,
    user_ids.OF_INTEGER: _user_id,
    user_ids.OF_TEXT: _user_id,
}
