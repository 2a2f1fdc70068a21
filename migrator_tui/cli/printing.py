"""What goes to standard output and standard error."""

from __future__ import annotations

import json
from typing import Any

import click

from migrator_tui.model.errors import ExitCode, MigratorError
from migrator_tui.model.outcome import Beside, RunOutcome
from migrator_tui.model.progress import RunStatus

EXIT_CODES = {
    RunStatus.SUCCEEDED: ExitCode.DONE,
    RunStatus.ROLLED_BACK: ExitCode.DONE,
    RunStatus.NEEDS_DECISIONS: ExitCode.DECISIONS_LEFT,
    RunStatus.VERIFICATION_FAILED: ExitCode.VERIFICATION_FAILED,
    RunStatus.INTERRUPTED: ExitCode.INTERRUPTED,
    RunStatus.PAUSED: ExitCode.INTERRUPTED,
    RunStatus.RUNNING: ExitCode.INTERRUPTED,
    RunStatus.FAILED: ExitCode.FAILED,
}


def print_json(document: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def say(text: str) -> None:
    """A line for the person, on standard error."""
    click.echo(printable(text), err=True)


def printable(text: str) -> str:
    """Text from a database, safe for a terminal: control characters shown instead of obeyed."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def print_error(error: MigratorError, *, command: str, as_json: bool) -> None:
    """One clear message, and the next step."""
    if as_json:
        status = RunStatus.NEEDS_DECISIONS if error.exit_code is ExitCode.DECISIONS_LEFT else RunStatus.FAILED
        print_json(
            {
                "command": command,
                "status": status.value,
                "error": {"id": error.id, "message": error.message, "hint": error.hint},
            }
        )
    say(f"{error.id}: {error.message}")
    if error.hint:
        say(f"  → {error.hint}")


def finish(outcome: RunOutcome, *, as_json: bool) -> int:
    """Print a run's summary; the exit code of the process."""
    if as_json:
        print_json(outcome.as_json())
    else:
        for line in summary(outcome):
            click.echo(printable(line))
    if outcome.error:
        say(f"{outcome.error.id}: {outcome.error.message}")
        if outcome.error.hint:
            say(f"  → {outcome.error.hint}")
    code = EXIT_CODES[outcome.status]
    return int(ExitCode.USAGE) if outcome.error and outcome.error.id in USAGE_ERRORS else int(code)


USAGE_ERRORS = frozenset(
    {"SYNC-NO-BASE", "RUN-UNKNOWN", "PLAN-FILE", "PLAN-TYPE", "RESUME-PLAN", "RESUME-CHUNKS", "DECISION-FIELDS"}
)


def _beside(item: Beside) -> list[str]:
    """Users, files and access as lines; what was tried table by table is in the report."""
    verified = "verified" if item.verified else "not verified"
    if item.name == "exposure":
        what = f"{item.moved:,} tables of {item.target} open as planned, {item.left:,} closed; tried, {verified}"
        return [f"  access: {what}"]
    counted = [f"{item.moved:,} of {item.total:,} made"]
    counted += [f"{item.matched:,} there already"] if item.matched else []
    counted += [f"{item.left:,} left behind"] if item.left else []
    return [
        f"  {item.name}: {', '.join(counted)} in {item.target}, {verified}",
        *(f"    {line}" for line in item.lines),
    ]


def summary(outcome: RunOutcome) -> list[str]:
    """The summary as lines: what moved, what stayed, what to look at."""
    lines = [f"{outcome.command} {outcome.run}: {outcome.status.value.replace('_', ' ')} in {outcome.seconds:.1f} s"]
    if outcome.tables:
        width = max(len(table.source) for table in outcome.tables)
        lines.append("")
        lines.append(
            f"  {'table':<{width}}  {'source':>10}  {'staged':>10}  {'quarantined':>11}  {'published':>10}  verified"
        )
        lines += [
            f"  {table.source:<{width}}  {table.source_rows:>10,}  {table.staged_rows:>10,}  "
            f"{table.quarantined_rows:>11,}  {table.published_rows:>10,}  {'yes' if table.verified else 'no'}"
            for table in outcome.tables
        ]
        lines.append("")
    lines += [line for item in outcome.beside for line in _beside(item)]
    open_findings = [finding for finding in outcome.findings if finding.needs_decision]
    lines += [f"  {f.id}: {f.message} Choices: {', '.join(f.choices)}." for f in open_findings]
    decided = sum(1 for finding in outcome.findings if finding.decision)
    if decided:
        lines.append(
            f"  {decided} findings decided, {len(outcome.not_carried)} schema objects not carried (see the report)."
        )
    if outcome.conflicts_found:
        lines.append(f"  {outcome.conflicts_found} conflicts, {outcome.conflicts_resolved} resolved.")
    lines += [f"  {note}" for note in outcome.notes]
    lines += [f"  kept: {kept}" for kept in outcome.kept_edits]
    if outcome.report:
        lines.append(f"  report: {outcome.report}")
    if outcome.status is RunStatus.SUCCEEDED and outcome.command != "verify":
        lines.append(f"  to undo: migrator-tui rollback {outcome.run}")
    return lines
