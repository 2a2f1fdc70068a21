"""What can go wrong on purpose: slow answers, error statuses, bodies that are no JSON, connections that drop."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(slots=True)
class Fault:
    """A rule: the next requests to a path fail.

    Attributes:
        path: A regular expression that the path (with ``/storage/v1`` or ``/auth/v1``) must match from its beginning.
        method: Only this method; every one where empty.
        times: How many more requests it meets.
        status: What is answered: 429, 500, 503 …; 0 lets the request through.
        body: The answer's body; JSON where it is a dict.
        headers: Further headers of the answer (``Retry-After`` …).
        drop_after: The connection ends, without an answer, when this many bytes of the request's body were taken.
        drop_answer: The request is done, and the connection ends before its answer.
        skip: Requests that match and are let through before the first one is met.
    """

    path: str
    method: str = ""
    times: int = 1
    status: int = 0
    body: str | dict[str, object] = ""
    headers: dict[str, str] = field(default_factory=dict)
    drop_after: int | None = None
    drop_answer: bool = False
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came in."""

    method: str
    path: str
    query: str


class Faults:
    """The rules, the latency and a list of the requests that came. May be used from any thread.

    Attributes:
        latency: Seconds that each request waits before it is looked at.
    """

    def __init__(self) -> None:
        self.latency = 0.0
        self._rules: list[Fault] = []
        self._seen: list[Seen] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Add a rule; the first that matches counts."""
        with self._lock:
            self._rules.append(fault)

    def clear(self) -> None:
        """Forget all rules and the requests seen; no latency."""
        with self._lock:
            self._rules.clear()
            self._seen.clear()
        self.latency = 0.0

    def seen(self, path: str = "", method: str = "") -> list[Seen]:
        """The requests that came, oldest first: those to a path (as in :class:`Fault`) and of a method."""
        with self._lock:
            return [
                request for request in self._seen if re.match(path, request.path) and method in ("", request.method)
            ]

    def next_for(self, method: str, path: str, query: str) -> Fault | None:
        """The rule that a request meets, counted down."""
        with self._lock:
            self._seen.append(Seen(method, path, query))
            for rule in self._rules:
                if rule.times > 0 and rule.method in ("", method) and re.match(rule.path, path):
                    if rule.skip > 0:
                        rule.skip -= 1
                        continue
                    rule.times -= 1
                    return rule
        return None


class FaultyApp:
    """An ASGI application behind the faults."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fault = self._faults.next_for(scope["method"], scope["path"], scope["query_string"].decode())
        if self._faults.latency:
            await asyncio.sleep(self._faults.latency)
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.drop_after is not None:
            await self._drop_after(fault.drop_after, scope, receive, send)
        elif fault.drop_answer:
            await self._drop_answer(scope, receive, send)
        else:
            await _answer(fault, send)

    async def _drop_after(self, most: int, scope: Scope, receive: Receive, send: Send) -> None:
        """The application sees what came before the end as a client that went away."""
        taken = 0
        gone = False

        async def cut() -> Message:
            nonlocal taken, gone
            if gone:
                return {"type": "http.disconnect"}
            message = await receive()
            if message["type"] != "http.request":
                return message
            body = message.get("body", b"")
            taken += len(body)
            if taken < most and message.get("more_body"):
                return message
            gone = True
            left = body[: len(body) - max(0, taken - most)]
            return {"type": "http.request", "body": left, "more_body": True}

        async def nowhere(message: Message) -> None:
            """No answer is given."""

        await self._app(scope, cut, nowhere)
        await _hang_up(receive)

    async def _drop_answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def nowhere(message: Message) -> None:
            """No answer is given."""

        await self._app(scope, receive, nowhere)
        await _hang_up(receive)


async def _hang_up(receive: Receive) -> None:
    """End the connection. ASGI has no message for it: the server's own transport is behind its ``receive``."""
    cycle: Any = getattr(receive, "__self__", None)
    if cycle is not None:
        cycle.transport.abort()
        while not cycle.disconnected:
            await asyncio.sleep(0)


async def _answer(fault: Fault, send: Send) -> None:
    text = json.dumps(fault.body) if isinstance(fault.body, dict) else fault.body
    kind = b"application/json" if isinstance(fault.body, dict) else b"text/html"
    headers = [(b"content-type", kind), (b"content-length", str(len(text.encode())).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in fault.headers.items()]
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
