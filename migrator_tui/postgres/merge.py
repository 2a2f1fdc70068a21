"""Merging staged rows into a live table: the guarded writes, their journal, and the proof. Set-wise SQL throughout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.postgres.detecting import KINDS as KINDS
from migrator_tui.postgres.detecting import Detection
from migrator_tui.postgres.detecting import MergeCounts as MergeCounts
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.load import QuarantinedRow
from migrator_tui.postgres.merge_parts import filled_rows as filled_rows
from migrator_tui.postgres.merge_parts import live_uniques as live_uniques
from migrator_tui.postgres.merge_parts import row_hash as row_hash
from migrator_tui.postgres.merge_parts import sql as sql
from migrator_tui.postgres.merge_parts import stored_columns
from migrator_tui.postgres.merge_parts import texts_of as texts_of
from migrator_tui.postgres.merge_parts import written_columns as written_columns


@dataclass(frozen=True, slots=True)
class Merged:
    """What merging one table wrote."""

    inserted: int
    updated: int
    unchanged: int
    kept_target: int
    quarantined: int = 0


ADDED = "d.met = 'new' OR d.choice = 'keep-both' OR d.choice = 'edit' AND d.live_hash IS NULL"
"""SQL: a staged row is added to the live table."""


class Merge(Detection):
    """The statements that merge one table, all in terms of the staging schema and the live table."""

    def left_behind(self, connection: psycopg.Connection[Any]) -> dict[int, tuple[str, str]]:
        """Conflicts that were decided to be quarantined: locator → (finding id, reason)."""
        rows = connection.execute(
            sql(f"SELECT src, met, key::text FROM {self.state} WHERE choice IN ('quarantine', 'skip') ORDER BY src")
        )
        reasons = {
            "different": ("TARGET-HAS-ROWS", "{} holds other values under the key {}"),
            "clashing": ("TARGET-UNIQUE", "{} or an earlier row holds a unique value of the row with the key {}"),
            "several": ("TARGET-UNIQUE", "several rows of {} hold values of unique keys of the row with the key {}"),
            "duplicate": (
                "SOURCE-DUPLICATE",
                "an earlier row of the source for {} holds a natural key's value of the row with the key {}",
            ),
            "orphaned": ("FK-ORPHAN", "{} does not have, nor get, what the row with the key {} refers to"),
            "refused": ("TARGET-RULE", "a check, key or index of {} does not take the row with the key {}"),
        }
        return {src: (reasons[met][0], reasons[met][1].format(self.table.target, key)) for src, met, key in rows}

    def write(
        self, connection: psycopg.Connection[Any], fence: Fence, left_behind: Sequence[QuarantinedRow] = ()
    ) -> Merged:
        """Write the decided rows with their journal. The live table is locked and unchanged since detection.

        Args:
            left_behind: The rows of :meth:`left_behind`, whole.
        """
        written = written_columns(self.table)
        columns = ", ".join(map(quote, written))
        chosen = ", ".join(f"s.{quote(c)}" for c in written)
        journal = "INSERT INTO migrator.undo (run, tbl, key, op, before, after_hash)"
        # As literals: beside parameters, a percent sign in a name would be read as one.
        run, tbl = quote_literal(fence.run), quote_literal(str(self.table.target))
        inserted = connection.execute(
            sql(
                f"WITH w AS (INSERT INTO {self.live} ({columns}) OVERRIDING SYSTEM VALUE SELECT {chosen} "
                f"FROM {self.final} s JOIN {self.state} d ON d.src = s.{self.locator} AND ({ADDED}) "
                f"RETURNING *) {journal} "
                f"SELECT {run}, {tbl}, {self.key_json('w')}, 'insert', NULL, {row_hash('w')} FROM w"
            )
        ).rowcount
        updated = 0
        if self.values:
            taken = (
                f"{self.final} s JOIN {self.state} d ON d.src = s.{self.locator} AND d.live_hash IS NOT NULL "
                "AND d.choice IN ('keep-source', 'per-field', 'edit')"
            )
            values = ", ".join(
                f"{quote(c)} = CASE WHEN {self._from_source(c)} THEN s.{quote(c)} ELSE l.{quote(c)} END"
                for c in self.values
            )
            image = texts_of("l", stored_columns(connection, self.table.target))
            # The images are read before the update sees the table, both in one statement and one snapshot.
            updated = connection.execute(
                sql(
                    f"WITH b AS (SELECT {self.key_json('l')} AS key, {image} AS before FROM {self.live} l "
                    f"JOIN ({taken}) ON {self.paired('s', 'l')}), "
                    f"w AS (UPDATE {self.live} l SET {values} "
                    f"FROM {taken} WHERE {self.paired('s', 'l')} AND {row_hash('l')} = d.live_hash RETURNING l.*), "
                    f"a AS ({self._archive(run, 'target', taken)}) "
                    f"{journal} SELECT {run}, {tbl}, b.key, 'update', b.before, {row_hash('w')} "
                    f"FROM w JOIN b ON b.key = {self.key_json('w')}"
                )
            ).rowcount
        # Of a row that is taken per field either side loses something.
        kept = (
            f"{self.bare} s JOIN {self.state} d ON d.src = s.{self.locator} "
            "AND d.choice IN ('keep-target', 'per-field')"
        )
        connection.execute(
            sql(
                "INSERT INTO migrator.archive (run, tbl, key, side, cells) "
                f"SELECT {run}, {tbl}, d.key, 'source', to_jsonb(s.*) FROM {kept}"
            )
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO migrator.quarantine (run, tbl, src, row_key, finding, reason, cells) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [
                    (fence.run, self.table.source, row.src, row.key, row.finding, row.reason, row.cells_json())
                    for row in left_behind
                ],
            )
        row = connection.execute(
            sql(
                "SELECT count(*) FILTER (WHERE choice = 'merge' AND cardinality(taken) > 0), "
                "count(*) FILTER (WHERE met = 'same' OR choice = 'merge' AND cardinality(taken) = 0), "
                f"count(*) FILTER (WHERE choice = 'keep-target') FROM {self.state}"
            )
        ).fetchone()
        given, unchanged, kept_target = row or (0, 0, 0)
        return Merged(inserted, updated + given, unchanged, kept_target, len(left_behind))

    def _from_source(self, column: str) -> str:
        return f"(d.taken IS NULL OR d.choice = 'edit' OR {quote_literal(column)} = ANY(d.taken))"

    def _archive(self, run: str, side: str, taken: str) -> str:
        tbl = quote_literal(str(self.table.target))
        return (
            "INSERT INTO migrator.archive (run, tbl, key, side, cells) "
            f"SELECT {run}, {tbl}, {self.key_json('l')}, '{side}', to_jsonb(l.*) FROM {self.live} l "
            f"JOIN ({taken}) ON {self.paired('s', 'l')} RETURNING 1"
        )

    def unexpected(self, connection: psycopg.Connection[Any], run: str) -> int:
        """After the write, in the same transaction: staged rows that are not on the target as they should be."""
        fields = " OR ".join(
            f"CASE WHEN {self._from_source(c)} THEN {self.differs_in(c, 's', 'l')} "
            f"ELSE l.{quote(c)}::text IS DISTINCT FROM u.before->>{quote_literal(c)} END"
            for c in self.values
        )
        mixed = connection.execute(
            sql(
                f"SELECT count(*) FROM {self.state} d JOIN {self.final} s ON s.{self.locator} = d.src "
                f"LEFT JOIN {self.live} l ON {self.paired('s', 'l')} LEFT JOIN migrator.undo u "
                f"ON u.run = {quote_literal(run)} AND u.tbl = {quote_literal(str(self.table.target))} "
                f"AND u.op = 'update' AND u.key = d.key WHERE d.choice = 'per-field' "
                f"AND (l.ctid IS NULL OR u.key IS NULL OR {fields or 'false'})"
            )
        ).fetchone()
        row = connection.execute(
            sql(
                f"SELECT count(*) FROM {self.final} s JOIN {self.state} d ON d.src = s.{self.locator} "
                f"LEFT JOIN {self.live} l ON {self.paired('s', 'l')} "
                "WHERE (d.met IN ('new', 'same') OR d.choice IN ('keep-source', 'keep-both', 'edit')) "
                f"AND (l.ctid IS NULL OR ({self.differs('s', 'l')}))"
            )
        ).fetchone()
        return sum(int(found[0]) for found in (row, mixed) if found)
