"""Conflicts grouped by table and kind, any number of them; only the pages in sight are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.cells import cell_len
from textual.message import Message

from migrator_tui.migration.conflicts import ConflictGroup, ConflictRow
from migrator_tui.tui.widgets.line_list import LineList, Part, fit
from migrator_tui.tui.wording import visible

PAGE = 200
KINDS = {
    "same-key": "same key, other values",
    "unique": "another row has this unique value",
    "several": "several rows have its keys",
    "duplicate": "an earlier row is the same by a natural key",
    "rule": "a rule of the table refuses it",
    "parent": "the row it refers to does not come",
}


class ConflictList(LineList):
    """One line a conflict under the heading of its table and kind."""

    class Wanted(Message):
        """A page in sight has not been read yet: ``offset`` rows into ``group``."""

        def __init__(self, group: ConflictGroup, offset: int) -> None:
            self.group, self.offset = group, offset
            super().__init__()

    def __init__(self, said: Callable[[ConflictRow], str | None], *, id: str | None = None) -> None:
        """``said`` is what was decided about a row, None for nothing yet."""
        super().__init__(id=id)
        self._said = said
        self._groups: Sequence[ConflictGroup] = ()
        self._starts: list[int] = []
        self._pages: dict[tuple[str, str, int], Sequence[ConflictRow]] = {}
        self._asked: set[tuple[str, str, int]] = set()

    def show(self, groups: Sequence[ConflictGroup]) -> None:
        """Show these groups; what has been read of them stays."""
        first = not self._groups
        self._groups, self._starts, at = groups, [], 0
        for group in groups:
            self._starts.append(at)
            at += group.found + 1
        self.rows_changed(1 if first and groups else None)

    def fill(self, group: ConflictGroup, offset: int, rows: Sequence[ConflictRow]) -> None:
        """A page has been read."""
        self._pages[group.table, group.kind, offset // PAGE] = rows
        self.refresh()
        self.post_message(self.Moved(self, self.cursor))

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
        order: list[int] = [*range(begin, self.count()), *range(begin)]
        for index in order:
            place = self._place(index)
            if place is None or place[1] < 0 or not place[0].undecided:
                continue
            row = self.row(index)
            if row is None or self._said(row) is None:
                return index
        return None

    def count(self) -> int:
        """Conflicts and headings."""
        return sum(group.found + 1 for group in self._groups)

    def selectable(self, index: int) -> bool:
        """Headings are stepped over."""
        return index not in self._starts

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
            return [(named, "strong"), (fit(f"{waits}  {KINDS[group.kind]}", rest), "muted")]
        row = self.row(index)
        if row is None:
            self._ask(group, at)
            return [("   …", "muted")]
        said = self._said(row)
        key = ", ".join(f"{name}={value}" for name, value in row.key.items())
        return [
            (" ✓ " if said else " ○ ", "good" if said else "warn"),
            (visible(key), "muted" if said else "plain"),
            (f"  {said or ', '.join(row.differing)}", "muted"),
        ]

    def _ask(self, group: ConflictGroup, at: int) -> None:
        page = (group.table, group.kind, at // PAGE)
        if page not in self._asked:
            self._asked.add(page)
            self.post_message(self.Wanted(group, at // PAGE * PAGE))

    def _place(self, index: int | None) -> tuple[ConflictGroup, int] | None:
        """The group of a line, and which of its conflicts that is: -1 for the heading."""
        if index is None:
            return None
        for group, start in zip(reversed(self._groups), reversed(self._starts), strict=True):
            if index >= start:
                return (group, index - start - 1) if index - start <= group.found else None
        return None
