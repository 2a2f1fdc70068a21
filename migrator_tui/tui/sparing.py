"""Painting what changed and no more.

Textual paints a change by asking nearly every widget of the screen for its lines. On Run that cost more than drawing
the change itself, five times a second. This asks those that the change touches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region
from textual.strip import Strip


class SparingCompositor(Compositor):
    """Composes screens as Textual's does."""

    def __init__(self) -> None:
        super().__init__()
        self._changed: Collection[Region] = ()

    def render_partial_update(self) -> ChopsUpdate | None:
        """What changed since the last paint, None for nothing."""
        self._changed = self._dirty_regions.copy()
        try:
            return super().render_partial_update()
        finally:
            self._changed = ()

    def _get_renders(self, crop: Region | None = None) -> Iterable[tuple[Region, Region, list[Strip]]]:
        """Each widget that a change touches: its place, where that is cut off, and its lines within that."""
        if not self._changed:
            yield from super()._get_renders(crop)
            return
        for widget, (region, clip) in self.visible_widgets.items():
            shown = region.intersection(clip)
            if any(shown.overlaps(changed) for changed in self._changed):
                lines = Region(shown.x - region.x, shown.y - region.y, shown.width, shown.height)
                yield region, clip, widget.render_lines(lines)
