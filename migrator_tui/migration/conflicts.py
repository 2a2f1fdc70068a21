"""Conflicting rows of a run that waits for decisions, both sides whole, a page at a time; of a migration or a sync."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.syncing.sync_ways import ways_of
from migrator_tui.model.decisions import ConflictChoice, ConflictRule, Decisions, OnConflict
from migrator_tui.model.plan import Plan
from migrator_tui.postgres.choices import Choices
from migrator_tui.postgres.conflict_pages import with_conflicts
from migrator_tui.postgres.detecting import CHANGED, Hit
from migrator_tui.postgres.following import Followers, Following
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
        why, refused: Why a choice that was made cannot be taken, and which.
        uniques: The unique keys that the target holds its rows to.
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
    refused: str | None = None
    uniques: tuple[tuple[str, ...], ...] = ()

    @property
    def changed(self) -> bool:
        """Its live row changed after it was decided by itself."""
        return self.why == CHANGED

    @property
    def taken_values(self) -> tuple[str, ...]:
        """The columns whose values the target has already where it wants each of them once."""
        others = [hit.values for hit in self.hits if hit.side == "target"]
        if all(self.target.get(name) == str(value) for name, value in self.key.items()):
            others.append(self.target)
        held = (
            name
            for columns in self.uniques
            for name in columns
            if any(all(self.source.get(c) == other.get(c) is not None for c in columns) for other in others)
        )
        return tuple(dict.fromkeys(held))

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
        following: How many rows of the source refer to them and get another key with them.
    """

    found: int
    keys: tuple[Mapping[str, Any], ...]
    following: int = 0


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
            Choices(merge, asking=True).decide(connection, decisions, OnConflict.ASK)
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
            table,
            met.key,
            kind,
            met.source,
            met.target or {},
            met.choice,
            met.taken or (),
            met.hits,
            why=met.why,
            refused=met.refused,
            uniques=merge.uniques,
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
    found, following, keys = 0, 0, list[Mapping[str, Any]]()
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
    moves = rule.choice in (ConflictChoice.KEEP_BOTH, ConflictChoice.MERGE)
    for merge in merges(connection, plan, run, asked).values():
        with connection.transaction(force_rollback=True):
            choices = Choices(merge, asking=True)
            choices.decide(connection, decisions, OnConflict.ASK)
            waiting = merge.waiting(connection)
            choices.decide(connection, Decisions(rules=(rule,)), OnConflict.ASK)
            decided = merge.decided_of(connection, waiting, limit - len(keys))
            following += Following(connection, plan, run, merge).counted(waiting) if moves else 0
        found += decided[0]
        keys += decided[1]
    return Preview(found, tuple(keys), following)


def reopened(connection: psycopg.Connection[Any], plan: Plan, run: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Table and key of the rows that had a choice which could not be taken, or which changed after it was made."""
    if ways_of(connection, plan, RunFolder.open(run)) is not None:
        return []
    waiting = merges(connection, plan, run, with_conflicts(connection, plan, run))
    return [(source, key) for source, merge in waiting.items() for key in merge.reopened(connection)]


def followers(connection: psycopg.Connection[Any], plan: Plan, run: str, row: ConflictRow) -> list[Followers]:
    """The rows that refer to this one, or to a live one that it met: they follow where it gets another key or becomes
    one with another."""
    if ways_of(connection, plan, RunFolder.open(run)) is not None:
        return []
    merge = merges(connection, plan, run, {row.table})[row.table]
    met = {str(hit.key): hit.key for hit in row.hits if hit.side == "target"}
    if row.hits and all(row.target.get(name) == str(value) for name, value in row.key.items()):
        met.setdefault(str(row.key), row.key)
    with connection.transaction(force_rollback=True):
        following = Following(connection, plan, run, merge)
        return [*following.of_source(row.key), *(one for key in met.values() for one in following.of_live(key))]


def _compared(connection: psycopg.Connection[Any], ways: Mapping[str, ThreeWay]) -> bool:
    return all(way.detected(connection) for way in ways.values())
