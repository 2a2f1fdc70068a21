"""Which screen shows which step."""

from __future__ import annotations

from migrator_tui.tui.screens.compare import CompareScreen
from migrator_tui.tui.screens.connect import ConnectScreen
from migrator_tui.tui.screens.home import HomeScreen
from migrator_tui.tui.screens.resolve import ResolveScreen
from migrator_tui.tui.screens.result import ResultScreen
from migrator_tui.tui.screens.review import ReviewScreen
from migrator_tui.tui.screens.run import RunScreen
from migrator_tui.tui.screens.select import SelectScreen
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step

SCREENS: dict[Step, type[StepScreen]] = {
    screen.STEP: screen
    for screen in (
        HomeScreen,
        ConnectScreen,
        CompareScreen,
        SelectScreen,
        ReviewScreen,
        RunScreen,
        ResolveScreen,
        ResultScreen,
    )
}


def screen_of(step: Step) -> StepScreen:
    """A new screen for a step."""
    return SCREENS[step]()
