"""How a run reaches its target: on sessions of its own, kept from step to step, made again where they are lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psycopg

from migrator_tui.migration.board import Board
from migrator_tui.migration.control import Control
from migrator_tui.postgres import ledger
from migrator_tui.postgres.compare import close_quietly
from migrator_tui.postgres.connect import HangUp, Target, connect, explain, retrying
from migrator_tui.postgres.idle_sessions import BulkSessions, IdleSessions
from migrator_tui.postgres.ledger import Fence

Connection = psycopg.Connection[Any]
T = TypeVar("T")


class RunSessions:
    """The sessions of one run. Any of its threads may work with them.

    Attributes:
        bulk: Sessions for bulk data that no worker uses.
    """

    def __init__(
        self, target: Target, run: str, control: Control, board: Board, *, most: int, fence: Callable[[], Fence | None]
    ) -> None:
        """
        Args:
            board: Told why the run waits for the target.
            most: How many sessions for bulk data are kept.
            fence: The run's fence, once it has one: sessions are entered in the ledger under it.
        """
        self._target = target
        self._run = run
        self._control = control
        self._board = board
        self._fence = fence
        self._idle: IdleSessions[Connection] = IdleSessions(1, _close)
        self.bulk: BulkSessions = IdleSessions(most, close_quietly)

    def work(self, work: Callable[[Connection], T], *, established: bool = True) -> T:
        """Work on a session that nobody else uses, again where it was lost. ``work`` must bear repetition.

        Args:
            established: The target could be reached before.
        """
        return retrying(
            lambda: self._attempt(work),
            target=self._target,
            established=established,
            stop=self._control.stopped,
            on_wait=self._board.set_retry,
        )

    def end_idle(self) -> None:
        """End the sessions that nobody uses; they are made again when they are wanted."""
        self._idle.end_all()
        self.bulk.end_all()

    def close(self) -> None:
        """End the sessions that nobody uses, and from now on those that are done with."""
        self._idle.close()
        self.bulk.close()

    def _attempt(self, work: Callable[[Connection], T]) -> T:
        connection = self._idle.take() or self._control.abandonable(self._open)
        try:
            done = self._work_on(connection, work)
        except BaseException:
            connection.close()
            raise
        self._idle.leave(connection)
        return done

    def _open(self) -> Connection:
        connection = connect(self._target, application_name=f"migrator-tui {self._run}")
        if self._control.stopped.is_set():  # nobody waits for it any more
            connection.close()
        return connection

    def _work_on(self, connection: Connection, work: Callable[[Connection], T]) -> T:
        control = self._control
        with HangUp(connection) as hang_up:
            try:
                with control.interruptible(connection.cancel_safe), control.interruptible(hang_up.unless_done):
                    control.check()  # a cancel that came before there was anything to interrupt
                    self._board.set_retry(None)
                    if (fence := self._fence()) is not None:
                        ledger.record_backend(connection, fence)
                    return work(connection)
            except psycopg.Error as error:
                control.check()  # a statement that was cancelled because the run was
                raise explain(error, self._target, established=True) from error


def _close(connection: Connection) -> None:
    with suppress(psycopg.Error):
        connection.close()
