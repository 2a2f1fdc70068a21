"""What becomes of one column's values, and who says which of several ways."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from migrator_tui.model.findings import Finding
from migrator_tui.model.schema import Column

Decide = Callable[[Finding], str]
"""Gives the choice for a finding: the person's, else the recommended one."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What becomes of one column's values.

    Attributes:
        quarantine: ``(finding id, predicate kind, argument)`` of the rows that stay behind, for
            ``sqlite.references``.
        nulled: The same of the rows whose value becomes NULL.
        misfit: Why an existing target column cannot take the values, or None.
    """

    type: str
    codec: str
    findings: tuple[Finding, ...] = ()
    quarantine: tuple[tuple[str, str, str], ...] = ()
    misfit: str | None = None
    nulled: tuple[tuple[str, str, str], ...] = ()

    def with_finding(self, finding: Finding) -> Typed:
        """This with one more finding."""
        return replace(self, findings=(*self.findings, finding))


def kept(table: str, column: Column, became: str, why: str) -> Finding:
    """The finding of a column that keeps its values in a plainer type than its declared one."""
    return Finding(
        "TYPE-KEPT",
        f"{table}.{column.name}, declared {column.type or 'without a type'}, becomes {became}: {why}.",
        table=table,
        column=column.name,
    )
