"""Conflicting rows of a run that waits for decisions, both sides whole, a page at a time; of a migration or a sync."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.syncing.sync_ways import ways_of
from migrator_tui.model.decisions import ConflictRule, Decisions, OnConflict
from migrator_tui.model.plan import Plan
from migrator_tui.postgres.choices import Choices
from migrator_tui.postgres.conflict_pages import with_conflicts
from migrator_tui.postgres.detecting import Hit
from migrator_tui.postgres.merge_plan import merges
from migrator_tui.postgres.three_way import ThreeWay
from migrator_tui.postgres.three_way_choices import SyncChoices, TableChoices


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """A staged row and the live row that it met.

    Attributes:
        key: The match key's columns and values.
        kind: What it met (:class:`~migrator_tui.model.decisions.ConflictKind`).
        source, target: Column → value as text, None for NULL; ``target`` is the row of the same key, else the first
            other row that was met, and empty where there is none.
        choice: What was decided, or None.
        taken: The columns that are taken from the source where that was chosen per field.
        hits: The rows of other keys that hold a unique or natural key's value of it.
        both_ends: What is decided comes to the source as well; then ``source`` is empty where that has no row.
        base: The row as both ends had it last, where they are brought together; empty where they had none.
        why: Why a choice that was made cannot be taken.
    """

    table: str
    key: Mapping[str, Any]
    kind: str
    source: Mapping[str, str | None]
    target: Mapping[str, str | None]
    choice: str | None
    taken: tuple[str, ...] = ()
    hits: tuple[Hit, ...] = ()
    both_ends: bool = False
    base: Mapping[str, str | None] = field(default_factory=dict)
    why: str | None = None

    @property
    def differing(self) -> tuple[str, ...]:
        """Columns whose values differ."""
        if not self.source:
            return tuple(self.target)
        return tuple(name for name, value in self.source.items() if value != self.target.get(name))


@dataclass(frozen=True, slots=True)
class ConflictGroup:
    """The conflicts of one table that are of one kind.

    Attributes:
        found, undecided: How many there are, and how many of them the decisions leave open.
    """

    table: str
    kind: str
    found: int
    undecided: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would decide.

    Attributes:
        found: How many rows.
        keys: Those of the first ones, in order of the source.
    """

    found: int
    keys: tuple[Mapping[str, Any], ...]


def conflict_groups(
    connection: psycopg.Connection[Any], plan: Plan, run: str, decisions: Decisions
) -> list[ConflictGroup]:
    """All groups of a run, as these decisions would leave them. Nothing is decided by it.

    Raises:
        UsageError: A decision names a column that its table does not have.
    """
    ways = ways_of(connection, plan, RunFolder.open(run))
    if ways is not None:
        if not _compared(connection, ways):
            return []
        with connection.transaction(force_rollback=True):
            SyncChoices(ways, deletions=False).decide(connection, decisions, OnConflict.ASK)
            return [ConflictGroup(name, *counts) for name, way in ways.items() for counts in way.groups(connection)]
    found = []
    for source, merge in merges(connection, plan, run, with_conflicts(connection, plan, run)).items():
        with connection.transaction(force_rollback=True):
            Choices(merge).decide(connection, decisions, OnConflict.ASK)
            found += [ConflictGroup(source, *counts) for counts in merge.groups(connection)]
    return found


def conflict_rows(
    connection: psycopg.Connection[Any], plan: Plan, run: str, group: tuple[str, str], offset: int, limit: int
) -> list[ConflictRow]:
    """A page of a group (table, kind), in order of the source."""
    table, kind = group
    ways = ways_of(connection, plan, RunFolder.open(run))
    if ways is not None:
        return [
            ConflictRow(table, key, kind, s or {}, t or {}, choice, tuple(taken or ()), both_ends=True, base=b or {})
            for key, s, t, b, choice, taken in ways[table].page(connection, offset, limit, kind)
        ]
    merge = merges(connection, plan, run, {table})[table]
    return [
        ConflictRow(
            table, met.key, kind, met.source, met.target or {}, met.choice, met.taken or (), met.hits, why=met.why
        )
        for met in merge.page(connection, kind, offset, limit)
    ]


def preview(
    connection: psycopg.Connection[Any], plan: Plan, run: str, decisions: Decisions, rule: ConflictRule, limit: int = 20
) -> Preview:
    """The rows that a rule would decide of those which the decisions leave open. Nothing is decided by it.

    Raises:
        UsageError: A decision or the rule names a column that its table does not have, or one without an order.
    """
    found, keys = 0, list[Mapping[str, Any]]()
    ways = ways_of(connection, plan, RunFolder.open(run))
    if ways is not None:
        if _compared(connection, ways):
            with connection.transaction(force_rollback=True):
                SyncChoices(ways, deletions=False).decide(connection, decisions, OnConflict.ASK)
                for name, way in ways.items():
                    if rule.table in ("*", name):
                        waiting = way.waiting(connection)
                        TableChoices(way).decide(connection, Decisions(rules=(rule,)), OnConflict.ASK, deletions=False)
                        counted, first = way.decided(connection, waiting, limit - len(keys))
                        found += counted
                        keys += first
        return Preview(found, tuple(keys))
    asked = {source for source in with_conflicts(connection, plan, run) if rule.table in ("*", source)}
    for merge in merges(connection, plan, run, asked).values():
        with connection.transaction(force_rollback=True):
            choices = Choices(merge)
            choices.decide(connection, decisions, OnConflict.ASK)
            waiting = merge.waiting(connection)
            choices.decide(connection, Decisions(rules=(rule,)), OnConflict.ASK)
            decided = merge.decided_of(connection, waiting, limit - len(keys))
        found += decided[0]
        keys += decided[1]
    return Preview(found, tuple(keys))


def _compared(connection: psycopg.Connection[Any], ways: Mapping[str, ThreeWay]) -> bool:
    return all(way.detected(connection) for way in ways.values())
