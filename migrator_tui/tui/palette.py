"""The command palette, patient with keys that arrive before it is laid out."""

from __future__ import annotations

from typing import Any

from textual import work
from textual.await_complete import AwaitComplete
from textual.command import CommandList, CommandPalette


class Palette(CommandPalette):
    """Textual 8.2.8's palette, which ends the application by a key typed ahead of its list.

    Page keys before the list has its lines raise KeyError there, and a palette that is closed before it was composed
    raises NoMatches in its worker. A second Enter takes the screen below away.
    """

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Go; nothing where it has gone already."""
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()

    def _action_command_list(self, action: str) -> None:
        if any(found.size.height for found in self.query(CommandList)):
            super()._action_command_list(action)

    @work(exclusive=True, exit_on_error=False, group=CommandPalette._GATHER_COMMANDS_GROUP)
    async def _gather_commands(self, search_value: str) -> None:
        gather: Any = CommandPalette._gather_commands
        await gather.__wrapped__(self, search_value)
