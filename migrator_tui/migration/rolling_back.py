"""Rolling a run back: unpublished, its staging goes; published, it is undone where nobody changed anything since."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, TypeVar

import psycopg

from migrator_tui.migration import report
from migrator_tui.migration.audit import AuditTrail
from migrator_tui.migration.companions import Companion, Undoing
from migrator_tui.migration.run import actor
from migrator_tui.migration.run_files import AUDIT, PLAN_JSON, read_outcome, read_plan, write_outcome
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.run_target import require_run_target
from migrator_tui.migration.runner import Runner
from migrator_tui.migration.syncing.sync_companions import of_run
from migrator_tui.migration.syncing.sync_record import take_back_file
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.outcome import ErrorReport, RunOutcome
from migrator_tui.model.plan import Plan
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres import ledger, publish
from migrator_tui.postgres import undo as undoing
from migrator_tui.postgres.connect import Target, connect, explain, retrying
from migrator_tui.postgres.ledger import Fence
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.sensitive import sensitive

T = TypeVar("T")


class Rollback:
    """The rollback of one run. Called by a :class:`~migrator_tui.migration.runner.Runner` on its thread."""

    def __init__(self, target: Target, folder: RunFolder, *, api: Api | None = None) -> None:
        self._target = target
        self._api = api
        self._folder = folder
        self._audit = AuditTrail(folder.file(AUDIT), folder.run, actor=actor())

    def __call__(self, runner: Runner) -> RunOutcome:
        """Roll back to an end, whatever it is."""
        record = self._folder.record()
        self._runner = runner
        plan = read_plan(self._folder) if self._folder.file(PLAN_JSON).exists() else None
        self._plan = plan
        # What had moved and been decided stays in the report; only its end is another one.
        before = read_outcome(self._folder) or RunOutcome(
            run=self._folder.run,
            command="rollback",
            status=RunStatus.ROLLED_BACK,
            source=record.source,
            target=self._target.display,
            started=record.started,
        )
        outcome = replace(before, command="rollback", status=RunStatus.ROLLED_BACK, error=None)
        self._audit.record("rollback-started", target=self._target.display, pid=os.getpid())
        try:
            runner.board.say(f"rolling back {self._folder.run}")
            undone = retrying(
                self._undo,
                target=self._target,
                established=True,
                stop=runner.control.stopped,
                on_wait=runner.board.set_retry,
            )
            gone = tuple(replace(table, published_rows=0, verified=False) for table in outcome.tables)
            outcome = replace(outcome, tables=gone, kept_edits=undone.kept, notes=(_said(undone, plan),))
            self._folder.set_status(RunStatus.ROLLED_BACK)
            self._audit.record("rolled-back", tables=undone.moved, deleted=undone.deleted, restored=undone.restored)
        except MigratorError as error:
            outcome = replace(outcome, status=RunStatus.FAILED, error=ErrorReport(error.id, error.message, error.hint))
            self._audit.record("rollback-failed", error=error.id)
        runner.board.set_status(outcome.status)
        outcome = replace(
            outcome,
            seconds=runner.board.snapshot().seconds,
            audit_anchor=self._audit.anchor,
            report=str(self._folder.file("report.html")),
        )
        if outcome.status is RunStatus.ROLLED_BACK:  # one that failed leaves the run's own report standing
            report.write_all(self._folder.path, outcome, plan)
            write_outcome(self._folder, outcome)
        return outcome

    def _undo(self) -> undoing.Undone:
        with connect(self._target, application_name=f"migrator-tui {self._folder.run}") as connection:
            try:
                return self._undo_on(connection)
            except psycopg.Error as error:
                raise explain(error, self._target, established=True) from error

    def _undo_on(self, connection: psycopg.Connection[Any]) -> undoing.Undone:
        run = self._folder.run
        require_run_target(connection, self._folder)
        if ledger.read_run(connection, run) is None:
            # It never came to staging: there is nothing of it on the target.
            return undoing.Undone(0, 0, 0, (), None)
        fence = ledger.take_over(connection, run)
        published = ledger.read_step(connection, run, publish.STEP) is not None
        if not published:
            with connection.transaction():
                ledger.set_state(connection, fence, "rolled_back")
            undone = undoing.Undone(0, 0, 0, (), None)
        else:
            undone = undoing.undo(
                connection,
                fence,
                beside=lambda c: self._undo_beside(c, fence),
                secret=lambda column: sensitive(column) is not None,
            )
        for companion in self._companions():
            undone = replace(undone, kept=(*undone.kept, *companion.undo(self._undoing(fence))))
        if published:
            undone = replace(undone, kept=(*undone.kept, *take_back_file(self._folder)))
        publish.drop_staging(connection, run)
        ledger.anchor(connection, run, *self._audit.anchor)
        return undone

    def _companions(self) -> tuple[Companion, ...]:
        # What came last is taken back first.
        return tuple(reversed(of_run(self._plan, self._folder))) if self._plan else ()

    def _undo_beside(self, connection: psycopg.Connection[Any], fence: Fence) -> list[str]:
        undoing_with = self._undoing(fence)
        return [line for c in self._companions() for line in c.undo_within(connection, undoing_with)]

    def _undoing(self, fence: Fence) -> Undoing:
        assert self._plan is not None
        return Undoing(
            run=self._folder.run,
            plan=self._plan,
            target=self._target,
            fence=fence,
            folder=self._folder,
            board=self._runner.board,
            control=self._runner.control,
            audit=self._audit,
            api=self._api,
        )


def _said(undone: undoing.Undone, plan: Plan | None) -> str:
    rows = [
        f"{number:,} {kind} {f'row {one}' if number == 1 else f'rows {many}'}"
        for number, kind, one, many in (
            (undone.deleted, "added", "was deleted", "were deleted"),
            (undone.restored, "changed", "is as it was", "are as they were"),
        )
        if number
    ]
    parts = [f"in live tables {' and '.join(rows)}"] if rows else []
    if undone.moved:
        parts.insert(0, f"{undone.moved:,} {'table was' if undone.moved == 1 else 'tables were'} taken back")
    elif not rows:
        parts = ["no table had been published"]
    project = plan.project if plan else None
    beside = ["the users that the run made"] if project and project.users else []
    beside += ["the files that it uploaded"] if project and project.files else []
    if beside:
        parts.append(f"{' and '.join(beside)} were deleted{', save what is listed as kept' if undone.kept else ''}")
    return "; ".join(parts) + "."
