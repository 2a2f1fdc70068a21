"""Conflicts grouped by table and kind, any number of them; only the pages in sight are read."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import chain
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.message import Message

from migrator_tui.migration.conflicts import ConflictGroup, ConflictRow
from migrator_tui.tui.conflict_choices import KINDS_IN_WORDS
from migrator_tui.tui.widgets.line_list import LineList, Part, fit
from migrator_tui.tui.wording import visible

PAGE = 200
MOST_PAGES = 40
"""Pages that are kept; those that were looked at longest ago are read again."""


class ConflictList(LineList):
    """One line a conflict under the heading of its table and kind; some of them may be selected."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "select", "Select", show=False, tooltip="Select the row, or not.", id="conflicts.select"),
        Binding("shift+down", "extend(1)", "Select down", show=False, tooltip="Select downwards.", id="conflicts.down"),
        Binding("shift+up", "extend(-1)", "Select up", show=False, tooltip="Select upwards.", id="conflicts.up"),
    ]  # fmt: skip

    class Wanted(Message):
        """A page in sight has not been read yet: ``offset`` rows into ``group``."""

        def __init__(self, group: ConflictGroup, offset: int) -> None:
            self.group, self.offset = group, offset
            super().__init__()

    def __init__(
        self,
        said: Callable[[ConflictRow], str | None],
        *,
        ahead: Callable[[Callable[[], None]], bool] = lambda act: False,
        moved: Callable[[], None] = lambda: None,
        id: str | None = None,
    ) -> None:
        """
        Args:
            said: What was decided about a row, None for nothing yet.
            ahead: Takes what is to be done once there are rows, where there are none yet; says whether it took it.
            moved: Called as the cursor moves; what it changes is painted together with the list.
        """
        super().__init__(id=id)
        self._said, self._ahead, self._moved = said, ahead, moved
        self._groups: Sequence[ConflictGroup] = ()
        self._starts: list[int] = []
        self._count = 0
        self._pages: dict[tuple[str, str, int], Sequence[ConflictRow]] = {}
        self._asked: set[tuple[str, str, int]] = set()
        self._failed: set[tuple[str, str, int]] = set()
        self._selected: dict[int, ConflictRow | None] = {}

    def show(self, groups: Sequence[ConflictGroup]) -> None:
        """Show these groups; what has been read of them stays."""
        first = not self._groups
        if [(g.table, g.kind, g.found) for g in groups] != [(g.table, g.kind, g.found) for g in self._groups]:
            self._selected.clear()
        self._groups, self._starts, at = groups, [], 0
        for group in groups:
            self._starts.append(at)
            at += group.found + 1
        self._count = at
        self.rows_changed(1 if first and groups else None)

    def fill(self, group: ConflictGroup, offset: int, rows: Sequence[ConflictRow]) -> None:
        """A page has been read."""
        page = (group.table, group.kind, offset // PAGE)
        self._pages[page] = rows
        self._asked.add(page)
        while len(self._pages) > MOST_PAGES:
            oldest = next(iter(self._pages))
            del self._pages[oldest]
            self._asked.discard(oldest)
        for index in [index for index, row in self._selected.items() if row is None]:
            self._selected[index] = self.row(index)
        self.refresh()
        self.post_message(self.Moved(self, self.cursor))

    def unasked(self, group: ConflictGroup, offset: int) -> None:
        """A page could not be read: it is asked for again when the list is scrolled, or a row of it is wanted."""
        self._failed.add((group.table, group.kind, offset // PAGE))

    def want(self, index: int) -> None:
        """Have a line read, wherever it is."""
        place = self._place(index)
        if place is not None and self.row(index) is None:
            self._try_again()
            self._ask(*place)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other rows are in sight."""
        self._try_again()
        super().watch_scroll_y(old_value, new_value)

    def _try_again(self) -> None:
        self._asked -= self._failed
        self._failed.clear()

    def row(self, index: int | None) -> ConflictRow | None:
        """The conflict of a line; None for a heading, or one that has not been read."""
        place = self._place(index)
        if place is None or place[1] < 0:
            return None
        group, at = place
        page = self._pages.get((group.table, group.kind, at // PAGE))
        return page[at % PAGE] if page is not None and at % PAGE < len(page) else None

    @property
    def current(self) -> ConflictRow | None:
        """The conflict at the cursor."""
        return self.row(self.cursor)

    @property
    def group(self) -> ConflictGroup | None:
        """The group at the cursor."""
        place = self._place(self.cursor)
        return place[0] if place else None

    def next_undecided(self) -> int | None:
        """The next line after the cursor, and around, that is undecided or has not been read; None where none is."""
        begin = (self.cursor or 0) + 1
        for start, end in chain(self._waiting(begin, self.count()), self._waiting(0, begin)):
            for index in range(start, end):
                row = self.row(index)
                if row is None or self._said(row) is None:
                    return index
        return None

    def _waiting(self, begin: int, end: int) -> Iterable[tuple[int, int]]:
        """The lines of groups with undecided conflicts, between two lines: whole groups are stepped over."""
        for group, start in zip(self._groups, self._starts, strict=True):
            first, last = max(begin, start + 1), min(end, start + 1 + group.found)
            if group.undecided and first < last:
                yield first, last

    # ── selection ───────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def selected(self) -> Sequence[ConflictRow]:
        """The rows that are selected, in order of the list."""
        return [row for _, row in sorted(self._selected.items()) if row is not None]

    @property
    def selecting(self) -> bool:
        """Whether anything is selected."""
        return bool(self._selected)

    @property
    def unread(self) -> int | None:
        """A line that is selected and has not been read yet."""
        return next((index for index, row in self._selected.items() if row is None), None)

    def clear_selection(self) -> None:
        """Select nothing."""
        self._selected.clear()
        self.refresh()

    def action_select(self) -> None:
        """Select the row at the cursor, or no longer, and go to the next."""
        if self.cursor is None:
            self._ahead(self.action_select)
            return
        if self.cursor in self._selected:
            del self._selected[self.cursor]
        else:
            self._take_in()
        self.refresh()
        self.action_step(1)
        self.post_message(self.Moved(self, self.cursor))

    def action_extend(self, way: int) -> None:
        """Select the row at the cursor and the next one that way."""
        if self.cursor is None:
            self._ahead(lambda: self.action_extend(way))
            return
        self._take_in()
        self.action_step(way)
        self._take_in()
        self.refresh()
        self.post_message(self.Moved(self, self.cursor))

    def _take_in(self) -> None:
        if self.cursor is not None:
            self._selected[self.cursor] = self.current
            self.want(self.cursor)

    # ── moving ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def action_step(self, way: int) -> None:
        """One row up or down."""
        if self.cursor is not None or not self._ahead(lambda: self.action_step(way)):
            super().action_step(way)

    def action_page(self, way: int) -> None:
        """A page up or down."""
        if self.cursor is not None or not self._ahead(lambda: self.action_page(way)):
            super().action_page(way)

    def action_edge(self, way: int) -> None:
        """The first or the last row."""
        if self.cursor is not None or not self._ahead(lambda: self.action_edge(way)):
            super().action_edge(way)

    def cursor_moved(self) -> None:
        """Let the screen follow."""
        self._moved()

    # ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def count(self) -> int:
        """Conflicts and headings."""
        return self._count

    def selectable(self, index: int) -> bool:
        """Headings are stepped over."""
        place = self._place(index)
        return place is not None and place[1] >= 0

    def line_key(self, y: int) -> Hashable | None:
        """A row that has not been read is drawn, and so asked for, whenever the list is scrolled."""
        key = super().line_key(y)
        if isinstance(key, tuple):
            place = self._place(key[0])
            if place is not None and place[1] >= 0 and self.row(key[0]) is None:
                return (*key, self.scroll_offset.y)
        return key

    def parts(self, index: int, line: int, width: int) -> Iterable[Part]:
        """A heading, or a conflict and what was decided about it."""
        place = self._place(index)
        if place is None:
            return []
        group, at = place
        if at < 0:
            waits = f", {group.undecided:,} to decide" if group.undecided else ", all decided"
            named = f" {visible(group.table)}  {group.found:,}"
            rest = max(0, width - cell_len(named))
            return [(named, "strong"), (fit(f"{waits}  {KINDS_IN_WORDS[group.kind]}", rest), "muted")]
        row = self.row(index)
        self._ask(group, at)
        if row is None:
            return [("   …", "muted")]
        said = self._said(row)
        key = ", ".join(f"{name}={value}" for name, value in row.key.items())
        mark = "◉" if index in self._selected else " "
        return [
            (mark, "accent"),
            ("✓ " if said else "○ ", "good" if said else "warn"),
            (visible(key), "muted" if said else "plain"),
            (f"  {said or ', '.join(row.differing)}", "muted"),
        ]

    def _ask(self, group: ConflictGroup, at: int) -> None:
        """Have the page of a conflict read, and then the one that is nearest to it, before it comes in sight."""
        number = at // PAGE
        for wanted in (number, number + (1 if at % PAGE >= PAGE // 2 else -1)):
            page = (group.table, group.kind, wanted)
            if page not in self._asked and 0 <= wanted * PAGE < group.found:
                self._asked.add(page)
                self.post_message(self.Wanted(group, wanted * PAGE))

    def _place(self, index: int | None) -> tuple[ConflictGroup, int] | None:
        """The group of a line, and which of its conflicts that is: -1 for the heading."""
        if index is None or index < 0:
            return None
        n = bisect_right(self._starts, index) - 1
        if n < 0:
            return None
        group, start = self._groups[n], self._starts[n]
        return (group, index - start - 1) if index - start <= group.found else None
