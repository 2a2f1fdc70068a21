"""A fingerprint of everything on the target but this program's own: equal before and after means "as it was"."""

from __future__ import annotations

import hashlib
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge import sql

Connection = psycopg.Connection[tuple[Any, ...]]

_MINE = r"n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname !~ '^migrator(_|$)'"


def _acl(column: str, kind: str, owner: str) -> str:
    # NULL and the default spelt out mean the same, and GRANT followed by REVOKE turns one into the other.
    return (
        f"ARRAY(SELECT x::text FROM unnest(coalesce({column}, acldefault('{kind}', {owner}))) x ORDER BY x::text)::text"
    )


_QUERIES = {
    "database": f"SELECT {_acl('d.datacl', 'd', 'd.datdba')} FROM pg_database d WHERE d.datname = current_database()",
    "schema": f"SELECT n.nspname, n.nspowner::regrole::text, {_acl('n.nspacl', 'n', 'n.nspowner')}, "
    f"obj_description(n.oid, 'pg_namespace') FROM pg_namespace n WHERE {_MINE}",
    "extension": "SELECT extname, extversion FROM pg_extension",
    "relation": f"""
        SELECT n.nspname, c.relname, c.relkind::text, c.relowner::regrole::text, c.relpersistence::text,
               c.relrowsecurity, c.relforcerowsecurity, c.reloptions::text, c.relreplident::text, c.relispartition,
               CASE WHEN c.relkind = 'S' THEN {_acl("c.relacl", "s", "c.relowner")}
                    WHEN c.relkind NOT IN ('i', 'I') THEN {_acl("c.relacl", "r", "c.relowner")} END,
               obj_description(c.oid, 'pg_class'), pg_get_expr(c.relpartbound, c.oid),
               CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
               CASE WHEN c.relkind IN ('i', 'I') THEN pg_get_indexdef(c.oid) END
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_MINE}""",
    "column": f"""
        SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attidentity::text, a.attgenerated::text, pg_get_expr(d.adbin, d.adrelid),
               a.attcollation::regcollation::text, a.attacl::text, a.attstorage::text,
               col_description(c.oid, a.attnum), row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind NOT IN ('i', 'I') AND {_MINE}""",
    "constraint": f"""
        SELECT n.nspname, k.conrelid::regclass::text, k.contypid::regtype::text, k.conname, pg_get_constraintdef(k.oid),
               k.convalidated, obj_description(k.oid, 'pg_constraint')
        FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE {_MINE}""",
    "trigger": f"""
        SELECT n.nspname, c.relname, t.tgname, pg_get_triggerdef(t.oid), t.tgenabled::text
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT t.tgisinternal AND {_MINE}""",
    "rule": f"""
        SELECT n.nspname, c.relname, r.rulename, pg_get_ruledef(r.oid), r.ev_enabled::text
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE r.rulename <> '_RETURN' AND {_MINE}""",
    "policy": f"""
        SELECT n.nspname, c.relname, p.polname, p.polcmd::text, p.polpermissive, p.polroles::regrole[]::text,
               pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_MINE}""",
    "sequence": f"""
        SELECT n.nspname, c.relname, format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmax, s.seqmin,
               s.seqcache, s.seqcycle
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_MINE}""",
    "type": f"""
        SELECT n.nspname, t.typname, t.typtype::text, t.typowner::regrole::text,
               format_type(t.typbasetype, t.typtypmod),
               t.typnotnull, t.typdefault, {_acl("t.typacl", "T", "t.typowner")}, obj_description(t.oid, 'pg_type'),
               ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder)::text
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype <> 'b' AND {_MINE}""",
    "function": f"""
        SELECT n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), p.proowner::regrole::text,
               {_acl("p.proacl", "f", "p.proowner")}, CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) END
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {_MINE}""",
    "default privileges": """
        SELECT d.defaclrole::regrole::text, coalesce(n.nspname, ''), d.defaclobjtype::text, d.defaclacl::text
        FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace""",
}

_HOLDERS = f"""
    SELECT n.nspname, c.relname, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'S', 'm') AND {_MINE}
"""


def listing(connection: Connection) -> list[str]:
    """One line per object, sequence position and table content, in order; what differs between two is what changed.

    Rows count by their text, whatever their order, so the session must be one that :func:`connect` made. Outside are
    the schemas ``migrator`` and ``migrator_*``, and roles, which belong to the server rather than to the database.
    """
    lines = []
    for kind, query in _QUERIES.items():
        lines += [f"{kind} {row!r}" for row in connection.execute(sql(query))]
    for schema, name, kind in connection.execute(sql(_HOLDERS)).fetchall():
        where = quote_name(TableName(schema, name))
        if kind == "S":
            query = f"SELECT last_value, is_called FROM {where}"
        else:
            # Summed, not XORed: two equal rows must not cancel each other.
            text = f"({quote(name)}.*)::text"
            query = f"SELECT count(*), sum(('x' || left(md5({text}), 15))::bit(60)::bigint::numeric) FROM {where}"
        lines.append(f"content of {where} {connection.execute(sql(query)).fetchone()!r}")
    return sorted(lines)


def fingerprint(connection: Connection) -> str:
    """SHA-256 of :func:`listing`, in hexadecimal."""
    return hashlib.sha256("\n".join(listing(connection)).encode()).hexdigest()
