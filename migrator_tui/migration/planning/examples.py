"""Examples for findings: the keys and values of the first rows that each is about, read from the snapshot."""

from __future__ import annotations

from dataclasses import replace

from migrator_tui.convert import placeholders
from migrator_tui.convert.types import main_classes
from migrator_tui.migration.planning.quarantine import rows_of_rule
from migrator_tui.migration.staging import Source
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Plan, RowRule
from migrator_tui.model.profile import ColumnProfile
from migrator_tui.model.schema import TableName
from migrator_tui.sqlite.read import row_key, shown, typed_cells

SHOWN = 5
"""Rows that a finding names."""


def with_examples(plan: Plan, source: Source) -> Plan:
    """The plan with keys and sample values in the findings that are about rows."""
    return replace(plan, findings=tuple(_with_examples(finding, plan, source) for finding in plan.findings))


def _with_examples(finding: Finding, plan: Plan, source: Source) -> Finding:
    if finding.keys or not finding.rows or finding.table is None:
        return finding
    rule = _planned_rule(finding, plan) or _rule(finding, source)
    if rule is None:
        return finding
    known = source.examples.get((finding.table, rule))
    if known is None:
        known = _examples(finding.table, rule, source)
        source.examples[(finding.table, rule)] = known
    return replace(finding, keys=known[0], samples=known[1])


def _planned_rule(finding: Finding, plan: Plan) -> RowRule | None:
    """What the plan does with the rows that a finding about values is about, if it does something."""
    if finding.id not in ("TYPE-MIXED", "DATE-MIXED"):
        return None
    rules = (rule for table in plan.moved if table.source == finding.table for rule in table.row_rules)
    return next((r for r in rules if r.finding == finding.id and r.columns == (finding.column,)), None)


def _rule(finding: Finding, source: Source) -> RowRule | None:
    """The rows that a finding is about, whatever is decided."""
    if finding.column is None:
        table = source.table(finding.table or "")
        if finding.id == "KEY-NULL" and table.primary_key is not None:
            return RowRule(finding.id, "null-key", table.primary_key.columns)
        return None
    profile = source.profile.tables[finding.table or ""].column(finding.column)
    source_column = source.table(finding.table or "").column(finding.column)
    known = {
        "VALUE-NUL": ("nul", ""),
        "VALUE-UTF8": ("invalid-utf8", ""),
        "TYPE-MIXED": ("class-not", "+".join(main_classes(source_column, profile))),
        "VALUE-EMPTY": (placeholders.PREDICATE, ""),
        "DATE-MIXED": ("shape-other", _main_shape(profile)),
        "KEY-CASE": ("case-duplicate", ""),
    }
    if finding.id not in known:
        return None
    predicate, argument = known[finding.id]
    return RowRule(finding.id, predicate, (finding.column,), argument)


def _main_shape(profile: ColumnProfile) -> str:
    return max(profile.shapes, key=lambda shape: profile.shapes[shape], default="")


def _examples(name: str, rule: RowRule, source: Source) -> tuple[tuple[str, ...], tuple[str, ...]]:
    table = source.database.table(TableName("", name))
    assert table is not None
    rows = rows_of_rule(source.snapshot, source.database, table, rule)[:SHOWN]
    keys, samples = [], []
    for locator, cells in typed_cells(source.snapshot, table, rows):
        keys.append(row_key(table, cells, locator))
        samples.append(", ".join(shown(cells[column]) for column in rule.columns))
    return tuple(keys), tuple(samples)
