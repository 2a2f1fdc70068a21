"""A vertical scroll bar that looks and works as Textual's, put together of a few kept pieces.

Textual's goes through Rich for each position, which took as long as drawing all lines beside it.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import ceil

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.scrollbar import ScrollBar
from textual.strip import Strip

EIGHTHS = ("▁", "▂", "▃", "▄", "▅", "▆", "▇", " ")
ABOVE, THUMB, BELOW, HEAD, TAIL = "above", "thumb", "below", "head", "tail"
PRESSED = {ABOVE: "scroll_up", BELOW: "scroll_down"}
"""Part → what pressing the mouse on it does; the others are grabbed."""


class LineBar(ScrollBar):
    """Drawn in eighths of a line, as :class:`textual.scrollbar.ScrollBarRender` draws."""

    def __init__(self, *, thickness: int) -> None:
        super().__init__(vertical=True, name="vertical", thickness=thickness)
        self._look: Hashable = None
        self._pieces: dict[tuple[str, str], Strip] = {}

    def render_lines(self, crop: Region) -> list[Strip]:
        """The bar as it is painted."""
        size, virtual, window = self.size.height, ceil(self.window_virtual_size), ceil(self.window_size)
        if crop != self.size.region or not 0 < window < virtual or size == virtual or self.opacity != 1.0:
            return super().render_lines(crop)
        self._take_look()
        thumb = max(1.0, window / (virtual / size))
        start = int((size - thumb) * self.position / (virtual - window) * len(EIGHTHS))
        first, into_first = divmod(max(0, start), len(EIGHTHS))
        last, into_last = divmod(max(0, start + ceil(thumb * len(EIGHTHS))), len(EIGHTHS))
        above, grip, below = self._piece(" ", ABOVE), self._piece(" ", THUMB), self._piece(" ", BELOW)
        drawn = [above if y < first else grip if y < last else below for y in range(size)]
        for at, into, part in ((first, into_first, HEAD), (last, into_last, TAIL)):
            character = EIGHTHS[len(EIGHTHS) - 1 - into]
            if at < size and character != " ":
                drawn[at] = self._piece(character, part)
        return drawn

    def _take_look(self) -> None:
        """Forget the pieces where colours are others now."""
        assert self.parent is not None
        state = "active" if self.grabbed else "hover" if self.mouse_over else "calm"
        filters = tuple(map(id, self.get_line_filters()))
        look = (state, self.thickness, self.app.theme, self.app.ansi_color, filters)
        if look != self._look:
            self._look, self._pieces = look, {}

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._look = None

    def _piece(self, character: str, part: str) -> Strip:
        if (character, part) not in self._pieces:
            self._pieces[character, part] = self._drawn(character, part)
        return self._pieces[character, part]

    def _drawn(self, character: str, part: str) -> Strip:
        """One line of the bar, with the styles and filters that Textual paints it with."""
        bar = self.render()
        colours = bar.style  # type: ignore[union-attr]
        style = Style(
            color=colours.color if part in (THUMB, HEAD, TAIL) else None,
            bgcolor=None if part == THUMB else colours.bgcolor,
            reverse=True if part in (THUMB, TAIL) else None,
            meta={"@mouse.down": PRESSED.get(part, "grab")},
        )
        strip = Strip([Segment(character * self.thickness, self.visual_style.rich_style + style)])
        _, background = self.background_colors
        for line_filter in self.get_line_filters():
            strip = strip.apply_filter(line_filter, background)
        return strip
