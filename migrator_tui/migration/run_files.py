"""The files of a run that hold the program's own words: the plan it was begun with, and the summary of its end."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from migrator_tui import locations
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.errors import UsageError
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Plan

PLAN_JSON = "plan.json"
AUDIT = "audit.jsonl"
OUTCOME_JSON = "outcome.json"
DECISIONS = "decisions.yaml"
"""What was decided on screen, as it was decided: `resume RUN --decisions` replays it."""

_PLAN = TypeAdapter(Plan)
_OUTCOME = TypeAdapter(RunOutcome)


def write_plan(folder: RunFolder, plan: Plan) -> None:
    """Keep the plan whole: from staging on, nothing but this plan fits what is on the target."""
    locations.write_private(folder.file(PLAN_JSON), _PLAN.dump_json(plan, indent=1))


def read_plan(folder: RunFolder) -> Plan:
    """The plan that a run's staging was begun with.

    Raises:
        UsageError: It was written by another version, or is not there.
    """
    try:
        return _PLAN.validate_json(folder.file(PLAN_JSON).read_bytes())
    except (ValidationError, OSError) as error:
        raise UsageError(
            "RESUME-PLAN",
            f"The plan that the run {folder.run} was begun with cannot be read by this version of migrator-tui.",
            "Use the version that began it, or roll it back and start anew.",
        ) from error


def write_outcome(folder: RunFolder, outcome: RunOutcome) -> None:
    """Keep the summary whole, for a rollback's report and the audit trail's anchor."""
    locations.write_private(folder.file(OUTCOME_JSON), _OUTCOME.dump_json(outcome, indent=1))


def read_outcome(folder: RunFolder) -> RunOutcome | None:
    """The summary of the run's last end, or None: it has not ended yet, or by another version."""
    try:
        return _OUTCOME.validate_json(folder.file(OUTCOME_JSON).read_bytes())
    except (ValidationError, OSError):
        return None
