"""Choosing: how decisions, rules and the policy become the choice of each conflicting row, by SQL over all alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.model.decisions import (
    CHOICES_OF,
    ConflictChoice,
    ConflictDecision,
    ConflictKind,
    ConflictRule,
    Decisions,
    OnConflict,
    Preference,
)
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import TablePlan
from migrator_tui.postgres.detecting import CHANGED, CHOSEN, HELD, OUTDATED
from migrator_tui.postgres.merge import KINDS, Merge, MergeCounts, sql
from migrator_tui.postgres.merge_parts import decided_column


def names_of(table: TablePlan) -> set[str]:
    """What decisions may call a table."""
    return {"*", table.source, str(table.target), table.target.name}


def _met(choice: ConflictChoice, kind: str | None) -> list[str]:
    """What a row may meet for a choice."""
    return [
        name for name, called in KINDS.items() if kind in (None, called) and choice in CHOICES_OF[ConflictKind(called)]
    ]


MIXING = (ConflictChoice.PER_FIELD, ConflictChoice.MERGE)
"""The choices that keep the other row but for the fields that name the source."""


def _mixed(decision: ConflictDecision) -> ConflictChoice:
    """Keeping one side but for some fields is choosing per field."""
    whole = decision.choice in (ConflictChoice.KEEP_SOURCE, ConflictChoice.KEEP_TARGET)
    return ConflictChoice.PER_FIELD if whole and decision.fields else decision.choice


def _stored(choice: str) -> str:
    """SQL: rows of one key are merged field by field."""
    return f"CASE WHEN o.met = 'different' AND {choice} = 'merge' THEN 'per-field' ELSE {choice} END"


class Choices:
    """The choices of one table's conflicts; its rows have been detected."""

    def __init__(self, merge: Merge, *, asking: bool = False) -> None:
        """
        Args:
            asking: A person is shown what is left open: also the rows whose choice could not be taken. A rule that
                could not be carried out for a row leaves it open, and so do all rules one that changed after it was
                decided by itself.
        """
        self._m = merge
        self._asking = asking

    def forget(self, connection: psycopg.Connection[Any]) -> None:
        """Take all choices back: what decisions say now is what counts, and not what they said before."""
        nothing = ", ".join(f"{name} = NULL" for name in CHOSEN)
        connection.execute(sql(f"UPDATE {self._m.state} SET {nothing} WHERE choice IS NOT NULL OR why IS NOT NULL"))

    def decide(self, connection: psycopg.Connection[Any], decisions: Decisions, policy: OnConflict) -> MergeCounts:
        """Fill in the choices: rows named by key first, then rules, then the policy.

        Raises:
            UsageError: ``DECISION-COLUMN``: a decision names a column that the table does not have.
                ``DECISION-VALUES``: values are given for a choice that has none.
        """
        if self._asking:
            self._ask(connection, f"why = {quote_literal(CHANGED)}")
        names = names_of(self._m.table)
        rows = [decision for decision in decisions.conflicts if decision.table in names]
        rules = [rule for rule in decisions.rules if rule.table in names]
        self._choose_rows(connection, rows)
        for rule in rules:
            if rule.kind in (None, *KINDS.values()):
                if isinstance(rule.choice, Preference):
                    self._prefer(connection, rule)
                else:
                    self._choose(connection, rule.choice, rule.kind, rule.columns, rule.fields)
        if policy in (OnConflict.KEEP_TARGET, OnConflict.KEEP_SOURCE):
            self._choose(connection, ConflictChoice(policy.value), None)
        return self._m.counts(connection)

    def _ask(self, connection: psycopg.Connection[Any], where: str) -> None:
        """Leave undecided rows to the person."""
        connection.execute(sql(f"UPDATE {self._m.state} SET stale = 'asked' WHERE choice IS NULL AND {where}"))

    def _choose(
        self,
        connection: psycopg.Connection[Any],
        choice: ConflictChoice,
        kind: str | None,
        columns: Sequence[str] = (),
        fields: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """All that are alike."""
        met = [m for m in _met(choice, kind) if m == "different" or not columns]
        if choice is ConflictChoice.MERGE:  # which of several rows survives is said row by row
            met = [m for m in met if m != "several"]
        taken = self._taken(choice, fields)
        if met:
            # Where the target has no row to keep, the source's would be lost.
            kept = (
                " AND (met NOT IN ('refused', 'orphaned') OR live_hash IS NOT NULL)"
                if choice is ConflictChoice.KEEP_TARGET
                else ""
            )
            chosen = _stored(quote_literal(choice.value))
            fielded = "NULL" if taken is None else f"ARRAY[{', '.join(map(quote_literal, taken))}]::text[]"
            listed = ", ".join(map(quote_literal, met))
            alike = f" AND src IN (SELECT d.src {self._paired(columns)})" if columns else ""
            if self._asking:
                self._ask(connection, f"refused = {quote_literal(choice.value)} AND met IN ({listed}){alike}")
            connection.execute(
                sql(
                    f"UPDATE {self._m.state} o SET choice = {chosen}, taken = {fielded}, why = NULL, refused = NULL "
                    f"WHERE choice IS NULL AND NOT {HELD.format(d='o')} AND met IN ({listed}){kept}{alike}"
                )
            )

    def _paired(self, columns: Sequence[str]) -> str:
        """FROM and WHERE of the undecided rows that differ from the live row of their key, in exactly these columns or
        in any."""
        named = {self._column(name, "columns") for name in columns}
        alike = "".join(
            f" AND {'' if column in named else 'NOT '}({self._m.differs_in(column, 's', 'l')})"
            for column in (self._m.values if named else ())
        )
        return (
            f"FROM {self._m.state} d JOIN {self._m.staged} s ON s.{self._m.locator} = d.src "
            f"JOIN {self._m.live} l ON {self._m.paired('s', 'l')} "
            f"WHERE d.choice IS NULL AND NOT {HELD.format(d='d')} AND d.met = 'different'{alike}"
        )

    def _choose_rows(self, connection: psycopg.Connection[Any], decisions: Sequence[ConflictDecision]) -> None:
        """Rows named by their keys, all in one statement; of several decisions about a row the first counts.

        One whose live row changed since it was told is held: neither that nor a rule decides it.
        """
        entries: list[dict[str, Any]] = [
            {
                "n": n,
                "key": dict(decision.key),
                "met": _met(choice, decision.kind),
                "choice": choice.value,
                "taken": self._taken(decision.choice, decision.fields),
                "edits": self._edits(decision),
                "wanted": dict(decision.into) or None,
            }
            for n, decision in enumerate(decisions)
            for choice in [_mixed(decision)]
        ]
        if not entries:
            return
        # A whole key is joined by hashing; one that names some of its columns is compared with every row.
        whole = set(self._m.table.match_key)
        parts = []
        for operator, chosen in (
            ("=", [e for e in entries if set(e["key"]) == whole]),
            ("@>", [e for e in entries if set(e["key"]) != whole]),
        ):
            if chosen:
                parts.append((f"SELECT d.src, t.* FROM {self._m.state} d JOIN t ON d.key {operator} t.key", chosen))
        outdated = OUTDATED.format(d="o")
        for query, chosen in parts if len(parts) == 1 else [(" UNION ALL ".join(q for q, _ in parts), entries)]:
            connection.execute(
                sql(
                    "WITH t AS MATERIALIZED (SELECT * FROM jsonb_to_recordset(%s) "
                    "AS e(n int, key jsonb, met jsonb, choice text, taken jsonb, edits jsonb, wanted jsonb)) "
                    f"UPDATE {self._m.state} o SET choice = CASE WHEN {outdated} THEN NULL "
                    f"ELSE {_stored('f.choice')} END, "
                    f"edits = f.edits, wanted = f.wanted, stale = CASE WHEN {outdated} THEN 'held' END, "
                    f"why = CASE WHEN {outdated} THEN {quote_literal(CHANGED)} END, "
                    f"refused = CASE WHEN {outdated} THEN f.choice END, "
                    "taken = CASE WHEN jsonb_typeof(f.taken) = 'array' "
                    "THEN ARRAY(SELECT jsonb_array_elements_text(f.taken)) END "
                    f"FROM (SELECT DISTINCT ON (p.src) p.* FROM ({query}) p JOIN {self._m.state} d USING (src) "
                    f"WHERE d.choice IS NULL AND ({OUTDATED.format(d='d')} AND d.met NOT IN ('new', 'same') "
                    "OR p.met ? d.met AND (p.choice <> 'keep-target' "
                    "OR d.met NOT IN ('refused', 'orphaned') OR d.live_hash IS NOT NULL)) ORDER BY p.src, p.n) f "
                    "WHERE f.src = o.src"
                ),
                (Jsonb(chosen),),
            )

    def _taken(self, choice: ConflictChoice, fields: Mapping[str, str]) -> list[str] | None:
        """The columns that are taken from the source, None for all."""
        if not fields and choice not in MIXING:
            return None
        chosen = {self._column(name, "fields"): side for name, side in fields.items()}
        base = "source" if choice in (ConflictChoice.EDIT, ConflictChoice.KEEP_SOURCE) else "target"
        return [column for column in self._m.values if chosen.get(column, base) == "source"]

    def _edits(self, decision: ConflictDecision) -> dict[str, str | None] | None:
        """The values that a decision gives, by the columns' names on the target.

        Raises:
            UsageError: ``DECISION-VALUES``: its choice takes none.
        """
        if not decision.values:
            return None
        if decision.choice not in (ConflictChoice.EDIT, ConflictChoice.KEEP_BOTH):
            raise UsageError(
                "DECISION-VALUES",
                f"A decision about {self._m.table.source} gives `values`, which {decision.choice} does not take.",
                "Choose edit, or keep-both for a new key.",
            )
        keys = self._m.table.match_key if decision.choice is ConflictChoice.KEEP_BOTH else ()
        renamed = {c.source: c.target for c in self._m.table.moved_columns}
        return {
            name if (name := renamed.get(given, given)) in keys else self._column(given, "values"): value
            for given, value in decision.values.items()
        }

    def _column(self, name: str, where: str) -> str:
        return decided_column(self._m.table, self._m.values, name, where)

    def _prefer(self, connection: psycopg.Connection[Any], rule: ConflictRule) -> None:
        """Choose by the rows' own values, where they tell."""
        if rule.kind not in (None, KINDS["different"]):
            return
        paired = self._paired(rule.columns)
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
