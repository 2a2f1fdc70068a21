"""Rows of live tables whose triggers fired, read back as they stand: what the file gets is laid out anew by them.

Within the publishing transaction, which holds the tables: what differs from the staged rows then is what the file
lacks, be it that a trigger wrote another row or another table that is synced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal
from migrator_tui.model.errors import VerificationFailed
from migrator_tui.postgres.merge_parts import row_hash, sql
from migrator_tui.postgres.three_way import ThreeWay


def lay_out_anew(connection: psycopg.Connection[Any], ways: Mapping[str, ThreeWay], run: str) -> dict[str, int]:
    """Put into ``_mt_back_<table>`` what the file lacks now, and have undo know the rows as they stand.

    Returns:
        Source table → rows that are other ones than were laid out before.

    Raises:
        VerificationFailed: ``SYNC-WRITTEN``: a trigger deleted rows, which nobody decided.
    """
    others = {}
    for source, way in ways.items():
        connection.execute(sql(f"CREATE TEMP TABLE mt_before ON COMMIT DROP AS {_told(way)}"))
        connection.execute(sql(f"DROP TABLE {way.back}"))
        connection.execute(sql(f"CREATE TABLE {way.back} AS {_lacking(way)}"))
        _require_decided(connection, way)
        apart = (
            "(TABLE now EXCEPT ALL TABLE pg_temp.mt_before) UNION ALL (TABLE pg_temp.mt_before EXCEPT ALL TABLE now)"
        )
        row = connection.execute(
            sql(f"WITH now AS MATERIALIZED ({_told(way)}) SELECT count(DISTINCT {_key(way)}) FROM ({apart}) c")
        ).fetchone()
        connection.execute("DROP TABLE pg_temp.mt_before")
        others[source] = int(row[0]) if row else 0
        _journal_anew(connection, way, run)
    return others


def back_counts(connection: psycopg.Connection[Any], way: ThreeWay) -> tuple[int, int, int]:
    """Rows that the file gets: added, changed, deleted."""
    counted = ", ".join(f"count(*) FILTER (WHERE _mt_op = '{op}')" for op in ("insert", "update", "delete"))
    row = connection.execute(sql(f"SELECT {counted} FROM {way.back}")).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


def _told(way: ThreeWay) -> str:
    columns = ", ".join(f"{quote(c)}::text" for c in way.columns)
    return f"SELECT _mt_op, _mt_src, {columns} FROM {way.back}"


def _key(way: ThreeWay) -> str:
    return f"ROW({', '.join(f'c.{quote(c)}' for c in way.table.match_key)})"


def _lacking(way: ThreeWay) -> str:
    here, there = f"s.{way.locator} IS NOT NULL", "l.ctid IS NOT NULL"
    keys = [(f"s.{quote(c)}", f"l.{quote(c)}") for c in way.table.match_key]
    whole = " AND ".join(f"coalesce({a}, {b}) IS NOT NULL" for a, b in keys)
    left = " AND ".join(
        f"x.{quote(c)} = coalesce({a}, {b})" for c, (a, b) in zip(way.table.match_key, keys, strict=True)
    )
    differ = way.differ("s", "l")
    apart = ", ".join(f"CASE WHEN {way.differs_in(c, 's', 'l')} THEN {quote_literal(c)} END" for c in way.values)
    columns = ", ".join(f"CASE WHEN {there} THEN l.{quote(c)} ELSE s.{quote(c)} END AS {quote(c)}" for c in way.columns)
    return (
        f"SELECT row_number() OVER (ORDER BY s.{way.locator} NULLS LAST, {', '.join(b for _, b in keys)}) AS _mt_n, "
        f"s.{way.locator} AS _mt_src, "
        f"CASE WHEN NOT ({there}) THEN 'delete' WHEN {here} THEN 'update' ELSE 'insert' END AS _mt_op, "
        f"array_to_json(array_remove(ARRAY[{apart}]::text[], NULL))::text AS _mt_apart, {columns} "
        f"FROM {way.staged} s FULL JOIN {way.live} l ON {way.of_one_key('s', 'l')} WHERE {whole} "
        f"AND (({here}) <> ({there}) OR ({here} AND {there} AND ({differ}))) "
        f"AND NOT EXISTS (SELECT 1 FROM {way.left} x WHERE {left})"
    )


def _require_decided(connection: psycopg.Connection[Any], way: ThreeWay) -> None:
    row = connection.execute(
        sql(
            f"SELECT count(*) FROM {way.back} r WHERE r._mt_op = 'delete' AND NOT EXISTS "
            f"(SELECT 1 FROM {way.state} d WHERE d.src = r._mt_src AND NOT ({way.present}))"
        )
    ).fetchone()
    if row and row[0]:
        raise VerificationFailed(
            "SYNC-WRITTEN",
            f"{way.table.target}: {row[0]} rows would not be on the target any more: a trigger deletes them. "
            "Nothing was changed.",
            "Disable the trigger for the time of the sync, or leave the table out with --tables.",
        )


def _journal_anew(connection: psycopg.Connection[Any], way: ThreeWay, run: str) -> None:
    """A trigger that fires after a row was written may have changed it once more."""
    keyed = " AND ".join(f"to_jsonb(l.{quote(c)}) = u.key -> {quote_literal(c)}" for c in way.table.match_key)
    connection.execute(
        sql(
            f"UPDATE migrator.undo u SET after_hash = {row_hash('l')} FROM {way.live} l "
            f"WHERE u.run = {quote_literal(run)} AND u.tbl = {quote_literal(str(way.table.target))} "
            f"AND u.op <> 'delete' AND {keyed} AND u.after_hash <> {row_hash('l')}"
        )
    )
