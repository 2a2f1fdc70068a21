"""Guessing which columns name files: texts that end in the path of a file below the uploads folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from migrator_tui.convert import object_values, user_folders
from migrator_tui.migration.files.matching_files import prefixes_of, values
from migrator_tui.model.plan import ColumnPlan, Plan
from migrator_tui.model.project import FilesScope

LOOKED_AT = 500
"""Different values of a column that are looked at."""
ENOUGH = 0.5
"""Share of them that has to name a file: less is chance, such as a title that is also a file's name."""

_NAMES = ("path", "file_path", "filepath", "storage_path", "file", "upload", "attachment", "image", "avatar", "url")


@dataclass(frozen=True, slots=True)
class Guess:
    """A column that seems to name files, and how many of the values looked at do."""

    scope: FilesScope
    found: int
    of: int


def guess(plan: Plan, snapshot: Path, paths: set[str]) -> Iterator[Guess]:
    """The column of each table that names files best, if any does.

    A second column of the same table, such as the name that the upload had, is left to the person's configuration.
    """
    if not paths:
        return
    for table in plan.moved:
        best: tuple[tuple[float, bool, int], Guess] | None = None
        for column in table.moved_columns:
            if not is_text(column):
                continue
            sample = list(values(snapshot, table.source, column.source, limit=LOOKED_AT))
            _, found = prefixes_of(sample, paths)
            if not found or found / len(sample) < ENOUGH:
                continue
            rank = (found / len(sample), column.source.lower() in _NAMES, found)
            if best is None or rank > best[0]:
                best = (
                    rank,
                    Guess(FilesScope(table.source, column.source, bucket_name(table.source)), found, len(sample)),
                )
        if best is not None:
            yield best[1]


def is_text(column: ColumnPlan) -> bool:
    """Whether the column's texts travel as they are, or as a plan file has them, already rewritten."""
    kind = column.codec.partition(":")[0]
    return column.codec == "text" or kind in (object_values.KEY, object_values.URL, user_folders.KEY, user_folders.URL)


def bucket_name(table: str) -> str:
    """A bucket's name after a table's: what a host name could hold, as S3 asks."""
    return re.sub(r"[^a-z0-9]+", "-", table.lower()).strip("-")[:63] or "files"
