"""Opening both ends: a test of everything that a run will need, told step by step, that leaves a bench behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg

from migrator_tui.migration.comparing.reference import reference
from migrator_tui.migration.comparing.schemas import Pair, compare
from migrator_tui.migration.ends import Ends, Facts, Step
from migrator_tui.migration.look_folder import LookFolder
from migrator_tui.migration.planning.target_plan import draft_plan, needs_of
from migrator_tui.migration.request import Request
from migrator_tui.migration.staging import Source
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.plan import Plan, Scope
from migrator_tui.model.schema import Database
from migrator_tui.postgres.connect import Target, connect, explain
from migrator_tui.postgres.inspect import exact_counts
from migrator_tui.postgres.inspect import inspect as inspect_target
from migrator_tui.postgres.privileges import probe
from migrator_tui.sqlite.inspect import inspect as inspect_source
from migrator_tui.sqlite.profile import profile
from migrator_tui.sqlite.snapshot import freeze

ROUND_TRIPS = 5
KEPT_DRAFTS = 3
"""Drafts whose requests are remembered: the one on screen, and those that a person only tries."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What the test of the target found out, with the plan that it was made by."""

    facts: Facts
    target: Database
    plan: Plan
    request: Request


class LiveBench:
    """Both ends opened for real."""

    def __init__(
        self, ends: Ends, target: Target, folder: LookFolder, source: Source, sha256: str, found: _Found
    ) -> None:
        self._ends = ends
        self._folder = folder
        self.opened = source
        self._sha256 = sha256
        self._facts = found.facts
        self._target = found.target
        self.connected = target
        self._drafted: list[tuple[Plan, Request]] = [(found.plan, found.request)]
        self._at_opening: tuple[Plan, Request] | None = (found.plan, found.request)
        self._compared: tuple[Plan, Sequence[Pair]] | None = None

    @property
    def ends(self) -> Ends:
        """What was opened."""
        return self._ends

    @property
    def facts(self) -> Facts:
        """What the connection test found out."""
        return self._facts

    @property
    def source(self) -> Database:
        """The source's schema."""
        return self.opened.database

    @property
    def target(self) -> Database:
        """The target's schema."""
        return self._target

    def draft(self, scope: Scope, decisions: Decisions) -> Plan:
        """The plan for a scope and decisions; the first one may be that of the test of the ends."""
        request = Request(self._ends.source, scope, decisions)
        first, self._at_opening = self._at_opening, None
        if first is not None and first[1] == request:
            return first[0]
        with connect(self.connected) as connection:
            plan = draft_plan(connection, self.opened, self._sha256, request)
        self._drafted = [*self._drafted[-KEPT_DRAFTS:], (plan, request)]
        return plan

    def pairs(self, plan: Plan) -> Sequence[Pair]:
        """Both schemas side by side; those of the latest plan are kept."""
        if self._compared is not None and self._compared[0] is plan:
            return self._compared[1]
        asked = Request(self._ends.source, self._ends.scope, self._ends.decisions)
        request = next((request for made, request in self._drafted if made is plan), asked)
        try:
            with connect(self.connected) as connection:
                measure = reference(connection, self.opened, plan, request)
        except psycopg.Error as error:
            raise explain(error, self.connected, established=True) from error
        pairs = compare(self.source, self._target, plan, measure)
        self._compared = plan, pairs
        return pairs

    def close(self) -> None:
        """Remove the snapshot that was looked at; the run makes its own."""
        self._folder.close()


def open_bench(ends: Ends, target: Target, say: Callable[[Step], None]) -> LiveBench:
    """Test both ends and open them.

    Args:
        say: Told each step, first while it is under way and then what came of it; may raise to stop.

    Raises:
        MigratorError: What failed; the step it failed in was told as under way.
    """
    say(Step("connect", None, f"connecting to {target.label}"))
    with connect(target) as connection:
        version = connection.info.parameter_status("server_version") or ""
        say(Step("connect", True, f"{target.display}, PostgreSQL {version}"))
        trips = sorted(_seconds(lambda: connection.execute("SELECT 1")) * 1000 for _ in range(ROUND_TRIPS))
        round_trip = trips[ROUND_TRIPS // 2]
        say(Step("round trip", True, f"{round_trip:.1f} ms"))
    folder = LookFolder()
    try:
        say(Step("source", None, f"freezing {ends.source.name}"))
        snapshot = freeze(ends.source, folder.path)
        say(Step("source", None, f"reading the values of {snapshot.tables} tables"))
        database = inspect_source(snapshot.path)
        source = Source(snapshot.path, database, profile(snapshot.path, database))
        rows = sum(table.rows for table in source.profile.tables.values())
        doubt = "" if snapshot.tables else "; is this the file that the application opens?"
        say(Step("source", True, f"{snapshot.tables} tables, {rows:,} rows, {snapshot.bytes:,} bytes{doubt}"))
        found = _look(ends, target, version, round_trip, source, snapshot.sha256, say)
        bench = LiveBench(ends, target, folder, source, snapshot.sha256, found)
        bench.pairs(found.plan)  # so that the next screen has them at once
        return bench
    except BaseException:
        folder.close()
        raise


def _look(
    ends: Ends,
    target: Target,
    version: str,
    round_trip: float,
    source: Source,
    sha256: str,
    say: Callable[[Step], None],
) -> _Found:
    schema = ends.scope.schema
    request = Request(ends.source, ends.scope, ends.decisions)
    with connect(target) as connection:
        say(Step("rights", None, f"what {target.user} may do"))
        plan = draft_plan(connection, source, sha256, request)
        missing = probe(connection, needs_of(plan, schema))
        if missing:
            lacking = "; ".join(f"{item.what} ({item.why})" for item in missing)
            say(Step("rights", False, f"missing: {lacking}", "\n".join(item.grant for item in missing)))
        else:
            say(Step("rights", True, f"{target.user} may do what the plan needs"))
        say(Step("target", None, f"counting the rows in {schema}"))
        there = inspect_target(connection, [schema])
        counts = exact_counts(connection, [table.name for table in there.tables])
        say(Step("target", True, f"{len(there.tables)} tables, {sum(counts.values()):,} rows in {schema}"))
    facts = Facts(
        source_label=ends.source.name,
        target_label=target.label,
        target_display=target.display,
        server_version=version,
        role=target.user,
        missing=tuple((item.what, item.grant) for item in missing),
        round_trip_ms=round_trip,
        counts={str(name): rows for name, rows in counts.items()},
    )
    return _Found(facts, there, plan, request)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
