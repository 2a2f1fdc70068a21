"""What a backup keeps of tables beside their rows: everything that makes them again, read from the catalogue.

Names of the tables' own schema are left out of expressions, so that they can be made in another one: they are read, and
later run, with that schema first on the search path. What is not kept is listed with its reason; nothing is left out
silently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote
from migrator_tui.model.errors import BackupError
from migrator_tui.postgres.merge import sql

Connection = psycopg.Connection[tuple[Any, ...]]
Document = dict[str, Any]

FIRST_OID_OF_USERS = 16384
"""Objects below were made by initdb and are the same on every server of a version (access/transam.h)."""

_ACL = """(SELECT coalesce(json_agg(json_build_array(CASE WHEN x.grantee = 0 THEN NULL
    ELSE pg_get_userbyid(x.grantee) END, x.privilege_type, x.is_grantable)), '[]') FROM aclexplode({}) x)"""

_RELATIONS = """
    SELECT c.oid::bigint, c.relname, c.relkind::text,
           c.relispartition OR EXISTS (SELECT 1 FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)),
           EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                   AND d.deptype = 'e'), c.reltype::bigint
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = %(schema)s AND c.relkind IN ('r', 'p', 'f', 'v', 'm') ORDER BY c.relname
"""

_TABLES = f"""
    SELECT c.oid::bigint, c.relname, c.relpersistence::text, pg_get_userbyid(c.relowner), {_ACL.format("c.relacl")},
           coalesce(c.reloptions, '{{}}'), c.relrowsecurity, c.relforcerowsecurity, c.relreplident::text,
           (SELECT i.indexrelid::bigint FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident),
           obj_description(c.oid, 'pg_class')
    FROM pg_class c WHERE c.oid = ANY(%(oids)s::oid[]) ORDER BY c.relname
"""

_COLUMNS = f"""
    SELECT a.attrelid::bigint, a.attname, a.atttypid::bigint, format_type(a.atttypid, a.atttypmod),
           a.attnotnull, (SELECT k.conname FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n'
                          AND k.conkey = ARRAY[a.attnum]),
           a.attidentity::text, a.attgenerated::text, pg_get_expr(d.adbin, d.adrelid),
           CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
           CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END,
           {_ACL.format("a.attacl")}, col_description(a.attrelid, a.attnum)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = ANY(%(oids)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
"""

_CONSTRAINTS = """
    SELECT k.conrelid::bigint, k.conname, k.contype::text, pg_get_constraintdef(k.oid), n.nspname, r.relname,
           obj_description(k.oid, 'pg_constraint')
    FROM pg_constraint k LEFT JOIN pg_class r ON r.oid = k.confrelid LEFT JOIN pg_namespace n ON n.oid = r.relnamespace
    WHERE k.conrelid = ANY(%(oids)s::oid[]) AND k.contype IN ('p', 'u', 'x', 'c', 'f') ORDER BY k.conrelid, k.oid
"""

_INDEXES = """
    SELECT i.indrelid::bigint, i.indexrelid::bigint, x.relname, i.indisunique, pg_get_indexdef(i.indexrelid),
           'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || quote_ident(x.relname)
           || ' ON ' || quote_ident(n.nspname) || '.' || quote_ident(t.relname) || ' ',
           i.indisvalid, obj_description(i.indexrelid, 'pg_class'),
           EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE i.indrelid = ANY(%(oids)s::oid[]) ORDER BY i.indrelid, i.indexrelid
"""

_POLICIES = """
    SELECT p.polrelid::bigint, p.polname, p.polcmd::text, p.polpermissive,
           ARRAY(SELECT pg_get_userbyid(r) FROM unnest(p.polroles) r WHERE r <> 0), 0 = ANY(p.polroles),
           pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
           obj_description(p.oid, 'pg_policy')
    FROM pg_policy p WHERE p.polrelid = ANY(%(oids)s::oid[]) ORDER BY p.polrelid, p.polname
"""

_TRIGGERS = """
    SELECT t.tgrelid::bigint, t.tgname, pg_get_triggerdef(t.oid, true), t.tgenabled::text,
           obj_description(t.oid, 'pg_trigger')
    FROM pg_trigger t WHERE t.tgrelid = ANY(%(oids)s::oid[]) AND NOT t.tgisinternal ORDER BY t.tgrelid, t.tgname
"""

# A sequence belongs to a column (a: serial, i: identity), or a column's default counts with it (n, from the default).
_SEQUENCES = f"""
    SELECT DISTINCT ON (q.oid) q.oid::bigint, q.relname, n.nspname, t.relname, a.attname, d.deptype::text,
           format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle,
           {_ACL.format("q.relacl")}, pg_get_userbyid(q.relowner), obj_description(q.oid, 'pg_class')
    FROM (SELECT d.objid, d.refobjid, d.refobjsubid, d.deptype FROM pg_depend d
          WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
          AND d.refobjid = ANY(%(oids)s::oid[])
          UNION ALL
          SELECT d.refobjid, f.adrelid, f.adnum, d.deptype FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
          WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'n'
          AND f.adrelid = ANY(%(oids)s::oid[])) d
    JOIN pg_class q ON q.oid = d.objid AND q.relkind = 'S' JOIN pg_namespace n ON n.oid = q.relnamespace
    JOIN pg_sequence s ON s.seqrelid = q.oid JOIN pg_class t ON t.oid = d.refobjid
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    ORDER BY q.oid, d.deptype
"""

_TYPES = f"""
    SELECT t.oid::bigint, t.typname, n.nspname, t.typtype::text, t.typelem::bigint, t.typcategory::text,
           t.typbasetype::bigint, c.relkind::text,
           ARRAY(SELECT a.atttypid::bigint FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0
                 AND NOT a.attisdropped ORDER BY a.attnum),
           ARRAY(SELECT quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                 || CASE WHEN a.attcollation <> y.typcollation
                    THEN ' COLLATE ' || a.attcollation::regcollation::text ELSE '' END
                 FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid WHERE a.attrelid = t.typrelid
                 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
           ARRAY(SELECT quote_literal(e.enumlabel) FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
           CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod)
                || CASE WHEN t.typcollation <> b.typcollation
                   THEN ' COLLATE ' || t.typcollation::regcollation::text ELSE '' END
                || coalesce(' DEFAULT ' || pg_get_expr(t.typdefaultbin, 0), '')
                || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
                || coalesce((SELECT string_agg(' CONSTRAINT ' || quote_ident(k.conname) || ' '
                             || pg_get_constraintdef(k.oid), '' ORDER BY k.conname)
                             FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'), '') END,
           (SELECT x.extname FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
            WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'),
           (SELECT r.rngsubtype::bigint FROM pg_range r WHERE r.rngtypid = t.oid),
           {_ACL.format("t.typacl")}, pg_get_userbyid(t.typowner), obj_description(t.oid, 'pg_type')
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    LEFT JOIN pg_type b ON b.oid = t.typbasetype WHERE t.oid = ANY(%(oids)s::oid[])
"""

_VIEWS = f"""
    SELECT c.oid::bigint, c.relname, pg_get_viewdef(c.oid), coalesce(c.reloptions, '{{}}'),
           {_ACL.format("c.relacl")}, pg_get_userbyid(c.relowner), obj_description(c.oid, 'pg_class'),
           ARRAY(SELECT DISTINCT d.refobjid::bigint FROM pg_rewrite r JOIN pg_depend d
                 ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                 WHERE r.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid),
           EXISTS (SELECT 1 FROM pg_trigger t WHERE t.tgrelid = c.oid),
           (SELECT count(*) FROM pg_rewrite r WHERE r.ev_class = c.oid) > 1
    FROM pg_class c WHERE c.oid = ANY(%(oids)s::oid[]) ORDER BY c.oid
"""

_BESIDE = """
    SELECT 'rule', t.relname || '.' || r.rulename, 'rules are not kept' FROM pg_rewrite r
    JOIN pg_class t ON t.oid = r.ev_class WHERE r.ev_class = ANY(%(oids)s::oid[])
    UNION ALL SELECT 'statistics', s.stxname, 'extended statistics are not kept' FROM pg_statistic_ext s
    WHERE s.stxrelid = ANY(%(oids)s::oid[])
    UNION ALL SELECT 'publication', p.pubname || ' of ' || t.relname, 'membership of publications is not kept'
    FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class t ON t.oid = r.prrelid
    WHERE r.prrelid = ANY(%(oids)s::oid[])
    UNION ALL SELECT 'column option', t.relname || '.' || a.attname, array_to_string(a.attoptions, ', ')
    FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
    WHERE a.attrelid = ANY(%(oids)s::oid[]) AND a.attoptions IS NOT NULL
    ORDER BY 1, 2
"""

_FUNCTIONS = """
    SELECT CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, p.oid::regprocedure::text,
           'functions are not kept' FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = %(schema)s AND NOT EXISTS (
        SELECT 1 FROM pg_depend x WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e')
    ORDER BY 1, 2
"""


def use_names_of(connection: Connection, *schemas: str) -> None:
    """Let names be found in these schemas first, then in those of extensions; for this transaction."""
    found = connection.execute(
        "SELECT DISTINCT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace "
        "WHERE nspname <> 'pg_catalog' ORDER BY 1"
    ).fetchall()
    names = dict.fromkeys((*schemas, *(name for (name,) in found)))
    path = ", ".join(quote(name) for name in names)
    connection.execute("SELECT set_config('search_path', %s, true)", (path,))


def read(connection: Connection, schema: str, tables: Sequence[str]) -> Document:
    """The document that makes the tables of a schema again, and ``left_out``: what it does not hold.

    Args:
        tables: Their names; empty for all of the schema.

    Raises:
        BackupError: ``BACKUP-NO-TABLE``: one is not there, or there is none. ``BACKUP-KIND``: one is of a kind whose
            rows cannot be kept.
    """
    use_names_of(connection, schema)
    relations = _ask(connection, _RELATIONS, {"schema": schema})
    chosen = _chosen(relations, schema, tables)
    oids = {oid: name for oid, name, *_ in relations if name in chosen}
    scope = {"oids": list(oids)}
    left_out = [_left(*row) for row in _ask(connection, _BESIDE, scope)]
    if not tables:
        left_out += [_left("table", name, "belongs to an extension") for _, name, *_, ext, _ in relations if ext]
        left_out += [_left("materialized view", n, "is not kept") for _, n, k, *_ in relations if k == "m"]
        left_out += [_left(*row) for row in _ask(connection, _FUNCTIONS, {"schema": schema})]
    documents = _tables(connection, scope, left_out)
    types, uses = _types(connection, schema, documents, left_out)
    for table in documents.values():
        wanted: set[str] = set()
        for column in table["columns"]:
            wanted |= uses.get(column.pop("type_oid"), set())
        table["types"] = sorted(wanted)
    views = [(oid, name) for oid, name, kind, _, ext, _ in relations if kind == "v" and not ext]
    return {
        "schema": schema,
        "server_version": connection.info.server_version,
        "types": types,
        "sequences": _sequences(connection, schema, scope, left_out),
        "tables": list(documents.values()),
        "views": _views(connection, oids, [oid for oid, _ in views], left_out, every=not tables),
        "left_out": left_out,
    }


def describe_types(connection: Connection, schema: str, names: Sequence[str]) -> dict[str, str]:
    """The definitions of types that are in a schema already, as :func:`read` writes them."""
    rows = connection.execute(
        "SELECT t.oid::bigint FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "
        "WHERE n.nspname = %s AND t.typname = ANY(%s)",
        (schema, list(names)),
    ).fetchall()
    found = _ask(connection, _TYPES, {"oids": [oid for (oid,) in rows]})
    return {row[1]: _definition(row) or "" for row in found}


def _ask(connection: Connection, query: str, scope: dict[str, Any]) -> list[tuple[Any, ...]]:
    return connection.execute(sql(query), scope).fetchall()


def _left(object: str, name: str, why: str) -> dict[str, str]:
    return {"object": object, "name": name, "why": why}


def _chosen(relations: Sequence[tuple[Any, ...]], schema: str, tables: Sequence[str]) -> set[str]:
    kinds = {name: (kind, heir) for _, name, kind, heir, extension, _ in relations if tables or not extension}
    there = {name for name, (kind, _) in kinds.items() if kind in "rpf"}
    if missing := [name for name in tables if name not in there]:
        raise BackupError(
            "BACKUP-NO-TABLE",
            f"The schema {schema} has no table {missing[0]}.",
            "`migrator-tui compare` shows the tables; another schema is named with --schema.",
        )
    chosen = set(tables) or there
    if not chosen:
        raise BackupError("BACKUP-NO-TABLE", f"The schema {schema} has no tables.", "Name another one with --schema.")
    odd = sorted(name for name in chosen if kinds[name] != ("r", False))
    if odd:
        raise BackupError(
            "BACKUP-KIND",
            f"{', '.join(odd)}: partitioned, inherited and foreign tables cannot be kept with their rows.",
            "Name the other tables with --tables, and keep these by pg_dump.",
        )
    return chosen


def _tables(connection: Connection, scope: dict[str, Any], left_out: list[Any]) -> dict[int, Document]:
    tables: dict[int, Document] = {}
    replident: dict[int, int | None] = {}
    for oid, name, persistence, owner, acl, options, rls, forced, identity, by, comment in _ask(
        connection, _TABLES, scope
    ):
        replident[oid] = by
        tables[oid] = {
            "name": name, "unlogged": persistence == "u", "owner": owner, "acl": acl, "options": options, "rls": rls,
            "rls_forced": forced, "replica_identity": identity, "comment": comment, "columns": [], "constraints": [],
            "indexes": [], "policies": [], "triggers": [],
        }  # fmt: skip
    keys = ("name", "type_oid", "type", "not_null", "not_null_name", "identity", "generated", "default", "collation",
            "storage", "acl", "comment")  # fmt: skip
    for oid, *row in _ask(connection, _COLUMNS, scope):
        tables[oid]["columns"].append(dict(zip(keys, row, strict=True)))
    for oid, name, kind, definition, schema, table, comment in _ask(connection, _CONSTRAINTS, scope):
        tables[oid]["constraints"].append(
            {"name": name, "kind": kind, "sql": definition, "refers": [schema, table], "comment": comment}
        )
    for oid, index, name, unique, definition, prefix, valid, comment, of_constraint in _ask(
        connection, _INDEXES, scope
    ):
        table = tables[oid]
        if replident[oid] == index:
            table["replica_index"] = name
        if of_constraint:
            continue
        if not valid or not definition.startswith(prefix):
            left_out.append(_left("index", name, "is not valid on the target"))
            continue
        table["indexes"].append({"name": name, "unique": unique, "sql": definition[len(prefix) :], "comment": comment})
    for oid, name, command, permissive, roles, public, using, check, comment in _ask(connection, _POLICIES, scope):
        tables[oid]["policies"].append(
            {"name": name, "command": command, "permissive": permissive, "roles": [*roles, *([None] * public)],
             "using": using, "check": check, "comment": comment}
        )  # fmt: skip
    for oid, name, definition, enabled, comment in _ask(connection, _TRIGGERS, scope):
        tables[oid]["triggers"].append({"name": name, "sql": definition, "enabled": enabled, "comment": comment})
    return tables


def _types(
    connection: Connection, schema: str, tables: dict[int, Document], left_out: list[Any]
) -> tuple[list[Document], dict[int, set[str]]]:
    """The types of the schema that the tables use, each after those that it needs; and type → names that it needs."""
    rows: dict[int, tuple[Any, ...]] = {}
    wanted = {column["type_oid"] for table in tables.values() for column in table["columns"]}
    while wanted := {oid for oid in wanted if oid >= FIRST_OID_OF_USERS and oid not in rows}:
        found = _ask(connection, _TYPES, {"oids": list(wanted)})
        rows |= {row[0]: row for row in found}
        wanted = {part for row in found for part in _parts(row)}
    types: list[Document] = []
    uses: dict[int, set[str]] = {}

    def visit(oid: int) -> set[str]:
        if oid in uses or oid not in rows:
            return uses.get(oid, set())
        row = rows[oid]
        uses[oid] = set()
        for part in _parts(row):
            uses[oid] |= visit(part)
        if _is_array(row):
            return uses[oid]
        name, namespace, extension = row[1], row[2], row[12]
        definition = _definition(row)
        if extension:
            left_out.append(_left("type", name, f"comes with the extension {extension}, which restoring needs"))
        elif namespace != schema or definition is None:
            left_out.append(_left("type", f"{namespace}.{name}", "restoring needs it to be there"))
        else:
            types.append({"name": name, "sql": definition, "acl": row[14], "owner": row[15], "comment": row[16]})
            uses[oid] |= {name}
        return uses[oid]

    for oid in sorted(rows):
        visit(oid)
    return types, uses


def _is_array(row: tuple[Any, ...]) -> bool:
    return bool(row[4]) and row[5] == "A"


def _parts(row: tuple[Any, ...]) -> list[int]:
    if row[12]:
        return []
    parts = [row[6], row[13], *(row[8] if row[3] == "c" else ())]
    return [oid for oid in (*parts, row[4] if _is_array(row) else 0) if oid]


def _definition(row: tuple[Any, ...]) -> str | None:
    """What follows the name in CREATE TYPE or CREATE DOMAIN, the kind before it; None for a kind that is not kept."""
    kind, relkind, attributes, labels, domain = row[3], row[7], row[9], row[10], row[11]
    if kind == "e":
        return f"TYPE AS ENUM ({', '.join(labels)})"
    if kind == "d":
        return f"DOMAIN AS {domain}"
    if kind == "c" and relkind == "c":
        return f"TYPE AS ({', '.join(attributes)})"
    return None


def _sequences(connection: Connection, schema: str, scope: dict[str, Any], left_out: list[Any]) -> list[Document]:
    found = []
    for (
        oid,
        name,
        namespace,
        table,
        column,
        bond,
        type,
        start,
        step,
        top,
        bottom,
        cache,
        cycle,
        acl,
        owner,
        comment,
    ) in _ask(connection, _SEQUENCES, scope):
        if namespace != schema:
            left_out.append(_left("sequence", f"{namespace}.{name}", "is in another schema; restoring needs it there"))
            continue
        place = f"{quote(namespace)}.{quote(name)}"
        # Counting is not undone by a rollback, and so not part of a snapshot: what was given later only raises it.
        row = connection.execute(sql(f"SELECT last_value, is_called FROM {place}")).fetchone()
        assert row is not None, oid
        options = f"START WITH {start} INCREMENT BY {step} MINVALUE {bottom} MAXVALUE {top} CACHE {cache} " + (
            "CYCLE" if cycle else "NO CYCLE"
        )
        found.append(
            {"name": name, "type": type, "options": options, "table": table, "column": column, "bond": bond,
             "last_value": row[0], "is_called": row[1], "acl": acl, "owner": owner, "comment": comment,
             "increment": step}
        )  # fmt: skip
    return found


def _views(
    connection: Connection, tables: dict[int, str], oids: list[int], left_out: list[Any], *, every: bool
) -> list[Document]:
    """Views over nothing but the tables and one another, each after those that it needs."""
    rows = {row[0]: row for row in _ask(connection, _VIEWS, {"oids": oids})}
    known = dict(tables)
    kept: list[Document] = []
    fit = {oid for oid, row in rows.items() if not row[8] and not row[9]}
    while ready := [
        oid for oid in fit if oid not in known and (rows[oid][7] or every) and set(rows[oid][7]) <= known.keys()
    ]:
        for oid in ready:
            _, name, definition, options, acl, owner, comment, needs, *_ = rows[oid]
            known[oid] = name
            kept.append(
                {"name": name, "sql": definition, "options": options, "acl": acl, "owner": owner, "comment": comment,
                 "needs": sorted(known[need] for need in needs)}
            )  # fmt: skip
    for oid, row in rows.items():
        if oid not in known and (every or set(row[7]) & known.keys()):
            why = "needs something that is not in the backup" if oid in fit else "has triggers or rules"
            left_out.append(_left("view", row[1], why))
    return kept
