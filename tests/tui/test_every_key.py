"""Every key has help, every dialog a way out, and every screen its colours."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widgets._footer import FooterKey

import migrator_tui.tui
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.dialogs.keys import Keys
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step
from tests.tui.stepping import again, alone, scripted, showing
from tests.tui.waiting import on, until

SIZES = ((120, 36), (80, 24))
MOST_KEYS = 7


def tui_classes() -> list[type[DOMNode]]:
    """Every screen, dialog, widget and application of the program."""
    found = []
    for module in pkgutil.walk_packages(migrator_tui.tui.__path__, "migrator_tui.tui."):
        for _, member in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(member, DOMNode) and member.__module__ == module.name:
                found.append(member)
    return found


CLASSES = tui_classes()
SCREENS = [c for c in CLASSES if issubclass(c, Screen) and c not in (StepScreen, Dialog)]


def own_bindings(node: type[DOMNode]) -> list[Binding]:
    found = vars(node).get("BINDINGS", [])
    assert all(isinstance(binding, Binding) for binding in found), f"{node.__name__} has bindings without help"
    return list(found)


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
async def test_every_key_is_in_the_help_and_the_footer_fits_on_a_light_screen_of_any_size(step: Step) -> None:
    async with showing(step, scripted(step), size=(140, 60)) as (app, pilot):
        await alone(app, pilot)
        wanted = [active.binding for active in app.screen.active_bindings.values() if active.enabled]
        app.action_help()
        await until(pilot, lambda: isinstance(app.screen, Keys) and app.screen.is_mounted)
        assert isinstance(app.screen, Keys)
        helped(app.screen, wanted)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, StepScreen))
        for size in SIZES:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            keys = [key for key in app.screen.query(FooterKey) if key.display]
            assert 1 < len(keys) <= MOST_KEYS
            assert max(key.region.right for key in keys) <= size[0]
        app.theme = "migrator-light"
        await until(pilot, lambda: light(app))


def helped(shown: Keys, wanted: Iterable[Binding]) -> None:
    """Every key of the screen is among those that are shown."""
    listed = {(key.name, key.said): key.keys for _, keys in shown.groups for key in keys}
    ours = [b for b in wanted if b.id and ("." in b.id or b.id in ("quit", "help", "back"))]
    assert len(ours) >= 3
    for binding in ours:
        assert shown.app.get_key_display(binding) in listed[binding.description, binding.tooltip].split(), binding.id


# ── colour ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def colours(app: App[int]) -> Iterator[tuple[int, int, int]]:
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                if colour is not None and colour.triplet is not None:
                    yield colour.triplet.red, colour.triplet.green, colour.triplet.blue


async def test_with_no_color_everything_is_grey(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    guide = scripted(Step.HOME)
    async with showing(Step.HOME, guide) as (app, pilot):
        for step in Step:
            await again(app, pilot, step, guide)
            seen = set(colours(app))
            assert seen
            assert all(red == green == blue for red, green, blue in seen), step


def light(app: MigratorApp) -> bool:
    """The ground of the screen is light, nearly everywhere."""
    grounds = [
        segment.style.bgcolor.triplet
        for strip in app.screen._compositor.render_strips()
        for segment in strip
        if segment.style and segment.style.bgcolor and segment.style.bgcolor.triplet and not segment.text.strip()
    ]
    return sum(1 for colour in grounds if min(colour) > 150) > 0.8 * len(grounds)


async def test_the_keys_are_shown_in_themes_whose_colours_are_the_terminal_s_own() -> None:
    async with showing(Step.HOME, scripted(Step.HOME)) as (app, pilot):
        themes = [name for name in app.available_themes if "ansi" in name]
        assert themes
        for theme in themes:
            app.theme = theme
            app.action_help()
            await until(pilot, lambda: on(app, Keys))
            shown = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
            assert "Migrate a sample application." in shown
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, StepScreen))
