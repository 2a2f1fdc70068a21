"""Every screen at two sizes, held to the picture that a person has looked at.

After a change that is meant, look at ``snapshot_report.html`` and accept it with
``pytest -n 0 tests/tui/test_snapshots.py --snapshot-update``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from textual.app import App
from textual.pilot import Pilot

from migrator_tui.migration.guide import Ends, Offer
from migrator_tui.migration.run_folder import RunRecord
from migrator_tui.model.findings import Finding
from migrator_tui.model.progress import RunStatus, TableState
from migrator_tui.model.schema import Column, Database, Table, TableName
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.keys import Keys
from migrator_tui.tui.steps import Step
from tests.tui.planned import MadeUpBench, many, settled
from tests.tui.scripted import RUN, ScriptedGuide, ScriptedRun, conflict, outcome, plan, progress, table
from tests.tui.waiting import on, until

SIZES = ((120, 36), (80, 24))
ENDS = Ends(Path("app.db"), "postgresql://app@db.example.com:5432/shop")
SERVER = Database("postgres", "17.2", "UTF8", (Table(TableName("public", "table_0002"), (Column("c0", "text"),)),))


class Compare(Protocol):
    """The fixture of pytest-textual-snapshot."""

    def __call__(
        self,
        app: App[int],
        *,
        terminal_size: tuple[int, int],
        run_before: Callable[[Pilot[int]], Awaitable[None]],
    ) -> bool: ...


def bench() -> MadeUpBench:
    """Six tables; one of them is on the target with other columns."""
    made = many(6)
    found = (
        Finding("VALUE-NUL", "1 text holds NUL", "table_0001", "c2", rows=1, keys=("7",), samples=("see\\0you",)),
        Finding("NAME-CHANGED", "An index name was shortened", "table_0003", object="by_everything"),
    )
    decided = replace(found[0], choices=("replace", "bytea", "quarantine"), decision="bytea")
    return replace(made, target=SERVER, made=replace(made.made, findings=(*made.made.findings, decided, found[1])))


def staging() -> ScriptedRun:
    """A run half way."""
    tables = (
        table("users", TableState.CHECKED, 1000),
        table("messages", done=400),
        table("audit_log", TableState.WAITING, 0),
    )
    return ScriptedRun(progress(*tables), plan("users", "messages", "audit_log"))


def ended(status: RunStatus, conflicts: int = 0) -> ScriptedRun:
    """A run that is over."""
    run = staging()
    run.end(outcome(status, "users", "messages", conflicts=conflicts))
    return run


def guide_for(step: Step) -> ScriptedGuide:
    """What the step has to show."""
    if step is Step.HOME:
        interrupted = RunRecord(
            RUN, RunStatus.INTERRUPTED, "app.db", ENDS.target, "2026-11-22T22:15:00+00:00", "migrate", {}
        )
        return ScriptedGuide(offered=[Offer("shop", "app.db → shop", ENDS)], listed=[interrupted])
    if step is Step.RESOLVE:
        return ScriptedGuide(ended(RunStatus.NEEDS_DECISIONS, 3), rows=[conflict(n) for n in range(3)])
    if step is Step.RESULT:
        return ScriptedGuide(ended(RunStatus.SUCCEEDED))
    return ScriptedGuide(staging())


def showing(step: Step) -> tuple[MigratorApp, Callable[[Pilot[int]], Awaitable[None]]]:
    """The application, and what takes it to a step."""
    guide = guide_for(step)
    app = MigratorApp(guide, folder=Path("shop"), prepare_demo=lambda folder: ENDS)
    app.animation_level = "none"

    async def go(pilot: Pilot[int]) -> None:
        await pilot.pause()
        app.session.begin(ENDS)
        app.session.bench = None if step is Step.CONNECT else bench()
        app.session.handle = guide.run if step.number >= Step.RUN.number else None
        app.session.outcome = guide.run.ended
        app.session.reached = step
        app.go(step)
        if step in (Step.COMPARE, Step.SELECT, Step.REVIEW):
            await until(pilot, lambda: settled(app))
        await pilot.pause(0.3)

    return app, go


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_screen_looks_as_it_was_accepted(step: Step, size: tuple[int, int], snap_compare: Compare) -> None:
    app, go = showing(step)

    assert snap_compare(app, terminal_size=size, run_before=go)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_keys_of_a_screen_look_as_they_were_accepted(size: tuple[int, int], snap_compare: Compare) -> None:
    app, go = showing(Step.RESOLVE)

    async def ask(pilot: Pilot[int]) -> None:
        await go(pilot)
        app.action_help()
        await until(pilot, lambda: on(app, Keys))
        await pilot.pause(0.3)

    assert snap_compare(app, terminal_size=size, run_before=ask)
