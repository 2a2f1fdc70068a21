"""Sync: both ends brought to the same state, by what each changed since the last run left them alike.

The steps are those of a migration; what is other is what they do. The target commits first, with its journal; then one
guarded transaction writes the file, of which all was proved before. A crash between the two is finished by ``resume``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.migration import merging_back
from migrator_tui.migration.files.matching_files import count
from migrator_tui.migration.merging_back import MergingBack
from migrator_tui.migration.migrate import Migration
from migrator_tui.migration.planning.target_plan import draft_plan
from migrator_tui.migration.request import Request
from migrator_tui.migration.run_files import write_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.syncing import (
    back_rows,
    file_changes,
    files_laid_out,
    rows_by_triggers,
    sync_base,
    sync_plan,
    sync_staging,
    sync_users,
    write_back,
)
from migrator_tui.migration.syncing.file_part import FilePart
from migrator_tui.migration.syncing.sync_base import Base, Bases
from migrator_tui.migration.syncing.sync_companions import made_before, of_sync
from migrator_tui.migration.syncing.sync_record import BASE, NEXT, SyncRecord
from migrator_tui.migration.users.given_back import UserIds
from migrator_tui.model.decisions import OnConflict
from migrator_tui.model.errors import (
    DecisionsNeeded,
    MigratorError,
    SourceError,
    UsageError,
)
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Plan
from migrator_tui.model.progress import RunStatus, TableState
from migrator_tui.postgres import ledger, publish, three_way_publish
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.inspect import server_identity
from migrator_tui.postgres.publish import Published
from migrator_tui.postgres.three_way import ThreeWay
from migrator_tui.postgres.three_way_choices import SyncChoices
from migrator_tui.postgres.three_way_publish import Written
from migrator_tui.supabase.api import Api

NOTHING = "Nothing was changed."


class Sync(FilePart):
    """One run. Called by a :class:`~migrator_tui.migration.runner.Runner` on its thread."""

    _bases: Bases | None = None

    def _steps(self) -> None:
        try:
            super()._steps()
        except MigratorError as error:
            if self._published is None and (made := self._made_before()):
                told = f"No row was changed, but the project has {made} by this run already."
                if NOTHING in error.message:
                    error.message = error.message.replace(NOTHING, told)
                    error.hint = error.hint.replace(f"{NOTHING} ", "")
                elif NOTHING in error.hint:
                    error.hint = error.hint.replace(NOTHING, told)
                if f"rollback {self._folder.run}" not in error.hint and "rollback RUN" not in error.hint:
                    error.hint += f" `migrator-tui rollback {self._folder.run}` takes {made} back."
            raise

    def _made_before(self) -> str:
        """What was made beside rows that are not published."""
        if self._fence is None or self._shut_out:
            return ""
        try:
            with connect(self._target) as connection:
                return made_before(connection, self._folder.run)
        except (MigratorError, psycopg.Error):
            return ""

    def _draft(self, connection: psycopg.Connection[Any]) -> Plan:
        source = self._source_of()
        bases = sync_base.find(
            connection, self._request, source.database, server_identity(connection), self._folder.run
        )
        users = sync_users.wanted(self._request, bases)
        asked = sync_base.request_of(self._request, bases, users)
        known = sync_users.known(connection, users.namespace) if users and users.namespace else {}
        plan = sync_plan.of_rows(draft_plan(connection, source, self._snapshot.sha256, asked, known), bases)
        sync_plan.require_same_tables(plan, bases)
        computed = {table.source: sync_plan.computed_of(source, table) for table in plan.moved}
        for name, columns in computed.items():
            if columns:
                self._notes.append(f"{name}: {', '.join(columns)}, which SQLite computes, is not compared.")
        SyncRecord(
            per_cell=self._request.per_cell,
            bases={table: base.run for table, base in bases.tables.items()},
            notes=bases.notes,
            computed=computed,
            codecs={table: base.codecs[table] for table, base in bases.tables.items()},
        ).write(self._folder)
        return plan

    def _use(self, plan: Plan) -> None:
        super()._use(plan)
        self._companions = of_sync(plan)

    def _stage(self, plan: Plan) -> Plan:
        try:
            plan = super()._stage(plan)
        except SourceError as error:
            if error.id not in ("SOURCE-READ", "VALUE-UNEXPECTED"):
                raise
            raise SourceError(
                "SYNC-VALUES",
                f"The file holds values of another kind than when the table was moved. {error.message} Nothing was "
                "changed.",
                "Change the values in the file, or leave the table out with --tables.",
            ) from error
        record = SyncRecord.read(self._folder)
        self._notes += record.notes
        if self._published is not None:
            return plan
        fence, source = self._fence, self._source_of()
        assert fence is not None
        ways = self._ways(plan)
        self._with_target(lambda c: sync_staging.prepare(c, ways, fence))
        bases = {table: self._base(run) for table, run in record.bases.items()}
        conflicting = {
            base.run: self._with_target(lambda c, run=base.run: ledger.quarantined_rows(c, run))  # type: ignore[misc]
            for base in bases.values()
            if not base.synced
        }
        sync_staging.stage(
            source,
            plan,
            self._sets,
            ways,
            bases,
            conflicting,
            self._with_target(lambda c: ledger.chunks(c, fence.run)),
            self._target,
            fence,
            self._board,
            self._runner.control,
            self._sessions.bulk,
            workers=self._request.workers,
            chunk_bytes=self._request.chunk_bytes,
        )
        self._failpoint("base-staged")
        return plan

    def _resolve(self, plan: Plan, *, again: bool = False) -> None:
        if self._published is not None or self._fence is None:
            return
        fence, request = self._fence, self._request
        ways = self._ways(plan)
        # A row that changed after it was decided upon is a conflict once more, whatever was said of its key before.
        decisions = replace(request.decisions, conflicts=()) if again else request.decisions

        def decide(connection: psycopg.Connection[Any]) -> list[tuple[str, int, int]]:
            found = []
            with connection.transaction():
                ledger.hold(connection, fence)
                for source, way in ways.items():
                    if doubles := way.doubles(connection):
                        raise UsageError(
                            "SYNC-KEYS",
                            f"{source}: {doubles} keys of the file are one to the target's key "
                            f"({', '.join(way.table.match_key)}). Nothing was changed.",
                            "Give each row a key of its own, or leave the table out with --tables.",
                        )
                    way.detect(connection)
                rows_by_triggers.take_over(connection, ways, fence.run)
                choices = SyncChoices(ways, deletions=request.accept_recommended)
                choices.decide(connection, decisions, request.on_conflict)
                for way in ways.values():
                    found += way.groups(connection)
            return found

        groups = self._with_target(decide)
        undecided = sum(left for _, _, left in groups)
        total = sum(count for _, count, _ in groups)
        self._conflicts = (total, total - undecided)
        if undecided:
            raise self._undecided(ways, groups)
        if total:
            self._audit.record("resolved", conflicts=total)
        self._lay_out_back(plan, ways)

    def _undecided(self, ways: dict[str, ThreeWay], groups: list[tuple[str, int, int]]) -> MigratorError:
        samples: list[str] = []
        for way in ways.values():
            if len(samples) < 3:
                samples += self._with_target(lambda c, way=way: way.sample(c, 3))  # type: ignore[misc]
        left = sum(count for _, _, count in groups)
        message = (
            f"{count(left, 'row')} changed on both ends, or deleted on one: {'; '.join(samples)}. Nothing was changed."
        )
        if self._request.on_conflict is OnConflict.FAIL:
            return MigratorError("CONFLICTS", message, "The policy is --on-conflict fail.")
        hint = (
            "Staging is kept. `migrator-tui resume RUN --decisions FILE`, or --on-conflict keep-target or keep-source, "
            "goes on."
        )
        if any(kind == "deleted" and count for kind, _, count in groups):
            hint += " Deletions are carried over with --yes, or by a decision with kind: deleted."
        return DecisionsNeeded("CONFLICTS", message, hint)

    def _lay_out_back(self, plan: Plan, ways: dict[str, ThreeWay]) -> None:
        """Make and prove what the file will be, before either end is written."""
        fence = self._fence
        assert fence is not None

        def lay_out(connection: psycopg.Connection[Any]) -> dict[str, tuple[Written, Written]]:
            with connection.transaction():
                ledger.hold(connection, fence)
                for way in ways.values():
                    three_way_publish.lay_out_back(connection, way)
                return {
                    name: (
                        three_way_publish.counted(connection, way, three_way_publish.to_target(way)),
                        three_way_publish.counted(connection, way, three_way_publish.to_source(way)),
                    )
                    for name, way in ways.items()
                }

        counts = self._with_target(lay_out)
        plan, user_ids = self._look_at_users(plan, ways)
        record = SyncRecord.read(self._folder)
        self._board.set_changes(_changes(counts, self._request.source.name, record))
        tables = [self._back_table(plan, way, user_ids) for name, way in ways.items() if counts[name][1].rows]
        if not tables:
            replace(record, carried=()).write(self._folder)
            self._look_at_files(plan, ways, self._snapshot.path)
            return
        snapshot, folder = self._snapshot.path, self._folder.path
        # Not only tables that get rows: a row may go, and one of another table that refers to it as well.
        carried = tuple(write_back.carried_table(snapshot, t.source, t.plan) for t in tables)
        self._board.say("trying the file's new rows on a copy")
        after = back_rows.build(folder, snapshot, tables, self._target)
        suspended = write_back.rehearse(folder, snapshot, after, carried, set(ways))
        check = self._runner.control.check
        write_back.prove(after, plan, tables, self._target, fence.run, check, ThreeWay.rows_of_both)
        replace(record, carried=carried, suspended=suspended).write(self._folder)
        self._look_at_files(plan, ways, after)
        self._failpoint("back-laid-out")

    def _look_at_users(self, plan: Plan, ways: dict[str, ThreeWay]) -> tuple[Plan, UserIds | None]:
        """Who is new on either end, by what was chosen; the plan that has the ids of those who come into the file."""
        users, record = plan.users, SyncRecord.read(self._folder)
        found = self._with_target(lambda c: sync_users.ids(c, plan, self._snapshot.path))
        if users is None or plan.project is None or found is None:
            return plan, None
        new, there = self._with_target(lambda c: sync_users.coming(c, plan, ways, found, self._folder.run))
        told = self._with_target(lambda c: sync_users.not_told(c, plan, ways))
        replace(record, new_users=new, later_users=dict(found.later), told_of_users=told).write(self._folder)
        matched = {key: uuid for key, uuid in users.matched.items() if key not in record.later_users}
        users = replace(users, matched={**matched, **there, **found.later})
        plan = self._plan = self._runner.current_plan = replace(plan, project=replace(plan.project, users=users))
        write_plan(self._folder, plan)
        return plan, found

    def _look_at_files(self, plan: Plan, ways: dict[str, ThreeWay], after: Path) -> None:
        """What either end gets of files, by what was chosen for their rows; nothing where no table has any."""
        changes, kept = files_laid_out.lay_out(self._context(plan), ways, after, self._request.on_conflict)
        self._notes += [line for line in kept if line not in self._notes]
        file_changes.write(self._folder, changes)
        if changes := file_changes.read(self._folder):
            self._board.set_changes((*self._board.snapshot().changes, f"files: {file_changes.told(changes)}"))

    def _publish(self, plan: Plan) -> Published:
        fence = self._fence
        assert fence is not None
        if self._published is None:
            staged = {source: rows for source, (rows, _) in self._staged().items()}
            self._audit.record("publishing", tables=len(plan.moved))

            def attempt() -> None:
                ways, context = self._ways(plan), self._context(self._laid_out)
                for companion in self._companions:  # of what was laid out last
                    companion.before_publish(context)

                def beside(connection: psycopg.Connection[Any]) -> None:
                    for companion in self._companions:
                        companion.within_publish(connection, context)

                def take_over(connection: psycopg.Connection[Any]) -> None:
                    rows_by_triggers.take_over(connection, ways, fence.run)

                self._with_target(
                    lambda c: three_way_publish.publish(
                        c,
                        plan,
                        ways,
                        fence,
                        staged,
                        self._failpoint,
                        beside=beside,
                        take_over=take_over,
                        triggers=any(finding.id == "TARGET-TRIGGERS" for finding in plan.findings),
                    )
                )

            self._while_rows_change(plan, attempt)
            self._published = self._with_target(lambda c: publish.publish(c, plan, fence, {}))
            self._audit.record("published", tables=len(plan.moved))
        self._failpoint("published")
        self._read_back()
        self._write_back()
        return self._after_publish(self._laid_out, self._published)

    def _verify(self, plan: Plan, published: Published) -> None:
        # Rows were compared within the publishing transaction, and the file's as they were written.
        told = (companion.verify(self._context(self._laid_out)) for companion in self._companions)
        self._beside = tuple(item for item in told if item is not None)
        for table in plan.moved:
            self._board.set_table(table.source, TableState.VERIFIED)
        self._audit.record("verified", tables=len(plan.moved))

    def _outcome(self, status: RunStatus, error: MigratorError | None) -> RunOutcome:
        outcome = super()._outcome(status, error)
        record = SyncRecord.read(self._folder)
        written = self._written() if self._published is not None else {}
        tables = [
            {
                "source": source,
                "base": record.bases.get(source),
                "to_target": sides["target"],
                "to_source": sides["source"],
            }
            for source, sides in written.items()
        ]
        changes = sum(sum(side.values()) for sides in written.values() for side in sides.values())
        made = self._made_before() if self._published is None else ""
        sync = {"changes": changes, "tables": tables} | ({"made_before": made} if made else {})
        return replace(outcome, extra={"sync": sync})

    def _written(self) -> dict[str, dict[str, dict[str, int]]]:
        """Source table → end → what it got, by the ledger; the file, where it was written."""
        try:
            with connect(self._target) as connection:
                step = ledger.read_step(connection, self._folder.run, publish.STEP)
        except (MigratorError, psycopg.Error):
            return {}
        names = ("inserted", "updated", "deleted")
        has_it = {"target": True, "source": (self._folder.read_json(BASE) or {}).get("file") == NEXT}
        return {
            source: {
                end: {n: c if has_it[end] else 0 for n, c in zip(names, counts, strict=True)}
                for end, counts in ends.items()
            }
            for source, ends in ((step or {}).get(three_way_publish.DATA_STEP) or {}).items()
        }

    def _base(self, run: str) -> Base:
        return sync_base.base_of(run)


def run_of(
    request: Request,
    target: Target,
    folder: RunFolder,
    *,
    api: Api | None = None,
    failpoint: Callable[[str], None] = lambda name: None,
) -> Migration:
    """What the request asks for: a migration, a sync, or a backup's rows merged into live tables."""
    kinds: dict[str, type[Migration]] = {sync_base.COMMAND: Sync, merging_back.COMMAND: MergingBack}
    kind = kinds.get(request.command, Migration)
    return kind(request, target, folder, api=api, failpoint=failpoint)


def _changes(counts: Mapping[str, tuple[Written, Written]], file: str, record: SyncRecord) -> tuple[str, ...]:
    """What either end gets, in words."""
    lines = []
    for end, number in (("the target", 0), (file, 1)):
        sums = [written[number] for written in counts.values()]
        parts = (
            (sum(w.inserted for w in sums), "added"),
            (sum(w.updated for w in sums), "changed"),
            (sum(w.deleted for w in sums), "deleted"),
        )
        told = ", ".join(f"{rows:,} {word}" for rows, word in parts if rows)
        lines.append(f"{end}: {f'rows {told}' if told else 'nothing'}")
    if record.new_users:
        lines.append(f"Supabase Auth: {count(len(record.new_users), 'user')} of the file")
    return tuple(lines)
