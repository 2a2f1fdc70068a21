"""What is alive is set aside from the collector while a run is at work; full collections wait for pauses."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from migrator_tui.model.progress import RunStatus
from migrator_tui.tui import garbage
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


async def test_a_full_collection_waits_for_a_pause_and_comes_by_itself_again_after_the_screens(
    app_on: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = gc.get_threshold()
    collected: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            collected.append(info["generation"])

    async with app_on(ScriptedGuide(ScriptedRun(progress(table("users")), plan("users")))) as (_, pilot):
        assert gc.get_threshold() == (before[0], before[1], before[2] * garbage.RARELY)
        monkeypatch.setattr(garbage, "DUE", 0)
        gc.callbacks.append(note)
        try:
            await until(pilot, lambda: 2 in collected)
        finally:
            gc.callbacks.remove(note)
    assert gc.get_threshold() == before


def test_nothing_is_collected_before_enough_has_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "DUE", 1_000_000)
    gc.collect()
    gc.collect(1)
    younger = gc.get_count()[2]
    assert younger > 0, "younger objects were collected"
    garbage.collect_if_due()
    assert gc.get_count()[2] == younger
    monkeypatch.setattr(garbage, "DUE", 1)
    garbage.collect_if_due()
    assert gc.get_count()[2] == 0
