"""Completes a path while it is typed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from textual.suggester import Suggester

LOOKED_AT = 5000
"""Entries of a folder that are looked at; nobody completes by name in a larger one."""


class PathSuggester(Suggester):
    """Suggests the first entry of the folder that goes on as what is typed; hidden ones only after a dot."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is where relative paths begin."""
        super().__init__(use_cache=False, case_sensitive=True)
        self._folder = folder

    async def get_suggestion(self, value: str) -> str | None:
        """The completed path, or None."""
        return await asyncio.to_thread(completed, value, self._folder)


def completed(value: str, folder: Path) -> str | None:
    """What is typed, completed to the first entry that fits; a folder with its slash."""
    head, _, start = value.rpartition("/")
    try:
        place = folder / Path(f"{head}/" if head or value.startswith("/") else ".").expanduser()
        with os.scandir(place) as entries:
            fitting = [
                entry.name + ("/" if entry.is_dir() else "")
                for entry, _ in zip(entries, range(LOOKED_AT), strict=False)
                if entry.name.startswith(start) and (start or not entry.name.startswith("."))
            ]
    except (OSError, ValueError, RuntimeError):
        return None
    if not fitting or not start:
        return None
    return f"{value[: len(value) - len(start)]}{min(fitting)}"
