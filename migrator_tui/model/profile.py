"""What is really stored in the source: classes, ranges, lengths, shapes. SQLite's declared types are only hints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CHUNK_BYTES = 8 << 20
"""Bytes of values after which a chunk ends, unless a run asks otherwise."""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """The stored values of one column, counted over every row.

    Attributes:
        nulls, integers, reals, texts, blobs: Rows per storage class; they add up to the table's rows.
        integer_min, integer_max: Range of the integers, None without any.
        real_min, real_max: Range of the reals, None without any.
        text_max_characters: Longest text in characters (0 without any).
        max_bytes: Widest text or blob in bytes.
        nul_texts: Texts that hold the character U+0000.
        invalid_utf8: Texts whose bytes are not UTF-8.
        empty_texts: Texts ``''``.
        shapes: How many texts have each shape of :mod:`migrator_tui.convert.shapes` (``iso-datetime-space``,
            ``iso-date``, ``bool-tf`` …). Of a column whose declared type does not ask (dates, booleans) only where all
            texts have one shape, other than ``other``.
        blob_min_bytes: Shortest blob in bytes (0 without any).
        json: Of a column declared JSON: ``jsonb`` where PostgreSQL's jsonb keeps every text by value, ``json`` where
            every text is JSON; empty otherwise.
        counted: Of a column that may hold times: ways to count time in reals
            (:data:`migrator_tui.convert.counted_time.OF_REALS`) under which every real comes back to the bit.
        nan_reals: Always 0 in SQLite, which stores NaN as NULL; kept for symmetry with infinite_reals.
        infinite_reals: Reals that are +Infinity or -Infinity.
        decimals: Most digits after the point that the reals' shortest forms have; None when some need an exponent
            or there are no reals.
    """

    name: str
    nulls: int = 0
    integers: int = 0
    reals: int = 0
    texts: int = 0
    blobs: int = 0
    integer_min: int | None = None
    integer_max: int | None = None
    text_max_characters: int = 0
    max_bytes: int = 0
    nul_texts: int = 0
    invalid_utf8: int = 0
    empty_texts: int = 0
    shapes: Mapping[str, int] = field(default_factory=dict)
    blob_min_bytes: int = 0
    json: str = ""
    counted: frozenset[str] = frozenset()
    nan_reals: int = 0
    infinite_reals: int = 0
    decimals: int | None = None
    real_min: float | None = None
    real_max: float | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The storage classes that occur, NULL apart, most frequent first."""
        counts = {"integer": self.integers, "real": self.reals, "text": self.texts, "blob": self.blobs}
        return tuple(sorted((name for name, count in counts.items() if count), key=lambda n: -counts[n]))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of rows of one table that is loaded in one transaction: locators ``lo`` to ``hi``, both included.

    Attributes:
        rows: Source rows between the locators.
        bytes: Bytes of their values, about.
    """

    seq: int
    lo: int
    hi: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class TableProfile:
    """One table's rows and bytes, its columns, and the chunks that it is loaded in."""

    table: str
    rows: int
    bytes: int
    columns: tuple[ColumnProfile, ...]
    chunks: tuple[Chunk, ...]

    def column(self, name: str) -> ColumnProfile:
        """The profile of one column.

        Raises:
            KeyError: There is none of that name.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.table} has no column {name}")


@dataclass(frozen=True, slots=True)
class OrphanCount:
    """Rows of ``table`` whose foreign key number ``index`` (in the table's order) refers to nothing."""

    table: str
    index: int
    rows: int
    keys: tuple[str, ...]
    """Keys of the first few, as text."""


@dataclass(frozen=True, slots=True)
class SourceProfile:
    """The profile of a whole snapshot.

    Attributes:
        orphans: What ``foreign_key_check`` found, per foreign key.
        case_groups: ``(table, column)`` → rows in groups that differ only in case, for unique text columns.
        null_keys: table → rows with a NULL in the primary key.
        spelled_apart: Rows whose reference holds by the parent's collation alone ('ann' refers to 'Ann').
        written_apart: Rows whose reference holds, but is written otherwise than the row referred to where columns of
            several storage classes become text that tells them apart (the text '12' refers to the number 12).
        unicode_groups: ``(table, column)`` → rows in groups that differ only in case, letters beyond A to Z included,
            for unique columns that ignore case.
    """

    tables: Mapping[str, TableProfile]
    orphans: tuple[OrphanCount, ...] = ()
    case_groups: Mapping[tuple[str, str], int] = field(default_factory=dict)
    null_keys: Mapping[str, int] = field(default_factory=dict)
    spelled_apart: tuple[OrphanCount, ...] = ()
    unicode_groups: Mapping[tuple[str, str], int] = field(default_factory=dict)
    written_apart: tuple[OrphanCount, ...] = ()
