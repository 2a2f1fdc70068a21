"""Quitting while something runs."""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Button, Static

from migrator_tui.tui.dialogs.dialog import Dialog


class LeavingChoice(Enum):
    """What becomes of the run."""

    STAY = "stay"
    STOP = "stop"


class Leaving(Dialog[LeavingChoice]):
    """Keep on is what Enter does; stopping keeps what is staged, and ``resume`` goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stay", "Keep on", tooltip="Back to the run.", id="leaving.stay"),
    ]

    def compose(self) -> ComposeResult:
        """The question, and the two answers."""
        with Vertical(classes="dialog") as box:
            box.border_title = "A migration is running"
            yield Static(
                "Nothing is visible on the target before it is published. If you stop now, what is staged is kept, "
                "and the run can be resumed from Home."
            )
            yield Button("Keep on", id="stay", variant="primary")
            yield Button("Stop at the last committed chunk and quit", id="stop", variant="error")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(LeavingChoice.STOP if event.button.id == "stop" else LeavingChoice.STAY)

    def action_stay(self) -> None:
        """Back to the run."""
        self.dismiss(LeavingChoice.STAY)
