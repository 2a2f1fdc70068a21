"""Who may reach which table over a project's Data API, as SQL: row-level security, grants, policies, views. Pure.

Tables in ``public`` are served over HTTP. Since 2026 a new table has no grants for the roles of the API, and before it
had all of them: so everything is taken away from the roles that anybody can be, and exactly what the policies let
through is granted. ``service_role``, which only servers have the key of, does everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.project import ProjectPlan, TableExposure
from migrator_tui.model.schema import TableName
from migrator_tui.supabase.object_policies import object_statements, owned_buckets
from migrator_tui.supabase.policies import policies

API_ROLES = ("anon", "authenticated", "service_role")
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")
BY_COLUMN = ("SELECT", "INSERT", "UPDATE")
"""The rights that can be given for some columns alone."""


def statements(exposure: TableExposure, sequences: Iterable[str] = (), there: Collection[str] = ()) -> tuple[str, ...]:
    """The statements for one table, in order.

    Args:
        sequences: Quoted names of the sequences that the table's columns are filled from.
        there: Names of policies that an existing table has: one of an earlier run is not made twice.
    """
    table = quote_name(exposure.table)
    lines = [f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"]
    if not exposure.existing:
        lines.append(f"REVOKE ALL ON TABLE {table} FROM PUBLIC, anon, authenticated")
    granted = grants(exposure)
    lines += [f"GRANT {granted[role]} ON TABLE {table} TO {role}" for role in API_ROLES if role in granted]
    for sequence in sequences:
        if not exposure.existing:
            lines.append(f"REVOKE ALL ON SEQUENCE {sequence} FROM PUBLIC, anon, authenticated")
        writers = [role for role in API_ROLES if "INSERT" in granted.get(role, "")]
        if writers:
            lines.append(f"GRANT USAGE, SELECT ON SEQUENCE {sequence} TO {', '.join(writers)}")
    lines += [policy.create(exposure.table) for policy in policies(exposure) if policy.name not in there]
    return tuple(lines)


def grants(exposure: TableExposure) -> dict[str, str]:
    """The rights by role, as GRANT writes them: what the policies let through, and nothing more."""
    allowed: dict[str, list[str]] = {"service_role": list(VERBS)}
    for policy in policies(exposure):
        for role in policy.roles:
            allowed.setdefault(role, []).append(policy.command)
    columns = f" ({', '.join(map(quote, exposure.columns))})" if exposure.hidden else ""
    return {
        role: ", ".join(
            verb + (columns if verb in BY_COLUMN and role != "service_role" else "") for verb in VERBS if verb in verbs
        )
        for role, verbs in allowed.items()
    }


def view_statements(view: TableName) -> tuple[str, ...]:
    """The statements for a view: whoever reads it is held to the rights and policies of its tables."""
    name = quote_name(view)
    return (
        f"ALTER VIEW {name} SET (security_invoker = on)",
        f"REVOKE ALL ON TABLE {name} FROM PUBLIC, anon, authenticated",
        f"GRANT SELECT ON TABLE {name} TO authenticated, service_role",
    )


def script(project: ProjectPlan, sequences: Mapping[TableName, Sequence[str]]) -> tuple[str, ...]:
    """Everything, for the person who reviews it and for a migration file.

    Args:
        sequences: Table → quoted names of the sequences that its columns are filled from.
    """
    lines = [line for e in project.exposure for line in statements(e, sequences.get(e.table, ()))]
    lines += [line for view in project.views for line in view_statements(view)]
    return (*lines, *(line for bucket in owned_buckets(project.files) for line in object_statements(bucket)))
