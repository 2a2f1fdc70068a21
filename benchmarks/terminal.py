"""A program in a terminal of its own (a pty), with the moment of each frame that it painted."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

KEYS = {"enter": "\r", "escape": "\x1b", "tab": "\t", "up": "\x1b[A", "down": "\x1b[B", "pageup": "\x1b[5~",
        "pagedown": "\x1b[6~", "home": "\x1b[H", "end": "\x1b[F", "ctrl+q": "\x11"}  # fmt: skip
FRAMES_ASKED, FRAMES_ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
"""Whether the terminal understands where a frame begins and ends; as a terminal of today, this one does."""
FRAME_END = b"\x1b[?2026l"
MOVE = re.compile(r"\x1b\[\d*(?:;\d*)?H|\r?\n")
ESCAPE = re.compile(r"\x1b(?:\[[0-9;:?<>=]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_]|[()][A-Z0-9])")


@dataclass(frozen=True, slots=True)
class Frame:
    """One paint: when its last byte was there (``time.monotonic``), and its bytes."""

    at: float
    painted: bytes

    @property
    def text(self) -> str:
        """What was painted, each stretch of cells in a line of its own."""
        return ESCAPE.sub("", MOVE.sub("\n", self.painted.decode("utf-8", "replace")))


@dataclass
class Terminal:
    """Runs a program until the ``with`` block ends; then it is stopped, should it still run."""

    words: Sequence[str]
    env: Mapping[str, str]
    columns: int = 120
    rows: int = 36
    frames: list[Frame] = field(default_factory=list)

    def __enter__(self) -> Terminal:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
        env = {**self.env, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            self.words, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, name="terminal", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(5)
        os.close(self._ours)

    def press(self, *keys: str) -> float:
        """Type keys, by name or as they are; the moment before they were written."""
        at = time.monotonic()
        os.write(self._ours, "".join(KEYS.get(key, key) for key in keys).encode())
        return at

    def wait(self, met: Callable[[str], bool], *, since: int | None = None, seconds: float = 60) -> Frame:
        """The first frame, of those painted since the frame number ``since`` or from now on, whose text is so.

        Raises:
            TimeoutError: With the text of the last frames.
        """
        at = len(self.frames) if since is None else since
        end = time.monotonic() + seconds
        while True:
            with self._more:
                while at >= len(self.frames):
                    if not self._more.wait(max(0.0, end - time.monotonic())) or time.monotonic() > end:
                        said = "\n".join(frame.text for frame in self.frames[-5:])
                        raise TimeoutError(f"not within {seconds} s; the last frames:\n{said}")
            if met(self.frames[at].text):
                return self.frames[at]
            at += 1

    def _read(self) -> None:
        kept = b""
        while True:
            try:
                select.select([self._ours], [], [])
                read = os.read(self._ours, 1 << 16)
            except OSError:  # the other side is closed
                return
            if not read:
                return
            at = time.monotonic()
            if FRAMES_ASKED in read:
                os.write(self._ours, FRAMES_ANSWER)
            *whole, kept = (kept + read).split(FRAME_END)
            if whole:
                with self._more:
                    self.frames += [Frame(at, painted) for painted in whole]
                    self._more.notify_all()
