"""One line to be typed: a name, a path."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Button, Input, Static

from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.widgets.button_row import ButtonRow


class Ask(Dialog[str | None]):
    """The text, or None where the person changed their mind."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Change nothing.", id="ask.cancel"),
    ]

    def __init__(
        self,
        title: str,
        text: str,
        value: str,
        action: str,
        *,
        placeholder: str = "",
        objection: Callable[[str], str | None] = lambda value: None,
    ) -> None:
        """
        Args:
            value: What stands in the field at first.
            objection: Why a text cannot be taken, or None where it can.
        """
        super().__init__()
        self._title, self._text, self._value, self._action = title, text, value, action
        self._placeholder, self._objection = placeholder, objection

    def compose(self) -> ComposeResult:
        """Text, field, two buttons."""
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            yield Static(self._text, markup=False)
            yield Input(self._value, placeholder=self._placeholder, id="answer")
            yield Static("", id="objection", classes="warn", markup=False)
            with ButtonRow(classes="buttons"):
                yield Button("Cancel", id="cancel")
                yield Button(self._action, id="do", variant="primary")

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what is in the way while it is typed."""
        objection = self._objection(event.value.strip())
        self.query_one("#objection", Static).update(f"⚠ {objection}" if objection else "")
        self.query_one("#do", Button).disabled = objection is not None

    def on_input_submitted(self) -> None:
        """Enter takes it."""
        self._take()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take it or not."""
        if event.button.id == "do":
            self._take()
        else:
            self.dismiss(None)

    def _take(self) -> None:
        value = self.query_one(Input).value.strip()
        if self._objection(value) is None:
            self.dismiss(value)

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(None)
