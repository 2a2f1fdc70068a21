"""A session that is kept between the pages that a person turns: a new one over TLS costs more than the page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

IDLE = 10.0
"""Seconds after which a session may have been ended by the other side, which is asked for first then."""


class KeptSession:
    """One session at a time, for one thread at a time; a run's pages are read by it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run = ""
        self._connection: psycopg.Connection[Any] | None = None
        self._used = 0.0

    @contextmanager
    def of(self, run: str, connect: Callable[[], psycopg.Connection[Any]]) -> Iterator[psycopg.Connection[Any]]:
        """The session of a run, opened by ``connect`` where there is none that still works."""
        with self._lock:
            if self._connection is None or self._run != run or not self._works():
                self._end()
                self._connection, self._run = connect(), run
            try:
                yield self._connection
            except psycopg.OperationalError:
                self._end()
                raise
            finally:
                self._used = time.monotonic()

    def close(self) -> None:
        """End it; it is opened again when it is wanted."""
        with self._lock:
            self._end()

    def _works(self) -> bool:
        assert self._connection is not None
        if self._connection.closed or time.monotonic() - self._used < IDLE:
            return not self._connection.closed
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def _end(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
