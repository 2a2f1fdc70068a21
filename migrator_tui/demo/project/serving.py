"""Runs an application on a port of this machine, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from migrator_tui.model.errors import UsageError

HOST = "127.0.0.1"
# Without a handler of its own Python would print what the server logs, through whatever is on the screen.
logging.getLogger("uvicorn").addHandler(logging.NullHandler())
_PATIENCE = 30.0


class Serving:
    """A server that runs until it is stopped."""

    def __init__(self, app: ASGIApp, port: int = 0) -> None:
        # The protocol by its name: asyncio turns Nagle's delay off only where it is named, and 40 ms a request with it.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((HOST, port))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="on",
            ws="none",
            loop="asyncio",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="project-api", daemon=True)
        self._failed = False

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            UsageError: It does not start.
        """
        # It listens from here on: a request that comes before the server is ready waits for it.
        self._socket.listen(256)
        self._thread.start()
        waiting = threading.Event()
        for _ in range(int(_PATIENCE / 0.01)):
            if self._server.started or not self._thread.is_alive():
                break
            waiting.wait(0.01)
        if not self._server.started:
            raise UsageError("PROJECT-START", "The stand-in for a project does not start.", "Its log has the reason.")

    def stop(self) -> None:
        """Stop it; requests under way have a second to end."""
        self._server.should_exit = True
        self._thread.join(_PATIENCE)
        self._socket.close()

    def _run(self) -> None:
        with contextlib.suppress(SystemExit, asyncio.CancelledError):
            asyncio.run(self._server.serve(sockets=[self._socket]))


def lifespan_of(close: Callable[[], object]) -> Callable[[object], AbstractAsyncContextManager[None]]:
    """What Starlette runs around an application's life: at its end ``close``, and what it gives is awaited."""

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        result = close()
        if asyncio.iscoroutine(result):
            await result

    return lifespan
