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
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import (
    blob_objects,
    cast_codecs,
    json_values,
    moment_codecs,
    object_values,
    shapes,
    text_codecs,
    user_folders,
    user_ids,
    uuids,
)
from migrator_tui.convert.codec import (
    BLOB,
    INTEGER,
    REAL,
    TEXT,
    Codec,
    CodecError,
    as_text,
    differences,
    encode,
    same,
    utf8,
)
from migrator_tui.convert.moment_codecs import ROUNDED
from migrator_tui.convert.spellings import BOOLEANS
from migrator_tui.convert.text_codecs import classes_told_apart, exact_text, tells_classes_apart

__all__ = [
    "BLOB",
    "INTEGER",
    "MAX_PRECISION",
    "REAL",
    "ROUNDED",
    "TEXT",
    "Codec",
    "CodecError",
    "classes_told_apart",
    "codec",
    "differences",
    "encode",
    "exact_text",
    "exists",
    "same",
    "tells_classes_apart",
    "with_folders",
    "with_matched",
]

MAX_PRECISION = 76
"""Digits of Arrow's widest decimal."""


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


def _same_array(values: pa.Array) -> pa.Array:
    return values


def _cast(to: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    return lambda values: values.cast(to)


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
        read_back=as_text,
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
        to_target=lambda values: object_values.rewritten(utf8(values), prefix, base),
        to_source=lambda sent: object_values.original(sent, prefix, base),
        read_back=as_text,
    )


def _object_of_blob(name: str, argument: str) -> Codec | None:
    found = blob_objects.of_codec(name)
    if found is None:
        return None
    return Codec(
        name,
        TEXT,
        to_target=lambda values: object_values.rewritten(utf8(values), "", found.base),
        to_source=lambda sent: object_values.original(sent, "", found.base),
        select=found.path,
        read_back=as_text,
    )


def _object_of_user(name: str, argument: str) -> Codec | None:
    found = user_folders.of_codec(name)
    if found is None:
        return None
    return Codec(
        name,
        TEXT,
        to_target=lambda values: object_values.rewritten(utf8(values), found.prefix, found.base),
        to_source=None,
        read_back=as_text,
        mapped=True,
    )


def _user_id(name: str, namespace: str) -> Codec | None:
    if not user_ids.is_namespace(namespace):
        return None
    of_text = name.startswith(f"{user_ids.OF_TEXT}:")
    return Codec(
        name,
        TEXT if of_text else INTEGER,
        lambda values: user_ids.to_uuids(utf8(values) if of_text else values, namespace),
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
        to_target=lambda values: folders.all_rewritten(utf8(values), found),
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
        Codec("text", TEXT, utf8, _same_array, read_back=as_text),
        # Only digits that the number is written with; '007' does not come back, and is refused.
        Codec("integer-of-text", TEXT, _cast(pa.int64()), _cast(pa.string())),
        Codec("integer4-of-text", TEXT, _cast(pa.int32()), _cast(pa.string())),
        Codec("integer2-of-text", TEXT, _cast(pa.int16()), _cast(pa.string())),
        Codec("text-of-integer", INTEGER, _cast(pa.string()), _cast(pa.int64()), read_back=as_text),
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
        Codec("json", TEXT, utf8, _same_array, read_back=as_text),
        Codec(
            "jsonb",
            TEXT,
            to_target=lambda values: pc.binary_join_element_wise(
                pa.scalar(json_values.VERSION, pa.binary()),
                json_values.kept(values).cast(pa.binary()),
                pa.scalar(b"", pa.binary()),
            ),
            to_source=lambda sent: json_values.without_version(sent),
            read_back=as_text,
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
    "text": text_codecs.text,
    "boolean": _boolean_text,
    "uuid": _uuid,
    "timestamp": moment_codecs.moment,
    "timestamptz": moment_codecs.moment,
    "date": moment_codecs.moment,
    "time": moment_codecs.moment,
    "object-key": _object,
    "object-url": _object,
    blob_objects.CODEC: _object_of_blob,
    user_folders.KEY: _object_of_user,
    user_folders.URL: _object_of_user,
    user_ids.OF_INTEGER: _user_id,
    user_ids.OF_TEXT: _user_id,
    **dict.fromkeys(cast_codecs.NAMES, cast_codecs.cast),
}
