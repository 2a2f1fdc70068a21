"""Sessions that one step of a run is done with and the next goes on with.

Opening one takes several round trips, more over TLS, and the bulk driver reads the catalogue of types each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

TRUSTED_FOR = 10.0
"""Seconds after which the other side, or a router on the way, may have ended a session that nobody used."""


if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

Session = TypeVar("Session")


class IdleSessions(Generic[Session]):
    """Open sessions that nobody uses. Any thread may take or leave one."""

    def __init__(self, most: int, end: Callable[[Session], None]) -> None:
        """
        Args:
            most: How many are kept; what is left beyond that is ended.
            end: Ends one, whatever state it is in.
        """
        self._most = most
        self._end = end
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Session]] = []
        self._over = False

    def take(self) -> Session | None:
        """One of them, which is the caller's then; None where there is none that was used a short time ago."""
        with self._lock:
            if not self._idle:
                return None
            used, session = self._idle.pop()
        if time.monotonic() - used < TRUSTED_FOR:
            return session
        self._end(session)
        return self.take()

    def leave(self, session: Session) -> None:
        """Leave one that has ended its work in good order, with no transaction open."""
        with self._lock:
            kept = not self._over and len(self._idle) < self._most
            if kept:
                self._idle.append((time.monotonic(), session))
        if not kept:
            self._end(session)

    def end_all(self) -> None:
        """End what is kept."""
        with self._lock:
            ended, self._idle = self._idle, []
        for _, session in ended:
            self._end(session)

    def close(self) -> None:
        """End what is kept, and keep nothing from now on: threads that were left behind may come late."""
        with self._lock:
            self._over = True
        self.end_all()


BulkSessions: TypeAlias = "IdleSessions[dbapi.Connection]"
"""Sessions for bulk data."""
