"""Both ends compared as the command and the screen compare them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from migrator_tui.migration.comparing.schemas import Pair, differences
from migrator_tui.migration.guide import Ends
from migrator_tui.migration.opening import open_bench
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.plan import Scope
from migrator_tui.postgres.connect import Target


def pairs_of(
    source: Path, target: Target, scope: Scope | None = None, decisions: Decisions | None = None
) -> Sequence[Pair]:
    """Every object of both ends."""
    bench = open_bench(Ends(source, target.display, scope or Scope()), target, lambda step: None)
    try:
        return bench.pairs(bench.draft(scope or Scope(), decisions or Decisions()))
    finally:
        bench.close()


def different(source: Path, target: Target, scope: Scope | None = None) -> dict[tuple[str, str, str], str]:
    """(kind, object, name) of each difference → why."""
    found = differences(pairs_of(source, target, scope))
    return {(pair.standing.value, pair.object, pair.name): pair.why for pair in found}
