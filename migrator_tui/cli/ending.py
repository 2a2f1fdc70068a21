"""Being told to end, by Ctrl-C, SIGTERM or the terminal's closing: in order, so that no server is left running.

By default SIGTERM and SIGHUP end a process on the spot: nothing is cancelled, and nobody stops the embedded server.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

SIGHUP = getattr(signal, "SIGHUP", None)
"""The terminal was closed; there is none on Windows."""


@contextmanager
def interrupts(stop: Callable[[], object]) -> Iterator[None]:
    """Ctrl-C, SIGTERM and the terminal's closing stop what is at work, instead of ending the process in the middle.

    Args:
        stop: Called on the main thread, between two of its steps, and again for each signal.
    """
    with _handling((signal.SIGINT, signal.SIGTERM), stop):
        yield


@contextmanager
def ending_in_order() -> Iterator[None]:
    """SIGTERM and the terminal's closing unwind the program as Ctrl-C does, servers and temporary files included."""

    def unwind() -> None:
        raise KeyboardInterrupt

    with _handling((signal.SIGTERM,), unwind):
        yield


@contextmanager
def _handling(numbers: tuple[int, ...], act: Callable[[], object]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Whoever starts the program under nohup has said that it outlives its terminal.
    if SIGHUP is not None and signal.getsignal(SIGHUP) is not signal.SIG_IGN:
        numbers = (*numbers, SIGHUP)
    terminals = [number for number in range(3) if _is_terminal(number)]

    def end(number: int, frame: object) -> None:
        if number == SIGHUP:
            _let_go_of(terminals)
        act()

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_terminal(number: int) -> bool:
    try:
        return os.isatty(number)
    except OSError:
        return False


def _let_go_of(terminals: list[int]) -> None:
    """Let what is still written go nowhere: a terminal that is gone answers with an error, which would end the end."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in terminals:
            os.dup2(nowhere, number)
        os.close(nowhere)
