"""Pause and cancel: how a person's wish reaches the threads at work."""

from __future__ import annotations

import threading

from migrator_tui.model.errors import Interrupted


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
