"""Review: decisions, what stops a start, the panes, the plan file, and the start."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Button, Input, OptionList

from migrator_tui.migration.planning import plan_file
from migrator_tui.model.decisions import Decisions, FindingDecision
from migrator_tui.model.findings import Finding
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.tui import deciding
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.dialogs.trouble import Trouble
from migrator_tui.tui.screens.review import ReviewScreen
from migrator_tui.tui.screens.run import RunScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.ddl_view import DdlView
from migrator_tui.tui.widgets.finding_list import FindingList
from migrator_tui.tui.widgets.text_lines import TextLines
from tests.tui.planned import MOST_WIDGETS, many, on_step, settled, shop, showing
from tests.tui.waiting import on, text, until


async def test_enter_takes_each_finding_in_turn_and_at_the_end_starts(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.REVIEW, shop(tmp_path), target) as (app, pilot):
        assert text(app, "#obstacle") == "3 to decide"
        assert app.screen.query_one("#start", Button).disabled
        await pilot.press("enter")
        for left in ("2 to decide", "1 to decide"):
            await pilot.press("enter")
            await until(pilot, lambda left=left: text(app, "#obstacle") == left)  # type: ignore[misc]
        await pilot.press("space")
        await until(pilot, lambda: settled(app) and not app.screen.query_one("#start", Button).disabled)
        assert {d.id for d in app.session.decisions.findings} == {"DATE-MIXED", "FK-ORPHAN", "VALUE-NUL"}
        await pilot.press("enter")
        await until(pilot, lambda: app.session.handle is not None)
        handle = app.session.handle
        assert handle is not None
        await until(pilot, lambda: handle.progress().waiting_for == "confirmation", 2000)
        handle.cancel()
        await until(pilot, lambda: handle.outcome() is not None, 2000)


async def test_r_takes_what_is_lossless_and_capital_r_asks_before_the_rest(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.REVIEW, shop(tmp_path), target) as (app, pilot):
        await pilot.press("r")
        assert text(app, "#obstacle") == "1 to decide"
        await pilot.press("R")
        await until(pilot, lambda: on(app, Question))
        await pilot.press("escape")
        assert text(app, "#obstacle") == "1 to decide"
        await pilot.press("R", "tab", "enter")
        await until(pilot, lambda: settled(app))
        assert app.session.plan is not None
        assert app.session.plan.undecided == ()


async def test_another_choice_replaces_the_first_and_changes_the_plan(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.REVIEW, shop(tmp_path), target) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: settled(app))
        findings = app.screen.query_one(FindingList)
        await pilot.press("home")
        while findings.current is not None and findings.current.id != "DATE-MIXED":
            await pilot.press("down")
        assert findings.current is not None
        assert findings.current.decision == "text"
        await pilot.press("right", "down", "enter")
        await until(pilot, lambda: settled(app))
        assert app.session.plan is not None
        assert app.session.plan.table("users").columns[2].type.startswith("timestamp")
        assert [d.choice for d in app.session.decisions.findings if d.id == "DATE-MIXED"] == ["timestamp"]


async def test_a_finding_shows_its_rows_keys_values_and_lossy_choices(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.REVIEW, shop(tmp_path), target) as (app, pilot):
        findings = app.screen.query_one(FindingList)
        while findings.current is not None and findings.current.id != "VALUE-NUL":
            await pilot.press("down")
        await pilot.pause()
        assert "messages.body" in text(app, "#what")
        assert "1 row" in text(app, "#what")
        assert "id=2" in text(app, "#what")
        choices = app.screen.query_one("#choices", OptionList)
        prompts = {option.id: str(option.prompt) for option in choices.options}
        assert "⚠ lossy" in prompts["replace"]
        assert "recommended" in prompts["replace"]
        assert "✓ lossless" in prompts["bytea"]


async def test_the_panes_show_the_exact_ddl_the_effects_and_the_estimate(tmp_path: Path, target: Target) -> None:
    with connect(target) as connection:
        connection.execute("CREATE TABLE rooms (id bigint PRIMARY KEY, title text)")
        connection.execute("INSERT INTO rooms VALUES (7, 'attic'), (8, 'cellar')")
    async with on_step(Step.REVIEW, shop(tmp_path), target) as (app, pilot):
        await pilot.press("d")
        ddl = app.screen.query_one("#script", DdlView)
        assert app.focused is ddl
        assert ddl.render_line(0).text.startswith('CREATE TABLE "public"."users" (')
        await pilot.press("t")
        effects = app.screen.query_one("#effects", TextLines)
        shown = "\n".join(effects.render_line(y).text for y in range(effects.size.height))
        assert "+ public.users   2 rows" in shown
        assert "≈ public.rooms   1 row from the source, 2 rows there, paired by id" in shown
        await pilot.press("e")
        assert "of 3 tables" in text(app, "#figures")


async def test_w_saves_a_plan_that_can_be_read_back_and_a_bad_path_is_told(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.REVIEW, shop(tmp_path), target) as (app, pilot):
        await pilot.press("w")
        app.screen.query_one(Input).value = str(tmp_path / "plan.yaml")
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "plan.yaml").exists())
        assert set(plan_file.read(tmp_path / "plan.yaml").scope.tables) == {"users", "rooms", "messages"}
        await pilot.press("w")
        app.screen.query_one(Input).value = str(tmp_path / "nowhere" / "plan.yaml")
        await pilot.press("enter")
        await until(pilot, lambda: on(app, Trouble))


async def test_two_thousand_findings_take_as_few_widgets_as_two() -> None:
    counts = []
    for tables in (2, 2000):
        async with showing(Step.REVIEW, many(tables)) as (app, pilot, _):
            assert text(app, "#obstacle") == f"{tables:,} to decide"
            counts.append(len(app.screen.query("*")))
            await pilot.press("end")
            current = app.screen.query_one(FindingList).current
            assert current is not None
            assert current.table == f"table_{tables - 1:04}"
    assert max(counts) < MOST_WIDGETS


async def test_deciding_all_starts_the_run_by_the_button() -> None:
    async with showing(Step.REVIEW, many(2)) as (app, pilot, guide):
        await pilot.press("r")
        await until(pilot, lambda: not app.screen.query_one("#start", Button).disabled)
        await pilot.click("#start")
        await until(pilot, lambda: guide.told == ["start"])
        await until(pilot, lambda: on(app, RunScreen))
        assert app.session.handle is guide.run
        await pilot.press("escape")
        await until(pilot, lambda: on(app, ReviewScreen) and "Enter shows it" in text(app, "#obstacle"))
        await pilot.press("enter")
        await until(pilot, lambda: on(app, RunScreen))
        assert guide.told == ["start"]


def test_a_choice_goes_before_wider_decisions_and_replaces_its_own() -> None:
    finding = Finding("VALUE-NUL", "m", "messages", "body", choices=("replace", "bytea"))
    wide = FindingDecision("VALUE-NUL", "replace")
    decisions = deciding.with_choice(Decisions(findings=(wide,)), finding, "bytea")
    decisions = deciding.with_choice(decisions, finding, "replace")
    assert decisions.findings == (FindingDecision("VALUE-NUL", "replace", "messages", "body"), wide)


def test_an_error_without_a_choice_stops_the_run() -> None:
    stuck = Finding("TARGET-MISFIT", "rooms cannot take the rows.", "rooms")
    assert deciding.obstacle([stuck], 1) == "✗ rooms cannot take the rows. It stops the run."
    assert deciding.obstacle([], 1) is None
    assert deciding.obstacle([], 0) is not None
