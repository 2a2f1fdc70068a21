"""Buttons beside one another, gone along by the arrows as well as by Tab."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button


class ButtonRow(Horizontal):
    """A row of buttons. At its ends an arrow leads nowhere."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "move(-1)", "Left", show=False, tooltip="The button before.", id="buttons.left"),
        Binding("right", "move(1)", "Right", show=False, tooltip="The button after.", id="buttons.right"),
    ]

    def action_move(self, way: int) -> None:
        """Focus the next button that can be pressed."""
        buttons = [button for button in self.query(Button) if button.focusable]
        if self.screen.focused in buttons:
            at = buttons.index(self.screen.focused) + way
            if 0 <= at < len(buttons):
                buttons[at].focus()
