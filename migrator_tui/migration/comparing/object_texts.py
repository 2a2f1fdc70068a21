"""Objects of a schema, of either end, in one line."""

from __future__ import annotations

from collections.abc import Sequence

from migrator_tui.model.schema import Column, ForeignKey, Index


def deferred(key: ForeignKey) -> str:
    """How late a foreign key is checked; empty where it is checked at once."""
    return f"DEFERRABLE{' INITIALLY DEFERRED' if key.initially_deferred else ''}" if key.deferrable else ""


def declared(column: Column) -> str:
    """A column's declaration without its name."""
    text = column.type or "(no type)"
    if column.not_null:
        text += " NOT NULL"
    if column.identity:
        text += " identity"
    elif column.default is not None:
        text += f" DEFAULT {column.default}"
    if column.generated:
        text += f" AS ({column.generated.expression})"
    if column.collation:
        text += f" COLLATE {column.collation}"
    return text


def listed(columns: Sequence[str]) -> str:
    """Columns in parentheses."""
    return f"({', '.join(columns)})"


def reference_text(key: ForeignKey) -> str:
    """A foreign key in one line, with what is not as usual."""
    text = f"→ {key.parent} {listed(key.parent_columns)}"
    if key.on_delete.value != "NO ACTION":
        text += f" ON DELETE {key.on_delete.value}"
    if key.on_update.value != "NO ACTION":
        text += f" ON UPDATE {key.on_update.value}"
    if key.deferrable:
        text += f" {deferred(key)}"
    return text if key.validated else f"{text} NOT VALID"


def index_text(index: Index) -> str:
    """An index without its name and table."""
    parts = [
        (part.column or part.expression or "?")
        + (f" COLLATE {part.collation}" if part.collation else "")
        + (" DESC" if part.descending else "")
        for part in index.parts
    ]
    method = "" if index.method == "btree" else f"{index.method} "
    where = f" WHERE {' '.join(index.where.split())}" if index.where else ""
    return f"{'UNIQUE ' if index.unique else ''}{method}{listed(parts)}{where}"
