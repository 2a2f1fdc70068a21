"""The header: the source, the target with its colour, always in sight."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from migrator_tui.migration.guide import Ends, Facts
from migrator_tui.tui.target_text import short


class Masthead(Static):
    """``migrator-tui   app.db → production@db.example.com``; a target on this machine is calm, any other one warns."""

    DEFAULT_CSS = """
    Masthead { height: 1; padding: 0 1; background: $panel; color: $foreground; }
    """

    def __init__(self, ends: Ends | None, facts: Facts | None) -> None:
        super().__init__(self._line(ends, facts), markup=False)

    def show(self, ends: Ends | None, facts: Facts | None) -> None:
        """Show these ends."""
        self.update(self._line(ends, facts))

    @staticmethod
    def _line(ends: Ends | None, facts: Facts | None) -> Text:
        line = Text("migrator-tui", style="bold", overflow="ellipsis", no_wrap=True)
        if ends is None:
            return line.append("   SQLite → Postgres, staged, checked, undoable", style="dim")
        target = facts.target_label if facts else short(ends.target)
        local = ends.target == "embedded" or "localhost" in target or "127.0.0.1" in target
        line.append(f"   {ends.source.name} ", style="not bold")
        line.append("→ ", style="dim")
        line.append(f" {target} ", style="bold black on #3ecf8e" if local else "bold black on #f5b83d")
        return line.append(" local" if local else " live", style="dim")
