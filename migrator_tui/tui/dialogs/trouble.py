"""An error, readable: what happened, and what to do next."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Button, Label, Static

from migrator_tui.model.errors import MigratorError
from migrator_tui.tui.dialogs.dialog import Dialog


class Trouble(Dialog[None]):
    """Shows one error; ``c`` copies it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "close", "Close", tooltip="Back to the screen.", id="trouble.close"),
        Binding("c", "copy", "Copy", tooltip="Copy the error to the clipboard.", id="trouble.copy"),
    ]

    def __init__(self, error: MigratorError) -> None:
        super().__init__()
        self.error = error

    def compose(self) -> ComposeResult:
        """Id, message, next step."""
        with VerticalScroll(classes="dialog -error") as box:
            box.border_title = f"✗ {self.error.id}"
            yield Static(self.error.message, markup=False, classes="message")
            if self.error.hint:
                yield Label("What to do", classes="heading")
                yield Static(self.error.hint, markup=False)
            yield Button("Close", id="close", variant="primary")

    def on_button_pressed(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_copy(self) -> None:
        """Copy id, message and hint."""
        self.app.copy_to_clipboard(f"{self.error.id}: {self.error.message}\n{self.error.hint}")
        self.notify("Copied.")
