"""One line to filter a list by what is typed; out of sight until it is asked for."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FilterLine(Input):
    """Tells every change at once; Enter goes back to the list, Esc also takes the filter away."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave(True)", "No filter", tooltip="Take the filter away.", id="filter.clear"),
        Binding("enter,down", "leave(False)", "To the list", tooltip="Back to the list.", id="filter.done"),
    ]
    DEFAULT_CSS = """
    FilterLine { display: none; height: 1; padding: 0 1; background: $surface; }
    FilterLine:focus { background: $panel; }
    FilterLine.-shown { display: block; }
    """

    class Filtered(Message):
        """The text to filter by, in lower case; empty for no filter."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Left(Message):
        """The line was left for the list."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(placeholder="filter by name", compact=True, select_on_focus=False, id=id)

    def open(self) -> None:
        """Show the line, and type into it."""
        self.add_class("-shown")
        self.focus()

    def watch_value(self) -> None:
        """Tell what is typed."""
        if self.is_attached:
            self.post_message(self.Filtered(self.value.strip().lower()))

    def action_leave(self, clear: bool) -> None:
        """Back to the list."""
        if clear:
            self.value = ""
        self.set_class(bool(self.value), "-shown")
        self.post_message(self.Left())
