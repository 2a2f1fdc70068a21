"""Choosing: how decisions, rules and the policy become the choice of each conflicting row, by SQL over all alike."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.model.decisions import (
    ConflictChoice,
    ConflictDecision,
    ConflictRule,
    Decisions,
    OnConflict,
    Preference,
)
from migrator_tui.model.errors import UsageError
from migrator_tui.postgres.merge import KINDS, Merge, MergeCounts, sql


class Choices:
    """The choices of one table's conflicts; its rows have been detected."""

    def __init__(self, merge: Merge) -> None:
        self._m = merge

    def decide(self, connection: psycopg.Connection[Any], decisions: Decisions, policy: OnConflict) -> MergeCounts:
        """Fill in the choices: rows named by key first, then rules, then the policy.

        Raises:
            UsageError: ``DECISION-COLUMN``: a decision names a column that the table does not have.
        """
        names = {"*", self._m.table.source, str(self._m.table.target), self._m.table.target.name}
        for decision in decisions.conflicts:
            if decision.table in names:
                named = Jsonb(dict(decision.key))
                if decision.fields:
                    self._choose_fields(connection, decision, named)
                else:
                    self._choose(
                        connection, decision.choice, decision.kind, where="key @> %s::jsonb", parameters=(named,)
                    )
        for rule in decisions.rules:
            if rule.table in names and rule.kind in (None, *KINDS.values()):
                if isinstance(rule.choice, Preference):
                    self._prefer(connection, rule)
                else:
                    self._choose(connection, rule.choice, rule.kind)
        if policy in (OnConflict.KEEP_TARGET, OnConflict.KEEP_SOURCE):
            self._choose(connection, ConflictChoice(policy.value), None)
        return self._m.counts(connection)

    def _choose(
        self,
        connection: psycopg.Connection[Any],
        choice: ConflictChoice,
        kind: str | None,
        where: str = "true",
        parameters: tuple[Any, ...] = (),
    ) -> None:
        # A clash with another row's unique value cannot be overwritten: the source's row has a key of its own.
        met = tuple(name for name, called in KINDS.items() if kind in (None, called))
        if choice is ConflictChoice.KEEP_SOURCE:
            met = tuple(m for m in met if m == "different")
        if choice is ConflictChoice.KEEP_TARGET:  # where the target has no row to keep, the source's would be lost
            where = f"({where}) AND (met <> 'refused' OR live_hash IS NOT NULL)"
        if met:
            connection.execute(
                sql(f"UPDATE {self._m.state} SET choice = %s WHERE choice IS NULL AND met = ANY(%s) AND {where}"),
                (choice.value, list(met), *parameters),
            )

    def _choose_fields(self, connection: psycopg.Connection[Any], decision: ConflictDecision, key: Jsonb) -> None:
        """One row, some fields of it from the other side. Only for rows of the same key: others are not replaced."""
        if decision.kind not in (None, KINDS["different"]):
            return
        chosen = {self._column(name, "fields"): side for name, side in decision.fields.items()}
        base = "source" if decision.choice is ConflictChoice.KEEP_SOURCE else "target"
        taken = [column for column in self._m.values if chosen.get(column, base) == "source"]
        connection.execute(
            sql(
                f"UPDATE {self._m.state} SET choice = %s, taken = %s WHERE choice IS NULL AND met = 'different' "
                "AND key @> %s::jsonb"
            ),
            (ConflictChoice.PER_FIELD.value, taken, key),
        )

    def _column(self, name: str, where: str) -> str:
        """A column that a decision names, by its name on the target or in the source.

        Raises:
            UsageError: ``DECISION-COLUMN``: there is none, or it is part of the key.
        """
        renamed = {c.source: c.target for c in self._m.table.moved_columns}
        column = name if name in self._m.values else renamed.get(name, name)
        if column not in self._m.values:
            raise UsageError(
                "DECISION-COLUMN",
                f"A decision about {self._m.table.source} names {name!r} in `{where}`, which is no column of its rows"
                + (" but part of their key." if column in self._m.table.match_key else "."),
                f"Its columns are {', '.join(self._m.values)}.",
            )
        return column

    def _prefer(self, connection: psycopg.Connection[Any], rule: ConflictRule) -> None:
        """Choose by the rows' own values, where they tell."""
        if rule.kind not in (None, KINDS["different"]):
            return
        paired = (
            f"FROM {self._m.state} d JOIN {self._m.staged} s ON s.{self._m.locator} = d.src "
            f"JOIN {self._m.live} l ON {self._m.paired('s', 'l')} WHERE d.choice IS NULL AND d.met = 'different'"
        )
        if rule.by is None:
            connection.execute(
                sql(f"UPDATE {self._m.state} o SET choice = 'per-field', taken = f.taken {self._fill(paired)}")
            )
            return
        column = self._column(rule.by, "by")
        ours, theirs = f"s.{quote(column)}", f"l.{quote(column)}"
        if rule.choice is Preference.LONGER:
            ours, theirs = f"length({ours}::text)", f"length({theirs}::text)"
        elif rule.choice is Preference.NOT_NULL:
            ours, theirs = f"num_nonnulls({ours})", f"num_nonnulls({theirs})"
        elif self._m.exact(column):
            raise UsageError(
                "DECISION-COLUMN",
                f"A rule of {self._m.table.source} takes what is newer by {column}, which has no order.",
                "Name a column with a date, a time or a number.",
            )
        connection.execute(
            sql(
                f"UPDATE {self._m.state} o SET choice = f.choice FROM (SELECT d.src, CASE WHEN {ours} > {theirs} "
                f"THEN 'keep-source' WHEN {ours} < {theirs} THEN 'keep-target' END AS choice {paired}) f "
                "WHERE f.src = o.src AND f.choice IS NOT NULL"
            )
        )

    def _fill(self, paired: str) -> str:
        """FROM and WHERE that give ``f.taken``: the fields that only the source has; no row that differs otherwise."""
        taken = ", ".join(
            f"CASE WHEN l.{quote(c)} IS NULL AND s.{quote(c)} IS NOT NULL THEN {quote_literal(c)} END"
            for c in self._m.values
        )
        other = " OR ".join(
            f"(s.{quote(c)} IS NOT NULL AND l.{quote(c)} IS NOT NULL AND {self._m.differs_in(c, 's', 'l')})"
            for c in self._m.values
        )
        return (
            f"FROM (SELECT d.src, array_remove(ARRAY[{taken}]::text[], NULL) AS taken {paired} AND NOT ({other})) f "
            "WHERE f.src = o.src"
        )
