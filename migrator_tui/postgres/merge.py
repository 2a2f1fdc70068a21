"""Merging staged rows into a live table: detection, the guarded writes, and their journal. Set-wise SQL throughout.

Rows are paired by the plan's match key. Detection writes one row per staged row into ``_mt_state_<table>`` in the
staging schema: what it met, and the hash of the live row that was met, so that every later write can be guarded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.plan import Fill, TablePlan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.ddl import locator_name, staged_name
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.load import QuarantinedRow


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """How many staged rows met what.

    Attributes:
        new: No live row of that key.
        same: A live row with equal values.
        different: A live row with other values: ``update_exists`` in Postgres' words.
        clashing: Another live row, or an earlier row of the source, holds the same value of a unique key.
        undecided: Of the different, clashing and refused ones, those without a choice.
        changed: Since they were shown: conflicts once more.
        refused: A check or foreign key of the live table does not take the row.
    """

    new: int = 0
    same: int = 0
    different: int = 0
    clashing: int = 0
    undecided: int = 0
    changed: int = 0
    refused: int = 0

    @property
    def conflicts(self) -> int:
        """Rows that need a choice."""
        return self.different + self.clashing + self.refused


STILL = "o.met = excluded.met AND o.live_hash IS NOT DISTINCT FROM excluded.live_hash"
"""What a row meets is what it met when it was decided upon."""

KINDS = {"different": "same-key", "clashing": "unique", "refused": "rule"}
"""What a staged row meets that needs a choice, and what decisions call it."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One staged row that met a different live row."""

    table: str
    kind: str
    key: str
    choice: str | None


@dataclass(frozen=True, slots=True)
class Merged:
    """What merging one table wrote."""

    inserted: int
    updated: int
    unchanged: int
    kept_target: int
    quarantined: int = 0


def texts_of(alias: str, columns: Sequence[str]) -> str:
    """SQL for a JSON object of a row's columns as texts, exact for every type; two arrays, as functions take 100
    arguments at most."""
    if not columns:
        return "'{}'::jsonb"
    names = ", ".join(quote_literal(c) for c in columns)
    values = ", ".join(f"{alias}.{quote(c)}::text" for c in columns)
    return f"jsonb_object(ARRAY[{names}]::text[], ARRAY[{values}]::text[])"


def written_columns(table: TablePlan) -> tuple[str, ...]:
    """The columns of a live table that rows which are added get values in."""
    return (*(column.target for column in table.moved_columns), *(fill.target for fill in table.fills))


def filled_rows(staged: str, fills: Sequence[Fill]) -> str:
    """Staged rows with the values of columns that only the target has, as what FROM takes.

    Length and precision are left out of the cast, which would cut silently; writing the row is held to them.
    """
    if not fills:
        return staged
    listed = ", ".join(f"({fill.expression}\n)::{_unbounded(fill.type)} AS {quote(fill.target)}" for fill in fills)
    return f"(SELECT x.*, {listed} FROM {staged} x)"


def _unbounded(kind: str) -> str:
    plain = re.sub(r"\([\d, ]+\)", "", kind)
    return {"character": "bpchar", "bit": '"bit"'}.get(plain, plain)


def sql(text: str) -> LiteralString:
    """SQL that was put together from quoted identifiers; psycopg asks for a literal."""
    return text


def _equal(left: str, right: str, columns: Sequence[str]) -> str:
    return " AND ".join(f"{left}.{quote(c)} = {right}.{quote(c)}" for c in columns)


def row_hash(alias: str) -> str:
    """SQL for the hash of a whole row, stable within a server version and the session settings of ``connect``."""
    return f"md5(({alias}.*)::text)"  # without the star it would be a column of that name, where there is one


class Merge:
    """The statements that merge one table, all in terms of the staging schema and the live table."""

    def __init__(
        self, table: TablePlan, schema: str, uniques: Sequence[tuple[str, ...]], rules: Sequence[str] = ()
    ) -> None:
        """
        Args:
            uniques: The live table's unique keys, the match key left out.
            rules: Conditions under which it refuses a row ``s`` (``live_rules``).
        """
        self.table = table
        self.refuses = " OR ".join(rules) or "false"
        self.staged = filled_rows(f"{quote(schema)}.{quote(staged_name(table))}", table.fills)
        self.locator = quote(locator_name(table))
        digest = hashlib.sha256(table.source.encode()).hexdigest()[:10]
        self.state = f"{quote(schema)}.{quote(f'_mt_state_{digest}')}"
        self.live = quote_name(table.target)
        self.columns = tuple(column.target for column in table.moved_columns)
        self.values = tuple(column for column in self.columns if column not in table.match_key)
        self.uniques = tuple(
            key for key in uniques if set(key) != set(table.match_key) and set(key) <= set(written_columns(table))
        )

    def paired(self, left: str, right: str) -> str:
        """SQL: two rows have the same match key."""
        return _equal(left, right, self.table.match_key)

    def _differs(self, left: str, right: str) -> str:
        if not self.values:
            return "false"
        return " OR ".join(self.differs_in(c, left, right) for c in self.values)

    def differs_in(self, column: str, left: str, right: str) -> str:
        """SQL: two rows hold different values of a column."""
        exact = self.exact(column)
        return f"{left}.{quote(column)}{exact} IS DISTINCT FROM {right}.{quote(column)}{exact}"

    def exact(self, column: str) -> str:
        """A cast: types that have no equality, or one that passes over a difference, are compared as text."""
        kind = next(c.type for c in self.table.columns if c.target == column)
        # 0.0 equals -0.0, and 'a' equals 'a ' as character(2).
        inexact = ("json", "xml", "citext", "point", "double precision", "real", "bpchar")
        return "::text" if kind.rpartition(".")[2] in inexact or kind.startswith("character(") else ""

    def _clashes(self, left: str, live: str) -> str:
        """Another live row, or an earlier staged row, holds a unique value of this one."""
        found = [
            f"EXISTS (SELECT 1 FROM {self.live} u WHERE {_equal('u', left, key)} "
            f"AND u.ctid IS DISTINCT FROM {live}.ctid)"
            for key in self.uniques
        ]
        return " OR ".join(
            [*found, *(f"e{n}.{self.locator} < {left}.{self.locator}" for n in range(len(self.uniques) + 1))]
        )

    def _earlier(self, left: str) -> str:
        """Joins whose locators ``e0``, ``e1`` … are those of the first staged row of each unique value.

        Joins of groups and not ``EXISTS``: staging has no index on keys, so that would read it once for every row.
        """
        joins = []
        for n, key in enumerate((self.table.match_key, *self.uniques)):
            columns = ", ".join(f"f.{quote(c)}" for c in key)
            firsts = (
                f"SELECT {columns}, min(f.{self.locator}) AS {self.locator} FROM {self.staged} f GROUP BY {columns}"
            )
            joins.append(f" LEFT JOIN ({firsts}) e{n} ON {_equal(f'e{n}', left, key)}")
        return "".join(joins)

    def _key_json(self, alias: str) -> str:
        pairs = ", ".join(f"{quote_literal(c)}, {alias}.{quote(c)}" for c in self.table.match_key)
        return f"jsonb_build_object({pairs})"

    def _detection(self) -> str:
        return (
            f"SELECT s.{self.locator} AS src, CASE "
            # Of two staged rows that are one to the live key, only the first can be the live row.
            f"WHEN l.ctid IS NOT NULL AND NOT ({self._differs('s', 'l')}) "
            f"AND e0.{self.locator} IS NOT DISTINCT FROM s.{self.locator} THEN 'same' "
            f"WHEN {self._clashes('s', 'l')} THEN 'clashing' "
            f"WHEN {self.refuses} THEN 'refused' "
            "WHEN l.ctid IS NULL THEN 'new' ELSE 'different' END AS met, "
            f"CASE WHEN l.ctid IS NULL THEN NULL ELSE {row_hash('l')} END AS live_hash, {self._key_json('s')} AS key "
            f"FROM {self.staged} s LEFT JOIN {self.live} l ON {self.paired('s', 'l')}{self._earlier('s')}"
        )

    def detect(self, connection: psycopg.Connection[Any]) -> MergeCounts:
        """Find out what each staged row meets, keeping the choices of an earlier detection that still holds."""
        connection.execute(
            sql(
                f"CREATE TABLE IF NOT EXISTS {self.state} "
                "(src bigint PRIMARY KEY, met text NOT NULL, live_hash text, key jsonb NOT NULL, choice text, "
                "taken text[])"
            )
        )
        connection.execute(
            sql(
                f"INSERT INTO {self.state} AS o (src, met, live_hash, key) {self._detection()} "
                "ON CONFLICT (src) DO UPDATE SET met = excluded.met, live_hash = excluded.live_hash, "
                f"choice = CASE WHEN {STILL} THEN o.choice END, taken = CASE WHEN {STILL} THEN o.taken END"
            )
        )
        return self.counts(connection)

    def counts(self, connection: psycopg.Connection[Any]) -> MergeCounts:
        """The counts of the last detection."""
        row = connection.execute(
            sql(
                "SELECT count(*) FILTER (WHERE met = 'new'), count(*) FILTER (WHERE met = 'same'), "
                "count(*) FILTER (WHERE met = 'different'), count(*) FILTER (WHERE met = 'clashing'), "
                "count(*) FILTER (WHERE met IN ('different', 'clashing', 'refused') AND choice IS NULL), 0, "
                f"count(*) FILTER (WHERE met = 'refused') FROM {self.state}"
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
        rows = connection.execute(
            sql(
                f"SELECT met, key::text, choice FROM {self.state} "
                "WHERE met IN ('different', 'clashing', 'refused') AND choice IS NULL ORDER BY src LIMIT %s"
            ),
            (limit,),
        )
        return [Conflict(self.table.source, KINDS[met], key, choice) for met, key, choice in rows]

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

    def page(
        self, connection: psycopg.Connection[Any], offset: int, limit: int, kind: str | None = None
    ) -> list[
        tuple[dict[str, Any], str, dict[str, str | None], dict[str, str | None] | None, str | None, list[str] | None]
    ]:
        """Conflicts with both rows as texts, in order of the source: key, kind, source, target, choice, fields taken
        from the source; of one kind, or of all."""
        listed = ", ".join(quote_literal(met) for met, called in KINDS.items() if kind in (None, called))
        rows = connection.execute(
            sql(
                f"SELECT d.key, d.met, {texts_of('s', self.columns)}, "
                f"CASE WHEN l.ctid IS NOT NULL THEN {texts_of('l', self.columns)} END, d.choice, d.taken "
                f"FROM (SELECT * FROM {self.state} WHERE met IN ({listed}) ORDER BY src "
                f"OFFSET {int(offset)} LIMIT {int(limit)}) d JOIN {self.staged} s ON s.{self.locator} = d.src "
                f"LEFT JOIN {self.live} l ON {self.paired('s', 'l')} ORDER BY d.src"
            )
        ).fetchall()
        order = list(self.columns)

        def ordered(cells: dict[str, str | None] | None) -> dict[str, str | None] | None:
            return None if cells is None else {name: cells[name] for name in order}

        return [
            (key, KINDS[met], ordered(a) or {}, ordered(b), choice, taken) for key, met, a, b, choice, taken in rows
        ]

    def changed_since(self, connection: psycopg.Connection[Any]) -> int:
        """Rows that now meet something else than what was detected. Call with the live table locked."""
        row = connection.execute(
            sql(
                f"SELECT count(*) FROM ({self._detection()}) n JOIN {self.state} o USING (src) "
                "WHERE n.met <> o.met OR (n.met = 'different' AND n.live_hash IS DISTINCT FROM o.live_hash)"
            )
        ).fetchone()
        return int(row[0]) if row else 0

    def left_behind(self, connection: psycopg.Connection[Any]) -> dict[int, tuple[str, str]]:
        """Conflicts that were decided to be quarantined: locator → (finding id, reason)."""
        rows = connection.execute(
            sql(f"SELECT src, met, key::text FROM {self.state} WHERE choice IN ('quarantine', 'skip') ORDER BY src")
        )
        reasons = {
            "different": ("TARGET-HAS-ROWS", "{} holds other values under the key {}"),
            "clashing": ("TARGET-UNIQUE", "{} or an earlier row holds a unique value of the row with the key {}"),
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
                f"FROM {self.staged} s JOIN {self.state} d ON d.src = s.{self.locator} AND d.met = 'new' "
                f"RETURNING *) {journal} "
                f"SELECT {run}, {tbl}, {self._key_json('w')}, 'insert', NULL, {row_hash('w')} FROM w"
            )
        ).rowcount
        updated = 0
        if self.values:
            taken = (
                f"{self.staged} s JOIN {self.state} d ON d.src = s.{self.locator} "
                "AND d.choice IN ('keep-source', 'per-field')"
            )
            values = ", ".join(
                f"{quote(c)} = CASE WHEN {self._from_source(c)} THEN s.{quote(c)} ELSE l.{quote(c)} END"
                for c in self.values
            )
            image = texts_of("l", _stored_columns(connection, self.table.target))
            # The images are read before the update sees the table, both in one statement and one snapshot.
            updated = connection.execute(
                sql(
                    f"WITH b AS (SELECT {self._key_json('l')} AS key, {image} AS before FROM {self.live} l "
                    f"JOIN ({taken}) ON {self.paired('s', 'l')}), "
                    f"w AS (UPDATE {self.live} l SET {values} "
                    f"FROM {taken} WHERE {self.paired('s', 'l')} AND {row_hash('l')} = d.live_hash RETURNING l.*), "
                    f"a AS ({self._archive(run, 'target', taken)}) "
                    f"{journal} SELECT {run}, {tbl}, b.key, 'update', b.before, {row_hash('w')} "
                    f"FROM w JOIN b ON b.key = {self._key_json('w')}"
                )
            ).rowcount
        # Of a row that is taken per field either side loses something.
        kept = (
            f"{self.staged} s JOIN {self.state} d ON d.src = s.{self.locator} "
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
        counts = self.counts(connection)
        row = connection.execute(sql(f"SELECT count(*) FROM {self.state} WHERE choice = 'keep-target'")).fetchone()
        return Merged(inserted, updated, counts.same, int(row[0]) if row else 0, len(left_behind))

    def _from_source(self, column: str) -> str:
        return f"(d.taken IS NULL OR {quote_literal(column)} = ANY(d.taken))"

    def _archive(self, run: str, side: str, taken: str) -> str:
        tbl = quote_literal(str(self.table.target))
        return (
            "INSERT INTO migrator.archive (run, tbl, key, side, cells) "
            f"SELECT {run}, {tbl}, {self._key_json('l')}, '{side}', to_jsonb(l.*) FROM {self.live} l "
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
                f"SELECT count(*) FROM {self.state} d JOIN {self.staged} s ON s.{self.locator} = d.src "
                f"LEFT JOIN {self.live} l ON {self.paired('s', 'l')} LEFT JOIN migrator.undo u "
                f"ON u.run = {quote_literal(run)} AND u.tbl = {quote_literal(str(self.table.target))} "
                f"AND u.op = 'update' AND u.key = d.key WHERE d.choice = 'per-field' "
                f"AND (l.ctid IS NULL OR u.key IS NULL OR {fields or 'false'})"
            )
        ).fetchone()
        row = connection.execute(
            sql(
                f"SELECT count(*) FROM {self.staged} s JOIN {self.state} d ON d.src = s.{self.locator} "
                f"LEFT JOIN {self.live} l ON {self.paired('s', 'l')} "
                "WHERE (d.met IN ('new', 'same') OR d.choice = 'keep-source') "
                f"AND (l.ctid IS NULL OR ({self._differs('s', 'l')}))"
            )
        ).fetchone()
        return sum(int(found[0]) for found in (row, mixed) if found)


def _stored_columns(connection: psycopg.Connection[Any], table: TableName) -> list[str]:
    rows = connection.execute(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
        "AND attgenerated = '' ORDER BY attnum",
        (quote_name(table),),
    )
    return [name for (name,) in rows]


def live_uniques(connection: psycopg.Connection[Any], table: TableName) -> list[tuple[str, ...]]:
    """Column sets of a live table's plain unique indexes (not partial, not on expressions)."""
    rows = connection.execute(
        "SELECT array_agg(a.attname::text ORDER BY k.n) FROM pg_index i "
        "CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, n) "
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
        "WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL "
        "AND k.n <= i.indnkeyatts GROUP BY i.indexrelid",
        (quote_name(table),),
    ).fetchall()
    return [tuple(row[0]) for row in rows]


def with_changes(counts: MergeCounts, changed: int) -> MergeCounts:
    """The counts with the number of rows that changed under way."""
    return replace(counts, changed=changed)
