"""Deciding many conflicts by one rule: the rules on offer, and for each how many rows it would decide, and which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from migrator_tui.migration.conflicts import Preview
from migrator_tui.model.decisions import ConflictRule
from migrator_tui.model.errors import MigratorError
from migrator_tui.tui.conflict_choices import keys_in_words
from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.widgets.option_lines import OptionLines
from migrator_tui.tui.wording import counted, visible

FIRST = 20
"""Rows that are named in a preview."""


class ByRule(Dialog[ConflictRule | None]):
    """Answers with the rule that was taken; None where none was. What it would decide is read in a thread."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Decide nothing.", id="rule.cancel"),
    ]
    DEFAULT_CSS = """
    ByRule .dialog { width: 84; }
    ByRule #list { height: auto; max-height: 10; border: none; padding: 0; background: $surface; }
    ByRule #list { background-tint: $surface 0%; margin: 1 0 0 0; }
    ByRule #list > .option-list--option-highlighted { background: $primary-muted; color: $foreground; }
    ByRule #preview { height: auto; max-height: 6; margin: 1 0 0 0; }
    """

    class Previewed(Message):
        """What a rule would decide has been read, or could not be."""

        def __init__(self, index: int, found: Preview | MigratorError) -> None:
            self.index, self.found = index, found
            super().__init__()

    def __init__(
        self,
        title: str,
        rules: Sequence[tuple[str, ConflictRule]],
        ask: Callable[[ConflictRule], Preview],
    ) -> None:
        """
        Args:
            rules: What each is called, and the rule.
            ask: What a rule would decide; blocks.
        """
        super().__init__()
        self._title, self._rules, self._ask = title, rules, ask
        self._found: dict[int, Preview | MigratorError] = {}
        self._asked: set[int] = set()

    def compose(self) -> ComposeResult:
        """Rules, preview, buttons."""
        with Vertical(classes="dialog") as box:
            box.border_title = self._title
            yield Static("Rows that were decided one by one stay as they are; u takes the rule back.", classes="muted")
            yield OptionLines(*(Option(self._label(n)) for n in range(len(self._rules))), id="list")
            with VerticalScroll(id="preview"):
                yield Static("", id="rows", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel")
                yield Button("Decide by it", id="do", variant="primary", disabled=True)

    def on_mount(self) -> None:
        """Choose at once."""
        listed = self.query_one("#list", OptionList)
        listed.highlighted = 0
        listed.focus()

    def _label(self, index: int) -> Text:
        label = Text(visible(self._rules[index][0]))
        found = self._found.get(index)
        if isinstance(found, Preview):
            label.append(f"  {counted(found.found, 'row')}", "bold")
        return label

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show what it would decide."""
        self._show(event.option_index)

    def _show(self, index: int) -> None:
        found = self._found.get(index)
        said, possible = "Counting …", False
        if isinstance(found, MigratorError):
            said = f"✗ {found.message}"
        elif isinstance(found, Preview):
            possible = found.found > 0
            said = f"It decides {counted(found.found, 'conflict')} of {self._rules[index][1].table}"
            said += f": {visible(keys_in_words(found.keys, found.found))}" if possible else "."
            if found.following:
                said += f" {counted(found.following, 'row')} of the source that refer to them follow."
        elif index not in self._asked:
            self._asked.add(index)
            self.run_worker(lambda: self._read(index), thread=True, exit_on_error=False)
        self.query_one("#rows", Static).update(said)
        self.query_one("#do", Button).disabled = not possible

    def _read(self, index: int) -> None:
        found: Preview | MigratorError
        try:
            found = self._ask(self._rules[index][1])
        except MigratorError as error:
            found = error
        self.post_message(self.Previewed(index, found))

    def on_by_rule_previewed(self, message: Previewed) -> None:
        """Say it beside the rule, and below where it is the one at the cursor."""
        message.stop()
        self._found[message.index] = message.found
        listed = self.query_one("#list", OptionList)
        listed.replace_option_prompt_at_index(message.index, self._label(message.index))
        if listed.highlighted == message.index:
            self._show(message.index)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter takes the rule, once it is known what it decides."""
        event.stop()
        self._take(event.option_index)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take or cancel."""
        if event.button.id == "do":
            self._take(self.query_one("#list", OptionList).highlighted)
        else:
            self.action_cancel()

    def _take(self, index: int | None) -> None:
        found = self._found.get(index) if index is not None else None
        if index is not None and isinstance(found, Preview) and found.found:
            self.dismiss(self._rules[index][1])

    def action_cancel(self) -> None:
        """Decide nothing."""
        self.dismiss(None)
