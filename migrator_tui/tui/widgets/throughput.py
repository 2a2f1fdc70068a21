"""Rows a second over the last moments, as a line of bars."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

BARS = "▁▂▃▄▅▆▇█"


class Throughput(Widget):
    """The lowest value is the shortest bar and the highest the longest; taller ones are stronger in colour."""

    COMPONENT_CLASSES = {"throughput--low", "throughput--high"}  # noqa: RUF012  # as Textual declares it
    DEFAULT_CSS = """
    Throughput { height: 2; }
    Throughput > .throughput--low { color: $secondary 30%; }
    Throughput > .throughput--high { color: $secondary; }
    """

    def __init__(self, values: Sequence[float], *, id: str | None = None) -> None:
        """``values`` are never none at all."""
        super().__init__(id=id)
        self._values = values
        self._styles: list[Style] = []

    def show(self, values: Sequence[float]) -> None:
        """Draw these; nothing is painted where nothing changed."""
        if values != self._values:
            self._values = values
            self.refresh()

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._styles = []

    def render_line(self, y: int) -> Strip:
        """One of the lines, counted from the top."""
        width, height = self.size
        steps = len(BARS) * height - 1
        floor = (height - 1 - y) * len(BARS)
        segments = []
        for level, columns in groupby(self._levels(width, steps)):
            if level < floor:
                segments.append(Segment(" " * len(list(columns)), self._style(0, steps)))
            else:
                bar = BARS[min(level - floor, len(BARS) - 1)]
                segments.append(Segment(bar * len(list(columns)), self._style(level, steps)))
        return Strip(segments, width)

    def _levels(self, width: int, steps: int) -> list[int]:
        """The height of each column in eighths of a line; a column that stands for several values has the highest."""
        values, count = self._values, len(self._values)
        low = min(values)
        extent = max(values) - low or 1
        starts = [column * count // max(1, width) for column in range(width + 1)]
        return [int((max(values[a : max(b, a + 1)]) - low) / extent * steps) for a, b in pairwise(starts)]

    def _style(self, level: int, steps: int) -> Style:
        if len(self._styles) <= steps:
            _, base = self.background_colors
            low = base + self.get_component_styles("throughput--low").color
            high = base + self.get_component_styles("throughput--high").color
            blended = (low.blend(high, part / steps) for part in range(steps + 1))
            self._styles = [Style.from_color(colour.rich_color, base.rich_color) for colour in blended]
        return self._styles[level]
