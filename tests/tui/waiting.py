"""Waiting for what is to come on the screens, without a guess at how long it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step


async def until(pilot: Pilot[int], met: Callable[[], bool], looks: int = 1200) -> None:
    """Look again and again until something is so."""
    for _ in range(looks):
        await pilot.pause(0.05)
        if met():
            return
    raise AssertionError(f"it did not come to be; the screen is {pilot.app.screen}")


def on(app: MigratorApp, kind: type[Screen[Any]]) -> bool:
    """The screen is shown and has its widgets: it is `app.screen` before they are made."""
    return isinstance(app.screen, kind) and app.screen.is_mounted


async def there(app: MigratorApp, pilot: Pilot[int], step: Step) -> None:
    """Wait for the screen of a step, or for a dialog that it opened by itself."""

    def shown() -> bool:
        below = [screen for screen in app.screen_stack if isinstance(screen, StepScreen)]
        return bool(below) and below[-1].STEP is step and all(screen.is_mounted for screen in app.screen_stack)

    await until(pilot, shown)


def text(app: MigratorApp, selector: str) -> str:
    """What a line says; nothing while it is not there."""
    found = app.screen.query(selector)
    return str(found.first(Static).render()) if found else ""
