"""One conflicting row, chosen field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from migrator_tui.migration.conflicts import ConflictRow
from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.widgets.button_row import ButtonRow
from migrator_tui.tui.widgets.option_lines import OptionLines
from migrator_tui.tui.wording import visible


class PerField(Dialog[tuple[str, ...] | None]):
    """Answers with the fields that are taken from the source; None where nothing was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Leave the row as it was decided.", id="fields.cancel"),
        Binding("space", "other_side", "Other side", tooltip="Take the field from the other side.", id="fields.toggle"),
        Binding("s,left", "take(True)", "Source", tooltip="Take the source's value.", id="fields.source"),
        Binding("t,right", "take(False)", "Target", tooltip="Keep the target's value.", id="fields.target"),
    ]
    DEFAULT_CSS = """
    PerField #help { height: auto; color: $text-muted; padding: 0 0 1 0; }
    """

    def __init__(self, row: ConflictRow, taken: Sequence[str]) -> None:
        super().__init__()
        self._row = row
        self._taken = {name: name in taken for name in row.differing}

    def compose(self) -> ComposeResult:
        """The fields that differ, both values of each."""
        key = ", ".join(f"{name}={value}" for name, value in self._row.key.items())
        with Vertical(id="box", classes="fields") as box:
            box.border_title = f"{visible(self._row.table)} {visible(key)}"
            yield Static("Space takes the other side's value; Enter keeps the choice.", id="help")
            yield OptionLines(*(Option(self._label(name)) for name in self._taken), id="list")
            with ButtonRow(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Keep these", id="keep", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Choose at once."""
        listed = self.query_one("#list", OptionList)
        listed.highlighted = 0 if self._taken else None
        listed.focus()

    def _label(self, name: str) -> Text:
        text = Text(visible(name), style="bold")
        for side, values, chosen in (
            ("source", self._row.source, self._taken[name]),
            ("target", self._row.target, not self._taken[name]),
        ):
            value = values.get(name)
            shown = "NULL" if value is None else visible(value)
            text.append(f"\n  {'●' if chosen else '○'} {side}  ", style="bold" if chosen else "not bold dim")
            text.append(shown, style="not bold" if chosen else "not bold dim")
        return text

    def action_take(self, source: bool) -> None:
        """Take the field at the cursor from a side, and go to the next."""
        listed = self.query_one("#list", OptionList)
        at = listed.highlighted
        if at is None:
            return
        name = tuple(self._taken)[at]
        self._taken[name] = source
        listed.replace_option_prompt_at_index(at, self._label(name))
        if at + 1 < len(self._taken):
            listed.highlighted = at + 1

    def action_other_side(self) -> None:
        """Take the field at the cursor from the other side."""
        listed = self.query_one("#list", OptionList)
        if listed.highlighted is not None:
            name = tuple(self._taken)[listed.highlighted]
            self._taken[name] = not self._taken[name]
            listed.replace_option_prompt_at_index(listed.highlighted, self._label(name))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter keeps the choice."""
        event.stop()
        self._keep()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Keep or cancel."""
        if event.button.id == "keep":
            self._keep()
        else:
            self.action_cancel()

    def _keep(self) -> None:
        self.dismiss(tuple(name for name, source in self._taken.items() if source))

    def action_cancel(self) -> None:
        """Leave it."""
        self.dismiss(None)
