"""What every dialog has in common: it is answered once."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, ScreenResultType


class Dialog(ModalScreen[ScreenResultType]):
    """Base of the dialogs. Textual would take the screen below it away for a second answer, which a key and a click
    give that come before the dialog is gone, or two keys."""

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Answer, and go; nothing where it is answered already or behind another one."""
        return super().dismiss(result) if self.app.screen is self else AwaitComplete()
