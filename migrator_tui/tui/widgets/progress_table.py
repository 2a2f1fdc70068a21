"""Progress per table, thousands of them, in one widget that draws only the lines in sight.

Two hundred ``ProgressBar`` widgets at 10 Hz take a core; this takes a few per cent of one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from migrator_tui.model.progress import TableProgress, TableState
from migrator_tui.tui.widgets.kept_lines import KeptLines

STATES: dict[TableState, tuple[str, str, str]] = {
    TableState.WAITING: ("○", "waiting", "muted"),
    TableState.STAGING: ("●", "staging", "busy"),
    TableState.STAGED: ("◐", "staged", "plain"),
    TableState.CHECKING: ("●", "checking", "busy"),
    TableState.CHECKED: ("◑", "checked", "plain"),
    TableState.PUBLISHED: ("◕", "published", "plain"),
    TableState.VERIFIED: ("✓", "verified", "good"),
    TableState.SKIPPED: ("–", "skipped", "muted"),
    TableState.FAILED: ("✗", "failed", "bad"),
}
"""State → symbol, word and colour: never colour alone."""

URGENCY = {TableState.FAILED: 0, TableState.STAGING: 1, TableState.CHECKING: 1, TableState.WAITING: 2}
BAR_PARTS = " ▏▎▍▌▋▊▉█"
FIXED = 56
"""Columns that everything but name and bar takes."""


class ProgressTable(KeptLines, can_focus=True):
    """One line a table: name, bar, rows, rows a second, time left, state, quarantined rows."""

    DEFAULT_CSS = """
    ProgressTable { height: 1fr; background: $background; overflow-x: hidden; }
    ProgressTable > .progress-table--name { color: $foreground; }
    ProgressTable > .progress-table--muted { color: $text-muted; }
    ProgressTable > .progress-table--busy { color: $secondary; }
    ProgressTable > .progress-table--plain { color: $foreground; }
    ProgressTable > .progress-table--good { color: $success; }
    ProgressTable > .progress-table--bad { color: $error; }
    ProgressTable > .progress-table--warn { color: $warning; }
    ProgressTable > .progress-table--bar { color: $primary; background: $panel; }
    """
    COMPONENT_CLASSES = {  # noqa: RUF012  # as Textual declares it
        "progress-table--name",
        "progress-table--muted",
        "progress-table--busy",
        "progress-table--plain",
        "progress-table--good",
        "progress-table--bad",
        "progress-table--warn",
        "progress-table--bar",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._tables: Sequence[TableProgress] = ()
        self._shown: Sequence[TableProgress] = ()
        self._styles_by_name: dict[str, Style] = {}
        self.worst_first = False

    def show(self, tables: Sequence[TableProgress]) -> None:
        """Draw these counters. Nothing is repainted where nothing changed."""
        before, self._tables = self._tables, tables
        if self.worst_first or len(before) != len(tables):
            if tables != before:
                self._arrange()
            return
        self._shown = tables
        first = round(self.scroll_offset.y)
        for index in range(first, min(first + self.size.height, len(tables))):
            if tables[index] != before[index]:
                self.refresh_lines(index + 1)  # below the heading

    def on_resize(self) -> None:
        """As wide as there is room."""
        self._arrange()

    def toggle_order(self) -> bool:
        """Unfinished and failed tables first, or the plan's order again; which it is now."""
        self.worst_first = not self.worst_first
        self._arrange()
        return self.worst_first

    def _arrange(self) -> None:
        self._shown = (
            sorted(self._tables, key=lambda t: (URGENCY.get(t.state, 3), -t.rows_total))
            if self.worst_first
            else self._tables
        )
        self.virtual_size = Size(self.size.width, len(self._shown) + 1)
        self.refresh()

    def scroll_to(self, x: float | None = None, y: float | None = None, *, animate: bool = False, **how: Any) -> None:
        """Scroll in one step: an animation paints the whole table several times a key, while the engine is at work."""
        super().scroll_to(x, y, animate=False, **how)

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._styles_by_name.clear()

    def line_key(self, y: int) -> Hashable:
        """The counters of the table, or nothing for the heading and for what is below the last table."""
        index = self.scroll_offset.y + y - 1
        if y == 0:
            return "heading"
        return self._shown[index] if index < len(self._shown) else "blank"

    def render_line(self, y: int) -> Strip:
        """One line of the table, or the heading in the first line of the widget."""
        width = self.size.width
        name_width = max(10, min(28, (width - FIXED) // 2))
        bar_width = max(4, min(32, width - FIXED - name_width))
        if y == 0:
            heading = f" {'table':<{name_width}} {'':<{bar_width}} {'rows':>21} {'rows/s':>9}  state"
            return Strip([Segment(heading, self._style("muted"))]).adjust_cell_length(width, self._style("muted"))
        index = self.scroll_offset.y + y - 1
        if index >= len(self._shown):
            return Strip.blank(width, self._style("muted"))
        table = self._shown[index]
        return self._line(table, width, name_width, bar_width)

    def _line(self, table: TableProgress, width: int, name_width: int, bar_width: int) -> Strip:
        symbol, word, colour = STATES[table.state]
        done = table.rows_done + table.rows_quarantined
        checking = table.state is TableState.CHECKING
        part = (table.rows_checked if checking else done) / table.rows_total if table.rows_total else 1.0
        rate = table.rows_done / table.seconds if table.seconds > 0 else 0.0
        plain = self._style("plain")
        segments = [
            Segment(f" {fitted(table.source, name_width)} ", self._style("name")),
            Segment(bar(part, bar_width), self._style("bar")),
            Segment(f" {f'{done:,} / {table.rows_total:,}':>21} {f'{rate:,.0f}' if rate else '':>9}  ", plain),
            Segment(f"{symbol} {word:<9}", self._style(colour)),
        ]
        if table.rows_quarantined:
            segments.append(Segment(f" ⚠ {table.rows_quarantined:,}", self._style("warn")))
        return Strip(segments).adjust_cell_length(width, plain)

    def _style(self, name: str) -> Style:
        if name not in self._styles_by_name:
            self._styles_by_name[name] = self.get_component_rich_style(f"progress-table--{name}")
        return self._styles_by_name[name]


def bar(part: float, width: int) -> str:
    """A bar of eighths: ``████▌   ``."""
    eighths = round(max(0.0, min(1.0, part)) * width * 8)
    full, rest = divmod(eighths, 8)
    return (BAR_PARTS[8] * full + (BAR_PARTS[rest] if rest else "")).ljust(width)


def fitted(text: str, width: int) -> str:
    """Text of exactly that many cells, cut with an ellipsis; control characters are shown, not obeyed."""
    plain = "".join(c if c.isprintable() else "·" for c in text)
    return set_cell_size(plain, width) if cell_len(plain) <= width else set_cell_size(plain, width - 1) + "…"
