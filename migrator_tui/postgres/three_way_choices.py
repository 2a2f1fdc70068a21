"""Choosing in a three-way comparison: decisions, rules and the policy, and what the choices of all tables together
would break: rows left without the row that they refer to, and unique values held twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.decisions import (
    ConflictChoice,
    ConflictDecision,
    ConflictRule,
    Decisions,
    OnConflict,
    Preference,
)
from migrator_tui.model.errors import TargetError, UsageError
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge_parts import decided_column, live_uniques, sql
from migrator_tui.postgres.three_way import ThreeWay

SERVED = (ConflictChoice.KEEP_SOURCE, ConflictChoice.KEEP_TARGET, ConflictChoice.PER_FIELD)
ROUNDS = 100

_FOREIGN_KEYS = """
    SELECT cn.nspname::text, c.relname::text, pn.nspname::text, p.relname::text,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, pos)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.pos),
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, pos)
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.pos)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
    JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE k.contype = 'f' AND k.conparentid = 0 AND k.confrelid = ANY(%s::regclass[]) ORDER BY k.conname
"""


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key between live tables."""

    child: TableName
    parent: TableName
    columns: tuple[str, ...]
    parent_columns: tuple[str, ...]


def references(connection: psycopg.Connection[Any], tables: Sequence[TableName]) -> list[Reference]:
    """The foreign keys onto these tables, those of other tables included."""
    rows = connection.execute(_FOREIGN_KEYS, ([quote_name(table) for table in tables],)).fetchall()
    return [
        Reference(TableName(cs, cn), TableName(ps, pn), tuple(ours), tuple(theirs))
        for cs, cn, ps, pn, ours, theirs in rows
    ]


class SyncChoices:
    """The choices of all tables; their rows have been compared."""

    def __init__(self, tables: Mapping[str, ThreeWay], *, deletions: bool) -> None:
        """
        Args:
            deletions: Rows that one end deleted and the other left as they were are deleted (``--yes``).
        """
        self._tables = tables
        self._deletions = deletions

    def decide(self, connection: psycopg.Connection[Any], decisions: Decisions, policy: OnConflict) -> None:
        """Fill in the choices until nothing that they would break is without one of its own.

        Raises:
            UsageError: ``DECISION-CHOICE``, ``DECISION-COLUMN``: a decision that cannot be taken.
            TargetError: ``SYNC-CASCADE``: rows of tables that are left out refer to rows that would go.
        """
        by_name = {way.table.target: way for way in self._tables.values()}
        keys = references(connection, list(by_name))
        for _ in range(ROUNDS):
            for way in self._tables.values():
                TableChoices(way).decide(connection, decisions, policy, deletions=self._deletions)
            broken = 0
            for key in keys:
                if key.child in by_name:
                    broken += self._orphans(connection, key, by_name)
            for way in self._tables.values():
                broken += self._doubles(connection, way)
            if not broken:
                break
        for key in keys:
            if key.child not in by_name:
                _require_free(connection, key, by_name[key.parent])

    def _orphans(
        self, connection: psycopg.Connection[Any], key: Reference, by_name: Mapping[TableName, ThreeWay]
    ) -> int:
        """Rows that would refer to nothing: the parent's deletion is put in question, or the row itself."""
        child, parent = by_name[key.child], by_name[key.parent]
        met = " AND ".join(f"p.{quote(b)} = c.{quote(a)}" for a, b in zip(key.columns, key.parent_columns, strict=True))
        given = " AND ".join(f"c.{quote(a)} IS NOT NULL" for a in key.columns)
        connection.execute("DROP TABLE IF EXISTS pg_temp.mt_orphans")
        connection.execute(
            sql(
                f"CREATE TEMP TABLE mt_orphans AS SELECT c.* FROM ({child.final_rows(key.columns)}) c WHERE {given} "
                f"AND NOT EXISTS (SELECT 1 FROM ({parent.final_rows(key.parent_columns)}) p WHERE {met})"
            )
        )
        was = " OR ".join(
            "("
            + " AND ".join(
                f"{side}.{quote(b)} = c.{quote(a)}" for a, b in zip(key.columns, key.parent_columns, strict=True)
            )
            + ")"
            for side in (("s", "l") if set(key.parent_columns) <= set(parent.columns) else ("l",))
        )
        promoted = connection.execute(
            sql(
                f"UPDATE {parent.state} o SET kind = 'deleted-edited', choice = NULL FROM {parent.joined}, "
                f"pg_temp.mt_orphans c WHERE o.n = d.n AND d.kind = 'deleted' AND NOT ({parent.present}) AND ({was})"
            )
        ).rowcount
        if promoted:
            return promoted
        return connection.execute(
            sql(
                f"UPDATE {child.state} d SET stuck = (kind = 'parent' AND choice IS NOT NULL), kind = 'parent', "
                "choice = NULL, taken = NULL FROM pg_temp.mt_orphans c "
                "WHERE c._mt_n = d.n AND NOT (kind IS NOT DISTINCT FROM 'parent' AND choice IS NULL)"
            )
        ).rowcount

    def _doubles(self, connection: psycopg.Connection[Any], way: ThreeWay) -> int:
        """Rows that would hold a unique value of another row: one of them is put in question, the source's first, and
        the other one where that stays."""
        first = (
            "CASE WHEN d.kind = 'unique' AND d.choice IS NULL THEN 0 WHEN d.kind IS DISTINCT FROM 'unique' THEN 1 "
            "ELSE 2 END, d.choice IS NOT DISTINCT FROM 'keep-target', f._mt_n"
        )
        found = 0
        for key in live_uniques(connection, way.table.target):
            if set(key) == set(way.table.match_key):
                continue
            columns = ", ".join(f"f.{quote(c)}" for c in key)
            given = " AND ".join(f"f.{quote(c)} IS NOT NULL" for c in key)
            found += connection.execute(
                sql(
                    f"WITH g AS (SELECT array_agg(f._mt_n ORDER BY {first}) "
                    f"FILTER (WHERE f._mt_n IS NOT NULL) AS rows FROM ({way.final_rows(key)}) f "
                    f"LEFT JOIN {way.state} d ON d.n = f._mt_n WHERE {given} GROUP BY {columns} HAVING count(*) > 1) "
                    f"UPDATE {way.state} d SET stuck = (kind = 'unique' AND choice IS NOT NULL), kind = 'unique', "
                    "choice = NULL, taken = NULL FROM g WHERE d.n = g.rows[1] "
                    "AND NOT (kind IS NOT DISTINCT FROM 'unique' AND choice IS NULL)"
                )
            ).rowcount
        return found


def _require_free(connection: psycopg.Connection[Any], key: Reference, parent: ThreeWay) -> None:
    """Raise where rows of a table that takes no part refer to a row that would be deleted."""
    met = " AND ".join(f"c.{quote(a)} = l.{quote(b)}" for a, b in zip(key.columns, key.parent_columns, strict=True))
    row = connection.execute(
        sql(
            f"SELECT d.key::text FROM {parent.joined} JOIN {quote_name(key.child)} c ON {met} "
            f"WHERE d.in_t AND d.choice IS NOT NULL AND NOT ({parent.present}) LIMIT 1"
        )
    ).fetchone()
    if row is not None:
        raise TargetError(
            "SYNC-CASCADE",
            f"{parent.table.target} {row[0]} was deleted in the file, but rows of {key.child}, which is not synced, "
            "refer to it on the target. Nothing was changed.",
            f"Delete or change those rows first, or keep the row: conflicts: [{{table: {parent.table.source}, "
            f"key: {row[0]}, kind: deleted, choice: keep-target}}].",
        )


class TableChoices:
    """The choices of one table."""

    def __init__(self, way: ThreeWay) -> None:
        self._w = way

    def decide(
        self, connection: psycopg.Connection[Any], decisions: Decisions, policy: OnConflict, *, deletions: bool
    ) -> None:
        """Rows named by key first, then rules, then the policy; deletions last.

        Neither a decision that names no kind nor the policy carries a deletion over, or takes a row away that only one
        end has.
        """
        names = {"*", self._w.table.source, str(self._w.table.target), self._w.table.target.name}
        rows = [decision for decision in decisions.conflicts if decision.table in names]
        rules = [rule for rule in decisions.rules if rule.table in names]
        everything: list[ConflictDecision | ConflictRule] = [*rows, *rules]
        for made in everything:
            if isinstance(made.choice, ConflictChoice) and made.choice not in SERVED:
                raise UsageError(
                    "DECISION-CHOICE",
                    f"A decision about {self._w.table.source} cannot be taken: {made.choice} leaves both ends apart, "
                    "or makes a row that neither has, which a sync does not.",
                    f"Choose {', '.join(SERVED)}; nothing was changed.",
                )
        self._choose_rows(connection, rows)
        for rule in rules:
            if isinstance(rule.choice, Preference):
                self._prefer(connection, rule)
            else:
                self._choose(connection, rule.choice, rule.kind, rule.fields, self._alike(rule))
        if policy in (OnConflict.KEEP_SOURCE, OnConflict.KEEP_TARGET):
            self._choose(connection, ConflictChoice(policy.value), None, {}, "")
        if deletions:
            connection.execute(
                sql(
                    f"UPDATE {self._w.state} SET choice = CASE WHEN in_t THEN 'keep-source' ELSE 'keep-target' END "
                    "WHERE choice IS NULL AND kind = 'deleted'"
                )
            )

    def _choose(
        self,
        connection: psycopg.Connection[Any],
        choice: ConflictChoice,
        kind: str | None,
        fields: Mapping[str, str],
        where: str,
    ) -> None:
        chosen, taken = self._set(choice, fields)
        connection.execute(
            sql(
                f"UPDATE {self._w.state} d SET choice = {chosen}, taken = {taken} WHERE d.choice IS NULL "
                f"AND NOT d.stuck AND {self._served(choice, kind, fields)}{where}"
            )
        )

    def _set(self, choice: ConflictChoice, fields: Mapping[str, str]) -> tuple[str, str]:
        """SQL of a row's choice and of the columns that it takes from the source.

        Merged per cell, a side is chosen for the cells that both ends changed; the others are of who changed them.
        """
        ours = {self._column(name, "fields") for name, side in fields.items() if side == "source"}
        theirs = {self._column(name, "fields") for name, side in fields.items() if side == "target"}
        per_cell = self._w.per_cell and not fields
        if not fields and not per_cell:
            return quote_literal(choice.value), "NULL::text[]"
        default = "true" if choice is ConflictChoice.KEEP_SOURCE else "false"
        own = f"CASE WHEN NOT c = ANY(d.theirs) THEN true WHEN NOT c = ANY(d.ours) THEN false ELSE {default} END"
        default = own if self._w.per_cell else default
        taken = (
            "ARRAY(SELECT DISTINCT c FROM unnest(d.ours || d.theirs) AS c "
            f"WHERE c = ANY({_array(ours)}) OR (NOT c = ANY({_array(theirs)}) AND {default}))"
        )
        both = "d.kind = 'same-key' AND d.in_s AND d.in_t"
        if not fields:
            both += " AND d.in_b"
        plain = quote_literal(choice.value)
        return f"CASE WHEN {both} THEN 'per-field' ELSE {plain} END", f"CASE WHEN {both} THEN {taken} END"

    def _served(self, choice: ConflictChoice, kind: str | None, fields: Mapping[str, str]) -> str:
        """SQL: a row is one that the choice can be about."""
        if fields or choice is ConflictChoice.PER_FIELD:
            return "d.kind = 'same-key'" if kind in (None, "same-key") else "false"
        if kind is not None:
            return f"d.kind = {quote_literal(kind)}"
        there = "d.in_s" if choice is ConflictChoice.KEEP_SOURCE else "d.in_t"
        return f"(d.kind = 'same-key' OR (d.kind = 'deleted-edited' AND {there}))"

    def _choose_rows(self, connection: psycopg.Connection[Any], decisions: Sequence[ConflictDecision]) -> None:
        """Rows named by their keys; those decided alike in one statement. The first decision of a row counts."""
        waiting = list(decisions)
        while waiting:
            first = waiting[0]
            alike = []
            for decision in waiting:
                if (decision.choice, decision.kind, decision.fields) != (first.choice, first.kind, first.fields):
                    break
                alike.append(decision)
            del waiting[: len(alike)]
            # As a literal: beside parameters, a percent sign in a name would be read as one.
            keys = (
                f"jsonb_array_elements({quote_literal(json.dumps([dict(decision.key) for decision in alike]))}::jsonb)"
            )
            whole = all(set(decision.key) == set(self._w.table.match_key) for decision in alike)
            where = f"d.key IN (SELECT {keys})" if whole else f"EXISTS (SELECT 1 FROM {keys} AS e WHERE d.key @> e)"
            self._choose(connection, first.choice, first.kind, first.fields, f" AND {where}")

    def _alike(self, rule: ConflictRule) -> str:
        """SQL: a row differs in exactly the columns that a rule names."""
        if not rule.columns:
            return ""
        named = _array({self._column(name, "columns") for name in rule.columns})
        return f" AND (d.ours || d.theirs) <@ {named} AND (d.ours || d.theirs) @> {named}"

    def _prefer(self, connection: psycopg.Connection[Any], rule: ConflictRule) -> None:
        """Choose by the rows' own values, where they tell."""
        if rule.kind not in (None, "same-key"):
            return
        if rule.by is None:
            self._fill(connection, rule)
            return
        column = self._column(rule.by, "by")
        ours, theirs = f"s.{quote(column)}", f"l.{quote(column)}"
        if rule.choice is Preference.LONGER:
            ours, theirs = f"length({ours}::text)", f"length({theirs}::text)"
        elif rule.choice is Preference.NOT_NULL:
            ours, theirs = f"num_nonnulls({ours})", f"num_nonnulls({theirs})"
        where = self._alike(rule)
        for choice, sign in ((ConflictChoice.KEEP_SOURCE, ">"), (ConflictChoice.KEEP_TARGET, "<")):
            told = (
                f" AND d.n IN (SELECT d.n FROM {self._w.joined} WHERE d.kind = 'same-key' AND {ours} {sign} {theirs})"
            )
            self._choose(connection, choice, "same-key", {}, where + told)

    def _fill(self, connection: psycopg.Connection[Any], rule: ConflictRule) -> None:
        """Give each field that one side leaves empty the other's value; no row that differs otherwise."""
        taken = ", ".join(
            f"CASE WHEN l.{quote(c)} IS NULL AND s.{quote(c)} IS NOT NULL THEN {quote_literal(c)} END"
            for c in self._w.values
        )
        other = " OR ".join(
            f"(s.{quote(c)} IS NOT NULL AND l.{quote(c)} IS NOT NULL AND {self._w.differs_in(c, 's', 'l')})"
            for c in self._w.values
        )
        connection.execute(
            sql(
                f"UPDATE {self._w.state} o SET choice = 'per-field', taken = f.taken FROM ("
                f"SELECT d.n, array_remove(ARRAY[{taken}]::text[], NULL) AS taken FROM {self._w.joined} "
                f"WHERE d.choice IS NULL AND d.kind = 'same-key' AND NOT ({other}){self._alike(rule)}) f "
                "WHERE f.n = o.n"
            )
        )

    def _column(self, name: str, where: str) -> str:
        return decided_column(self._w.table, self._w.values, name, where)


def _array(names: set[str]) -> str:
    return f"ARRAY[{', '.join(map(quote_literal, sorted(names)))}]::text[]"
