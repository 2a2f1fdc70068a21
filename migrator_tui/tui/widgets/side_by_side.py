"""Both schemas in one list: what an object is, how each side declares it, and how the two stand to one another.

One widget draws both sides, so they cannot scroll apart, and only the lines in sight are drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from migrator_tui.migration.comparing.schemas import Pair, Standing
from migrator_tui.tui.widgets.line_list import LineList, Part, fit

STANDINGS: dict[Standing, tuple[str, str, str]] = {
    Standing.SAME: ("✓", "same", "good"),
    Standing.CONVERTED: ("≈", "converted", "busy"),
    Standing.MISSING: ("+", "new", "accent"),
    Standing.LEFT_OUT: ("○", "left out", "muted"),
    Standing.EXTRA: ("−", "extra", "muted"),
    Standing.CHANGED: ("≠", "changed", "warn"),
}
"""Standing → symbol, word and colour: never colour alone."""
NOT_CARRIED = ("✗", "missing", "warn")
KINDS = {"primary key": "key", "foreign key": "fk", "sequence": "next of"}
STATUS_WIDTH = 13
STACKED_BELOW = 96
"""Cells under which each object takes two lines, one a side."""


def standing(pair: Pair) -> tuple[str, str, str]:
    """Symbol, word and style of a pair."""
    if pair.standing is Standing.MISSING and pair.planned is None:
        return NOT_CARRIED
    return STANDINGS[pair.standing]


def differs(pair: Pair) -> bool:
    """Neither equal nor equal by conversion."""
    return pair.standing.differs


class SideBySide(LineList):
    """Objects grouped by table, source left and target right; below 96 cells one above the other."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._all: Sequence[Pair] = ()
        self._shown: list[Pair] = []
        self._inside: Counter[str] = Counter()
        self.only_differences = False
        self.filter = ""
        self.folded: set[str] = set()

    def show(self, pairs: Sequence[Pair]) -> None:
        """Show these; the cursor stays on the object where it was."""
        self._all = pairs
        self._inside = Counter(pair.table for pair in pairs if differs(pair) and not pair.implied and pair.table)
        self._inside.subtract(pair.table for pair in pairs if pair.object == "table" and differs(pair))
        self._arrange()

    @property
    def current(self) -> Pair | None:
        """The object at the cursor."""
        return self._shown[self.cursor] if self.cursor is not None else None

    @property
    def shown(self) -> Sequence[Pair]:
        """The objects that pass the filters."""
        return self._shown

    def status(self, pair: Pair) -> tuple[str, str, str]:
        """Symbol, word and style; a table that is on both sides is changed where something within it differs."""
        within = pair.object == "table" and not differs(pair) and self._inside.get(pair.table, 0)
        return STANDINGS[Standing.CHANGED] if within else standing(pair)

    def set_filter(self, text: str) -> None:
        """Only objects whose name or declaration has that text in it."""
        self.filter = text
        self._arrange()

    def toggle_differences(self) -> bool:
        """Only differences, or all again; which it is now."""
        self.only_differences = not self.only_differences
        self._arrange()
        return self.only_differences

    def toggle_fold(self) -> None:
        """Fold the table at the cursor away, or open it again."""
        pair = self.current
        if pair is not None and pair.table:
            self.folded ^= {pair.table}
            table = next((p for p in self._shown if p.object == "table" and p.table == pair.table), pair)
            self._arrange(table)

    def next_difference(self, way: int) -> bool:
        """Go to the next object that differs, around the end if need be; False where there is none."""
        if self.cursor is None:
            return False
        total = len(self._shown)
        for step in range(1, total + 1):
            index = (self.cursor + way * step) % total
            if differs(self._shown[index]) and self._shown[index].object != "table":
                self.move_to(index)
                return True
        return False

    def count(self) -> int:
        """Objects that pass the filters."""
        return len(self._shown)

    def lines_per_row(self, width: int) -> int:
        """Two where the sides are stacked."""
        return 2 if width < STACKED_BELOW else 1

    def heading(self, width: int) -> str | None:
        """Names of the columns."""
        if width < STACKED_BELOW:
            return f" {'status':<{STATUS_WIDTH}} object, and below it: source → target"
        name, side = self._widths(width)
        return f" {'status':<{STATUS_WIDTH}} {'object':<{name}} {'source':<{side}} target"

    def parts(self, index: int, line: int, width: int) -> Iterable[Part]:
        """Status, name, both declarations."""
        pair = self._shown[index]
        symbol, word, style = self.status(pair)
        target = pair.target or pair.planned
        target_style = "plain" if target is not None else "muted"
        status = (f" {f'{symbol} {word}':<{STATUS_WIDTH}} ", style)
        heading = pair.object in ("table", "view", "enum")
        if width < STACKED_BELOW:
            if line == 0:
                return [status, (fit(self._label(pair), width - STATUS_WIDTH - 2), "strong" if heading else "plain")]
            half = (width - STATUS_WIDTH - 7) // 2
            left = fit(_one_line(pair.source), half).rstrip() if pair.source else "(not there)"
            right = fit(_one_line(target), width - STATUS_WIDTH - 7 - len(left)) if target else "(nothing)"
            return [(" " * (STATUS_WIDTH + 4), "muted"), (left, "muted"), (" → ", "muted"), (right, target_style)]
        name, side = self._widths(width)
        return [
            status,
            (fit(self._label(pair), name) + " ", "strong" if heading else "plain"),
            (fit(_one_line(pair.source) if pair.source else "·", side) + " ", "plain" if pair.source else "muted"),
            (fit(_one_line(target) if target else "·", side), target_style),
        ]

    def _label(self, pair: Pair) -> str:
        if pair.object == "table":
            inside = self._inside.get(pair.table, 0)
            differing = f" ({inside:,} differ{'s' if inside == 1 else ''})" if inside else ""
            return f"{'▸' if pair.table in self.folded else '▾'} {pair.name}{differing}"
        if pair.object in ("view", "enum"):
            return f"{pair.object} {pair.name}"
        within = pair.name.removeprefix(f"{pair.table}.")
        return f"  {within}" if pair.object == "column" else f"  {KINDS.get(pair.object, pair.object)} {within}"

    def _widths(self, width: int) -> tuple[int, int]:
        rest = width - STATUS_WIDTH - 4
        name = max(24, rest * 36 // 100)
        return name, (rest - name) // 2

    def _arrange(self, keep: Pair | None = None) -> None:
        keep = keep or self.current
        passing = [pair for pair in self._all if self._passes(pair)]
        tables = {pair.table for pair in passing}
        kept = set(map(id, passing))
        shown: list[Pair] = []
        for pair in self._all:
            if pair.object == "table":
                if id(pair) in kept or pair.table in tables:
                    shown.append(pair)
            elif id(pair) in kept and pair.table not in self.folded:
                shown.append(pair)
        self._shown = shown
        at = None
        if keep is not None:
            at = next((i for i, p in enumerate(shown) if (p.object, p.name) == (keep.object, keep.name)), None)
        self.rows_changed(at)

    def _passes(self, pair: Pair) -> bool:
        if self.only_differences and not differs(pair):
            return False
        return not self.filter or any(
            self.filter in text.lower() for text in (pair.name, pair.source or "", pair.target or "")
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())
