"""A guide and a run that do what a test says, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from migrator_tui.migration.backups.backing_up_first import BackedUp
from migrator_tui.migration.comparing.schemas import Pair
from migrator_tui.migration.conflicts import ConflictGroup, ConflictRow, Preview
from migrator_tui.migration.guide import Bench, Ends, Facts, Offer, Step
from migrator_tui.migration.run_folder import RunRecord
from migrator_tui.migration.runner import RunHandle
from migrator_tui.model.decisions import ConflictRule, Decisions
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.outcome import ErrorReport, RunOutcome, TableOutcome
from migrator_tui.model.plan import Action, Plan, Scope, TablePlan
from migrator_tui.model.progress import Progress, RunStatus, Stage, StageProgress, TableProgress, TableState
from migrator_tui.model.schema import Database, TableName
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.following import Followers

RUN = "20261122-221500-k3f9"
FACTS = Facts(
    "app.db", "shop@db.example.com:5432", "postgresql://app@db.example.com:5432/shop", "17.2", "app", (), 12.0
)


def plan(*tables: str, rows: int = 1000) -> Plan:
    """A plan of new tables."""
    made = tuple(TablePlan(name, TableName("public", name), Action.CREATE, (), rows=rows) for name in tables)
    return Plan("app.db", "0" * 64, "server/1/shop", made, tables)


def progress(
    *tables: TableProgress,
    status: RunStatus = RunStatus.RUNNING,
    stage: Stage | None = Stage.STAGE,
    waiting_for: str | None = None,
    retry: str | None = None,
) -> Progress:
    """A moment of a run: every stage before ``stage`` took a second."""
    order = list(Stage)
    at = order.index(stage) if stage else len(order)
    stages = tuple(StageProgress(s, active=i == at, seconds=1.0 if i < at else None) for i, s in enumerate(order))
    return Progress(RUN, status, stages, tables, "working", retry, waiting_for, seconds=float(at))


def table(name: str, state: TableState = TableState.STAGING, done: int = 400, total: int = 1000) -> TableProgress:
    """One table's counters."""
    return TableProgress(name, f"public.{name}", state, total, done, seconds=2.0)


def outcome(status: RunStatus, *tables: str, error: ErrorReport | None = None, conflicts: int = 0) -> RunOutcome:
    """A summary in which every row of every table moved."""
    moved = tuple(
        TableOutcome(n, f"public.{n}", 1000, 1000, 0, 1000, inserted=1000, verified=status is RunStatus.SUCCEEDED)
        for n in tables
    )
    return RunOutcome(
        RUN,
        "migrate",
        status,
        "app.db",
        FACTS.target_display,
        "2026-11-22T22:15:00+00:00",
        moved,
        conflicts_found=conflicts,
        error=error,
        report=f"/home/ann/runs/{RUN}/report.html",
    )


def conflict(number: int) -> ConflictRow:
    """A row whose name differs on both sides."""
    source: dict[str, str | None] = {"id": str(number), "name": "Ann", "note": None}
    return ConflictRow("users", {"id": number}, "same-key", source, source | {"name": "Anne"}, None)


@dataclass
class ScriptedRun:
    """A run that is where the test puts it, and remembers what it was told."""

    now: Progress
    made: Plan | None = None
    ended: RunOutcome | None = None
    told: list[str] = field(default_factory=list)

    def progress(self) -> Progress:
        return self.now

    def plan(self) -> Plan | None:
        return self.made

    def pause(self) -> None:
        self.told.append("pause")
        self.now = replace(self.now, status=RunStatus.PAUSED)

    def unpause(self) -> None:
        self.told.append("unpause")
        self.now = replace(self.now, status=RunStatus.RUNNING)

    def cancel(self) -> None:
        self.told.append("cancel")
        self.now = replace(self.now, status=RunStatus.INTERRUPTED)

    def confirm(self) -> None:
        self.told.append("confirm")
        self.now = replace(self.now, waiting_for=None)

    def outcome(self) -> RunOutcome | None:
        return self.ended

    def end(self, ended: RunOutcome) -> None:
        """The run ends so."""
        self.now = replace(self.now, status=ended.status, waiting_for=None)
        self.ended = ended


@dataclass
class ScriptedBench:
    """Two ends that were opened."""

    ends: Ends
    facts: Facts = FACTS
    source: Database = field(default_factory=lambda: Database("sqlite", "3.45", "UTF-8", ()))
    target: Database = field(default_factory=lambda: Database("postgres", "17.2", "UTF8", ()))
    plan: Plan = field(default_factory=lambda: plan("users", "messages"))
    compared: Sequence[Pair] = ()
    closed: bool = False

    def draft(self, scope: Scope, decisions: Decisions) -> Plan:
        return self.plan

    def pairs(self, plan: Plan) -> Sequence[Pair]:
        return self.compared

    def close(self) -> None:
        self.closed = True


@dataclass
class ScriptedGuide:
    """A guide whose answers the test sets."""

    run: ScriptedRun = field(default_factory=lambda: ScriptedRun(progress(table("users"))))
    offered: Sequence[Offer] = ()
    listed: Sequence[RunRecord] = ()
    rows: Sequence[ConflictRow] = ()
    refuses: MigratorError | None = None
    told: list[str] = field(default_factory=list)
    decided: Decisions | None = None
    kept: Decisions | None = None
    ended: RunOutcome | None = None

    def offers(self, folder: Path) -> Sequence[Offer]:
        return self.offered

    def runs(self) -> Sequence[RunRecord]:
        return self.listed

    def outcome(self, run: str) -> RunOutcome | None:
        return self.ended

    def open(self, ends: Ends, password: Secret | None, say: Callable[[Step], None]) -> Bench:
        if self.refuses is not None:
            raise self.refuses
        say(Step("connect", True, FACTS.target_display))
        return ScriptedBench(ends)

    def keep_password(self, ends: Ends, password: Secret) -> str:
        self.told.append("keep_password")
        return "the system's keyring"

    def start(self, bench: Bench, scope: Scope, decisions: Decisions) -> RunHandle:
        self.told.append("start")
        return self.run

    def resume(self, run: str, decisions: Decisions, password: Secret | None) -> RunHandle:
        self.told.append(f"resume {run}")
        self.decided = decisions
        return self.run

    def sync(self, run: str, password: Secret | None) -> RunHandle:
        self.told.append(f"sync {run}")
        return self.run

    def back_up(
        self, run: str, tables: Sequence[TableName], passphrase: Secret | None, say: Callable[[str], None]
    ) -> BackedUp:
        if self.refuses is not None:
            raise self.refuses
        self.told.append(f"back_up {', '.join(map(str, tables))}")
        say("reading")
        return BackedUp((Path("/home/ann/backups/x.backup"),), 1000, Secret("the-recovery-key"))

    def rollback(self, run: str, password: Secret | None) -> RunHandle:
        self.told.append(f"rollback {run}")
        return self.run

    def conflicts(self, run: str, group: tuple[str, str], offset: int, limit: int) -> Sequence[ConflictRow]:
        return [row for row in self.rows if (row.table, row.kind) == group][offset : offset + limit]

    def conflict_groups(self, run: str, decisions: Decisions) -> Sequence[ConflictGroup]:
        groups = dict.fromkeys((row.table, row.kind) for row in self.rows)
        named = {(d.table, str(dict(d.key))) for d in decisions.conflicts}
        ruled = {(r.table, r.kind) for r in decisions.rules}

        def undecided(row: ConflictRow) -> bool:
            return (row.table, str(dict(row.key))) not in named and (row.table, row.kind) not in ruled

        members = {group: [row for row in self.rows if (row.table, row.kind) == group] for group in groups}
        return [ConflictGroup(*group, len(rows), sum(map(undecided, rows))) for group, rows in members.items()]

    def preview(self, run: str, decisions: Decisions, rule: ConflictRule, limit: int) -> Preview:
        if self.refuses is not None:
            raise self.refuses
        named = {(d.table, str(dict(d.key))) for d in decisions.conflicts}
        met = [
            row.key
            for row in self.rows
            if rule.table in (row.table, "*")
            and rule.kind in (None, row.kind)
            and (row.table, str(dict(row.key))) not in named
            and (not rule.columns or set(rule.columns) == set(row.differing))
        ]
        return Preview(len(met), tuple(met[:limit]))

    def reopened(self, run: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        return [(row.table, row.key) for row in self.rows if row.why]

    def followers(self, run: str, row: ConflictRow) -> Sequence[Followers]:
        return ()

    def keep_decisions(self, run: str, decisions: Decisions) -> Path:
        self.kept = decisions
        return Path(f"/home/ann/runs/{run}/decisions.yaml")

    def close(self) -> None:
        self.told.append("close")
