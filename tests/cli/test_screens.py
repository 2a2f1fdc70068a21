"""Opening the screens from the command line, before a real terminal and without one."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "migrator_tui"]
CTRL_Q = b"\x11"
LOOKS = 1800
"""Looks of a tenth of a second: far longer than it takes, so that what does not come fails instead of hanging."""


def at_a_terminal(words: list[str], folder: Path, shown: bytes) -> tuple[bytes, int]:
    """Start the program before a terminal, wait for a text, quit by Ctrl+Q; what was shown and the exit code."""
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", "TEXTUAL_ANIMATIONS": "none"}
    process = subprocess.Popen(
        [*PROGRAM, *words], cwd=folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
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
            if shown in seen and not sent:
                sent = True
                os.write(ours, CTRL_Q)
        return seen, process.wait()
    finally:
        process.kill()
        os.close(ours)


@pytest.mark.parametrize(("words", "shown"), [([], b"Try the demo"), (["demo"], b"Both ends are open")])
def test_at_a_terminal_the_screens_open(tmp_path: Path, words: list[str], shown: bytes) -> None:
    seen, code = at_a_terminal(words, tmp_path, shown)
    assert shown in seen
    assert code == 0


def test_without_a_terminal_the_help_is_printed(tmp_path: Path) -> None:
    done = subprocess.run(PROGRAM, cwd=tmp_path, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert "Usage: migrator-tui" in done.stdout
