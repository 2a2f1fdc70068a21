"""One table of the source beside what it becomes and beside the target's, and the names by which they are matched."""

from __future__ import annotations

from collections.abc import Sequence

from migrator_tui.convert.identifiers import quote
from migrator_tui.migration.comparing.pairs import NotCarried, Pair, Standing
from migrator_tui.migration.comparing.reference import Reference, planned_table
from migrator_tui.migration.planning.unbuilt import digested
from migrator_tui.model.plan import Action, TablePlan
from migrator_tui.model.schema import Index, Table

ONLY_THERE = "only on the target"
DIGESTED = "values are too long for a key, so that their digests are unique, which means the same"


class Measure:
    """What is looked up for every table, gathered once.

    Attributes:
        labels, live_labels: Of the enum types that the plan makes, and of the target's.
        enums: The plan's enum types as a column's type names them.
        targets: Source table → the target that it has in a plan for an empty target.
    """

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.not_carried = NotCarried(reference.plan.findings)
        self.labels = {enum.name: enum.labels for enum in reference.plan.enums}
        self.live_labels = {enum.name: enum.labels for enum in reference.target.enums}
        self.enums = {quote(enum.name.name): enum for enum in reference.plan.enums}
        self.targets = {table.source: table.target for table in reference.plan.tables}


class TableSides:
    """What the comparisons of a table's columns, keys, checks and indexes share.

    Attributes:
        source: As SQLite declares it.
        afresh: The plan of it for a target that is empty.
        expected: What that plan makes, as the server writes it.
        live: The target's table, None where it has none.
        merged: Source column → how a migration would carry it into the live table.
        made: Source column → how it is carried into a new table.
        renamed: Source column → its column in the live table.
    """

    def __init__(
        self,
        source: Table,
        afresh: TablePlan,
        planned: TablePlan | None,
        live: Table | None,
        shared: Measure,
    ) -> None:
        self.source, self.afresh, self.live = source, afresh, live
        self.name = source.name.name
        self.measure = shared
        self.expected = shared.reference.tables.get(self.name) or planned_table(afresh, shared.reference.plan.enums)
        merged = planned if planned is not None and planned.action is Action.MERGE else None
        self.merged = {column.source: column for column in merged.columns} if merged else {}
        self.made = {column.source: column for column in afresh.columns}
        # Where a migration would merge, it has found out which live column takes which of the source's.
        self.renamed = {c.source: self.merged.get(c.source, c).target for c in afresh.columns}
        self.to_live = {c.target: self.renamed[c.source] for c in afresh.columns}

    def pair(
        self,
        object: str,
        within: str,
        standing: Standing,
        source: str | None,
        target: str | None,
        why: str = "",
        planned: str | None = None,
    ) -> Pair:
        """A pair of this table."""
        implied = self.live is None and planned is not None
        return Pair(object, f"{self.name}.{within}", self.name, standing, source, target, why, planned, implied)

    def live_names(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Planned target names as the live table has them."""
        return tuple(self.to_live.get(column, column) for column in columns)

    def digests(self, columns: Sequence[str]) -> Index | None:
        """The live table's unique index on digests of these columns of its own."""
        indexes = self.live.indexes if self.live and columns else ()
        return next((index for index in indexes if sorted(digested(index)) == sorted(columns)), None)
