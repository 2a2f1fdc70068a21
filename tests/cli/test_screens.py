"""Opening the screens from the command line, before a real terminal and without one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path

import psutil  # type: ignore[import-untyped]

PROGRAM = [sys.executable, "-m", "migrator_tui"]
CTRL_Q = b"\x11"
LOOKS = 1800
"""Looks of a tenth of a second: far longer than it takes, so that what does not come fails instead of hanging."""


def at_a_terminal(words: list[str], folder: Path, shown: bytes, *, close: bool = False) -> tuple[bytes, int]:
    """Start the program before a terminal, wait for a text, quit by Ctrl+Q; what was shown and the exit code.

    Args:
        close: Close the terminal instead, as its window's cross does.
    """
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests themselves may run under nohup

    environ = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", "TEXTUAL_ANIMATIONS": "none"}
    process = subprocess.Popen(
        [*PROGRAM, *words],
        cwd=folder,
        env=environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=take_terminal,  # its own terminal: only that one's closing is told to it
    )
    os.close(theirs)
    seen, sent = b"", False
    try:
        looks = 0
        while process.poll() is None:
            looks += 1
            assert looks < LOOKS, f"{shown!r} was not shown, or quitting did not end it: {seen[-3000:]!r}"
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    seen += os.read(ours, 65536)
                except OSError:  # the terminal's other end is gone
                    break
            if shown in seen and close:
                break
            if shown in seen and not sent:
                sent = True
                os.write(ours, CTRL_Q)
        if close:
            os.close(ours)
        return seen, process.wait(LOOKS / 10)
    finally:
        process.kill()
        if not close:
            os.close(ours)


def test_at_a_terminal_the_screens_open(tmp_path: Path) -> None:
    seen, code = at_a_terminal([], tmp_path, b"Try the demo")
    assert b"Try the demo" in seen
    assert code == 0


def test_closing_the_terminal_ends_the_demo_with_its_server(tmp_path: Path) -> None:
    seen, code = at_a_terminal(["demo"], tmp_path, b"Both ends are open", close=True)
    assert b"Both ends are open" in seen
    assert code == 130
    data = tmp_path / "migrator-demo" / "postgres"
    assert (data / "PG_VERSION").exists()
    assert not (data / "postmaster.pid").exists()
    assert not [one for one in psutil.process_iter(["cmdline"]) if str(data) in (one.info["cmdline"] or ())]


def test_without_a_terminal_the_help_is_printed(tmp_path: Path) -> None:
    done = subprocess.run(PROGRAM, cwd=tmp_path, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert "Usage: migrator-tui" in done.stdout
