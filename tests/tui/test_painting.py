"""What is painted when, and how little: facts that keep the screens quick."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from textual._compositor import ChopsUpdate, Compositor
from textual.widgets import Footer

from migrator_tui.migration.guide import Bench, Ends, Step
from migrator_tui.model.plan import Scope
from migrator_tui.model.progress import RunStatus, TableState
from migrator_tui.model.secret import Secret
from migrator_tui.tui import taking_turns
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.screens import step_screen
from migrator_tui.tui.screens.run import RunScreen
from migrator_tui.tui.sparing import SparingCompositor
from migrator_tui.tui.steps import Step as ScreenStep
from tests.tui.planned import MOST_WIDGETS
from tests.tui.scripted import ScriptedGuide, ScriptedRun, plan, progress, table
from tests.tui.waiting import on, until


@dataclass
class OpeningGuide(ScriptedGuide):
    """Writes down when it is asked to connect."""

    events: list[str] = field(default_factory=list)

    def open(self, ends: Ends, password: Secret | None, say: Callable[[Step], None]) -> Bench:
        self.events.append("open")
        return super().open(ends, password, say)


async def test_a_test_that_nobody_asked_for_connects_after_the_first_paint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = OpeningGuide()
    ends = Ends(tmp_path / "app.db", "postgresql://app@db.example.com/shop", Scope(), fresh=True)
    app = MigratorApp(guide, folder=tmp_path, prepare_demo=lambda folder: ends, start_with=ends)
    turns = sys.getswitchinterval()
    painted = lambda: guide.events.append(f"painted {type(app.screen).__name__}")  # noqa: E731
    monkeypatch.setattr(app, "post_display_hook", painted)
    async with app.run_test() as pilot:
        await until(pilot, lambda: "open" in guide.events)
        assert sys.getswitchinterval() <= taking_turns.TURN + 1e-6, "threads of the engine let screens in"
    assert sys.getswitchinterval() == turns
    assert "painted ConnectScreen" in guide.events[: guide.events.index("open")]


@pytest.mark.parametrize("tables", [2, 2000])
async def test_a_run_of_any_number_of_tables_has_the_same_few_widgets(tables: int, tmp_path: Path) -> None:
    names = [f"table_{number:04}" for number in range(tables)]
    run = ScriptedRun(progress(*(table(name) for name in names)), made=plan(*names))
    app = MigratorApp(ScriptedGuide(run), folder=tmp_path, prepare_demo=lambda folder: pytest.fail("no demo"))
    async with app.run_test() as pilot:
        app.session.handle = run
        app.go(ScreenStep.RUN)
        await until(pilot, lambda: on(app, RunScreen))
        assert len(app.screen.query("*")) < MOST_WIDGETS


async def test_progress_leaves_the_footer_as_it_is_and_a_pause_makes_it_anew(tmp_path: Path) -> None:
    run = ScriptedRun(progress(table("users", done=100)))
    app = MigratorApp(ScriptedGuide(run), folder=tmp_path, prepare_demo=lambda folder: pytest.fail("no demo"))

    async with app.run_test() as pilot:
        app.session.handle = run
        app.go(ScreenStep.RUN)
        await until(pilot, lambda: bool(app.screen.query("RunScreen FooterKey")))

        def keys() -> list[int]:
            return [id(key) for key in app.screen.query_one(Footer).query("FooterKey")]

        def figures() -> str:
            return str(app.screen.query_one("#figures").render()).lstrip()

        await until(pilot, lambda: figures().startswith("100 "))
        run.now = progress(table("users", done=200))
        await until(pilot, lambda: figures().startswith("200 "))  # a poll after the one that made the footer anew
        await pilot.pause()
        before = keys()
        run.now = progress(table("users", TableState.STAGING, 700))
        await until(pilot, lambda: figures().startswith("700 "))
        assert keys() == before
        run.now = replace(run.now, status=RunStatus.INTERRUPTED)
        await until(pilot, lambda: keys() not in ([], before))


async def test_a_change_is_painted_as_textual_paints_it_by_asking_fewer_widgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paints: list[tuple[ChopsUpdate | None, ChopsUpdate | None]] = []
    asked: list[tuple[int, int]] = []

    class Compared(SparingCompositor):
        def render_partial_update(self) -> ChopsUpdate | None:
            dirty = self._dirty_regions.copy()
            mine = super().render_partial_update()
            self._dirty_regions = dirty.copy()
            paints.append((mine, Compositor.render_partial_update(self)))
            self._changed = dirty
            asked.append((len(list(self._get_renders(self.size.region))), len(self.visible_widgets)))
            self._changed = ()
            return mine

    monkeypatch.setattr(step_screen, "SparingCompositor", Compared)
    names = [f"table_{number:04}" for number in range(60)]
    run = ScriptedRun(progress(*(table(name) for name in names)), made=plan(*names))
    app = MigratorApp(ScriptedGuide(run), folder=tmp_path, prepare_demo=lambda folder: pytest.fail("no demo"))
    async with app.run_test() as pilot:
        app.session.handle = run
        app.go(ScreenStep.RUN)
        await until(pilot, lambda: on(app, RunScreen))

        def shows(figure: str) -> bool:
            return figure in str(app.screen.query_one("#figures").render())

        for number in range(1, 4):
            run.now = progress(*(table(name, done=400 + number) for name in names), retry="again" * number)
            figure = f"{60 * (400 + number):,}"
            await until(pilot, partial(shows, figure))
            await pilot.press("down", "pagedown")
        await pilot.pause()
        painted = [(a.render_segments(app.console), b.render_segments(app.console)) for a, b in paints if a and b]
    assert len(painted) > 3
    assert all(mine == theirs for mine, theirs in painted)
    assert all((mine is None) == (theirs is None) for mine, theirs in paints)
    assert min(few / of for few, of in asked) < 0.5
