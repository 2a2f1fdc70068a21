"""A backup of the live tables that rows are about to join."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Button, Input, Static

from migrator_tui.migration.backups.backing_up_first import BackedUp
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.schema import TableName
from migrator_tui.model.secret import Secret
from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.widgets.button_row import ButtonRow
from migrator_tui.tui.wording import at_home, counted, visible

Work = Callable[[Secret | None, Callable[[str], None]], BackedUp]


class BackUp(Dialog[bool]):
    """Makes the backup, and shows its recovery key once; answers whether it was made."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", tooltip="Back; a backup that was made stays.", id="backup.close"),
    ]

    class Told(Message):
        """The work says where it is, or what it came to."""

        def __init__(self, what: str | BackedUp | MigratorError) -> None:
            self.what = what
            super().__init__()

    def __init__(self, tables: Sequence[TableName], work: Work) -> None:
        """
        Args:
            work: Makes it, with a passphrase or None, telling where it is; called in a thread.
        """
        super().__init__()
        self._tables, self._work = tables, work
        self._at_work = self._is_made = False

    def compose(self) -> ComposeResult:
        """What is backed up, the passphrase, two buttons."""
        named = ", ".join(visible(str(table)) for table in self._tables)
        with Vertical(classes="dialog") as box:
            box.border_title = "Back up first"
            yield Static(
                f"{named} as of now: one encrypted file, which counts once it was restored and compared equal.",
                markup=False,
            )
            yield Input(password=True, placeholder="a passphrase; empty for the key in the keyring", id="passphrase")
            yield Static("", id="told", markup=False)
            with ButtonRow(classes="buttons"):
                yield Button("Close", id="close")
                yield Button("Back up", id="do", variant="primary")

    def on_mount(self) -> None:
        """The field."""
        self.query_one(Input).focus()

    def on_input_submitted(self) -> None:
        """Enter begins."""
        self._begin()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Begin or close."""
        if event.button.id == "do":
            self._begin()
        else:
            self.action_close()

    def _begin(self) -> None:
        if self._at_work or self._is_made:
            return
        typed = self.query_one(Input).value
        passphrase = Secret(typed) if typed else None
        self._at_work = True
        self.query_one("#do", Button).disabled = True
        self.run_worker(lambda: self._make(passphrase), thread=True, exit_on_error=False)

    def _make(self, passphrase: Secret | None) -> None:
        try:
            made: BackedUp | MigratorError = self._work(passphrase, lambda text: self._tell(text))
        except MigratorError as error:
            made = error
        self._tell(made)

    def _tell(self, what: str | BackedUp | MigratorError) -> None:
        self.post_message(self.Told(what))

    def on_back_up_told(self, message: Told) -> None:
        """Show it."""
        message.stop()
        what, told = message.what, self.query_one("#told", Static)
        if isinstance(what, str):
            told.update(f"… {what}")
            return
        self._at_work = False
        if isinstance(what, MigratorError):
            told.update(f"✗ {what.message} {what.hint}")
            self.query_one("#do", Button).disabled = False
            return
        self._is_made = True
        files = ", ".join(at_home(file) for file in what.files)
        told.update(
            f"✓ {counted(what.rows, 'row')} backed up, restored and compared equal: {files}\n"
            f"Recovery key, shown this once; it opens the file without the passphrase or the keyring:\n"
            f"{what.recovery.reveal()}"
        )
        self.query_one("#close").focus()

    def action_close(self) -> None:
        """Back, once nothing is at work."""
        if not self._at_work:
            self.dismiss(self._is_made)
