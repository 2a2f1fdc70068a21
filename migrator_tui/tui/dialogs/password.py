"""Asking for a target's password."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Button, Input, Static

from migrator_tui.model.errors import MigratorError
from migrator_tui.model.secret import Secret
from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.widgets.button_row import ButtonRow


class Password(Dialog[Secret]):
    """The password as typed, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Do not connect.", id="password.cancel"),
    ]

    def __init__(self, target: str, why: MigratorError) -> None:
        """
        Args:
            target: Its short name.
            why: What the target said without it.
        """
        super().__init__()
        self.target, self.why = target, why

    def compose(self) -> ComposeResult:
        """What is asked, the field, two buttons."""
        with Vertical(classes="dialog") as box:
            box.border_title = f"Password of {self.target}".replace("[", r"\[")
            yield Static(self.why.message, markup=False)
            yield Input(password=True, placeholder="password", id="password")
            yield Static("It is used for this run only and kept nowhere.", classes="muted")
            with ButtonRow(classes="buttons"):
                yield Button("Cancel", id="cancel")
                yield Button("Go on", id="go-on", variant="primary")

    def on_mount(self) -> None:
        """The field."""
        self.query_one(Input).focus()

    def on_input_submitted(self) -> None:
        """Enter goes on."""
        self._answer()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        if event.button.id == "go-on":
            self._answer()
        else:
            self.dismiss(None)

    def action_cancel(self) -> None:
        """Do not connect."""
        self.dismiss(None)

    def _answer(self) -> None:
        value = self.query_one(Input).value
        if value:
            self.dismiss(Secret(value))
