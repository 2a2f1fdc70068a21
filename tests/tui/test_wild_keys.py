"""No keys and clicks, however wild, end in an error or in a write that nobody asked for."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from textual import events
from textual.css.query import NoMatches
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.screen import ModalScreen, Screen
from textual.widgets import Button, Static

from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.ask import Ask
from migrator_tui.tui.dialogs.leaving import Leaving, LeavingChoice
from migrator_tui.tui.dialogs.publish import Publish
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.palette import Palette
from migrator_tui.tui.screens.review import ReviewScreen
from migrator_tui.tui.steps import Step
from tests.tui.stepping import again, scripted, showing
from tests.tui.waiting import on, until

EVENTS = int(os.environ.get("MIGRATOR_TUI_WILD_EVENTS", "50"))
"""Keys and clicks a screen; the long form sends 2,000."""
TOGETHER = 25
"""Keys sent between two looks."""

KEYS = [
    *"abcdefghijklmnopqrstuvwxyzBKMNRSTX/ ?0123456789",
    *["enter", "tab", "shift+tab", "escape", "up", "down", "left", "right", "home", "end", "pageup", "pagedown"] * 3,
    *["backspace", "delete", "ctrl+a", "ctrl+b", "ctrl+g", "ctrl+t", "ctrl+o", "ctrl+p", "ctrl+q", "f1", "space"],
    *["shift+up", "shift+down"],
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


@pytest.mark.parametrize(("step", "dialog"), [*((step, "") for step in Step), (Step.SELECT, "u")])
async def test_wild_keys_and_clicks_end_in_no_error_and_no_unasked_write(
    step: Step,
    dialog: str,
    answers: list[tuple[str, object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    chance = random.Random(f"{step.value}{dialog} 2026")
    told: list[str] = []
    done = 0
    while done < EVENTS:
        guide = scripted(step)
        async with showing(step, guide) as (app, pilot):
            while done < EVENTS and app.return_code is None:
                for _ in range(4):
                    if dialog and not isinstance(app.screen, ModalScreen) and not ended(app):
                        await pilot.press(dialog)  # the keys are for what it opens
                    done += await wild(app, pilot, chance)
                told += guide.run.told
                if app.return_code is None:
                    await again(app, pilot, step, guide)
            if not ended(app):
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
    x, y = chance.randrange(width), chance.randrange(height)
    for kind in (events.MouseDown, events.MouseUp):
        # A terminal does not ask first whether anything is there, as Pilot's click does.
        app._driver.send_message(kind(None, x, y, 0, 0, 1, False, False, False, screen_x=x, screen_y=y))
    await pilot.pause()
    return TOGETHER


async def test_a_press_on_what_was_just_taken_away_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with showing(Step.REVIEW, scripted(Step.REVIEW)) as (app, pilot):
        await pilot.pause()
        word = next(found for found in app.screen.query(Static) if found.region.area)
        x, y = word.region.offset
        await word.remove()
        assert app.screen.get_widget_and_offset_at(x, y)[0] is word, "still painted"
        for kind in (events.MouseDown, events.MouseMove):
            press = kind(word, x, y, 0, 0, 1, False, False, False, screen_x=x, screen_y=y)
            await app.on_event(press)
        assert app.is_running


async def test_a_dialog_that_opens_and_one_that_is_answered_as_the_application_ends_are_no_fault() -> None:
    async with showing(Step.HOME, scripted(Step.HOME)) as (app, _):
        app.exit(0)
        app.push_screen(Ask("Save", "Where?", "plan.yaml", "Save"))
    assert app.return_code == 0
    async with showing(Step.HOME, scripted(Step.HOME)) as (app, pilot):
        app.push_screen(asked := Question("Cancel?", "It stops.", "Cancel it"))
        await until(pilot, lambda: on(app, Question))
        app.exit(0)
        while len(app.screen_stack) > 1:
            app.pop_screen()
        asked.post_message(Button.Pressed(asked.query_one("#cancel", Button)))
        await pilot.pause()
    assert app.return_code == 0


async def test_a_dialog_that_is_answered_twice_takes_no_screen_below_it_away() -> None:
    async with showing(Step.REVIEW, scripted(Step.REVIEW)) as (app, pilot):
        answers: list[bool | None] = []
        app.push_screen(asked := Question("Cancel?", "It stops.", "Cancel it"), answers.append)
        await until(pilot, lambda: on(app, Question))
        asked.dismiss(True)
        asked.dismiss(False)
        await until(pilot, lambda: on(app, ReviewScreen))
        await pilot.pause()
        assert on(app, ReviewScreen)
        assert answers == [True]
        app.action_command_palette()
        await until(pilot, lambda: on(app, Palette))
        palette = app.screen
        palette.dismiss()
        palette.dismiss()
        await until(pilot, lambda: on(app, ReviewScreen))
        await pilot.pause()
        assert on(app, ReviewScreen)


async def test_a_fault_while_the_application_is_in_use_ends_it() -> None:
    async def faulty() -> None:
        async with showing(Step.HOME, scripted(Step.HOME)) as (app, pilot):
            app.call_later(lambda: app.screen.query_one("#nothing-of-this-name"))
            await pilot.pause()

    with pytest.raises(NoMatches):
        await faulty()
