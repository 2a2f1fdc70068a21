"""Widgets that draw line by line and keep each line as it is painted: what only moved is not drawn again.

Textual keeps painted lines by where they are on the screen, so that scrolling by one line draws every line anew, with
its styles and filters, which took half of the time from a key to its paint.
"""

from __future__ import annotations

from collections.abc import Hashable

from rich.style import Style
from textual.geometry import Region
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar
from textual.strip import Strip

from migrator_tui.tui.widgets.line_bar import LineBar

MOST_KEPT = 1000
"""Lines that are kept; beyond it all of them are drawn anew as they come in sight."""


class KeptLines(ScrollView):
    """Base of what draws by ``render_line``. ``refresh`` without a region has all lines drawn anew."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._kept: dict[Hashable, Strip] = {}

    def line_key(self, y: int) -> Hashable | None:
        """All that decides what a line in sight looks like, as long as nothing forgets it; None if it is not kept."""
        return None

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines as they are painted."""
        width = self.size.width
        if crop.column_span != (0, width) or not self._is_plain():
            return super().render_lines(crop)
        if len(self._kept) > MOST_KEPT:
            self._kept.clear()
        _, background = self.background_colors
        blank = Style(bgcolor=background.rich_color)
        filters = self.get_line_filters()
        strips = []
        for y in crop.line_range:
            key = self.line_key(y)
            strip = None if key is None else self._kept.get(key)
            if strip is None:
                segments = list(self.render_line(y).adjust_cell_length(width, blank))
                for line_filter in filters:
                    segments = line_filter.apply(segments, background)
                strip = Strip(segments, width)
                if key is not None:
                    self._kept[key] = strip
            strips.append(strip)
        return strips

    def _is_plain(self) -> bool:
        """Nothing but the lines is painted: no border, no tint."""
        styles = self.styles
        return not (
            styles.gutter
            or styles.outline.spacing
            or styles.tint.a
            or styles.has_rule("hatch")
            or styles.text_opacity != 1.0
            or self.opacity != 1.0
        )

    def notify_style_update(self) -> None:
        """Styles are others: draw all lines anew."""
        super().notify_style_update()
        self._kept.clear()

    def _set_dirty(self, *regions: Region) -> None:
        if not regions:
            self._kept.clear()
        super()._set_dirty(*regions)

    @property
    def vertical_scrollbar(self) -> ScrollBar:
        """The scroll bar, made when it is first asked for."""
        if self._vertical_scrollbar is None:
            self._vertical_scrollbar = LineBar(thickness=self.scrollbar_size_vertical)
            self._vertical_scrollbar.display = False
            self.app._start_widget(self, self._vertical_scrollbar)
        return self._vertical_scrollbar
