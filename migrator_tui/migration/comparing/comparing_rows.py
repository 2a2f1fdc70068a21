"""Comparing the rows of both ends, table by table: the source's as they would be carried, the target's as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from migrator_tui.convert.identifiers import quote_name
from migrator_tui.migration.comparing.comparing_columns import carried_alike
from migrator_tui.migration.comparing.pairs import Pair, Standing
from migrator_tui.migration.comparing.reference import Reference
from migrator_tui.migration.comparing.table_sides import Measure, TableSides
from migrator_tui.migration.planning import quarantine
from migrator_tui.migration.planning.quarantine import RowSets
from migrator_tui.migration.staging import Encoder, Source
from migrator_tui.migration.verifying import exact
from migrator_tui.model.errors import SourceError
from migrator_tui.model.plan import Action, ColumnPlan, Plan
from migrator_tui.postgres.compare_rows import RowComparer, RowDifferences
from migrator_tui.postgres.connect import Target
from migrator_tui.sqlite.read import SnapshotReader


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of a table on both sides.

    Attributes:
        table: Source table.
        target: The live table.
        source_rows: Rows in SQLite, those that stay behind included.
        left_behind: Rows of the source that decisions keep back (quarantine).
        key: Target columns by which rows were paired; empty where whole rows were.
        without: Source columns that could not be compared: the target lacks them or has them as another type.
        found: None where the rows could not be compared.
        why: Why not.
    """

    table: str
    target: str
    source_rows: int
    left_behind: int
    key: tuple[str, ...]
    without: tuple[str, ...]
    found: RowDifferences | None
    why: str = ""


def compare_rows(
    source: Source, plan: Plan, reference: Reference, target: Target, on_table: Callable[[str], None]
) -> list[TableRows]:
    """Compare every table that both ends have. Nothing is left on the target.

    Args:
        plan: Made against the target as it is: how its columns take the source's values.
        on_table: Told each table before it is read; may raise to stop.

    Raises:
        TargetError: The server refused, or the connection ended.
    """
    described = {table.name.name: table for table in source.database.tables}
    there = {table.name: table for table in reference.target.tables}
    planned = {table.source: table for table in plan.tables}
    sets = quarantine.find(source.snapshot, source.database, reference.plan)
    measure = Measure(reference)
    results = []
    comparer = RowComparer(target)
    reader = SnapshotReader(source.snapshot)
    try:
        for afresh in reference.plan.moved:
            now = planned.get(afresh.source)
            live = there.get(now.target if now is not None and now.action is Action.MERGE else afresh.target)
            if live is None:
                continue
            on_table(afresh.source)
            sides = TableSides(described[afresh.source], afresh, now, live, measure)
            results.append(_compare(source, sides, sets, comparer, reader))
    finally:
        reader.close()
        comparer.close()
    return results


def _compare(
    source: Source, sides: TableSides, sets: RowSets, comparer: RowComparer, reader: SnapshotReader
) -> TableRows:
    assert sides.live is not None
    columns, without = _columns(sides)
    key = _key(sides, columns)
    table = replace(sides.afresh, columns=columns)
    encoder = Encoder(source, table, sets, users=sides.measure.reference.plan.users)
    names = [(c.target, exact(c.target, k)) for c, k in zip(encoder.columns, encoder.codecs, strict=True)]
    chunks = source.profile.tables[sides.name].chunks
    batches = (batch for chunk in chunks for batch in encoder.batches(reader, chunk, lambda: None))
    told = (sides.name, str(sides.live.name), sides.afresh.rows, sets.count(sides.name), key, without)
    if not columns and sides.afresh.columns:
        return TableRows(*told, None, "no column of it is on the target as the plan would have it")
    try:
        return TableRows(*told, comparer.compare(quote_name(sides.live.name), names, key, batches, encoder.schema))
    except SourceError as error:
        return TableRows(*told, None, error.message)


def _columns(sides: TableSides) -> tuple[tuple[ColumnPlan, ...], tuple[str, ...]]:
    """The columns whose values both sides have in one form, and those whose values they have not."""
    assert sides.live is not None
    there = {column.name: column for column in sides.live.columns}
    expected = {column.name: column for column in sides.expected.columns}
    columns, without = [], []
    for column in sides.afresh.moved_columns:
        live = there.get(sides.renamed[column.source])
        if live is None or live.generated:
            without.append(column.source)
        elif carried_alike(sides, expected[column.target], live):
            columns.append(replace(column, target=live.name))
        elif column.source in sides.merged:
            columns.append(sides.merged[column.source])
        else:
            without.append(column.source)
    return tuple(columns), tuple(without)


def _key(sides: TableSides, columns: Sequence[ColumnPlan]) -> tuple[str, ...]:
    """Columns by which a row of one side is one of the other: unique and never NULL on both."""
    assert sides.live is not None
    compared = {column.target for column in columns}
    required = {column.name for column in sides.live.columns if column.not_null}
    planned = [key for key in (sides.afresh.primary_key, *sides.afresh.uniques) if key is not None]
    ours = [sorted(sides.live_names(key.columns)) for key in planned]
    return next((k for k in sides.live.keys if sorted(k) in ours and set(k) <= compared & required), ())


def row_pairs(rows: Iterable[TableRows]) -> Iterator[Pair]:
    """The rows of both sides as pairs: one for each kind of difference, or one that says they are equal."""
    for table in rows:
        yield from _pairs(table)


def _pairs(rows: TableRows) -> Iterator[Pair]:
    def pair(standing: Standing, source: str | None, target: str | None, why: str) -> Pair:
        return Pair("rows", rows.table, rows.table, standing, source, target, why)

    found = rows.found
    if found is None:
        yield pair(Standing.CHANGED, _rows(rows.source_rows), None, f"its rows cannot be compared: {rows.why}")
        return
    how = f"by {', '.join(rows.key)}" if rows.key else "as whole rows, because no key is on both sides"
    if rows.without:
        how += f"; without {', '.join(rows.without)}, which the target does not have in the same form"
    if rows.left_behind:
        stay = "stays" if rows.left_behind == 1 else "stay"
        why = f"{_rows(rows.left_behind)} {stay} behind by decision (quarantine)"
        yield pair(Standing.MISSING, _rows(rows.left_behind), None, why)
    sides = (_rows(rows.source_rows), _rows(found.live))
    for kind, standing, number, said in (
        ("missing", Standing.MISSING, found.missing, "only in the source"),
        ("extra", Standing.EXTRA, found.extra, "only on the target"),
        ("changed", Standing.CHANGED, found.changed, "of the same key differ"),
    ):
        if number:
            why = f"{_rows(number)} {said}"
            keys = found.keys.get(kind, ())
            if keys:
                why += f": {'; '.join(keys)}{' …' if number > len(keys) else ''}"
            if kind == "changed":
                why += f"; in {', '.join(f'{name} ({count:,})' for name, count in found.columns.items())}"
            yield pair(standing, *sides, f"{why}. Compared {how}.")
    if not (rows.left_behind or found.missing or found.extra or found.changed):
        yield pair(Standing.SAME, *sides, f"every row is equal, compared {how}")


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"
