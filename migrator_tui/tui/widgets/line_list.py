"""A list of which only the lines in sight are drawn, however many rows it has: a cursor, a heading, no children."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from migrator_tui.tui.widgets.kept_lines import KeptLines

Part = tuple[str, str]
"""Text and the name of its style; see :attr:`LineList.STYLES`."""


class LineList(KeptLines, can_focus=True):
    """Base of the lists of the screens. Subclasses say how many rows there are and what each line of a row shows.

    Rows that :meth:`selectable` refuses (headings of groups) are stepped over by the cursor.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", "Up", show=False, tooltip="One row up.", id="list.up"),
        Binding("down", "step(1)", "Down", show=False, tooltip="One row down.", id="list.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, tooltip="A page up.", id="list.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, tooltip="A page down.", id="list.page_down"),
        Binding("home", "edge(-1)", "First", show=False, tooltip="The first row.", id="list.first"),
        Binding("end", "edge(1)", "Last", show=False, tooltip="The last row.", id="list.last"),
    ]
    STYLES: ClassVar[frozenset[str]] = frozenset(
        {"plain", "strong", "muted", "good", "warn", "bad", "busy", "accent", "heading", "cursor", "cursor-blurred"}
    )
    COMPONENT_CLASSES = {f"line-list--{name}" for name in STYLES}  # noqa: RUF012  # as Textual declares it
    DEFAULT_CSS = """
    LineList { height: 1fr; background: $background; overflow-x: hidden; scrollbar-size-vertical: 1; }
    LineList > .line-list--plain { color: $foreground; }
    LineList > .line-list--strong { color: $foreground; text-style: bold; }
    LineList > .line-list--muted { color: $text-muted; }
    LineList > .line-list--good { color: $success; }
    LineList > .line-list--warn { color: $warning; }
    LineList > .line-list--bad { color: $error; }
    LineList > .line-list--busy { color: $secondary; }
    LineList > .line-list--accent { color: $primary; text-style: bold; }
    LineList > .line-list--heading { color: $text-muted; background: $surface; }
    LineList > .line-list--cursor { background: $primary-muted; }
    LineList > .line-list--cursor-blurred { background: $panel; }
    """

    class Moved(Message):
        """The cursor stands on another row, or the rows are others; ``index`` is None in an empty list."""

        def __init__(self, source: LineList, index: int | None) -> None:
            self.source, self.index = source, index
            super().__init__()

        @property
        def control(self) -> LineList:
            """The list."""
            return self.source

    class Pressed(Message):
        """A row was clicked. ``x`` is the cell in its line; ``twice`` a double click."""

        def __init__(self, source: LineList, index: int, x: int, twice: bool) -> None:
            self.source, self.index, self.x, self.twice = source, index, x, twice
            super().__init__()

        @property
        def control(self) -> LineList:
            """The list."""
            return self.source

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor: int | None = None
        self._styles_by_name: dict[str, Style] = {}
        self._mixed: dict[tuple[Style, str], Style] = {}
        self._width: int | None = None

    def count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def heading(self, width: int) -> str | None:
        """The line above the rows, which does not scroll; None for none."""
        return None

    def lines_per_row(self, width: int) -> int:
        """Lines that each row takes at that width."""
        return 1

    def parts(self, index: int, line: int, width: int) -> Iterable[Part]:
        """One line of a row."""
        raise NotImplementedError

    def selectable(self, index: int) -> bool:
        """Whether the cursor may stand on the row."""
        return True

    def rows_changed(self, cursor: int | None = None) -> None:
        """Call when the rows are others; the cursor goes to ``cursor`` or stays as near as it can."""
        if cursor is None:
            cursor = self.cursor or 0
        self.cursor = self._nearest(min(cursor, self.count() - 1), 1)
        self._measure()
        self.refresh()
        self._keep_in_sight()
        self.post_message(self.Moved(self, self.cursor))

    def move_to(self, index: int) -> None:
        """Put the cursor on a row."""
        if 0 <= index < self.count() and self.selectable(index) and index != self.cursor:
            self._paint_row(self.cursor)
            self._paint_row(index)
            self.cursor = index
            self._keep_in_sight()
            self.cursor_moved()
            self.post_message(self.Moved(self, index))

    def cursor_moved(self) -> None:
        """Called as the cursor moves: what is changed here is painted with it, at once."""

    def line_key(self, y: int) -> Hashable | None:
        """The row and which of its lines, whether the cursor is there, and how strong it is drawn."""
        width = self.line_width
        if self.heading(width) is not None:
            if y == 0:
                return "heading"
            y -= 1
        index, line = divmod(self.scroll_offset.y + y, self.lines_per_row(width))
        if index >= self.count():
            return "blank"
        return index, line, index == self.cursor and (1 + self.has_focus)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines as they are painted."""
        self._width = self.line_width  # asked for each line, and not quickly told
        try:
            return super().render_lines(crop)
        finally:
            self._width = None

    def render_line(self, y: int) -> Strip:
        """One line in sight."""
        width = self.line_width
        heading = self.heading(width)
        if heading is not None:
            if y == 0:
                return self._strip([(heading, "heading")], width, self._style("heading"))
            y -= 1
        lines = self.lines_per_row(width)
        index, line = divmod(self.scroll_offset.y + y, lines)
        base = self._style("plain")
        if index >= self.count():
            return Strip.blank(width, base)
        if index == self.cursor:
            base += Style(bgcolor=self._style("cursor" if self.has_focus else "cursor-blurred").bgcolor)
        return self._strip(self.parts(index, line, width), width, base)

    @property
    def line_width(self) -> int:
        """Cells of a line."""
        return self.scrollable_content_region.width if self._width is None else self._width

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._styles_by_name.clear()
        self._mixed.clear()

    def on_resize(self) -> None:
        """Rows may take another number of lines now."""
        self._measure()
        self._keep_in_sight()

    def on_focus(self) -> None:
        """The cursor is drawn stronger."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor is drawn weaker."""
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor there."""
        y = event.y - (1 if self.heading(self.line_width) is not None else 0)
        index = (self.scroll_offset.y + y) // self.lines_per_row(self.line_width)
        if y >= 0 and index < self.count() and self.selectable(index):
            self.move_to(index)
            self.post_message(self.Pressed(self, index, event.x, event.chain > 1))

    def action_step(self, way: int) -> None:
        """One row up or down."""
        if self.cursor is None:
            return
        index = self._nearest(self.cursor + way, way)
        if index is None or index == self.cursor:
            self.scroll_to(y=0 if way < 0 else self.max_scroll_y, animate=False)
        else:
            self.move_to(index)

    def action_page(self, way: int) -> None:
        """A page up or down."""
        if self.cursor is not None:
            page = max(1, self._lines_in_sight() // self.lines_per_row(self.line_width) - 1)
            index = self._nearest(max(0, min(self.count() - 1, self.cursor + way * page)), way)
            self.move_to(self.cursor if index is None else index)

    def action_edge(self, way: int) -> None:
        """The first or the last row."""
        index = self._nearest(0 if way < 0 else self.count() - 1, -way)
        if index is not None:
            self.move_to(index)

    def _nearest(self, index: int, way: int) -> int | None:
        """The next row that can be selected, first one way, then the other."""
        for step in (way, -way):
            at = index
            while 0 <= at < self.count():
                if self.selectable(at):
                    return at
                at += step
        return None

    def _paint_row(self, index: int | None) -> None:
        if index is not None:
            lines = self.lines_per_row(self.line_width)
            top = index * lines - self.scroll_offset.y + (self.heading(self.line_width) is not None)
            self.refresh(Region(0, top, self.size.width, lines))

    def _lines_in_sight(self) -> int:
        return max(1, self.scrollable_content_region.height - (self.heading(self.line_width) is not None))

    def _measure(self) -> None:
        width = self.line_width
        height = self.count() * self.lines_per_row(width) + (self.heading(width) is not None)
        self.virtual_size = Size(width, height)

    def _keep_in_sight(self) -> None:
        if self.cursor is None or not self.is_attached:
            return
        lines = self.lines_per_row(self.line_width)
        top, bottom, page = self.cursor * lines, (self.cursor + 1) * lines, self._lines_in_sight()
        at = self.scroll_offset.y
        if self.cursor and not self.selectable(self.cursor - 1):
            top -= lines  # a group's heading stays in sight above its first row
        if top < at:
            self.scroll_to(y=top, animate=False)
        elif bottom > at + page:
            self.scroll_to(y=bottom - page, animate=False)

    def _style(self, name: str) -> Style:
        if name not in self._styles_by_name:
            self._styles_by_name[name] = self.get_component_rich_style(f"line-list--{name}")
        return self._styles_by_name[name]

    def _strip(self, parts: Iterable[Part], width: int, base: Style) -> Strip:
        segments = [Segment(text, self._on(base, name)) for text, name in parts]
        return Strip(segments).adjust_cell_length(width, base)

    def _on(self, base: Style, name: str) -> Style:
        """The foreground of one style on the background of another."""
        if (base, name) not in self._mixed:
            style = self._style(name)
            self._mixed[base, name] = base + Style(color=style.color, bold=style.bold or None)
        return self._mixed[base, name]


def fit(text: str, width: int) -> str:
    """Text of exactly that many cells, cut with an ellipsis; line breaks and control characters become dots."""
    plain = "".join(c if c.isprintable() else " " if c == "\n" else "·" for c in text)
    if width <= 0:
        return ""
    return set_cell_size(plain, width) if cell_len(plain) <= width else set_cell_size(plain, width - 1) + "…"
