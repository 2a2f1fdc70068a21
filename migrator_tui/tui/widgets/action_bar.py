"""What can be done now: one key an action, clickable; what cannot be done is dim, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

GAP = "   "
"""Between two actions."""


@dataclass(frozen=True, slots=True)
class Offered:
    """An action.

    Attributes:
        action: As in ``choose('keep-source')``, of the screen.
        why_not: Why it cannot be done now; None where it can.
    """

    key: str
    word: str
    action: str
    why_not: str | None = None


class ActionBar(Static):
    """A line of actions; where it is too long it is broken between them, never between a key and its word."""

    DEFAULT_CSS = """
    ActionBar { height: auto; padding: 0 1; background: $surface; }
    """

    _offered: Sequence[Offered] = ()
    _laid_out: tuple[Sequence[Offered], int] = ((), 0)

    def offer(self, actions: Sequence[Offered]) -> None:
        """Show these. What is shown already is not laid out again, which a page down would wait for."""
        self._offered = list(actions)
        self._lay_out()

    def on_resize(self) -> None:
        """Break it elsewhere."""
        self._lay_out()

    def _lay_out(self) -> None:
        width = self.content_size.width or self.app.size.width - 2
        if self._laid_out == (self._offered, width):
            return
        self._laid_out = (self._offered, width)
        lines = [Content(GAP).join(map(_shown, line)) for line in broken(self._offered, width)]
        for reason in dict.fromkeys(one.why_not for one in self._offered if one.why_not):
            keys = " ".join(one.key for one in self._offered if one.why_not == reason)
            lines.append(Content.from_markup("[dim]$keys: $why[/]", keys=keys, why=reason))
        self.update(Content("\n").join(lines))


def broken(actions: Sequence[Offered], width: int) -> list[list[Offered]]:
    """The actions of each line of so many cells."""
    lines: list[list[Offered]] = []
    left = 0
    for one in actions:
        cells = cell_len(f"{one.key} {one.word}")
        if not lines or left < len(GAP) + cells:
            lines.append([])
            left = width + len(GAP)
        lines[-1].append(one)
        left -= len(GAP) + cells
    return lines


def _shown(one: Offered) -> Content:
    if one.why_not is None:
        return Content.from_markup(f"[@click=screen.{one.action}][b $primary]{one.key}[/] {one.word}[/]")
    return Content.from_markup(f"[dim]{one.key} {one.word}[/]")
