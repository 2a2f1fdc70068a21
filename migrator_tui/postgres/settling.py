"""Settling: what the choices make of the staged rows of one table, and which of them cannot be carried out.

Edited values and new keys are written into rows of their own (``_mt_edited_…``), so that staging stays what the source
holds. A choice that cannot be carried out is taken back, with the reason: its row waits for another.
"""

from __future__ import annotations

from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.errors import DecisionsNeeded
from migrator_tui.postgres.merge import Merge, sql

COMES = "({d}.choice IS NULL OR {d}.choice IN ('keep-source', 'keep-both', 'edit'))"
"""SQL: a staged row is written whole, or may be once it is decided upon."""

WRITTEN = "({d}.met = 'new' OR {d}.choice IN ('keep-source', 'keep-both', 'edit'))"
"""SQL: a staged row is written whole."""

WHY = {
    "same": "it is the row that is there already",
    "different": "its key is there already: give another one in `values`",
    "clashing": "another row of the target holds a value that must be unique: give another one in `values`",
    "several": "other rows of the target hold values that must be unique: give others in `values`",
    "refused": "a check, key or index of the target does not take it",
}
"""Why a row cannot be written as it would be, by what it would meet."""


class Settling:
    """The choices of one table; its rows have been detected and decided upon. ``d`` is a row of the state."""

    def __init__(self, merge: Merge, followed: tuple[str, ...] = (), *, users: bool = False) -> None:
        """
        Args:
            followed: Columns that refer to other tables.
            users: The rows become users of Supabase Auth in the same run, by the keys that they have in the source.
        """
        self._m = merge
        self._users = users
        self._followed = followed

    def settle(self, connection: psycopg.Connection[Any]) -> None:
        """Find the rows that survive, the new keys and the edited values.

        Raises:
            DecisionsNeeded: ``DECISION-VALUE``: a value that was given is none of its column's type.
        """
        m = self._m
        m.prepare_overlays(connection)
        connection.execute(sql(f"TRUNCATE {m.edited}"))
        m.look_for_overlays(connection)
        found = connection.execute(
            sql(f"SELECT EXISTS (SELECT FROM {m.state} WHERE choice IN ('edit', 'keep-both', 'merge'))")
        )
        if found.fetchone() != (True,):
            return
        if self._users:
            why = "'its rows become users of Supabase Auth by their ids: they keep their keys'"
            self._refuse(connection, "d.choice IN ('keep-both', 'merge')", why)
        self._survivors(connection)
        # The planner would take the rows that were just chosen for none, and compare each with every other.
        connection.execute(sql(f"ANALYZE {m.state} (key, live_hash, choice, taken, into_key, into_src)"))
        self._one_writer_each(connection)
        try:
            with connection.transaction():
                self._new_keys(connection)
                self._edit(connection)
        except psycopg.DataError as error:
            raise DecisionsNeeded(
                "DECISION-VALUE",
                f"A value that a decision gives for a row of {m.table.source} cannot be written: "
                f"{error.diag.message_primary or error}.",
                "Correct it in the decisions; staging is kept.",
            ) from error
        m.look_for_overlays(connection)
        self._hold_to_keys(connection)
        m.look_for_overlays(connection)

    def _refuse(self, connection: psycopg.Connection[Any], where: str, why: str) -> int:
        """Take choices back."""
        return connection.execute(
            sql(
                f"UPDATE {self._m.state} d SET choice = NULL, refused = choice, new_key = NULL, why = {why} "
                f"WHERE {where}"
            )
        ).rowcount

    def _survivors(self, connection: psycopg.Connection[Any]) -> None:
        """Which row each merged one becomes one with: a live row, else an earlier one of the source."""
        m = self._m
        merged = "d.choice = 'merge'"
        connection.execute(
            sql(
                f"UPDATE {m.state} d SET into_key = c.key, into_src = CASE WHEN c.live = 0 THEN c.src END FROM ("
                f"SELECT d.src AS at, count(DISTINCT h.key) AS live, min(h.src) AS src, "
                "CASE WHEN count(DISTINCT h.key) FILTER (WHERE d.wanted IS NULL OR h.key @> d.wanted) = 1 "
                "THEN (array_agg(h.key) FILTER (WHERE h.key IS NOT NULL AND (d.wanted IS NULL OR h.key @> "
                "d.wanted)))[1] "
                f"END AS key FROM {m.state} d CROSS JOIN LATERAL ({self._met_rows()}) h WHERE {merged} "
                f"GROUP BY d.src) c WHERE c.at = d.src AND {merged}"
            )
        )
        self._refuse(
            connection,
            f"{merged} AND into_key IS NULL AND into_src IS NULL",
            "'several rows were met: name the one that stays in `into`'",
        )
        followed = 1
        while followed:  # of earlier rows that are merged themselves
            followed = connection.execute(
                sql(
                    f"UPDATE {m.state} d SET into_key = e.into_key, into_src = e.into_src FROM {m.state} e "
                    f"WHERE {merged} AND e.src = d.into_src AND e.choice = 'merge'"
                )
            ).rowcount
        stands = "(e.met IN ('new', 'same') OR e.choice IN ('keep-source', 'per-field', 'edit', 'keep-both') "
        stands += "OR e.choice = 'keep-target' AND e.live_hash IS NOT NULL)"
        self._refuse(
            connection,
            f"{merged} AND NOT EXISTS (SELECT FROM {m.state} e WHERE e.src = d.into_src AND {stands}) "
            "AND into_src IS NOT NULL",
            "'the earlier row that it would be merged with does not come, or waits for a decision'",
        )
        self._refuse(
            connection,
            f"{merged} AND cardinality(d.taken) > 0 AND EXISTS (SELECT FROM {m.state} e WHERE e.src = d.into_src "
            f"AND NOT {WRITTEN.format(d='e')})",
            "'the earlier row that it would be merged with is not written, and can take no fields'",
        )

    def _met_rows(self) -> str:
        """SQL: the rows that ``d`` met: live ones by key, its own among them, and earlier ones of the source."""
        return (
            "SELECT x -> 'key' AS key, (x ->> 'src')::bigint AS src FROM jsonb_array_elements(d.hits) x "
            "UNION ALL SELECT d.key, NULL WHERE d.live_hash IS NOT NULL"
        )

    def losers(self) -> str:
        """SQL: live rows that become one with another, as ``src``, ``loser`` and ``survivor`` (keys) and ``hash``."""
        return (
            f"SELECT DISTINCT d.src, h.key AS loser, d.into_key AS survivor, h.hash FROM {self._m.state} d "
            "CROSS JOIN LATERAL (SELECT x -> 'key' AS key, x ->> 'hash' AS hash FROM jsonb_array_elements(d.hits) x "
            "WHERE x ->> 'side' = 'target' UNION ALL SELECT d.key, d.live_hash WHERE d.live_hash IS NOT NULL) h "
            "WHERE d.choice = 'merge' AND d.into_key IS NOT NULL AND h.key <> d.into_key"
        )

    def _one_writer_each(self, connection: psycopg.Connection[Any]) -> None:
        """A live row is written by one staged row, and one that goes is nothing else's.

        Each reason is a join on one equality: alternatives in one condition would compare every row with every other.
        """
        m = self._m
        losers = self.losers()

        def among(*queries: str) -> str:
            return f"d.choice = 'merge' AND d.src IN ({' UNION ALL '.join(queries)})"

        self._refuse(
            connection,
            among(
                f"SELECT l.src FROM ({losers}) l JOIN {m.state} e ON e.key = l.loser AND e.src <> l.src "
                "WHERE e.live_hash IS NOT NULL",
                f"SELECT l.src FROM ({losers}) l JOIN {m.state} e ON e.into_key = l.loser AND e.src <> l.src "
                "WHERE e.choice = 'merge'",
            ),
            "'a row of the target that would go is another row of the source as well: name the other one in `into`'",
        )
        self._refuse(
            connection,
            among(f"SELECT l.src FROM ({losers}) l JOIN ({losers}) o ON o.loser = l.loser AND o.src < l.src"),
            "'a row of the target that would go is merged with another one already'",
        )
        taking = f"SELECT g.src FROM {m.state} g JOIN {m.state} e"
        taken = "g.choice = 'merge' AND cardinality(g.taken) > 0"
        taken_too = f"{taken} AND e.src < g.src AND e.choice = 'merge' AND cardinality(e.taken) > 0"
        self._refuse(
            connection,
            among(
                f"{taking} ON e.key = g.into_key AND e.src <> g.src "
                f"WHERE {taken} AND e.choice IN ('keep-source', 'per-field', 'edit')",
                f"{taking} ON e.into_key = g.into_key WHERE {taken_too}",
                f"{taking} ON e.into_src = g.into_src WHERE {taken_too}",
            ),
            "'another row of the source gives fields to the row that it would be merged with'",
        )

    def _new_keys(self, connection: psycopg.Connection[Any]) -> None:
        """Keys for the rows that are kept beside another one of their key and were given none.

        A key that was generated before is kept while its row is decided upon in the same way.
        """
        m = self._m
        key = m.table.match_key
        # By its own key an earlier row of the source is met, or a live one.
        met = "(d.live_hash IS NOT NULL OR EXISTS (SELECT FROM jsonb_array_elements(d.hits) x "
        met += f"WHERE x ->> 'by' = {quote_literal('key ' + ', '.join(key))}))"
        given = f"d.edits ?& ARRAY[{', '.join(map(quote_literal, key))}]"
        wanting = f"d.choice = 'keep-both' AND {met} AND NOT coalesce({given}, false)"
        generated = self._generated(connection)
        if generated is None:
            partly = f"coalesce(d.edits ?| ARRAY[{', '.join(map(quote_literal, key))}], false)"
            self._refuse(
                connection,
                f"{wanting} AND NOT {partly}",
                quote_literal(f"give a new key in `values`: {', '.join(key)}"),
            )
            return
        connection.execute(
            sql(
                f"UPDATE {m.state} d SET new_key = NULL WHERE d.new_key IS NOT NULL AND (d.choice IS DISTINCT FROM "
                f"'keep-both' OR EXISTS (SELECT FROM {m.live} u WHERE {m.by_key('u', 'd.new_key')}))"
            )
        )
        connection.execute(
            sql(
                f"UPDATE {m.state} d SET new_key = jsonb_build_object({quote_literal(key[0])}, g.value) FROM ("
                f"SELECT d.src, {generated} AS value FROM {m.state} d WHERE {wanting} AND d.new_key IS NULL) g "
                "WHERE g.src = d.src"
            )
        )

    def _generated(self, connection: psycopg.Connection[Any]) -> str | None:
        """SQL for a new value of the key, or None where only a person can give one."""
        m = self._m
        if len(m.table.match_key) != 1 or m.table.match_key[0] in self._followed:
            return None
        (name,) = m.table.match_key
        row = connection.execute(
            "SELECT format_type(a.atttypid, NULL), pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a "
            "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated = '' "
            "WHERE a.attrelid = %s::regclass AND a.attname = %s",
            (quote_name(m.table.target), name),
        ).fetchone()
        kind, default = row or ("", None)
        if kind in ("smallint", "integer", "bigint"):
            # Above all that are there or come: a sequence may lie behind rows that come with keys of their own.
            highest = ", ".join(
                f"(SELECT max({value}) FROM {rows})"
                for value, rows in (
                    (quote(name), m.live),
                    (quote(name), m.bare),
                    (f"(new_key ->> {quote_literal(name)})::bigint", m.state),
                )
            )
            return f"greatest({highest}, 0) + row_number() OVER (ORDER BY d.src)"
        return f"({default})" if default is not None else None

    def _edit(self, connection: psycopg.Connection[Any]) -> None:
        """Write the rows as they are to be."""
        m = self._m
        names = ", ".join((m.locator, *map(quote, m.columns)))
        chosen = "d.choice IN ('edit', 'keep-both')"
        giving = (
            f"SELECT e.into_src AS src FROM {m.state} e WHERE e.choice = 'merge' AND cardinality(e.taken) > 0 "
            "AND e.into_src IS NOT NULL"
        )
        connection.execute(
            sql(
                f"INSERT INTO {m.edited} ({names}) SELECT {', '.join('s.' + n for n in names.split(', '))} "
                f"FROM {m.staged} s JOIN {m.state} d ON d.src = s.{m.locator} WHERE {chosen} OR d.src IN ({giving})"
            )
        )
        here = f"d.src = f.{m.locator}"
        if m.values:
            kept = ", ".join(
                f"{quote(c)} = CASE WHEN d.taken IS NULL OR {quote_literal(c)} = ANY(d.taken) "
                f"THEN f.{quote(c)} ELSE l.{quote(c)} END"
                for c in m.values
            )
            connection.execute(
                sql(
                    f"UPDATE {m.edited} f SET {kept} FROM {m.state} d, {m.live} l "
                    f"WHERE {here} AND d.choice = 'edit' AND {m.by_key('l', 'd.key')}"
                )
            )
        edits = "(coalesce(d.edits, '{}') || coalesce(d.new_key, '{}'))"
        given = ", ".join(
            f"{quote(c)} = CASE WHEN {edits} ? {quote_literal(c)} "
            f"THEN {m.cast(f'{edits} ->> {quote_literal(c)}', c)} ELSE f.{quote(c)} END"
            for c in m.columns
        )
        connection.execute(sql(f"UPDATE {m.edited} f SET {given} FROM {m.state} d WHERE {here} AND {chosen}"))
        if m.values:
            fields = ", ".join(
                f"{quote(c)} = CASE WHEN {quote_literal(c)} = ANY(d.taken) THEN s.{quote(c)} ELSE f.{quote(c)} END"
                for c in m.values
            )
            connection.execute(
                sql(
                    f"UPDATE {m.edited} f SET {fields} FROM {m.state} d JOIN {m.staged} s ON s.{m.locator} = d.src "
                    f"WHERE d.into_src = f.{m.locator} AND d.choice = 'merge' AND cardinality(d.taken) > 0"
                )
            )

    def becomes(self) -> str:
        """SQL: the edited rows that could not be written, as ``src`` and ``why``."""
        m = self._m
        rows = f"(SELECT z.* FROM {m.final} z WHERE z.{m.locator} IN (SELECT {m.locator} FROM {m.edited}))"
        told = " ".join(f"WHEN {quote_literal(met)} THEN {quote_literal(why)}" for met, why in WHY.items())
        return (
            f"SELECT n.src, CASE n.met {told} END AS why FROM ({m._detection(rows, written=True)}) n "
            f"JOIN {m.state} d ON d.src = n.src WHERE n.met <> 'new' "
            "AND NOT (n.met IN ('same', 'different') AND d.choice IN ('edit', 'keep-source') AND n.key = d.key)"
        )

    def _hold_to_keys(self, connection: psycopg.Connection[Any]) -> None:
        """Take choices back whose rows would break a key, of the live table or among the rows that come."""
        m = self._m
        edited = f"d.src IN (SELECT {m.locator} FROM {m.edited})"
        connection.execute(sql(f"CREATE TEMPORARY TABLE _mt_unfit ON COMMIT DROP AS {self.becomes()}"))
        # Of a row that only takes fields of another one, it is the other one's choice that cannot be carried out.
        connection.execute(
            sql(
                f"UPDATE {m.state} d SET choice = NULL, refused = choice, new_key = NULL, why = b.why "
                "FROM pg_temp._mt_unfit b WHERE d.choice IN ('edit', 'keep-both') AND b.src = d.src "
                "OR d.choice = 'merge' AND cardinality(d.taken) > 0 AND b.src = d.into_src"
            )
        )
        connection.execute(
            sql(
                f"DELETE FROM {m.edited} f USING pg_temp._mt_unfit b WHERE b.src = f.{m.locator}; "
                "DROP TABLE pg_temp._mt_unfit"
            )
        )
        for key in (m.table.match_key, *m.uniques):
            columns = ", ".join(f"f.{quote(c)}" for c in key)
            whole = " AND ".join(f"f.{quote(c)} IS NOT NULL" for c in key)
            # Of rows that wait for a decision nothing is known yet; the other ones are written.
            double = (
                f"SELECT f.{m.locator} AS src, count(*) OVER (PARTITION BY {columns}) AS n FROM {m.final} f "
                f"JOIN {m.state} e ON e.src = f.{m.locator} WHERE {WRITTEN.format(d='e')} AND {whole}"
            )
            self._refuse(
                connection,
                f"d.choice IN ('edit', 'keep-both') AND {edited} "
                f"AND d.src IN (SELECT q.src FROM ({double}) q WHERE q.n > 1)",
                quote_literal(f"another row of the source comes with the same {', '.join(key)}"),
            )
        connection.execute(
            sql(
                f"DELETE FROM {m.edited} f USING {m.state} d WHERE d.src = f.{m.locator} AND d.choice IS NULL "
                "AND d.met <> 'new'"
            )
        )
