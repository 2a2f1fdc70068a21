"""Carrying the difference between two SQLite files over into a live one: guarded row by row, in one transaction.

The live file was like ``before`` when that copy was made, and is to become like ``after``. A row that is neither any
more was changed by somebody else meanwhile, and is never overwritten. A row that is like ``after`` already counts as
done, so that calling again after a crash goes on, and calling with the two files exchanged takes it back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.model.errors import SourceError
from migrator_tui.sqlite import diagnosis
from migrator_tui.sqlite.snapshot import BUSY_SECONDS, snapshot_uri

SHOWN_KEYS = 5


@dataclass(frozen=True, slots=True)
class CarriedTable:
    """A table whose rows are carried over.

    Attributes:
        key: Columns that are unique and never NULL in all three files.
        columns: All columns that are stored, those of the key included; computed ones left out.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Carried:
    """What was written.

    Attributes:
        kept: Rows that somebody else changed meanwhile, as ``table key``; they are as they were.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    kept: tuple[str, ...] = ()


def carry_over(
    live: Path,
    before: Path,
    after: Path,
    tables: Sequence[CarriedTable],
    *,
    keep_changed: bool = False,
    suspended: Sequence[str] = (),
    busy_seconds: float = BUSY_SECONDS,
) -> Carried:
    """Make ``live`` differ from ``before`` as ``after`` does, all at once or not at all.

    Args:
        before, after: Copies that nobody writes to.
        suspended: Triggers that do not fire for what is written; they are there again when it commits.
        keep_changed: Rows that were changed meanwhile stay, and the others are written; else nothing is written.

    Raises:
        SourceError: ``SYNC-SOURCE-CHANGED``: rows were changed meanwhile. ``SYNC-SOURCE-REFUSED``: a constraint of the
            file refuses the rows. ``SYNC-SOURCE-TRIGGER``: a trigger of the file makes other rows of them. As
            :func:`~migrator_tui.sqlite.diagnosis.explain` where the file is locked or damaged. Nothing was written.
    """
    try:
        with closing(_open(live, before, after, busy_seconds)) as connection:
            carrier = _Carrier(connection, tables, suspended)
            try:
                return carrier.carry(in_place=True, keep_changed=keep_changed)
            except sqlite3.IntegrityError:
                # Rows that exchange a unique value have no order in which they can be written one by one.
                connection.execute("ROLLBACK")
            try:
                return carrier.carry(in_place=False, keep_changed=keep_changed)
            except sqlite3.IntegrityError as error:
                raise SourceError(
                    "SYNC-SOURCE-REFUSED",
                    f"{live} does not take the rows of the target: {error}. Nothing was written to it.",
                    "Change the rows, or the constraint, on one side and sync again.",
                ) from error
    except sqlite3.OperationalError as error:
        raise diagnosis.explain(error, live, busy_seconds) from error


def _open(live: Path, before: Path, after: Path, busy_seconds: float) -> sqlite3.Connection:
    uri = live.absolute().as_uri() + "?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=busy_seconds, isolation_level=None)
    try:
        connection.execute("ATTACH ? AS mt_before", (snapshot_uri(before),))
        connection.execute("ATTACH ? AS mt_after", (snapshot_uri(after),))
    except BaseException:
        connection.close()
        raise
    return connection


class _Table:
    """The SQL of one table; ``t`` is the live row, ``b`` and ``a`` those of the two copies, ``d`` the difference."""

    def __init__(self, table: CarriedTable, number: int) -> None:
        self.table = table
        name = quote_sqlite(table.name)
        self.live, self.before, self.after = f"main.{name}", f"mt_before.{name}", f"mt_after.{name}"
        self.difference = f"temp.mt_difference_{number}"
        self.columns = ", ".join(quote_sqlite(c) for c in table.columns)
        self.keys = ", ".join(f"k{n}" for n in range(len(table.key)))

    def paired(self, left: str, right: str) -> str:
        return " AND ".join(f"{left}.{quote_sqlite(k)} = {right}.{quote_sqlite(k)}" for k in self.table.key)

    def named(self, row: str) -> str:
        """A row is the one that the difference names. The table's column comes first: its collation decides."""
        return " AND ".join(f"{row}.{quote_sqlite(k)} = d.k{n}" for n, k in enumerate(self.table.key))

    def alike(self, left: str, right: str) -> str:
        """Equal to the storage class and the byte, whatever a column's collation passes over."""
        cells = []
        for column in map(quote_sqlite, self.table.columns):
            a, b = f"{left}.{column}", f"{right}.{column}"
            cells.append(f"({a} IS {b} COLLATE BINARY AND typeof({a}) = typeof({b}))")
        return " AND ".join(cells)

    def key_of(self, row: str) -> str:
        return ", ".join(f"{row}.{quote_sqlite(k)} AS k{n}" for n, k in enumerate(self.table.key))


class _Carrier:
    def __init__(
        self, connection: sqlite3.Connection, tables: Sequence[CarriedTable], suspended: Sequence[str]
    ) -> None:
        self._connection = connection
        self._suspended = suspended
        self._tables = [_Table(table, number) for number, table in enumerate(tables)]

    def carry(self, *, in_place: bool, keep_changed: bool) -> Carried:
        run = self._connection.execute
        run(f"PRAGMA foreign_keys = {'ON' if in_place else 'OFF'}")
        run("BEGIN IMMEDIATE")
        if in_place:
            run("PRAGMA defer_foreign_keys = ON")
        violations = 0 if in_place else self._violations()
        for table in self._tables:
            self._compare(table)
        kept = self._changed(keep_changed=keep_changed)
        carried = Carried(self._count("insert"), self._count("update"), self._count("delete"), kept)
        triggers = self._suspend()
        if in_place:
            for statement in self._written_in_place():
                run(statement)
        else:
            for statement in self._written_anew():
                run(statement)
            if self._violations() > violations:
                run("ROLLBACK")
                raise sqlite3.IntegrityError("FOREIGN KEY constraint failed")
        self._read_back()
        for statement in triggers:
            run(statement)
        run("COMMIT")
        return carried

    def _compare(self, t: _Table) -> None:
        run = self._connection.execute
        run(f"DROP TABLE IF EXISTS {t.difference}")
        run(
            f"CREATE TEMP TABLE {t.difference.removeprefix('temp.')} AS "
            f"SELECT 'delete' AS op, {t.key_of('b')} FROM {t.before} b "
            f"WHERE NOT EXISTS (SELECT 1 FROM {t.after} a WHERE {t.paired('a', 'b')}) UNION ALL "
            f"SELECT 'insert', {t.key_of('a')} FROM {t.after} a "
            f"WHERE NOT EXISTS (SELECT 1 FROM {t.before} b WHERE {t.paired('b', 'a')}) UNION ALL "
            f"SELECT 'update', {t.key_of('b')} FROM {t.before} b JOIN {t.after} a ON {t.paired('b', 'a')} "
            f"WHERE NOT ({t.alike('b', 'a')})"
        )
        # What is there already was written by an attempt whose end nobody saw.
        here = f"SELECT 1 FROM {t.live} t WHERE {t.named('t')}"
        done = f"SELECT 1 FROM {t.live} t JOIN {t.after} a ON {t.paired('t', 'a')} WHERE {t.named('t')}"
        run(
            f"DELETE FROM {t.difference} AS d WHERE (d.op = 'delete' AND NOT EXISTS ({here})) "
            f"OR (d.op <> 'delete' AND EXISTS ({done} AND {t.alike('t', 'a')}))"
        )

    def _changed(self, *, keep_changed: bool) -> tuple[str, ...]:
        """Rows that are neither as before nor as after, and those that rows refer to which somebody added."""
        kept: list[str] = []
        total = 0
        while found := [(t, rows) for t in self._tables if (rows := self._moved_on(t) or self._referred_to(t))]:
            for t, rows in found:
                total += len(rows)
                kept += [f"{t.table.name} {_key_text(t.table.key, key)}" for _, *key in rows]
                self._connection.executemany(
                    f"DELETE FROM {t.difference} WHERE rowid = ?", [(number,) for number, *_ in rows]
                )
            if not keep_changed:
                self._connection.execute("ROLLBACK")
                more = f" and {total - SHOWN_KEYS} more" if total > SHOWN_KEYS else ""
                raise SourceError(
                    "SYNC-SOURCE-CHANGED",
                    f"Rows of the SQLite file changed meanwhile: {'; '.join(kept[:SHOWN_KEYS])}{more}. "
                    "Nothing was written to it.",
                    "Sync again: they are compared anew.",
                )
        return tuple(kept)

    def _moved_on(self, t: _Table) -> list[tuple[object, ...]]:
        here = f"SELECT 1 FROM {t.live} t WHERE {t.named('t')}"
        same = f"SELECT 1 FROM {t.live} t JOIN {t.before} b ON {t.paired('t', 'b')} WHERE {t.named('t')}"
        return self._connection.execute(
            f"SELECT d.rowid, {t.keys} FROM {t.difference} d WHERE CASE WHEN d.op = 'insert' THEN EXISTS ({here}) "
            f"ELSE NOT EXISTS ({same} AND {t.alike('t', 'b')}) END"
        ).fetchall()

    def _referred_to(self, t: _Table) -> list[tuple[object, ...]]:
        """Rows to be deleted that live rows refer to which are in neither copy: a cascade would take them silently."""
        found: dict[object, tuple[object, ...]] = {}
        for child, pairs in self._references(t):
            on = " AND ".join(f"c.{quote_sqlite(a)} = t.{quote_sqlite(b)}" for a, b in pairs)
            known = "0"
            if (own := next((x for x in self._tables if x.table.name == child), None)) is not None:
                known = f"EXISTS (SELECT 1 FROM {own.before} x WHERE {own.paired('x', 'c')})"
            for row in self._connection.execute(
                f"SELECT d.rowid, {t.keys} FROM {t.difference} d JOIN {t.live} t ON {t.named('t')} "
                f"JOIN main.{quote_sqlite(child)} c ON {on} WHERE d.op = 'delete' AND NOT {known}"
            ):
                found[row[0]] = row
        return list(found.values())

    def _references(self, t: _Table) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        run = self._connection.execute
        for (child,) in run("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
            keys: dict[int, list[tuple[str, str]]] = {}
            for number, seq, parent, ours, theirs, *_ in run(
                f"PRAGMA main.foreign_key_list({quote_sqlite(child)})"
            ).fetchall():
                if parent.lower() == t.table.name.lower():
                    keys.setdefault(number, []).append((ours, theirs or t.table.key[seq]))
            yield from ((child, pairs) for pairs in keys.values())

    def _written_in_place(self) -> Iterator[str]:
        # Foreign keys are deferred, but their actions are not: children leave their parent before it goes.
        for t in self._tables:
            values = ", ".join(f"{quote_sqlite(c)} = a.{quote_sqlite(c)}" for c in t.table.columns)
            yield (
                f"UPDATE {t.live} AS t SET {values} FROM {t.difference} d CROSS JOIN {t.after} a "
                f"WHERE d.op = 'update' AND {t.named('t')} AND {t.named('a')}"
            )
        for t in self._tables:
            yield self._delete(t, "d.op = 'delete'")
        for t in self._tables:
            yield self._insert(t, "d.op = 'insert'")

    def _written_anew(self) -> Iterator[str]:
        for t in self._tables:
            yield self._delete(t, "d.op <> 'insert'")
        for t in self._tables:
            yield self._insert(t, "d.op <> 'delete'")

    def _delete(self, t: _Table, some: str) -> str:
        return (
            f"DELETE FROM {t.live} AS t WHERE EXISTS (SELECT 1 FROM {t.difference} d WHERE {some} AND {t.named('t')})"
        )

    def _insert(self, t: _Table, some: str) -> str:
        listed = ", ".join(f"a.{quote_sqlite(c)}" for c in t.table.columns)
        return (
            f"INSERT INTO {t.live} ({t.columns}) SELECT {listed} FROM {t.difference} d "
            f"CROSS JOIN {t.after} a WHERE {some} AND {t.named('a')}"
        )

    def _read_back(self) -> None:
        for t in self._tables:
            here = f"SELECT 1 FROM {t.live} t WHERE {t.named('t')}"
            same = f"SELECT 1 FROM {t.live} t JOIN {t.after} a ON {t.paired('t', 'a')} WHERE {t.named('t')}"
            row = self._connection.execute(
                f"SELECT {t.keys} FROM {t.difference} d WHERE CASE WHEN d.op = 'delete' THEN EXISTS ({here}) "
                f"ELSE NOT EXISTS ({same} AND {t.alike('t', 'a')}) END LIMIT 1"
            ).fetchone()
            if row is not None:
                self._connection.execute("ROLLBACK")
                raise SourceError(
                    "SYNC-SOURCE-TRIGGER",
                    f"{t.table.name} {_key_text(t.table.key, row)}: the row is another one than was written. "
                    "Nothing was written to the SQLite file.",
                    "A trigger of the file changes rows as they are written: drop it, or leave the table out.",
                )

    def _suspend(self) -> list[str]:
        """Drop the triggers that are not to fire, within the transaction; the statements that make them again."""
        statements = []
        for name in self._suspended:
            for (statement,) in self._connection.execute(
                "SELECT sql FROM main.sqlite_master WHERE type = 'trigger' AND name = ?", (name,)
            ).fetchall():
                self._connection.execute(f"DROP TRIGGER main.{quote_sqlite(name)}")
                statements.append(statement)
        return statements

    def _count(self, op: str) -> int:
        return sum(
            int(self._connection.execute(f"SELECT count(*) FROM {t.difference} WHERE op = ?", (op,)).fetchone()[0])
            for t in self._tables
        )

    def _violations(self) -> int:
        return len(self._connection.execute("PRAGMA main.foreign_key_check").fetchall())


def _key_text(key: Sequence[str], values: Sequence[object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in zip(key, values, strict=True))
