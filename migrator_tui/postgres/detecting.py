"""Detection: what each staged row meets on the live table and within the source, one state row per staged row.

The state is kept in ``_mt_state_…`` in the staging schema, with the hashes of the live rows that were met, so that
every later write can be guarded by what was shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote_literal
from migrator_tui.postgres.conflict_pages import number, pages_name
from migrator_tui.postgres.merge_parts import MatchedBy, Parts, row_hash, sql, texts_of


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """How many staged rows met what.

    Attributes:
        new: No live row of that key.
        same: A live row with equal values.
        different: A live row with other values: ``update_exists`` in Postgres' words.
        clashing: One other live row, or an earlier row of the source, holds the same value of a unique key, or one
            other live row that of a natural key.
        undecided: Of those that need a choice, the ones without.
        changed: Since they were shown: conflicts once more.
        refused: A check or foreign key of the live table does not take the row.
        several: Several live rows at once, by different keys.
        duplicate: An earlier row of the source, by a natural key alone.
        orphaned: The row that it refers to is not on the target and does not come.
    """

    new: int = 0
    same: int = 0
    different: int = 0
    clashing: int = 0
    undecided: int = 0
    changed: int = 0
    refused: int = 0
    several: int = 0
    duplicate: int = 0
    orphaned: int = 0

    @property
    def conflicts(self) -> int:
        """Rows that need a choice."""
        return self.different + self.clashing + self.refused + self.several + self.duplicate + self.orphaned


STILL = "o.found = excluded.found AND o.live_hash IS NOT DISTINCT FROM excluded.live_hash AND o.hits = excluded.hits"
"""What a row meets is what it met when it was decided upon."""

OTHERWISE = (
    "n.met <> o.found OR n.met NOT IN ('new', 'same') "
    "AND (n.live_hash IS DISTINCT FROM o.live_hash OR n.hits <> o.hits)"
)
"""What a row meets (``n``) is not what it met when it was detected (``o``)."""

CHANGED = "its row on the target changed after it was decided upon"
"""Why a choice for one row alone does not count any more."""

OUTDATED = "coalesce({d}.stale IN ('changed', 'held'), false)"
"""SQL: what was chosen for the row alone was chosen for another one."""

HELD = "coalesce({d}.stale IN ('held', 'asked'), false)"
"""SQL: a row waits for a person, whatever rules and the policy say."""

CHOSEN = ("choice", "taken", "edits", "wanted", "new_key", "why", "refused")
"""What was chosen for a row: the choice, the columns from the source, edited values, the row that it is to be merged
with as a person named it, the key that was generated, and which choice could not be taken, and why."""

KINDS = {
    "different": "same-key",
    "clashing": "unique",
    "several": "several",
    "duplicate": "duplicate",
    "refused": "rule",
    "orphaned": "parent",
}
"""What a staged row meets that needs a choice, and what decisions call it."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One staged row that met a different live row."""

    table: str
    kind: str
    key: str
    choice: str | None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """Another row that a staged row meets.

    Attributes:
        side: ``target``, or ``source`` for an earlier staged row.
        by: The key that both hold the same value of, as a person calls it.
        key: The match key of that row.
        values: Column → value as text, None for NULL.
    """

    side: str
    by: str
    key: Mapping[str, Any]
    values: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Met:
    """A conflict with all rows that it is about.

    Attributes:
        source: The staged row, as texts.
        target: The live row of its key, else of the first hit; None where there is none.
        choice, taken: What was decided, and the columns taken from the source where it is mixed.
        why, refused: Why a choice that was made cannot be taken, and which.
    """

    key: Mapping[str, Any]
    kind: str
    source: Mapping[str, str | None]
    target: Mapping[str, str | None] | None
    choice: str | None
    taken: tuple[str, ...] | None
    hits: tuple[Hit, ...] = ()
    why: str | None = None
    refused: str | None = None


class Detection(Parts):
    """Finds out what the staged rows of one table meet, and tells it."""

    def _first(self, n: int, key: MatchedBy, rows: str) -> str:
        """A join whose locator ``e{n}`` is that of the first staged row of each value of a key.

        A join of groups and not ``EXISTS``: staging has no index on keys, so that would read it once for every row.
        """
        parts = key.parts("f")
        listed = ", ".join(f"{part} AS k{i}" for i, part in enumerate(parts))
        grouped = ", ".join(parts)
        on = " AND ".join(f"e{n}.k{i} = {part}" for i, part in enumerate(key.parts("s")))
        return (
            f" LEFT JOIN (SELECT {listed}, min(f.{self.locator}) AS src FROM {rows} f GROUP BY {grouped}) e{n} ON {on}"
        )

    def _met_live(self, n: int, key: MatchedBy) -> str:
        """A join that finds the live rows of a key's value, and their hashes: one row, or for a natural key a list."""
        if not key.natural:
            return f" LEFT JOIN {self.live} u{n} ON {key.same(f'u{n}', 's')}"
        parts = key.parts("g")
        listed = ", ".join(f"{part} AS k{i}" for i, part in enumerate(parts))
        hit = self._hit("g", key)
        on = " AND ".join(f"u{n}.k{i} = {part}" for i, part in enumerate(key.parts("s")))
        return (
            f" LEFT JOIN (SELECT {listed}, jsonb_agg({hit} ORDER BY {self.key_json('g')}::text) AS hits "
            f"FROM {self.live} g GROUP BY {', '.join(parts)}) u{n} ON {on}"
        )

    def _hit(self, alias: str, key: MatchedBy) -> str:
        return (
            f"jsonb_build_object('side', 'target', 'by', {quote_literal(key.label)}, 'key', {self.key_json(alias)}, "
            f"'hash', {row_hash(alias)})"
        )

    def _hits(self, keys: Sequence[MatchedBy], *, written: bool) -> str:
        """The rows of other keys that ``s`` meets. By a natural key that its own live row holds already, none."""
        own = MatchedBy(f"key {', '.join(self.table.match_key)}", self.table.match_key)
        found = []
        for n, key in enumerate(keys, 1):
            unlike = f"NOT coalesce({key.same('s', 'l')}, false)"
            if key.natural:
                found.append(f"CASE WHEN u{n}.hits IS NOT NULL AND {unlike} THEN u{n}.hits ELSE '[]'::jsonb END")
            else:
                other = f"u{n}.ctid IS NOT NULL AND u{n}.ctid IS DISTINCT FROM l.ctid"
                found.append(
                    f"CASE WHEN {other} THEN jsonb_build_array({self._hit(f'u{n}', key)}) ELSE '[]'::jsonb END"
                )
        for n, key in enumerate(() if written else (own, *keys)):
            earlier = f"e{n}.src < s.{self.locator}"
            if key.natural:
                earlier += f" AND NOT coalesce({key.same('s', 'l')}, false)"
            hit = (
                f"jsonb_build_object('side', 'source', 'by', {quote_literal(key.label)}, 'src', e{n}.src, "
                f"'natural', {str(key.natural).lower()})"
            )
            found.append(f"CASE WHEN {earlier} THEN jsonb_build_array({hit}) ELSE '[]'::jsonb END")
        return " || ".join(found) or "'[]'::jsonb"

    def _detection(self, rows: str = "", *, written: bool = False) -> str:
        """What staged rows meet.

        Args:
            rows: Those rows, if not all; as what FROM takes.
            written: They are about to be written as they are: held to the keys of the target alone, and not to other
                staged rows.
        """
        own = MatchedBy("", self.table.match_key)
        keys = [key for key in self.keys if not (written and key.natural)]
        firsts = "" if written else "".join(self._first(n, key, self.staged) for n, key in enumerate((own, *keys)))
        first = "true" if written else f"e0.src IS NOT DISTINCT FROM s.{self.locator}"
        others = "".join(self._met_live(n, key) for n, key in enumerate(keys, 1))
        return (
            f"SELECT s.{self.locator} AS src, CASE "
            # Of two staged rows that are one to the live key, only the first can be the live row.
            f"WHEN l.ctid IS NOT NULL AND NOT ({self.differs('s', 'l')}) AND {first} THEN 'same' "
            "WHEN c.live > 1 OR c.live > 0 AND l.ctid IS NOT NULL THEN 'several' "
            "WHEN c.live > 0 OR c.firm THEN 'clashing' "
            "WHEN c.alike THEN 'duplicate' "
            f"WHEN {self.refuses} THEN 'refused' "
            "WHEN l.ctid IS NULL THEN 'new' ELSE 'different' END AS met, "
            f"CASE WHEN l.ctid IS NULL THEN NULL ELSE {row_hash('l')} END AS live_hash, {self.key_json('s')} AS key, "
            "h.hits "
            f"FROM {rows or self.staged} s LEFT JOIN {self.live} l ON {self.paired('s', 'l')}{firsts}{others} "
            f"CROSS JOIN LATERAL (SELECT {self._hits(keys, written=written)} AS hits) h CROSS JOIN LATERAL ("
            "SELECT count(DISTINCT x -> 'key') FILTER (WHERE x ->> 'side' = 'target') AS live, "
            "coalesce(bool_or(x -> 'natural' = 'false'), false) AS firm, "
            "coalesce(bool_or(x -> 'natural' = 'true'), false) AS alike FROM jsonb_array_elements(h.hits) x) c"
        )

    def detect(self, connection: psycopg.Connection[Any], *, pages: bool = True) -> MergeCounts:
        """Find out what each staged row meets, keeping the choices of an earlier detection that still holds.

        Args:
            pages: Number the conflicts for :meth:`page`; left out where more is found out first.
        """
        connection.execute(
            sql(
                f"CREATE TABLE IF NOT EXISTS {self.state} "
                "(src bigint PRIMARY KEY, found text NOT NULL, met text NOT NULL, live_hash text, key jsonb NOT NULL, "
                "hits jsonb NOT NULL DEFAULT '[]', choice text, taken text[], edits jsonb, wanted jsonb, "
                "into_key jsonb, into_src bigint, new_key jsonb, why text, refused text, stale text)"
            )
        )
        kept = ", ".join(f"{name} = CASE WHEN {STILL} THEN o.{name} END" for name in CHOSEN)
        connection.execute(
            sql(
                f"INSERT INTO {self.state} AS o (src, found, met, live_hash, key, hits) "
                f"SELECT src, met, met, live_hash, key, hits FROM ({self._detection()}) n "
                f"ON CONFLICT (src) DO UPDATE SET {kept}, "
                f"met = CASE WHEN {STILL} AND o.met = 'orphaned' THEN o.met ELSE excluded.met END, "
                "found = excluded.found, live_hash = excluded.live_hash, key = excluded.key, hits = excluded.hits"
            )
        )
        if pages:
            self.number(connection)
        return self.counts(connection)

    def number(self, connection: psycopg.Connection[Any]) -> None:
        """Number the conflicts, so that any page of them is read at once."""
        number(connection, self.table, self.schema, self.state, list(KINDS))

    def counts(self, connection: psycopg.Connection[Any]) -> MergeCounts:
        """The counts of the last detection."""
        listed = ", ".join(map(quote_literal, KINDS))
        counted = ", ".join(
            f"count(*) FILTER (WHERE met = '{met}')" for met in ("refused", "several", "duplicate", "orphaned")
        )
        row = connection.execute(
            sql(
                "SELECT count(*) FILTER (WHERE met = 'new'), count(*) FILTER (WHERE met = 'same'), "
                "count(*) FILTER (WHERE met = 'different'), count(*) FILTER (WHERE met = 'clashing'), "
                f"count(*) FILTER (WHERE met IN ({listed}) AND choice IS NULL), 0, {counted} FROM {self.state}"
            )
        ).fetchone()
        return MergeCounts(*(row or ()))

    def groups(self, connection: psycopg.Connection[Any]) -> list[tuple[str, int, int]]:
        """Kind, conflicts and undecided ones of the last detection; kinds without any are left out."""
        rows = connection.execute(
            sql(
                f"SELECT met, count(*), count(*) FILTER (WHERE choice IS NULL) FROM {self.state} "
                "WHERE met = ANY(%s) GROUP BY met"
            ),
            (list(KINDS),),
        )
        counted = {met: (int(found), int(left)) for met, found, left in rows}
        return [(called, *counted[met]) for met, called in KINDS.items() if met in counted]

    def sample(self, connection: psycopg.Connection[Any], limit: int = 20) -> list[Conflict]:
        """The first undecided conflicts."""
        listed = ", ".join(map(quote_literal, KINDS))
        rows = connection.execute(
            sql(
                f"SELECT met, key::text, choice, why FROM {self.state} "
                f"WHERE met IN ({listed}) AND choice IS NULL "
                f"ORDER BY why IS DISTINCT FROM {quote_literal(CHANGED)}, src LIMIT %s"
            ),
            (limit,),
        )
        return [Conflict(self.table.source, KINDS[met], key, choice, why) for met, key, choice, why in rows]

    def waiting(self, connection: psycopg.Connection[Any]) -> list[int]:
        """The locators of the undecided conflicts."""
        listed = ", ".join(map(quote_literal, KINDS))
        rows = connection.execute(sql(f"SELECT src FROM {self.state} WHERE met IN ({listed}) AND choice IS NULL"))
        return [src for (src,) in rows]

    def decided_of(
        self, connection: psycopg.Connection[Any], rows: Sequence[int], limit: int
    ) -> tuple[int, list[dict[str, Any]]]:
        """How many of these rows have a choice, and the keys of the first of them."""
        chosen = f"FROM {self.state} WHERE choice IS NOT NULL AND src = ANY(%s)"
        counted = connection.execute(sql(f"SELECT count(*) {chosen}"), (list(rows),)).fetchone()
        first = connection.execute(sql(f"SELECT key {chosen} ORDER BY src LIMIT %s"), (list(rows), max(0, limit)))
        return int(counted[0]) if counted else 0, [key for (key,) in first]

    def detected(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether a detection has been made."""
        row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (self.state,)).fetchone()
        return bool(row and row[0])

    def page(self, connection: psycopg.Connection[Any], kind: str, offset: int, limit: int) -> list[Met]:
        """Conflicts of a kind with all their rows as texts, in order of the source."""
        met = next(met for met, called in KINDS.items() if called == kind)
        rows = connection.execute(
            sql(
                f"SELECT d.key, d.met, {texts_of('s', self.columns)}, "
                f"CASE WHEN l.ctid IS NOT NULL THEN {texts_of('l', self.columns)} END, d.choice, d.taken, "
                f"d.why, d.refused, d.hits "
                f"FROM {pages_name(self.table, self.schema)} n JOIN {self.state} d USING (src) "
                f"JOIN {self.staged} s ON s.{self.locator} = n.src "
                f"LEFT JOIN {self.live} l ON {self.paired('s', 'l')} WHERE n.met = {quote_literal(met)} "
                f"AND n.n BETWEEN {int(offset) + 1} AND {int(offset) + int(limit)} ORDER BY n.n"
            )
        ).fetchall()
        told = self._told(connection, [hit for row in rows for hit in row[-1]])
        page = []
        for key, met, source, target, choice, taken, why, refused, hits in rows:
            others = tuple(told(hit) for hit in hits)
            first = next((hit.values for hit in others if hit.side == "target"), None)
            first = first or next((hit.values for hit in others), None)
            shown = self._in_order(target) or first
            chosen = None if taken is None else tuple(taken)
            page.append(Met(key, KINDS[met], self._in_order(source) or {}, shown, choice, chosen, others, why, refused))
        return page

    def _told(
        self, connection: psycopg.Connection[Any], hits: Sequence[Mapping[str, Any]]
    ) -> Callable[[Mapping[str, Any]], Hit]:
        """What makes a hit as it was detected one with its row's values."""
        keys = [hit["key"] for hit in hits if "key" in hit]
        sources = [hit["src"] for hit in hits if "src" in hit]
        live: dict[str, Any] = {}
        staged: dict[int, Any] = {}
        if keys:
            live = dict(
                connection.execute(
                    sql(
                        f"SELECT k.value::text, {texts_of('u', self.columns)} "
                        f"FROM jsonb_array_elements({quote_literal(json.dumps(keys))}) k "
                        f"JOIN {self.live} u ON {self.by_key('u', 'k.value')}"
                    )
                ).fetchall()
            )
        if sources:
            rows = connection.execute(
                sql(
                    f"SELECT f.{self.locator}, {self.key_json('f')}, {texts_of('f', self.columns)} "
                    f"FROM {self.staged} f WHERE f.{self.locator} IN ({', '.join(map(str, sources))})"
                )
            )
            staged = {src: (key, values) for src, key, values in rows}
        by_key = {json.dumps(json.loads(text), sort_keys=True): values for text, values in live.items()}

        def told(hit: Mapping[str, Any]) -> Hit:
            if "src" in hit:
                key, values = staged[hit["src"]]
            else:
                key = hit["key"]
                values = by_key.get(json.dumps(key, sort_keys=True))
            return Hit(hit["side"], hit["by"], key, self._in_order(values) or {})

        return told

    def _in_order(self, cells: Mapping[str, str | None] | None) -> dict[str, str | None] | None:
        return None if cells is None else {name: cells[name] for name in self.columns}

    def changed_since(self, connection: psycopg.Connection[Any]) -> int:
        """Rows that now meet something else than what was detected. Call with the live table locked."""
        row = connection.execute(
            sql(f"SELECT count(*) FROM ({self._detection()}) n JOIN {self.state} o USING (src) WHERE {OTHERWISE}")
        ).fetchone()
        return int(row[0]) if row else 0

    def mark_changed(self, connection: psycopg.Connection[Any], *, told: bool) -> None:
        """Mark those rows: what was chosen for one of them alone is not chosen for the row as it is now.

        Args:
            told: Only those that were conflicts before.
        """
        conflicts = f" AND o.met IN ({', '.join(map(quote_literal, KINDS))})" if told else ""
        connection.execute(
            sql(
                f"UPDATE {self.state} o SET stale = 'changed' FROM ({self._detection()}) n "
                f"WHERE n.src = o.src AND ({OTHERWISE}){conflicts}"
            )
        )

    def forget_changes(self, connection: psycopg.Connection[Any]) -> None:
        """From now on what was detected last is what was told."""
        connection.execute(sql(f"UPDATE {self.state} SET stale = NULL WHERE stale IS NOT NULL"))

    def reopened(self, connection: psycopg.Connection[Any]) -> list[dict[str, Any]]:
        """The keys of the rows whose choice could not be taken, or that changed after it was made."""
        rows = connection.execute(sql(f"SELECT key FROM {self.state} WHERE choice IS NULL AND why IS NOT NULL"))
        return [key for (key,) in rows]
