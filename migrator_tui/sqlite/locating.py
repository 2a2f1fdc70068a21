"""How a row of a snapshot is named by one number: its rowid, or its place in the table where no rowid can be had."""

from __future__ import annotations

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.schema import Table

LOCATOR = "_mt_src"
"""The name of the locator among a row's columns."""


def locator_of(table: Table) -> str:
    """The SQL of a rowid table's locator.

    Raises:
        ValueError: The table's rows are numbered; use :func:`located_rows`.
    """
    if table.locator is None:
        raise ValueError(f"{table.name} has no rowid that can be selected")
    return table.locator


def located_rows(table: Table, *, lo: int | None = None, hi: int | None = None, in_order: bool = False) -> str:
    """A subquery with parentheses: every column of the table, and the locator as ``_mt_src`` before them.

    Rows without a rowid are numbered from 1 in the order in which SQLite stores them, which is the primary key's for
    WITHOUT ROWID. ``NOT INDEXED`` pins that order, so that each library and each query numbers them alike; no ORDER BY
    is needed, which would fail where only the application has the key's collation.

    Args:
        lo, hi: Only rows with these locators and those between; both or none.
        in_order: In order of locator: SQLite must not walk a covering index, as it likes to do.
    """
    name = quote_sqlite(table.name.name)
    bounded = lo is not None and hi is not None
    if table.locator is not None:
        where = f" WHERE {table.locator} BETWEEN {lo} AND {hi}" if bounded else ""
        pinned = " NOT INDEXED" if in_order else ""
        return f"(SELECT {table.locator} AS {LOCATOR}, * FROM {name}{pinned}{where})"
    if lo is not None and hi is not None:
        # Counting from lo keeps the window out of the rows before it; those are stepped over undecoded.
        first = max(lo, 1)
        rows = f"(SELECT * FROM {name} NOT INDEXED LIMIT {max(hi - first + 1, 0)} OFFSET {first - 1})"
        return f"(SELECT {first - 1} + row_number() OVER () AS {LOCATOR}, * FROM {rows})"
    return f"(SELECT row_number() OVER () AS {LOCATOR}, * FROM {name} NOT INDEXED)"
