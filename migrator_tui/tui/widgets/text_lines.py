"""Lines of text to read and scroll; any number of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migrator_tui.tui.widgets.line_list import LineList, Part, fit


class TextLines(LineList):
    """Lines with a style each."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[tuple[str, str]] = ()

    def show(self, lines: Sequence[tuple[str, str]]) -> None:
        """Show these: text and name of its style."""
        self._lines = lines
        self.rows_changed()

    def count(self) -> int:
        """Lines."""
        return len(self._lines)

    def selectable(self, index: int) -> bool:
        """Every line but the empty ones."""
        return bool(self._lines[index][0])

    def parts(self, index: int, line: int, width: int) -> Iterable[Part]:
        """One line."""
        text, style = self._lines[index]
        return [(" " + fit(text, width - 1), style)]
