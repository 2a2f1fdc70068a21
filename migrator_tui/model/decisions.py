"""Decisions: what a person chose, in a form that a later headless run replays.

The file's parts are tried in order and within each the first entry that matches wins; an entry that matches
nothing is reported, because it may be a spelling mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from migrator_tui.model.catalogue.kind import Severity
from migrator_tui.model.findings import Finding


class ConflictKind(StrEnum):
    """What a staged row met.

    ``same-key``: a live row of its key with other values. ``unique``: one row of another key, live or earlier in the
    source, that holds a unique or natural key's value. ``several``: several live rows at once, by different keys.
    ``duplicate``: an earlier row of the source, by a natural key alone. ``rule``: a check, foreign key or index of the
    target refuses it. ``parent``: the row that it refers to is not on the target and does not come.
    ``deleted-edited``: deleted on one side and edited on the other, where both ends are brought together; ``deleted``:
    deleted on one side, and as it was on the other.
    """

    SAME_KEY = "same-key"
    UNIQUE = "unique"
    SEVERAL = "several"
    DUPLICATE = "duplicate"
    RULE = "rule"
    PARENT = "parent"
    DELETED_EDITED = "deleted-edited"
    DELETED = "deleted"


class ConflictChoice(StrEnum):
    """What to do with one staged row that needs a choice.

    ``per-field`` keeps the live row but for the fields that name the source. ``edit`` writes the source's row, or the
    fields that name the target, with ``values`` over both. ``keep-both`` adds the row under a new key, which the rows
    that refer to it follow. ``merge`` makes it one with the row that it met: that one keeps its key and takes the
    fields that name the source, and the rows that refer to the other one follow. ``skip`` and ``quarantine`` leave it
    behind, whole, with the rows that refer to it.
    """

    KEEP_SOURCE = "keep-source"
    KEEP_TARGET = "keep-target"
    PER_FIELD = "per-field"
    EDIT = "edit"
    KEEP_BOTH = "keep-both"
    MERGE = "merge"
    SKIP = "skip"
    QUARANTINE = "quarantine"


CHOICES_OF: Mapping[ConflictKind, tuple[ConflictChoice, ...]] = MappingProxyType(
    {
        ConflictKind.SAME_KEY: tuple(ConflictChoice),
        ConflictKind.UNIQUE: (
            ConflictChoice.KEEP_TARGET,
            ConflictChoice.MERGE,
            ConflictChoice.KEEP_BOTH,
            ConflictChoice.EDIT,
            ConflictChoice.SKIP,
            ConflictChoice.QUARANTINE,
        ),
        ConflictKind.SEVERAL: (
            ConflictChoice.KEEP_TARGET,
            ConflictChoice.MERGE,
            ConflictChoice.KEEP_BOTH,
            ConflictChoice.EDIT,
            ConflictChoice.SKIP,
            ConflictChoice.QUARANTINE,
        ),
        ConflictKind.DUPLICATE: (
            ConflictChoice.KEEP_TARGET,
            ConflictChoice.MERGE,
            ConflictChoice.KEEP_BOTH,
            ConflictChoice.EDIT,
            ConflictChoice.SKIP,
            ConflictChoice.QUARANTINE,
        ),
        ConflictKind.RULE: (
            ConflictChoice.KEEP_TARGET,
            ConflictChoice.EDIT,
            ConflictChoice.SKIP,
            ConflictChoice.QUARANTINE,
        ),
        ConflictKind.PARENT: (
            ConflictChoice.KEEP_TARGET,
            ConflictChoice.EDIT,
            ConflictChoice.SKIP,
            ConflictChoice.QUARANTINE,
        ),
    }
)
"""The choices that rows of a kind have. ``keep-target`` needs a live row that is kept: where nothing was met, as under
``rule`` and ``parent``, there may be none."""


class Match(StrEnum):
    """When two values of a natural key's column are one: as they are, in any case, without white space around them, or
    (``folded``) both. NULL and a value of white space alone are like nothing."""

    EXACT = "exact"
    NOCASE = "nocase"
    TRIMMED = "trimmed"
    FOLDED = "folded"


@dataclass(frozen=True, slots=True)
class NaturalKey:
    """Columns by which a person tells that two rows are one, whatever the keys of the table say.

    Attributes:
        table: By its name in the source or on the target.
        columns: By their names on the target or in the source.
        name: What it is called on screen and in reports; by default its columns and how they match.
    """

    table: str
    columns: tuple[str, ...]
    match: Match = Match.EXACT
    name: str | None = None

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or f"{', '.join(self.columns)} ({self.match})"


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
        key: The staged row's key.
        fields: Column → ``source`` or ``target``, where a field is taken from the other side than ``choice`` says.
        values: Column → its value as text, or None for NULL: of the fields that were edited (``edit``), or of the new
            key and unique columns (``keep-both``) that the target cannot generate.
        into: The key of the live row that survives, where several were met (``merge``).
    """

    table: str
    key: Mapping[str, str | int | float | None]
    choice: ConflictChoice
    kind: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str | None] = field(default_factory=dict)
    into: Mapping[str, str | int | float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConflictRule:
    """A choice for all conflicts of a table, or of a kind there. ``*`` stands for every table.

    Attributes:
        by: The column that a preference looks at.
        columns: Only the rows that differ in exactly these columns; empty for all.
        fields: Column → ``source`` or ``target``, as of a decision; for ``per-field`` and ``merge``.
    """

    table: str
    choice: ConflictChoice | Preference
    kind: str | None = None
    by: str | None = None
    columns: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decisions:
    """Everything that was decided."""

    findings: tuple[FindingDecision, ...] = ()
    conflicts: tuple[ConflictDecision, ...] = ()
    rules: tuple[ConflictRule, ...] = ()
    natural_keys: tuple[NaturalKey, ...] = ()

    def then(self, other: Decisions) -> Decisions:
        """These decisions, and where they say nothing, the other ones."""
        more = tuple(key for key in other.natural_keys if key not in self.natural_keys)
        return Decisions(
            self.findings + other.findings,
            self.conflicts + other.conflicts,
            self.rules + other.rules,
            self.natural_keys + more,
        )


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
