"""Comparing and running begin with what is alive set aside from the collector; the way back to the ends undoes it."""

from __future__ import annotations

import gc
from collections.abc import Callable

from migrator_tui.model.progress import RunStatus
from migrator_tui.tui.steps import Step
from tests.tui.conftest import Opened
from tests.tui.planned import many
from tests.tui.scripted import ScriptedGuide, ScriptedRun, plan, progress, table
from tests.tui.waiting import there, until


async def test_what_is_alive_when_a_run_is_shown_is_not_collected_until_the_run_is_over_and_left(
    app_on: Callable[..., Opened],
) -> None:
    gc.unfreeze()
    run = ScriptedRun(progress(table("users")), plan("users"))
    async with app_on(ScriptedGuide(run)) as (app, pilot):
        assert gc.get_freeze_count() == 0
        app.session.handle = run
        app.go(Step.RUN)
        await there(app, pilot, Step.RUN)
        await until(pilot, lambda: gc.get_freeze_count() > 0)
        app.go(Step.HOME)
        await there(app, pilot, Step.HOME)
        assert gc.get_freeze_count() > 0, "the run is still at work"
        run.now = progress(table("users"), status=RunStatus.INTERRUPTED)
        app.go(Step.CONNECT)
        await there(app, pilot, Step.CONNECT)
        assert gc.get_freeze_count() == 0


async def test_what_was_read_of_both_ends_is_not_collected_while_they_are_compared(
    app_on: Callable[..., Opened],
) -> None:
    gc.unfreeze()
    async with app_on(ScriptedGuide(ScriptedRun(progress(table("users")), plan("users")))) as (app, pilot):
        app.session.bench = many(3)
        app.go(Step.COMPARE)
        await there(app, pilot, Step.COMPARE)
        await until(pilot, lambda: gc.get_freeze_count() > 0)
        app.go(Step.CONNECT)
        await there(app, pilot, Step.CONNECT)
        assert gc.get_freeze_count() == 0
