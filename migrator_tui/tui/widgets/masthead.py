"""The header: the source, the target with its colour, always in sight."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from migrator_tui.migration.guide import Ends, Facts
from migrator_tui.tui.target_text import short


class Masthead(Static):
    """``migrator-tui   app.db → production@db.example.com``; a target on this machine is calm, any other one warns."""

    DEFAULT_CSS = """
    Masthead { height: 1; padding: 0 1; background: $panel; color: $foreground; }
    Masthead { text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, ends: Ends | None, facts: Facts | None) -> None:
        super().__init__(self._line(ends, facts), markup=False)

    def show(self, ends: Ends | None, facts: Facts | None) -> None:
        """Show these ends."""
        self.update(self._line(ends, facts))

    @staticmethod
    def _line(ends: Ends | None, facts: Facts | None) -> Content:
        name = ("migrator-tui   ", "bold")
        if ends is None:
            return Content.assemble(name, ("SQLite → Postgres, staged, checked, undoable", "$foreground 60%"))
        target = facts.target_label if facts else short(ends.target)
        local = ends.target == "embedded" or "localhost" in target or "127.0.0.1" in target
        return Content.assemble(
            name,
            f"{ends.source.name} ",
            ("→ ", "$foreground 60%"),
            (f" {target} ", f"bold $background on {'$success' if local else '$warning'}"),
            (" local" if local else " live", "$foreground 60%"),
        )
