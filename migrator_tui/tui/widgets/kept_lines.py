"""Widgets that draw line by line and keep each line as it is painted: what only moved is not drawn again.

Textual keeps painted lines by where they are on the screen, so that scrolling by one line draws every line anew, with
its styles and filters, which took half of the time from a key to its paint.
"""

from __future__ import annotations

from collections.abc import Hashable

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
        if crop.column_span != (0, width) or self.styles.gutter or self.opacity != 1.0:
            return super().render_lines(crop)
        if len(self._kept) > MOST_KEPT:
            self._kept.clear()
        keys = [self.line_key(y) for y in crop.line_range]
        strips = [None if key is None else self._kept.get(key) for key in keys]
        missing = [at for at, strip in enumerate(strips) if strip is None]
        if missing:
            first = crop.y + missing[0]
            for at in missing:
                if keys[at] is not None:
                    self._styles_cache.set_dirty(Region(0, crop.y + at, width, 1))
            drawn = super().render_lines(Region(0, first, width, missing[-1] - missing[0] + 1))
            for at in missing:
                strips[at] = strip = drawn[crop.y + at - first]
                if (key := keys[at]) is not None:
                    self._kept[key] = strip
        return [strip for strip in strips if strip is not None]

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
