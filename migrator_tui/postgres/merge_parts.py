"""What the statements of a merge are made of: how rows are paired, compared and told as text.

Rows are paired by the plan's match key. Other keys by which a staged row may meet live ones, or an earlier one of the
source, are the unique keys of the live table and the natural keys that a person named.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.decisions import Match
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import Fill, TablePlan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.ddl import locator_name, staged_name


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


def equal(left: str, right: str, columns: Sequence[str]) -> str:
    """SQL: two rows hold the same values of the columns."""
    return " AND ".join(f"{left}.{quote(c)} = {right}.{quote(c)}" for c in columns)


def key_json(alias: str, columns: Sequence[str]) -> str:
    """SQL for a row's key as a JSON object."""
    return f"jsonb_build_object({', '.join(f'{quote_literal(c)}, {alias}.{quote(c)}' for c in columns)})"


def row_hash(alias: str) -> str:
    """SQL for the hash of a whole row, stable within a server version and the session settings of ``connect``."""
    return f"md5(({alias}.*)::text)"  # without the star it would be a column of that name, where there is one


@dataclass(frozen=True, slots=True)
class MatchedBy:
    """A key by which staged rows meet live ones, or one another: a unique key of the live table, or a natural one.

    Attributes:
        natural: A person named it; the target does not hold rows to it.
        folding: SQL's collation by which letters are folded, where the target has a better one than its own.
    """

    label: str
    columns: tuple[str, ...]
    match: Match = Match.EXACT
    natural: bool = False
    folding: str = ""

    def parts(self, alias: str) -> list[str]:
        """SQL for each column's value as it is compared."""
        if not self.natural:
            return [f"{alias}.{quote(c)}" for c in self.columns]
        return [self._part(f"{alias}.{quote(c)}") for c in self.columns]

    def _part(self, column: str) -> str:
        if self.match is Match.EXACT:
            return column
        text = f"{column}::text"
        if self.match in (Match.TRIMMED, Match.FOLDED):
            text = rf"btrim({text}, E' \t\n\r\f\x0b')"
        if self.match in (Match.NOCASE, Match.FOLDED):
            text = f"lower({text}{self.folding})"
        return f"nullif({text}, '')"

    def same(self, left: str, right: str) -> str:
        """SQL: two rows are one by this key."""
        return " AND ".join(f"{a} = {b}" for a, b in zip(self.parts(left), self.parts(right), strict=True))


def decided_column(table: TablePlan, values: Sequence[str], name: str, where: str) -> str:
    """A column that a decision names, by its name on the target or in the source.

    Args:
        values: The columns on the target that are not of the key.
        where: The decision's key that names it.

    Raises:
        UsageError: ``DECISION-COLUMN``: there is none, or it is part of the key.
    """
    renamed = {c.source: c.target for c in table.moved_columns}
    column = name if name in values else renamed.get(name, name)
    if column not in values:
        raise UsageError(
            "DECISION-COLUMN",
            f"A decision about {table.source} names {name!r} in `{where}`, which is no column of its rows"
            + (" but part of their key." if column in table.match_key else "."),
            f"Its columns are {', '.join(values)}.",
        )
    return column


class Parts:
    """The staged rows of one table, its live table, and how rows of theirs are compared."""

    def __init__(
        self,
        table: TablePlan,
        schema: str,
        uniques: Sequence[tuple[str, ...]],
        rules: Sequence[str] = (),
        naturals: Sequence[MatchedBy] = (),
    ) -> None:
        """
        Args:
            uniques: The live table's unique keys, the match key left out.
            rules: Conditions under which it refuses a row ``s`` (``live_rules``).
            naturals: Keys that a person named.
        """
        self.table, self.schema = table, schema
        self.refuses = " OR ".join(rules) or "false"
        self.bare = f"{quote(schema)}.{quote(staged_name(table))}"
        self.locator = quote(locator_name(table))
        digest = hashlib.sha256(table.source.encode()).hexdigest()[:10]
        self.moved = f"{quote(schema)}.{quote(f'_mt_moved_{digest}')}"
        self.edited = f"{quote(schema)}.{quote(f'_mt_edited_{digest}')}"
        self.overlaid = False
        self.state = f"{quote(schema)}.{quote(f'_mt_state_{digest}')}"
        self.live = quote_name(table.target)
        self.columns = tuple(column.target for column in table.moved_columns)
        self.values = tuple(column for column in self.columns if column not in table.match_key)
        self.uniques = tuple(
            key for key in uniques if set(key) != set(table.match_key) and set(key) <= set(written_columns(table))
        )
        self.keys = (*(MatchedBy(f"unique {', '.join(key)}", key) for key in self.uniques), *naturals)

    @property
    def staged(self) -> str:
        """The rows that meet live ones, as what FROM takes: as they were staged, but that references of theirs follow
        rows which get other keys, and with what fills columns of the target alone."""
        return filled_rows(self._over(self.moved), self.table.fills)

    @property
    def final(self) -> str:
        """The rows as they are written: with edited values and new keys as well."""
        return filled_rows(self._over(self.moved, self.edited), self.table.fills)

    def _over(self, *overlays: str) -> str:
        if not self.overlaid:
            return self.bare
        names = ", ".join((self.locator, *map(quote, self.columns)))
        layers = []
        for n, layer in enumerate((self.bare, *overlays)):
            hidden = " AND ".join(
                f"NOT EXISTS (SELECT FROM {above} x WHERE x.{self.locator} = b.{self.locator})"
                for above in overlays[n:]
            )
            layers.append(f"SELECT {names} FROM {layer} b WHERE {hidden or 'true'}")
        return f"({' UNION ALL '.join(layers)})"

    def prepare_overlays(self, connection: psycopg.Connection[Any]) -> None:
        """Make the tables of rows that are written otherwise than they were staged."""
        for name in (self.moved, self.edited):
            connection.execute(sql(f"CREATE TABLE IF NOT EXISTS {name} (LIKE {self.bare})"))

    def look_for_overlays(self, connection: psycopg.Connection[Any]) -> None:
        """Find out whether some rows are."""
        found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (self.edited,)).fetchone()
        self.overlaid = False
        if found == (True,):
            rows = connection.execute(
                sql(f"SELECT EXISTS (SELECT FROM {self.moved}) OR EXISTS (SELECT FROM {self.edited})")
            ).fetchone()
            self.overlaid = rows == (True,)

    def cast(self, value: str, column: str) -> str:
        """SQL: a text as a value of the column's type. Length and precision are held to when the row is written."""
        kinds = {c.target: c.type for c in self.table.columns} | {f.target: f.type for f in self.table.fills}
        return f"({value})::{_unbounded(kinds[column])}"

    def paired(self, left: str, right: str) -> str:
        """SQL: two rows have the same match key."""
        return equal(left, right, self.table.match_key)

    def differs(self, left: str, right: str) -> str:
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

    def by_key(self, alias: str, key: str) -> str:
        """SQL: a row's match key is that of a JSON object."""
        return " AND ".join(
            f"{alias}.{quote(c)} = {self.cast(f'{key} ->> {quote_literal(c)}', c)}" for c in self.table.match_key
        )

    def key_json(self, alias: str) -> str:
        """SQL for a row's match key as a JSON object."""
        return key_json(alias, self.table.match_key)


def stored_columns(connection: psycopg.Connection[Any], table: TableName) -> list[str]:
    """The columns of a live table that hold values of their own."""
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
