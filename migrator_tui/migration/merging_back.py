"""A backup's rows merged into live tables: staged, compared with what is there, decided, published, and undoable.

The steps are those of a migration; the source is the backup. Rows that only the live tables have stay.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.migration import checking, staging
from migrator_tui.migration.backups.backing_up import Keys, opened
from migrator_tui.migration.backups.backup_advice import merged_with_rows
from migrator_tui.migration.backups.backup_keys import opening_keys
from migrator_tui.migration.backups.restore_plan import restore_plan
from migrator_tui.migration.migrate import Migration
from migrator_tui.migration.planning.quarantine import RowSets
from migrator_tui.migration.planning.target_plan import require_privileges
from migrator_tui.migration.request import Request
from migrator_tui.migration.run_files import PLAN_JSON, read_plan, write_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.errors import BackupError
from migrator_tui.model.origin import Origin
from migrator_tui.model.plan import Plan
from migrator_tui.postgres import backup_file, ledger, publish, restaging
from migrator_tui.postgres.backup import Contents, contents
from migrator_tui.postgres.backup_file import Header, OpeningKey
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.inspect import server_identity
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.load import QuarantinedRow
from migrator_tui.supabase.api import Api

COMMAND = "restore"


def _kept_keys(header: Header) -> Iterator[OpeningKey]:
    return opening_keys(header, os.environ, None)


class MergingBack(Migration):
    """One run. Called by a :class:`~migrator_tui.migration.runner.Runner` on its thread."""

    def __init__(
        self,
        request: Request,
        target: Target,
        folder: RunFolder,
        *,
        api: Api | None = None,
        keys: Keys = _kept_keys,
        failpoint: Callable[[str], None] = lambda name: None,
    ) -> None:
        """
        Args:
            request: Its source is the backup; ``scope.schema`` is empty for the schema that the tables were in.
            keys: Those that may open the backup; by default what the environment and the keyring have.
        """
        super().__init__(request, target, folder, api=api, failpoint=failpoint)
        self._keys = keys
        self._contents: Contents | None = None

    @property
    def _file(self) -> Path:
        return self._request.source

    @property
    def _planned(self) -> bool:
        return self._folder.file(PLAN_JSON).exists()

    def _freeze(self) -> None:
        """The whole backup is read before anything is written; once it is staged it is needed no more."""
        if self._planned:
            return
        self._board.say(f"checking {self._file.name}")
        with opened(self._file, self._keys) as (header, source, data_key):
            self._contents = contents(backup_file.records(source, header, data_key), self._runner.control.stopped)

    def _analyze(self) -> None:
        """What a backup holds is known."""

    def _make_plan(self) -> Plan:
        if self._planned:
            plan = read_plan(self._folder)
            self._use(plan)
            self._board.set_merges_into(self._with_target(lambda c: merged_with_rows(c, plan)))
            return plan
        found = self._contents
        assert found is not None
        digest = _digest(self._file)
        made = self._with_target(
            lambda c: restore_plan(
                c,
                found,
                file=str(self._file),
                digest=digest,
                server=server_identity(c),
                schema=self._request.scope.schema or str(found.document["schema"]),
                tables=[name for name in self._request.scope.include if name != "*"],
            )
        )
        plan = made.plan
        if made.absent:
            self._notes.append(
                f"Not on the target, and so not merged: {', '.join(made.absent)}. "
                f"`migrator-tui restore FILE --tables {','.join(made.absent)}` puts them back."
            )
        self._use(plan)
        self._with_target(lambda c: require_privileges(c, plan, plan.moved[0].target.schema))
        self._board.set_merges_into(self._with_target(lambda c: merged_with_rows(c, plan)))
        write_plan(self._folder, plan)
        self._audit.record("plan", tables=len(plan.moved), rows=plan.estimate.rows, findings=0)
        return plan

    def _set_aside(self, plan: Plan) -> RowSets:
        return RowSets()

    def _origin(self, plan: Plan) -> Origin | None:
        return None

    def _send(self, plan: Plan, fence: Fence) -> None:
        self._with_target(lambda c: staging.prepare(c, plan, fence))
        there = self._with_target(lambda c: ledger.chunks(c, fence.run))
        if all(table.source in there for table in plan.moved):
            return
        if _digest(self._file) != plan.source_sha256:
            raise BackupError(
                "BACKUP-OTHER",
                f"{self._file} is not the file that this restore began with, and its rows are not all staged yet.",
                "Put that backup back and resume, or take the run back and restore from this one.",
            )
        stop = self._runner.control.stopped
        with opened(self._file, self._keys) as (header, source, data_key):
            begins = source.tell()

            def load(connection: psycopg.Connection[Any]) -> None:
                source.seek(begins)
                records = backup_file.records(source, header, data_key)
                restaging.load(connection, plan, fence, records, stop, self._board.say)

            self._with_target(load)

    def _compare_and_build(self, plan: Plan, fence: Fence) -> tuple[Plan, checking.Checked]:
        for table, (staged, left) in self._staged().items():
            self._board.add(table, rows=staged, quarantined=left)
        return plan, checking.Checked(())

    def _conflicts_left_behind(
        self, connection: psycopg.Connection[Any], plan: Plan
    ) -> dict[str, Sequence[QuarantinedRow]]:
        chosen = publish.left_behind(connection, plan, self._folder.run)
        return {
            table: restaging.rows_of(connection, plan.table(table), self._folder.run, rows)
            for table, rows in chosen.items()
        }


def _digest(file: Path) -> str:
    with file.open("rb") as opened_file:
        return hashlib.file_digest(opened_file, "sha256").hexdigest()
