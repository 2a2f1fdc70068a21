"""What the columns of one table hold, counted over every row: in SQLite's C where it can, in Arrow's for texts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import constants, counted_time, json_values, shapes
from migrator_tui.convert.declared import affinity_of, may_count_time
from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.errors import SourceError
from migrator_tui.model.profile import Chunk, ColumnProfile
from migrator_tui.model.schema import Column, Table
from migrator_tui.sqlite.chunks import FIXED_BYTES, Gathered, balanced
from migrator_tui.sqlite.read import SnapshotReader

CLASSES = ("integer", "real", "text", "blob")
MAX_DIGITS = 15
"""Decimal digits that a double keeps for certain (DBL_DIG)."""

SAMPLED_ROWS = 100
BATCH_BYTES = 16 << 20
BATCH_ROWS = 65_536

_COLUMNS_PER_QUERY = 60
PARTS_PER_QUERY = 1_900
"""Most parts of columns in one query: SQLite gives no more than 2,000 results."""

_TRIED_TEXTS = 256
_STRANGE = 10  # of so many texts of a column of dates one may be none
_NO_DATE = ("empty", "zero-date")
_MAX_DIFFERENT = 2_000_000
_NO_BYTES = pa.scalar(0, pa.int32())
_HEADERS = {"integer": "0", "real": "0.0", "text": "''", "blob": "x''"}
_ASKS_FOR_SHAPES = re.compile("DATE|TIME|BOOL", re.IGNORECASE)


def asks_for_shapes(column: Column) -> bool:
    """Whether the declared type promises dates or booleans, so that texts are looked at."""
    return _ASKS_FOR_SHAPES.search(column.type) is not None


def class_only(column: str, storage_class: str) -> str:
    """SQL of a column's value where it is of that storage class, else NULL."""
    name = quote_sqlite(column)
    return f"CASE typeof({name}) WHEN '{storage_class}' THEN {name} END"


def guess_classes(reader: SnapshotReader, table: Table) -> dict[str, tuple[str, ...]]:
    """The classes of each column in the first rows; ``text`` where they hold nothing.

    Of a column that turns whole reals into integers by itself, both are guessed where there is one of them.
    """
    guesses: dict[str, tuple[str, ...]] = {}
    for columns in _some(table.columns):
        terms = ", ".join(f"typeof({quote_sqlite(column.name)})" for column in columns)
        rows = reader.scalar_rows(f"SELECT {terms} FROM {_named(table)} LIMIT {SAMPLED_ROWS}")
        for column, found in zip(columns, zip(*rows, strict=True) if rows else [()] * len(columns), strict=True):
            seen = set(found) - {"null"}
            if seen & {"integer", "real"} and affinity_of(column) == "NUMERIC":
                seen |= {"integer", "real"}
            guesses[column.name] = tuple(name for name in CLASSES if name in seen) or ("text",)
    return guesses


def count_classes(reader: SnapshotReader, table: Table) -> dict[str, tuple[str, ...]]:
    """The classes that each column really has, by a look at every cell: for tables that a guess does not fit."""
    classes: dict[str, tuple[str, ...]] = {}
    for columns in _some(table.columns):
        terms = [f"total(typeof({quote_sqlite(c.name)}) = '{name}')" for c in columns for name in CLASSES]
        values = iter(_one_row(reader, table, terms))
        for column in columns:
            counts = {name: next(values) for name in CLASSES}
            classes[column.name] = tuple(name for name, count in counts.items() if count)
    return classes


def examine(
    reader: SnapshotReader,
    table: Table,
    chunks: Sequence[Chunk],
    classes: Mapping[str, Sequence[str]],
    check: Callable[[], None],
    *,
    guessed: bool,
    keep: Collection[str] = (),
    gathered: Gathered | None = None,
) -> tuple[dict[str, ColumnProfile], dict[str, pa.Array]] | None:
    """Everything that the values of a table say, in one pass over its rows.

    They are read chunk by chunk, so that memory is bounded by a chunk's bytes.

    Args:
        classes: The storage classes that are looked for in each column.
        guessed: They are a guess. Each row then says whether it has a cell of another class.
        keep: Columns whose different integers are wanted.
        gathered: Cuts the rows into chunks on the way, where ``chunks`` is one of all of them.

    Returns:
        The profiles and the integers (none of a column with too many); None where a cell has another class.
    """
    parts = [
        _Part(column, name, classes[column.name], column.name in keep)
        for column in table.columns
        for name in classes[column.name]
    ]
    profiles = {column.name: ColumnProfile(column.name) for column in table.columns}
    for start in range(0, max(1, len(parts)), PARTS_PER_QUERY):
        some = parts[start : start + PARTS_PER_QUERY]
        try:
            if not _examine_parts(reader, table, chunks, some, check, guessed=guessed, gathered=gathered):
                return None
        except SourceError:
            if not guessed:
                raise
            return None  # the driver refuses a value of another class; if it was something else it comes again
        for part in some:
            profiles[part.column.name] = part.gathered.onto(profiles[part.column.name])
    rows = sum(chunk.rows for chunk in (gathered.chunks() if gathered else chunks))
    whole = {
        name: replace(found, nulls=rows - found.integers - found.reals - found.texts - found.blobs)
        for name, found in profiles.items()
    }
    found_of = {part.column.name: part.gathered for part in parts}
    return whole, {
        name: found.different
        for name, found in found_of.items()
        if isinstance(found, _Integers) and found.different is not None
    }


def _examine_parts(
    reader: SnapshotReader,
    table: Table,
    chunks: Sequence[Chunk],
    parts: Sequence[_Part],
    check: Callable[[], None],
    *,
    guessed: bool,
    gathered: Gathered | None,
) -> bool:
    columns = [(f"{number}", _HEADERS[part.name], part.expression) for number, part in enumerate(parts)]
    odd = list(dict.fromkeys(part.odd for part in parts if part.odd))
    if guessed and odd:
        columns.append(("odd", "0", balanced(odd, "OR")))
    for chunk in chunks if parts else ():
        per_batch = BATCH_BYTES * chunk.rows // chunk.bytes if chunk.bytes else BATCH_ROWS
        batch_rows = max(1, min(BATCH_ROWS, per_batch))
        for batch in reader.batches(table, columns, chunk.lo, chunk.hi, batch_rows=batch_rows):
            check()
            arrays = batch.columns[1:]
            if gathered is not None:
                gathered.add(batch.column(0), _sizes(table, parts, arrays))
            if guessed and odd and pc.max(arrays[-1]).as_py():
                return False
            for part, array in zip(parts, arrays, strict=False):
                if array.null_count < len(array):
                    part.gathered.add(array.drop_null() if array.null_count else array)
    return True


def _sizes(table: Table, parts: Sequence[_Part], arrays: Sequence[pa.Array]) -> pa.Array:
    """The bytes of each row, as chunks count them."""
    sizes = pa.repeat(constants.integer(FIXED_BYTES * len(table.columns)), len(arrays[0]))
    for part, array in zip(parts, arrays, strict=False):
        if part.name in ("text", "blob"):
            sizes = pc.add(sizes, pc.fill_null(pc.binary_length(array), _NO_BYTES))
    return sizes


def invalid_utf8(values: pa.Array) -> pa.Array:
    """Which of these texts are not UTF-8 (null counts as valid); Python looks only at batches that Arrow refuses."""
    raw = values.cast(pa.binary())
    try:
        raw.cast(pa.string())  # this cast validates; one from string to string does not
    except pa.ArrowInvalid:
        return pa.array([not _is_utf8(value) for value in raw.to_pylist()], pa.bool_())
    return pa.repeat(constants.boolean(False), len(values))


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Integers:
    """The integers of one column, and where that is wanted which different ones there are."""

    def __init__(self, keep: bool, unique: bool) -> None:
        self._unique = unique
        self._count = 0
        self._low: int | None = None
        self._high: int | None = None
        self._different: list[pa.Array] | None = [] if keep else None
        self._kept = 0

    def add(self, values: pa.Array) -> None:
        found = pc.min_max(values).as_py()
        self._count += len(values)
        self._low = found["min"] if self._low is None else min(self._low, found["min"])
        self._high = found["max"] if self._high is None else max(self._high, found["max"])
        if self._different is not None:
            self._different.append(values if self._unique else pc.unique(values))
            self._kept += len(self._different[-1])
            if self._kept > _MAX_DIFFERENT:
                self._different = None

    @property
    def different(self) -> pa.Array | None:
        """Which integers there are, some of them perhaps several times; None where nobody asked, or of too many."""
        return None if self._different is None else pa.concat_arrays([pa.array([], pa.int64()), *self._different])

    def onto(self, profile: ColumnProfile) -> ColumnProfile:
        return replace(profile, integers=self._count, integer_min=self._low, integer_max=self._high)


class _Blobs:
    """The blobs of one column."""

    def __init__(self) -> None:
        self._count = self._bytes = 0
        self._least: int | None = None

    def add(self, values: pa.Array) -> None:
        found = pc.min_max(pc.binary_length(values)).as_py()
        self._count += len(values)
        self._bytes = max(self._bytes, found["max"])
        self._least = found["min"] if self._least is None else min(self._least, found["min"])

    def onto(self, profile: ColumnProfile) -> ColumnProfile:
        return replace(
            profile,
            blobs=self._count,
            max_bytes=max(profile.max_bytes, self._bytes),
            blob_min_bytes=self._least or 0,
        )


class _Texts:
    """What the texts of one column are like."""

    def __init__(self, asks_for_shapes: bool, asks_for_json: bool = False) -> None:
        self._json = "jsonb" if asks_for_json else ""
        # Texts of a column that does not ask may be dates all the same, which a live column of the target wants to
        # know; they are looked at while nearly all are of one shape, or dates in several.
        self._asks = asks_for_shapes
        self._shapes: Counter[str] | None = Counter()
        self._count = self._characters = self._bytes = self._nul = self._invalid = self._empty = 0

    def add(self, values: pa.Array) -> None:
        self._count += len(values)
        sizes = pc.binary_length(values)
        found = pc.min_max(sizes).as_py()
        self._bytes = max(self._bytes, found["max"])
        if found["min"] == 0:
            self._empty += pc.sum(pc.equal(sizes, constants.integer(0))).as_py()
        together = _bytes_of(values)
        if b"\0" in together:
            self._nul += pc.sum(pc.match_substring(values.cast(pa.binary()), b"\0")).as_py()
        if together.isascii():
            self._characters = max(self._characters, found["max"])
        else:
            values = self._measured(values, sizes)
        if self._shapes is not None and len(values):
            self._classify(values)
        if self._json and len(values):
            self._json = json_values.kept_as(values, self._json)

    def _measured(self, values: pa.Array, sizes: pa.Array) -> pa.Array:
        """The texts that are UTF-8, measured in characters; the others count as Latin-1."""
        wrong = invalid_utf8(values)
        invalid = pc.sum(wrong).as_py()
        if invalid:
            self._invalid += invalid
            self._characters = max(self._characters, pc.max(sizes.filter(wrong)).as_py())
            values = values.filter(pc.invert(wrong))
            if self._shapes is not None:
                self._shapes[shapes.OTHER] += invalid
        if self._bytes > self._characters:
            self._characters = max(self._characters, pc.max(pc.utf8_length(values)).as_py() or 0)
        return values

    def _classify(self, values: pa.Array) -> None:
        assert self._shapes is not None
        self._count_shapes(values[:_TRIED_TEXTS])
        if self._several():
            return
        values = values[_TRIED_TEXTS:]
        if len(self._shapes) == 1 and shapes.all_are(values, only := next(iter(self._shapes))):
            self._shapes[only] += len(values)
            return
        self._count_shapes(values)
        self._several()

    def _count_shapes(self, values: pa.Array) -> None:
        assert self._shapes is not None
        for counted in pc.value_counts(shapes.classify(values)).to_pylist():
            self._shapes[counted["values"]] += counted["counts"]

    def _several(self) -> bool:
        if not self._asks and self._shapes and (len(self._shapes) > 1 or shapes.OTHER in self._shapes):
            strange = sum(n for name, n in self._shapes.items() if name not in _NO_DATE and not shapes.is_moment(name))
            if strange * _STRANGE > self._shapes.total():
                self._shapes = None
        return self._shapes is None

    def onto(self, profile: ColumnProfile) -> ColumnProfile:
        return replace(
            profile,
            texts=self._count,
            text_max_characters=self._characters,
            max_bytes=max(profile.max_bytes, self._bytes),
            nul_texts=self._nul,
            invalid_utf8=self._invalid,
            empty_texts=self._empty,
            json=self._json,
            shapes=dict(self._shapes.most_common()) if self._shapes is not None else {},
        )


def _bytes_of(values: pa.Array) -> bytes:
    """The bytes of all texts one after the other, which C searches faster than each by itself."""
    _, offsets, data = values.buffers()
    if data is None:
        return b""
    ends = pa.Array.from_buffers(pa.int32(), len(values) + 1, [None, offsets], offset=values.offset)
    first, last = ends[0].as_py(), ends[-1].as_py()
    return bytes(memoryview(data)[first:last])


class _Reals:
    """The reals of one column, how many digits after the point they need, and how they may count time."""

    def __init__(self, asks_for_time: bool) -> None:
        self._counted = frozenset(counted_time.OF_REALS if asks_for_time else ())
        self._count = self._infinite = 0
        self._low, self._high = math.inf, -math.inf
        self._decimals: int | None = 0

    def add(self, values: pa.Array) -> None:
        self._count += len(values)
        found = pc.min_max(values).as_py()
        self._low, self._high = min(self._low, found["min"]), max(self._high, found["max"])
        if math.isinf(found["min"]) or math.isinf(found["max"]):
            self._infinite += pc.sum(pc.is_inf(values)).as_py()
        if self._decimals is not None:
            self._decimals = self._digits(values, self._decimals)
        if self._counted:
            self._counted = counted_time.kept_by(values, self._counted)

    def _digits(self, values: pa.Array, known: int) -> int | None:
        text = values.cast(pa.string())  # the shortest that reads back to the same double
        # An exponent, an infinity, or a minus zero, which no decimal has.
        if pc.any(pc.match_substring_regex(text, r"[a-z]|\A-0\z")).as_py():
            return None
        digits = pc.utf8_ltrim(pc.replace_substring(text, ".", ""), "-0")
        if pc.max(pc.binary_length(digits)).as_py() > MAX_DIGITS:
            return None
        point = pc.find_substring(text, ".")
        after = pc.subtract(pc.subtract(pc.binary_length(text), point), constants.integer(1))
        after = pc.if_else(pc.less(point, constants.integer(0)), constants.integer(0), after)
        return max(known, int(pc.max(after).as_py()))

    def onto(self, profile: ColumnProfile) -> ColumnProfile:
        return replace(
            profile,
            reals=self._count,
            real_min=self._low if self._count else None,
            real_max=self._high if self._count else None,
            infinite_reals=self._infinite,
            decimals=self._decimals if self._count else None,
            counted=self._counted if self._count else frozenset(),
        )


class _Part:
    """The values of one class in one column."""

    def __init__(self, column: Column, name: str, classes: Sequence[str], keep: bool) -> None:
        self.column = column
        self.name = name
        quoted = quote_sqlite(column.name)
        several = len(classes) > 1
        self.expression = class_only(column.name, name) if several else quoted
        # What is not of the class. The driver refuses other values where integers are read, and blobs among texts, but
        # makes texts and reals of numbers. Values sort by class: numbers, texts, blobs.
        alone = {
            "integer": "",
            "real": f"(typeof({quoted}) = 'integer')",
            "text": f"(+{quoted} COLLATE BINARY < '')",
            "blob": f"(+{quoted} COLLATE BINARY < x'')",
        }
        listed = ", ".join(f"'{each}'" for each in ("null", *classes))
        self.odd = f"(typeof({quoted}) NOT IN ({listed}))" if several else alone[name]
        self.gathered = _gatherer(column, name, keep and not several)


def _gatherer(column: Column, name: str, keep: bool) -> _Integers | _Reals | _Texts | _Blobs:
    if name == "text":
        return _Texts(asks_for_shapes(column), "JSON" in column.type.upper())
    return (
        _Integers(keep, column.identity)
        if name == "integer"
        else _Reals(may_count_time(column))
        if name == "real"
        else _Blobs()
    )


def _one_row(reader: SnapshotReader, table: Table, terms: Sequence[str]) -> list[Any]:
    values: list[Any] = []
    for start in range(0, len(terms), 4 * _COLUMNS_PER_QUERY):
        some = ", ".join(terms[start : start + 4 * _COLUMNS_PER_QUERY])
        (row,) = reader.scalar_rows(f"SELECT {some} FROM {_named(table)}")
        values.extend(row)
    return values


def _named(table: Table) -> str:
    # No index is asked, because its collation may be the application's own.
    return f"{quote_sqlite(table.name.name)} NOT INDEXED"


def _some(columns: Sequence[Column]) -> Iterator[Sequence[Column]]:
    for start in range(0, len(columns), _COLUMNS_PER_QUERY):
        yield columns[start : start + _COLUMNS_PER_QUERY]
