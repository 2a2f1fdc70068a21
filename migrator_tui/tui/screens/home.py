"""Home."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step


class HomeScreen(StepScreen):
    """Home."""

    STEP = Step.HOME

    def compose_body(self) -> ComposeResult:
        """Body."""
        yield Static("")
