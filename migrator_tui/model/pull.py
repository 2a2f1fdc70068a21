"""The words of a pull: what is asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from migrator_tui.model.secret import Secret


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What a pull is asked for.

    Attributes:
        to: The new SQLite file.
        replace: A file that is there may be replaced.
        schema: The Postgres schema that is read.
        tables: Names of tables, as either end has them; empty for all. What they refer to comes along.
        where: Table → a condition in Postgres' SQL that its rows meet.
        redact: ``table.column`` of columns whose values are masked.
        seed: What masks are made from; None for one that nobody knows.
    """

    to: Path
    replace: bool = False
    schema: str = "public"
    tables: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    redact: tuple[str, ...] = ()
    seed: Secret | None = None


@dataclass(frozen=True, slots=True)
class NotCarried:
    """Something of the target that is not in the file, and why.

    Attributes:
        object: ``index``, ``check``, ``default``, ``view``, ``trigger``, ``foreign key``, ``policy`` …
        original: As Postgres says it.
    """

    object: str
    name: str
    why: str
    original: str = ""


@dataclass(frozen=True, slots=True)
class Represented:
    """A column whose values look otherwise in SQLite, or some of whose values could not be given exactly.

    Attributes:
        how: In words.
        cells: How many cells this is about; None where it is about the column as such.
        examples: Some of them, never of a redacted column.
    """

    table: str
    column: str
    how: str
    cells: int | None = None
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PulledTable:
    """One table that was pulled.

    Attributes:
        source: In Postgres, with its schema.
        table: In SQLite.
        live_rows: Rows that the table has on the target.
        rows: Rows in the file: fewer where a filter left some out.
        original: Made by the statement that it had in the SQLite file that it came from.
        verified: Counted, and every cell read back and found equal to what was read.
    """

    source: str
    table: str
    live_rows: int
    rows: int
    original: bool
    verified: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class PulledFiles:
    """Files that came back from Storage.

    Attributes:
        missing: Values that name no object.
        kept: Paths at which another file was, which stays.
        refused: Values that would lead out of the folder.
    """

    folder: Path
    files: int
    bytes: int
    missing: int = 0
    kept: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull came to."""

    to: Path
    target: str
    tables: tuple[PulledTable, ...]
    views: tuple[str, ...] = ()
    not_carried: tuple[NotCarried, ...] = ()
    represented: tuple[Represented, ...] = ()
    redacted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    bytes: int = 0
    seconds: float = 0.0
    files: PulledFiles | None = None

    def as_json(self) -> dict[str, Any]:
        """The document of ``pull --json``."""
        files = self.files
        beside = (
            {}
            if files is None
            else {
                "files": {
                    "folder": str(files.folder),
                    "files": files.files,
                    "bytes": files.bytes,
                    "missing": files.missing,
                    "kept": list(files.kept),
                    "refused": list(files.refused),
                }
            }
        )
        return beside | {
            "command": "pull",
            "status": "succeeded",
            "file": str(self.to),
            "target": self.target,
            "bytes": self.bytes,
            "tables": [
                {
                    "source": table.source,
                    "table": table.table,
                    "live_rows": table.live_rows,
                    "rows": table.rows,
                    "original": table.original,
                    "verified": table.verified,
                    "seconds": round(table.seconds, 3),
                }
                for table in self.tables
            ],
            "views": list(self.views),
            "not_carried": [
                {"object": item.object, "name": item.name, "why": item.why, "original": item.original}
                for item in self.not_carried
            ],
            "represented": [
                {
                    "table": item.table,
                    "column": item.column,
                    "how": item.how,
                    "cells": item.cells,
                    "examples": list(item.examples),
                }
                for item in self.represented
            ],
            "redacted": list(self.redacted),
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }
