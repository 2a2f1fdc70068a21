"""A table's rights and policies as they are, and as they were: journalled where a run changes a table of others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge import sql

_SELECT = """
SELECT c.relrowsecurity,
    ARRAY(SELECT DISTINCT a.privilege_type || '|' || CASE a.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(a.grantee) END
          FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a ORDER BY 1),
    ARRAY(SELECT DISTINCT x.privilege_type || '|' || CASE x.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(x.grantee) END
          || '|' || a.attname FROM pg_attribute a, aclexplode(a.attacl) x
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1),
    ARRAY(SELECT DISTINCT x.privilege_type || '|' || CASE x.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(x.grantee) END
          || '|' || quote_ident(n.nspname) || '.' || quote_ident(s.relname)
          FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
          JOIN pg_namespace n ON n.oid = s.relnamespace,
          aclexplode(coalesce(s.relacl, acldefault('s', s.relowner))) x
          WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
          AND d.deptype IN ('a', 'i') ORDER BY 1),
    ARRAY(SELECT p.polname || '|' || p.polcmd::text || '|' || p.polpermissive::text || '|' || array_to_string(ARRAY(
          SELECT CASE r WHEN 0 THEN '' ELSE pg_get_userbyid(r) END FROM unnest(p.polroles) r ORDER BY 1), ',') || '|'
          || coalesce(pg_get_expr(p.polqual, p.polrelid), '') || '|'
          || coalesce(pg_get_expr(p.polwithcheck, p.polrelid), '')
          FROM pg_policy p WHERE p.polrelid = c.oid ORDER BY 1)
FROM pg_class c WHERE c.oid = to_regclass(%s)
"""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a table lets whom do.

    Attributes:
        secured: Row-level security is on.
        grants: ``privilege|role``; ``columns`` and ``sequences`` have ``|name`` behind it.
        policies: ``name|command|permissive|roles|using|check``, as the server writes them.
    """

    table: TableName
    secured: bool
    grants: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The journal's entry."""
        return {
            "schema": self.table.schema,
            "name": self.table.name,
            "secured": self.secured,
            "grants": list(self.grants),
            "columns": list(self.columns),
            "sequences": list(self.sequences),
            "policies": list(self.policies),
        }

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Rights:
        """Of a journal's entry."""
        return cls(
            TableName(entry["schema"], entry["name"]),
            entry["secured"],
            *(tuple(entry[name]) for name in ("grants", "columns", "sequences", "policies")),
        )


def rights(connection: psycopg.Connection[Any], table: TableName) -> Rights:
    """The rights of a table that is there.

    Raises:
        LookupError: It is not.
    """
    found = _rights(connection, table)
    if found is None:
        raise LookupError(f"there is no table {table}")
    return found


def take_back(connection: psycopg.Connection[Any], before: Rights, after: Rights) -> list[str]:
    """Take back what came between two moments, where it is still so; lines of what was kept."""
    now = _rights(connection, before.table)
    if now is None:
        return []  # told where its rows are
    name = quote_name(before.table)
    kept: list[str] = []
    added = sorted(set(after.policies) - set(before.policies))
    for policy in added:
        title = policy.partition("|")[0]
        if policy in now.policies:
            connection.execute(sql(f"DROP POLICY {quote(title)} ON {name}"))
        elif any(other.partition("|")[0] == title for other in now.policies):
            kept.append(f"{before.table}: the policy {title} was changed since; kept.")
    for statement in _revokes(before, after, now, name):
        connection.execute(sql(statement))
    if after.secured and not before.secured and now.secured:
        if set(now.policies) - set(after.policies):
            kept.append(f"{before.table}: policies were added since, so row-level security stays on.")
        else:
            connection.execute(sql(f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY"))
    return kept


def _revokes(before: Rights, after: Rights, now: Rights, table: str) -> Iterator[str]:
    for grant in sorted((set(after.grants) - set(before.grants)) & set(now.grants)):
        privilege, _, role = grant.partition("|")
        yield f"REVOKE {privilege} ON TABLE {table} FROM {quote(role)}"
    for grant in sorted((set(after.columns) - set(before.columns)) & set(now.columns)):
        privilege, role, column = grant.split("|", 2)
        yield f"REVOKE {privilege} ({quote(column)}) ON TABLE {table} FROM {quote(role)}"
    for grant in sorted((set(after.sequences) - set(before.sequences)) & set(now.sequences)):
        privilege, role, sequence = grant.split("|", 2)
        yield f"REVOKE {privilege} ON SEQUENCE {sequence} FROM {quote(role)}"


def _rights(connection: psycopg.Connection[Any], table: TableName) -> Rights | None:
    row = connection.execute(_SELECT.encode(), (quote_name(table),)).fetchone()
    return Rights(table, row[0], *(tuple(part) for part in row[1:])) if row else None
