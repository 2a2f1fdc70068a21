"""The command that holds both ends against one another: compare."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migrator_tui.cli.looking import frozen
from migrator_tui.cli.migrating import EXISTING, request_of
from migrator_tui.cli.options import Shared, shared, target_of
from migrator_tui.cli.printing import print_json, printable, say
from migrator_tui.locations import EMBEDDED
from migrator_tui.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from migrator_tui.migration.comparing.comparing_rows import TableRows
    from migrator_tui.migration.comparing.pairs import Pair
    from migrator_tui.migration.request import Request
    from migrator_tui.migration.staging import Source
    from migrator_tui.model.plan import Plan
    from migrator_tui.postgres.connect import Target
    from migrator_tui.sqlite.snapshot import Snapshot

SYMBOLS = {"missing": "+", "extra": "−", "changed": "≠", "same": "✓", "converted": "≈", "left out": "○"}
WIDTH_OF_A_FILE = 120
"""Cells of a line where standard output is no terminal."""
MOST_WIDTH = 200
STATUS = 13


@click.command()
@click.option("--data", is_flag=True, help="Also count and compare the rows, by key where both sides have one.")
@click.option("--all", "everything", is_flag=True, help="Also list what is equal.")
@click.option("--tables", help="Only these tables, separated by commas; shell-style patterns.")
@click.option("--decisions", type=EXISTING, help="The decisions file that the migration was given.")
@click.option("--plan", "plan_file", type=EXISTING, help="The plan that `plan --out` wrote and `migrate` replayed.")
@shared
def compare(
    shared: Shared, data: bool, everything: bool, tables: str | None, decisions: Path | None, plan_file: Path | None
) -> int:
    """Show what differs between the file and the target, object by object, and why. Changes nothing; exit 0 or 3.

    The target is held to what a migration would make of the source: an INTEGER that the plan carries as bigint is
    equal. After a migration from this machine its decisions count here too.
    """
    from migrator_tui.migration.comparing.comparing_rows import row_pairs
    from migrator_tui.migration.comparing.schemas import differences

    settings = shared.settings(tables=tuple(tables.split(",")) if tables else ())
    request = request_of(settings, "compare", {"decisions": decisions, "plan_file": plan_file}, confirm=False)
    # The file first: freezing closes the program's folder to others, and an embedded server, which runs as another
    # user where this one is root, opens the way to its own part of it when it starts.
    with frozen(request.source) as frozen_source, target_of(settings.target, settings) as target:
        kept = EMBEDDED if settings.target == EMBEDDED else target.display
        pairs, rows = _look(request, frozen_source, target, kept, data=data)
    both = [*pairs, *row_pairs(rows)]
    if tables:
        both = [pair for pair in both if pair.object not in ("view", "enum") and not _whole_table_is_extra(pair)]
    different = differences(both)
    counts = Counter(pair.standing.value for pair in both)
    if shared.as_json:
        print_json(
            {
                "command": "compare",
                "status": "succeeded",
                "same": not different,
                "source": str(request.source),
                "target": kept,
                "objects": dict(counts),
                "differences": [
                    {
                        "object": pair.object,
                        "name": pair.name,
                        "kind": pair.standing.value,
                        "source": pair.source,
                        "target": pair.target,
                        "why": pair.why,
                    }
                    for pair in different
                ],
                **({"rows": [_as_json(table) for table in rows]} if data else {}),
            }
        )
    else:
        shown = both if everything else different
        for line in _lines(shown, plain=shared.plain):
            click.echo(printable(line))
        said = ", ".join(f"{number:,} {word}" for word, number in counts.items()) or "nothing on either side"
        click.echo(printable(f"{request.source.name} and {target.label}: {said}."))
        if data:
            click.echo(_row_counts(rows))
        click.echo(f"{_counted(different)}." if different else "Nothing differs.")
    return int(ExitCode.DECISIONS_LEFT if different else ExitCode.DONE)


def _whole_table_is_extra(pair: Pair) -> bool:
    return pair.object == "table" and pair.standing.value == "extra"


def _require_tables(plan: Plan) -> None:
    """
    Raises:
        UsageError: ``COMPARE-NO-TABLE``: a table that was chosen is not there, and nobody decided to go on without it.
    """
    unmatched = [f.message for f in plan.findings if f.id == "TABLES-UNMATCHED" and f.needs_decision]
    if unmatched:
        raise UsageError(
            "COMPARE-NO-TABLE",
            " ".join(unmatched),
            "Names are compared letter for letter; * and ? stand for others.",
        )


def _look(
    request: Request, frozen_source: tuple[Snapshot, Source], target: Target, kept: str, *, data: bool
) -> tuple[Sequence[Pair], Sequence[TableRows]]:
    import psycopg

    from migrator_tui.migration.comparing.comparing_rows import compare_rows
    from migrator_tui.migration.comparing.earlier_run import as_then, earlier_run
    from migrator_tui.migration.comparing.reference import reference
    from migrator_tui.migration.comparing.schemas import compare as compared
    from migrator_tui.migration.planning.target_plan import draft_plan
    from migrator_tui.postgres.connect import connect, explain

    snapshot, source = frozen_source
    record = earlier_run(request, kept)
    if record is not None:
        request = as_then(request, record)
        say(f"measured by the decisions of run {record.run}")
    try:
        with connect(target) as connection:
            plan = draft_plan(connection, source, snapshot.sha256, request)
            _require_tables(plan)
            measure = reference(connection, source, plan, request)
    except psycopg.Error as error:
        raise explain(error, target, established=True) from error
    moving = sys.stderr.isatty()

    def on_table(name: str) -> None:
        if moving:
            say(f"comparing the rows of {name}")

    pairs = compared(source.database, measure.target, plan, measure)
    return pairs, compare_rows(source, plan, measure, target, on_table) if data else []


def _as_json(table: TableRows) -> dict[str, Any]:
    found = table.found
    return {
        "source": table.table,
        "target": table.target,
        "source_rows": table.source_rows,
        "target_rows": found.live if found else None,
        "left_behind": table.left_behind,
        "key": list(table.key),
        "without": list(table.without),
        "missing": found.missing if found else None,
        "extra": found.extra if found else None,
        "changed": found.changed if found else None,
        "keys": {kind: list(keys) for kind, keys in found.keys.items()} if found else {},
        "columns": dict(found.columns) if found else {},
    }


def _counted(different: Sequence[Pair]) -> str:
    counts = Counter(pair.object for pair in different)
    total = len(different)
    listed = ", ".join(f"{number:,} {_plural(kind, number)}" for kind, number in counts.items())
    return f"{total:,} difference{'' if total == 1 else 's'}: {listed}"


def _plural(kind: str, number: int) -> str:
    if kind == "rows":
        return "of rows"
    many = "indexes" if kind == "index" else f"{kind}s"
    return kind if number == 1 else many


def _row_counts(rows: Sequence[TableRows]) -> str:
    ours = sum(table.source_rows for table in rows)
    theirs = sum(table.found.live for table in rows if table.found)
    tables = f"{len(rows):,} table{'' if len(rows) == 1 else 's'}"
    return f"Rows of {tables} on both sides: {ours:,} in the source, {theirs:,} on the target."


def _lines(pairs: Sequence[Pair], *, plain: bool) -> Iterator[str]:
    """Both sides beside one another, and the reason below."""
    if not pairs:
        return
    if plain:
        for pair in pairs:
            sides = f"source: {_one_line(pair.source)}; target: {_one_line(pair.target)}"
            yield f"{pair.standing.value} {pair.object} {pair.name}. {sides}. {pair.why}"
        return
    width = min(MOST_WIDTH, shutil.get_terminal_size((WIDTH_OF_A_FILE, 24)).columns)
    longest = max(len(f"{pair.object} {pair.name}") for pair in pairs)
    name = min(longest, max(24, (width - STATUS) * 2 // 5))
    side = max(10, (width - STATUS - name - 2) // 2)
    yield f"{'':{STATUS}}{'object':{name}} {'source':{side}} target"
    for pair in pairs:
        status = f"{SYMBOLS[pair.standing.value]} {pair.standing.value}"
        head = _fit(f"{pair.object} {pair.name}", name)
        source, there = (_fit(_one_line(text), side) for text in (pair.source, pair.target))
        yield f"{status:{STATUS}}{head} {source} {there}".rstrip()
        if pair.why:
            yield f"{'':{STATUS}}  {pair.why}"
    yield ""


def _one_line(text: str | None) -> str:
    return "·" if text is None else " ".join(text.split())


def _fit(text: str, width: int) -> str:
    return f"{text:{width}}" if len(text) <= width else f"{text[: width - 1]}…"
