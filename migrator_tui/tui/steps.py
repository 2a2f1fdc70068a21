"""The steps of the guided migration, and what each needs before it can be shown."""

from __future__ import annotations

from enum import StrEnum


class Step(StrEnum):
    """The steps on screen, in order; ``HOME`` comes before them and is not part of the stepper."""

    HOME = "Home"
    CONNECT = "Connect"
    COMPARE = "Compare"
    SELECT = "Select"
    REVIEW = "Review"
    RUN = "Run"
    RESOLVE = "Resolve"
    RESULT = "Result"

    @property
    def number(self) -> int:
        """Place in the stepper, from 1; 0 for home."""
        return ORDER.index(self)


ORDER = tuple(Step)
STEPPER = ORDER[1:]
