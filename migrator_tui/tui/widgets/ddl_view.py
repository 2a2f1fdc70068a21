"""SQL, highlighted and scrollable; of a long script only the statements in sight are highlighted."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.highlight import highlight
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from migrator_tui.tui.wording import visible


class DdlView(ScrollView, can_focus=True):
    """Statements one below the other, an empty line between them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", "Up", show=False, tooltip="One line up.", id="ddl.up"),
        Binding("down", "scroll_down", "Down", show=False, tooltip="One line down.", id="ddl.down"),
        Binding("left", "scroll_left", "Left", show=False, tooltip="To the left.", id="ddl.left"),
        Binding("right", "scroll_right", "Right", show=False, tooltip="To the right.", id="ddl.right"),
        Binding("pageup", "page_up", "Page up", show=False, tooltip="A page up.", id="ddl.page_up"),
        Binding("pagedown", "page_down", "Page down", show=False, tooltip="A page down.", id="ddl.page_down"),
        Binding("home", "scroll_home", "Top", show=False, tooltip="The beginning.", id="ddl.top"),
        Binding("end", "scroll_end", "End", show=False, tooltip="The end.", id="ddl.end"),
    ]
    DEFAULT_CSS = """
    DdlView {
        height: 1fr; padding: 0 1; background: $background; text-wrap: nowrap;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1;
    }
    """

    def __init__(self, statements: Sequence[str] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._statements: list[str] = []
        self._starts: list[int] = []
        self._drawn: dict[int, list[Strip]] = {}
        self.show(statements)

    def show(self, statements: Sequence[str]) -> None:
        """Show these statements, from the top."""
        self._statements = [visible(statement.replace("\t", "    ")) for statement in statements]
        self._starts, self._drawn = [], {}
        line = widest = 0
        for statement in self._statements:
            self._starts.append(line)
            lines = statement.split("\n")
            line += len(lines) + 1
            widest = max(widest, max(map(len, lines)) + 2)
        self.virtual_size = Size(widest, line)
        self.scroll_to(0, 0, animate=False)
        self.refresh()

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._drawn.clear()

    def render_line(self, y: int) -> Strip:
        """One line in sight."""
        x, top = self.scroll_offset
        width = self.scrollable_content_region.width
        base = self.rich_style
        at = bisect_right(self._starts, top + y) - 1
        if at < 0:
            return Strip.blank(width, base)
        line = top + y - self._starts[at]
        strips = self._strips(at)
        if line >= len(strips):
            return Strip.blank(width, base)
        return strips[line].crop_extend(x, x + width, base)

    def _strips(self, at: int) -> list[Strip]:
        if at not in self._drawn:
            content = highlight(self._statements[at], language="postgresql")
            width = max(1, self.virtual_size.width)
            strips = Visual.to_strips(self, content, width, None, self.visual_style, apply_selection=False)
            self._drawn[at] = strips
        return self._drawn[at]
