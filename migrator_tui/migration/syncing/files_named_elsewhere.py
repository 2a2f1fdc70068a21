"""Files that rows name which a sync does not look at: of tables that were moved before and are not synced now.

The file of a deleted row is theirs as well, and stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote
from migrator_tui.convert.object_keys import from_url, key_of
from migrator_tui.migration.companions import RunContext
from migrator_tui.migration.files.pulling_files import STEP, FilesOrigin, user_folders
from migrator_tui.migration.run_files import PLAN_JSON, read_plan
from migrator_tui.migration.run_folder import RunFolder, all_runs
from migrator_tui.migration.syncing import file_changes
from migrator_tui.migration.syncing.file_changes import Named
from migrator_tui.model.errors import UsageError
from migrator_tui.model.project import FilesPlan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres import origins
from migrator_tui.postgres.merge_parts import sql


@dataclass
class Elsewhere:
    """What such rows name.

    Attributes:
        objects: Bucket and key.
        files: Where they are on this machine, links followed.
        unsure: Why there may be more; empty where this is all.
    """

    objects: set[tuple[str, str]] = field(default_factory=set)
    files: set[Path] = field(default_factory=set)
    unsure: list[str] = field(default_factory=list)


def named_elsewhere(context: RunContext, after: Path, storage: str, synced: tuple[FilesPlan, ...]) -> Elsewhere:
    """Look at both ends.

    Args:
        after: The file as both ends will be.
        storage: Base address of the project's Storage.
        synced: The columns that the sync itself looks at.
    """
    found = Elsewhere()
    _in_file(context, after, storage, synced, found)
    context.with_target(lambda c: _on_target(c, _places(context, synced), found))
    return found


def places(named: Iterable[Named]) -> set[Path]:
    """Where files are on this machine, links followed."""
    return {(one.plan.uploads / one.path).resolve() for one in named if one.plan.uploads is not None}


def _in_file(context: RunContext, after: Path, storage: str, synced: tuple[FilesPlan, ...], found: Elsewhere) -> None:
    """By the plans of all runs of this file, whatever target they went to and became of them."""
    source = context.folder.record().source
    seen = {_looked_at(plan) for plan in synced}
    for record in all_runs():
        folder = RunFolder.open(record.run)
        if record.source != source or record.run == context.run or not folder.file(PLAN_JSON).exists():
            continue
        try:
            project = read_plan(folder).project
        except UsageError:
            found.unsure.append(f"the plan of the run {record.run} cannot be read")
            continue
        for plan in project.files if project else ():
            if plan.of_blobs or plan.uploads is None or _looked_at(plan) in seen:
                continue
            seen.add(_looked_at(plan))
            assert project is not None
            named = file_changes.named_by(after, [plan], storage, project.users)
            found.objects |= named.keys()
            found.files |= places(named.values())


def _looked_at(plan: FilesPlan) -> tuple[object, ...]:
    return plan.table, plan.column, plan.bucket, plan.uploads, plan.prefixes, plan.prefix, plan.value


def _places(context: RunContext, synced: tuple[FilesPlan, ...]) -> set[tuple[TableName, str]]:
    """Tables and columns of the target that the sync looks at."""
    tables = {table.source: table for table in context.plan.tables}
    return {
        (tables[plan.table].target, column.target)
        for plan in synced
        for column in tables[plan.table].moved_columns
        if column.source == plan.column
    }


def _on_target(connection: psycopg.Connection[Any], synced: set[tuple[TableName, str]], found: Elsewhere) -> None:
    """By what all published runs kept on the target, of whatever file and machine."""
    moved = origins.published(connection)
    if moved is None:
        found.unsure.append("the schema migrator of the target cannot be read")
        return
    tables = {(origin.run, table.source): table for origin in moved for table in origin.tables}
    for origin in _origins(connection):
        table = tables.get((origin.run, origin.table))
        column = next((c.target for c in table.columns if c.source == origin.column), None) if table else None
        if table is None or column is None or (table.target, column) in synced:
            continue
        where = f"{quote(table.target.schema)}.{quote(table.target.name)}"
        there = connection.execute(
            "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s AND NOT attisdropped",
            (where, column),
        ).fetchone()
        if there is None:
            continue
        folders = user_folders(connection, origin.namespace)
        try:
            with connection.transaction(), connection.cursor(name="named_elsewhere") as values:
                values.execute(sql(f"SELECT DISTINCT {quote(column)}::text FROM {where} WHERE {quote(column)} <> ''"))
                for (value,) in values:
                    found.objects |= {(origin.bucket, key) for key in _keys(origin, value, folders.moved)}
        except psycopg.errors.InsufficientPrivilege:
            found.unsure.append(f"{table.target} of the target cannot be read")


def _origins(connection: psycopg.Connection[Any]) -> list[FilesOrigin]:
    rows = connection.execute(
        "SELECT s.detail FROM migrator.step s JOIN migrator.run r ON r.id = s.run "
        "WHERE s.name = %s AND r.state = 'published'",
        (STEP,),
    ).fetchall()
    return [FilesOrigin(**column) for (detail,) in rows for column in detail["columns"]]


def _keys(origin: FilesOrigin, value: str, moved: Any) -> Iterator[str]:
    """The keys that a value of the target may stand for."""
    if origin.base:
        if value.startswith(origin.base):
            try:
                yield from_url(value.removeprefix(origin.base))
            except UnicodeDecodeError:
                return
    elif origin.value == "keep":
        path = value.removeprefix(origin.prefix)
        yield from (key_of(path), key_of(moved(path)))
    else:
        yield value
