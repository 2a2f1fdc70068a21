"""A migration from the first step to the last: freeze, analyze, plan, stage, check, resolve, publish, verify.

Every step may be met again after a crash: what was done is read from the run's folder and from the target's ledger,
never assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import psycopg

from migrator_tui import locations
from migrator_tui.migration import checking, staging
from migrator_tui.migration.backups.backup_advice import merged_with_rows
from migrator_tui.migration.companions import Companion, RunContext, companions_of
from migrator_tui.migration.origins import origin_of
from migrator_tui.migration.planning import plan_file, quarantine
from migrator_tui.migration.planning.target_plan import draft_plan, finished, require_privileges, undecided
from migrator_tui.migration.planning.unbuilt import Uncomputable, as_values, without
from migrator_tui.migration.resolving import resolve, standing
from migrator_tui.migration.run import Run
from migrator_tui.migration.run_files import PLAN_JSON, read_plan, write_plan
from migrator_tui.migration.run_target import require_run_target
from migrator_tui.migration.staging import Source
from migrator_tui.migration.verifying import missing_objects
from migrator_tui.model.decisions import Decisions, NaturalKey, unmatched
from migrator_tui.model.errors import (
    ConnectionLost,
    DecisionsNeeded,
    VerificationFailed,
)
from migrator_tui.model.origin import Origin
from migrator_tui.model.plan import Plan
from migrator_tui.model.progress import Stage, TableState
from migrator_tui.postgres import ledger, publish
from migrator_tui.postgres.inspect import server_identity
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.load import QuarantinedRow
from migrator_tui.postgres.merge_plan import unused_natural_keys
from migrator_tui.postgres.publish import ChangedSince, Published
from migrator_tui.sqlite import snapshot as snapshots
from migrator_tui.sqlite.inspect import inspect as inspect_source
from migrator_tui.sqlite.profile import profile as profile_source

T = TypeVar("T")

PLAN_YAML = "plan.yaml"
PUBLISH_ATTEMPTS = 20
TABLES_A_SESSION = 8


class Migration(Run):
    """A run whose steps are those of a migration."""

    _source: Source | None = None
    _sets = quarantine.RowSets()
    _companions: tuple[Companion, ...] = ()

    def _steps(self) -> None:
        control = self._runner.control
        self._with_target(lambda connection: require_run_target(connection, self._folder), established=False)
        with self._board.stage(Stage.SNAPSHOT):
            self._freeze()
        control.between_chunks()
        with self._board.stage(Stage.ANALYZE):
            self._analyze()
        control.between_chunks()
        with self._board.stage(Stage.PLAN):
            plan = self._make_plan()
        control.between_chunks()
        with self._board.stage(Stage.STAGE):
            plan = self._stage(plan)
        with self._board.stage(Stage.CHECK):
            plan = self._check(plan)
        with self._board.stage(Stage.RESOLVE):
            self._resolve(plan)
        if self._request.confirm and self._published is None:
            self._sessions.end_idle()  # nobody knows how long a person takes
            self._runner.await_confirmation()
        with self._board.stage(Stage.PUBLISH):
            published = self._publish(plan)
        with self._board.stage(Stage.VERIFY):
            self._verify(plan, published)

    def _freeze(self) -> None:
        folder = self._folder
        known = folder.read_json("snapshot.json")
        if known:
            self._snapshot = snapshots.reopen(folder.path, known["sha256"])
            return
        self._board.say(f"freezing {self._request.source.name}")
        control = self._runner.control

        def say(text: str) -> None:
            control.check()  # ends an attempt that a cancel left behind
            self._board.say(text)

        self._snapshot = control.abandonable(lambda: snapshots.freeze(self._request.source, folder.path, progress=say))
        folder.write_json("snapshot.json", {"sha256": self._snapshot.sha256, "bytes": self._snapshot.bytes})
        self._audit.record("snapshot", sha256=self._snapshot.sha256, bytes=self._snapshot.bytes)
        self._failpoint("snapshot")

    def _analyze(self) -> None:
        path = self._snapshot.path
        database = inspect_source(path)
        stop = self._runner.control.stopped.is_set
        profile = profile_source(
            path,
            database,
            workers=self._request.workers,
            chunk_bytes=self._request.chunk_bytes,
            on_table=lambda table, rows: self._board.say(f"{table}: {rows:,} rows"),
            stop=stop,
        )
        self._runner.control.check()
        self._source = Source(path, database, profile)

    def _make_plan(self) -> Plan:
        assert self._source is not None
        kept = self._folder.file(PLAN_JSON)
        if kept.exists():
            # Staging has begun by this plan; nothing but this plan fits what is there.
            plan = read_plan(self._folder)
        else:
            plan = self._with_target(self._draft)
            locations.write_private(self._folder.file(PLAN_YAML), plan_file.render(plan))
            self._audit.record("plan", tables=len(plan.moved), rows=plan.estimate.rows, findings=len(plan.findings))
        self._use(plan)
        for decision in unmatched(plan.findings, self._request.decisions):
            where = ".".join(part for part in (decision.table, decision.column) if part)
            self._notes.append(
                f"The decision {decision.id} {where}: {decision.choice} matched nothing.".replace("  ", " ")
            )
        self._notes += [finding.message for finding in plan.findings if finding.id == "SOURCE-EMPTY"]
        for key in unused_natural_keys(plan, self._natural_keys):
            self._notes.append(f"No rows were compared by the natural key {key.label} of {key.table}.")
        if plan.undecided:
            raise undecided(plan)
        if not kept.exists():
            self._with_target(lambda connection: require_privileges(connection, plan, self._request.scope.schema))
            write_plan(self._folder, plan)
        self._board.set_merges_into(self._with_target(lambda connection: merged_with_rows(connection, plan)))
        return plan

    def _draft(self, connection: psycopg.Connection[Any]) -> Plan:
        return draft_plan(connection, self._source_of(), self._snapshot.sha256, self._request)

    def _use(self, plan: Plan) -> None:
        self._plan = plan
        self._runner.current_plan = plan
        self._board.set_tables(plan.moved)
        self._companions = companions_of(plan)

    def _stage(self, plan: Plan) -> Plan:
        """Stage everything; the plan to go on by, without what the target cannot compute of the rows."""
        self._sets = self._set_aside(plan)

        def begin(connection: psycopg.Connection[Any]) -> Fence:
            ledger.install(connection)
            identity = server_identity(connection)
            self._folder.set_server(identity)
            return ledger.create_run(connection, self._folder.run, plan.source_sha256, identity)

        fence = self._fence = self._with_target(begin)
        if self._with_target(lambda connection: ledger.read_step(connection, fence.run, publish.STEP)) is not None:
            self._notes.append("The run had been published when it was interrupted; it was only finished.")
            self._published = self._with_target(lambda c: publish.publish(c, plan, fence, {}))
            for table, (staged, left) in self._staged().items():
                self._board.add(table, rows=staged, quarantined=left)
            return plan
        self._failpoint("staging")
        plan = self._load(plan, fence)
        for companion in self._companions:
            companion.stage(self._context(plan))
        self._audit.record("staged", rows=sum(s for s, _ in self._staged().values()))
        self._failpoint("staged")
        return plan

    def _set_aside(self, plan: Plan) -> quarantine.RowSets:
        """The rows that decisions keep out of staging."""
        source = self._source_of()
        return quarantine.find(source.snapshot, source.database, plan)

    def _origin(self, plan: Plan) -> Origin | None:
        """What the tables come from, kept for the way back."""
        return origin_of(self._source_of(), plan, self._folder.run)

    def _load(self, plan: Plan, fence: Fence) -> Plan:
        """Send the rows that are not staged yet; where the target cannot compute a column, with its values instead."""
        while True:
            try:
                self._send(plan, fence)
            except Uncomputable as found:
                plan = self._as_values(plan, found, fence)
            else:
                self._board.set_retry(None)
                return plan

    def _send(self, plan: Plan, fence: Fence) -> None:
        self._with_target(lambda connection: staging.prepare(connection, plan, fence))
        staging.stage(
            self._source_of(),
            plan,
            self._sets,
            self._with_target(lambda connection: ledger.chunks(connection, fence.run)),
            self._target,
            fence,
            self._board,
            self._runner.control,
            self._sessions.bulk,
            workers=self._sessions_for(plan),
        )

    def _sessions_for(self, plan: Plan) -> int:
        """How many sessions are worth their opening: little is loaded by the first before a second one is open."""
        chunks = sum(table.bytes for table in plan.moved) // self._request.chunk_bytes
        return min(self._request.workers, 1 + chunks + len(plan.moved) // TABLES_A_SESSION)

    def _as_values(self, plan: Plan, found: Uncomputable, fence: Fence) -> Plan:
        """The plan by which the table is staged anew, with values where the target cannot compute them."""
        self._board.set_retry(None)
        # First the table: whoever resumes by the old plan makes it anew and comes to the same end.
        self._with_target(lambda connection: staging.drop(connection, found.table, fence))
        plan = self._replan(as_values(plan, found, self._source_of().database), len(found.columns))
        self._board.set_tables(plan.moved)
        return plan

    def _check(self, plan: Plan) -> Plan:
        """Check what is staged; the plan to go on by, without what the stored rows did not let be built."""
        if self._published is not None or self._fence is None:
            return plan
        plan, checked = self._compare_and_build(plan, self._fence)
        self._notes += checked.notes
        if checked.unbuilt:
            plan = self._replan(without(plan, checked.unbuilt, self._source_of().database), len(checked.unbuilt))
        for source, (staged, left) in self._staged().items():
            if staged + left != plan.table(source).rows:
                raise VerificationFailed(
                    "CHECK-EQUATION",
                    f"{source} has {plan.table(source).rows} rows, but {staged} are staged and {left} quarantined.",
                    "Nothing was published. Start a new run.",
                )
        for companion in self._companions:
            self._notes += companion.check(self._context(plan))
        self._audit.record("checked", tables=len(plan.moved))
        self._failpoint("checked")
        return plan

    def _compare_and_build(self, plan: Plan, fence: Fence) -> tuple[Plan, checking.Checked]:
        while True:
            try:
                checked = checking.check(
                    self._source_of(),
                    plan,
                    self._sets,
                    self._target,
                    fence,
                    self._board,
                    self._runner.control,
                    self._sessions.bulk,
                    workers=self._sessions_for(plan),
                )
            except Uncomputable as found:
                plan = self._load(self._as_values(plan, found, fence), fence)
                continue
            self._board.set_retry(None)
            return plan, checked

    def _replan(self, changed: Plan, left_out: int) -> Plan:
        """The plan as it was built, kept for whoever reads or resumes the run."""
        plan = self._plan = self._runner.current_plan = finished(changed)
        locations.write_private(self._folder.file(PLAN_YAML), plan_file.render(plan))
        write_plan(self._folder, plan)
        self._audit.record("left-out", objects=left_out)
        return plan

    def _resolve(self, plan: Plan, *, again: bool = False) -> None:
        if self._published is not None or self._fence is None:
            return
        request, fence = self._request, self._fence
        decisions = replace(request.decisions, natural_keys=self._natural_keys)
        try:
            found = self._with_target(
                lambda c: resolve(c, plan, fence, decisions, request.on_conflict, afresh=not again)
            )
        except DecisionsNeeded:  # one that cannot be carried out: the rows wait for another
            self._conflicts = self._with_target(lambda c: standing(c, plan, fence.run))
            raise
        self._conflicts = (found.found, found.resolved)
        if found.undecided:
            raise found.error
        if found.found:
            self._audit.record("resolved", conflicts=found.found)

    @property
    def _natural_keys(self) -> tuple[NaturalKey, ...]:
        return self._request.decisions.then(Decisions(natural_keys=self._request.scope.natural_keys)).natural_keys

    def _publish(self, plan: Plan) -> Published:
        assert self._fence is not None
        fence = self._fence
        if self._published is None:
            counts = {source: staged for source, (staged, _) in self._staged().items()}
            # The intent stands in the trail before the effect, so that a crash between them can be read from it.
            self._audit.record("publishing", tables=len(plan.moved))
            origin = self._origin(plan)
            for companion in self._companions:
                companion.before_publish(self._context(plan))

            def beside(connection: psycopg.Connection[Any]) -> None:
                for companion in self._companions:
                    companion.within_publish(connection, self._context(plan))

            def attempt() -> Published:
                return self._with_target(
                    lambda c: publish.publish(
                        c,
                        plan,
                        fence,
                        counts,
                        left_behind=lambda within: self._conflicts_left_behind(within, plan),
                        decisions=self._request.decisions,
                        policy=self._request.on_conflict,
                        origin=origin,
                        beside=beside,
                        failpoint=self._failpoint,
                    )
                )

            self._published = self._while_rows_change(plan, attempt)
            self._audit.record("published", tables=len(plan.moved))
        self._failpoint("published")
        return self._after_publish(plan, self._published)

    def _while_rows_change(self, plan: Plan, attempt: Callable[[], T]) -> T:
        """Publish what was resolved; where live rows changed since, resolve them again and publish then.

        Raises:
            ConnectionLost: ``PUBLISH-BUSY``: they kept changing.
        """
        for _ in range(PUBLISH_ATTEMPTS):
            try:
                return attempt()
            except ChangedSince:
                self._resolve(plan, again=True)
        raise ConnectionLost(
            "PUBLISH-BUSY",
            f"Live rows kept changing between the comparison and the publish, {PUBLISH_ATTEMPTS} times.",
            "Try again when fewer writers are at work: `migrator-tui resume RUN`.",
        )

    def _after_publish(self, plan: Plan, published: Published) -> Published:
        """What follows the commit: foreign keys validated, tables analyzed, companions told."""
        fence = self._fence
        assert fence is not None
        self._notes += self._with_target(lambda c: publish.after_publish(c, plan, published, fence.run))
        for companion in self._companions:
            self._notes += companion.after_publish(self._context(plan))
        for table in plan.moved:
            self._board.set_table(table.source, TableState.PUBLISHED)
        return published

    def _conflicts_left_behind(
        self, connection: psycopg.Connection[Any], plan: Plan
    ) -> dict[str, Sequence[QuarantinedRow]]:
        """The conflicting rows that were decided to be quarantined, whole, as the snapshot has them."""
        chosen = publish.left_behind(connection, plan, self._folder.run)
        source = self._source_of()
        return {
            table: quarantine.rows_of(source.snapshot, source.database, plan.table(table), rows)
            for table, rows in chosen.items()
        }

    def _verify(self, plan: Plan, published: Published) -> None:
        missing = self._with_target(lambda connection: missing_objects(connection, plan))
        if missing:
            raise VerificationFailed(
                "VERIFY-MISSING",
                f"Published, but not on the target as planned: {'; '.join(missing[:5])}"
                + (f" and {len(missing) - 5} more." if len(missing) > 5 else "."),
                f"`migrator-tui rollback {self._folder.run}` takes the run back.",
            )
        told = (companion.verify(self._context(plan)) for companion in self._companions)
        self._beside = tuple(item for item in told if item is not None)
        for table in plan.moved:
            self._board.set_table(table.source, TableState.VERIFIED)
        self._audit.record("verified", tables=len(plan.moved))

    def _context(self, plan: Plan) -> RunContext:
        assert self._fence is not None
        return RunContext(
            run=self._folder.run,
            plan=plan,
            source=self._source_of(),
            sets=self._sets,
            target=self._target,
            fence=self._fence,
            folder=self._folder,
            board=self._board,
            control=self._runner.control,
            audit=self._audit,
            api=self._api,
            with_target=self._with_target,
            failpoint=self._failpoint,
        )

    def _staged(self) -> dict[str, tuple[int, int]]:
        plan = self._plan
        assert plan is not None
        return self._with_target(lambda connection: staging.staged_counts(connection, plan, self._folder.run))

    def _source_of(self) -> Source:
        assert self._source is not None
        return self._source
