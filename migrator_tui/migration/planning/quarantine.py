"""Which source rows stay behind, and which references are set to NULL: the decisions, as sets of locators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migrator_tui.convert import placeholders
from migrator_tui.model.plan import Plan, RowRule, TablePlan
from migrator_tui.model.profile import Chunk
from migrator_tui.model.schema import Database, Table, TableName
from migrator_tui.postgres.load import QuarantinedRow
from migrator_tui.sqlite import references
from migrator_tui.sqlite.read import row_key, typed_cells

READ_AS_NULL = ("class-not", placeholders.PREDICATE, "shape-other")
"""Predicates that look at one value alone. Where such values become NULL they are read as that, and no row is named:
there may be as many as the table has."""


@dataclass(frozen=True, slots=True)
class RowSets:
    """Rows that decisions treat otherwise.

    Attributes:
        quarantined: Source table → locator → (finding id, reason).
        nulled: Source table → column → locators whose value becomes NULL, but for :data:`READ_AS_NULL`.
    """

    quarantined: Mapping[str, Mapping[int, tuple[str, str]]] = field(default_factory=dict)
    nulled: Mapping[str, Mapping[str, frozenset[int]]] = field(default_factory=dict)

    def count(self, table: str) -> int:
        """Quarantined rows of a table."""
        return len(self.quarantined.get(table, {}))

    def within(self, table: str, chunk: Chunk) -> dict[int, tuple[str, str]]:
        """The quarantined rows of a chunk."""
        rows = self.quarantined.get(table, {})
        return {src: why for src, why in rows.items() if chunk.lo <= src <= chunk.hi}


def find(snapshot: Path, database: Database, plan: Plan) -> RowSets:
    """Evaluate the plan's row rules on the snapshot, and follow foreign keys to the rows that would be orphaned."""
    quarantined: dict[str, dict[int, tuple[str, str]]] = {}
    nulled: dict[str, dict[str, frozenset[int]]] = {}
    for table in plan.moved:
        source = _source(database, table)
        for rule in table.row_rules:
            if rule.nulls and rule.predicate in READ_AS_NULL:
                continue
            rows = rows_of_rule(snapshot, database, source, rule)
            if rule.nulls:
                columns = nulled.setdefault(table.source, {})
                for column in rule.columns:
                    columns[column] = columns.get(column, frozenset()) | frozenset(rows)
            else:
                into = quarantined.setdefault(table.source, {})
                for row in rows:
                    into.setdefault(row, (rule.finding, rule.reason))
    if any(quarantined.values()):
        seeds = {table: list(rows) for table, rows in quarantined.items() if rows}
        moved = {table.source for table in plan.moved}
        for name, rows_found in references.descendants(snapshot, database, seeds).items():
            if name in moved:
                into = quarantined.setdefault(name, {})
                for row, reason in rows_found.items():
                    into.setdefault(row, ("FK-ORPHAN", reason))
    return RowSets(quarantined, nulled)


def rows_of(
    snapshot: Path, database: Database, table: TablePlan, chosen: Mapping[int, tuple[str, str]]
) -> Sequence[QuarantinedRow]:
    """The quarantined rows whole, every cell with its storage class."""
    source = _source(database, table)
    return [
        QuarantinedRow(src, row_key(source, cells, src), chosen[src][0], chosen[src][1], cells)
        for src, cells in typed_cells(snapshot, source, sorted(chosen))
    ]


def _source(database: Database, table: TablePlan) -> Table:
    found = database.table(TableName("", table.source))
    assert found is not None, f"the plan names {table.source}, which the snapshot lacks"
    return found


def as_ranges(locators: Sequence[int]) -> str:
    """Locators in order as a rule's argument: ``3,7:9``."""
    runs: list[list[int]] = []
    for locator in locators:
        if runs and locator == runs[-1][1] + 1:
            runs[-1][1] = locator
        else:
            runs.append([locator, locator])
    return ",".join(str(low) if low == high else f"{low}:{high}" for low, high in runs)


def in_ranges(argument: str) -> list[int]:
    """The locators of :func:`as_ranges`."""
    found: list[int] = []
    for run in filter(None, argument.split(",")):
        low, _, high = run.partition(":")
        found += range(int(low), int(high or low) + 1)
    return found


def rows_of_rule(snapshot: Path, database: Database, table: Table, rule: RowRule) -> Sequence[int]:
    """The locators of the rows that a rule is about."""
    if rule.predicate == "rows":
        return in_ranges(rule.argument)
    if rule.predicate == "orphan":
        return references.orphans(snapshot, database, table, int(rule.argument))
    if rule.predicate == "spelled-apart":
        return references.spelled_apart(snapshot, database, table, int(rule.argument))
    if rule.predicate == "invalid-utf8":
        return references.invalid_utf8_rows(snapshot, table, rule.columns[0])
    if rule.predicate == "shape-other":
        known = set(rule.argument.split(","))
        return references.rows_not_of_shapes(snapshot, table, rule.columns[0], known)
    return references.rows_where(snapshot, table, references.predicate(rule.predicate, rule.columns, rule.argument))
