"""The Auth API as far as a migrator needs it: users by an admin, and signing in with a password. It sends no e-mail.

Answers and errors as supabase/auth gives them.
"""

from __future__ import annotations

import json
import re
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from migrator_tui.demo.project import password_hashes
from migrator_tui.demo.project.database import AUTH_ADMIN, Database, Session
from migrator_tui.demo.project.keys import SERVICE, KeyRefused, Keys

PER_PAGE = 50
API_VERSION = "X-Supabase-Api-Version"
_NEW_FORM = "2024-01-01"
_ADMIN_ROLES = (SERVICE, "supabase_admin")
_AUDIENCE = "authenticated"
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


class AuthApi:
    """The endpoints under ``/auth/v1``."""

    def __init__(self, database: Database, keys: Keys, api_url: Callable[[], str]) -> None:
        self._database = database
        self._keys = keys
        self._api_url = api_url

    def routes(self) -> list[Route]:
        """The routes, relative to ``/auth/v1``."""
        return [
            Route("/health", self._health),
            Route("/settings", self._settings),
            Route("/token", _answering(self._token), methods=["POST"]),
            Route("/user", _answering(self._user), methods=["GET"]),
            Route("/admin/users", _answering(self._admin(self._create)), methods=["POST"]),
            Route("/admin/users", _answering(self._admin(self._list)), methods=["GET"]),
            Route("/admin/users/{id}", _answering(self._admin(self._get)), methods=["GET"]),
            Route("/admin/users/{id}", _answering(self._admin(self._update)), methods=["PUT"]),
            Route("/admin/users/{id}", _answering(self._admin(self._delete)), methods=["DELETE"]),
        ]

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"version": "v2.186.0", "name": "GoTrue", "description": "GoTrue is a user registration"})

    async def _settings(self, request: Request) -> Response:
        return JSONResponse(
            {
                "external": {"email": True, "phone": False, "anonymous_users": False},
                "disable_signup": False,
                "mailer_autoconfirm": False,
                "phone_autoconfirm": False,
                "sms_provider": "",
                "saml_enabled": False,
            }
        )

    def _admin(self, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            if self._keys.caller(request).role not in _ADMIN_ROLES:
                raise AuthError(403, "not_admin", "User not allowed")
            return await handler(request)

        return guarded

    # ------------------------------------------------------------ users, by an admin

    async def _create(self, request: Request) -> Response:
        given = await _body(request)
        email, phone = _text(given, "email"), _text(given, "phone")
        if not email and not phone:
            raise _invalid("Cannot create a user without either an email or phone")
        async with self._database.transaction(AUTH_ADMIN) as session:
            if email:
                email = _valid_email(email)
                if await _one(
                    session,
                    "SELECT 1 FROM auth.users WHERE lower(email) = %s AND NOT is_sso_user AND aud = %s LIMIT 1",
                    (email, _AUDIENCE),
                ):
                    raise AuthError(422, "email_exists", "A user with this email address has already been registered")
            if phone:
                phone = _valid_phone(phone)
                if await _one(session, "SELECT 1 FROM auth.users WHERE phone = %s LIMIT 1", (phone,)):
                    raise AuthError(422, "phone_exists", "Phone number already registered by another user")
        user = _new_user(given, email, phone)
        confirmed = bool(given.get("email_confirm")), bool(given.get("phone_confirm"))
        try:
            async with self._database.transaction(AUTH_ADMIN) as session:
                await _insert_user(session, user, confirmed)
        except psycopg.Error as error:
            raise AuthError(500, "unexpected_failure", "Database error creating new user") from error
        return JSONResponse(await self._load(user["id"]))

    async def _list(self, request: Request) -> Response:
        page, per_page = _number(request, "page", 1), _number(request, "per_page", PER_PAGE)
        if not page or not per_page:
            page, per_page = page or 1, per_page or PER_PAGE
        async with self._database.transaction(AUTH_ADMIN) as session:
            found = await _one(session, "SELECT count(*) AS n FROM auth.users WHERE aud = %s", (_AUDIENCE,))
            total = int(found["n"]) if found else 0
            cursor = await session.execute(
                "SELECT * FROM auth.users WHERE instance_id = %s AND aud = %s"
                " ORDER BY created_at DESC, id LIMIT %s OFFSET %s",
                (uuid.UUID(int=0), _AUDIENCE, per_page, (page - 1) * per_page),
            )
            rows = await cursor.fetchall()
            if any(_nulls(row) for row in rows):
                raise AuthError(500, "unexpected_failure", "Database error finding users")
            identities = await _identities(session, [row["id"] for row in rows])
        last = -(-total // per_page)
        base = str(request.url.path)
        links = [f'<{base}?page={last}&per_page={per_page}>; rel="last"']
        if last > page:
            links.insert(0, f'<{base}?page={page + 1}&per_page={per_page}>; rel="next"')
        return JSONResponse(
            {"users": [_shown(row, identities.get(row["id"], [])) for row in rows], "aud": _AUDIENCE},
            headers={"X-Total-Count": str(total), "Link": ", ".join(links)},
        )

    async def _get(self, request: Request) -> Response:
        return JSONResponse(await self._load(_path_id(request)))

    async def _update(self, request: Request) -> Response:
        user_id = _path_id(request)
        await self._load(user_id)
        given = await _body(request)
        changes = _changes(given)
        try:
            async with self._database.transaction(AUTH_ADMIN) as session:
                await _update_user(session, user_id, given, changes)
        except psycopg.Error as error:
            raise AuthError(500, "unexpected_failure", "Error updating user") from error
        return JSONResponse(await self._load(user_id))

    async def _delete(self, request: Request) -> Response:
        user_id = _path_id(request)
        await self._load(user_id)
        soft = bool((await _body(request)).get("should_soft_delete"))
        try:
            async with self._database.transaction(AUTH_ADMIN) as session:
                if soft:
                    await session.execute(
                        "UPDATE auth.users SET email = md5(email), phone = NULL, encrypted_password = NULL,"
                        " raw_user_meta_data = '{}', raw_app_meta_data = '{}', deleted_at = now() WHERE id = %s",
                        (user_id,),
                    )
                    await session.execute("DELETE FROM auth.sessions WHERE user_id = %s", (user_id,))
                else:
                    await session.execute("DELETE FROM auth.users WHERE id = %s", (user_id,))
        except psycopg.Error as error:
            raise AuthError(500, "unexpected_failure", "Database error deleting user") from error
        return JSONResponse({})

    async def _load(self, user_id: uuid.UUID) -> dict[str, Any]:
        async with self._database.transaction(AUTH_ADMIN) as session:
            row = await _one(session, "SELECT * FROM auth.users WHERE id = %s", (user_id,))
            if row is None:
                raise AuthError(404, "user_not_found", "User not found")
            if _nulls(row):
                raise AuthError(500, "unexpected_failure", "Database error loading user")
            return _shown(row, (await _identities(session, [user_id])).get(user_id, []))

    # ------------------------------------------------------------ signing in

    async def _token(self, request: Request) -> Response:
        self._keys.caller(request)
        if request.query_params.get("grant_type") != "password":
            raise AuthError(400, "invalid_credentials", "unsupported_grant_type")
        given = await _body(request)
        email, phone = _text(given, "email"), _text(given, "phone")
        if email and phone:
            raise _invalid("Only an email address or phone number should be provided on login.")
        if not email and not phone:
            raise _invalid("missing email or phone")
        async with self._database.transaction(AUTH_ADMIN) as session:
            # As the server's own query: users of another instance or audience, or with an e-mail that is not in lower
            # case, are not found.
            row = await _one(
                session,
                "SELECT * FROM auth.users WHERE instance_id = %s AND aud = %s AND NOT is_sso_user AND "
                + ("lower(email) = %s" if email else "phone = %s")
                + " LIMIT 1",
                (uuid.UUID(int=0), _AUDIENCE, email.lower() if email else _bare_phone(phone)),
            )
            if row is None:
                raise _refused()
            if _nulls(row):
                raise AuthError(500, "unexpected_failure", "Database error querying schema")
            self._check_sign_in(row, _text(given, "password"), by_email=bool(email))
            return JSONResponse(await self._sign_in(session, row))

    def _check_sign_in(self, row: Mapping[str, Any], password: str, *, by_email: bool) -> None:
        if not row["encrypted_password"]:
            raise _refused()
        if row["banned_until"] is not None and row["banned_until"].timestamp() > time.time():
            raise AuthError(400, "user_banned", "User is banned")
        try:
            right = password_hashes.matches(password, row["encrypted_password"])
        except password_hashes.HashRefused as error:
            raise AuthError(500, "unexpected_failure", "Internal Server Error") from error
        if not right:
            raise _refused()
        if by_email and row["email_confirmed_at"] is None:
            raise AuthError(400, "email_not_confirmed", "Email not confirmed")
        if not by_email and row["phone_confirmed_at"] is None:
            raise AuthError(400, "phone_not_confirmed", "Phone not confirmed")

    async def _sign_in(self, session: Session, row: Mapping[str, Any]) -> dict[str, Any]:
        session_id, refresh, now = uuid.uuid4(), secrets.token_urlsafe(12), int(time.time())
        await session.execute(
            "INSERT INTO auth.sessions (id, user_id, created_at, updated_at, aal)"
            " VALUES (%s, %s, now(), now(), 'aal1')",
            (session_id, row["id"]),
        )
        await session.execute(
            "INSERT INTO auth.refresh_tokens (instance_id, token, user_id, revoked, created_at, updated_at, session_id)"
            " VALUES (%s, %s, %s, false, now(), now(), %s)",
            (uuid.UUID(int=0), refresh, str(row["id"]), session_id),
        )
        cursor = await session.execute(
            "UPDATE auth.users SET last_sign_in_at = now(), updated_at = now() WHERE id = %s RETURNING *", (row["id"],)
        )
        fresh = await cursor.fetchone() or row
        await session.execute(
            "UPDATE auth.identities SET last_sign_in_at = now() WHERE user_id = %s AND provider = 'email'",
            (row["id"],),
        )
        token = self._keys.sign(
            {
                "iss": f"{self._api_url()}/auth/v1",
                "sub": str(row["id"]),
                "aud": row["aud"],
                "role": row["role"],
                "email": row["email"] or "",
                "phone": row["phone"] or "",
                "app_metadata": row["raw_app_meta_data"] or {},
                "user_metadata": row["raw_user_meta_data"] or {},
                "aal": "aal1",
                "amr": [{"method": "password", "timestamp": now}],
                "session_id": str(session_id),
                "is_anonymous": row["is_anonymous"],
                "iat": now,
                "exp": now + 3600,
            }
        )
        identities = (await _identities(session, [row["id"]])).get(row["id"], [])
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": 3600,
            "expires_at": now + 3600,
            "refresh_token": refresh,
            "user": _shown(fresh, identities),
        }

    async def _user(self, request: Request) -> Response:
        user = self._keys.caller(request).user
        if user is None:
            raise AuthError(403, "bad_jwt", "invalid claim: missing sub claim")
        return JSONResponse(await self._load(uuid.UUID(user)))


# ---------------------------------------------------------------- what is asked, read


def _answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Errors in the form that the caller's API version has."""

    async def answering(request: Request) -> Response:
        version = request.headers.get(API_VERSION, "")
        try:
            response = await handler(request)
        except AuthError as error:
            headers = {"x-sb-error-code": error.code}
            if version >= _NEW_FORM:
                body: dict[str, Any] = {"code": error.code, "message": error.message}
            else:
                body = {"code": error.status, "error_code": error.code, "msg": error.message}
            response = JSONResponse(body, error.status, headers)
        except KeyRefused as error:
            # The gateway's answer: the request does not get as far as Auth.
            return JSONResponse({"message": error.message, "hint": error.hint}, 401)
        if version:
            response.headers[API_VERSION] = _NEW_FORM
        return response

    return answering


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if not raw:
        return {}
    try:
        given = json.loads(raw)
    except ValueError as error:
        raise AuthError(400, "bad_json", f"Could not parse request body as JSON: {error}") from error
    if not isinstance(given, dict):
        raise AuthError(400, "bad_json", "Could not parse request body as JSON: it is not an object")
    return given


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise AuthError(
            400, "bad_json", f"Could not parse request body as JSON: json: cannot unmarshal into field .{name}"
        )
    return value


def _number(request: Request, name: str, usual: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return usual
    if not text.isdecimal():
        raise _invalid(f'Bad Pagination Parameters: strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def _invalid(message: str) -> AuthError:
    return AuthError(400, "validation_failed", message)


def _refused() -> AuthError:
    return AuthError(400, "invalid_credentials", "Invalid login credentials")


def _path_id(request: Request) -> uuid.UUID:
    try:
        return uuid.UUID(request.path_params["id"])
    except ValueError as error:
        raise AuthError(404, "validation_failed", "user_id must be an UUID") from error


def _valid_email(text: str) -> str:
    if len(text) > 255:
        raise _invalid("An email address is too long")
    if not _EMAIL.fullmatch(text):
        raise _invalid("Unable to validate email address: invalid format")
    return text.lower()


def _valid_phone(text: str) -> str:
    bare = _bare_phone(text)
    if not _PHONE.fullmatch(bare):
        raise _invalid("Invalid phone number format (E.164 required)")
    return bare


def _bare_phone(text: str) -> str:
    return re.sub(r"^\+|\s", "", text)


def _ban_seconds(given: Mapping[str, Any]) -> float | None:
    """None where nothing is said; 0 lifts a ban."""
    text = _text(given, "ban_duration")
    if not text:
        return None
    if text in ("none", "0"):
        return 0.0
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise _invalid(f'invalid format for ban duration: time: invalid duration "{text}"')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


# ---------------------------------------------------------------- users, written


def _new_user(given: Mapping[str, Any], email: str, phone: str) -> dict[str, Any]:
    password, hashed = given.get("password"), _text(given, "password_hash")
    if password is not None and hashed:
        raise _invalid("Only a password or a password hash should be provided")
    if hashed:
        try:
            password_hashes.check_form(hashed)
        except password_hashes.HashRefused as error:
            raise AuthError(500, "unexpected_failure", "Error creating user") from error
    else:
        password = _text(given, "password") or secrets.token_urlsafe(32)
        if len(password.encode()) > password_hashes.LONGEST_BCRYPT_PASSWORD:
            raise _invalid("bcrypt: password length exceeds 72 bytes")
        hashed = password_hashes.new(password)
    providers = [name for name, given_to in (("email", email), ("phone", phone)) if given_to]
    app = {"provider": providers[0], "providers": providers}
    app |= given.get("app_metadata") or {}
    return {
        "id": _new_id(_text(given, "id")),
        "email": email or None,
        "phone": phone or None,
        "encrypted_password": hashed,
        "role": (_text(given, "role") or _AUDIENCE).strip(),
        "aud": _text(given, "aud") or _AUDIENCE,
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
        raise _invalid("ID must conform to the uuid v4 format") from error
    if found.int == 0:
        raise _invalid("ID cannot be a nil uuid")
    return found


async def _insert_user(session: Session, user: Mapping[str, Any], confirmed: tuple[bool, bool]) -> None:
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


def _changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of auth.users that an update sets; ``password_hash`` is not among them, as on the server."""
    changes: dict[str, Any] = {}
    if email := _text(given, "email"):
        changes["email"] = _valid_email(email)
    if phone := _text(given, "phone"):
        changes["phone"] = _valid_phone(phone)
    if given.get("password") is not None:
        password = _text(given, "password")
        if len(password) < 6:
            raise AuthError(422, "weak_password", "Password should be at least 6 characters.")
        changes["encrypted_password"] = password_hashes.new(password)
    if role := _text(given, "role"):
        changes["role"] = role.strip()
    changes["ban"] = _ban_seconds(given)
    return changes


async def _update_user(
    session: Session, user_id: uuid.UUID, given: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
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
            row = await _one(session, f"SELECT {column} AS held FROM auth.users WHERE id = %s FOR UPDATE", (user_id,))
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


def _nulls(row: Mapping[str, Any]) -> bool:
    return any(row[column] is None for column in TOKEN_COLUMNS)


async def _one(session: Session, statement: str, parameters: tuple[Any, ...]) -> dict[str, Any] | None:
    return await (await session.execute(statement.encode(), parameters)).fetchone()


async def _identities(session: Session, users: list[uuid.UUID]) -> dict[uuid.UUID, list[dict[str, Any]]]:
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


def _shown(row: Mapping[str, Any], identities: list[dict[str, Any]]) -> dict[str, Any]:
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
