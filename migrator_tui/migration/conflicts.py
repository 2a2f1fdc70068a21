"""Conflicting rows of a run that waits for decisions, both sides whole, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.model.plan import Plan
from migrator_tui.postgres.publish import merges


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """A staged row and the live row that it met.

    Attributes:
        key: The match key's columns and values.
        kind: ``same-key``: other values under the same key; ``unique``: another row holds a unique value of it;
            ``rule``: a check, foreign key or unique index of the live table refuses it.
        source, target: Column → value as text, None for NULL; ``target`` is empty where the key is not there.
        choice: What was decided, or None.
        taken: The columns that are taken from the source where that was chosen per field.
    """

    table: str
    key: Mapping[str, Any]
    kind: str
    source: Mapping[str, str | None]
    target: Mapping[str, str | None]
    choice: str | None
    taken: tuple[str, ...] = ()

    @property
    def differing(self) -> tuple[str, ...]:
        """Columns whose values differ."""
        return tuple(name for name, value in self.source.items() if value != self.target.get(name))


def conflict_counts(connection: psycopg.Connection[Any], plan: Plan, run: str) -> dict[str, tuple[int, int]]:
    """Source table → (conflicts, undecided), of the tables that have any."""
    found = {}
    for source, merge in merges(connection, plan, run).items():
        if merge.detected(connection):
            counts = merge.counts(connection)
            if counts.conflicts:
                found[source] = (counts.conflicts, counts.undecided)
    return found


def conflict_rows(
    connection: psycopg.Connection[Any], plan: Plan, run: str, table: str, offset: int, limit: int
) -> list[ConflictRow]:
    """A page of one table's conflicts, in order of the source."""
    merge = merges(connection, plan, run)[table]
    return [
        ConflictRow(table, key, kind, source, target or {}, choice, tuple(taken or ()))
        for key, kind, source, target, choice, taken in merge.page(connection, offset, limit)
    ]
