"""The rules of a live table that would refuse a row: its checks, foreign keys to tables that stay, and unique indexes
over expressions or over some rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.schema import TableName

_RULES = """
    SELECT k.contype::text, pg_get_expr(k.conbin, k.conrelid), pn.nspname::text, p.relname::text,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, pos)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.pos),
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, pos)
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.pos)
    FROM pg_constraint k LEFT JOIN pg_class p ON p.oid = k.confrelid
    LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE k.conrelid = %s::regclass AND k.contype IN ('c', 'f') AND k.conparentid = 0
      AND pg_get_constraintdef(k.oid) NOT LIKE '%%NOT ENFORCED'
    ORDER BY k.conname
"""

_UNIQUES = """
    SELECT ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, false) FROM generate_series(1, i.indnkeyatts) n ORDER BY n),
           pg_get_expr(i.indpred, i.indrelid),
           ARRAY(SELECT DISTINCT a.attname::text FROM pg_depend d
                 JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjsubid > 0
                   AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid)
    FROM pg_index i
    WHERE i.indrelid = %s::regclass AND i.indisunique AND i.indisvalid
      AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)
    ORDER BY i.indexrelid
"""


def live_rules(
    connection: psycopg.Connection[Any], table: TableName, columns: Collection[str], moved: Collection[TableName]
) -> tuple[str, ...]:
    """Conditions over a row ``s`` that is to be written, each true where a rule of the table refuses it.

    ``l`` is the live row that it is paired with, if there is one.

    Args:
        columns: The columns that are written; rules about others are left to the server.
        moved: Tables that get rows in the same run: whether a row that is referred to comes is not known here.
    """
    conditions = []
    for kind, check, schema, parent, ours, theirs in connection.execute(_RULES, (quote_name(table),)).fetchall():
        if not set(ours) <= set(columns):
            continue
        if kind == "c":
            # In a row of its own, so that the names in the check can mean nothing else.
            row = ", ".join(f"s.{quote(c)}" for c in ours) or "1"
            conditions.append(f"EXISTS (SELECT 1 FROM (SELECT {row}) own WHERE NOT ({check}))")
        elif TableName(schema, parent) not in moved:
            conditions.append(_refers_to_nothing(quote_name(TableName(schema, parent)), ours, theirs))
    for parts, where, ours in connection.execute(_UNIQUES, (quote_name(table),)).fetchall():
        if set(ours) <= set(columns):
            conditions.append(_taken(quote_name(table), parts, where, ours))
    return tuple(conditions)


def _taken(live: str, parts: Sequence[str], where: str | None, ours: Sequence[str]) -> str:
    """Another live row has what a unique index over expressions, or over some rows, allows once."""
    listed = ", ".join(f"{part} AS _mt_{n}" for n, part in enumerate(parts))
    some = f" WHERE {where}" if where else ""
    row = ", ".join(f"s.{quote(c)}" for c in ours) or "1"
    same = " AND ".join(f"u._mt_{n} = o._mt_{n}" for n in range(len(parts)))
    return (
        f"EXISTS (SELECT 1 FROM (SELECT {listed} FROM (SELECT {row}) own{some}) o "
        f"JOIN (SELECT ctid AS _mt_at, {listed} FROM {live}{some}) u ON {same} WHERE u._mt_at IS DISTINCT FROM l.ctid)"
    )


def _refers_to_nothing(parent: str, ours: Sequence[str], theirs: Sequence[str]) -> str:
    pairs = list(zip(ours, theirs, strict=True))
    given = " AND ".join(f"s.{quote(a)} IS NOT NULL" for a in ours)
    met = " AND ".join(f"p.{quote(b)} = s.{quote(a)}" for a, b in pairs)
    return f"({given} AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE {met}))"
