"""The APIs' way to the project's database: a few sessions, each request in its caller's role and claims."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from migrator_tui.postgres.connect import Target

Session = psycopg.AsyncConnection[dict[str, Any]]

AUTH_ADMIN = "supabase_auth_admin"
STORAGE_ADMIN = "supabase_storage_admin"
SERVICE = "service_role"


class Database:
    """Sessions as superuser, which each transaction leaves for another role."""

    def __init__(self, target: Target, sessions: int = 8) -> None:
        self._target = target
        self._free = asyncio.Semaphore(sessions)
        self._idle: list[Session] = []

    @asynccontextmanager
    async def transaction(self, role: str, claims: Mapping[str, Any] | None = None) -> AsyncIterator[Session]:
        """A transaction in a role, with the claims where policies look for them.

        Raises:
            psycopg.Error: As the statements within do.
        """
        async with self._free:
            session = await self._session()
            try:
                async with session.transaction():
                    await session.execute(
                        "SELECT set_config('role', %s, true), set_config('request.jwt.claims', %s, true),"
                        " set_config('storage.allow_delete_query', 'true', true)",
                        (role, json.dumps(claims or {})),
                    )
                    yield session
            finally:
                if session.closed:
                    await session.close()
                else:
                    self._idle.append(session)

    async def _session(self) -> Session:
        while self._idle:
            session = self._idle.pop()
            if not session.closed:
                return session
        return await psycopg.AsyncConnection.connect(
            self._target.conninfo(application_name="project-api"),
            autocommit=True,
            row_factory=dict_row,
        )

    async def close(self) -> None:
        """End the sessions."""
        while self._idle:
            with contextlib.suppress(psycopg.Error):
                await self._idle.pop().close()
