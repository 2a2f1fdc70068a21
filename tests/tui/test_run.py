"""Run, Resolve and Result over a scripted run: what is shown, what is asked, what is told to the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from migrator_tui.migration.conflicts import ConflictRow
from migrator_tui.migration.guide import Ends
from migrator_tui.migration.runner import Runner
from migrator_tui.model.decisions import ConflictChoice
from migrator_tui.model.outcome import ErrorReport, RunOutcome
from migrator_tui.model.progress import Progress, RunStatus, TableState
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.by_rule import ByRule
from migrator_tui.tui.dialogs.keys import Keys
from migrator_tui.tui.dialogs.leaving import Leaving
from migrator_tui.tui.dialogs.per_field import PerField
from migrator_tui.tui.dialogs.publish import Publish
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.screens.resolve import ResolveScreen
from migrator_tui.tui.screens.result import ResultScreen
from migrator_tui.tui.screens.run import RunScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.conflict_list import ConflictList
from migrator_tui.tui.widgets.progress_table import ProgressTable, bar, fitted
from tests.tui.scripted import RUN, ScriptedBench, ScriptedGuide, ScriptedRun, outcome, plan, progress, table
from tests.tui.waiting import on, text, there, until

ENDS = Ends(Path("app.db"), "postgresql://app@db.example.com:5432/shop")
EMBEDDED = Ends(Path("app.db"), "embedded", fresh=True)


@asynccontextmanager
async def showing(
    step: Step, guide: ScriptedGuide, *, ends: Ends = ENDS, ended: RunOutcome | None = None
) -> AsyncIterator[tuple[MigratorApp, Pilot[int]]]:
    """The application on one step of a migration that a scripted run is part of."""
    app = MigratorApp(guide, folder=Path(), prepare_demo=lambda folder: ends)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        app.session.begin(ends)
        app.session.bench = ScriptedBench(ends)
        app.session.handle, app.session.outcome = guide.run, ended
        app.go(step)
        await there(app, pilot, step)
        yield app, pilot


async def test_a_run_shows_its_rows_its_retry_and_each_table() -> None:
    run = ScriptedRun(progress(table("users"), table("messages", TableState.WAITING, 0), retry="connection lost"))
    async with showing(Step.RUN, ScriptedGuide(run)) as (app, _):
        assert "400 / 2,000 rows" in text(app, "#figures")
        assert "connection lost" in text(app, "#retry")
        lines = [app.screen.query_one(ProgressTable).render_line(y).text for y in range(3)]
        assert "rows/s" in lines[0]
        assert "users" in lines[1]
        assert "staging" in lines[1]
        assert "waiting" in lines[2]


async def test_p_pauses_and_p_goes_on() -> None:
    guide = ScriptedGuide()
    async with showing(Step.RUN, guide) as (app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: "Paused" in text(app, "#said"))
        await pilot.press("p")
        assert guide.run.told == ["pause", "unpause"]


async def test_cancelling_asks_first_and_escape_changes_nothing() -> None:
    guide = ScriptedGuide()
    async with showing(Step.RUN, guide) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: on(app, Question))
        await pilot.press("escape")
        assert guide.run.told == []
        await pilot.press("c")
        await pilot.press("tab", "enter")
        assert guide.run.told == ["cancel"]


async def test_publish_does_not_come_over_another_dialog_whose_enter_it_would_take() -> None:
    looks = 0

    class Watched(ScriptedRun):
        def progress(self) -> Progress:
            nonlocal looks
            looks += 1
            return super().progress()

    run = Watched(progress(table("users")), plan("users"))
    async with showing(Step.RUN, ScriptedGuide(run), ends=EMBEDDED) as (app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: on(app, Keys))
        run.now = progress(table("users", TableState.CHECKED, 1000), waiting_for="confirmation")
        before = looks
        await until(pilot, lambda: looks >= before + 3)
        assert isinstance(app.screen, Keys)
        await pilot.press("enter")
        await until(pilot, lambda: on(app, Publish))
        assert run.told == []


async def test_publishing_to_a_live_target_wants_its_name_typed() -> None:
    run = ScriptedRun(progress(table("users", TableState.CHECKED, 1000), waiting_for="confirmation"), plan("users"))
    guide = ScriptedGuide(run)
    async with showing(Step.RUN, guide) as (app, pilot):
        await until(pilot, lambda: on(app, Publish))
        await pilot.press(*"shop", "enter")
        assert run.told == []
        app.screen.query_one(Input).value = "shop@db.example.com:5432"
        await pilot.press("enter")
        await until(pilot, lambda: run.told == ["confirm"])


@pytest.mark.parametrize("key", ["b", "enter"])
async def test_not_yet_leaves_it_staged_and_a_key_asks_again(key: str) -> None:
    run = ScriptedRun(progress(table("users", TableState.CHECKED, 1000), waiting_for="confirmation"), plan("users"))
    async with showing(Step.RUN, ScriptedGuide(run), ends=EMBEDDED) as (app, pilot):
        await until(pilot, lambda: on(app, Publish))
        await pilot.press("escape")
        await until(pilot, lambda: on(app, RunScreen))
        assert run.told == []
        await pilot.press(key)
        await until(pilot, lambda: on(app, Publish))
        await pilot.press("right", "left", "escape", key)
        await until(pilot, lambda: on(app, Publish))
        await pilot.press("left", "left")
        assert app.focused is not None
        assert app.focused.id == "not-yet"
        await pilot.press("right", "enter")
        assert run.told == ["confirm"]


async def test_a_run_that_succeeds_leads_to_its_result() -> None:
    guide = ScriptedGuide()
    async with showing(Step.RUN, guide) as (app, pilot):
        guide.run.end(outcome(RunStatus.SUCCEEDED, "users"))
        await until(pilot, lambda: on(app, ResultScreen) and bool(app.screen.query("#sentence")))
        assert "1,000 rows in 1 table" in text(app, "#sentence")


async def test_a_run_that_fails_says_why_and_an_interrupted_one_is_resumed_by_r() -> None:
    guide = ScriptedGuide()
    async with showing(Step.RUN, guide) as (app, pilot):
        error = ErrorReport("TARGET-LOST", "The connection was lost.", "resume goes on")
        guide.run.end(outcome(RunStatus.INTERRUPTED, "users", error=error))
        await until(pilot, lambda: "TARGET-LOST" in text(app, "#ended-text"))
        guide.run = ScriptedRun(progress(table("users")))
        await pilot.press("r")
        await until(pilot, lambda: guide.told == [f"resume {RUN}"])
        await until(pilot, lambda: app.session.handle is guide.run)


async def test_quitting_while_something_runs_asks_and_keeps_on_by_default() -> None:
    async with showing(Step.RUN, ScriptedGuide()) as (app, pilot):
        await pilot.press("ctrl+q")
        await until(pilot, lambda: on(app, Leaving))
        await pilot.press("enter")
        await until(pilot, lambda: on(app, RunScreen))
        assert app.return_code is None


async def test_undo_asks_for_the_name_of_a_live_target() -> None:
    guide = ScriptedGuide(ScriptedRun(progress(status=RunStatus.SUCCEEDED, stage=None)))
    async with showing(Step.RESULT, guide, ended=outcome(RunStatus.SUCCEEDED, "users")) as (app, pilot):
        await pilot.press("u")
        await pilot.press("enter")
        assert guide.told == []
        app.screen.query_one(Input).value = "shop@db.example.com:5432"
        await pilot.press("enter")
        await until(pilot, lambda: guide.told == [f"rollback {RUN}"])
        guide.run.end(outcome(RunStatus.ROLLED_BACK, "users"))
        await until(pilot, lambda: "taken back" in text(app, "#sentence"))
        # What Compare had read of the target is from before: the ends are opened anew first.
        app.go(Step.COMPARE)
        await there(app, pilot, Step.CONNECT)
        assert app.session.bench is None
        assert app.session.plan is None


def conflict(number: int, kind: str = "same-key") -> ConflictRow:
    source: dict[str, str | None] = {"id": str(number), "name": "Ann", "note": None}
    return ConflictRow("users", {"id": number}, kind, source, source | {"name": "Anne"}, None)


async def test_conflicts_are_decided_by_one_key_each_and_the_run_goes_on() -> None:
    guide = ScriptedGuide(rows=[conflict(1), conflict(2)])
    ended = outcome(RunStatus.NEEDS_DECISIONS, "users", conflicts=2)
    async with showing(Step.RESOLVE, guide, ended=ended) as (app, pilot):
        await until(pilot, lambda: "0 of 2 decided" in text(app, "#headline"))
        await until(pilot, lambda: app.screen.query_one(ConflictList).current is not None)
        await pilot.press("s", "t")
        assert "2 of 2 decided" in text(app, "#headline")
        choices = {dict(d.key)["id"]: d.choice for d in app.session.decisions.conflicts}
        assert choices == {1: ConflictChoice.KEEP_SOURCE, 2: ConflictChoice.KEEP_TARGET}
        await pilot.press("u")
        assert "1 of 2 decided" in text(app, "#headline")
        await pilot.press("t", "g")
        await until(pilot, lambda: guide.told == [f"resume {RUN}"])
        assert guide.decided is not None
        assert len(guide.decided.conflicts) == 2


def differing(number: int) -> ConflictRow:
    """A row of which two fields differ."""
    one = conflict(number)
    return replace(one, source={**one.source, "note": "of the source"}, target={**one.target, "note": None})


async def test_a_row_is_chosen_field_by_field_and_what_was_chosen_is_shown_again() -> None:
    guide = ScriptedGuide(rows=[differing(1)])
    ended = outcome(RunStatus.NEEDS_DECISIONS, "users", conflicts=1)
    async with showing(Step.RESOLVE, guide, ended=ended) as (app, pilot):
        await until(pilot, lambda: "0 of 1 decided" in text(app, "#headline"))
        await until(pilot, lambda: app.screen.query_one(ConflictList).current is not None)
        await pilot.press("f")
        await until(pilot, lambda: on(app, PerField))
        await pilot.press("t", "s", "enter")
        await until(pilot, lambda: "1 of 1 decided" in text(app, "#headline"))
        (decision,) = app.session.decisions.conflicts
        assert (decision.choice, decision.fields) == (ConflictChoice.PER_FIELD, {"name": "target", "note": "source"})
        await pilot.press("f")
        await until(pilot, lambda: on(app, PerField))
        await pilot.press("space", "enter")
        await until(pilot, lambda: on(app, ResolveScreen))
        (decision,) = app.session.decisions.conflicts
        assert (decision.choice, decision.fields) == (ConflictChoice.KEEP_SOURCE, {})
        await pilot.press("u")
        assert app.session.decisions.conflicts[0].choice is ConflictChoice.PER_FIELD


async def test_only_rows_of_the_same_key_are_chosen_field_by_field() -> None:
    guide = ScriptedGuide(rows=[conflict(1, "unique")])
    ended = outcome(RunStatus.NEEDS_DECISIONS, "users", conflicts=1)
    async with showing(Step.RESOLVE, guide, ended=ended) as (app, pilot):
        await until(pilot, lambda: "0 of 1" in text(app, "#headline"))
        await until(pilot, lambda: app.screen.query_one(ConflictList).current is not None)
        await pilot.press("f")
        assert on(app, ResolveScreen)
        assert app.session.decisions.conflicts == ()


async def test_all_alike_are_decided_after_saying_how_many() -> None:
    guide = ScriptedGuide(rows=[conflict(n) for n in range(5)])
    ended = outcome(RunStatus.NEEDS_DECISIONS, "users", conflicts=5)
    async with showing(Step.RESOLVE, guide, ended=ended) as (app, pilot):
        await until(pilot, lambda: "0 of 5" in text(app, "#headline"))
        await until(pilot, lambda: app.screen.query_one(ConflictList).current is not None)
        await pilot.press("T")
        await until(pilot, lambda: on(app, ByRule))
        await pilot.press("down")
        await until(pilot, lambda: "5 conflicts of users: 0; 1; 2; 3; 4" in text(app, "#rows"))
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ResolveScreen))
        await until(pilot, lambda: "5 of 5 decided" in text(app, "#headline"))
        await pilot.press("u")
        assert "0 of 5 decided" in text(app, "#headline")


async def test_a_row_with_anothers_unique_value_cannot_replace_it() -> None:
    guide = ScriptedGuide(rows=[conflict(1, "unique")])
    ended = outcome(RunStatus.NEEDS_DECISIONS, "users", conflicts=1)
    async with showing(Step.RESOLVE, guide, ended=ended) as (app, pilot):
        await until(pilot, lambda: "0 of 1" in text(app, "#headline"))
        await until(pilot, lambda: app.screen.query_one(ConflictList).current is not None)
        await pilot.press("s")
        assert app.session.decisions.conflicts == ()


@pytest.mark.parametrize(("part", "filled"), [(0.0, "    "), (0.5, "██  "), (1.0, "████"), (2.0, "████")])
def test_a_bar_has_its_width_whatever_the_part(part: float, filled: str) -> None:
    assert bar(part, 4) == filled


def test_a_name_of_any_width_fits_its_column() -> None:
    assert fitted("名前の長いテーブル", 7).endswith("…")
    assert "\x1b" not in fitted("\x1b[31mred", 12)


def test_a_fault_of_the_engine_ends_the_run_instead_of_running_for_ever() -> None:
    def fault(runner: Runner) -> RunOutcome:
        raise ZeroDivisionError

    runner = Runner(RUN, fault)
    runner.start()
    with pytest.raises(ZeroDivisionError):
        runner.wait()
    assert runner.progress().status is RunStatus.FAILED
    assert "ZeroDivisionError" in runner.progress().message
