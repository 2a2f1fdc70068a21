"""Three-way comparison of staged, live and base rows: what either end changed since both were alike, and what becomes
of each row. Set-wise SQL throughout; nothing is written outside of the staging schema.

A row that is not alike on both ends has one row in ``_mt_sync_<table>``: which of the three have it, which columns are
apart by whom, and the choice, which for all but conflicts follows by itself. ``keep-source`` and ``keep-target`` mean
that end's state, also where that is not to have the row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.plan import TablePlan
from migrator_tui.postgres.ddl import locator_name, staged_name
from migrator_tui.postgres.merge_parts import Parts, row_hash, sql, texts_of

KINDS = ("same-key", "deleted", "deleted-edited", "unique", "parent")
"""What needs a choice, as decisions call it."""


class ThreeWay:
    """The statements that compare one table; ``d`` is a row of the state, ``s``, ``l`` and ``b`` the three rows."""

    def __init__(self, table: TablePlan, schema: str, *, per_cell: bool, computed: Collection[str] = ()) -> None:
        """
        Args:
            per_cell: Rows that both ends changed are merged where they changed other columns.
            computed: Columns whose values the file computes: they come with what else comes from there, and are not
                compared, for nothing can be written back into them.
        """
        self.table = table
        self.per_cell = per_cell
        digest = hashlib.sha256(table.source.encode()).hexdigest()[:10]
        self.base_name, self.left_name = f"_mt_base_{digest}", f"_mt_left_{digest}"
        self.state_name = f"_mt_sync_{digest}"
        self.base, self.left, self.state, self.back, self._fresh = (
            f"{quote(schema)}.{quote(f'_mt_{what}_{digest}')}" for what in ("base", "left", "sync", "back", "fresh")
        )
        self.staged = f"{quote(schema)}.{quote(staged_name(table))}"
        self.locator = quote(locator_name(table))
        self.live = quote_name(table.target)
        self.columns = tuple(column.target for column in table.moved_columns)
        others = tuple(column for column in self.columns if column not in table.match_key)
        self.values = tuple(column for column in others if column not in computed)
        self.computed = tuple(column for column in others if column in computed)
        self._parts = Parts(table, schema, ())

    # Rows and their parts ------------------------------------------------------------------------------------------

    def differs_in(self, column: str, left: str, right: str) -> str:
        """SQL: two rows hold different values of a column."""
        return self._parts.differs_in(column, left, right)

    def differ(self, left: str, right: str) -> str:
        """SQL: two rows of one key differ."""
        return " OR ".join(self.differs_in(c, left, right) for c in self.values) or "false"

    def _apart(self, left: str, right: str) -> str:
        """SQL: the names of the columns in which two rows differ."""
        tests = ", ".join(
            f"CASE WHEN {self.differs_in(c, left, right)} THEN {quote_literal(c)} END" for c in self.values
        )
        return f"array_remove(ARRAY[{tests}]::text[], NULL)"

    def keyed(self, row: str) -> str:
        """SQL: a row has the key of the state's row ``d``."""
        return " AND ".join(f"{row}.{quote(c)} = d.k{n}" for n, c in enumerate(self.table.match_key))

    def of_one_key(self, left: str, right: str) -> str:
        """SQL: two rows have one key."""
        return " AND ".join(f"{left}.{quote(c)} = {right}.{quote(c)}" for c in self.table.match_key)

    @property
    def joined(self) -> str:
        """FROM: the state with the rows of both ends."""
        return (
            f"{self.state} d LEFT JOIN {self.staged} s ON s.{self.locator} = d.src "
            f"LEFT JOIN {self.live} l ON {self.keyed('l')}"
        )

    # Detection -----------------------------------------------------------------------------------------------------

    def _detection(self) -> str:
        keys = [quote(c) for c in self.table.match_key]
        on_live = " AND ".join(f"s.{k} = l.{k}" for k in keys)
        on_base = " AND ".join(f"b.{k} = coalesce(s.{k}, l.{k})" for k in keys)
        of_key = [f"coalesce(s.{k}, l.{k}, b.{k})" for k in keys]
        listed = ", ".join(f"{value} AS k{n}" for n, value in enumerate(of_key))
        names = ", ".join(f"{quote_literal(c)}, {value}" for c, value in zip(self.table.match_key, of_key, strict=True))
        left = " AND ".join(f"x.{k} = {value}" for k, value in zip(keys, of_key, strict=True))
        whole = " AND ".join(f"{value} IS NOT NULL" for value in of_key)
        in_s, in_t, in_b = f"s.{self.locator} IS NOT NULL", "l.ctid IS NOT NULL", f"b.{self.locator} IS NOT NULL"
        both = f"({in_s} AND {in_t})"
        rows = (
            f"SELECT jsonb_build_object({names}) AS key, {listed}, s.{self.locator} AS src, "
            f"{in_s} AS in_s, {in_t} AS in_t, {in_b} AS in_b, CASE WHEN {in_t} THEN {row_hash('l')} END AS live_hash, "
            f"CASE WHEN {both} THEN {self._apart('s', 'l')} END AS apart, "
            f"CASE WHEN {in_s} AND {in_b} THEN {self._apart('s', 'b')} END AS by_s, "
            f"CASE WHEN {in_t} AND {in_b} THEN {self._apart('l', 'b')} END AS by_t "
            f"FROM {self.staged} s FULL JOIN {self.live} l ON {on_live} FULL JOIN {self.base} b ON {on_base} "
            f"WHERE {whole} AND (({in_s}) <> ({in_t}) OR ({both} AND ({self.differ('s', 'l')}))) "
            f"AND NOT EXISTS (SELECT 1 FROM {self.left} x WHERE {left})"
        )

        def common(of: str) -> str:
            return f"ARRAY(SELECT c FROM unnest(apart) AS c WHERE NOT in_b OR c = ANY({of}))"

        marked = f"SELECT r.*, {common('by_s')} AS ours, {common('by_t')} AS theirs FROM ({rows}) r"
        merged = "NOT ours && theirs" if self.per_cell else "false"
        become = (
            "CASE WHEN in_s AND in_t THEN CASE WHEN NOT in_b THEN 'same-key' WHEN ours = '{}' THEN 'take-target' "
            f"WHEN theirs = '{{}}' THEN 'take-source' WHEN {merged} THEN 'merged' ELSE 'same-key' END "
            "WHEN NOT in_b THEN CASE WHEN in_s THEN 'take-source' ELSE 'take-target' END "
            "WHEN coalesce(by_s, by_t) = '{}' THEN 'deleted' ELSE 'deleted-edited' END"
        )
        order = ", ".join(f"k{n}" for n in range(len(keys)))
        listed_keys = ", ".join(f"k{n}" for n in range(len(keys)))
        return (
            f"SELECT row_number() OVER (ORDER BY src NULLS LAST, {order}) AS n, key, {listed_keys}, src, in_s, in_t, "
            "in_b, live_hash, ours, theirs, CASE WHEN become IN ('same-key', 'deleted', 'deleted-edited') THEN become "
            "END AS kind, CASE become WHEN 'take-source' THEN 'keep-source' WHEN 'take-target' THEN 'keep-target' "
            "WHEN 'merged' THEN 'per-field' END AS choice, CASE become WHEN 'merged' THEN ours END AS taken, "
            f"false AS stuck FROM (SELECT m.*, {become} AS become FROM ({marked}) m) o"
        )

    def detect(self, connection: psycopg.Connection[Any]) -> None:
        """Compare. Choices of an earlier comparison stay with the rows of which the live one is as it was then.

        Within a transaction.
        """
        there = self.detected(connection)
        into = self._fresh if there else self.state
        connection.execute(sql(f"CREATE TABLE {into} AS {self._detection()}"))
        if there:
            connection.execute(
                sql(
                    f"UPDATE {self._fresh} f SET kind = o.kind, choice = o.choice, taken = o.taken FROM {self.state} o "
                    "WHERE o.key = f.key AND o.in_t = f.in_t AND o.live_hash IS NOT DISTINCT FROM f.live_hash "
                    "AND o.kind IS NOT NULL"
                )
            )
            connection.execute(sql(f"DROP TABLE {self.state}"))
            connection.execute(sql(f"ALTER TABLE {self._fresh} RENAME TO {quote(self.state_name)}"))
        connection.execute(sql(f"ANALYZE {self.state}"))

    def take_over(self, connection: psycopg.Connection[Any], column: str, rows: Collection[tuple[UUID, str]]) -> None:
        """Have staged rows take the place of live ones that are nobody's, though no common state tells so.

        Within a transaction, after a comparison; before or after those rows came.

        Args:
            column: A column of the key.
            rows: Its value, and the hash of the row while it is nobody's.
        """
        connection.execute("DROP TABLE IF EXISTS pg_temp.mt_nobodys")
        connection.execute("CREATE TEMP TABLE mt_nobodys (id uuid, hash text) ON COMMIT DROP")
        connection.execute(
            "INSERT INTO pg_temp.mt_nobodys SELECT * FROM unnest(%s::uuid[], %s::text[])",
            ([id for id, _ in rows], [hash for _, hash in rows]),
        )
        met = (
            f"pg_temp.mt_nobodys w JOIN {self.live} l ON l.{quote(column)} = w.id AND {row_hash('l')} = w.hash "
            f"JOIN {self.staged} s ON {self.of_one_key('s', 'l')}"
        )
        # Neither what was decided against such a row, nor what was decided of it, is changed.
        which = (
            f"d.src = s.{self.locator} AND {self.keyed('l')} AND NOT d.in_b "
            "AND (NOT d.in_t AND d.choice = 'keep-source' OR d.in_t AND d.kind = 'same-key' AND d.choice IS NULL)"
        )
        apart = self._apart("s", "l")
        connection.execute(
            sql(f"DELETE FROM {self.state} d USING {met} WHERE {which} AND NOT ({self.differ('s', 'l')})")
        )
        connection.execute(
            sql(
                f"UPDATE {self.state} d SET in_t = true, live_hash = {row_hash('l')}, "
                f"ours = {apart}, theirs = {apart}, kind = nullif(d.kind, 'same-key'), choice = 'keep-source', "
                f"taken = NULL FROM {met} WHERE {which}"
            )
        )

    def detected(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether a comparison has been made."""
        row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (self.state,)).fetchone()
        return bool(row and row[0])

    def changed_since(self, connection: psycopg.Connection[Any]) -> int:
        """Rows of which the live one is another than when they were compared. Call with the live table locked."""
        told = "SELECT key, in_s, in_t, live_hash FROM"
        row = connection.execute(
            sql(
                f"WITH now AS MATERIALIZED ({told} ({self._detection()}) x), seen AS ({told} {self.state}) "
                "SELECT count(*) FROM ((TABLE now EXCEPT TABLE seen) UNION ALL (TABLE seen EXCEPT TABLE now)) c"
            )
        ).fetchone()
        return int(row[0]) if row else 0

    def doubles(self, connection: psycopg.Connection[Any]) -> int:
        """Staged or base rows that are one to the target's key with another one."""
        keys = ", ".join(map(quote, self.table.match_key))
        found = 0
        for rows in (self.staged, self.base):
            row = connection.execute(
                sql(f"SELECT count(*) FROM (SELECT 1 FROM {rows} GROUP BY {keys} HAVING count(*) > 1) g")
            ).fetchone()
            found += int(row[0]) if row else 0
        return found

    # What becomes of the rows --------------------------------------------------------------------------------------

    present = (
        "CASE d.choice WHEN 'keep-source' THEN d.in_s WHEN 'keep-target' THEN d.in_t WHEN 'per-field' THEN true "
        "ELSE d.kind <> 'deleted' END"
    )
    """SQL: both ends will have the row. A deletion that is not decided yet counts as one: or its children, which were
    deleted as well, would seem to need it."""

    def from_source(self, column: str) -> str:
        """SQL: the row of the state gets the source's value of a column."""
        if column in self.computed:
            return "(d.choice = 'keep-source' OR (d.choice = 'per-field' AND d.taken <> '{}') OR NOT d.in_t)"
        return (
            "(d.choice = 'keep-source' OR (d.choice = 'per-field' "
            f"AND {quote_literal(column)} = ANY(d.taken)) OR (d.choice IS NULL AND NOT d.in_t))"
        )

    def final(self, column: str) -> str:
        """SQL: the value of a live column that both ends will have."""
        name = quote(column)
        if column not in self.columns:
            return f"l.{name}"
        if column in self.table.match_key:
            return f"coalesce(l.{name}, s.{name})"
        return f"CASE WHEN {self.from_source(column)} THEN s.{name} ELSE l.{name} END"

    def final_rows(self, columns: Sequence[str], *, without_left: bool = False) -> str:
        """A query of the rows that the target will have: ``n`` of the state, or NULL, and columns."""
        untouched = ", ".join(f"l.{quote(c)}" for c in columns)
        decided = ", ".join(f"{self.final(c)} AS {quote(c)}" for c in columns)
        keys = [quote(c) for c in self.table.match_key]
        left = " AND ".join(f"x.{k} = l.{k}" for k in keys)
        known = f" AND NOT EXISTS (SELECT 1 FROM {self.left} x WHERE {left})" if without_left else ""
        if without_left:
            known += "".join(f" AND l.{k} IS NOT NULL" for k in keys)
        return (
            f"SELECT NULL::bigint AS _mt_n, {untouched} FROM {self.live} l "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self.state} d WHERE {self.keyed('l')}){known} "
            f"UNION ALL SELECT d.n, {decided} FROM {self.joined} WHERE {self.present}"
        )

    def rows_of_both(self, columns: Sequence[str]) -> str:
        """A query of the rows that both ends will have, by what was chosen."""
        return self.final_rows(columns, without_left=True)

    def rows_read_back(self, columns: Sequence[str]) -> str:
        """A query of the rows that both ends will have, once the file has what :attr:`back` holds for it."""
        of_file, brought = (", ".join(f"{row}.{quote(c)}" for c in columns) for row in "sr")
        return (
            f"SELECT {of_file} FROM {self.staged} s "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self.back} r WHERE r._mt_src = s.{self.locator}) "
            f"UNION ALL SELECT {brought} FROM {self.back} r WHERE r._mt_op <> 'delete'"
        )

    # What is shown -------------------------------------------------------------------------------------------------

    def groups(self, connection: psycopg.Connection[Any]) -> list[tuple[str, int, int]]:
        """Kind, conflicts and undecided ones; kinds without any are left out."""
        rows = connection.execute(
            sql(
                f"SELECT kind, count(*), count(*) FILTER (WHERE choice IS NULL) FROM {self.state} "
                "WHERE kind IS NOT NULL GROUP BY kind"
            )
        )
        counted = {kind: (int(found), int(left)) for kind, found, left in rows}
        return [(kind, *counted[kind]) for kind in KINDS if kind in counted]

    def sample(self, connection: psycopg.Connection[Any], limit: int) -> list[str]:
        """The first undecided conflicts, a line each."""
        rows = connection.execute(
            sql(
                f"SELECT key::text, kind FROM {self.state} WHERE kind IS NOT NULL AND choice IS NULL "
                "ORDER BY n LIMIT %s"
            ),
            (limit,),
        )
        return [f"{self.table.source} {key} ({kind})" for key, kind in rows]

    def page(
        self, connection: psycopg.Connection[Any], offset: int, limit: int, kind: str
    ) -> list[
        tuple[
            dict[str, Any],
            dict[str, str | None] | None,
            dict[str, str | None] | None,
            dict[str, str | None] | None,
            str | None,
            list[str] | None,
        ]
    ]:
        """Conflicts of a kind with the rows as texts: key, source, target, base, choice, fields of the source."""
        rows = connection.execute(
            sql(
                f"SELECT d.key, CASE WHEN d.in_s THEN {texts_of('s', self.columns)} END, "
                f"CASE WHEN l.ctid IS NOT NULL THEN {texts_of('l', self.columns)} END, "
                f"CASE WHEN d.in_b THEN {texts_of('b', self.columns)} END, d.choice, d.taken "
                f"FROM (SELECT * FROM {self.state} WHERE kind = {quote_literal(kind)} ORDER BY n "
                f"OFFSET {int(offset)} LIMIT {int(limit)}) d "
                f"LEFT JOIN {self.staged} s ON s.{self.locator} = d.src LEFT JOIN {self.live} l ON {self.keyed('l')} "
                f"LEFT JOIN {self.base} b ON {self.keyed('b')} ORDER BY d.n"
            )
        ).fetchall()

        def ordered(cells: dict[str, str | None] | None) -> dict[str, str | None] | None:
            return None if cells is None else {name: cells[name] for name in self.columns}

        return [(key, *map(ordered, three), choice, taken) for key, *three, choice, taken in rows]

    def decided(
        self, connection: psycopg.Connection[Any], rows: Sequence[int], limit: int
    ) -> tuple[int, list[dict[str, Any]]]:
        """How many of these rows have a choice, and the keys of the first of them."""
        chosen = f"FROM {self.state} WHERE choice IS NOT NULL AND n = ANY(%s)"
        counted = connection.execute(sql(f"SELECT count(*) {chosen}"), (list(rows),)).fetchone()
        first = connection.execute(sql(f"SELECT key {chosen} ORDER BY n LIMIT %s"), (list(rows), max(0, limit)))
        return int(counted[0]) if counted else 0, [key for (key,) in first]

    def waiting(self, connection: psycopg.Connection[Any]) -> list[int]:
        """The numbers of the undecided conflicts."""
        rows = connection.execute(sql(f"SELECT n FROM {self.state} WHERE kind IS NOT NULL AND choice IS NULL"))
        return [n for (n,) in rows]
