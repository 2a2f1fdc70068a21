"""How a row of a snapshot is named by one number: its rowid, or its place in the table where no rowid can be had.

Rows without a rowid are numbered from 1: those of WITHOUT ROWID in order of the primary key, byte by byte, so that no
two are equal; those of virtual tables in order of their key; others, whose columns hide all names of the rowid, in the
order in which they are stored. So every query and every library numbers them alike.

``NOT INDEXED`` stands wherever no key is looked up: SQLite likes to walk a covering index in that index's order, and
refuses a query as soon as it considers an index whose collation only the application has.
"""

from __future__ import annotations

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.schema import Table
from migrator_tui.sqlite import computed
from migrator_tui.sqlite.statements import folded

LOCATOR = "_mt_src_6d1fc09ab35e"
"""The name of the locator among a row's columns: one that no table has, for its values would be taken for these."""


def located_source(table: Table, *, lo: int | None = None, hi: int | None = None) -> tuple[str, str]:
    """The SQL of the locator, and what to select it and the table's columns FROM, in order of locator.

    Args:
        lo, hi: Where rows are numbered, only those between are; the caller still says so in its WHERE.
    """
    if table.locator is None:
        return LOCATOR, _numbered(table, lo, hi)
    if computed.by_us(table):
        return LOCATOR, located_rows(table)
    return table.locator, named(table)


def named(table: Table) -> str:
    """What to select a table's columns FROM, without the locator; no index is asked."""
    return computed.rows(table) if computed.by_us(table) else f"{quote_sqlite(table.name.name)} NOT INDEXED"


def located_rows(table: Table, *, by_key: bool = False) -> str:
    """A subquery with parentheses: every column of the table, and the locator as :data:`LOCATOR` before them.

    Unlike :func:`located_source` it needs every collation of the table's columns.

    Args:
        by_key: Rows will be looked up by a key, in no order.
    """
    if table.locator is None:
        return _numbered(table, None, None)
    if computed.by_us(table):
        return computed.rows(table, f"{table.locator} AS {LOCATOR}")
    pinned = "" if by_key else " NOT INDEXED"
    return f"(SELECT {table.locator} AS {LOCATOR}, * FROM {quote_sqlite(table.name.name)}{pinned})"


def placed(table: Table, alias: str, *, by_key: bool = False) -> tuple[str, str]:
    """What to select a table's columns FROM under an alias, and the SQL of the locator there.

    The columns of a subquery cannot be called true or false in SQLite, so a table with such a one stands for itself.

    Args:
        by_key: Rows will be looked up by a key, in no order.
    """
    if table.locator is not None and any(folded(column.name) in ("true", "false") for column in table.columns):
        pinned = "" if by_key else " NOT INDEXED"
        return f"{quote_sqlite(table.name.name)} AS {alias}{pinned}", f"{alias}.{table.locator}"
    return f"{located_rows(table, by_key=by_key)} AS {alias}", f"{alias}.{LOCATOR}"


def _numbered(table: Table, lo: int | None, hi: int | None) -> str:
    rows = named(table)
    order = ""
    if table.virtual is not None:  # whose rows come in the module's order, and some columns only when asked for
        order = f"ORDER BY {quote_sqlite(table.primary_key.columns[0])}" if table.primary_key else ""
        columns = ", ".join(quote_sqlite(column.name) for column in table.columns)
        rows = f"(SELECT {columns} FROM {quote_sqlite(table.name.name)})"
    elif table.without_rowid and table.primary_key is not None:  # where NOT INDEXED has no effect
        key = (f"{quote_sqlite(name)} COLLATE BINARY" for name in table.primary_key.columns)
        order = f"ORDER BY {', '.join(key)}"
    number = f"row_number() OVER ({order})"
    if lo is None or hi is None:
        return f"(SELECT {number} AS {LOCATOR}, * FROM {rows})"
    # Counting from lo keeps the window out of the rows before it, which are only stepped over.
    first = max(lo, 1)
    some = f"(SELECT * FROM {rows} {order} LIMIT {max(hi - first + 1, 0)} OFFSET {first - 1})"
    return f"(SELECT {first - 1} + {number} AS {LOCATOR}, * FROM {some})"
