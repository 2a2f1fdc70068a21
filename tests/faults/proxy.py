"""A TCP proxy in front of a server's Unix socket that loses, holds and cuts what passes through it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from migrator_tui.postgres.connect import Target

PIECE = 65_536
DRIP_SECONDS = 0.01


class Proxy:
    """Forwards every connection to the server of a target. Use as a context.

    Attributes:
        accepted: Connections that were made to it.
        swallowed: Replies to COMMIT that it has kept to itself.
        cuts: Connections that :meth:`cut_after` ended.
        turned_away: Connections that :meth:`turn_away` ended.
        holding: Set while it forwards nothing.
    """

    def __init__(self, target: Target) -> None:
        self._behind = target
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._swallow = 0
        self._swallow_after = b""
        self._cut_in: int | None = None
        self._hold_in: int | None = None
        self._drip: int | None = None
        self._clock = threading.Event()
        self._forwarding = threading.Event()
        self._forwarding.set()
        self.holding = threading.Event()
        self.accepted = 0
        self.swallowed = 0
        self.cuts = 0
        self.turned_away = 0
        self._turn_away: int | None = None
        self.port = 0
        self._listen()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        self.let_go()
        self.cut()

    def target(self, of: Target | None = None) -> Target:
        """The target behind, or another of the same server, by way of the proxy."""
        parameters = dict((of or self._behind).parameters) | {"sslmode": "disable", "gssencmode": "disable"}
        return replace(of or self._behind, host="127.0.0.1", port=self.port, parameters=parameters)

    def swallow_commits(self, times: int, *, after: str = "") -> None:
        """Keep the next replies to COMMIT back and end their connections: the server has committed, nobody knows.

        Args:
            after: Only of transactions in which the server reported a command that begins so, such as ``COPY``.
        """
        with self._lock:
            self._swallow, self._swallow_after = times, after.encode()

    def cut_after(self, sent: int) -> None:
        """End the connection that sends the byte of that number from now on, in the middle of whatever it is."""
        with self._lock:
            self._cut_in = sent

    def hold_after(self, sent: int) -> None:
        """Forward nothing in either direction any more, once so many bytes were sent; connections stay open."""
        with self._lock:
            self._hold_in = sent

    def turn_away(self, number: int) -> None:
        """End the connection of that number from now on, as soon as it is made."""
        self._turn_away = self.accepted + number

    def drip(self, size: int) -> None:
        """Forward what is sent to the server in pieces of this size from now on, a little apart."""
        self._drip = size

    def let_go(self) -> None:
        """Forward again, at full speed."""
        self._drip = None
        self.holding.clear()
        self._forwarding.set()

    def refuse(self) -> None:
        """Let nobody connect any more; connections that there are stay."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()

    def accept_again(self) -> None:
        """Let connections in after :meth:`refuse`, at the same port."""
        self._listen()

    def cut(self) -> None:
        """End every connection."""
        with self._lock:
            ended = list(self._open)
        for end in ended:
            _shut(end)

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._accepting.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(Path(self._behind.host) / f".s.PGSQL.{self._behind.port}"))
            except OSError:  # the server is down
                client.close()
                server.close()
                continue
            self.accepted += 1
            if self.accepted == self._turn_away:
                self.turned_away += 1
                client.close()
                server.close()
                continue
            with self._lock:
                self._open |= {client, server}
            pair = _Pair(client, server)
            for pump in (self._to_server, self._to_client):
                threading.Thread(target=self._pump, args=(pump, pair), daemon=True).start()

    def _pump(self, pump: object, pair: _Pair) -> None:
        assert callable(pump)
        with contextlib.suppress(OSError):
            pump(pair)
        pair.shut()
        if pair.last_one_out():
            with self._lock:
                self._open -= {pair.client, pair.server}
            pair.client.close()
            pair.server.close()

    def _to_server(self, pair: _Pair) -> None:
        while piece := pair.client.recv(PIECE):
            with self._lock:
                cut_at = self._cut_in
                if cut_at is not None:
                    self._cut_in = cut_at - len(piece) if cut_at > len(piece) else None
                if self._hold_in is not None:
                    self._hold_in -= len(piece)
                    if self._hold_in <= 0:
                        self._hold_in = None
                        self._forwarding.clear()
                        self.holding.set()
            if cut_at is not None and cut_at <= len(piece):
                self.cuts += 1
                pair.server.sendall(piece[:cut_at])
                return
            self._forwarding.wait()
            self._send(pair.server, piece)

    def _send(self, server: socket.socket, piece: bytes) -> None:
        while (size := self._drip) is not None and piece:
            server.sendall(piece[:size])
            piece = piece[size:]
            self._clock.wait(DRIP_SECONDS)
        server.sendall(piece)

    def _to_client(self, pair: _Pair) -> None:
        waiting = b""
        seen = False
        while piece := pair.server.recv(PIECE):
            self._forwarding.wait()
            waiting += piece
            passed = 0
            while len(waiting) - passed >= 5:
                kind, length = struct.unpack_from("!cI", waiting, passed)
                if len(waiting) - passed < 1 + length:
                    break
                tag = waiting[passed + 5 : passed + length] if kind == b"C" else b""
                if tag == b"COMMIT":
                    if self._swallows(seen):
                        return
                    seen = False
                elif tag:
                    seen = seen or tag.startswith(self._swallow_after)
                passed += 1 + length
            pair.client.sendall(waiting[:passed])
            waiting = waiting[passed:]

    def _swallows(self, seen: bool) -> bool:
        with self._lock:
            if not self._swallow or (self._swallow_after and not seen):
                return False
            self._swallow -= 1
            self.swallowed += 1
            return True


class _Pair:
    """Both ends of a connection, and how many pumps still work on them."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self._pumps = 2
        self._lock = threading.Lock()

    def shut(self) -> None:
        """End both, so that the other pump ends too."""
        _shut(self.client)
        _shut(self.server)

    def last_one_out(self) -> bool:
        """Whether the other pump has ended already."""
        with self._lock:
            self._pumps -= 1
            return self._pumps == 0


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
