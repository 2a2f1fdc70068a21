"""Pause and cancel: how a person's wish reaches the threads at work."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from migrator_tui.model.errors import Interrupted

T = TypeVar("T")

LOOK_EVERY = 0.05


class PauseRequested(Exception):
    """Raised inside a load to abort the chunk at hand; it is loaded again after the pause.

    A transaction is not held open on somebody's production database while the person thinks.
    """


class Control:
    """Shared by the runner and its workers. Every wait of the engine waits on this, never on the clock alone."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self._lock = threading.Lock()
        self._interrupts: list[Callable[[], object]] = []

    def pause(self) -> None:
        """Ask for a pause: chunks in flight are aborted, no new one begins."""
        self._running.clear()

    def resume(self) -> None:
        """Go on after a pause."""
        self._running.set()

    def cancel(self) -> None:
        """Ask to stop for good, also out of a pause."""
        self.stopped.set()
        self._running.set()
        with self._lock:
            interrupts = list(self._interrupts)
        for interrupt in interrupts:
            # On a thread of its own: the server that is asked may not answer, and nobody is to wait for it here.
            threading.Thread(target=_quietly, args=(interrupt,), daemon=True).start()

    @contextmanager
    def interruptible(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """While inside, a cancel calls ``interrupt``, such as a connection's ``cancel_safe``."""
        with self._lock:
            self._interrupts.append(interrupt)
        try:
            yield
        finally:
            with self._lock:
                self._interrupts.remove(interrupt)

    def abandonable(self, work: Callable[[], T]) -> T:
        """Do something that cannot be interrupted; a cancel leaves it behind on a thread of its own.

        Only for work that nobody else sees until it is done: on files of this run, or to open a session.

        Raises:
            Interrupted: Cancelled.
        """
        done: list[T] = []
        failed: list[BaseException] = []

        def do() -> None:
            try:
                done.append(work())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=do, name="abandonable", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(LOOK_EVERY)
            self.check()
        if failed:
            raise failed[0]
        return done[0]

    @property
    def paused(self) -> bool:
        """A pause was asked for."""
        return not self._running.is_set()

    def within_chunk(self) -> None:
        """Call between batches.

        Raises:
            Interrupted: Cancelled.
            PauseRequested: Paused; abort the chunk, call :meth:`between_chunks`, begin the chunk again.
        """
        self.check()
        if self.paused:
            raise PauseRequested

    def between_chunks(self) -> None:
        """Call with no transaction open; returns when the work may go on.

        Raises:
            Interrupted: Cancelled.
        """
        self._running.wait()
        self.check()

    def check(self) -> None:
        """Raise if cancelled.

        Raises:
            Interrupted: Cancelled.
        """
        if self.stopped.is_set():
            raise cancelled()


def cancelled() -> Interrupted:
    """The error of work that the person cancelled."""
    return Interrupted("CANCELLED", "Cancelled.", "`migrator-tui resume RUN` goes on where it stopped.")


def _quietly(interrupt: Callable[[], object]) -> None:
    """An interrupt that fails finds a connection that is lost, and the run ends without it."""
    with contextlib.suppress(Exception):
        interrupt()
