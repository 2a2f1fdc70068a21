"""The stages of a run as one line: what is done, what is at work, what comes."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from migrator_tui.model.progress import Progress


class Timeline(Static):
    """``✓ snapshot 0.1s › ● stage › ○ check …``; on a narrow terminal without times."""

    DEFAULT_CSS = """
    Timeline { height: 1; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id)
        self._drawn = ""

    def show(self, progress: Progress) -> None:
        """Draw the stages."""
        narrow = (self.size.width or self.app.size.width) < 100
        good, busy, muted = self._colour("text-success"), self._colour("text-primary"), "dim"
        line = Text(no_wrap=True, overflow="ellipsis")
        for number, stage in enumerate(progress.stages):
            if number:
                line.append(" › " if not narrow else " ", muted)
            if stage.active:
                line.append(f"{'●' if narrow else '● '}{stage.name.value}", f"bold {busy}")
            elif stage.seconds is not None:
                line.append("✓" if narrow else "✓ ", good)
                line.append(stage.name.value)
                if not narrow:
                    line.append(f" {stage.seconds:.1f}s", muted)
            else:
                line.append(f"{'○' if narrow else '○ '}{stage.name.value}", muted)
        if (drawn := line.markup) != self._drawn:
            self._drawn = drawn
            self.update(line)

    def _colour(self, name: str) -> str:
        found = self.app.theme_variables.get(name, "")
        return found if found.startswith("#") else "default"
