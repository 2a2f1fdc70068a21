"""The file's part of a sync, once the target has committed its own: its rows, and then the files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from migrator_tui.migration.migrate import Migration
from migrator_tui.migration.syncing import back_rows, sync_users, write_back
from migrator_tui.migration.syncing.sync_record import BASE, NEXT, SyncRecord
from migrator_tui.migration.syncing.sync_ways import ways_of
from migrator_tui.migration.syncing.synced_files import SyncedFiles
from migrator_tui.migration.users.given_back import UserIds
from migrator_tui.model.errors import (
    DecisionsNeeded,
    Interrupted,
    MigratorError,
    SourceError,
    UsageError,
    VerificationFailed,
)
from migrator_tui.model.plan import Plan
from migrator_tui.postgres import ledger, publish, three_way_publish
from migrator_tui.postgres.three_way import ThreeWay
from migrator_tui.sqlite.carry_over import carry_over
from migrator_tui.sqlite.snapshot import FILE_NAME

CHANGED = "SYNC-SOURCE-CHANGED"


class FilePart(Migration):
    """A migration that can write back."""

    @property
    def _laid_out(self) -> Plan:
        """The plan with the ids of those who come into the file."""
        assert self._plan is not None
        return self._plan

    def _read_back(self) -> None:
        """Where triggers of the target made other rows of what was written, the file gets them as they stand.

        Raises:
            DecisionsNeeded: The file cannot take them, or could not when this was tried before.
        """
        if (left := SyncRecord.read(self._folder).left) is not None:
            raise self._left(left)
        step = self._with_target(lambda c: ledger.read_step(c, self._folder.run, publish.STEP)) or {}
        others = {table: rows for table, rows in (step.get(three_way_publish.READ_BACK) or {}).items() if rows}
        if not others:
            return
        if not self._folder.file(BASE).exists():  # else the file was written before a crash
            self._lay_out_as_read(step)
        named = ", ".join(f"{rows:,} of {table}" for table, rows in others.items())
        self._notes.append(
            f"Triggers of the target made other rows than were written ({named}); the file has them too."
        )

    def _lay_out_as_read(self, step: Mapping[str, Any]) -> None:
        """Make and prove what the file will be once more, by the rows as triggers left them."""
        fence = self._fence
        assert fence is not None
        plan, record = self._laid_out, SyncRecord.read(self._folder)
        ways = self._ways(plan)
        user_ids = self._with_target(lambda c: sync_users.ids(c, plan, self._snapshot.path))
        counts = step[three_way_publish.DATA_STEP]
        tables = [self._back_table(plan, way, user_ids) for name, way in ways.items() if any(counts[name]["source"])]
        try:
            carried = tuple(write_back.carried_table(self._snapshot.path, t.source, t.plan) for t in tables)
            after = back_rows.build(self._folder.path, self._snapshot.path, tables, self._target)
            suspended = write_back.rehearse(self._folder.path, self._snapshot.path, after, carried, set(ways))
            check = self._runner.control.check
            write_back.prove(after, plan, tables, self._target, fence.run, check, ThreeWay.rows_read_back)
        except (SourceError, UsageError, VerificationFailed) as error:
            raise self._left_to_the_next(error) from error
        replace(record, carried=carried, suspended=suspended).write(self._folder)

    def _back_table(self, plan: Plan, way: ThreeWay, user_ids: UserIds | None) -> back_rows.BackTable:
        """A table that the file gets rows of."""
        name, described = way.table.source, self._source_of().table(way.table.source)
        codecs = SyncRecord.read(self._folder).codecs.get(name, {})
        return back_rows.BackTable(way, described, codecs, user_ids, sync_users.no_password(plan, described))

    def _left_to_the_next(self, error: MigratorError) -> DecisionsNeeded:
        """The file stays as it was: what both ends have in common is that, and a sync anew finds the target changed."""
        change = "" if error.id == CHANGED else f"{error.hint} "
        left = (
            error.id,
            f"{error.message.removesuffix(' Nothing was changed.')} The target has its part.",
            f"{change}Sync again: what is missing in the file is compared anew; this run writes no more. "
            f"`migrator-tui rollback {self._folder.run}` takes the target's part back.",
        )
        # First of all, so that a run that is resumed from here on does not write what is forgotten next.
        replace(SyncRecord.read(self._folder), carried=(), left=left).write(self._folder)
        return self._left(left)

    def _left(self, left: tuple[str, str, str]) -> DecisionsNeeded:
        """The error of a run whose file was left to the next sync; what that needs is done once more."""
        record, users = SyncRecord.read(self._folder), self._laid_out.users
        if record.later_users and users is not None:
            source, after = self._request.source, self._folder.file(NEXT)
            gone = sync_users.not_there(source, after, users.scope, record.later_users)
            self._with_target(lambda c: sync_users.forget_later(c, self._folder.run, gone))
        self._folder.write_json(BASE, {"file": FILE_NAME})
        return DecisionsNeeded(*left)

    def _write_back(self) -> None:
        """Write the file: all that was laid out, or nothing; what is there already counts as done."""
        record = SyncRecord.read(self._folder)
        file = FILE_NAME
        if record.carried:
            self._board.say(f"writing to {self._request.source.name}")
            file = NEXT
            try:
                done = carry_over(
                    self._request.source,
                    self._snapshot.path,
                    self._folder.file(file),
                    record.carried,
                    suspended=record.suspended,
                )
            except SourceError as error:
                if error.id == CHANGED:
                    raise self._left_to_the_next(error) from error
                raise Interrupted(
                    "SYNC-HALF-DONE", f"The target is done, the file is not: {error.message}", error.hint
                ) from error
            self._audit.record("written-back", inserted=done.inserted, updated=done.updated, deleted=done.deleted)
            if record.suspended:
                self._notes.append(f"Did not fire for what was written into the file: {', '.join(record.suspended)}.")
            self._failpoint("written-back")
        for companion in self._companions:
            if isinstance(companion, SyncedFiles):
                self._notes += companion.after_rows(self._context(self._laid_out))
        self._folder.write_json(BASE, {"file": file})

    def _ways(self, plan: Plan) -> dict[str, ThreeWay]:
        ways = self._with_target(lambda c: ways_of(c, plan, self._folder))
        assert ways is not None
        return ways
