"""A project's API keys, of both kinds, and who a request comes from by them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from starlette.requests import HTTPConnection

ANON, AUTHENTICATED, SERVICE = "anon", "authenticated", "service_role"
_TEN_YEARS = 10 * 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request comes from.

    Attributes:
        role: The Postgres role: anon, authenticated, service_role, or the one that a token names.
        claims: The token's claims; of an opaque key, the role alone.
    """

    role: str
    claims: Mapping[str, Any]

    @property
    def user(self) -> str | None:
        """The user's id; None for a key."""
        subject = self.claims.get("sub")
        return str(subject) if subject else None


class KeyRefused(Exception):
    """The gateway lets the request not through.

    Attributes:
        message: What it says.
        hint: What it advises.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a project.

    Attributes:
        jwt_secret: Signs the legacy keys, users' access tokens and signed URLs (HS256).
        secret: ``sb_secret_…``: service_role.
        publishable: ``sb_publishable_…``: anon.
        service_jwt: The legacy key of service_role.
        anon_jwt: The legacy key of anon.
    """

    jwt_secret: str
    secret: str
    publishable: str
    service_jwt: str
    anon_jwt: str

    @classmethod
    def new(cls, ref: str, jwt_secret: str | None = None) -> Keys:
        """Keys of their own for a project."""
        signing = jwt_secret or secrets.token_hex(32)
        return cls(
            jwt_secret=signing,
            secret=f"sb_secret_{secrets.token_urlsafe(24)}",
            publishable=f"sb_publishable_{secrets.token_urlsafe(24)}",
            service_jwt=_legacy(ref, SERVICE, signing),
            anon_jwt=_legacy(ref, ANON, signing),
        )

    def __repr__(self) -> str:
        return "Keys(***)"

    def caller(self, request: HTTPConnection) -> Caller:
        """Who a request comes from: by its Authorization where that is a token, else by its key.

        Raises:
            KeyRefused: There is no key, or none of this project's.
        """
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        bearer = bearer.strip() if scheme.lower() == "bearer" else ""
        key = request.headers.get("apikey") or request.query_params.get("apikey") or bearer
        if not key:
            raise KeyRefused("No API key found in request", "No `apikey` request header or url param was found.")
        by_key = self._known(key)
        if by_key is None:
            raise KeyRefused("Invalid API key", "Double check your Supabase `anon` or `service_role` API key.")
        if not bearer or bearer == key:
            return by_key
        by_token = self._known(bearer)
        if by_token is None:
            raise KeyRefused("Invalid JWT", "The token of the Authorization header is not one of this project.")
        return by_token

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token with these claims."""
        return jwt.encode(dict(claims), self.jwt_secret, algorithm="HS256")

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a token of this project.

        Raises:
            jwt.InvalidTokenError: Of another project, or expired.
        """
        return dict(jwt.decode(token, self.jwt_secret, algorithms=["HS256"], options={"verify_aud": False}))

    def _known(self, key: str) -> Caller | None:
        if secrets.compare_digest(key.encode(), self.secret.encode()):
            return Caller(SERVICE, {"role": SERVICE})
        if secrets.compare_digest(key.encode(), self.publishable.encode()):
            return Caller(ANON, {"role": ANON})
        try:
            claims = self.read(key)
        except jwt.InvalidTokenError:
            return None
        return Caller(str(claims.get("role", ANON)), claims)


def _legacy(ref: str, role: str, secret: str) -> str:
    now = int(time.time())
    return jwt.encode(
        {"iss": "supabase", "ref": ref, "role": role, "iat": now, "exp": now + _TEN_YEARS}, secret, algorithm="HS256"
    )
