"""Which screen shows which step; each is imported when it is first shown, so that Home is there at once."""

from __future__ import annotations

from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step


def screen_of(step: Step) -> StepScreen:
    """A new screen for a step."""
    match step:
        case Step.HOME:
            from migrator_tui.tui.screens.home import HomeScreen

            return HomeScreen()
        case Step.CONNECT:
            from migrator_tui.tui.screens.connect import ConnectScreen

            return ConnectScreen()
        case Step.COMPARE:
            from migrator_tui.tui.screens.compare import CompareScreen

            return CompareScreen()
        case Step.SELECT:
            from migrator_tui.tui.screens.select import SelectScreen

            return SelectScreen()
        case Step.REVIEW:
            from migrator_tui.tui.screens.review import ReviewScreen

            return ReviewScreen()
        case Step.RUN:
            from migrator_tui.tui.screens.run import RunScreen

            return RunScreen()
        case Step.RESOLVE:
            from migrator_tui.tui.screens.resolve import ResolveScreen

            return ResolveScreen()
        case Step.RESULT:
            from migrator_tui.tui.screens.result import ResultScreen

            return ResultScreen()
