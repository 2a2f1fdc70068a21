"""What the columns of one table hold, counted over every row: in SQLite's C where it can, in Arrow's for texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import shapes
from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.profile import Chunk, ColumnProfile
from migrator_tui.model.schema import Column, Table
from migrator_tui.sqlite.read import SnapshotReader

CLASSES = ("integer", "real", "text", "blob")
MAX_DIGITS = 15
"""Decimal digits that a double keeps for certain (DBL_DIG)."""

SAMPLED_ROWS = 100
TEXT_BATCH_BYTES = 16 << 20
TEXT_BATCH_ROWS = 65_536

_COLUMNS_PER_QUERY = 60  # of SQLite's 2,000 results
_ASKS_FOR_SHAPES = re.compile("DATE|TIME|BOOL", re.IGNORECASE)


def asks_for_shapes(column: Column) -> bool:
    """Whether the declared type promises dates or booleans, so that texts are looked at."""
    return _ASKS_FOR_SHAPES.search(column.type) is not None


def class_only(column: str, storage_class: str) -> str:
    """SQL of a column's value where it is of that storage class, else NULL."""
    name = quote_sqlite(column)
    return f"CASE typeof({name}) WHEN '{storage_class}' THEN {name} END"


def count_classes(reader: SnapshotReader, table: Table, rows: int) -> dict[str, ColumnProfile]:
    """Rows per storage class, ranges of numbers, sizes of blobs."""
    profiles: dict[str, ColumnProfile] = {}
    for columns in _some(table.columns):
        # Most columns hold one class. Where all values are of the class of the first few, two counts prove it.
        guesses = _guess(reader, table, columns)
        values = iter(
            _one_row(
                reader,
                table,
                [
                    term
                    for column in columns
                    for name in [quote_sqlite(column.name)]
                    for term in (f"count({name})", f"total(typeof({name}) = '{guesses[column.name]}')")
                ],
            )
        )
        mixed: list[Column] = []
        for column in columns:
            present, expected = int(next(values)), int(next(values))
            guess = guesses[column.name]
            known: dict[str, Any] = {"nulls": rows - present, f"{guess}s": expected}
            profiles[column.name] = ColumnProfile(column.name, **known)
            if present != expected:
                mixed.append(column)
        _count_each(reader, table, mixed, profiles)
    _measure(reader, table, profiles)
    return profiles


def examine_texts(
    reader: SnapshotReader,
    table: Table,
    profiles: Mapping[str, ColumnProfile],
    chunks: Sequence[Chunk],
    check: Callable[[], None],
) -> dict[str, ColumnProfile]:
    """Add what only the texts and reals themselves say: encoding, NULs, lengths, shapes, decimals.

    They are read chunk by chunk, so that memory is bounded by a chunk's bytes.
    """
    texts = {c.name: _Texts(asks_for_shapes(c)) for c in table.columns if profiles[c.name].texts}
    reals = {c.name: _Reals() for c in table.columns if profiles[c.name].reals}
    columns = [(name, "''", class_only(name, "text")) for name in texts]
    columns += [(f"{name} as a real", "0.0", class_only(name, "real")) for name in reals]
    for chunk in chunks if columns else ():
        per_batch = TEXT_BATCH_BYTES * chunk.rows // max(1, chunk.bytes)
        batch_rows = max(1, min(TEXT_BATCH_ROWS, per_batch))
        for batch in reader.batches(table, columns, chunk.lo, chunk.hi, batch_rows=batch_rows):
            check()
            arrays = iter(batch.columns[1:])
            for text in texts.values():
                text.add(next(arrays))
            for real in reals.values():
                real.add(next(arrays))
    result = dict(profiles)
    for name, text in texts.items():
        result[name] = text.onto(result[name])
    for name, real in reals.items():
        result[name] = replace(result[name], decimals=real.decimals)
    return result


def invalid_utf8(values: pa.Array) -> pa.Array:
    """Which of these texts are not UTF-8 (null counts as valid); Python looks only at batches that Arrow refuses."""
    raw = values.cast(pa.binary())
    try:
        raw.cast(pa.string())  # this cast validates; one from string to string does not
    except pa.ArrowInvalid:
        return pa.array([not _is_utf8(value) for value in raw.to_pylist()], pa.bool_())
    return pa.repeat(pa.scalar(False), len(values))


def _is_utf8(value: bytes | None) -> bool:
    try:
        (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Texts:
    """What the texts of one column are like."""

    def __init__(self, asks_for_shapes: bool) -> None:
        # Texts of a column that does not ask may be dates all the same, which a live column of the target wants to
        # know; they are looked at while all are of one shape.
        self._asks = asks_for_shapes
        self._shapes: Counter[str] | None = Counter()
        self._characters = self._bytes = self._nul = self._invalid = self._empty = 0

    def add(self, values: pa.Array) -> None:
        present = values.drop_null()
        if not len(present):
            return
        wrong = invalid_utf8(present)
        invalid = pc.sum(wrong).as_py()
        raw = present.cast(pa.binary())
        sizes = pc.binary_length(raw)
        self._bytes = max(self._bytes, pc.max(sizes).as_py())
        self._empty += pc.sum(pc.equal(sizes, 0)).as_py()
        self._nul += pc.sum(pc.match_substring(raw, b"\0")).as_py()
        if invalid:
            self._invalid += invalid
            self._characters = max(self._characters, pc.max(sizes.filter(wrong)).as_py())  # as Latin-1
            present = present.filter(pc.invert(wrong))
            if self._shapes is not None:
                self._shapes[shapes.OTHER] += invalid
        self._characters = max(self._characters, pc.max(pc.utf8_length(present)).as_py() or 0)
        if self._shapes is not None:
            for counted in pc.value_counts(shapes.classify(present)).to_pylist():
                self._shapes[counted["values"]] += counted["counts"]
            if not self._asks and (len(self._shapes) > 1 or shapes.OTHER in self._shapes):
                self._shapes = None

    def onto(self, profile: ColumnProfile) -> ColumnProfile:
        return replace(
            profile,
            text_max_characters=self._characters,
            max_bytes=max(profile.max_bytes, self._bytes),
            nul_texts=self._nul,
            invalid_utf8=self._invalid,
            empty_texts=self._empty,
            shapes=dict(self._shapes.most_common()) if self._shapes is not None else {},
        )


class _Reals:
    """How many digits after the point the reals of one column need."""

    def __init__(self) -> None:
        self.decimals: int | None = 0

    def add(self, values: pa.Array) -> None:
        present = values.drop_null()
        if self.decimals is None or not len(present):
            return
        text = present.cast(pa.string())  # the shortest that reads back to the same double
        # An exponent, an infinity, or a minus zero, which no decimal has.
        if pc.any(pc.match_substring_regex(text, r"[a-z]|\A-0\z")).as_py():
            self.decimals = None
            return
        digits = pc.utf8_ltrim(pc.replace_substring(text, ".", ""), "-0")
        if pc.max(pc.binary_length(digits)).as_py() > MAX_DIGITS:
            self.decimals = None
            return
        point = pc.find_substring(text, ".")
        after = pc.subtract(pc.subtract(pc.binary_length(text), point), 1)
        after = pc.if_else(pc.less(point, 0), pa.scalar(0, after.type), after)
        self.decimals = max(self.decimals, pc.max(after).as_py())


def _guess(reader: SnapshotReader, table: Table, columns: Sequence[Column]) -> dict[str, str]:
    """The class of each column's first value that is not NULL."""
    terms = ", ".join(f"typeof({quote_sqlite(column.name)})" for column in columns)
    found: dict[str, str] = {}
    for row in reader.scalar_rows(f"SELECT {terms} FROM {_named(table)} LIMIT {SAMPLED_ROWS}"):
        for column, storage_class in zip(columns, row, strict=True):
            if storage_class != "null":
                found.setdefault(column.name, storage_class)
    return {column.name: found.get(column.name, "text") for column in columns}


def _count_each(
    reader: SnapshotReader, table: Table, columns: Sequence[Column], profiles: dict[str, ColumnProfile]
) -> None:
    terms = [f"total(typeof({quote_sqlite(c.name)}) = '{name}')" for c in columns for name in CLASSES]
    values = iter(_one_row(reader, table, terms))
    for column in columns:
        counts: dict[str, Any] = {f"{name}s": int(next(values)) for name in CLASSES}
        profiles[column.name] = replace(profiles[column.name], **counts)


def _measure(reader: SnapshotReader, table: Table, profiles: dict[str, ColumnProfile]) -> None:
    """Ranges of numbers and sizes of blobs, of the columns that have any."""
    wanted: list[tuple[str, str, str]] = []  # column, field of its profile, SQL
    for column in table.columns:
        profile, name = profiles[column.name], column.name
        for storage_class in ("integer", "real"):
            if storage_class in profile.classes:
                alone = profile.classes == (storage_class,)
                value = quote_sqlite(name) if alone else class_only(name, storage_class)
                wanted += [(name, f"{storage_class}_{end}", f"{end}({value})") for end in ("min", "max")]
        if profile.blobs:
            size = f"octet_length({class_only(name, 'blob')})"
            wanted.append((name, "max_bytes", f"max({size})"))
    _fill(reader, table, wanted, profiles)
    infinite = [
        (p.name, "infinite_reals", f"sum(abs({class_only(p.name, 'real')}) = 9e999)")
        for p in profiles.values()
        if float("inf") in (p.real_max, -(p.real_min or 0.0))
    ]
    _fill(reader, table, infinite, profiles)


def _fill(
    reader: SnapshotReader, table: Table, wanted: Sequence[tuple[str, str, str]], profiles: dict[str, ColumnProfile]
) -> None:
    values = _one_row(reader, table, [term for _, _, term in wanted])
    for (name, field, _), value in zip(wanted, values, strict=True):
        profiles[name] = replace(profiles[name], **{field: value})


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
