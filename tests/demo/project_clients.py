"""Clients of a project, made as the program makes them."""

from __future__ import annotations

import httpx
from supabase import Client, ClientOptions, create_client

from migrator_tui.demo.project.project import Project


def client(project: Project, key: str) -> Client:
    """The ``supabase`` package's client with a key."""
    http = httpx.Client(http2=False, timeout=20)
    options = ClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
    return create_client(project.api_url, key, options)


def admin(project: Project) -> Client:
    """A client that may do everything."""
    return client(project, project.secret_key.reveal())
