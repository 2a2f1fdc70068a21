"""Findings: everything about this source and this target that a person should know or decide.

A :class:`Finding` is one occurrence; its ``id`` names a :class:`Kind` in :data:`CATALOGUE`, which says what it means
and what each choice does. Ids are stable: decisions files, JSON and the report refer to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from migrator_tui.model.catalogue import objects, project, target, values
from migrator_tui.model.catalogue.kind import Choice, Kind, Severity
from migrator_tui.model.schema import TableName


@dataclass(frozen=True, slots=True)
class Finding:
    """One occurrence of a kind.

    Attributes:
        table: Source table, or the target table of a finding about the target; None for a whole database.
        object: Name of the index, view, constraint or trigger concerned, where it is not a column.
        rows: How many rows are concerned; 0 where it is not about rows.
        keys: Keys of the first offending rows, as text.
        samples: The first offending values, as text, shortened.
        choices: Names of the choices open here (a subset of the kind's); the first is recommended.
        decision: The chosen name, or None while undecided.
    """

    id: str
    message: str
    table: str | None = None
    column: str | None = None
    object: str | None = None
    rows: int = 0
    keys: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    decision: str | None = None

    @property
    def kind(self) -> Kind:
        """The catalogue's entry."""
        return CATALOGUE[self.id]

    @property
    def severity(self) -> Severity:
        """The kind's severity."""
        return self.kind.severity

    @property
    def needs_decision(self) -> bool:
        """There are choices and none is taken."""
        return bool(self.choices) and self.decision is None

    @property
    def recommended(self) -> Choice | None:
        """The recommended choice, or None where there is nothing to choose."""
        return self.kind.choice(self.choices[0]) if self.choices else None

    def decided(self, choice: str) -> Finding:
        """This finding with a choice taken.

        Raises:
            ValueError: The choice is not one of this finding's.
        """
        if choice not in self.choices:
            raise ValueError(f"{self.id} has no choice {choice!r}; it has {', '.join(self.choices)}")
        return replace(self, decision=choice)


CATALOGUE: Mapping[str, Kind] = MappingProxyType(
    {kind.id: kind for kind in (*values.KINDS, *objects.KINDS, *target.KINDS, *project.KINDS)}
)
"""All kinds by id."""


def name_of(table: TableName | str | None) -> str | None:
    """A table's name as findings carry it."""
    return None if table is None else str(table)
