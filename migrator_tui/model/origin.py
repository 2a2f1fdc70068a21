"""Where published tables came from: what a later pull needs to give a SQLite file back as it was.

Kept on the target, in the ledger, so that a pull from any machine can use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from migrator_tui.model.schema import TableName


@dataclass(frozen=True, slots=True)
class ColumnOrigin:
    """One column's way.

    Attributes:
        source: Name in SQLite.
        target: Name in Postgres.
        declared: Type as SQLite's CREATE TABLE has it; may be empty.
        type: The Postgres type that the plan gave it.
        codec: Name of the conversion (:mod:`migrator_tui.convert.codecs`).
    """

    source: str
    target: str
    declared: str
    type: str
    codec: str


@dataclass(frozen=True, slots=True)
class TableOrigin:
    """One table's way.

    Attributes:
        created: The run made the table; else it added rows to one that was there.
        sql: The CREATE TABLE statement as stored in SQLite.
        indexes, triggers: Their CREATE statements as stored in SQLite.
        left_behind: Source columns that were not moved.
        shape: Hash of the target table's definition when it was published (``postgres.origins``); empty where the run
            did not make the table.
    """

    source: str
    target: TableName
    created: bool
    columns: tuple[ColumnOrigin, ...]
    sql: str = ""
    indexes: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    left_behind: tuple[str, ...] = ()
    shape: str = ""


@dataclass(frozen=True, slots=True)
class ViewOrigin:
    """One view's way. ``target`` is None for a view that could not be carried."""

    source: str
    target: TableName | None
    sql: str
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """What one run published, and from what.

    Attributes:
        pragmas: What the source's header says of the application: ``user_version``, ``application_id``; and how its
            texts are encoded, by the header's number: 1 is UTF-8, 2 and 3 are UTF-16, little and big end first.
    """

    run: str
    tables: tuple[TableOrigin, ...]
    views: tuple[ViewOrigin, ...] = ()
    pragmas: Mapping[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The form that :meth:`from_json` reads."""
        return {
            "pragmas": dict(self.pragmas),
            "tables": [
                {
                    "source": table.source,
                    "target": [table.target.schema, table.target.name],
                    "created": table.created,
                    "columns": [[c.source, c.target, c.declared, c.type, c.codec] for c in table.columns],
                    "sql": table.sql,
                    "indexes": list(table.indexes),
                    "triggers": list(table.triggers),
                    "left_behind": list(table.left_behind),
                    "shape": table.shape,
                }
                for table in self.tables
            ],
            "views": [
                {
                    "source": view.source,
                    "target": [view.target.schema, view.target.name] if view.target else None,
                    "sql": view.sql,
                    "shape": view.shape,
                }
                for view in self.views
            ],
        }

    @classmethod
    def from_json(cls, run: str, found: Mapping[str, Any]) -> Origin:
        """Read what :meth:`as_json` wrote."""
        return cls(
            run,
            tuple(
                TableOrigin(
                    table["source"],
                    TableName(*table["target"]),
                    table["created"],
                    tuple(ColumnOrigin(*column) for column in table["columns"]),
                    table["sql"],
                    tuple(table["indexes"]),
                    tuple(table["triggers"]),
                    tuple(table["left_behind"]),
                    table["shape"],
                )
                for table in found["tables"]
            ),
            tuple(
                ViewOrigin(
                    view["source"],
                    TableName(*view["target"]) if view["target"] else None,
                    view["sql"],
                    view["shape"],
                )
                for view in found["views"]
            ),
            dict(found["pragmas"]),
        )
