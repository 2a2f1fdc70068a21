"""The APIs' way to the project's database: a few sessions, each request in its caller's role and claims."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
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
        async with self._lent() as session:
            # One trip to the server for all that comes before the work.
            await session.execute(
                sql.SQL(
                    "BEGIN; SELECT set_config('role', {}, true), set_config('request.jwt.claims', {}, true),"
                    " set_config('storage.allow_delete_query', 'true', true)"
                ).format(role, json.dumps(claims or {}))
            )
            try:
                yield session
            except BaseException:
                if not session.closed:
                    await session.execute("ROLLBACK")
                raise
            await session.execute("COMMIT")

    async def look(self, statement: str, parameters: tuple[Any, ...]) -> dict[str, Any] | None:
        """The first row of a query, as the server itself sees it."""
        async with self._lent() as session:
            return await (await session.execute(statement.encode(), parameters)).fetchone()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Session]:
        async with self._free:
            session = await self._session()
            try:
                yield session
            finally:
                if session.closed or session.info.transaction_status != TransactionStatus.IDLE:
                    await session.close()
                else:
                    self._idle.append(session)

    async def _session(self) -> Session:
        while self._idle:
            session = self._idle.pop()
            if not session.closed:
                return session
        return await psycopg.AsyncConnection.connect(
            # Not to wait for the disk: thousands of small files would. What another session commits later, and waits
            # for, takes these commits to the disk too, so that no run's ledger can know of an object that is lost.
            self._target.conninfo(application_name="project-api", options="-c synchronous_commit=off"),
            autocommit=True,
            row_factory=dict_row,
        )

    async def close(self) -> None:
        """End the sessions."""
        while self._idle:
            with contextlib.suppress(psycopg.Error):
                await self._idle.pop().close()
