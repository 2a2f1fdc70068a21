"""What Rich renders, in a widget that lays nothing out when it shows something else."""

from __future__ import annotations

from collections.abc import Hashable

from rich.console import RenderableType
from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip

from migrator_tui.tui.widgets.kept_lines import KeptLines


class Rendered(KeptLines, can_focus=False):
    """Scrolled by the mouse where it is longer than there is room.

    A ``Static`` in a container that scrolls has its content rendered twice, once to be measured, and all of the screen
    laid out anew, each in a paint of its own.
    """

    DEFAULT_CSS = """
    Rendered { overflow-x: hidden; scrollbar-size-vertical: 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: RenderableType = ""
        self._lines: list[Strip] = []
        self._stale = False

    @property
    def text(self) -> str:
        """All that it says, without styles."""
        return "\n".join(line.text.rstrip() for line in self._lines)

    def show(self, shown: RenderableType) -> None:
        """Show this, from its beginning."""
        self._shown = shown
        self._lay_out()
        self.scroll_to(y=0, animate=False)

    def on_resize(self) -> None:
        """Break lines elsewhere."""
        self._lay_out()

    def watch_show_vertical_scrollbar(self) -> None:
        """There is less room beside a scroll bar."""
        self._lay_out()

    def notify_style_update(self) -> None:
        """The theme changed: the lines have other styles, and are as many."""
        super().notify_style_update()
        self._stale = True

    def line_key(self, y: int) -> Hashable:
        """Which line it is: all are forgotten when others are shown."""
        return self.scroll_offset.y + y

    def render_line(self, y: int) -> Strip:
        """One line in sight."""
        if self._stale:
            self._render_lines()
        at = self.scroll_offset.y + y
        return self._lines[at] if at < len(self._lines) else Strip([])

    def _lay_out(self) -> None:
        width, height = self.scrollable_content_region.size
        if not width:
            return  # not on the screen yet
        self._render_lines()
        size = Size(width, len(self._lines))
        if max(size.height, self.virtual_size.height) <= height:
            self.set_reactive(Rendered.virtual_size, size)  # no scroll bar comes or goes
        else:
            self.virtual_size = size
        self.refresh()

    def _render_lines(self) -> None:
        width = self.scrollable_content_region.width
        options = self.app.console_options.update(highlight=False, width=width)
        segments = self.app.console.render(self.post_render(self._shown, self.visual_style.rich_style), options)
        lines = Segment.split_and_crop_lines(segments, width, include_new_lines=False, pad=False)
        self._lines = [Strip(line) for line in lines]
        self._stale = False
