"""What a kind of finding is: its severity, its meaning, its choices."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters.

    ``INFO`` is good to know. A ``WARNING`` says that something is changed or not carried. An ``ERROR`` stops the
    run unless one of its choices is taken.
    """

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to deal with a finding.

    Attributes:
        lossy: The identical value and storage class cannot be had back, or rows stay behind (quarantine).
    """

    name: str
    effect: str
    lossy: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding. ``choices`` is empty where there is nothing to decide; else the first is recommended."""

    id: str
    severity: Severity
    title: str
    meaning: str
    example: str
    choices: tuple[Choice, ...] = ()

    def choice(self, name: str) -> Choice | None:
        """The choice of that name, or None."""
        return next((choice for choice in self.choices if choice.name == name), None)


def quarantine(what: str) -> Choice:
    """The choice to leave rows behind; ``what`` begins the sentence."""
    return Choice(
        "quarantine",
        f"{what} stays behind whole, with its reason, in migrator.quarantine and the "
        "run's folder; so do the rows that refer to it.",
        lossy=True,
    )
