"""What must hold of a user for signing in to work, and which users nobody has touched since they were made.

Each condition is one that was met in the field as an imported user who could not sign in. They are checked on the
target's own rows, in sets.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

import psycopg

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.errors import VerificationFailed
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge import sql
from migrator_tui.supabase.auth_sql import AUDIENCE, NO_INSTANCE, TOKENS
from migrator_tui.supabase.auth_users import AuthUser

_CONDITIONS = (
    ("is not in auth.users", "u.id IS NULL"),
    ("has another address than the source", "u.email IS DISTINCT FROM w.email"),
    ("has an e-mail address that is not in lower case", "u.email <> lower(u.email)"),
    ("has another phone number than the source", "nullif(u.phone, '') IS DISTINCT FROM w.phone"),
    ("has an empty phone number instead of none", "u.phone = ''"),
    ("belongs to another instance", f"u.instance_id IS DISTINCT FROM '{NO_INSTANCE}'"),
    ("has another audience than authenticated", f"u.aud IS DISTINCT FROM '{AUDIENCE}'"),
    ("has another Postgres role than authenticated", f"u.role IS DISTINCT FROM '{AUDIENCE}'"),
    ("has a token that is NULL", " OR ".join(f"u.{name} IS NULL" for name in TOKENS)),
    ("has not the password of the source", "w.hash IS NOT NULL AND u.encrypted_password IS DISTINCT FROM w.hash"),
    (
        "is not confirmed",
        "w.confirmed AND u.email_confirmed_at IS NULL AND u.phone_confirmed_at IS NULL",
    ),
    ("is deleted or banned", "u.deleted_at IS NOT NULL OR u.banned_until > now()"),
    ("counts as a user of single sign-on or as anonymous", "u.is_sso_user OR u.is_anonymous"),
    (
        "has no identity by e-mail",
        "u.email IS NOT NULL AND NOT EXISTS (SELECT FROM auth.identities i WHERE i.user_id = u.id "
        "AND i.provider = 'email' AND i.provider_id = u.id::text AND i.identity_data ->> 'sub' = u.id::text "
        "AND lower(i.identity_data ->> 'email') = u.email)",
    ),
    (
        "has no identity by phone",
        "u.phone <> '' AND NOT EXISTS (SELECT FROM auth.identities i WHERE i.user_id = u.id "
        "AND i.provider = 'phone' AND i.provider_id = u.id::text AND i.identity_data ->> 'sub' = u.id::text)",
    ),
)


@dataclass(frozen=True, slots=True)
class Violation:
    """A condition for signing in that does not hold.

    Attributes:
        what: Completes "user … ".
        users: How many it is about; ``keys`` are the source ids of the first.
    """

    what: str
    users: int
    keys: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.keys) + (" …" if self.users > len(self.keys) else "")
        return f"{self.users} users: user {shown} {self.what}"


def not_met(wrong: Sequence[object], run: str) -> VerificationFailed:
    """The error of a run whose users would be shut out: ``USERS-VERIFY``."""
    return VerificationFailed(
        "USERS-VERIFY",
        f"Users would not be able to sign in: {'; '.join(map(str, wrong))}.",
        f"`migrator-tui rollback {run}` takes the run back.",
    )


def violations(connection: psycopg.Connection[Any], users: Sequence[AuthUser]) -> list[Violation]:
    """The conditions that do not hold for these users as they are on the target."""
    if not users:
        return []
    tests = ", ".join(
        f"count(*) FILTER (WHERE {test}), (array_agg(w.key ORDER BY w.key) FILTER (WHERE {test}))[:5]"
        for _, test in ((what, f"({test})" if n == 0 else f"u.id IS NOT NULL AND ({test})") for n, (what, test) in
                        enumerate(_CONDITIONS))
    )  # fmt: skip
    row = connection.execute(
        sql(
            f"SELECT {tests} FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bool[]) "
            "AS w(id, key, email, phone, hash, confirmed) LEFT JOIN auth.users u ON u.id = w.id"
        ),
        (
            [user.id for user in users],
            [user.key for user in users],
            [user.email for user in users],
            [user.phone for user in users],
            [user.hash.usable for user in users],
            [user.confirmed for user in users],
        ),
    ).fetchone()
    assert row is not None
    return [
        Violation(what, row[2 * number], tuple(row[2 * number + 1] or ()))
        for number, (what, _) in enumerate(_CONDITIONS)
        if row[2 * number]
    ]


def state_expression(alias: str) -> str:
    """SQL for a hash of what a person or Auth may change of a user; that they are there is part of it."""
    values = ", ".join(
        f"{alias}.{name}"
        for name in ("email", "phone", "encrypted_password", "aud", "role", "raw_app_meta_data", "raw_user_meta_data",
                     "email_confirmed_at", "phone_confirmed_at", "banned_until", "deleted_at")
    )  # fmt: skip
    return f"md5(jsonb_build_array({values})::text)"


def states(connection: psycopg.Connection[Any], ids: Sequence[UUID]) -> dict[UUID, str]:
    """The hash of each of these users who is there."""
    rows = connection.execute(
        sql(f"SELECT u.id, {state_expression('u')} FROM auth.users u WHERE u.id = ANY(%s)"), (list(ids),)
    ).fetchall()
    return dict(rows)


def touched(
    connection: psycopg.Connection[Any],
    made: Mapping[UUID, str | None],
    *,
    apart: Mapping[tuple[TableName, str], Collection[UUID]] = MappingProxyType({}),
) -> dict[UUID, str]:
    """Which of the users that were made must not be deleted, and why.

    Args:
        made: Identifier → the hash (:func:`states`) as the user was made, None where that is not known.
        apart: References (table and column) that count for nothing with these users: a trigger made them.

    Returns:
        Identifier → what somebody did since. Users who are not there any more are in neither.
    """
    if not made:
        return {}
    rows = connection.execute(
        sql(
            f"SELECT u.id, u.last_sign_in_at IS NOT NULL, w.state IS NOT NULL AND {state_expression('u')} <> w.state "
            "FROM unnest(%s::uuid[], %s::text[]) AS w(id, state) JOIN auth.users u ON u.id = w.id"
        ),
        (list(made), list(made.values())),
    ).fetchall()
    found = {id: "signed in since" if signed_in else "was changed since" for id, signed_in, changed in rows
             if signed_in or changed}  # fmt: skip
    for table, column in _references(connection):
        excused = apart.get((table, column), ())
        where = quote_name(table).replace("%", "%%")
        held = quote(column).replace("%", "%%")  # beside parameters, psycopg would read % as one
        for (id,) in connection.execute(
            sql(f"SELECT DISTINCT t.{held} FROM {where} t WHERE t.{held} = ANY(%s)"), (list(made),)
        ).fetchall():
            if id not in excused:
                found.setdefault(id, f"is referred to by {table}")
    return found


def _references(connection: psycopg.Connection[Any]) -> list[tuple[TableName, str]]:
    """Tables outside of the schema auth whose rows refer to a user, each with its column; unreadable ones apart."""
    rows = connection.execute(
        "SELECT n.nspname::text, c.relname::text, a.attname::text FROM pg_constraint k "
        "JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] "
        "WHERE k.contype = 'f' AND k.confrelid = 'auth.users'::regclass AND cardinality(k.conkey) = 1 "
        "AND n.nspname <> 'auth' AND has_table_privilege(c.oid, 'SELECT') ORDER BY 1, 2, 3"
    ).fetchall()
    return [(TableName(schema, table), column) for schema, table, column in rows]
