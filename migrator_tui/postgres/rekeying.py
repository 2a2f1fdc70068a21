"""Rows that get another key, and the rows that refer to them: every table follows, in the same transaction.

A row that is kept beside another one, or becomes one with it, has another key on the target than in the source. The
rows that refer to it are written with that key, in merged and in new tables. What they were is kept in staging; what
they become lies beside it in ``_mt_moved_…``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.decisions import Decisions, OnConflict
from migrator_tui.model.errors import DecisionsNeeded
from migrator_tui.model.plan import Action, Plan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.choices import Choices, names_of
from migrator_tui.postgres.ddl import staging_schema
from migrator_tui.postgres.merge import Merge, sql
from migrator_tui.postgres.merge_parts import Parts
from migrator_tui.postgres.settling import COMES, WRITTEN, Settling

ROUNDS = 40
"""After so many rounds, choices that change one another's rows are taken to have no end."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns of a table that refer to a merged one; by their names on the target.

    Attributes:
        enforced: The target holds rows to it.
    """

    child: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    enforced: bool = field(default=False, compare=False)


def references(connection: psycopg.Connection[Any], plan: Plan) -> list[Reference]:
    """All references to merged tables that the source or the target declares, by names in the source."""
    merged = {table.target: table.source for table in plan.moved if table.action is Action.MERGE}
    found: dict[Reference, Reference] = {}
    for table in plan.moved:
        for key in (*table.foreign_keys, *table.references):
            if key.parent in merged:
                declared = Reference(table.source, key.columns, merged[key.parent], key.parent_columns)
                found[declared] = declared
    for target, source in merged.items():
        for child, columns, parent_columns in live_references(connection, target):
            if child in merged:
                enforced = Reference(merged[child], columns, source, parent_columns, enforced=True)
                found[enforced] = enforced
    moved = {table.source: {c.target for c in table.moved_columns} for table in plan.moved}
    return [r for r in found.values() if set(r.columns) <= moved[r.child] and set(r.parent_columns) <= moved[r.parent]]


def live_references(
    connection: psycopg.Connection[Any], table: TableName
) -> list[tuple[TableName, tuple[str, ...], tuple[str, ...]]]:
    """The foreign keys of the target onto a live table: table, columns, and the columns that they refer to."""
    rows = connection.execute(
        "SELECT n.nspname::text, c.relname::text, "
        "(SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(f.conkey) WITH ORDINALITY k(num, n) "
        "JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num), "
        "(SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(f.confkey) WITH ORDINALITY k(num, n) "
        "JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num) "
        "FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confrelid = %s::regclass ORDER BY f.oid",
        (quote_name(table),),
    ).fetchall()
    return [(TableName(s, t), tuple(columns), tuple(parents)) for s, t, columns, parents in rows]


class Rekeying:
    """All tables of a plan whose rows may get other keys or refer to such rows."""

    def __init__(self, connection: psycopg.Connection[Any], plan: Plan, run: str, merges: Mapping[str, Merge]) -> None:
        """
        Args:
            merges: By source name, parents first.
        """
        self._merges = merges
        self.references = references(connection, plan)
        children = {reference.child for reference in self.references} - set(merges)
        self._new = {name: Parts(plan.table(name), staging_schema(run), ()) for name in sorted(children)}
        self._settlings = {
            name: Settling(
                merge,
                tuple(c for r in self.references if r.child == name for c in r.columns),
                users=plan.users is not None and plan.users.scope.table == name,
            )
            for name, merge in merges.items()
        }
        for parts in (*merges.values(), *self._new.values()):
            parts.look_for_overlays(connection)

    def settling(self, source: str) -> Settling:
        """That of one table."""
        return self._settlings[source]

    def mark_changed(self, connection: psycopg.Connection[Any], decisions: Decisions, *, told: bool) -> None:
        """Mark the rows whose live rows changed since the last detection, where rows are decided one by one.

        Args:
            told: Only those that were conflicts before.
        """
        named = {decision.table for decision in decisions.conflicts}
        for merge in self._merges.values():
            if named & names_of(merge.table) and merge.detected(connection):
                merge.mark_changed(connection, told=told)

    def resolve(
        self,
        connection: psycopg.Connection[Any],
        decisions: Decisions,
        policy: OnConflict,
        *,
        afresh: bool = True,
        pages: bool = True,
    ) -> None:
        """Detect, decide and settle all tables, until no choice makes another row different.

        Args:
            afresh: The decisions are all that counts; otherwise what was chosen before stays where it still holds.
            pages: Number the conflicts, for whoever is shown them.

        Raises:
            DecisionsNeeded: ``CONFLICT-CIRCLE``: it has no end.
            UsageError: A decision does not fit its table.
        """
        for parts in (*self._merges.values(), *self._new.values()):
            parts.prepare_overlays(connection)
        for merge in self._merges.values() if afresh else ():
            if merge.detected(connection):
                Choices(merge).forget(connection)
        self._rounds(connection, decisions, policy)
        for merge in self._merges.values():
            merge.forget_changes(connection)
            if pages:
                merge.number(connection)

    def _rounds(self, connection: psycopg.Connection[Any], decisions: Decisions, policy: OnConflict) -> None:
        before: object = None
        for _ in range(ROUNDS):
            for name, merge in self._merges.items():
                self._follow(connection, name, merge)
                merge.detect(connection, pages=False)
                choices = Choices(merge)
                choices.decide(connection, decisions, policy)
                self._settlings[name].settle(connection)
                if self._orphans(connection, name, merge):
                    choices.decide(connection, decisions, policy)
                    self._settlings[name].settle(connection)
                    self._orphans(connection, name, merge)
            for name, parts in self._new.items():
                self._follow(connection, name, parts)
            if not self.references or not self._stirred(connection):
                return
            now = self._standing(connection)
            if now == before:
                return
            before = now
        raise DecisionsNeeded(
            "CONFLICT-CIRCLE",
            "The choices of rows that refer to one another change one another without end.",
            "Decide the rows of one of these tables by key: " + ", ".join(self._merges) + ".",
        )

    def _stirred(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether a choice has a say in what other rows refer to."""
        for merge in self._merges.values():
            found = connection.execute(
                sql(
                    f"SELECT EXISTS (SELECT FROM {merge.state} WHERE met = 'orphaned' OR choice = 'keep-target' "
                    "AND live_hash IS NULL OR choice IN ('edit', 'keep-both', 'merge', 'skip', 'quarantine'))"
                )
            )
            if merge.overlaid or found.fetchone() == (True,):
                return True
        return False

    def _standing(self, connection: psycopg.Connection[Any]) -> tuple[Any, ...]:
        """What tells one round from another."""
        found: list[Any] = []
        for merge in self._merges.values():
            row = connection.execute(
                sql(
                    "SELECT md5(string_agg(concat_ws(',', src, met, choice, taken, into_key, into_src, new_key), ';' "
                    f"ORDER BY src)) FROM {merge.state} WHERE choice IS NOT NULL OR met = 'orphaned'"
                )
            ).fetchone()
            found.append(row)
        for parts in (*self._merges.values(), *self._new.values()):
            row = connection.execute(
                sql(f"SELECT md5(string_agg(x::text, ';' ORDER BY {parts.locator})) FROM {parts.moved} x")
            ).fetchone()
            found.append(row)
        return tuple(found)

    def _follow(self, connection: psycopg.Connection[Any], name: str, parts: Parts) -> None:
        """Write the rows anew that refer to rows which get other keys."""
        connection.execute(sql(f"TRUNCATE {parts.moved}"))
        names = ", ".join((parts.locator, *map(quote, parts.columns)))
        for reference in self.references:
            if reference.child != name:
                continue
            old = self._keys_of(connection, reference)
            if old is None:
                continue
            on = " AND ".join(f"b.{quote(c)} = k.old_{n}" for n, c in enumerate(reference.columns))
            connection.execute(
                sql(
                    f"INSERT INTO {parts.moved} ({names}) SELECT {', '.join('b.' + n for n in names.split(', '))} "
                    f"FROM {parts.bare} b JOIN {old} k ON {on} "
                    f"WHERE NOT EXISTS (SELECT FROM {parts.moved} x WHERE x.{parts.locator} = b.{parts.locator})"
                )
            )
            given = ", ".join(
                f"{quote(c)} = {parts.cast(f'k.new_{n}::text', c)}" for n, c in enumerate(reference.columns)
            )
            connection.execute(
                sql(
                    f"UPDATE {parts.moved} m SET {given} FROM {parts.bare} b JOIN {old} k ON {on} "
                    f"WHERE b.{parts.locator} = m.{parts.locator}"
                )
            )
            connection.execute("DROP TABLE pg_temp._mt_keys")
        parts.look_for_overlays(connection)

    def _keys_of(self, connection: psycopg.Connection[Any], reference: Reference) -> str | None:
        """A temporary table of the parent's values that its children refer to and that become others."""
        p = self._merges[reference.parent]
        if not p.detected(connection):
            return None
        columns = reference.parent_columns
        if not p.overlaid and set(columns) <= set(p.table.match_key) and not _any_merged(connection, p):
            return None

        def told(alias: str, taken: str = "") -> str:
            values = [f"{alias}.{quote(c)}" for c in columns]
            if taken:
                values = [
                    f"CASE WHEN {quote_literal(c)} = ANY({taken}) THEN s.{quote(c)} ELSE {value} END"
                    for c, value in zip(columns, values, strict=True)
                ]
            return ", ".join(f"{value} AS new_{n}" for n, value in enumerate(values))

        olds = ", ".join(f"o.{quote(c)} AS old_{n}" for n, c in enumerate(columns))
        here = f"FROM {p.bare} o JOIN {p.state} d ON d.src = o.{p.locator}"
        merged = "d.choice = 'merge' AND d.into_key IS NOT NULL"
        # A row whose own live row goes with it keeps its key until that one's children move: its own move with them.
        # Those of a new table have nobody else to move them.
        moves = reference.child in self._merges
        stays = f"({merged} AND d.live_hash IS NOT NULL AND d.key <> d.into_key)" if moves else "false"
        queries = [
            f"SELECT {olds}, {told('s')} {here} JOIN {p.final} s ON s.{p.locator} = d.src WHERE {COMES.format(d='d')}",
            f"SELECT {olds}, {told('u', 'd.taken')} {here} JOIN {p.live} u ON {p.by_key('u', 'd.into_key')} "
            f"JOIN {p.staged} s ON s.{p.locator} = d.src WHERE {merged} AND NOT {stays}",
            f"SELECT {olds}, {told('s')} {here} JOIN {p.final} s ON s.{p.locator} = d.into_src "
            "WHERE d.choice = 'merge' AND d.into_src IS NOT NULL",
            f"SELECT {olds}, {told('u', 'd.taken')} {here} JOIN {p.staged} s ON s.{p.locator} = d.src "
            f"JOIN {p.live} u ON {p.paired('u', 's')} WHERE d.choice IN ('keep-target', 'per-field') AND "
            f"d.met = 'different'",
        ]
        apart = " OR ".join(f"old_{n} IS DISTINCT FROM new_{n}" for n in range(len(columns)))
        connection.execute(
            sql(
                f"CREATE TEMPORARY TABLE _mt_keys ON COMMIT DROP AS SELECT DISTINCT * FROM "
                f"({' UNION ALL '.join(queries)}) k WHERE {apart}"
            )
        )
        return "pg_temp._mt_keys"

    def _orphans(self, connection: psycopg.Connection[Any], name: str, child: Merge) -> int:
        """Rows that would be written, but refer to one that is not on the target and does not come.

        Returns:
            How many rows are orphans now and were not, or were and are not.
        """
        mine = [reference for reference in self.references if reference.child == name]
        if not mine:
            return 0
        lost = []
        for reference in mine:
            p = self._merges[reference.parent]
            pairs = list(zip(reference.columns, reference.parent_columns, strict=True))
            given = " AND ".join(f"s.{quote(a)} IS NOT NULL" for a, _ in pairs)
            here = " AND ".join(f"p.{quote(b)} = s.{quote(a)}" for a, b in pairs)
            listed = ", ".join(quote_literal(a) for a, _ in pairs)
            if p.detected(connection):
                coming = (
                    f"NOT EXISTS (SELECT FROM {p.final} p JOIN {p.state} e ON e.src = p.{p.locator} "
                    f"WHERE {here} AND {COMES.format(d='e')})"
                )
            else:  # of a table that comes later in a circle nothing is known yet
                coming = f"NOT EXISTS (SELECT FROM {p.final} p WHERE {here})"
            if not reference.enforced:  # only where it has a parent in the source, which stays behind
                coming += f" AND EXISTS (SELECT FROM {p.bare} p WHERE {here})"
            lost.append(
                f"(({WRITTEN.format(d='d')} OR d.met = 'orphaned' OR d.choice = 'per-field' "
                f"AND d.taken && ARRAY[{listed}]) AND {given} "
                f"AND NOT EXISTS (SELECT FROM {p.live} p WHERE {here}) AND {coming})"
            )
        connection.execute(
            sql(
                f"CREATE TEMPORARY TABLE _mt_orphans ON COMMIT DROP AS SELECT d.src FROM {child.state} d "
                f"JOIN {child.final} s ON s.{child.locator} = d.src WHERE {' OR '.join(lost)}"
            )
        )
        changed = 0
        is_one = "EXISTS (SELECT FROM pg_temp._mt_orphans o WHERE o.src = d.src)"
        none = "choice = NULL, taken = NULL, edits = NULL, new_key = NULL"
        for changes, where in (
            (f"met = 'orphaned', {none}", f"d.met <> 'orphaned' AND {is_one}"),
            (f"met = d.found, {none}", f"d.met = 'orphaned' AND d.choice IS DISTINCT FROM 'edit' AND NOT {is_one}"),
            (
                f"{none}, refused = choice, why = 'as it was edited it still refers to no row'",
                f"d.met = 'orphaned' AND d.choice = 'edit' AND {is_one}",
            ),
        ):
            changed += connection.execute(sql(f"UPDATE {child.state} d SET {changes} WHERE {where}")).rowcount
        connection.execute("DROP TABLE pg_temp._mt_orphans")
        return changed

    def changed_since(self, connection: psycopg.Connection[Any]) -> dict[str, int]:
        """Source name → rows that cannot be written any more as they were to be. Live tables are locked."""
        found = {}
        for name, merge in self._merges.items():
            if merge.overlaid:
                row = connection.execute(sql(f"SELECT count(*) FROM ({self._settlings[name].becomes()}) b")).fetchone()
                found[name] = int(row[0]) if row else 0
        return found

    def rewrite_new_tables(self, connection: psycopg.Connection[Any], run: str) -> None:
        """Let the rows of tables that are about to be published follow, and keep in the archive what they were."""
        for parts in self._new.values():
            if not parts.overlaid:
                continue
            archive(connection, parts, run, f"SELECT {parts.locator} FROM {parts.moved}")
            columns = {c for r in self.references if r.child == parts.table.source for c in r.columns}
            given = ", ".join(f"{quote(c)} = m.{quote(c)}" for c in sorted(columns))
            connection.execute(
                sql(
                    f"UPDATE {parts.bare} b SET {given} FROM {parts.moved} m "
                    f"WHERE m.{parts.locator} = b.{parts.locator}"
                )
            )

    def record(self, connection: psycopg.Connection[Any], run: str) -> None:
        """Note the rows that got other keys, and keep in the archive what is written otherwise than it was."""
        for m in self._merges.values():
            if not m.overlaid and not _any_merged(connection, m):
                continue
            told = f"SELECT {quote_literal(run)}, {quote_literal(str(m.table.target))}, {m.key_json('o')}"
            both = f"FROM {m.bare} o JOIN {m.state} d ON d.src = o.{m.locator}"
            # A join and no subquery for each row: it would read all rows for each of them.
            connection.execute(
                sql(
                    "INSERT INTO migrator.key_map (run, tbl, source_key, target_key) "
                    f"{told}, {m.key_json('f')} {both} JOIN {m.final} f ON f.{m.locator} = "
                    "CASE WHEN d.choice = 'merge' THEN d.into_src ELSE d.src END WHERE d.into_key IS NULL "
                    f"AND (d.choice = 'merge' OR {WRITTEN.format(d='d')}) "
                    f"AND {m.key_json('f')} IS DISTINCT FROM {m.key_json('o')} "
                    f"UNION ALL {told}, d.into_key {both} WHERE d.choice = 'merge' AND d.into_key IS NOT NULL "
                    f"AND d.into_key IS DISTINCT FROM {m.key_json('o')} ON CONFLICT DO NOTHING"
                )
            )
            otherwise = (
                f"SELECT d.src FROM {m.state} d WHERE d.choice = 'merge' OR {WRITTEN.format(d='d')} AND d.src IN ("
                f"SELECT {m.locator} FROM {m.moved} UNION SELECT {m.locator} FROM {m.edited})"
            )
            archive(connection, m, run, otherwise)


def _any_merged(connection: psycopg.Connection[Any], m: Merge) -> bool:
    row = connection.execute(sql(f"SELECT EXISTS (SELECT FROM {m.state} WHERE choice = 'merge')")).fetchone()
    return row == (True,)


def archive(connection: psycopg.Connection[Any], parts: Parts, run: str, rows: str) -> None:
    """Keep staged rows as the source holds them.

    Args:
        rows: SQL for their locators.
    """
    connection.execute(
        sql(
            "INSERT INTO migrator.archive (run, tbl, key, side, cells) "
            f"SELECT {quote_literal(run)}, {quote_literal(str(parts.table.target))}, "
            f"{parts.key_json('b') if parts.table.match_key else _json_of_key(parts)}, 'source', to_jsonb(b.*) "
            f"FROM {parts.bare} b WHERE b.{parts.locator} IN ({rows})"
        )
    )


def _json_of_key(parts: Parts) -> str:
    key: Iterable[str] = parts.table.primary_key.columns if parts.table.primary_key else parts.columns[:1]
    pairs = ", ".join(f"{quote_literal(c)}, b.{quote(c)}" for c in key)
    return f"jsonb_build_object({pairs})"
