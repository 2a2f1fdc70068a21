"""Progress: one frozen snapshot that every front end polls. Nothing is pushed to a screen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from migrator_tui.model.schema import TableName


class Stage(StrEnum):
    """The steps of a run, in order; the names of INTERFACES."""

    SNAPSHOT = "snapshot"
    ANALYZE = "analyze"
    PLAN = "plan"
    STAGE = "stage"
    CHECK = "check"
    RESOLVE = "resolve"
    PUBLISH = "publish"
    VERIFY = "verify"


class RunStatus(StrEnum):
    """What became of a run, or what it is doing."""

    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    NEEDS_DECISIONS = "needs_decisions"
    INTERRUPTED = "interrupted"
    VERIFICATION_FAILED = "verification_failed"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


class TableState(StrEnum):
    """Where one table is."""

    WAITING = "waiting"
    STAGING = "staging"
    STAGED = "staged"
    CHECKING = "checking"
    CHECKED = "checked"
    PUBLISHED = "published"
    VERIFIED = "verified"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TableProgress:
    """One table's counters. Rows are committed rows; bytes are those of the source's values.

    Attributes:
        unit: What is counted: rows, and for what moves beside the tables ``users`` or ``files``.
    """

    source: str
    target: str
    state: TableState
    rows_total: int
    rows_done: int = 0
    rows_quarantined: int = 0
    rows_checked: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    seconds: float = 0.0
    unit: str = "rows"


@dataclass(frozen=True, slots=True)
class StageProgress:
    """One stage: not begun while ``seconds`` is None and ``active`` is false."""

    name: Stage
    active: bool = False
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything that a front end shows of a run at one moment.

    Attributes:
        retry: Why the engine is waiting to try again, and when; None while all is well.
        waiting_for: ``decisions`` or ``confirmation`` while the run waits for the person.
        message: The latest thing worth a line.
        seconds: Since the run (or this resumption) began.
        merges_into: Live tables with rows that the run merges into, known once it has a plan.
        changes: What will be written into which end, a line each, where the run writes to both.
    """

    run: str
    status: RunStatus
    stages: tuple[StageProgress, ...]
    tables: tuple[TableProgress, ...] = ()
    message: str = ""
    retry: str | None = None
    waiting_for: str | None = None
    seconds: float = 0.0
    merges_into: tuple[TableName, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def rows_total(self) -> int:
        """Rows of all tables of the plan."""
        return sum(table.rows_total for table in self.tables)

    @property
    def rows_done(self) -> int:
        """Rows committed to staging or quarantined."""
        return sum(table.rows_done + table.rows_quarantined for table in self.tables)

    @property
    def stage(self) -> Stage | None:
        """The stage at work, or None."""
        return next((stage.name for stage in self.stages if stage.active), None)
