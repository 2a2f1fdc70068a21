"""What can be done now: one key an action, clickable; what cannot be done is dim, and says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.widgets import Static


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
    """A line of actions, broken where it is too long."""

    DEFAULT_CSS = """
    ActionBar { height: auto; padding: 0 1; background: $surface; }
    """

    _offered: Sequence[Offered] = ()

    def offer(self, actions: Sequence[Offered]) -> None:
        """Show these. What is shown already is not laid out again, which a page down would wait for."""
        if actions == self._offered:
            return
        self._offered = list(actions)
        parts = []
        for one in actions:
            if one.why_not is None:
                parts.append(Content.from_markup(f"[@click=screen.{one.action}][b $primary]{one.key}[/] {one.word}[/]"))
            else:
                parts.append(Content.from_markup(f"[dim]{one.key} {one.word}[/]"))
        line = Content("   ").join(parts)
        reasons = dict.fromkeys(one.why_not for one in actions if one.why_not)
        for reason in reasons:
            keys = " ".join(one.key for one in actions if one.why_not == reason)
            line = line.append(Content.from_markup("\n[$text-muted]$keys: $why[/]", keys=keys, why=reason))
        self.update(line)
