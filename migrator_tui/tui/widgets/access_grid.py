"""Who may do what on which table, as it was tried: a row a table, a column for each kind of caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from migrator_tui.tui.widgets.line_list import LineList, Part, fit

CALLERS = ("anon", "a user", "another user", "service_role")
ADMINISTRATOR = "an administrator"
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")
GAP = 2
"""Blanks between two columns."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that was tried, as a run's outcome keeps it.

    Attributes:
        may: None where it could not be tried; ``why`` says so.
        expected: What the plan means; None where it says nothing.
    """

    table: str
    who: str
    verb: str
    may: bool | None
    expected: bool | None
    why: str = ""

    @property
    def wrong(self) -> bool:
        """It is not as it was meant."""
        return self.may is not None and self.expected is not None and self.may != self.expected


@dataclass(frozen=True, slots=True)
class Access:
    """All that was tried on one table or view."""

    table: str
    trials: tuple[Trial, ...]

    def of(self, who: str) -> tuple[Trial, ...]:
        """What one caller tried of the four verbs."""
        return tuple(trial for trial in self.trials if trial.who == who and trial.verb in VERBS)

    @property
    def people(self) -> tuple[str, ...]:
        """Who tried anything, the four of the grid first."""
        tried = dict.fromkeys(trial.who for trial in self.trials)
        return tuple(sorted(tried, key=lambda who: CALLERS.index(who) if who in CALLERS else len(CALLERS)))

    @property
    def wrong(self) -> bool:
        """Something is not as it was meant."""
        return any(trial.wrong for trial in self.trials)


def accesses(details: Mapping[str, Any]) -> tuple[Access, ...]:
    """The matrix that the details of a run's ``exposure`` hold; empty where nothing was tried."""
    by_table: dict[str, list[Trial]] = {}
    for entry in details.get("access", ()):
        trial = Trial(entry["table"], entry["who"], entry["verb"], entry["may"], entry["expected"], entry["why"])
        by_table.setdefault(trial.table, []).append(trial)
    return tuple(Access(table, tuple(trials)) for table, trials in by_table.items())


def verdict(trials: Sequence[Trial]) -> Part:
    """What one caller may do on a table: symbol, words, and the name of their style."""
    if not trials:
        return "· not tried", "muted"
    may = [trial.verb.lower() for trial in trials if trial.may]
    if any(trial.wrong for trial in trials):
        return f"! {_worded(may)}", "bad"
    if not may and any(trial.may is None for trial in trials):
        return "? no row to try", "muted"
    if not may:
        return "✗ nothing", "muted"
    return ("✓ everything", "good") if len(may) == len(VERBS) else (f"◐ {_worded(may)}", "accent")


def _worded(may: Sequence[str]) -> str:
    """Verbs in at most fourteen cells."""
    if len(may) == len(VERBS):
        return "everything"
    if len(may) == len(VERBS) - 1:
        return "all but " + next(verb.lower() for verb in VERBS if verb.lower() not in may)
    return ", ".join(may) or "nothing"


class AccessGrid(LineList):
    """One line a table, one cell for each of :data:`CALLERS`; what is against the plan is marked."""

    def __init__(self, accesses: Sequence[Access], *, id: str | None = None) -> None:
        super().__init__(id=id)
        # What is wrong must not be below the fold.
        self.shown = tuple(sorted(accesses, key=lambda access: not access.wrong))
        # As narrow as what is in it, so that names have the rest.
        self._cells = tuple(
            max([len(who), *(len(verdict(access.of(who))[0]) for access in self.shown)]) + GAP for who in CALLERS
        )
        self._longest = max((len(_short(access.table)) for access in self.shown), default=0) + GAP

    def on_mount(self) -> None:
        """The cursor is on the first."""
        self.rows_changed()

    @property
    def current(self) -> Access | None:
        """The table at the cursor."""
        return self.shown[self.cursor] if self.cursor is not None else None

    def count(self) -> int:
        """Tables and views."""
        return len(self.shown)

    def heading(self, width: int) -> str | None:
        """Who calls."""
        name = fit("table", self._name_cells(width))
        return f" {name} " + "".join(f"{who:<{cells}}" for who, cells in zip(CALLERS, self._cells, strict=True))

    def parts(self, index: int, line: int, width: int) -> Iterable[Part]:
        """One table."""
        access = self.shown[index]
        yield f" {fit(_short(access.table), self._name_cells(width))} ", "strong"
        for who, cells in zip(CALLERS, self._cells, strict=True):
            text, style = verdict(access.of(who))
            yield fit(text, cells), style

    def _name_cells(self, width: int) -> int:
        return max(8, min(self._longest, width - 2 - sum(self._cells)))


def _short(table: str) -> str:
    return table.removeprefix("public.")
