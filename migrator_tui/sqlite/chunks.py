"""Cut a table into runs of rows of about the same number of bytes, in one pass over their sizes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from migrator_tui.convert.constants import integer
from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.profile import Chunk
from migrator_tui.model.schema import Table
from migrator_tui.sqlite.locating import located_source
from migrator_tui.sqlite.read import SnapshotReader

MAX_ROWS = 100_000
"""Most rows of a chunk, however small."""

FIXED_BYTES = 8
"""What a cell counts besides the bytes of its text or blob."""

_BATCH_ROWS = 65_536


def chunks_of(
    reader: SnapshotReader,
    table: Table,
    wide: Sequence[str],
    *,
    chunk_bytes: int,
    check: Callable[[], None],
    max_rows: int = MAX_ROWS,
) -> tuple[Chunk, ...]:
    """The chunks of a table in order of locator: every row in one of them, none in two. No rows, no chunks.

    A chunk ends with the row that reaches ``chunk_bytes``, or after ``max_rows`` rows.

    Args:
        wide: The columns that hold texts or blobs. ``octet_length`` knows their sizes without reading them.
        check: Called between batches; what it raises ends the pass.
    """
    sizes = _sizes(table, wide)
    locator, source = located_source(table)
    query = f"SELECT 0 AS locator, 0 AS size UNION ALL SELECT {locator}, {sizes} FROM {source}"
    gathered = Gathered(chunk_bytes, max_rows)
    header = True
    for batch in reader.arrow(query, batch_rows=_BATCH_ROWS):
        check()
        gathered.add(batch.column(0)[header:], batch.column(1)[header:])
        header = False
    return gathered.chunks()


def whole(reader: SnapshotReader, table: Table, wide: Sequence[str]) -> Chunk:
    """One chunk of all rows of a table, whose numbers of rows and bytes are those of its first rows alone."""
    _, source = located_source(table)
    query = f"SELECT count(*), ifnull(sum(size), 0) FROM (SELECT {_sizes(table, wide)} AS size FROM {source} LIMIT 100)"
    rows, size = reader.scalar_rows(query)[0]
    return Chunk(0, -(2**63), 2**63 - 1, rows, size)


def _sizes(table: Table, wide: Sequence[str]) -> str:
    fixed = str(FIXED_BYTES * len(table.columns))
    return balanced([fixed, *(f"ifnull(octet_length({quote_sqlite(name)}), 0)" for name in wide)], "+")


class Gathered:
    """Chunks, as rows become known: cut by the running sum of the bytes *before* a row, so that none is empty."""

    def __init__(self, chunk_bytes: int, max_rows: int = MAX_ROWS) -> None:
        self._chunk_bytes = max(1, chunk_bytes)
        self._max_rows = max(1, max_rows)
        self._bytes = 0
        self._rows = 0
        self._open: list[tuple[tuple[int, int], int, int, int, int]] = []  # (cut, lo, hi, rows, bytes)

    def add(self, locators: pa.Array, sizes: pa.Array) -> None:
        """The next rows."""
        if not len(sizes):
            return
        running = pc.add(pc.cumulative_sum(sizes), integer(self._bytes))
        by_bytes = pc.divide(pc.subtract(running, sizes), integer(self._chunk_bytes))
        before = pc.add(pc.cumulative_sum(pa.repeat(integer(1), len(sizes))), integer(self._rows - 1))
        by_rows = pc.divide(before, integer(self._max_rows))
        for start, end in _runs(by_bytes, by_rows):
            cut = (by_bytes[start].as_py(), by_rows[start].as_py())
            size = pc.sum(sizes[start:end]).as_py()
            lo, hi, rows = locators[start].as_py(), locators[end - 1].as_py(), end - start
            if self._open and self._open[-1][0] == cut:
                _, lo, _, rows_before, size_before = self._open.pop()
                rows, size = rows + rows_before, size + size_before
            self._open.append((cut, lo, hi, rows, size))
        self._bytes = running[-1].as_py()
        self._rows += len(sizes)

    def chunks(self) -> tuple[Chunk, ...]:
        """The chunks of all rows."""
        return tuple(Chunk(seq, lo, hi, rows, size) for seq, (_, lo, hi, rows, size) in enumerate(self._open))


def _runs(*cuts: pa.Array) -> Iterable[tuple[int, int]]:
    """Ranges in which no cut changes."""
    ends: set[int] = set()
    for cut in cuts:
        ends.update(pc.run_end_encode(cut).run_ends.to_pylist())
    starts = [0, *sorted(ends)]
    return itertools.pairwise(starts)


def balanced(terms: Sequence[str], operator: str) -> str:
    """Terms joined as a balanced tree: SQLite limits the depth of an expression to 1,000."""
    if len(terms) == 1:
        return terms[0]
    middle = len(terms) // 2
    return f"({balanced(terms[:middle], operator)} {operator} {balanced(terms[middle:], operator)})"
