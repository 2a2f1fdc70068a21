"""A table that others refer to is to be left out: what becomes of those."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Button, Static

from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.wording import counted

NAMED = 6


class Leaving(StrEnum):
    """What the person chose."""

    KEEP = "keep"
    ALL = "all"
    ALONE = "alone"


class ParentLeftOut(Dialog[Leaving]):
    """Keeping the table is in focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "keep", "Keep", tooltip="Keep the table.", id="parent.keep"),
    ]

    def __init__(self, table: str, dependants: Sequence[str]) -> None:
        super().__init__()
        self._table, self._dependants = table, dependants

    def compose(self) -> ComposeResult:
        """Who refers to it, and three ways."""
        named = ", ".join(self._dependants[:NAMED])
        more = len(self._dependants) - NAMED
        refers = "refers" if len(self._dependants) == 1 else "refer"
        with Vertical(classes="dialog") as box:
            box.border_title = f"Leave {self._table} out?"
            yield Static(
                f"{named}{f' and {more} more' if more > 0 else ''} {refers} to {self._table}, directly or by way of "
                "others. Foreign keys to it then hold only if the target has the table and its rows.",
                markup=False,
            )
            yield Button(f"Keep {self._table}", id=Leaving.KEEP.value, variant="primary")
            yield Button(f"Leave out all {counted(len(self._dependants) + 1, 'table')}", id=Leaving.ALL.value)
            yield Button(f"Leave out only {self._table}", id=Leaving.ALONE.value)

    def on_mount(self) -> None:
        """The safe answer."""
        self.query_one(f"#{Leaving.KEEP.value}").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(Leaving(event.button.id or Leaving.KEEP))

    def action_keep(self) -> None:
        """Keep the table."""
        self.dismiss(Leaving.KEEP)
