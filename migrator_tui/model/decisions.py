"""Decisions: what a person chose, in a form that a later headless run replays.

The file's three parts are tried in order and within each the first entry that matches wins; an entry that matches
nothing is reported, because it may be a spelling mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from migrator_tui.model.findings import Finding, Severity


class ConflictChoice(StrEnum):
    """What to do with one staged row that meets a different live row.

    ``per-field`` keeps the live row but for the fields that name the source.
    """

    KEEP_SOURCE = "keep-source"
    KEEP_TARGET = "keep-target"
    PER_FIELD = "per-field"
    QUARANTINE = "quarantine"


class Preference(StrEnum):
    """How a rule chooses a side by the rows' own values; where it cannot tell, it leaves the row undecided.

    ``newer`` and ``longer`` look at one column, of which neither side is NULL. ``not-null`` takes the side that has a
    value in it; without a column it fills each field that one side leaves empty, where no field differs otherwise.
    """

    NEWER = "newer"
    LONGER = "longer"
    NOT_NULL = "not-null"


class OnConflict(StrEnum):
    """The policy for conflicts that no decision names."""

    ASK = "ask"
    KEEP_TARGET = "keep-target"
    KEEP_SOURCE = "keep-source"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class FindingDecision:
    """A choice for all findings of an id, or only those of a table, or of one column or object there."""

    id: str
    choice: str
    table: str | None = None
    column: str | None = None

    def matches(self, finding: Finding) -> bool:
        """Whether this decision is about that finding."""
        return (
            self.id == finding.id
            and (self.table is None or self.table == finding.table)
            and (self.column is None or self.column in (finding.column, finding.object))
        )


@dataclass(frozen=True, slots=True)
class ConflictDecision:
    """A choice for one row, named by its key on the target.

    Attributes:
        fields: Column → ``source`` or ``target``, where a field is taken from the other side than ``choice`` says.
    """

    table: str
    key: Mapping[str, str | int | float | None]
    choice: ConflictChoice
    kind: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConflictRule:
    """A choice for all conflicts of a table, or of a kind there. ``*`` stands for every table.

    Attributes:
        by: The column that a preference looks at.
    """

    table: str
    choice: ConflictChoice | Preference
    kind: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class Decisions:
    """Everything that was decided."""

    findings: tuple[FindingDecision, ...] = ()
    conflicts: tuple[ConflictDecision, ...] = ()
    rules: tuple[ConflictRule, ...] = ()

    def then(self, other: Decisions) -> Decisions:
        """These decisions, and where they say nothing, the other ones."""
        return Decisions(self.findings + other.findings, self.conflicts + other.conflicts, self.rules + other.rules)


def decide(
    findings: Iterable[Finding],
    decisions: Decisions,
    *,
    accept_recommended: bool = False,
    accept_lossy: bool = False,
) -> tuple[Finding, ...]:
    """Fill in the decisions of the findings.

    Args:
        accept_recommended: Take the recommended choice of what is undecided, where it is lossless (``--yes``).
        accept_lossy: With ``accept_recommended``, also where it is lossy (``--accept-lossy``).

    A finding that is only good to know takes its recommended choice by itself, where that is lossless. A decision
    whose choice a finding does not offer is passed over; :func:`unmatched` reports it.
    """
    result: list[Finding] = []
    for finding in findings:
        decided = finding
        if finding.needs_decision:
            for decision in decisions.findings:
                if decision.matches(finding) and decision.choice in finding.choices:
                    decided = finding.decided(decision.choice)
                    break
            else:
                recommended = finding.recommended
                accepted = accept_recommended or finding.severity is Severity.INFO
                if recommended and accepted and (not recommended.lossy or (accept_recommended and accept_lossy)):
                    decided = finding.decided(recommended.name)
        result.append(decided)
    return tuple(result)


def unmatched(findings: Iterable[Finding], decisions: Decisions) -> tuple[FindingDecision, ...]:
    """The decisions that no finding of this run asks for."""
    all_findings = tuple(findings)
    return tuple(
        decision
        for decision in decisions.findings
        if not any(decision.matches(f) and decision.choice in f.choices for f in all_findings)
    )
