"""A conflicting row's values, typed or taken from a side, field by field."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from migrator_tui.migration.conflicts import ConflictRow
from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.widgets.button_row import ButtonRow
from migrator_tui.tui.widgets.option_lines import OptionLines
from migrator_tui.tui.wording import visible

Values = dict[str, str | None]


class EditRow(Dialog[Values | None]):
    """Answers with the values that were given, by column; None where the person changed their mind."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", tooltip="To the fields; from there, change nothing.", id="edit.cancel"),
        Binding("ctrl+s", "keep", "Keep", tooltip="Decide the row so.", id="edit.keep"),
        Binding("s,left", "take('source')", "Source", tooltip="The source's value.", id="edit.source"),
        Binding("t,right", "take('target')", "Target", tooltip="The target's value.", id="edit.target"),
        Binding("n", "null", "NULL", tooltip="No value.", id="edit.null"),
    ]
    DEFAULT_CSS = """
    EditRow #help, EditRow #objection { height: auto; color: $text-muted; }
    EditRow Input { height: 3; }
    """

    def __init__(
        self,
        title: str,
        text: str,
        row: ConflictRow,
        columns: Sequence[str],
        *,
        given: Mapping[str, str | None],
        wanted: Collection[str] = (),
        chosen_by_target: Collection[str] = (),
    ) -> None:
        """
        Args:
            columns: The columns that may be given a value.
            given: Values that were given before.
            wanted: Columns whose values the target has already: they need others.
            chosen_by_target: Columns that the target gives a value where nothing is typed.
        """
        super().__init__()
        self._title, self._text, self._row, self._columns = title, text, row, columns
        self._given = dict(given)
        self._wanted, self._free = wanted, chosen_by_target

    def compose(self) -> ComposeResult:
        """The fields, a line to type in, two buttons."""
        with Vertical(id="box", classes="fields") as box:
            box.border_title = visible(self._title)
            yield Static(
                f"{self._text} Enter types a value, s and t take a side's, n is NULL. Ctrl+S keeps the row.",
                id="help",
                markup=False,
            )
            yield OptionLines(*(Option(self._label(name)) for name in self._columns), id="list")
            yield Input(id="value")
            yield Static("", id="objection", markup=False)
            with ButtonRow(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Keep these", id="keep", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Choose a field at once: the first that needs another value."""
        listed = self.query_one("#list", OptionList)
        first = next((n for n, name in enumerate(self._columns) if name in self._wanted), 0)
        listed.highlighted = first
        listed.focus()
        self._judge()

    # ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────

    def _value(self, name: str) -> str | None:
        return self._given[name] if name in self._given else self._row.source.get(name)

    def _label(self, name: str) -> Text:
        text = Text(visible(name), style="bold")
        if name not in self._given and name in self._free:
            text.append("\n  ● a free one, of the target's choice", style="not bold")
        else:
            mark = "✎ typed " if name in self._given else "● source"
            text.append(f"\n  {mark}  {_shown(self._value(name))}", style="not bold")
        theirs = self._row.target.get(name) if self._row.target else None
        text.append(f"\n  ○ target  {_shown(theirs) if self._row.target else '(not there)'}", style="not bold dim")
        return text

    def _judge(self) -> None:
        """Say what is still in the way."""
        same = [name for name in self._wanted if self._value(name) == self._row.source.get(name)]
        said = ""
        if same:
            said = f"⚠ The target holds this {visible(', '.join(same))} already, and each only once: give another."
        elif not self._given and not self._free:
            said = "Nothing is edited yet."
        self.query_one("#objection", Static).update(said)
        self.query_one("#keep", Button).disabled = bool(said)

    def _current(self) -> tuple[int, str] | None:
        at = self.query_one("#list", OptionList).highlighted
        return None if at is None else (at, self._columns[at])

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Its value can be typed below."""
        event.stop()
        name = self._columns[event.option_index]
        line = self.query_one("#value", Input)
        line.value = "" if name in self._free and name not in self._given else self._value(name) or ""
        line.border_title = visible(name)

    # ── changing it ─────────────────────────────────────────────────────────────────────────────────────────────

    def _give(self, value: str | None) -> None:
        found = self._current()
        if found is None:
            return
        at, name = found
        untouched = value == self._row.source.get(name) and name not in self._free
        if untouched or (name in self._free and not value):
            self._given.pop(name, None)
        else:
            self._given[name] = value
        listed = self.query_one("#list", OptionList)
        listed.replace_option_prompt_at_index(at, self._label(name))
        listed.highlighted = min(at + 1, len(self._columns) - 1)
        listed.focus()
        self._judge()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter types."""
        event.stop()
        self.query_one("#value", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter takes what was typed, and goes to the next field."""
        event.stop()
        self._give(event.value)

    def action_take(self, side: str) -> None:
        """Take the field's value from a side."""
        found = self._current()
        if found is not None:
            row = self._row.source if side == "source" else self._row.target
            if row:
                self._give(row.get(found[1]))

    def action_null(self) -> None:
        """The field has no value."""
        self._give(None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Keep or cancel."""
        if event.button.id == "keep":
            self.action_keep()
        else:
            self.dismiss(None)

    def action_keep(self) -> None:
        """Decide the row so."""
        if not self.query_one("#keep", Button).disabled:
            self.dismiss(self._given)

    def action_back(self) -> None:
        """From the line to the fields; from the fields back to the conflicts."""
        if self.query_one("#value", Input).has_focus:
            self.query_one("#list").focus()
        else:
            self.dismiss(None)


def _shown(value: str | None) -> str:
    return "NULL" if value is None else visible(value)
