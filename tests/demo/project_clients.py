"""Clients of a project, made as the program makes them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import cached_property

import httpx
from supabase import Client, ClientOptions, create_client

from migrator_tui.demo.project.project import Project


def client(url: str, key: str) -> Client:
    """The ``supabase`` package's client with a key."""
    http = httpx.Client(http2=False, timeout=20)
    options = ClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
    return create_client(url, key, options)


def admin(project: Project) -> Client:
    """A client that may do everything."""
    return client(project.api_url, project.secret_key.reveal())


@dataclass
class Reached:
    """A project's HTTP APIs.

    Attributes:
        real: It is no stand-in.
    """

    url: str
    secret_key: str = field(repr=False)
    publishable_key: str = field(repr=False)
    real: bool

    @cached_property
    def storage(self) -> httpx.Client:
        """Plain HTTP to Storage, with the secret key."""
        return httpx.Client(base_url=f"{self.url}/storage/v1", headers=self.headers, timeout=20)

    @cached_property
    def auth(self) -> httpx.Client:
        """Plain HTTP to Auth, with the secret key."""
        return httpx.Client(base_url=f"{self.url}/auth/v1", headers=self.headers, timeout=20)

    @cached_property
    def anyone(self) -> httpx.Client:
        """Plain HTTP to both, with the publishable key."""
        headers = {"apikey": self.publishable_key, "Authorization": f"Bearer {self.publishable_key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20)

    @property
    def headers(self) -> dict[str, str]:
        """What a request with the secret key carries."""
        return {"apikey": self.secret_key, "Authorization": f"Bearer {self.secret_key}"}

    @cached_property
    def library(self) -> Client:
        """The ``supabase`` package's client with the secret key."""
        return client(self.url, self.secret_key)

    def bucket(self, **settings: object) -> str:
        """A new bucket's name."""
        name = f"b-{secrets.token_hex(4)}"
        answer = self.storage.post("/bucket", json={"id": name, "name": name, **settings})
        assert answer.status_code == 200, answer.text
        return name


def address() -> str:
    """An e-mail address that nobody has yet."""
    return f"u{secrets.token_hex(4)}@example.org"
