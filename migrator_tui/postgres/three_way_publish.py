"""Publishing a three-way comparison on the target, in one transaction, with archive and undo journal; and the rows
that are to be written back into the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors

from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.model.errors import TargetError, VerificationFailed
from migrator_tui.model.plan import Plan
from migrator_tui.postgres.ledger import Fence, read_step, set_state, write_step
from migrator_tui.postgres.merge_parts import filled_rows, row_hash, sql, stored_columns, texts_of, written_columns
from migrator_tui.postgres.publish import LOCK_TIMEOUT_MS, STEP, ChangedSince, raise_sequences
from migrator_tui.postgres.three_way import ThreeWay
from migrator_tui.postgres.three_way_read_back import back_counts, lay_out_anew

DATA_STEP = "synced"
READ_BACK = "read_back"
"""Source table → rows that triggers made other ones of; empty where none fired."""
ORDERS = (("insert", "update", "delete"), ("delete", "insert", "update"), ("delete", "update", "insert"))
"""Which of them a row's unique value is free in depends on the rows; each is tried until the server takes one."""


@dataclass(frozen=True, slots=True)
class Written:
    """Rows of one table that one end gets."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.inserted + self.updated + self.deleted


def to_target(way: ThreeWay) -> Mapping[str, str]:
    """SQL over ``d``: what a row of the state is on the target."""
    return {
        "insert": f"(NOT d.in_t AND {way.present})",
        "update": "(d.in_s AND d.in_t AND (d.choice = 'keep-source' OR (d.choice = 'per-field' AND d.taken <> '{}')))",
        "delete": f"(d.in_t AND NOT ({way.present}))",
    }


def to_source(way: ThreeWay) -> Mapping[str, str]:
    """SQL over ``d``: what a row of the state is in the file."""
    return {
        "insert": f"(NOT d.in_s AND {way.present})",
        "update": f"(d.in_s AND d.in_t AND {way.present} AND {_left_to_target()} <> '{{}}')",
        "delete": f"(d.in_s AND NOT ({way.present}))",
    }


def _left_to_target() -> str:
    """SQL: the columns in which the file gets the target's value."""
    return (
        "ARRAY(SELECT DISTINCT c FROM unnest(d.ours || d.theirs) AS c WHERE d.choice = 'keep-target' "
        "OR (d.choice = 'per-field' AND NOT c = ANY(d.taken)))"
    )


def counted(connection: psycopg.Connection[Any], way: ThreeWay, ops: Mapping[str, str]) -> Written:
    """How many rows an end gets."""
    row = connection.execute(
        sql(
            "SELECT " + ", ".join(f"count(*) FILTER (WHERE {ops[op]})" for op in ("insert", "update", "delete")) + " "
            f"FROM {way.state} d"
        )
    ).fetchone()
    return Written(*(int(n) for n in row)) if row else Written()


def lay_out_back(connection: psycopg.Connection[Any], way: ThreeWay) -> None:
    """Put the rows that the file is to get into ``_mt_back_<table>``: the locator, what to do, columns, values."""
    ops = to_source(way)
    op = " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in ops.items())
    columns = ", ".join(f"{way.final(c)} AS {quote(c)}" for c in way.columns)
    connection.execute(sql(f"DROP TABLE IF EXISTS {way.back}"))
    connection.execute(
        sql(
            f"CREATE TABLE {way.back} AS SELECT * FROM (SELECT d.n AS _mt_n, d.src AS _mt_src, "
            f"CASE {op} END AS _mt_op, array_to_json({_left_to_target()})::text AS _mt_apart, {columns} "
            f"FROM {way.joined}) r WHERE _mt_op IS NOT NULL"
        )
    )


def publish(
    connection: psycopg.Connection[Any],
    plan: Plan,
    ways: Mapping[str, ThreeWay],
    fence: Fence,
    staged: Mapping[str, int],
    failpoint: Callable[[str], None],
    *,
    beside: Callable[[psycopg.Connection[Any]], None] = lambda connection: None,
    take_over: Callable[[psycopg.Connection[Any]], None] = lambda connection: None,
    triggers: bool = False,
) -> None:
    """Write what the target gets, or nothing. What was done before is not done again.

    Args:
        ways: By source name, tables that others refer to first.
        staged: Source name → rows that staging committed.
        beside: Writes what goes with the rows, before them: they may refer to it.
        take_over: Called before and after ``beside``: has the rows take the place of what came there because of it.
        triggers: Triggers of the tables fire, and make other rows of what is written.

    Raises:
        ChangedSince: Live rows changed since they were compared.
        TargetError: ``SYNC-REFUSED``: the target does not take the rows; rolled back.
        VerificationFailed: ``SYNC-WRITTEN``: rows are not as they were written; rolled back.
        ConnectionLost: A lock was not to be had in time, or the connection ended.
    """
    if read_step(connection, fence.run, STEP) is not None:  # a COMMIT whose answer was lost
        return
    with connection.transaction():
        connection.execute(sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
        set_state(connection, fence, "published")
        failpoint("publish-locked")
        for live in sorted(way.live for way in ways.values()):
            connection.execute(sql(f"LOCK TABLE {live} IN SHARE ROW EXCLUSIVE MODE"))
        take_over(connection)
        for source, way in ways.items():
            if changed := way.changed_since(connection):
                raise ChangedSince(
                    "CONFLICT-CHANGED",
                    f"{source}: {changed} live rows changed on the target since they were compared.",
                    "They are compared again.",
                )
        beside(connection)
        take_over(connection)
        for way in ways.values():
            _archive(connection, way, fence.run)
        written = _write(connection, ways, fence.run, triggers=triggers)
        failpoint("publish-merged")
        _compare(connection, ways, triggers=triggers)
        others = lay_out_anew(connection, ways, fence.run) if triggers else {}
        raise_sequences(connection, plan)  # last: a rollback would not take it back
        write_step(connection, fence.run, STEP, _step(connection, ways, written, staged, others))
        failpoint("publish-commit")


def _archive(connection: psycopg.Connection[Any], way: ThreeWay, run: str) -> None:
    """Keep every row of which either end loses a value."""
    tbl = quote_literal(str(way.table.target))
    for side, row, ops in (("target", "l", to_target(way)), ("source", "s", to_source(way))):
        connection.execute(
            sql(
                "INSERT INTO migrator.archive (run, tbl, key, side, cells) "
                f"SELECT {quote_literal(run)}, {tbl}, d.key, '{side}', to_jsonb({row}.*) FROM {way.joined} "
                f"WHERE {ops['update']} OR {ops['delete']}"
            )
        )


def _write(
    connection: psycopg.Connection[Any], ways: Mapping[str, ThreeWay], run: str, *, triggers: bool
) -> dict[str, Written]:
    wanted = {source: counted(connection, way, to_target(way)) for source, way in ways.items()}
    before = _rows(connection, ways)
    refused: Exception | None = None
    for order in ORDERS:
        try:
            with connection.transaction():
                connection.execute("SET CONSTRAINTS ALL DEFERRED")
                done = {source: dict.fromkeys(order, 0) for source in ways}
                for op in order:
                    # A row goes before the one that it refers to, and comes after it.
                    for source in reversed(list(ways)) if op == "delete" else ways:
                        done[source][op] = _WRITERS[op](connection, ways[source], run)
                connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                written = {s: Written(n["insert"], n["update"], n["delete"]) for s, n in done.items()}
                after = _rows(connection, ways)
                for source, counts in written.items():
                    more = after[source] - before[source] - (counts.inserted - counts.deleted)
                    if counts != wanted[source] or (more and not triggers):
                        raise _Otherwise(f"{ways[source].table.target}: {wanted[source]} was to be, {counts} was done")
            return written
        except (errors.IntegrityError, _Otherwise) as error:
            refused = error
    assert refused is not None
    raise TargetError(
        "SYNC-REFUSED",
        f"The target does not take the rows: {str(refused).splitlines()[0]}. Nothing was changed.",
        "Change the row on one end, or decide otherwise, and sync again.",
        sqlstate=getattr(refused, "sqlstate", None),
    ) from refused


class _Otherwise(Exception):
    """The server did something else than it was told, such as a cascade."""


def _rows(connection: psycopg.Connection[Any], ways: Mapping[str, ThreeWay]) -> dict[str, int]:
    found = {}
    for source, way in ways.items():
        row = connection.execute(sql(f"SELECT count(*) FROM {way.live}")).fetchone()
        found[source] = int(row[0]) if row else 0
    return found


def _journal(way: ThreeWay, run: str) -> tuple[str, str]:
    into = "INSERT INTO migrator.undo (run, tbl, key, op, before, after_hash) SELECT"
    return f"{into} {quote_literal(run)}, {quote_literal(str(way.table.target))},", _key(way, "w")


def _key(way: ThreeWay, row: str) -> str:
    pairs = ", ".join(f"{quote_literal(c)}, {row}.{quote(c)}" for c in way.table.match_key)
    return f"jsonb_build_object({pairs})"


def _insert(connection: psycopg.Connection[Any], way: ThreeWay, run: str) -> int:
    journal, key = _journal(way, run)
    written = written_columns(way.table)
    columns = ", ".join(map(quote, written))
    chosen = ", ".join(f"s.{quote(c)}" for c in written)
    rows = filled_rows(way.staged, way.table.fills)
    return connection.execute(
        sql(
            f"WITH w AS (INSERT INTO {way.live} ({columns}) OVERRIDING SYSTEM VALUE SELECT {chosen} FROM {rows} s "
            f"JOIN {way.state} d ON d.src = s.{way.locator} AND {to_target(way)['insert']} RETURNING *) "
            f"{journal} {key}, 'insert', NULL, {row_hash('w')} FROM w"
        )
    ).rowcount


def _update(connection: psycopg.Connection[Any], way: ThreeWay, run: str) -> int:
    if not way.values:
        return 0
    journal, key = _journal(way, run)
    values = ", ".join(f"{quote(c)} = {way.final(c)}" for c in (*way.values, *way.computed))
    image = texts_of("l", stored_columns(connection, way.table.target))
    chosen = f"{way.staged} s JOIN {way.state} d ON d.src = s.{way.locator} AND {to_target(way)['update']}"
    # The images are read before the update sees the table, both in one statement and one snapshot.
    return connection.execute(
        sql(
            f"WITH b AS (SELECT {_key(way, 'l')} AS key, {image} AS before FROM {way.live} l "
            f"JOIN ({chosen}) ON {way.keyed('l')}), "
            f"w AS (UPDATE {way.live} l SET {values} FROM {chosen} WHERE {way.keyed('l')} "
            f"AND {row_hash('l')} = d.live_hash RETURNING l.*) "
            f"{journal} b.key, 'update', b.before, {row_hash('w')} FROM w JOIN b ON b.key = {key}"
        )
    ).rowcount


def _delete(connection: psycopg.Connection[Any], way: ThreeWay, run: str) -> int:
    journal, _ = _journal(way, run)
    image = texts_of("l", stored_columns(connection, way.table.target))
    return connection.execute(
        sql(
            f"WITH w AS (DELETE FROM {way.live} l USING {way.state} d WHERE {way.keyed('l')} "
            f"AND {to_target(way)['delete']} AND {row_hash('l')} = d.live_hash "
            f"RETURNING {_key(way, 'l')} AS key, {image} AS before) "
            f"{journal} w.key, 'delete', w.before, '' FROM w"
        )
    ).rowcount


_WRITERS: Mapping[str, Callable[[psycopg.Connection[Any], ThreeWay, str], int]] = {
    "insert": _insert,
    "update": _update,
    "delete": _delete,
}


def _compare(connection: psycopg.Connection[Any], ways: Mapping[str, ThreeWay], *, triggers: bool) -> None:
    """After the writes: what the file is to get, and what it has, is what the target has; but for what triggers made
    of the values, which is read back."""
    for way in ways.values():
        differs = " OR ".join(f"({way.from_source(c)} AND {way.differs_in(c, 's', 'l')})" for c in way.values)
        differs = "" if triggers else differs
        row = connection.execute(
            sql(
                f"SELECT count(*) FROM {way.joined} WHERE CASE WHEN {way.present} THEN l.ctid IS NULL "
                f"OR (d.in_s AND ({differs or 'false'})) ELSE l.ctid IS NOT NULL END"
            )
        ).fetchone()
        if row and row[0]:
            raise VerificationFailed(
                "SYNC-WRITTEN",
                f"{way.table.target}: {row[0]} rows would not be on the target as they were written.",
                "Nothing was changed. A trigger or rule of the table changes rows as they are written: leave the table "
                "out with --tables.",
            )


def _step(
    connection: psycopg.Connection[Any],
    ways: Mapping[str, ThreeWay],
    written: Mapping[str, Written],
    staged: Mapping[str, int],
    others: Mapping[str, int],
) -> dict[str, Any]:
    """What undoing and a resumption need, in the form of any published run; what the file gets beside it."""
    row = connection.execute("SELECT pg_current_xact_id()::xid::text").fetchone()
    back = {source: counted(connection, way, to_source(way)) for source, way in ways.items()}
    merged = {}
    for source, counts in written.items():
        lost = back[source].updated + back[source].deleted
        # A row that is merged per cell is written on both ends; it counts once.
        mixed = _mixed(connection, ways[source])
        kept = lost - mixed
        merged[source] = [
            counts.inserted, counts.updated, staged[source] - counts.inserted - counts.updated - kept, kept, 0,
        ]  # fmt: skip
    return {
        "xid": row[0] if row else "0",
        "under_way": [],
        "created": [],
        "enums": [],
        "views": [],
        "merged": merged,
        "merged_into": [[way.table.target.schema, way.table.target.name] for way in ways.values()],
        "unvalidated": [],
        DATA_STEP: {
            source: {
                "target": _listed(written[source]),
                "source": list(back_counts(connection, way)) if others else _listed(back[source]),
            }
            for source, way in ways.items()
        },
        READ_BACK: dict(others),
    }


def _listed(counts: Written) -> list[int]:
    return [counts.inserted, counts.updated, counts.deleted]


def _mixed(connection: psycopg.Connection[Any], way: ThreeWay) -> int:
    row = connection.execute(
        sql(f"SELECT count(*) FROM {way.state} d WHERE {to_target(way)['update']} AND {to_source(way)['update']}")
    ).fetchone()
    return int(row[0]) if row else 0


def in_order(ways: Mapping[str, ThreeWay], order: Sequence[str]) -> dict[str, ThreeWay]:
    """The tables by the names of an order."""
    return {source: ways[source] for source in order if source in ways}
