"""A run from beginning to end, whatever its steps are: its folder, its trail, its sessions, and what it came to.

Everything that goes wrong ends as a status with an error that says what to do next.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from migrator_tui.migration import report
from migrator_tui.migration.audit import AuditTrail
from migrator_tui.migration.board import Board
from migrator_tui.migration.request import Request
from migrator_tui.migration.run_files import AUDIT, write_outcome
from migrator_tui.migration.run_folder import RunFolder, RunRecord
from migrator_tui.migration.run_sessions import RunSessions
from migrator_tui.migration.runner import Runner
from migrator_tui.migration.summing_up import hint_of, status_of, table_outcomes
from migrator_tui.model.errors import FenceLost, MigratorError
from migrator_tui.model.outcome import Beside, ErrorReport, RunOutcome, not_carried
from migrator_tui.model.plan import Plan
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres import ledger, publish
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.publish import Published
from migrator_tui.supabase.api import Api

T = TypeVar("T")


class Run:
    """Called by a :class:`~migrator_tui.migration.runner.Runner` on its thread. Subclasses say the steps."""

    def __init__(
        self,
        request: Request,
        target: Target,
        folder: RunFolder,
        *,
        api: Api | None = None,
        failpoint: Callable[[str], None] = lambda name: None,
    ) -> None:
        """
        Args:
            api: The project's APIs, for users and files.
            folder: The run's folder, with its record; of a new run or of one that is resumed.
            failpoint: Called with a name at the moments where a crash would hurt most; tests raise or kill there.
        """
        self._request = request
        self._target = target
        self._folder = folder
        self._api = api
        self._failpoint = failpoint
        self._audit = AuditTrail(folder.file(AUDIT), folder.run, actor=actor())
        self._plan: Plan | None = None
        self._fence: Fence | None = None
        self._published: Published | None = None
        self._conflicts = (0, 0)
        self._beside: tuple[Beside, ...] = ()
        self._shut_out = False
        self._notes: list[str] = list(request.plan_notes)

    def __call__(self, runner: Runner) -> RunOutcome:
        """Run to an end, whatever it is."""
        self._runner = runner
        self._board: Board = runner.board
        self._sessions = RunSessions(
            self._target,
            self._folder.run,
            runner.control,
            runner.board,
            most=self._request.workers,
            fence=lambda: self._fence,
        )
        self._folder.set_status(RunStatus.RUNNING, pid=os.getpid())
        self._audit.record("run-started", command=self._request.command, target=self._target.display)
        error: MigratorError | None = None
        try:
            try:
                self._steps()
            finally:
                self._sessions.close()
            status = RunStatus.SUCCEEDED
        except MigratorError as raised:
            error, status = raised, status_of(raised)
            # A password that was refused once is not tried again, not even to tidy: servers block after a few.
            self._shut_out = raised.id == "TARGET-PASSWORD"
        # What this process makes of it may be the other's doing, such as a staging schema that is gone.
        if status is not RunStatus.INTERRUPTED and self._taken_over():
            error, status = ledger.fence_lost(self._folder.run), RunStatus.INTERRUPTED
        return self._end(status, error)

    def _steps(self) -> None:
        """Do all of it; what was done before a crash is met again.

        Raises:
            MigratorError: What ended it.
        """
        raise NotImplementedError

    def _end(self, status: RunStatus, error: MigratorError | None) -> RunOutcome:
        self._board.set_status(status)
        self._audit.record("run-ended", status=status.value, **({"error": error.id} if error else {}))
        if error is not None:
            self._tidy_after_failure(status)
        outcome = self._outcome(status, error)
        if isinstance(error, FenceLost):  # what the run's folder says is now the other process's to write
            return outcome
        if self._fence is not None and status is not RunStatus.INTERRUPTED:
            self._best_effort(lambda c: ledger.anchor(c, self._folder.run, *self._audit.anchor))
        path = report.write_all(self._folder.path, outcome, self._plan)
        outcome = replace(outcome, report=str(path))
        write_outcome(self._folder, outcome)
        self._folder.set_status(status)
        return outcome

    def _tidy_after_failure(self, status: RunStatus) -> None:
        """A run that cannot be resumed leaves nothing in staging."""
        if (
            self._fence is not None
            and self._published is None
            and status in (RunStatus.FAILED, RunStatus.VERIFICATION_FAILED)
        ):
            self._best_effort(self._drop_staging)

    def _drop_staging(self, connection: psycopg.Connection[Any]) -> None:
        assert self._fence is not None
        # Held on a connection of its own: dropping takes many transactions, and none of them may meet the staging of
        # a process that takes the run over meanwhile.
        with connect(self._target) as guard, guard.transaction():
            ledger.hold(guard, self._fence)
            publish.drop_staging(connection, self._folder.run)

    def _taken_over(self) -> bool:
        if self._fence is None or self._shut_out:
            return False
        try:
            with connect(self._target) as connection:
                row = ledger.read_run(connection, self._folder.run)
        except (MigratorError, psycopg.Error):
            return False
        return row is not None and row.fence != self._fence.number

    def _best_effort(self, work: Callable[[psycopg.Connection[Any]], object]) -> None:
        if self._shut_out:
            return
        try:
            with connect(self._target) as connection:
                work(connection)
        except (MigratorError, psycopg.Error) as error:
            self._notes.append(f"The target could not be tidied: {error}".splitlines()[0])

    def _outcome(self, status: RunStatus, error: MigratorError | None) -> RunOutcome:
        record = self._folder.record()
        plan = self._plan
        return RunOutcome(
            run=self._folder.run,
            command=self._request.command,
            status=status,
            source=str(self._request.source),
            target=self._target.display,
            started=record.started,
            tables=table_outcomes(plan, self._board.snapshot(), self._published) if plan else (),
            findings=plan.findings if plan else (),
            not_carried=not_carried(plan) if plan else (),
            stages=self._board.seconds(),
            conflicts_found=self._conflicts[0],
            conflicts_resolved=self._conflicts[1],
            notes=tuple(self._notes),
            seconds=self._board.snapshot().seconds,
            report=str(self._folder.file("report.html")),
            error=ErrorReport(error.id, error.message, hint_of(error, self._folder.run)) if error else None,
            audit_anchor=self._audit.anchor,
            beside=self._beside,
        )

    def _with_target(self, work: Callable[[psycopg.Connection[Any]], T], *, established: bool = True) -> T:
        return self._sessions.work(work, established=established)


def begin(request: Request, target: Target, *, embedded_folder: Path | None = None) -> RunFolder:
    """The folder of a new run, with its record.

    Args:
        embedded_folder: Data folder of the embedded server, where that is the target: its address is found anew.
    """
    folder = RunFolder.create()
    folder.write_record(
        RunRecord(
            run=folder.run,
            status=RunStatus.RUNNING,
            source=str(request.source),
            target="embedded" if embedded_folder else target.display,
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            command=request.command,
            options=request.as_json(),
            pid=os.getpid(),
            embedded_folder=str(embedded_folder) if embedded_folder else None,
            database=target.database,
        )
    )
    return folder


def actor() -> str:
    """Who runs this, for the audit trail."""
    try:
        return getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
