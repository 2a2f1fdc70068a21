"""A stand-in for the pooler in front of a project's database: it passes sessions on, or refuses them in its own words.

It reads only how a session begins. The user is ``<role>.<ref>``; its errors are ``(CODE) text`` with SQLSTATE XX000, as
supabase/supavisor writes them, and after ten passwords that were wrong it lets nobody in for two minutes.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from migrator_tui.demo.project.layout import OWNER
from migrator_tui.postgres.connect import Target

HOST = "127.0.0.1"
MOST_FAILURES = 10
WINDOW_SECONDS = 150
BLOCK_SECONDS = 120

_VERSION_3, _CANCEL, _SSL, _GSS = 196608, 80877102, 80877103, 80877104
_LONGEST_START = 10_000


class Pooler:
    """A pooler that runs. Use as a context, or call :meth:`start` and :meth:`stop`.

    Attributes:
        ref: The project that it knows.
        most_sessions: More at once are refused with EMAXCONNSESSION.
        allowed: Whether this machine's address may connect; EADDRNOTALLOWED where not.
        requires_ssl: Refuse with ESSLREQUIRED who comes without TLS, which the stand-in itself does not speak.
        blocked_until: Seconds since 1970 until which ECIRCUITBREAKER is the answer.
        clock: Tells the time; a test may put another in its place.
    """

    def __init__(self, ref: str, database: Target, *, most_sessions: int = 15, role: str = "postgres") -> None:
        """
        Args:
            database: The database that sessions are passed on to, whoever is named in it.
            role: The name before ``.<ref>`` that stands for the project's owner.
        """
        self.ref = ref
        self.most_sessions = most_sessions
        self.allowed = True
        self.requires_ssl = False
        self.blocked_until = 0.0
        self.clock: Callable[[], float] = time.time
        self._database = database
        self._role = role
        self._failures: deque[float] = deque()
        self._lock = threading.Lock()
        self._sessions: set[socket.socket] = set()
        self._listening: socket.socket | None = None
        self.port = 0

    def start(self) -> Pooler:
        """Listen; from then on :attr:`port` is known."""
        listening = socket.create_server((HOST, self.port))
        self._listening, self.port = listening, listening.getsockname()[1]
        threading.Thread(target=self._accept, args=(listening,), name="project-pooler", daemon=True).start()
        return self

    def stop(self) -> None:
        """Listen no more, and end the sessions."""
        if self._listening:
            _end(self._listening)
            self._listening = None
        with self._lock:
            for session in self._sessions:
                _end(session)

    def __enter__(self) -> Pooler:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def database_url(self, password: str, *, ref: str | None = None) -> str:
        """The connection string through the pooler."""
        user = f"{self._role}.{ref or self.ref}"
        return f"postgresql://{user}:{password}@{HOST}:{self.port}/{self._database.database}?sslmode=disable"

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), name="pooler-session", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError):
            start = self._start_of(client)
            if start is None:
                return
            if struct.unpack("!I", start[:4])[0] == _CANCEL:
                with self._backend() as backend:
                    backend.sendall(_with_length(start))
                return
            given = _parameters(start[4:])
            with self._lock:
                refused = self._refusal(given.get("user", ""))
                if refused is None:
                    self._sessions.add(client)
            if refused is not None:
                client.sendall(_error(*refused))
                return
            try:
                self._pass_on(client, given)
            finally:
                with self._lock:
                    self._sessions.discard(client)

    def _start_of(self, client: socket.socket) -> bytes | None:
        """The message that a session begins with, after TLS and GSS were declined."""
        while True:
            (length,) = struct.unpack("!I", _exactly(client, 4))
            if not 8 <= length <= _LONGEST_START:
                return None
            message = _exactly(client, length - 4)
            (code,) = struct.unpack("!I", message[:4])
            if code in (_SSL, _GSS):
                client.sendall(b"N")
                continue
            return message if code in (_VERSION_3, _CANCEL) else None

    def _refusal(self, user: str) -> tuple[str, str] | None:
        """SQLSTATE and text of why a user is not let in."""
        role, _, ref = user.rpartition(".")
        if not role:
            return "XX000", "(ENOIDENTIFIER) no tenant identifier provided (external_id or sni_hostname required)"
        if ref != self.ref:
            return "XX000", f"(ENOTFOUND) tenant/user {user} not found"
        if self.requires_ssl:
            return "XX000", f"(ESSLREQUIRED) SSL connection is required for user: {role}"
        if not self.allowed:
            return "XX000", "(EADDRNOTALLOWED) address not in tenant allow_list: {127, 0, 0, 1}"
        now = self.clock()
        if now < self.blocked_until:
            # Each attempt extends it.
            self.blocked_until = now + BLOCK_SECONDS
            return "XX000", (
                "(ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked until: "
                f"{int(self.blocked_until)}"
            )
        if len(self._sessions) >= self.most_sessions:
            return "XX000", (
                "(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: "
                f"{self.most_sessions}"
            )
        return None

    def _pass_on(self, client: socket.socket, given: dict[str, str]) -> None:
        role = given["user"].rpartition(".")[0]
        given["user"] = OWNER if role == self._role else role
        with self._backend() as backend:
            parts = b"".join(f"{name}\0{value}\0".encode() for name, value in given.items())
            backend.sendall(_with_length(struct.pack("!I", _VERSION_3) + parts + b"\0"))
            upward = threading.Thread(target=_pump, args=(client, backend), name="pooler-upward", daemon=True)
            upward.start()
            if self._signed_in(backend, client):
                _pump(backend, client)
            _end(backend)
            _end(client)
            upward.join()

    def _signed_in(self, backend: socket.socket, client: socket.socket) -> bool:
        """Pass the sign-in's answers on, message by message, and count the password that is wrong."""
        while True:
            head = _exactly(backend, 5)
            body = _exactly(backend, struct.unpack("!I", head[1:])[0] - 4)
            client.sendall(head + body)
            if head[:1] == b"R" and body[:4] == bytes(4):
                return True
            if head[:1] == b"E":
                if b"\0C28P01\0" in b"\0" + body:
                    self._failed()
                return False

    def _failed(self) -> None:
        with self._lock:
            now = self.clock()
            self._failures.append(now)
            while self._failures and self._failures[0] <= now - WINDOW_SECONDS:
                self._failures.popleft()
            if len(self._failures) >= MOST_FAILURES:
                self.blocked_until = now + BLOCK_SECONDS
                self._failures.clear()

    def _backend(self) -> socket.socket:
        target = self._database
        if target.host.startswith("/"):
            backend = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            backend.connect(f"{target.host}/.s.PGSQL.{target.port}")
            return backend
        return socket.create_connection((target.host, target.port))


def _exactly(source: socket.socket, size: int) -> bytes:
    """So many bytes.

    Raises:
        EOFError: The other side ended before.
    """
    found = bytearray()
    while len(found) < size:
        piece = source.recv(size - len(found))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)


def _with_length(message: bytes) -> bytes:
    return struct.pack("!I", len(message) + 4) + message


def _parameters(body: bytes) -> dict[str, str]:
    words = body.decode(errors="replace").split("\0")
    return {name: value for name, value in zip(words[::2], words[1::2], strict=False) if name}


def _error(state: str, text: str) -> bytes:
    fields = b"".join(
        kind + value.encode() + b"\0" for kind, value in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", state), (b"M", text))
    )
    return b"E" + _with_length(fields + b"\0")


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _end(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
