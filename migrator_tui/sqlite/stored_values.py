"""What the columns of one table hold, counted over every row: in SQLite's C where it can, in Arrow's for texts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert import constants
from migrator_tui.convert.declared import affinity_of
from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.errors import SourceError
from migrator_tui.model.profile import Chunk, ColumnProfile
from migrator_tui.model.schema import Column, Table
from migrator_tui.sqlite.chunks import FIXED_BYTES, Gathered, balanced
from migrator_tui.sqlite.gathering import Integers, gatherer
from migrator_tui.sqlite.locating import named
from migrator_tui.sqlite.read import SnapshotReader

CLASSES = ("integer", "real", "text", "blob")

SAMPLED_ROWS = 100
BATCH_BYTES = 16 << 20
BATCH_ROWS = 65_536

_COLUMNS_PER_QUERY = 60
PARTS_PER_QUERY = 1_900
"""Most parts of columns in one query: SQLite gives no more than 2,000 results."""

_NO_BYTES = pa.scalar(0, pa.int32())
_HEADERS = {"integer": "0", "real": "0.0", "text": "''", "blob": "x''"}


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
        rows = reader.scalar_rows(f"SELECT {terms} FROM {named(table)} LIMIT {SAMPLED_ROWS}")
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
        if isinstance(found, Integers) and found.different is not None
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
        self.gathered = gatherer(column, name, keep and not several)


def _one_row(reader: SnapshotReader, table: Table, terms: Sequence[str]) -> list[Any]:
    values: list[Any] = []
    for start in range(0, len(terms), 4 * _COLUMNS_PER_QUERY):
        some = ", ".join(terms[start : start + 4 * _COLUMNS_PER_QUERY])
        (row,) = reader.scalar_rows(f"SELECT {some} FROM {named(table)}")
        values.extend(row)
    return values


def _some(columns: Sequence[Column]) -> Iterator[Sequence[Column]]:
    for start in range(0, len(columns), _COLUMNS_PER_QUERY):
        yield columns[start : start + _COLUMNS_PER_QUERY]
