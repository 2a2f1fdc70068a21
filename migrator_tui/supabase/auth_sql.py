"""Users made by SQL, in auth.users and auth.identities, as Supabase Auth itself writes them.

Auth owns that schema and changes it; so what is needed of it is looked for before anything is written
(:func:`preflight`), and nothing but that is written. ``confirmed_at`` and ``identities.email`` are generated columns
and never written; a token column that is NULL shuts its user out, so all of them are given an empty text.

Sources: migrations of supabase/auth; supabase/auth#1940 (NULL tokens).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from migrator_tui.model.errors import TargetError
from migrator_tui.postgres.merge import sql
from migrator_tui.supabase.auth_users import AuthUser

NO_INSTANCE = UUID(int=0)
AUDIENCE = "authenticated"
TOKENS = (
    "confirmation_token", "recovery_token", "email_change", "email_change_token_new", "email_change_token_current",
    "phone_change", "phone_change_token", "reauthentication_token",
)  # fmt: skip
"""Text columns that Auth reads into something that takes no NULL."""

_WRITTEN = {
    "users": (
        "instance_id", "id", "aud", "role", "email", "encrypted_password", "email_confirmed_at", "phone",
        "phone_confirmed_at", "raw_app_meta_data", "raw_user_meta_data", "created_at", "updated_at", *TOKENS,
    ),
    "identities": ("provider_id", "user_id", "identity_data", "provider", "created_at", "updated_at"),
}  # fmt: skip
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Existing:
    """A user who is there.

    Attributes:
        proven: They have shown that the address is theirs.
    """

    id: UUID
    email: str | None
    phone: str | None
    proven: bool = True


def preflight(connection: psycopg.Connection[Any], *, writes: bool = True) -> None:
    """See that users can be read and, with ``writes``, made by SQL.

    Raises:
        TargetError: ``AUTH-SCHEMA``: the schema is not there, or not as this program knows it; ``AUTH-RIGHTS``: the
            role may not. Both name what is missing.
    """
    columns = connection.execute(
        "SELECT c.relname::text, a.attname::text, a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', "
        "a.attgenerated <> '' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'auth' AND c.relname IN ('users', 'identities') "
        "AND a.attnum > 0 AND NOT a.attisdropped"
    ).fetchall()
    there = {table: {name for of, name, _, _ in columns if of == table} for table in _WRITTEN}
    if not all(there.values()):
        raise TargetError(
            "AUTH-SCHEMA",
            "The target has no tables auth.users and auth.identities.",
            "Is it the database of a Supabase project? Otherwise leave `users` out of the configuration.",
        )
    missing = [f"auth.{of}.{name}" for of, names in _WRITTEN.items() for name in names if name not in there[of]]
    if missing:
        raise _schema(f"it lacks {', '.join(missing)}")
    if writes:
        generated = [f"auth.{of}.{name}" for of, name, _, made in columns if made and name in _WRITTEN[of]]
        if generated:
            raise _schema(f"{', '.join(generated)} cannot be written")
        unknown = [f"auth.{of}.{name}" for of, name, needed, _ in columns if needed and name not in _WRITTEN[of]]
        if unknown:
            raise _schema(f"{', '.join(unknown)} must be given a value that is not known here")
    _require_rights(connection, writes=writes)


def _schema(what: str) -> TargetError:
    return TargetError(
        "AUTH-SCHEMA",
        f"The target's schema auth is of a version that this program does not know: {what}.",
        "Make the users over the Admin API instead (`users.via: api`), which every version has.",
    )


def _require_rights(connection: psycopg.Connection[Any], *, writes: bool) -> None:
    wanted = [("auth.users", "SELECT")]
    if writes:
        wanted += [(table, verb) for table in ("auth.users", "auth.identities") for verb in ("SELECT", "INSERT")]
    lacking = []
    hidden = False
    usage = connection.execute("SELECT has_schema_privilege('auth', 'USAGE')").fetchone()
    if usage == (True,):
        for table, verb in dict.fromkeys(wanted):
            row = connection.execute("SELECT has_table_privilege(%s, %s)", (table, verb)).fetchone()
            if row != (True,):
                lacking.append(f"{verb} on {table}")
        hidden = not lacking and connection.execute("SELECT row_security_active('auth.users')").fetchone() == (True,)
    else:
        lacking.append("USAGE on schema auth")
    if hidden:
        lacking.append("BYPASSRLS, without which the rows of auth.users are hidden")
    if lacking:
        raise TargetError(
            "AUTH-RIGHTS",
            f"{connection.info.user} lacks {', '.join(lacking)}.",
            "Connect as the project's role postgres, which has these rights.",
        )


def existing(
    connection: psycopg.Connection[Any],
    emails: Iterable[str] = (),
    phones: Iterable[str] = (),
    ids: Iterable[UUID] = (),
) -> list[Existing]:
    """The users who are there with one of these addresses (in lower case), numbers or identifiers.

    Users of single sign-on are apart: their address is not theirs alone.
    """
    rows = connection.execute(
        "SELECT id, lower(email), phone, confirmed_at IS NOT NULL FROM auth.users WHERE id = ANY(%(ids)s) "
        "OR (NOT is_sso_user AND (lower(email) = ANY(%(emails)s) OR phone = ANY(%(phones)s)))",
        {"ids": list(ids), "emails": list(emails), "phones": list(phones)},
    ).fetchall()
    return [Existing(*row) for row in rows]


def insert(connection: psycopg.Connection[Any], users: Sequence[AuthUser]) -> int:
    """Make users, within the caller's transaction; how many. Triggers on auth.users fire.

    A user without a usable hash gets an empty password, with which nobody signs in.
    """
    for first in range(0, len(users), _BATCH):
        _insert(connection, users[first : first + _BATCH])
    return len(users)


def _insert(connection: psycopg.Connection[Any], users: Sequence[AuthUser]) -> None:
    tokens = ", ".join(TOKENS)
    columns = {
        "id": ("uuid", [user.id for user in users]),
        "email": ("text", [user.email for user in users]),
        "phone": ("text", [user.phone for user in users]),
        "hash": ("text", [user.hash.usable or "" for user in users]),
        "confirmed": ("bool", [user.confirmed for user in users]),
        "confirmed_at": ("timestamptz", [user.confirmed_at for user in users]),
        "created_at": ("timestamptz", [user.created_at for user in users]),
        "app": ("jsonb", [Jsonb(app_metadata(user)) for user in users]),
        "own": ("jsonb", [Jsonb(user_metadata(user)) for user in users]),
    }
    given = ", ".join(f"%({name})s::{kind}[]" for name, (kind, _) in columns.items())
    connection.execute(
        sql(
            "INSERT INTO auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, phone, "
            f"phone_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at, {tokens}) "
            f"SELECT '{NO_INSTANCE}', u.id, '{AUDIENCE}', '{AUDIENCE}', u.email, u.hash, "
            "CASE WHEN u.confirmed AND u.email IS NOT NULL THEN coalesce(u.confirmed_at, u.created_at, now()) END, "
            "u.phone, "
            "CASE WHEN u.confirmed AND u.phone IS NOT NULL THEN coalesce(u.confirmed_at, u.created_at, now()) END, "
            "u.app, u.own, coalesce(u.created_at, now()), now(), "
            f"{', '.join(repr('') for _ in TOKENS)} "
            f"FROM unnest({given}) AS u({', '.join(columns)})"
        ),
        {name: values for name, (_, values) in columns.items()},
    )
    identities = [identity for user in users for identity in _identities(user)]
    connection.execute(
        "INSERT INTO auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at) "
        "SELECT i.user_id::text, i.user_id, i.data, i.provider, coalesce(i.created_at, now()), now() "
        "FROM unnest(%s::uuid[], %s::jsonb[], %s::text[], %s::timestamptz[]) AS i(user_id, data, provider, created_at)",
        [list(column) for column in zip(*identities, strict=True)],
    )


def app_metadata(user: AuthUser) -> dict[str, Any]:
    """What Auth keeps of a user for itself and for policies: how they sign in, and the application's role."""
    providers = _providers(user)
    return {"provider": providers[0], "providers": providers, **user.app_metadata}


def user_metadata(user: AuthUser) -> dict[str, Any]:
    """What a user may change of themself; ``email_verified`` is what Auth notes when it confirms an address."""
    verified = {f"{provider}_verified": True for provider in _providers(user) if user.confirmed}
    return {**verified, **user.user_metadata}


def _providers(user: AuthUser) -> list[str]:
    return [name for name, value in (("email", user.email), ("phone", user.phone)) if value]


def _identities(user: AuthUser) -> list[tuple[UUID, Jsonb, str, Any]]:
    verified = {f"{name}_verified": user.confirmed and bool(getattr(user, name)) for name in ("email", "phone")}
    return [
        (user.id, Jsonb({"sub": str(user.id), name: getattr(user, name), **verified}), name, user.created_at)
        for name in _providers(user)
    ]


def delete(connection: psycopg.Connection[Any], ids: Sequence[UUID]) -> int:
    """Delete users, within the caller's transaction; their identities go with them."""
    return connection.execute("DELETE FROM auth.users WHERE id = ANY(%s)", (list(ids),)).rowcount
