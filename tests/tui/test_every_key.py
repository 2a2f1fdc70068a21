"""Every key has help, and no keys and clicks, however wild, end in an error or in a write that nobody asked for."""

from __future__ import annotations

import importlib
import inspect
import io
import os
import pkgutil
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.console import Console
from textual import events
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.screen import ModalScreen, Screen
from textual.widgets import HelpPanel
from textual.widgets._footer import FooterKey
from textual.widgets._key_panel import BindingsTable

import migrator_tui.tui
from migrator_tui.migration.guide import Ends, Offer
from migrator_tui.model.progress import RunStatus, TableState
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.leaving import Leaving, LeavingChoice
from migrator_tui.tui.dialogs.publish import Publish
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step
from tests.tui.planned import many
from tests.tui.scripted import ScriptedGuide, ScriptedRun, conflict, outcome, plan, progress, table

ENDS = Ends(Path("app.db"), "postgresql://app@db.example.com:5432/shop")
SIZES = ((120, 36), (80, 24))
MOST_KEYS = 7
EVENTS = int(os.environ.get("MIGRATOR_TUI_WILD_EVENTS", "250"))
"""Keys and clicks a screen; the long form sends 2,000."""
TOGETHER = 25
"""Keys sent between two looks."""


def tui_classes() -> list[type[DOMNode]]:
    """Every screen, dialog, widget and application of the program."""
    found = []
    for module in pkgutil.walk_packages(migrator_tui.tui.__path__, "migrator_tui.tui."):
        for _, member in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(member, DOMNode) and member.__module__ == module.name:
                found.append(member)
    return found


CLASSES = tui_classes()
SCREENS = [c for c in CLASSES if issubclass(c, Screen) and c is not StepScreen]


def own_bindings(node: type[DOMNode]) -> list[Binding]:
    found = vars(node).get("BINDINGS", [])
    assert all(isinstance(binding, Binding) for binding in found), f"{node.__name__} has bindings without help"
    return list(found)


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
    app.session.bench = many(12)
    app.session.handle = guide.run if step.number >= Step.RUN.number else None
    app.session.outcome = guide.run.ended
    app.session.reached = step
    app.go(step)
    await pilot.pause(0.1)


# ── help ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("node", CLASSES, ids=lambda node: str(node.__name__))
def test_every_key_has_a_tooltip_and_an_id(node: type[DOMNode]) -> None:
    for binding in own_bindings(node):
        assert binding.tooltip.endswith("."), f"{node.__name__}, {binding.key}: the tooltip is a sentence"
        assert binding.id, f"{node.__name__}, {binding.key}"
        assert binding.description, f"{node.__name__}, {binding.key}"


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: str(screen.__name__))
def test_ids_and_keys_are_unique_on_a_screen(screen: type[DOMNode]) -> None:
    mine: list[type[DOMNode]] = [c for c in CLASSES if c in screen.__mro__]
    mine.append(MigratorApp)
    bindings = [b for c in mine for b in own_bindings(c)]
    ids = Counter(b.id for b in bindings)
    assert [id for id, number in ids.items() if number > 1] == []
    keys = Counter(key for b in bindings for key in b.key.split(","))
    assert [key for key, number in keys.items() if number > 1] == []


def test_every_dialog_is_left_by_escape() -> None:
    dialogs = [c for c in SCREENS if issubclass(c, ModalScreen)]
    assert len(dialogs) >= 6
    for dialog in dialogs:
        bindings = Binding.make_bindings(dialog.BINDINGS)
        assert "escape" in {binding.key for binding in bindings}, dialog.__name__


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("size", SIZES)
async def test_a_footer_has_at_most_seven_keys_and_all_of_them_fit(step: Step, size: tuple[int, int]) -> None:
    async with showing(step, scripted(step), size=size) as (app, pilot):
        await alone(app, pilot)
        keys = [key for key in app.screen.query(FooterKey) if key.display]
        assert 1 < len(keys) <= MOST_KEYS
        assert max(key.region.right for key in keys) <= size[0]


@pytest.mark.parametrize("step", Step)
async def test_the_help_panel_lists_every_key_of_the_screen(step: Step) -> None:
    async with showing(step, scripted(step), size=(140, 60)) as (app, pilot):
        await alone(app, pilot)
        app.action_toggle_help()
        await pilot.pause(0.1)
        console = Console(width=200, file=io.StringIO())
        console.print(app.screen.query_one(BindingsTable).render_bindings_table())
        assert isinstance(console.file, io.StringIO)
        listed = console.file.getvalue()
        wanted = [a.binding for a in app.screen.active_bindings.values() if a.enabled and a.binding.id]
        ours = [b for b in wanted if b.id and ("." in b.id or b.id in ("quit", "help", "back"))]
        assert len(ours) >= 3
        for binding in ours:
            assert binding.tooltip in listed, binding.id
        app.action_toggle_help()
        await pilot.pause()
        assert not app.screen.query(HelpPanel)


# ── colour ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def colours(app: App[int]) -> Iterator[tuple[int, int, int]]:
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                if colour is not None and colour.triplet is not None:
                    yield colour.triplet.red, colour.triplet.green, colour.triplet.blue


@pytest.mark.parametrize("step", Step)
async def test_with_no_color_everything_is_grey(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with showing(step, scripted(step)) as (app, _):
        seen = set(colours(app))
        assert seen
        assert all(red == green == blue for red, green, blue in seen)


@pytest.mark.parametrize("step", Step)
async def test_the_light_theme_is_light_on_every_screen(step: Step) -> None:
    async with showing(step, scripted(step)) as (app, pilot):
        app.theme = "migrator-light"
        await alone(app, pilot)
        grounds = [
            segment.style.bgcolor.triplet
            for strip in app.screen._compositor.render_strips()
            for segment in strip
            if segment.style and segment.style.bgcolor and segment.style.bgcolor.triplet and not segment.text.strip()
        ]
        light = sum(1 for colour in grounds if min(colour) > 150)
        assert light > 0.8 * len(grounds)


# ── wild keys ───────────────────────────────────────────────────────────────────────────────────────────────────────

KEYS = [
    *"abcdefghijklmnopqrstuvwxyzSRTN/ ?0123456789",
    *["enter", "tab", "shift+tab", "escape", "up", "down", "left", "right", "home", "end", "pageup", "pagedown"] * 3,
    *["backspace", "delete", "ctrl+a", "ctrl+t", "ctrl+o", "ctrl+p", "ctrl+q", "f1", "space"],
]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, object]]:
    """What dialogs were answered, as they were."""
    given: list[tuple[str, object]] = []
    for dialog in (Question, Publish, Leaving):
        real = dialog.dismiss

        def dismiss(self: Screen[object], result: object = None, real: object = real) -> object:
            given.append((type(self).__name__, result))
            assert callable(real)
            return real(self, result)

        monkeypatch.setattr(dialog, "dismiss", dismiss)
    return given


@pytest.mark.parametrize("step", Step)
async def test_wild_keys_and_clicks_end_in_no_error_and_no_unasked_write(
    step: Step, answers: list[tuple[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chance = random.Random(f"{step.value} 2026")
    told: list[str] = []
    done = 0
    while done < EVENTS:
        guide = scripted(step)
        async with showing(step, guide) as (app, pilot):
            while done < EVENTS and app.return_code is None:
                for _ in range(4):
                    done += await wild(app, pilot, chance)
                told += guide.run.told
                if app.return_code is None:
                    await again(app, pilot, step, guide)
            await pilot.pause(0.2)
        told += guide.told
    # The target's name was typed by nobody.
    assert "confirm" not in told
    assert not [what for what in told if what.startswith("rollback")]
    assert ("Publish", True) not in answers
    asked = answers.count(("Question", True)) + answers.count(("Leaving", LeavingChoice.STOP))
    assert told.count("cancel") <= asked


def ended(app: MigratorApp) -> bool:
    """The application has been left."""
    return app.return_code is not None


async def wild(app: MigratorApp, pilot: Pilot[int], chance: random.Random) -> int:
    """Some keys and a click; how many that were."""
    if ended(app):
        return 0
    assert app._driver is not None
    for key in chance.choices(KEYS, k=TOGETHER - 1):
        # As fast as a terminal would send them: Pilot's own waiting between two keys would take minutes.
        name = _character_to_key(key) if len(key) == 1 else key
        app._driver.send_message(events.Key(name, key if len(key) == 1 else None))
    await pilot.pause()
    if ended(app):
        return TOGETHER - 1
    width, height = app.size
    await pilot.click(offset=(chance.randrange(width), chance.randrange(height)))
    return TOGETHER
