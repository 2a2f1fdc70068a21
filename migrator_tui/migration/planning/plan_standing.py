"""What else has a say in a column's type: the columns that foreign keys join it to, keys, indexes and expressions."""

from __future__ import annotations

import re

from migrator_tui.convert.parsed_texts import Standing, uuid_codec
from migrator_tui.migration.planning.plan_draft import Drafting
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import Column, Table, TableName

Place = tuple[str, str]
"""A source table and a column of it."""


def standing(draft: Drafting, table: str, column: Column, found: ColumnProfile) -> Standing | None:
    """Where a column stands; None for one whose values are computed, or no UUID and no JSON."""
    described = draft.source.table(TableName("", table))
    if described is None or column.generated is not None:
        return None
    here = (table, column.name)
    joined = draft.joined.get(here, ())
    if not (found.json or uuid_codec(found) or (joined and not found.classes)):
        return None
    if any(_holds_numbers_alone(draft, place) for place in joined):
        return Standing(keyed=True) if found.json else None  # an id that is counted stays one, whatever refers to it
    profiles = [p for place in joined if place != here if (p := _profile(draft, place)) is not None]
    keyed = bool(joined) or _is_keyed(described, column.name)
    if any(_goes_into_live(draft, place[0]) for place in joined):
        return Standing(keyed=keyed) if found.json else None  # a live column has its type already
    if not joined or joined[0] == here:
        return Standing(profiles, keyed=keyed)
    parent = draft.source.table(TableName("", joined[0][0]))
    declared = next((c.type for c in parent.columns if c.name == joined[0][1]), "") if parent else ""
    return Standing(profiles, joined[0], declared, keyed)


def _holds_numbers_alone(draft: Drafting, place: Place) -> bool:
    """SQLite takes nothing but numbers there, so that an empty column is known by more than what refers to it."""
    described = draft.source.table(TableName("", place[0]))
    column = next((c for c in described.columns if c.name == place[1]), None) if described else None
    if described is None or column is None:
        return False
    return column.identity or (described.strict and column.type.upper() in ("INT", "INTEGER", "REAL"))


def _goes_into_live(draft: Drafting, table: str) -> bool:
    override = draft.scope.tables.get(table)
    named = override.target if override else None
    wanted = named or TableName(draft.scope.schema, draft.names.wanted(table))
    return draft.target.database.table(wanted) is not None


def _profile(draft: Drafting, place: Place) -> ColumnProfile | None:
    table = draft.profile.tables.get(place[0])
    return next((c for c in table.columns if c.name == place[1]), None) if table else None


def _is_keyed(table: Table, column: str) -> bool:
    if any(key is not None and column in key.columns for key in (table.primary_key, *table.uniques)):
        return True
    if any(part.column == column for index in table.indexes for part in index.parts):
        return True
    expressions = [check.expression for check in table.checks]
    expressions += [c.generated.expression for c in table.columns if c.generated]
    for index in table.indexes:
        expressions += [part.expression or "" for part in index.parts] + [index.where or ""]
    return any(reads(text, column) and not _asks_only_for_json(text) for text in expressions)


def reads(expression: str, column: str) -> bool:
    """Whether an expression may read a column: its name is a word of it."""
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", expression, re.IGNORECASE) is not None


def may_be_null(draft: Drafting, table: str, column: str) -> bool:
    """Whether values of a column can become NULL: it is no part of a primary key, and nothing refers to it."""
    described = draft.source.table(TableName("", table))
    if described is None or (described.primary_key and column in described.primary_key.columns):
        return False
    return all(parent != described.name or column not in columns for parent, columns in draft.referred_to)


def _asks_only_for_json(expression: str) -> bool:
    """``json_valid(column)``, which a column of json satisfies by itself."""
    return re.fullmatch(r"\s*json_valid\s*\([^()]*\)\s*", expression, re.IGNORECASE) is not None
