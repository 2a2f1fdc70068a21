"""Findings grouped by severity, with what is decided; any number of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migrator_tui.model.catalogue.kind import Severity
from migrator_tui.model.findings import Finding
from migrator_tui.tui.widgets.line_list import LineList, Part, fit

SEVERITIES = {
    Severity.ERROR: ("✗", "error", "bad"),
    Severity.WARNING: ("⚠", "warning", "warn"),
    Severity.INFO: ("ℹ", "info", "busy"),
}
"""Severity → symbol, word and colour, the gravest first."""
DECISION_CELLS = 14
WIDE = 56
"""Cells from which on there is room for whole ids."""


class FindingList(LineList):
    """One line a finding under the heading of its severity."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[Finding | Severity] = []
        self._counts: dict[Severity, tuple[int, int]] = {}
        self._widest_id = 0

    def show(self, findings: Sequence[Finding]) -> None:
        """Show these, errors first and within a severity what waits for a decision; the cursor stays on its finding."""
        keep = self.current
        first = not self._rows
        self._rows, self._counts = [], {}
        self._widest_id = max((len(finding.id) for finding in findings), default=0)
        for severity in SEVERITIES:
            group = [finding for finding in findings if finding.severity is severity]
            if group:
                self._counts[severity] = (len(group), sum(1 for finding in group if finding.needs_decision))
                self._rows += [severity, *sorted(group, key=lambda finding: not finding.choices)]
        at = None
        if keep is not None:
            at = next((i for i, row in enumerate(self._rows) if isinstance(row, Finding) and alike(row, keep)), None)
        elif first:
            at = self.next_undecided(0)
        self.rows_changed(at)

    @property
    def current(self) -> Finding | None:
        """The finding at the cursor."""
        row = self._rows[self.cursor] if self.cursor is not None and self.cursor < len(self._rows) else None
        return row if isinstance(row, Finding) else None

    def next_undecided(self, start: int | None = None) -> int | None:
        """The row of the next finding that waits for a decision, around the end if need be."""
        begin = (self.cursor or 0) if start is None else start
        order: list[int] = [*range(begin, len(self._rows)), *range(begin)]
        for index in order:
            row = self._rows[index]
            if isinstance(row, Finding) and row.needs_decision:
                return index
        return None

    def count(self) -> int:
        """Findings and headings."""
        return len(self._rows)

    def selectable(self, index: int) -> bool:
        """Headings are stepped over."""
        return isinstance(self._rows[index], Finding)

    def parts(self, index: int, line: int, width: int) -> Iterable[Part]:
        """A heading, or a finding and its decision."""
        row = self._rows[index]
        if isinstance(row, Severity):
            symbol, word, style = SEVERITIES[row]
            number, undecided = self._counts[row]
            waits = f", {undecided:,} to decide" if undecided else ""
            return [(f" {symbol} {number:,} {word if number == 1 else PLURALS[row]}", style), (waits, "muted")]
        where = ".".join(part for part in (row.table, row.column or row.object) if part)
        rest = width - DECISION_CELLS - 4
        id_width = min(max(12, self._widest_id), rest // 2) if width >= WIDE else min(20, rest * 2 // 5)
        decision, style = ("", "muted")
        if row.decision is not None:
            decision, style = f"✓ {row.decision}", "good"
        elif row.choices:
            decision, style = "? decide", "warn"
        return [
            ("   " + fit(row.id, id_width) + " ", "plain"),
            (fit(where, rest - id_width - 1) + " ", "strong" if row.needs_decision else "muted"),
            (fit(decision, DECISION_CELLS), style),
        ]


PLURALS = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.INFO: "to know"}


def alike(one: Finding, other: Finding) -> bool:
    """The same finding, whatever was decided."""
    return (one.id, one.table, one.column, one.object, one.message) == (
        other.id,
        other.table,
        other.column,
        other.object,
        other.message,
    )
