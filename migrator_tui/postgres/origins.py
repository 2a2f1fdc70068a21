"""Origins of published tables on the target: written when a run publishes, read when a file is pulled.

An origin holds as long as the table is what it was when it was published; a hash over its definition tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg

from migrator_tui.model.origin import Origin
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.ledger import is_installed, write_step

STEP = "origin"

_WANTED = """
    SELECT w.s, w.n, c.oid FROM unnest(%(schemas)s::text[], %(names)s::text[]) AS w (s, n)
    JOIN pg_namespace n ON n.nspname = w.s JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.n
"""

# Comments, row security and grants are not part of it: they say nothing about a SQLite file. A foreign key that is
# validated later is the same foreign key.
_SHAPES = f"""
    SELECT w.s, w.n, md5(concat_ws(E'\\n',
        (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                    a.attgenerated, a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid),
                    (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
                     FROM pg_enum e WHERE e.enumtypid = a.atttypid)), E'\\n' ORDER BY a.attnum)
         FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped),
        (SELECT string_agg(k.conname || ' ' || replace(pg_get_constraintdef(k.oid), ' NOT VALID', ''), E'\\n'
                           ORDER BY k.conname)
         FROM pg_constraint k WHERE k.conrelid = w.oid AND k.contype IN ('p', 'u', 'f', 'c', 'x')),
        (SELECT string_agg(pg_get_indexdef(i.indexrelid), E'\\n' ORDER BY i.indexrelid::regclass::text)
         FROM pg_index i WHERE i.indrelid = w.oid),
        CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END))
    FROM ({_WANTED}) w JOIN pg_class c ON c.oid = w.oid
"""


def shapes(connection: psycopg.Connection[Any], relations: Sequence[TableName]) -> dict[TableName, str]:
    """A hash of the definition of each table or view that is there. Use within a transaction."""
    behind = connection.execute("SELECT current_setting('search_path')").fetchone()
    # Names in definitions are qualified by what the path does not find.
    connection.execute("SELECT set_config('search_path', 'pg_catalog', true)")
    wanted = {"schemas": [r.schema for r in relations], "names": [r.name for r in relations]}
    rows = connection.execute(_SHAPES.encode(), wanted).fetchall()
    connection.execute("SELECT set_config('search_path', %s, true)", behind)
    return {TableName(schema, name): found for schema, name, found in rows}


def record(connection: psycopg.Connection[Any], run: str, origin: Origin) -> None:
    """Keep an origin with the run, its tables and views as they are now. Use within the publishing transaction."""
    created = [table.target for table in origin.tables if table.created]
    found = shapes(connection, created + [view.target for view in origin.views if view.target])
    tables = tuple(
        replace(table, shape=found.get(table.target, "")) if table.created else table for table in origin.tables
    )
    views = tuple(replace(view, shape=found.get(view.target, "") if view.target else "") for view in origin.views)
    write_step(connection, run, STEP, replace(origin, tables=tables, views=views).as_json())


def published(connection: psycopg.Connection[Any]) -> tuple[Origin, ...] | None:
    """The origins of all runs that are published and not taken back, newest first; None where they may not be read."""
    if not is_installed(connection):
        return ()
    allowed = connection.execute(
        "SELECT has_schema_privilege('migrator', 'USAGE') AND has_table_privilege('migrator.step', 'SELECT') "
        "AND has_table_privilege('migrator.run', 'SELECT')"
    ).fetchone()
    if not allowed or not allowed[0]:
        return None
    rows = connection.execute(
        "SELECT r.id, s.detail FROM migrator.step s JOIN migrator.run r ON r.id = s.run "
        "WHERE s.name = %s AND r.state = 'published' ORDER BY r.published_at DESC",
        (STEP,),
    ).fetchall()
    return tuple(Origin.from_json(run, detail) for run, detail in rows)
