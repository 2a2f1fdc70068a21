"""Planning which columns of blobs become columns of object paths, their blobs going to a bucket.

Decided before the tables are planned, because the column is a text then, for everything that is made of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from migrator_tui.convert import blob_objects
from migrator_tui.migration.files.matching_files import named_by
from migrator_tui.migration.planning.guess_files import bucket_name
from migrator_tui.migration.planning.plan_draft import Chooser
from migrator_tui.migration.staging import Source
from migrator_tui.model.errors import UsageError
from migrator_tui.model.findings import Finding
from migrator_tui.model.origin import Origin
from migrator_tui.model.plan import Plan, Scope
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.project import FilesScope
from migrator_tui.model.schema import Column, Table, TableName
from migrator_tui.supabase.api import STORAGE_PATH
from migrator_tui.supabase.storage_api import public_base

WORTH = 1_000
"""Bytes of the widest blob of a column from which on it is proposed: ids, salts and hashes are no files."""
LONGEST_KEY = 200
"""Bytes of a text in a row's key up to which it names the row's object; the rowid does above."""


@dataclass(frozen=True, slots=True)
class Blobs:
    """What was decided of columns of blobs.

    Attributes:
        codecs: (source table, column) → the codec of those that become paths.
        scopes: The same columns, with their buckets.
    """

    codecs: Mapping[tuple[str, str], str]
    scopes: tuple[FilesScope, ...] = ()
    findings: tuple[Finding, ...] = ()


def proposed(
    source: Source,
    scope: Scope,
    included: Collection[str],
    chooser: Chooser,
    origins: Sequence[Origin],
    *,
    has_storage: bool,
) -> Blobs:
    """The columns that a person fixed, and those that are proposed and decided.

    What an earlier run made so is proposed so again: the column there holds paths.

    Args:
        included: Source tables that are moved.
    """
    api = scope.project.api
    codecs: dict[tuple[str, str], str] = {}
    scopes: list[FilesScope] = []
    findings: list[Finding] = []
    fixed = {(each.table, each.column): each for each in scope.project.files}
    before = _before(origins)
    for table, column, found in _columns(source, scope, included):
        place = (table.name.name, column.name)
        own = fixed.get(place)
        if api is None or not has_storage or (own is None and not _asks(found, before, place)):
            continue
        why = "`files:` says `value: keep`" if own and own.value == "keep" else _depends(source, table, column)
        if why:
            if own is not None:
                message = f"{table.name.name}.{column.name} keeps its blobs: {why}."
                findings.append(Finding("FILES-BLOB-KEPT", message, table=place[0], column=place[1]))
            continue
        files = own or FilesScope(*place, bucket_name(place[0]))
        choices = ("key", "url", "bytea") if own is not None or place in before else ("bytea", "key", "url")
        finding = _finding(table, column, found, files, choices)
        settled = chooser.settle(finding)
        choice = settled.decision or chooser.choice(finding)
        if choice == "bytea":
            findings.append(settled)
            continue
        if own is not None:
            settled = replace(settled, choices=(), decision=None)
        elif choice == "url":
            files = replace(files, value="url", public=True)
        findings.append(settled)
        base = public_base(f"{api}{STORAGE_PATH}", files.bucket) if files.value == "url" else ""
        codecs[place] = named_by(*place, keys_of(source, table), base).codec
        scopes.append(files)
    return Blobs(codecs, tuple(scopes), tuple(findings))


def require_files(plan: Plan) -> None:
    """Raise where a column is to hold paths of objects that the run does not make.

    Raises:
        UsageError: ``PLAN-FILES``.
    """
    moved = {(each.table, each.column) for each in (plan.project.files if plan.project else ()) if each.of_blobs}
    for table in plan.moved:
        for column in table.moved_columns:
            if blob_objects.of_codec(column.codec) and (table.source, column.source) not in moved:
                raise UsageError(
                    "PLAN-FILES",
                    f"The plan makes paths of objects of the blobs in {table.source}.{column.source}, but moves no "
                    "files there.",
                    f"Decide FILES-BLOB of the column, name the project's API and key, or give it another type and "
                    f"codec ({column.codec} now).",
                )


def keys_of(source: Source, table: Table) -> tuple[str, ...]:
    """The columns that tell a row for good: its primary key where every value of it makes a path, else the rowid."""
    assert table.locator is not None
    key = table.primary_key.columns if table.primary_key else ()
    profile = source.profile.tables[table.name.name]
    try:
        plain = all(_names_rows(profile.column(name)) for name in key)
    except KeyError:
        plain = False
    return tuple(key) if key and plain else (table.locator,)


def _names_rows(found: ColumnProfile) -> bool:
    if found.nulls or found.nul_texts or found.invalid_utf8:
        return False
    return found.classes == ("integer",) or (found.classes == ("text",) and found.max_bytes <= LONGEST_KEY)


def _columns(source: Source, scope: Scope, included: Collection[str]) -> Iterator[tuple[Table, Column, ColumnProfile]]:
    for table in source.database.tables:
        name = table.name.name
        profile = source.profile.tables.get(name)
        if name not in included or not table.holds_rows or table.virtual is not None or profile is None:
            continue
        override = scope.tables.get(name)
        for found in profile.columns:
            if found.classes == ("blob",) and not (override and override.columns.get(found.name, ()) is None):
                yield table, table.column(found.name), found


def _before(origins: Sequence[Origin]) -> frozenset[tuple[str, str]]:
    """The columns that the newest run of their table made so."""
    newest: dict[tuple[str, str], str] = {}
    for origin in origins:
        for table in origin.tables:
            for column in table.columns:
                newest.setdefault((table.source, column.source), column.codec)
    return frozenset(place for place, codec in newest.items() if blob_objects.of_codec(codec))


def _asks(found: ColumnProfile, before: Collection[tuple[str, str]], place: tuple[str, str]) -> bool:
    return found.max_bytes >= WORTH or place in before


def _finding(
    table: Table, column: Column, found: ColumnProfile, files: FilesScope, choices: tuple[str, ...]
) -> Finding:
    message = (
        f"{table.name.name}.{column.name}: {found.blobs:,} blobs of up to {found.max_bytes:,} bytes; as objects they "
        f"go to the {'public' if files.public else 'private'} bucket {files.bucket}."
    )
    return Finding("FILES-BLOB", message, table=table.name.name, column=column.name, rows=found.blobs, choices=choices)


def _depends(source: Source, table: Table, column: Column) -> str:
    """What keeps the column's blobs where they are, or nothing."""
    name = column.name
    if table.locator is None:
        return "its table has no rowid by which a blob could be read piece by piece"
    if column.generated is not None:
        return "it is computed"
    if column.default is not None and column.default.upper() != "NULL":
        return "it has a default"
    keys = (*((table.primary_key,) if table.primary_key else ()), *table.uniques, *table.foreign_keys)
    if any(name in key.columns for key in keys) or any(
        key.parent == TableName("", table.name.name) and name in key.parent_columns
        for other in source.database.tables
        for key in other.foreign_keys
    ):
        return "a key compares it"
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
    texts = [check.expression for check in table.checks]
    texts += [index.sql for index in table.indexes if index.sql]
    texts += [other.generated.expression for other in table.columns if other.generated]
    return "a CHECK, an index or a generated column reads it" if any(word.search(text) for text in texts) else ""
