"""The bar over everything, with its per cent."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

FULL, END, BEGINNING = "━", "╸", "╺"
PERCENT_CELLS = 5


class OverallBar(Widget):
    """``━━━━━━╸━━━━   54%``, in half cells. Unlike Textual's, it lays nothing out when it moves."""

    COMPONENT_CLASSES = {"overall-bar--done", "overall-bar--complete", "overall-bar--left"}  # noqa: RUF012
    DEFAULT_CSS = """
    OverallBar { height: 1; width: 1fr; }
    OverallBar > .overall-bar--done { color: $primary; }
    OverallBar > .overall-bar--complete { color: $success; }
    OverallBar > .overall-bar--left { color: $surface; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._part: float | None = None

    def show(self, done: int, total: int) -> None:
        """Show how much of it is done; ``total`` is zero as long as nobody knows it."""
        part = min(1.0, done / total) if total else None
        if self._looks(part) != self._looks(self._part):
            self.refresh()
        self._part = part

    def _looks(self, part: float | None) -> tuple[int, str]:
        """Half cells that are done, and the per cent."""
        if part is None:
            return 0, "--%"
        percent = 100 if part == 1.0 else min(99, round(part * 100))
        return round(part * 2 * max(0, self.size.width - PERCENT_CELLS)), f"{percent}%"

    def render_line(self, y: int) -> Strip:
        """The bar."""
        cells = max(0, self.size.width - PERCENT_CELLS)
        halves, percent = self._looks(self._part)
        whole, half = divmod(halves, 2)
        done = self.get_component_rich_style(f"overall-bar--{'complete' if self._part == 1.0 else 'done'}")
        left = self.get_component_rich_style("overall-bar--left")
        rest = max(0, cells - whole - half)
        tail = BEGINNING + FULL * (rest - 1) if rest and halves and not half else FULL * rest
        return Strip(
            [
                Segment(FULL * whole + END * half, done),
                Segment(tail, left),
                Segment(f"{percent:>{PERCENT_CELLS}}", self.rich_style),
            ]
        )
