"""The runner: takes the steps of a migration one after the other, on a thread of its own.

Front ends see :class:`RunHandle`: they poll :meth:`~RunHandle.progress`, send a pause, a cancel or a confirmation,
and read the outcome. Nothing of the engine knows who is watching.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from migrator_tui.migration.board import Board
from migrator_tui.migration.control import Control
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Plan
from migrator_tui.model.progress import Progress, RunStatus

JOIN_EVERY = 0.2


class RunHandle(Protocol):
    """A run as front ends see it; a scripted one stands in for it in tests of screens."""

    def progress(self) -> Progress:
        """The run at this moment."""

    def plan(self) -> Plan | None:
        """The plan, once it is made."""

    def pause(self) -> None:
        """Pause; takes effect within a second."""

    def unpause(self) -> None:
        """Go on after a pause."""

    def cancel(self) -> None:
        """Stop; takes effect within a second, and ``resume`` continues."""

    def confirm(self) -> None:
        """Publish: the answer to ``waiting_for == "confirmation"``."""

    def outcome(self) -> RunOutcome | None:
        """The summary, once the run has ended."""


class Runner:
    """Runs ``work`` on a thread, with a board and a control. Implements :class:`RunHandle`."""

    def __init__(self, run: str, work: Callable[[Runner], RunOutcome]) -> None:
        """``work`` does the whole run and never raises for what a run can meet; it returns the summary."""
        self.run = run
        self.board = Board(run)
        self.control = Control()
        self.current_plan: Plan | None = None
        self._work = work
        self._confirmed = threading.Event()
        self._outcome: RunOutcome | None = None
        self._crash: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name=f"runner-{run}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self, timeout: float | None = None) -> RunOutcome | None:
        """Wait for the end.

        Args:
            timeout: Seconds; None waits as long as it takes, and lets signals through meanwhile.

        Returns:
            The outcome, or None if the time was over first.

        Raises:
            BaseException: A fault of the program, as it was raised on the runner's thread.
        """
        if timeout is None:
            while self._thread.is_alive():
                self._thread.join(JOIN_EVERY)
        else:
            self._thread.join(timeout)
        if self._crash is not None:
            raise self._crash
        return self._outcome

    def progress(self) -> Progress:
        """The run at this moment."""
        progress = self.board.snapshot()
        paused = self.control.paused and progress.status is RunStatus.RUNNING
        return replace(progress, status=RunStatus.PAUSED) if paused else progress

    def plan(self) -> Plan | None:
        """The plan, once it is made."""
        return self.current_plan

    def pause(self) -> None:
        """Pause; takes effect within a second."""
        self.control.pause()

    def unpause(self) -> None:
        """Go on after a pause."""
        self.control.resume()

    def cancel(self) -> None:
        """Stop; takes effect within a second, and ``resume`` continues."""
        self.control.cancel()
        self._confirmed.set()

    def confirm(self) -> None:
        """Publish."""
        self._confirmed.set()

    def outcome(self) -> RunOutcome | None:
        """The summary, once the run has ended."""
        return self._outcome

    def await_confirmation(self) -> None:
        """On the runner's thread: wait until the person confirms.

        Raises:
            Interrupted: Cancelled meanwhile.
        """
        self.board.set_waiting("confirmation")
        self._confirmed.wait()
        self.board.set_waiting(None)
        self.control.check()

    def _main(self) -> None:
        try:
            self._outcome = self._work(self)
        except BaseException as error:
            self._crash = error
            self.board.say(f"The engine stopped by a fault of the program: {type(error).__name__}.")
            self.board.set_status(RunStatus.FAILED)
