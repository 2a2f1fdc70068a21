"""Roles of the application in tables, as Supabase's guide to role-based access has them, with the token hook.

A type of the roles, who has which (``user_roles``), what each may do (``role_permissions``, empty: the source does not
say), a function for policies (``authorize``), and the hook that puts a user's role into each access token. The hook
works once a person has switched it on, in the dashboard below Authentication, Hooks.

Source: Supabase documentation, "Custom Claims & Role-based Access Control (RBAC)".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
from psycopg import errors

from migrator_tui.convert.identifiers import quote_literal
from migrator_tui.model.errors import TargetError
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.ledger import read_step, write_step
from migrator_tui.postgres.merge import sql

STEP = "user roles"
TYPE, USER_ROLES, PERMISSIONS = "public.app_role", "public.user_roles", "public.role_permissions"
AUTHORIZE, HOOK = "public.authorize(text)", "public.custom_access_token_hook(jsonb)"
REFERENCE = (TableName("public", "user_roles"), "user_id")
_LONGEST = 63

_TABLES = """
CREATE TABLE public.user_roles (
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    role public.app_role NOT NULL,
    PRIMARY KEY (user_id, role)
);
CREATE TABLE public.role_permissions (
    role public.app_role NOT NULL,
    permission text NOT NULL,
    PRIMARY KEY (role, permission)
);
ALTER TABLE public.user_roles ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.role_permissions ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON public.user_roles, public.role_permissions FROM PUBLIC, anon, authenticated;
GRANT ALL ON public.user_roles, public.role_permissions TO service_role;

CREATE FUNCTION public.custom_access_token_hook(event jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = ''
AS $hook$
DECLARE
    found public.app_role;
BEGIN
    SELECT role INTO found FROM public.user_roles WHERE user_id = (event ->> 'user_id')::uuid ORDER BY role LIMIT 1;
    RETURN jsonb_set(event, '{claims,user_role}', coalesce(to_jsonb(found), 'null'::jsonb));
END
$hook$;
REVOKE ALL ON FUNCTION public.custom_access_token_hook(jsonb) FROM PUBLIC, anon, authenticated;
GRANT USAGE ON SCHEMA public TO supabase_auth_admin;
GRANT EXECUTE ON FUNCTION public.custom_access_token_hook(jsonb) TO supabase_auth_admin;
GRANT SELECT ON public.user_roles TO supabase_auth_admin;
CREATE POLICY "Auth reads roles for access tokens" ON public.user_roles FOR SELECT TO supabase_auth_admin USING (true);

CREATE FUNCTION public.authorize(wanted text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $authorize$
    SELECT EXISTS (
        SELECT FROM public.role_permissions p
        WHERE p.permission = wanted AND p.role::text = (auth.jwt() ->> 'user_role')
    )
$authorize$;
REVOKE ALL ON FUNCTION public.authorize(text) FROM PUBLIC, anon;
GRANT EXECUTE ON FUNCTION public.authorize(text) TO authenticated, service_role;
"""


def statements(roles: Sequence[str]) -> str:
    """The SQL that makes type, tables, functions and rights for these roles."""
    labels = ", ".join(quote_literal(role) for role in roles)
    return f"CREATE TYPE public.app_role AS ENUM ({labels});\n{_TABLES}"


def require_free(connection: psycopg.Connection[Any], roles: Sequence[str]) -> None:
    """See that the tables can be made.

    Raises:
        TargetError: ``ROLES-THERE``: something of that name is there; ``ROLES-NAME``: a role's name is too long.
    """
    row = connection.execute(
        "SELECT array_remove(ARRAY[to_regtype(%s)::text, to_regclass(%s)::text, to_regclass(%s)::text, "
        "to_regprocedure(%s)::text, to_regprocedure(%s)::text], NULL)",
        (TYPE, USER_ROLES, PERMISSIONS, AUTHORIZE, HOOK),
    ).fetchone()
    if row and row[0]:
        raise TargetError(
            "ROLES-THERE",
            f"The tables of roles cannot be made: the target has {', '.join(row[0])} already.",
            "Keep roles in app_metadata (`users.roles: app-metadata`), or rename what is there.",
        )
    long = next((role for role in roles if len(role.encode()) > _LONGEST), None)
    if long is not None:
        raise TargetError(
            "ROLES-NAME",
            f"The role {long[:30]!r}… is longer than the {_LONGEST} bytes that a label of an enum may have.",
            "Keep roles in app_metadata (`users.roles: app-metadata`).",
        )


def make(connection: psycopg.Connection[Any], run: str, roles: Sequence[tuple[UUID, str]]) -> int:
    """Make everything and give the users their roles, within the caller's transaction; how many.

    Raises:
        TargetError: As :func:`require_free`.
    """
    known = sorted({role for _, role in roles})
    if not known:
        return 0
    require_free(connection, known)
    connection.execute(sql(statements(known)))
    connection.execute(
        "INSERT INTO public.user_roles SELECT w.id, w.role::public.app_role "
        "FROM unnest(%s::uuid[], %s::text[]) AS w(id, role)",
        ([id for id, _ in roles], [role for _, role in roles]),
    )
    write_step(connection, run, STEP, {"rows": len(roles), "state": _state(connection)})
    return len(roles)


def unmake(connection: psycopg.Connection[Any], run: str) -> list[str]:
    """Take it all back, within the caller's transaction, before the users; lines of what is kept."""
    made = read_step(connection, run, STEP)
    there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (USER_ROLES,)).fetchone() == (True,)
    if made is None or not there:
        return []
    if _state(connection) != made["state"]:
        return [f"{USER_ROLES} or {PERMISSIONS} was changed since; the tables of roles are kept."]
    try:
        with connection.transaction():
            connection.execute(sql(f"DROP FUNCTION {AUTHORIZE}, {HOOK}"))
            connection.execute(sql(f"DROP TABLE {USER_ROLES}, {PERMISSIONS}"))
            connection.execute(sql(f"DROP TYPE {TYPE}"))
    except (errors.DependentObjectsStillExist, errors.UndefinedObject) as error:
        return [f"The tables of roles are kept: {str(error).splitlines()[0]}."]
    return []


def _state(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute(
        "SELECT md5(coalesce((SELECT string_agg(r::text, ' ' ORDER BY r::text) FROM public.user_roles r), '') || '/' "
        "|| coalesce((SELECT string_agg(p::text, ' ' ORDER BY p::text) FROM public.role_permissions p), ''))"
    ).fetchone()
    return str(row[0]) if row else ""
