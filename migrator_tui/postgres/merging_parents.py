"""Live rows that become one: the children of those that go are given to the one that stays, with what was chosen.

Comes after all staged rows were written, in the same transaction, with every table that is written locked. The rows
are those that were shown, by their hashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import errors

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.errors import DecisionsNeeded, VerificationFailed
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.merge import Merge, row_hash, sql, texts_of
from migrator_tui.postgres.merge_parts import key_json, stored_columns
from migrator_tui.postgres.rekeying import Rekeying, live_references

Children = tuple[TableName, tuple[str, ...], tuple[str, ...]]
"""A table, its columns, and the columns of the parent that they refer to."""


class ParentMerging:
    """The live rows of all merged tables that become one with another."""

    def __init__(
        self, connection: psycopg.Connection[Any], fence: Fence, merges: Mapping[str, Merge], rekeying: Rekeying
    ) -> None:
        self._connection = connection
        self._fence = fence
        self._merges = {name: m for name, m in merges.items() if self._merging(m)}
        self._rekeying = rekeying
        self._match_keys = {m.table.target: m.table.match_key for m in merges.values()}
        self._targets = {name: m.table.target for name, m in merges.items()}

    def _merging(self, m: Merge) -> bool:
        found = self._connection.execute(
            sql(f"SELECT EXISTS (SELECT FROM {m.state} WHERE choice = 'merge' AND into_key IS NOT NULL)")
        )
        return found.fetchone() == (True,)

    def _children(self, name: str) -> list[Children]:
        target = self._targets[name]
        declared = [
            (self._targets[r.child], r.columns, r.parent_columns)
            for r in self._rekeying.references
            if r.parent == name and r.child in self._targets
        ]
        return list(dict.fromkeys([*live_references(self._connection, target), *declared]))

    @property
    def tables(self) -> list[TableName]:
        """Live tables that are written although the plan does not merge into them."""
        children = {child for name in self._merges for child, _, _ in self._children(name)}
        return sorted(children - set(self._match_keys))

    def merge(self) -> None:
        """Give the children away, delete the rows that go, and give the ones that stay what was chosen.

        Raises:
            DecisionsNeeded: ``MERGE-CHILDREN``: two children would be one by a unique key. ``MERGE-CHILD-KEY``: a
                table of children has no key.
            VerificationFailed: ``PUBLISH-MERGE``: a trigger or rule of a table wrote something else.
        """
        for name, m in self._merges.items():
            self._connection.execute(
                sql(
                    "CREATE TEMPORARY TABLE _mt_losers ON COMMIT DROP AS SELECT DISTINCT loser, survivor "
                    f"FROM ({self._rekeying.settling(name).losers()}) l"
                )
            )
            for children in self._children(name):
                self._give_away(m, *children)
            self._delete(m)
            self._take_fields(m)
            self._connection.execute("DROP TABLE pg_temp._mt_losers")

    def _key_of(self, table: TableName) -> tuple[str, ...]:
        if table in self._match_keys:
            return self._match_keys[table]
        row = self._connection.execute(
            "SELECT (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k(num, n) "
            "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num AND k.n <= i.indnkeyatts) "
            "FROM pg_index i WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indpred IS NULL "
            "AND i.indexprs IS NULL AND NOT EXISTS (SELECT FROM unnest(i.indkey) num JOIN pg_attribute a "
            "ON a.attrelid = i.indrelid AND a.attnum = num AND NOT a.attnotnull) "
            "ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1",
            (quote_name(table),),
        ).fetchone()
        if row is None:
            raise DecisionsNeeded(
                "MERGE-CHILD-KEY",
                f"Rows of {table} refer to rows that would become one, but the table has no key to tell them by, so "
                "that this could not be taken back.",
                "Nothing was published. Give it a primary key, or choose otherwise for these rows.",
            )
        return tuple(row[0])

    def _give_away(self, m: Merge, child: TableName, columns: Sequence[str], parents: Sequence[str]) -> None:
        key = self._key_of(child)
        refers = " AND ".join(f"c.{quote(a)} = lo.{quote(b)}" for a, b in zip(columns, parents, strict=True))
        new = ", ".join(f"su.{quote(b)} AS new_{n}" for n, b in enumerate(parents))
        self._connection.execute(
            sql(
                f"CREATE TEMPORARY TABLE _mt_children ON COMMIT DROP AS "
                f"SELECT c.ctid AS at, {key_json('c', key)} AS key, "
                f"{texts_of('c', stored_columns(self._connection, child))} AS before, {new} "
                f"FROM {quote_name(child)} c JOIN {m.live} lo ON {refers} "
                f"JOIN pg_temp._mt_losers k ON {m.by_key('lo', 'k.loser')} "
                f"JOIN {m.live} su ON {m.by_key('su', 'k.survivor')}"
            )
        )
        given = ", ".join(f"{quote(a)} = k.new_{n}" for n, a in enumerate(columns))
        try:
            self._journalled(child, key, f"UPDATE {quote_name(child)} l SET {given} FROM pg_temp._mt_children k")
        except (errors.UniqueViolation, errors.ExclusionViolation) as error:
            raise DecisionsNeeded(
                "MERGE-CHILDREN",
                f"Rows of {child} that refer to rows of {m.table.target} which would become one would be one "
                f"themselves by {error.diag.constraint_name}.",
                "Nothing was published. Take away one of each two of them first, or choose otherwise for these rows.",
            ) from error
        self._connection.execute("DROP TABLE pg_temp._mt_children")

    def _journalled(self, table: TableName, key: Sequence[str], update: str) -> int:
        """Run an update of rows ``l`` by ``_mt_children k``, and keep what they were in the journal.

        A row that the run wrote before is in the journal already: with what it was before that.
        """
        mine = f"u.run = {quote_literal(self._fence.run)} AND u.tbl = {quote_literal(str(table))}"
        return self._connection.execute(
            sql(
                f"WITH w AS ({update} WHERE l.ctid = k.at RETURNING {key_json('l', key)} AS new_key, "
                f"{row_hash('l')} AS hash, k.key AS old_key, k.before AS before), "
                "e AS (UPDATE migrator.undo u SET key = w.new_key, after_hash = w.hash FROM w "
                f"WHERE {mine} AND u.op IN ('insert', 'update') AND u.key = w.old_key RETURNING w.old_key), "
                "i AS (INSERT INTO migrator.undo (run, tbl, key, op, before, after_hash) "
                f"SELECT {quote_literal(self._fence.run)}, {quote_literal(str(table))}, w.new_key, 'update', w.before, "
                "w.hash FROM w WHERE NOT EXISTS (SELECT FROM e WHERE e.old_key = w.old_key)) SELECT FROM w"
            )
        ).rowcount

    def _delete(self, m: Merge) -> None:
        run, tbl = quote_literal(self._fence.run), quote_literal(str(m.table.target))
        gone = self._connection.execute(
            sql(
                f"WITH gone AS (DELETE FROM {m.live} l USING pg_temp._mt_losers k WHERE {m.by_key('l', 'k.loser')} "
                f"RETURNING {m.key_json('l')} AS key, "
                f"{texts_of('l', stored_columns(self._connection, m.table.target))} "
                f"AS before, to_jsonb(l.*) AS cells, {row_hash('l')} AS hash), "
                "a AS (INSERT INTO migrator.archive (run, tbl, key, side, cells) "
                f"SELECT {run}, {tbl}, key, 'target', cells FROM gone), "
                "i AS (INSERT INTO migrator.undo (run, tbl, key, op, before, after_hash) "
                f"SELECT {run}, {tbl}, key, 'delete', before, hash FROM gone) SELECT FROM gone"
            )
        ).rowcount
        row = self._connection.execute("SELECT count(*) FROM pg_temp._mt_losers").fetchone()
        if row != (gone,):
            raise _otherwise(m, (row[0] if row else 0) - gone)

    def _take_fields(self, m: Merge) -> None:
        """Last: a value that a row which is gone had may be unique."""
        chosen = (
            f"FROM {m.live} l JOIN {m.state} d ON d.choice = 'merge' AND cardinality(d.taken) > 0 "
            f"AND {m.by_key('l', 'd.into_key')} JOIN {m.staged} s ON s.{m.locator} = d.src"
        )
        fields = ", ".join(
            f"CASE WHEN {quote_literal(c)} = ANY(d.taken) THEN s.{quote(c)} ELSE l.{quote(c)} END AS new_{n}"
            for n, c in enumerate(m.values)
        )
        if not m.values:
            return
        self._connection.execute(
            sql(
                "CREATE TEMPORARY TABLE _mt_children ON COMMIT DROP AS "
                f"SELECT l.ctid AS at, {m.key_json('l')} AS key, "
                f"{texts_of('l', stored_columns(self._connection, m.table.target))} AS before, to_jsonb(l.*) AS cells, "
                f"{fields} {chosen}"
            )
        )
        self._connection.execute(
            sql(
                "INSERT INTO migrator.archive (run, tbl, key, side, cells) "
                f"SELECT {quote_literal(self._fence.run)}, {quote_literal(str(m.table.target))}, key, 'target', cells "
                "FROM pg_temp._mt_children"
            )
        )
        given = ", ".join(f"{quote(c)} = k.new_{n}" for n, c in enumerate(m.values))
        self._journalled(
            m.table.target, m.table.match_key, f"UPDATE {m.live} l SET {given} FROM pg_temp._mt_children k"
        )
        self._connection.execute("DROP TABLE pg_temp._mt_children")
        wrong = " OR ".join(f"({quote_literal(c)} = ANY(d.taken) AND {m.differs_in(c, 's', 'l')})" for c in m.values)
        row = self._connection.execute(sql(f"SELECT count(*) {chosen} WHERE {wrong}")).fetchone()
        if row and row[0]:
            raise _otherwise(m, row[0])


def _otherwise(m: Merge, rows: int) -> VerificationFailed:
    return VerificationFailed(
        "PUBLISH-MERGE",
        f"{m.table.target}: {rows} rows would not be on the target as they were to be merged from {m.table.source}.",
        "Nothing was published. A trigger or rule of the table changes rows as they are written.",
    )
