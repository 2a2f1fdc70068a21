"""The application on any step, over a guide that is scripted for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot
from textual.screen import ModalScreen

from migrator_tui.migration.guide import Ends, Offer
from migrator_tui.model.progress import RunStatus, TableState
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.steps import Step
from tests.tui.planned import PROJECT, planned
from tests.tui.scripted import ScriptedGuide, ScriptedRun, conflict, outcome, plan, progress, table
from tests.tui.waiting import there

ENDS = Ends(Path("app.db"), "postgresql://app@db.example.com:5432/shop")


def scripted(step: Step) -> ScriptedGuide:
    """A guide for a step: something runs on Run, conflicts wait on Resolve, a run succeeded on Result."""
    run = ScriptedRun(progress(table("users"), table("rooms", TableState.WAITING, 0)), plan("users", "rooms"))
    if step is Step.RUN:
        run.now = progress(table("users", TableState.CHECKED, 1000), waiting_for="confirmation")
    elif step in (Step.RESOLVE, Step.RESULT):
        ended = RunStatus.NEEDS_DECISIONS if step is Step.RESOLVE else RunStatus.SUCCEEDED
        run.end(outcome(ended, "users", conflicts=3 if step is Step.RESOLVE else 0))
    else:
        run.end(outcome(RunStatus.SUCCEEDED, "users"))
    return ScriptedGuide(run, rows=[conflict(n) for n in range(3)], offered=[Offer("shop", "app.db → shop", ENDS)])


@asynccontextmanager
async def showing(
    step: Step, guide: ScriptedGuide, *, size: tuple[int, int] = (100, 30)
) -> AsyncIterator[tuple[MigratorApp, Pilot[int]]]:
    """The application on a step of a migration to a live target."""
    app = MigratorApp(guide, folder=Path.cwd(), prepare_demo=lambda folder: ENDS)
    app.animation_level = "none"
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await again(app, pilot, step, guide)
        yield app, pilot


async def alone(app: MigratorApp, pilot: Pilot[int]) -> None:
    """The screen without a dialog: that of Run comes by itself."""
    await pilot.pause(0.3)
    while isinstance(app.screen, ModalScreen):
        await pilot.press("escape")
    await pilot.pause(0.1)


async def again(app: MigratorApp, pilot: Pilot[int], step: Step, guide: ScriptedGuide) -> None:
    """Back on the step, whatever was done."""
    guide.run = scripted(step).run
    app.session.begin(ENDS)
    app.session.bench, app.session.scope = planned(12), PROJECT
    app.session.handle = guide.run if step.number >= Step.RUN.number else None
    app.session.outcome = guide.run.ended
    app.session.reached = step
    app.go(step)
    if app.return_code is None:
        await there(app, pilot, step)
