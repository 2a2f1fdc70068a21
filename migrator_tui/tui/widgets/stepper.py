"""The stepper: where one is, what was done, what comes; a click goes back."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

from migrator_tui.tui.steps import STEPPER, Step


class Stepper(Horizontal):
    """``✓ Connect › ● Compare › ○ Select …``; on a narrow terminal only the current step has its name."""

    DEFAULT_CSS = """
    Stepper { height: 1; padding: 0 1; background: $surface; }
    Stepper > StepName { width: auto; height: 1; padding: 0 1 0 0; color: $text-muted; }
    Stepper > StepName.-reached { color: $foreground; }
    Stepper > StepName.-current { color: $primary; text-style: bold; }
    Stepper > StepName.-reached:hover { text-style: underline; }
    """

    class Chosen(Message):
        """A step was clicked."""

        def __init__(self, step: Step) -> None:
            self.step = step
            super().__init__()

    def __init__(self, current: Step, reached: Step) -> None:
        super().__init__()
        self._current = current
        self._reached = reached

    def compose(self) -> ComposeResult:
        """One name a step."""
        for step in STEPPER:
            yield StepName(step, self._current, self._reached)


class StepName(Static):
    """One step of the stepper."""

    def __init__(self, step: Step, current: Step, reached: Step) -> None:
        done = step.number < current.number
        symbol = "●" if step is current else ("✓" if done else "○")
        super().__init__(Text(f"{symbol} {step.value}" + (" ›" if step is not STEPPER[-1] else "")))
        self.step = step
        self.set_class(step is current, "-current")
        self.set_class(step.number <= reached.number, "-reached")

    def on_click(self, event: Click) -> None:
        """Ask to go there."""
        event.stop()
        self.post_message(Stepper.Chosen(self.step))
