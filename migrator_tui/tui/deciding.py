"""Decisions about findings as they are made on screen, and what a plan will touch. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from migrator_tui.model.catalogue.kind import Severity
from migrator_tui.model.decisions import Decisions, FindingDecision, decide
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, Plan
from migrator_tui.tui import project_text
from migrator_tui.tui.wording import counted


def with_choice(decisions: Decisions, finding: Finding, choice: str) -> Decisions:
    """The decisions with one about this finding, before all others."""
    where = finding.column or finding.object
    made = FindingDecision(finding.id, choice, finding.table, where)
    others = tuple(d for d in decisions.findings if (d.id, d.table, d.column) != (finding.id, finding.table, where))
    return replace(decisions, findings=(made, *others))


def with_recommended(decisions: Decisions, findings: Iterable[Finding], *, lossy: bool) -> tuple[Decisions, int]:
    """The decisions with the recommended choice of what is undecided, and how many that were."""
    made: dict[tuple[str, str | None, str | None], FindingDecision] = {}
    taken = 0
    for finding in findings:
        recommended = finding.recommended
        if finding.needs_decision and recommended is not None and (lossy or not recommended.lossy):
            where = finding.column or finding.object
            decision = FindingDecision(finding.id, recommended.name, finding.table, where)
            made[finding.id, finding.table, where] = decision
            taken += 1
    others = tuple(d for d in decisions.findings if (d.id, d.table, d.column) not in made)
    return replace(decisions, findings=(*made.values(), *others)), taken


def settled(findings: Iterable[Finding], decisions: Decisions) -> tuple[Finding, ...]:
    """The findings of an older plan with the decisions of this moment."""
    return decide((replace(f, decision=None) if f.choices else f for f in findings), decisions)


def obstacle(findings: Sequence[Finding], moved: int) -> str | None:
    """Why a run cannot start, in a line; None where it can."""
    stuck = [f for f in findings if f.severity is Severity.ERROR and not f.choices]
    if stuck:
        return f"✗ {stuck[0].message} It stops the run."
    errors = sum(1 for f in findings if f.needs_decision and f.severity is Severity.ERROR)
    waiting = sum(1 for f in findings if f.needs_decision)
    if waiting:
        return f"{waiting:,} to decide" + (f", {counted(errors, 'error')} among them" if errors else "")
    return None if moved else "Nothing is taken along; Select takes tables."


def touched(plan: Plan, counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """What a run makes, changes and leaves alone on the target.

    Args:
        counts: Rows of the target's tables, by name.

    Returns:
        Lines with the name of their style: ``heading``, ``strong``, ``plain`` or ``muted``.
    """
    created = [table for table in plan.moved if table.action is Action.CREATE]
    merged = [table for table in plan.moved if table.action is Action.MERGE]
    skipped = [table for table in plan.tables if table.action is Action.SKIP]
    lines = [
        ("While it runs", "strong"),
        ("  + schema migrator_stage_<run>: everything is staged and checked there, then it is dropped", "plain"),
        ("  + schema migrator: the run's ledger, its quarantine and what undo needs", "plain"),
        ("  Nothing else changes before you confirm publishing.", "muted"),
        ("", "plain"),
        (f"Publishing makes {counted(len(created), 'new table')}", "strong"),
    ]
    lines += [(f"  + {table.target}   {counted(table.rows, 'row')}", "plain") for table in created]
    lines += [(f"  + type {enum.name}   {', '.join(enum.labels)}", "plain") for enum in plan.enums]
    lines += [(f"  + view {view.target}", "plain") for view in plan.views]
    beside = list(project_text.beside(plan.project))
    if beside:
        lines += [("", "plain"), ("Beside the tables, in the project", "strong")]
        lines += [(f"  + {line}", "plain") for line in beside]
    if merged:
        lines += [("", "plain"), (f"Publishing adds rows to {counted(len(merged), 'table')} that is there", "strong")]
        lines += [
            (
                f"  ≈ {table.target}   {counted(table.rows, 'row')} from the source, "
                f"{counted(counts.get(str(table.target), 0), 'row')} there, paired by {', '.join(table.match_key)}",
                "plain",
            )
            for table in merged
        ]
    if skipped:
        lines += [("", "plain"), (f"Left out: {counted(len(skipped), 'table')}", "strong")]
        lines += [(f"  − {table.source}   {counted(table.rows, 'row')} stay in SQLite", "muted") for table in skipped]
    quarantine = [(table, rule) for table in plan.moved for rule in table.row_rules if not rule.nulls]
    if quarantine:
        lines += [("", "plain"), ("Rows set aside in migrator.quarantine", "strong")]
        lines += [(f"  ⚠ {table.source}: {rule.reason}", "plain") for table, rule in quarantine]
    nulls = [(table, rule) for table in plan.moved for rule in table.row_rules if rule.nulls]
    if nulls:
        lines += [("", "plain"), ("Values that become NULL", "strong")]
        lines += [(f"  ⚠ {table.source}.{', '.join(rule.columns)}: {rule.reason}", "plain") for table, rule in nulls]
    return lines
