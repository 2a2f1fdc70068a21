"""What is on the target: its schema, by a handful of set-wise catalogue queries, exact counts, which server it is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote_name
from migrator_tui.model.errors import TargetError
from migrator_tui.model.schema import (
    Check,
    Column,
    Database,
    EnumType,
    ForeignKey,
    Generated,
    Index,
    IndexPart,
    Key,
    ReferentialAction,
    Table,
    TableName,
    Trigger,
    View,
)
from migrator_tui.postgres.merge import sql
from migrator_tui.postgres.privileges import unreadable

Connection = psycopg.Connection[tuple[Any, ...]]

COUNTED_AT_ONCE = 100
"""Tables in one statement: each answer costs a round trip, and each table and index a lock."""

ACTIONS = {
    "a": ReferentialAction.NO_ACTION,
    "r": ReferentialAction.RESTRICT,
    "c": ReferentialAction.CASCADE,
    "n": ReferentialAction.SET_NULL,
    "d": ReferentialAction.SET_DEFAULT,
}

# Relations of the schemas asked for; extensions' own objects are not the person's.
_SCOPE = """
    n.nspname = ANY(%(schemas)s) AND NOT EXISTS (
        SELECT 1 FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e')
"""

_TABLES = f"""
    SELECT c.oid, n.nspname, c.relname, c.relrowsecurity, c.reltuples::bigint, obj_description(c.oid, 'pg_class'),
           ARRAY(SELECT r.rulename::text FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND {_SCOPE} ORDER BY n.nspname, c.relname
"""

_COLUMNS = f"""
    SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
           a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%%', false),
           CASE WHEN a.attgenerated <> '' THEN pg_get_expr(d.adbin, d.adrelid) END, a.attgenerated = 's',
           CASE WHEN a.attcollation <> t.typcollation THEN l.collname::text END,
           CASE WHEN t.typtype = 'e' THEN tn.nspname::text END, CASE WHEN t.typtype = 'e' THEN t.typname::text END,
           col_description(a.attrelid, a.attnum),
           CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND {_SCOPE}
    ORDER BY a.attrelid, a.attnum
"""

_CONSTRAINTS = f"""
    SELECT k.conrelid, k.contype::text, k.conname,
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(num, pos)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num ORDER BY u.pos),
           pn.nspname, p.relname,
           ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(num, pos)
                 JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num ORDER BY u.pos),
           k.confupdtype::text, k.confdeltype::text, k.condeferrable, k.condeferred, k.convalidated,
           CASE WHEN k.contype = 'c' THEN pg_get_expr(k.conbin, k.conrelid) END
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class p ON p.oid = k.confrelid LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE k.contype IN ('p', 'u', 'f', 'c') AND {_SCOPE}
      -- A foreign key to a partitioned table has a shadow on the same table for each partition.
      AND (k.conparentid = 0 OR k.conrelid <> (SELECT x.conrelid FROM pg_constraint x WHERE x.oid = k.conparentid))
    ORDER BY k.conrelid, k.conname
"""

_INDEXES = f"""
    SELECT i.indrelid, ic.relname, i.indisunique, pg_get_expr(i.indpred, i.indrelid), am.amname,
           pg_get_indexdef(i.indexrelid),
           ARRAY(SELECT a.attname::text FROM generate_series(0, i.indnkeyatts - 1) pos
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[pos] AND a.attnum > 0
                 ORDER BY pos),
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, pos + 1, true) FROM generate_series(0, i.indnkeyatts - 1) pos
                 ORDER BY pos),
           ARRAY(SELECT (i.indoption[pos] & 1) = 1 FROM generate_series(0, i.indnkeyatts - 1) pos ORDER BY pos),
           ARRAY(SELECT l.collname::text FROM generate_series(0, i.indnkeyatts - 1) pos
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[pos] AND a.attnum > 0
                 LEFT JOIN pg_collation l ON l.oid = i.indcollation[pos] AND l.oid <> a.attcollation ORDER BY pos)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_am am ON am.oid = ic.relam
    WHERE NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
      -- What CREATE INDEX CONCURRENTLY left unfinished guards nothing.
      AND i.indisvalid AND c.relkind IN ('r', 'p') AND {_SCOPE} ORDER BY i.indrelid, ic.relname
"""

_VIEWS = f"""
    SELECT n.nspname, c.relname, pg_get_viewdef(c.oid),
           ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
                 AND NOT a.attisdropped ORDER BY a.attnum)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND {_SCOPE} ORDER BY 1, 2
"""

_TRIGGERS = f"""
    SELECT t.tgname, n.nspname, c.relname, pg_get_triggerdef(t.oid), (t.tgtype & 1) = 1, t.tgenabled <> 'D'
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT t.tgisinternal AND {_SCOPE} ORDER BY 2, 3, 1
"""

_ENUMS = """
    SELECT n.nspname, t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
    FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = ANY(%(schemas)s) GROUP BY 1, 2 ORDER BY 1, 2
"""

# A table or view takes the name of a type as well. Not arrays' types: they make way.
_TAKEN = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY(%(schemas)s)
    UNION SELECT n.nspname, t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = ANY(%(schemas)s) AND NOT EXISTS (SELECT 1 FROM pg_type e WHERE e.typarray = t.oid)
    ORDER BY 1, 2
"""


def inspect(connection: Connection, schemas: Sequence[str] | None = ("public",)) -> Database:
    """The schema of some of the target's schemas.

    Args:
        schemas: None for all but the system's and this program's own.
    """
    scope = {"schemas": list(schemas) if schemas is not None else user_schemas(connection)}

    def rows(query: str) -> list[tuple[Any, ...]]:
        return connection.execute(sql(query), scope).fetchall()

    columns: dict[int, list[Column]] = defaultdict(list)
    for row in rows(_COLUMNS):
        columns[row[0]].append(_column(row))
    keys = _Constraints(rows(_CONSTRAINTS))
    indexes: dict[int, list[Index]] = defaultdict(list)
    for oid, name, unique, where, method, text, names, expressions, descending, collations in rows(_INDEXES):
        parts = tuple(
            IndexPart(column=n, expression=e if n is None else None, descending=d, collation=c)
            for n, e, d, c in zip(names, expressions, descending, collations, strict=True)
        )
        indexes[oid].append(Index(name, parts, unique, where, method, text))
    tables = tuple(
        Table(
            name=TableName(schema, name),
            columns=tuple(columns[oid]),
            primary_key=keys.primary.get(oid),
            uniques=tuple(keys.uniques[oid]),
            foreign_keys=tuple(keys.foreign[oid]),
            checks=tuple(keys.checks[oid]),
            indexes=tuple(indexes[oid]),
            row_security=secured,
            rules=tuple(rules),
            estimated_rows=estimate if estimate >= 0 else None,  # -1: never analysed
            comment=comment,
        )
        for oid, schema, name, secured, estimate, comment, rules in rows(_TABLES)
    )
    return Database(
        side="postgres",
        version=connection.info.parameter_status("server_version") or "",
        encoding=connection.info.parameter_status("server_encoding") or "",
        tables=tables,
        views=tuple(View(TableName(s, n), text, tuple(names)) for s, n, text, names in rows(_VIEWS)),
        triggers=tuple(Trigger(n, TableName(s, t), text, row, on) for n, s, t, text, row, on in rows(_TRIGGERS)),
        enums=tuple(EnumType(TableName(s, n), tuple(labels)) for s, n, labels in rows(_ENUMS)),
        taken=tuple(TableName(s, n) for s, n in rows(_TAKEN)),
        extra_types=tuple(name for (name,) in rows("SELECT 'citext' WHERE to_regtype('citext') IS NOT NULL")),
    )


def user_schemas(connection: Connection) -> list[str]:
    """All schemas but the system's and this program's own."""
    found = connection.execute(
        "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' "
        "AND nspname <> 'migrator' AND nspname !~ '^migrator_(stage|undone)_' ORDER BY 1"
    )
    return [row[0] for row in found]


def exact_counts(connection: Connection, tables: Iterable[TableName]) -> dict[TableName, int]:
    """Rows of each table, counted: the planner's estimates are wrong exactly when it matters.

    Raises:
        TargetError: The role may not read them; the GRANTs that let it are named.
    """
    wanted = tuple(tables)
    if missing := unreadable(connection, wanted, "its rows are counted"):
        raise TargetError(
            "TARGET-PRIVILEGE",
            "The role may not read what is on the target: " + "; ".join(item.what for item in missing) + ".",
            "Run as an owner or administrator: " + " ".join(f"{item.grant};" for item in missing if item.grant),
            sqlstate="42501",
        )
    counts: dict[TableName, int] = {}
    for first in range(0, len(wanted), COUNTED_AT_ONCE):
        batch = wanted[first : first + COUNTED_AT_ONCE]
        query = " UNION ALL ".join(
            f"SELECT {number}, count(*) FROM {quote_name(table)}" for number, table in enumerate(batch)
        )
        counts |= {batch[number]: rows for number, rows in connection.execute(sql(query)).fetchall()}
    return counts


def server_identity(connection: Connection) -> str:
    """Which server and database this is, as stable text: it tells a plan's target from another one."""
    row = connection.execute(
        "SELECT has_function_privilege('pg_control_system()', 'execute'), "
        "(SELECT oid::text FROM pg_database WHERE datname = current_database()), current_database()"
    ).fetchone()
    assert row is not None
    allowed, oid, name = row
    if allowed:
        system = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
        if system:
            return f"{system[0]}/{oid}/{name}"
    return f"{connection.info.host}:{connection.info.port}/{oid}/{name}"


def _column(row: tuple[Any, ...]) -> Column:
    _, name, kind, not_null, default, identity, generated, stored, collation, enum_schema, enum, comment, base = row
    return Column(
        name=name,
        type=kind,
        not_null=not_null,
        default=default,
        identity=identity,
        generated=Generated(generated, stored) if generated is not None else None,
        collation=collation,
        enum=TableName(enum_schema, enum) if enum is not None else None,
        comment=comment,
        base=base,
    )


def _without_outer_parentheses(expression: str) -> str:
    """``a > 0`` from ``(a > 0)``, but ``(a) AND (b)`` as it is. Postgres doubles quotes in what it prints."""
    depth = 0
    unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", lambda found: "_" * len(found[0]), expression)
    for position, character in enumerate(unquoted):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return expression[1:-1] if position == len(expression) - 1 > 0 else expression
    return expression


class _Constraints:
    """Constraints by table."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self.primary: dict[int, Key] = {}
        self.uniques: dict[int, list[Key]] = defaultdict(list)
        self.foreign: dict[int, list[ForeignKey]] = defaultdict(list)
        self.checks: dict[int, list[Check]] = defaultdict(list)
        for oid, kind, name, columns, schema, parent, parents, update, delete, can, initially, valid, text in rows:
            if kind == "p":
                self.primary[oid] = Key(tuple(columns), name)
            elif kind == "u":
                self.uniques[oid].append(Key(tuple(columns), name))
            elif kind == "c":
                self.checks[oid].append(Check(_without_outer_parentheses(text), name))
            else:
                self.foreign[oid].append(
                    ForeignKey(
                        columns=tuple(columns),
                        parent=TableName(schema, parent),
                        parent_columns=tuple(parents),
                        name=name,
                        on_update=ACTIONS[update],
                        on_delete=ACTIONS[delete],
                        deferrable=can,
                        initially_deferred=initially,
                        validated=valid,
                    )
                )
