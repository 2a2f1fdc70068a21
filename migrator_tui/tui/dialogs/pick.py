"""One of several answers, each with a line that says what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.widgets.option_lines import OptionLines
from migrator_tui.tui.wording import visible


@dataclass(frozen=True, slots=True)
class Answer:
    """One of them: ``id`` is given back, ``detail`` says what it means."""

    id: str
    title: str
    detail: str = ""


class Pick(Dialog[str | None]):
    """The answer's id, or None where the person changed their mind."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Change nothing.", id="pick.cancel"),
    ]
    DEFAULT_CSS = """
    Pick #answers { height: auto; max-height: 12; margin: 1 0 0 0; border: none; padding: 0;
                    background: $surface; scrollbar-size-vertical: 1; }
    Pick #answers:focus { background-tint: $foreground 0%; }
    Pick #answers > .option-list--option-highlighted { background: $primary-muted; color: $foreground; }
    Pick #keys { margin: 1 0 0 0; color: $text-muted; }
    """

    def __init__(self, title: str, text: str, answers: Sequence[Answer], now: str | None = None) -> None:
        """
        Args:
            now: The id of what holds so far; the cursor begins there.
        """
        super().__init__()
        self._title, self._text, self._answers, self._now = title, text, answers, now

    def compose(self) -> ComposeResult:
        """Text, answers, the keys."""
        with Vertical(classes="dialog") as box:
            box.border_title = visible(self._title)
            yield Static(visible(self._text), markup=False)
            yield OptionLines(*(Option(self._shown(a), id=str(n)) for n, a in enumerate(self._answers)), id="answers")
            yield Static("Enter takes it, Esc changes nothing.", id="keys", markup=False)

    def _shown(self, answer: Answer) -> Text:
        text = Text("◉ " if answer.id == self._now else "○ ")
        text.append(visible(answer.title), style="bold")
        if answer.detail:
            text.append(f"  {visible(answer.detail)}", style="dim")
        return text

    def on_mount(self) -> None:
        """Choose at once."""
        answers = self.query_one(OptionLines)
        answers.highlighted = next((n for n, a in enumerate(self._answers) if a.id == self._now), 0)
        answers.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take it."""
        self.dismiss(self._answers[event.option_index].id)

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(None)
