"""Help: every key that does something now, made from the bindings; those of the screen first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from migrator_tui.tui.dialogs.dialog import Dialog

EVERYWHERE = ("focus_next", "focus_previous", "command_palette", "copy_text")
"""Actions of Textual's own that a person looks for."""
SIDEWAYS = ("scroll_left", "scroll_right", "page_left", "page_right")
"""Actions that every widget with a scroll bar has, and most have no use for."""


@dataclass(frozen=True, slots=True)
class Key:
    """What keys do.

    Attributes:
        keys: As they are shown in the footer, several with spaces between them.
        name: Of the action.
        said: What it does, in a sentence; may be empty.
    """

    keys: str
    name: str
    said: str


class Keys(Dialog[None]):
    """The keys of the screen below it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "dismiss", "Close", tooltip="Close this.", id="keys.close"),
    ]
    DEFAULT_CSS = """
    Keys VerticalScroll { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
    """

    def __init__(self, groups: Sequence[tuple[str, Sequence[Key]]]) -> None:
        super().__init__()
        self.groups = groups

    def compose(self) -> ComposeResult:
        """Each group under its heading."""
        theme = self.app.current_theme
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(justify="right", no_wrap=True)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(style="not bold")
        for number, (title, keys) in enumerate(self.groups):
            if number:
                table.add_row("", "", "")
            table.add_row("", _coloured(title, theme.accent or theme.primary), "")
            for key in keys:
                table.add_row(_coloured(key.keys, theme.primary), Text(key.name), Text(key.said))
        with Vertical(classes="dialog") as box:
            box.border_title = "Keys"
            box.border_subtitle = "↑↓ scroll · esc closes"
            with VerticalScroll():
                yield Static(table)

    def on_mount(self) -> None:
        """The arrows scroll."""
        self.query_one(VerticalScroll).focus()

    def on_key(self, event: events.Key) -> None:
        """The key that showed it closes it; the application's own keys do not reach through a dialog."""
        if event.key == "question_mark":
            event.stop()
            self.dismiss()


def keys_of(screen: Screen[object]) -> list[tuple[str, list[Key]]]:
    """What a screen offers now, in groups that have a heading: its own keys, those of what is in focus, the
    application's."""
    own, focused, everywhere = list[ActiveBinding](), list[ActiveBinding](), list[ActiveBinding]()
    for active in screen.active_bindings.values():
        if not active.enabled or not active.binding.description:
            continue
        action = active.binding.action.removeprefix("app.").removeprefix("screen.")
        if active.node is screen.app or action in EVERYWHERE:
            everywhere.append(active)
        elif action not in SIDEWAYS or getattr(active.node, "allow_horizontal_scroll", False):
            (own if active.node is screen else focused).append(active)
    groups = (("On this screen", own), ("Where the focus is", focused), ("Everywhere", everywhere))
    return [(title, [*_merged(bindings, screen.app)]) for title, bindings in groups if bindings]


def _merged(bindings: Iterable[ActiveBinding], app: App[object]) -> Iterable[Key]:
    """One line an action, with all its keys."""
    by_action: dict[str, list[ActiveBinding]] = {}
    for active in bindings:
        by_action.setdefault(active.binding.action, []).append(active)
    for same in by_action.values():
        shown = dict.fromkeys(app.get_key_display(active.binding) for active in same)
        name = same[0].binding.description
        yield Key(" ".join(shown), name[:1].upper() + name[1:], same[0].tooltip)


def _coloured(text: str, colour: str) -> Text:
    """In a colour of the theme; in none where that is a colour of Textual's own, which Rich does not know."""
    return Text.assemble((text, f"bold {colour}"))
