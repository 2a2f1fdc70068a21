"""The hash of all rows of a table, whatever their order: what proves that two tables hold the same.

Each value is taken as its type sends it in binary, or as text where that would name an object by a number that differs
elsewhere (types of a user's own within arrays, references to objects). Each row is hashed by SHA-256, and the hashes
are added up as four 64-bit lanes: a sum, because equal rows would cancel each other in an exclusive or.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote
from migrator_tui.postgres.merge import sql

FIRST_OID_OF_USERS = 16384

_COLUMNS = """
    WITH RECURSIVE base (attnum, attname, attgenerated, oid) AS (
        SELECT a.attnum, a.attname, a.attgenerated, a.atttypid FROM pg_attribute a
        WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT b.attnum, b.attname, b.attgenerated, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.oid
        WHERE t.typtype = 'd'
    )
    SELECT b.attname, b.attgenerated::text, t.oid::bigint, t.typtype::text,
           CASE WHEN t.typcategory = 'A' THEN t.typelem::bigint ELSE 0 END,
           CASE WHEN p.oid IS NOT NULL THEN format('%%I.%%I', n.nspname, p.proname) END,
           (t.typname LIKE 'reg%%' OR e.typname LIKE 'reg%%')
               AND coalesce(e.oid, t.oid) < 16384
    FROM base b JOIN pg_type t ON t.oid = b.oid LEFT JOIN pg_type e ON t.typcategory = 'A' AND e.oid = t.typelem
    LEFT JOIN pg_proc p ON p.oid = t.typsend LEFT JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE t.typtype <> 'd' ORDER BY b.attnum
"""


@dataclass(frozen=True, slots=True)
class RowShape:
    """How the rows of a table travel and are hashed.

    Attributes:
        stored: The columns that COPY takes: all but generated ones.
        binary: Whether binary COPY gives values that mean the same elsewhere.
        expression: The SHA-256 of one row.
    """

    stored: tuple[str, ...]
    binary: bool
    expression: str


def shape(connection: psycopg.Connection[Any], place: str) -> RowShape:
    """The shape of a table's rows.

    Args:
        place: Its quoted, qualified name.
    """
    stored, values, binary = [], [], True
    for name, generated, oid, kind, element, send, refers in connection.execute(sql(_COLUMNS), (place,)):
        if not generated:
            stored.append(name)
        own = (element or oid) >= FIRST_OID_OF_USERS and (element or kind in ("r", "m"))
        # COPY sends arrays and composites of a user's own types with the types' numbers.
        same_elsewhere = send is not None and not refers and kind != "c" and not own
        values.append(f"{send}({quote(name)})" if same_elsewhere else f"pg_catalog.textsend({quote(name)}::text)")
        if not generated and not same_elsewhere:
            binary = False
    row = f"ROW({', '.join(values)})" if values else "ROW()"
    return RowShape(tuple(stored), binary, f"pg_catalog.sha256(pg_catalog.record_send({row}))")


def hash_rows(connection: psycopg.Connection[Any], place: str, found: RowShape) -> tuple[int, str]:
    """How many rows a table has, and the hash of them all."""
    lanes = ", ".join(
        f"coalesce(sum(('x' || encode(substr(h, {first}, 8), 'hex'))::bit(64)::bigint), 0)::text"
        for first in (1, 9, 17, 25)
    )
    query = f"SELECT count(*), {lanes} FROM (SELECT {found.expression} AS h FROM ONLY {place}) AS hashed"
    row = connection.execute(sql(query)).fetchone()
    assert row is not None
    rows, *sums = row
    return rows, hashlib.sha256(":".join(str(part) for part in (rows, *sums)).encode()).hexdigest()
