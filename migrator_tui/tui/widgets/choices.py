"""A list of things to begin with: each has a title, a line that says more, and a word on how it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.content import Content
from textual.widgets.option_list import Option

from migrator_tui.tui.widgets.option_lines import OptionLines
from migrator_tui.tui.wording import visible

MUTED = "$foreground 60%"


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry.

    Attributes:
        id: Unique in its list; None for a heading, which cannot be chosen.
        mark: Symbol and word, such as ``■ interrupted``; ``style`` colours it.
    """

    id: str | None
    title: str
    detail: str = ""
    mark: str = ""
    style: str = "$primary"


class Choices(OptionLines):
    """Two lines an entry; Enter or a click chooses."""

    DEFAULT_CSS = """
    Choices {
        height: 1fr; padding: 0; background: $background; border: round $border-blurred;
        border-title-color: $foreground;
        scrollbar-size-vertical: 1; text-wrap: nowrap; text-overflow: ellipsis;
    }
    Choices:focus { border: round $primary; background: $background; background-tint: $foreground 0%; }
    Choices > .option-list--option { padding: 0 1; }
    Choices > .option-list--option-highlighted { background: $panel; color: $foreground; text-style: none; }
    Choices:focus > .option-list--option-highlighted {
        background: $primary 25%; color: $foreground; text-style: none;
    }
    Choices > .option-list--option-disabled { color: $text-muted; }
    """

    def show(self, choices: Iterable[Choice], *, apart: bool = False) -> None:
        """Show these; the one that was highlighted stays so, or else it is the first that can be chosen.

        Args:
            apart: A blank line after each.
        """
        before = self.chosen
        end = Content("\n ") if apart else Content("")
        made = [Option(_prompt(choice) + end, id=choice.id, disabled=choice.id is None) for choice in choices]
        self.set_options(made)
        usable = [number for number, option in enumerate(made) if not option.disabled]
        same = (number for number in usable if before is not None and made[number].id == before)
        self.highlighted = next(same, usable[0] if usable else None)

    @property
    def chosen(self) -> str | None:
        """The id of the entry that is highlighted."""
        option = self.highlighted_option
        return option.id if option is not None else None


def _prompt(choice: Choice) -> Content:
    mark: list[tuple[str, str]] = [(f"{choice.mark}  ", f"{choice.style} bold")] if choice.mark else []
    title = Content.assemble(*mark, (visible(choice.title), "bold" if choice.id is not None else MUTED))
    if not choice.detail:
        return title
    return Content("\n").join([title, Content.styled(f"  {visible(choice.detail)}", MUTED)])
