"""The Auth API as far as a migrator needs it: users by an admin, and signing in with a password. It sends no e-mail.

Answers and errors as supabase/auth gives them.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import psycopg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from migrator_tui.demo.project import auth_users, password_hashes
from migrator_tui.demo.project.auth_users import AUDIENCE, AuthError
from migrator_tui.demo.project.database import AUTH_ADMIN, Database, Session
from migrator_tui.demo.project.keys import SERVICE, KeyRefused, Keys

PER_PAGE = 50
API_VERSION = "X-Supabase-Api-Version"
_NEW_FORM = "2024-01-01"
_ADMIN_ROLES = (SERVICE, "supabase_admin")


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
        email, phone = auth_users.string(given, "email"), auth_users.string(given, "phone")
        if not email and not phone:
            raise auth_users.invalid("Cannot create a user without either an email or phone")
        async with self._database.transaction(AUTH_ADMIN) as session:
            if email:
                email = auth_users.valid_email(email)
                if await auth_users.one(
                    session,
                    "SELECT 1 FROM auth.users WHERE lower(email) = %s AND NOT is_sso_user AND aud = %s LIMIT 1",
                    (email, AUDIENCE),
                ):
                    raise AuthError(422, "email_exists", "A user with this email address has already been registered")
            if phone:
                phone = auth_users.valid_phone(phone)
                if await auth_users.one(session, "SELECT 1 FROM auth.users WHERE phone = %s LIMIT 1", (phone,)):
                    raise AuthError(422, "phone_exists", "Phone number already registered by another user")
        user = auth_users.new_user(given, email, phone)
        confirmed = bool(given.get("email_confirm")), bool(given.get("phone_confirm"))
        try:
            async with self._database.transaction(AUTH_ADMIN) as session:
                await auth_users.insert_user(session, user, confirmed)
        except psycopg.Error as error:
            raise AuthError(500, "unexpected_failure", "Database error creating new user") from error
        return JSONResponse(await self._load(user["id"]))

    async def _list(self, request: Request) -> Response:
        page, per_page = _number(request, "page", 1), _number(request, "per_page", PER_PAGE)
        if not page or not per_page:
            page, per_page = page or 1, per_page or PER_PAGE
        async with self._database.transaction(AUTH_ADMIN) as session:
            found = await auth_users.one(session, "SELECT count(*) AS n FROM auth.users WHERE aud = %s", (AUDIENCE,))
            total = int(found["n"]) if found else 0
            cursor = await session.execute(
                "SELECT * FROM auth.users WHERE instance_id = %s AND aud = %s"
                " ORDER BY created_at DESC, id LIMIT %s OFFSET %s",
                (uuid.UUID(int=0), AUDIENCE, per_page, (page - 1) * per_page),
            )
            rows = await cursor.fetchall()
            if any(auth_users.nulls(row) for row in rows):
                raise AuthError(500, "unexpected_failure", "Database error finding users")
            identities = await auth_users.identities(session, [row["id"] for row in rows])
        last = -(-total // per_page)
        base = str(request.url.path)
        links = [f'<{base}?page={last}&per_page={per_page}>; rel="last"']
        if last > page:
            links.insert(0, f'<{base}?page={page + 1}&per_page={per_page}>; rel="next"')
        return JSONResponse(
            {
                "users": [auth_users.shown(row, identities.get(row["id"], [])) for row in rows],
                "aud": AUDIENCE,
            },
            headers={"X-Total-Count": str(total), "Link": ", ".join(links)},
        )

    async def _get(self, request: Request) -> Response:
        return JSONResponse(await self._load(_path_id(request)))

    async def _update(self, request: Request) -> Response:
        user_id = _path_id(request)
        await self._load(user_id)
        given = await _body(request)
        changes = auth_users.changes(given)
        try:
            async with self._database.transaction(AUTH_ADMIN) as session:
                await auth_users.update_user(session, user_id, given, changes)
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
            row = await auth_users.one(session, "SELECT * FROM auth.users WHERE id = %s", (user_id,))
            if row is None:
                raise AuthError(404, "user_not_found", "User not found")
            if auth_users.nulls(row):
                raise AuthError(500, "unexpected_failure", "Database error loading user")
            return auth_users.shown(row, (await auth_users.identities(session, [user_id])).get(user_id, []))

    # ------------------------------------------------------------ signing in

    async def _token(self, request: Request) -> Response:
        self._keys.caller(request)
        if request.query_params.get("grant_type") != "password":
            raise AuthError(400, "invalid_credentials", "unsupported_grant_type")
        given = await _body(request)
        email, phone = auth_users.string(given, "email"), auth_users.string(given, "phone")
        if email and phone:
            raise auth_users.invalid("Only an email address or phone number should be provided on login.")
        if not email and not phone:
            raise auth_users.invalid("missing email or phone")
        async with self._database.transaction(AUTH_ADMIN) as session:
            # As the server's own query: users of another instance or audience, or with an e-mail that is not in lower
            # case, are not found.
            row = await auth_users.one(
                session,
                "SELECT * FROM auth.users WHERE instance_id = %s AND aud = %s AND NOT is_sso_user AND "
                + ("lower(email) = %s" if email else "phone = %s")
                + " LIMIT 1",
                (uuid.UUID(int=0), AUDIENCE, email.lower() if email else auth_users.bare_phone(phone)),
            )
            if row is None:
                raise _refused()
            if auth_users.nulls(row):
                raise AuthError(500, "unexpected_failure", "Database error querying schema")
            self._check_sign_in(row, auth_users.string(given, "password"), by_email=bool(email))
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
        identities = (await auth_users.identities(session, [row["id"]])).get(row["id"], [])
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": 3600,
            "expires_at": now + 3600,
            "refresh_token": refresh,
            "user": auth_users.shown(fresh, identities),
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


def _number(request: Request, name: str, usual: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return usual
    if not text.isdecimal():
        raise auth_users.invalid(f'Bad Pagination Parameters: strconv.ParseUint: parsing "{text}": invalid syntax')
    return int(text)


def _refused() -> AuthError:
    return AuthError(400, "invalid_credentials", "Invalid login credentials")


def _path_id(request: Request) -> uuid.UUID:
    try:
        return uuid.UUID(request.path_params["id"])
    except ValueError as error:
        raise AuthError(404, "validation_failed", "user_id must be an UUID") from error
