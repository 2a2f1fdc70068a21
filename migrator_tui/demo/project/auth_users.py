"""Users of Auth: what may be asked of one, and the rows of auth.users and auth.identities, written and shown."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Mapping
from typing import Any

from psycopg.types.json import Jsonb

from migrator_tui.demo.project import password_hashes
from migrator_tui.demo.project.database import Session

AUDIENCE = "authenticated"
_EMAIL = re.compile(
    r"[^@\s\"(),:;<>\[\]\\]+@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+", re.I
)
_PHONE = re.compile(r"[1-9][0-9]{1,14}")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
TOKEN_COLUMNS = (
    "confirmation_token",
    "recovery_token",
    "email_change_token_new",
    "email_change",
    "email_change_token_current",
    "phone_change_token",
    "phone_change",
    "reauthentication_token",
)
"""Read into strings that cannot be null: a NULL in one of them fails every request that reads the user."""


class AuthError(Exception):
    """An error as Auth answers it.

    Attributes:
        status: The HTTP status.
        code: ``email_exists`` and so on.
        message: What it says.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


# ---------------------------------------------------------------- what is asked, read


def string(given: Mapping[str, Any], name: str) -> str:
    """A string of the request; empty where it is not there.

    Raises:
        AuthError: bad_json: it is something else.
    """
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise AuthError(
            400, "bad_json", f"Could not parse request body as JSON: json: cannot unmarshal into field .{name}"
        )
    return value


def invalid(message: str) -> AuthError:
    """The request is understood, and refused."""
    return AuthError(400, "validation_failed", message)


def valid_email(text: str) -> str:
    """The address in lower case.

    Raises:
        AuthError: validation_failed.
    """
    if len(text) > 255:
        raise invalid("An email address is too long")
    if not _EMAIL.fullmatch(text):
        raise invalid("Unable to validate email address: invalid format")
    return text.lower()


def valid_phone(text: str) -> str:
    """The number without its plus.

    Raises:
        AuthError: validation_failed.
    """
    bare = bare_phone(text)
    if not _PHONE.fullmatch(bare):
        raise invalid("Invalid phone number format (E.164 required)")
    return bare


def bare_phone(text: str) -> str:
    """A number without plus and blanks."""
    return re.sub(r"^\+|\s", "", text)


def _ban_seconds(given: Mapping[str, Any]) -> float | None:
    """None where nothing is said; 0 lifts a ban."""
    text = string(given, "ban_duration")
    if not text:
        return None
    if text in ("none", "0"):
        return 0.0
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise invalid(f'invalid format for ban duration: time: invalid duration "{text}"')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


# ---------------------------------------------------------------- users, written


def new_user(given: Mapping[str, Any], email: str, phone: str) -> dict[str, Any]:
    """What a new user's row is to hold.

    Raises:
        AuthError: Something of it is refused.
    """
    password, hashed = given.get("password"), string(given, "password_hash")
    if password is not None and hashed:
        raise invalid("Only a password or a password hash should be provided")
    if hashed:
        try:
            password_hashes.check_form(hashed)
        except password_hashes.HashRefused as error:
            raise AuthError(500, "unexpected_failure", "Error creating user") from error
    else:
        password = string(given, "password") or secrets.token_urlsafe(32)
        if len(password.encode()) > password_hashes.LONGEST_BCRYPT_PASSWORD:
            raise invalid("bcrypt: password length exceeds 72 bytes")
        hashed = password_hashes.new(password)
    providers = [name for name, given_to in (("email", email), ("phone", phone)) if given_to]
    app = {"provider": providers[0], "providers": providers}
    app |= given.get("app_metadata") or {}
    return {
        "id": _new_id(string(given, "id")),
        "email": email or None,
        "phone": phone or None,
        "encrypted_password": hashed,
        "role": (string(given, "role") or AUDIENCE).strip(),
        "aud": string(given, "aud") or AUDIENCE,
        "raw_app_meta_data": {name: value for name, value in app.items() if value is not None},
        "raw_user_meta_data": given.get("user_metadata") or {},
        "ban": _ban_seconds(given),
    }


def _new_id(text: str) -> uuid.UUID:
    if not text:
        return uuid.uuid4()
    try:
        found = uuid.UUID(text)
    except ValueError as error:
        raise invalid("ID must conform to the uuid v4 format") from error
    if found.int == 0:
        raise invalid("ID cannot be a nil uuid")
    return found


async def insert_user(session: Session, user: Mapping[str, Any], confirmed: tuple[bool, bool]) -> None:
    """In the steps of the server, so that triggers see the same row at the same time: confirmed only by an update."""
    await session.execute(
        f"INSERT INTO auth.users (instance_id, id, aud, role, email, phone, encrypted_password, raw_app_meta_data,"
        f" raw_user_meta_data, created_at, updated_at, {', '.join(TOKEN_COLUMNS)})"
        f" VALUES (%s, %s, %s, '', %s, %s, %s, %s, %s, now(), now(), {', '.join(repr('') for _ in TOKEN_COLUMNS)})",
        (
            uuid.UUID(int=0),
            user["id"],
            user["aud"],
            user["email"],
            user["phone"],
            user["encrypted_password"],
            Jsonb(user["raw_app_meta_data"]),
            Jsonb(user["raw_user_meta_data"]),
        ),
    )
    for provider, value in (("email", user["email"]), ("phone", user["phone"])):
        if value:
            await _insert_identity(session, user["id"], provider, value)
    await session.execute(
        "UPDATE auth.users SET role = %s,"
        " email_confirmed_at = CASE WHEN %s THEN now() END, phone_confirmed_at = CASE WHEN %s THEN now() END,"
        " banned_until = now() + make_interval(secs => %s) WHERE id = %s",
        (user["role"], confirmed[0], confirmed[1], user["ban"] or None, user["id"]),
    )


async def _insert_identity(
    session: Session, user_id: uuid.UUID, provider: str, value: str, *, verified: bool = False
) -> None:
    data = {"sub": str(user_id), provider: value, "email_verified": False, "phone_verified": False}
    data[f"{provider}_verified"] = verified
    await session.execute(
        "INSERT INTO auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at,"
        " updated_at) VALUES (%s, %s, %s, %s, now(), now(), now())",
        (str(user_id), user_id, Jsonb(data), provider),
    )


def changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of auth.users that an update sets; ``password_hash`` is not among them, as on the server."""
    changes: dict[str, Any] = {}
    if email := string(given, "email"):
        changes["email"] = valid_email(email)
    if phone := string(given, "phone"):
        changes["phone"] = valid_phone(phone)
    if given.get("password") is not None:
        password = string(given, "password")
        if len(password) < 6:
            raise AuthError(422, "weak_password", "Password should be at least 6 characters.")
        changes["encrypted_password"] = password_hashes.new(password)
    if role := string(given, "role"):
        changes["role"] = role.strip()
    changes["ban"] = _ban_seconds(given)
    return changes


async def update_user(
    session: Session, user_id: uuid.UUID, given: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    """Change a user's rows."""
    for provider in ("email", "phone"):
        if provider in changes:
            verified = bool(given.get(f"{provider}_confirm"))
            cursor = await session.execute(
                "UPDATE auth.identities SET identity_data = identity_data || %s, updated_at = now()"
                " WHERE user_id = %s AND provider = %s",
                (Jsonb({provider: changes[provider], f"{provider}_verified": verified}), user_id, provider),
            )
            if cursor.rowcount == 0:
                await _insert_identity(session, user_id, provider, changes[provider], verified=verified)
        if given.get(f"{provider}_confirm"):
            await session.execute(
                f"UPDATE auth.users SET {provider}_confirmed_at = now() WHERE id = %s".encode(), (user_id,)
            )
    for column in ("email", "phone", "encrypted_password", "role"):
        if column in changes:
            await session.execute(
                f"UPDATE auth.users SET {column} = %s, updated_at = now() WHERE id = %s".encode(),
                (changes[column], user_id),
            )
    for column, name in (("raw_app_meta_data", "app_metadata"), ("raw_user_meta_data", "user_metadata")):
        if given.get(name) is not None:
            row = await one(session, f"SELECT {column} AS held FROM auth.users WHERE id = %s FOR UPDATE", (user_id,))
            merged = {**((row and row["held"]) or {}), **given[name]}
            await session.execute(
                f"UPDATE auth.users SET {column} = %s, updated_at = now() WHERE id = %s".encode(),
                (Jsonb({key: value for key, value in merged.items() if value is not None}), user_id),
            )
    if changes["ban"] is not None:
        await session.execute(
            "UPDATE auth.users SET banned_until = now() + make_interval(secs => %s) WHERE id = %s",
            (changes["ban"] or None, user_id),
        )


# ---------------------------------------------------------------- users, shown


def nulls(row: Mapping[str, Any]) -> bool:
    """Whether the row has a NULL that Auth cannot read."""
    return any(row[column] is None for column in TOKEN_COLUMNS)


async def one(session: Session, statement: str, parameters: tuple[Any, ...]) -> dict[str, Any] | None:
    """The first row of a query."""
    return await (await session.execute(statement.encode(), parameters)).fetchone()


async def identities(session: Session, users: list[uuid.UUID]) -> dict[uuid.UUID, list[dict[str, Any]]]:
    """The identities of users, as they are shown."""
    cursor = await session.execute("SELECT * FROM auth.identities WHERE user_id = ANY(%s) ORDER BY provider", (users,))
    found: dict[uuid.UUID, list[dict[str, Any]]] = {}
    for row in await cursor.fetchall():
        found.setdefault(row["user_id"], []).append(
            {
                "identity_id": str(row["id"]),
                "id": row["provider_id"],
                "user_id": str(row["user_id"]),
                "identity_data": row["identity_data"],
                "provider": row["provider"],
                "last_sign_in_at": _time(row["last_sign_in_at"]),
                "created_at": _time(row["created_at"]),
                "updated_at": _time(row["updated_at"]),
                "email": row["email"],
            }
        )
    return found


def shown(row: Mapping[str, Any], identities: list[dict[str, Any]]) -> dict[str, Any]:
    """A user as JSON."""
    shown: dict[str, Any] = {
        "id": str(row["id"]),
        "aud": row["aud"],
        "role": row["role"],
        "email": row["email"] or "",
        "phone": row["phone"] or "",
        "app_metadata": row["raw_app_meta_data"] or {},
        "user_metadata": row["raw_user_meta_data"] or {},
        "identities": identities,
        "created_at": _time(row["created_at"]),
        "updated_at": _time(row["updated_at"]),
        "is_anonymous": row["is_anonymous"],
    }
    for column in (
        "email_confirmed_at", "invited_at", "phone_confirmed_at", "confirmation_sent_at", "confirmed_at",
        "recovery_sent_at", "last_sign_in_at", "banned_until", "deleted_at",
    ):  # fmt: skip
        if row[column] is not None:
            shown[column] = _time(row[column])
    return shown


def _time(moment: Any) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
