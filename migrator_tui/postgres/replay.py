"""Replaying a run's journal backwards: each row that publishing wrote becomes what it was, where it is as written.

Rows are taken back in rounds, because one may be in the way of another: a value that is unique, a parent that comes
back. A batch that the target refuses is halved until the rows that it refuses stand alone; these are kept and named,
and all others are taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.circles import checked_at_the_end
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.merge import row_hash, sql, texts_of

SHOWN = 60
"""Characters of a value that a line about a kept row shows."""

REFUSED = (errors.IntegrityError, errors.RaiseException)

Secret = Callable[[str], bool]
"""Whether a column of that name holds what no report may show."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the journalled rows.

    Attributes:
        deleted: Rows that the run had added and that are gone again.
        restored: Rows that the run had changed or deleted and that are as they were.
        kept: A line for each row that is not.
    """

    deleted: int
    restored: int
    kept: tuple[str, ...]


def replay(
    connection: psycopg.Connection[Any], fence: Fence, merged_into: Sequence[Sequence[str]], secret: Secret
) -> Replayed:
    """Undo the journalled writes, children before parents, within the caller's transaction.

    Args:
        merged_into: ``(schema, table)`` of the live tables that were written, in the order of writing.
        secret: Columns whose values are masked in what is told of kept rows.
    """
    # What a row breaks is to be told with that row, and not at the end for all.
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    tables = [_Written(connection, fence, TableName(schema, name)) for schema, name in reversed(merged_into)]
    deleted = restored = 0
    for halving in (False, True):  # first whole, as one table's rows may be in the way of another's
        moved = True
        while moved:
            gone = _delete_added(connection, tables)
            back = sum(table.put_back(halving=halving) + table.restore(halving=halving) for table in tables)
            deleted, restored, moved = deleted + gone, restored + back, bool(gone or back)
    return Replayed(deleted, restored, tuple(line for table in tables for line in table.kept(secret)))


def _delete_added(connection: psycopg.Connection[Any], tables: Sequence[_Written]) -> int:
    """A row goes after the rows that refer to it, which may be of its own table: so again, until none is left to go.

    Rows that only refer to one another go together.
    """
    deleted = 0
    while gone := sum(table.delete_added() for table in tables):
        deleted += gone
    return deleted + _delete_rings(connection, [table for table in tables if table.added_left()])


def _delete_rings(connection: psycopg.Connection[Any], tables: Sequence[_Written]) -> int:
    if not tables:
        return 0
    connection.execute("CREATE TEMPORARY TABLE IF NOT EXISTS _mt_going (tbl oid, at tid, seq bigint)")
    connection.execute("TRUNCATE pg_temp._mt_going")
    for table in tables:
        table.candidates()
    while sum(table.held_by_others() for table in tables):
        pass
    try:
        with connection.transaction():
            # A ring over several tables is whole only at the end.
            connection.execute("SET CONSTRAINTS ALL DEFERRED")
            with checked_at_the_end(connection, [table.table for table in tables]):
                deleted = sum(table.delete_going() for table in tables)
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except REFUSED:
        return 0
    return deleted


@dataclass(slots=True)
class _Written:
    """The journalled rows of one live table. ``t`` is a live row and ``u`` its entry in the journal."""

    connection: psycopg.Connection[Any]
    fence: Fence
    table: TableName
    why: dict[int, str] = field(default_factory=dict)
    """Entry → why the target refused to take its row back."""

    @property
    def _live(self) -> str:
        return quote_name(self.table)

    def _mine(self, op: str) -> str:
        # As literals: beside parameters, a percent sign in a name would be read as one.
        return f"u.run = {quote_literal(self.fence.run)} AND u.tbl = {quote_literal(str(self.table))} AND u.op = '{op}'"

    def _as_written(self) -> str:
        return f"{_pair(self.connection, self.fence, self.table)} AND {row_hash('t')} = u.after_hash"

    def delete_added(self) -> int:
        """The added rows that nothing refers to."""
        free = "".join(f" AND NOT EXISTS ({child})" for child in _references(self.connection, self.table))
        return self.connection.execute(
            sql(
                f"WITH gone AS (DELETE FROM {self._live} t USING migrator.undo u WHERE {self._mine('insert')} "
                f"AND {self._as_written()}{free} RETURNING u.seq) "
                f"DELETE FROM migrator.undo u USING gone WHERE {self._mine('insert')} AND u.seq = gone.seq"
            )
        ).rowcount

    def added_left(self) -> bool:
        """Whether an added row is still there."""
        found = self.connection.execute(
            sql(f"SELECT EXISTS (SELECT FROM migrator.undo u WHERE {self._mine('insert')})")
        )
        return found.fetchone() == (True,)

    def candidates(self) -> None:
        """Note the added rows that are as they were written."""
        self.connection.execute(
            sql(
                "INSERT INTO pg_temp._mt_going SELECT t.tableoid, t.ctid, u.seq "
                f"FROM {self._live} t JOIN migrator.undo u ON {self._mine('insert')} AND {self._as_written()}"
            )
        )

    def held_by_others(self) -> int:
        """Take those off the list that a row outside of it refers to."""
        going = "EXISTS (SELECT FROM pg_temp._mt_going x WHERE x.tbl = c.tableoid AND x.at = c.ctid)"
        held = " OR ".join(f"EXISTS ({child} AND NOT {going})" for child in _references(self.connection, self.table))
        if not held:
            return 0
        return self.connection.execute(
            sql(
                f"DELETE FROM pg_temp._mt_going g USING {self._live} t "
                f"WHERE g.tbl = t.tableoid AND g.at = t.ctid AND ({held})"
            )
        ).rowcount

    def delete_going(self) -> int:
        """Delete what is on the list."""
        return self.connection.execute(
            sql(
                f"WITH gone AS (DELETE FROM {self._live} t USING pg_temp._mt_going g "
                "WHERE g.tbl = t.tableoid AND g.at = t.ctid RETURNING g.seq) "
                f"DELETE FROM migrator.undo u USING gone WHERE {self._mine('insert')} AND u.seq = gone.seq"
            )
        ).rowcount

    def put_back(self, *, halving: bool) -> int:
        """Add the rows again that the run deleted."""
        columns = _columns(self.connection, self.table, "attgenerated = ''")
        names = ", ".join(quote(name) for name, _ in columns)
        values = ", ".join(f"(u.before ->> {quote_literal(name)})::{kind}" for name, kind in columns)

        def statement(some: str) -> int:
            mine = f"{self._mine('delete')} AND {some}"
            added = self.connection.execute(
                sql(
                    f"INSERT INTO {self._live} ({names}) OVERRIDING SYSTEM VALUE "
                    f"SELECT {values} FROM migrator.undo u WHERE {mine}"
                )
            ).rowcount
            done = self.connection.execute(sql(f"DELETE FROM migrator.undo u WHERE {mine}")).rowcount
            if added != done:
                raise errors.RaiseException("a trigger keeps the row from being added")
            return done

        return self._in_batches("delete", statement, halving=halving)

    def restore(self, *, halving: bool) -> int:
        """Give the rows that the run changed their values back."""
        columns = _columns(self.connection, self.table, "attgenerated = '' AND attidentity <> 'a'")
        assignments = ", ".join(
            f"{quote(name)} = (u.before ->> {quote_literal(name)})::{kind}" for name, kind in columns
        )

        def statement(some: str) -> int:
            return self.connection.execute(
                sql(
                    f"WITH back AS (UPDATE {self._live} t SET {assignments} FROM migrator.undo u "
                    f"WHERE {self._mine('update')} AND {some} AND {self._as_written()} RETURNING u.seq) "
                    f"DELETE FROM migrator.undo u USING back WHERE {self._mine('update')} AND u.seq = back.seq"
                )
            ).rowcount

        return self._in_batches("update", statement, halving=halving)

    def _in_batches(self, op: str, statement: Callable[[str], int], *, halving: bool) -> int:
        """Do all entries of an operation at once, or as many as the target takes.

        Args:
            statement: Does the entries that a condition names, and gives how many were done.
        """
        entries = [
            seq
            for (seq,) in self.connection.execute(
                sql(f"SELECT u.seq FROM migrator.undo u WHERE {self._mine(op)} ORDER BY u.seq")
            )
        ]
        done = 0
        batches = [entries] if entries else []
        while batches:
            batch = batches.pop()
            try:
                with self.connection.transaction():
                    done += statement(f"u.seq BETWEEN {batch[0]} AND {batch[-1]}")
            except REFUSED as error:
                if len(batch) == 1:
                    self.why[batch[0]] = _said(error)
                elif halving:
                    middle = len(batch) // 2
                    batches += [batch[middle:], batch[:middle]]
        return done

    def kept(self, secret: Secret) -> Iterator[str]:
        """A line for each entry that is left: what the run did, why it stays, and both values."""
        names = [name for name, _ in _columns(self.connection, self.table, "attgenerated = ''")]
        rows = self.connection.execute(
            sql(
                "SELECT u.seq, u.key::text, u.op, u.before, "
                f"CASE WHEN t.ctid IS NOT NULL THEN {texts_of('t', names)} END, {row_hash('t')} = u.after_hash "
                f"FROM migrator.undo u LEFT JOIN {self._live} t ON {_pair(self.connection, self.fence, self.table)} "
                f"WHERE u.run = {quote_literal(self.fence.run)} AND u.tbl = {quote_literal(str(self.table))} "
                "ORDER BY u.seq"
            )
        )
        for seq, key, op, before, now, as_written in rows:
            if op == "delete":
                why = self.why.get(seq, "cannot be added again")
            elif now is None:
                why = "is gone since"
            elif not as_written:
                why = "changed since"
            else:
                why = self.why.get(seq, "is referred to since")
            yield f"{self.table} {key}: was {WORDS[op]} by the run and {why}; {_values(op, before, now, names, secret)}"


WORDS = {"insert": "added", "update": "updated", "delete": "deleted"}


def _values(
    op: str,
    before: Mapping[str, str | None] | None,
    now: Mapping[str, str | None] | None,
    names: Sequence[str],
    secret: Secret,
) -> str:
    def shown(name: str, row: Mapping[str, str | None]) -> str:
        value = row.get(name)
        if value is None:
            return "NULL"
        if secret(name):
            return "***"
        return repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}…")

    if op == "delete":
        was = before or {}
        return "it is not there; it was " + ", ".join(f"{n} {shown(n, was)}" for n in names if n in was) + "."
    if now is None:
        was = before or {}
        told = ", ".join(f"{n} {shown(n, was)}" for n in names if n in was)
        return f"it is not there; before the run it was {told}." if was else "it is not there."
    if before is None:
        return "kept as it is: " + ", ".join(f"{n} {shown(n, now)}" for n in names) + "; it was not there before."
    apart = [n for n in names if n in before and before[n] != now.get(n)]
    told = ", ".join(f"{n} {shown(n, now)} (before the run {shown(n, before)})" for n in apart)
    return f"kept as it is: {told or 'its values are those from before the run'}."


def _said(error: psycopg.Error) -> str:
    name = error.diag.constraint_name
    if isinstance(error, errors.UniqueViolation):
        return f"another row has what it would get back under the unique key {name}"
    if isinstance(error, errors.ForeignKeyViolation):
        return f"the foreign key {name} would not hold for it"
    return f"the target refuses it as it was ({error.diag.message_primary or error})"


def _columns(connection: psycopg.Connection[Any], table: TableName, which: str) -> list[tuple[str, str]]:
    return connection.execute(
        sql(
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
            f"WHERE attrelid = {quote_literal(quote_name(table))}::regclass AND attnum > 0 AND NOT attisdropped "
            f"AND {which} ORDER BY attnum"
        )
    ).fetchall()


def _pair(connection: psycopg.Connection[Any], fence: Fence, table: TableName) -> str:
    """SQL that pairs live row ``t`` with journal row ``u`` by the key that this run's journal recorded."""
    row = connection.execute(
        "SELECT array_agg(k) FROM (SELECT jsonb_object_keys(key) AS k FROM (SELECT key FROM migrator.undo "
        "WHERE run = %s AND tbl = %s LIMIT 1) one) keys",
        (fence.run, str(table)),
    ).fetchone()
    names: list[str] = row[0] if row and row[0] else []
    record = f"(jsonb_populate_record(NULL::{quote_name(table)}, u.key))"
    kinds = _types_where_no_record_can_be(connection, table)
    values = (
        f"(u.key ->> {quote_literal(name)})::{kinds[name]}" if kinds else f"{record}.{quote(name)}" for name in names
    )
    return " AND ".join(f"t.{quote(name)} = {value}" for name, value in zip(names, values, strict=True)) or "false"


def _types_where_no_record_can_be(connection: psycopg.Connection[Any], table: TableName) -> dict[str, str]:
    """Types by column, of a table with a domain that takes no NULL: its rows cannot be made of a key alone."""
    rows = connection.execute(
        "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), t.typtype = 'd' AND t.typnotnull "
        "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = %s::regclass AND a.attnum > 0 "
        "AND NOT a.attisdropped",
        (quote_name(table),),
    ).fetchall()
    return {name: kind for name, kind, _ in rows} if any(strict for _, _, strict in rows) else {}


def _references(connection: psycopg.Connection[Any], table: TableName) -> list[str]:
    """A subquery per foreign key onto the table: rows ``c`` that refer to ``t``, itself apart."""
    rows = connection.execute(
        "SELECT conrelid::regclass::text, "
        "(SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(conkey) WITH ORDINALITY k(num, n) "
        "JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = k.num), "
        "(SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(confkey) WITH ORDINALITY k(num, n) "
        "JOIN pg_attribute a ON a.attrelid = confrelid AND a.attnum = k.num), conrelid = confrelid "
        "FROM pg_constraint WHERE contype = 'f' AND confrelid = %s::regclass",
        (quote_name(table),),
    ).fetchall()
    return [
        f"SELECT 1 FROM {child} c WHERE "
        + " AND ".join(f"c.{quote(a)} = t.{quote(b)}" for a, b in zip(columns, parents, strict=True))
        + (" AND c.ctid <> t.ctid" if itself else "")
        for child, columns, parents, itself in rows
    ]
