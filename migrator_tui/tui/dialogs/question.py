"""A question with consequences: what will happen, and Cancel in focus."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Button, Input, Static

from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.widgets.button_row import ButtonRow


class Question(Dialog[bool]):
    """True only when the person chose the action, and typed the name where one is asked for."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Change nothing.", id="question.cancel"),
    ]

    def __init__(self, title: str, text: str, action: str, *, typed: str | None = None, grave: bool = False) -> None:
        """
        Args:
            action: The button that does it.
            typed: What has to be typed for it; None where the button is enough.
            grave: The button is drawn as one that takes something away.
        """
        super().__init__()
        self.title_text, self.text, self.action_text, self.typed, self.grave = title, text, action, typed, grave

    def compose(self) -> ComposeResult:
        """Text, name, two buttons."""
        with Vertical(classes="dialog") as box:
            box.border_title = self.title_text
            yield Static(self.text, markup=False)
            if self.typed is not None:
                yield Input(placeholder=f"type {self.typed}", id="name")
            with ButtonRow(classes="buttons"):
                yield Button("Cancel", id="cancel")
                yield Button(
                    self.action_text,
                    id="do",
                    variant="error" if self.grave else "primary",
                    disabled=self.typed is not None,
                )

    def on_mount(self) -> None:
        """The safe answer, or the field that asks."""
        self.query_one("#name" if self.typed is not None else "#cancel").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The button wakes when the name is right."""
        self.query_one("#do", Button).disabled = event.value.strip() != self.typed

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter does it where the name is right."""
        if event.value.strip() == self.typed:
            self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "do")

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(False)
