"""Virtual generated columns of STRICT tables, computed by our own query.

Until 3.45 SQLite let such a column give a value of another class than it declares; since then it refuses to read the
row at all. The file is as good as it was, so the query says the expression, and what a column's affinity does to it.
"""

from __future__ import annotations

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.schema import Column, Table


def by_us(table: Table) -> bool:
    """Whether a table has such columns."""
    return table.strict and any(_is_virtual(column) for column in table.columns)


def rows(table: Table, locator: str = "") -> str:
    """A subquery with parentheses: every column of the table under its name, after the locator where one is given."""
    terms = [locator] if locator else []
    terms += [
        f"{_value(c)} AS {quote_sqlite(c.name)}" if _is_virtual(c) else quote_sqlite(c.name) for c in table.columns
    ]
    return f"(SELECT {', '.join(terms)} FROM {quote_sqlite(table.name.name)} NOT INDEXED)"


def _is_virtual(column: Column) -> bool:
    return column.generated is not None and not column.generated.stored


def _value(column: Column) -> str:
    """The expression of a column, as the affinity of its type leaves it."""
    assert column.generated is not None
    value = f"({column.generated.expression}\n)"
    kind = column.type.upper()
    if kind == "TEXT":
        return f"CASE WHEN typeof({value}) IN ('integer', 'real') THEN CAST({value} AS TEXT) ELSE {value} END"
    if kind not in ("INT", "INTEGER", "REAL"):
        return value
    # A text is a number where it is equal to one: comparing with a CAST lends it the affinity of the column.
    number = f"CAST({value} AS NUMERIC)"
    read = f"CASE WHEN typeof({value}) = 'text' AND {value} = {number} THEN {number} ELSE {value} END"
    if kind == "REAL":
        # SQLite computes such a column by way of an integer, which has no -0.0.
        return f"CASE WHEN typeof({read}) IN ('integer', 'real') THEN CAST({read} AS REAL) + 0.0 ELSE {read} END"
    whole = f"CAST({read} AS INTEGER)"
    return f"CASE WHEN typeof({read}) = 'real' AND {read} = {whole} THEN {whole} ELSE {read} END"
