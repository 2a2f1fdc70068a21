"""How a project's HTTP APIs are reached: the web address and the secret key, which never prints."""

from __future__ import annotations

from dataclasses import dataclass

from migrator_tui.model.secret import Secret

AUTH_PATH = "/auth/v1"
STORAGE_PATH = "/storage/v1"


@dataclass(frozen=True, slots=True)
class Api:
    """A project's APIs.

    Attributes:
        url: Web address without a path, such as ``https://abcd.supabase.co``.
        key: A secret key (``sb_secret_…``) or the legacy ``service_role`` key.
    """

    url: str
    key: Secret

    @property
    def auth(self) -> str:
        """Base address of Auth."""
        return self.url.rstrip("/") + AUTH_PATH

    @property
    def storage(self) -> str:
        """Base address of Storage."""
        return self.url.rstrip("/") + STORAGE_PATH

    def headers(self) -> dict[str, str]:
        """The headers that let a request in as ``service_role``."""
        key = self.key.reveal()
        return {"apikey": key, "Authorization": f"Bearer {key}"}
