"""Comparing two schemas object by object: equal, equal by conversion, missing, extra or changed, and why.

The measure is what the source would become if it were migrated afresh under the same decisions
(:mod:`migrator_tui.migration.comparing.reference`): a
column that the plan turns from DATETIME into ``timestamptz`` is equal by
conversion, not different.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrator_tui.migration.comparing.comparing_checks import checks, indexes
from migrator_tui.migration.comparing.comparing_columns import columns, sequences
from migrator_tui.migration.comparing.comparing_keys import foreign_keys, primary_key, uniques
from migrator_tui.migration.comparing.pairs import Pair, Standing
from migrator_tui.migration.comparing.reference import Reference, unasked
from migrator_tui.migration.comparing.renames import with_renames
from migrator_tui.migration.comparing.table_sides import Measure, TableSides
from migrator_tui.model.plan import Action, Plan, TablePlan
from migrator_tui.model.schema import Database, EnumType, Table, TableName, Trigger, View

__all__ = ["Pair", "Standing", "compare", "differences"]

UNCOMPARABLE = "what it does cannot be compared with SQLite's"


def compare(source: Database, target: Database, plan: Plan, reference: Reference | None = None) -> tuple[Pair, ...]:
    """All objects of the plan's tables, and what the target has beyond them in the same schemas.

    Args:
        plan: Made against the target as it is: it says what would happen to each table.
        reference: What the target is held to; by the plan's own texts where none is given.
    """
    measure = reference or unasked(plan, target)
    return tuple(with_renames(list(_Comparison(source, measure.target, plan, measure).pairs()), measure))


def differences(pairs: Iterable[Pair]) -> list[Pair]:
    """What differs, once: of a table that one side lacks the table alone, not each of its columns."""
    listed = [pair for pair in pairs if pair.standing.differs]
    whole = {pair.table for pair in listed if pair.object == "table"}
    return [pair for pair in listed if pair.object == "table" or pair.table not in whole or not pair.implied]


class _Comparison:
    """One comparison of two databases."""

    def __init__(self, source: Database, target: Database, plan: Plan, reference: Reference) -> None:
        self._source, self._target, self._plan, self._reference = source, target, plan, reference
        self._sources = {table.name: table for table in source.tables}  # a search for each is slow with thousands
        self._there = {table.name: table for table in target.tables}
        self._planned = {table.source: table for table in plan.tables}
        self._afresh = {table.source: table for table in reference.plan.tables}
        self._measure = Measure(reference)
        self._not_carried = self._measure.not_carried

    def pairs(self) -> Iterator[Pair]:
        """Tables with what belongs to them, then views and enum types, then what only the target has."""
        of_table: dict[TableName, list[Trigger]] = {}
        for trigger in self._target.triggers:
            of_table.setdefault(trigger.table, []).append(trigger)
        ours: dict[TableName, list[Trigger]] = {}
        for trigger in self._source.triggers:
            ours.setdefault(trigger.table, []).append(trigger)
        met: set[TableName] = set()
        for name, afresh in self._afresh.items():
            described = self._sources.get(TableName("", name))
            if described is None:
                continue
            live = self._live(name, afresh)
            yield from self._table(described, afresh, live)
            found = of_table.get(live.name, []) if live else []
            if live:
                met.add(live.name)
            yield from self._triggers(name, ours.get(described.name, []), found)
        for trigger in self._source.triggers:
            if trigger.table not in self._sources:  # on a view; those of tables that are not looked at are passed over
                yield from self._triggers("", [trigger], [])
        yield from self._views()
        yield from self._enums()
        for other in self._target.tables:
            if other.name not in met:
                name = str(other.name)
                yield Pair("table", name, name, Standing.EXTRA, None, _summary(other), "only on the target")

    def _live(self, name: str, afresh: TablePlan) -> Table | None:
        planned = self._planned.get(name)
        if planned is not None and planned.action is Action.MERGE:
            return self._there.get(planned.target)
        return self._there.get(afresh.target)

    def _table(self, described: Table, afresh: TablePlan, live: Table | None) -> Iterator[Pair]:
        name = described.name.name
        if afresh.action is Action.SKIP:
            why = self._not_carried.table(name)
            standing = Standing.MISSING if why else Standing.LEFT_OUT
            shown = _summary(live) if live else None
            if why and live:
                standing, why = Standing.CHANGED, f"{why} The target has a table of that name, which is not compared."
            yield Pair("table", name, name, standing, _summary(described), shown, why or "the plan leaves it out")
            return
        planned = self._planned.get(name)
        if live is None:
            made = planned.target if planned and planned.action is Action.CREATE else afresh.target
            yield Pair(
                "table",
                name,
                name,
                Standing.MISSING,
                _summary(described),
                None,
                f"the target does not have it; a migration creates it as {made}",
                str(made),
            )
        else:
            yield Pair("table", name, name, Standing.SAME, _summary(described), _summary(live), self._why(name, live))
        sides = TableSides(described, afresh, planned, live, self._measure)
        for compared in (columns, primary_key, uniques, foreign_keys, checks, indexes, sequences):
            yield from compared(sides)

    def _why(self, name: str, live: Table) -> str:
        planned = self._planned.get(name)
        if planned is not None and planned.action is Action.MERGE:
            return f"it is {live.name}; a migration merges rows into it"
        misfit = next((f for f in self._plan.findings if f.id == "TARGET-MISFIT" and f.table == name), None)
        return f"it is {live.name}" + (f"; a migration leaves it as it is: {misfit.message}" if misfit else "")

    def _triggers(self, table: str, ours: list[Trigger], theirs: list[Trigger]) -> Iterator[Pair]:
        by_name = {trigger.name.lower(): trigger for trigger in theirs}
        for trigger in ours:
            name = f"{trigger.table.name}.{trigger.name}"
            found = by_name.pop(trigger.name.lower(), None)
            if found is not None:
                why = f"the target has a trigger of that name; {UNCOMPARABLE}"
                yield Pair("trigger", name, table, Standing.CHANGED, trigger.sql, found.sql, why)
                continue
            why = self._not_carried.object("TRIGGER", table, trigger.name) or "triggers are not carried"
            yield Pair("trigger", name, table, Standing.MISSING, trigger.sql, None, why)
        for other in by_name.values():
            name = f"{table}.{other.name}"
            yield Pair("trigger", name, table, Standing.EXTRA, None, other.sql, "only on the target")

    def _views(self) -> Iterator[Pair]:
        there = {view.name: view for view in self._target.views}
        afresh = {view.source: view for view in self._reference.plan.views}
        now = {view.source: view for view in self._plan.views}
        schema = next((view.target.schema for view in (*self._plan.views, *afresh.values())), None)
        for view in self._source.views:
            name = view.name.name
            made = afresh.get(name)
            if made is None:
                why = self._not_carried.object("VIEW", None, name) or "the view is not carried"
                there_too = next(
                    (v for v in there.values() if v.name.name == name and schema in (None, v.name.schema)), None
                )
                if there_too is not None:
                    del there[there_too.name]
                    why = f"{why} The target has a view of that name; {UNCOMPARABLE}."
                    yield Pair("view", name, "", Standing.CHANGED, view.sql, there_too.sql, why)
                else:
                    yield Pair("view", name, "", Standing.MISSING, view.sql, None, why)
                continue
            found = there.pop(made.target, None)
            if found is None:
                coming = now[name].target if name in now else made.target
                why = f"the target does not have it; a migration creates it as {coming}"
                yield Pair("view", name, "", Standing.MISSING, view.sql, None, why, str(coming))
            elif _same_query(self._reference.views.get(name, made.query), found):
                yield Pair(
                    "view", name, "", Standing.CONVERTED, view.sql, found.sql, "the translated query is the same"
                )
            else:
                why = "the target's query is another one than the plan's"
                yield Pair(
                    "view", name, "", Standing.CHANGED, view.sql, found.sql, why, self._reference.views.get(name)
                )
        for other in there.values():
            yield Pair("view", str(other.name), "", Standing.EXTRA, None, other.sql, "only on the target")

    def _enums(self) -> Iterator[Pair]:
        there = {enum.name: enum for enum in self._target.enums}
        for enum in self._reference.plan.enums:
            found = there.pop(enum.name, None)
            ours, name = _labels(enum), str(enum.name)
            if found is None:
                coming = any(other.name == enum.name for other in self._plan.enums)
                why = "a migration creates it" if coming else "the target does not have it"
                yield Pair("enum", name, "", Standing.MISSING, ours, None, why, ours if coming else None)
            elif found.labels == enum.labels:
                yield Pair("enum", name, "", Standing.SAME, ours, ours, "the same labels in the same order")
            else:
                why = "its labels are other ones, or in another order"
                yield Pair("enum", name, "", Standing.CHANGED, ours, _labels(found), why)
        for other in there.values():
            yield Pair("enum", str(other.name), "", Standing.EXTRA, None, _labels(other), "only on the target")


def _same_query(planned: str, found: View) -> bool:
    return _one_line(planned) == _one_line(found.sql)


def _one_line(sql: str) -> str:
    return " ".join(sql.split()).rstrip(";")


def _labels(enum: EnumType) -> str:
    return ", ".join(enum.labels)


def _summary(table: Table) -> str:
    counts = (
        (len(table.columns), "column", "columns"),
        (len(table.indexes), "index", "indexes"),
        (len(table.foreign_keys), "foreign key", "foreign keys"),
    )
    return ", ".join(f"{number} {one if number == 1 else many}" for number, one, many in counts if number)
