"""Summing a run up: what became of it, of each table, and what to do next."""

from __future__ import annotations

from migrator_tui.model.errors import (
    ConnectionLost,
    DecisionsNeeded,
    FenceLost,
    Interrupted,
    MigratorError,
    TargetError,
    VerificationFailed,
)
from migrator_tui.model.outcome import TableOutcome
from migrator_tui.model.plan import Action, Plan
from migrator_tui.model.progress import Progress, RunStatus, TableState
from migrator_tui.postgres.publish import Published

RESUMABLE_SQLSTATES = ("53100", "25006")
"""Disk full and read-only: the target is made ready again and the run goes on."""


def table_outcomes(plan: Plan, now: Progress, published: Published | None) -> tuple[TableOutcome, ...]:
    """Each table's counts, from the board and from what publishing wrote."""
    progress = {table.source: table for table in now.tables}
    result = []
    for table in plan.tables:
        if table.action is Action.SKIP:
            continue
        at = progress[table.source]
        merged = published.merged.get(table.source) if published else None
        created = published.created.get(table.source, 0) if published else 0
        result.append(
            TableOutcome(
                source=table.source,
                target=str(table.target),
                source_rows=table.rows,
                staged_rows=at.rows_done - (merged.quarantined if merged else 0),
                quarantined_rows=at.rows_quarantined + (merged.quarantined if merged else 0),
                published_rows=merged.inserted + merged.updated + merged.unchanged if merged else created,
                inserted=merged.inserted if merged else created,
                updated=merged.updated if merged else 0,
                unchanged=merged.unchanged if merged else 0,
                kept_target=merged.kept_target if merged else 0,
                verified=at.state is TableState.VERIFIED,
                seconds=round(at.seconds, 3),
            )
        )
    return tuple(result)


def status_of(error: MigratorError) -> RunStatus:
    """The status of a run that an error ended."""
    if isinstance(error, TargetError) and error.sqlstate in RESUMABLE_SQLSTATES:
        return RunStatus.INTERRUPTED
    if isinstance(error, (Interrupted, ConnectionLost, FenceLost)):
        return RunStatus.INTERRUPTED
    if isinstance(error, DecisionsNeeded):
        return RunStatus.NEEDS_DECISIONS
    if isinstance(error, VerificationFailed):
        return RunStatus.VERIFICATION_FAILED
    return RunStatus.FAILED


def hint_of(error: MigratorError, run: str) -> str:
    """What to do next, with the run named."""
    hint = error.hint.replace("RUN", run)
    if status_of(error) is RunStatus.INTERRUPTED and "resume" not in hint:
        return f"{hint} `migrator-tui resume {run}` continues.".strip()
    return hint
