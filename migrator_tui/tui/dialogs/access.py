"""The access matrix of a run: who may do what on which table, found by trying it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Button, Static

from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.widgets.access_grid import VERBS, Access, AccessGrid, Trial
from migrator_tui.tui.widgets.line_list import LineList
from migrator_tui.tui.wording import counted, visible

LEGEND = "✓ everything   ◐ in part   ✗ nothing   ! against the plan   · not tried"
MARKS = {True: ("✓", "may"), False: ("✗", "may not"), None: ("·", "not tried")}


class AccessMatrix(Dialog[None]):
    """The grid, and for the table at the cursor each verb with what the plan means."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,a", "close", "Close", tooltip="Back to the result.", id="access.close"),
    ]
    DEFAULT_CSS = """
    AccessMatrix #box { width: 100%; height: 96%; max-width: 124; background: $surface; border: round $primary; }
    AccessMatrix #verdict { height: auto; padding: 0 1; text-style: bold; color: $success; }
    AccessMatrix #verdict.-bad { color: $error; }
    AccessMatrix #legend { height: 1; padding: 0 1; color: $text-muted; }
    AccessMatrix AccessGrid { margin: 1 0 0 0; }
    AccessMatrix #each { height: 7; text-wrap: nowrap; padding: 0 1; border-top: solid $border-blurred; }
    AccessMatrix #close { width: 14; margin: 0 1; }
    """

    def __init__(self, accesses: Sequence[Access]) -> None:
        super().__init__()
        self._accesses = accesses

    def compose(self) -> ComposeResult:
        """Verdict, grid, the table at the cursor, a button."""
        tables = f"{len(self._accesses):,} tables and views"
        wrong = sum(1 for access in self._accesses for trial in access.trials if trial.wrong)
        tried = sum(1 for access in self._accesses for trial in access.trials if trial.may is not None)
        said = f"✗ {counted(wrong, 'right')} against the plan" if wrong else "✓ As the plan means it"
        with Vertical(id="box") as box:
            box.border_title = "Who may do what, found by trying it"
            yield Static(f"{said}: {tried:,} trials on {tables}, all rolled back.", id="verdict", markup=False)
            yield Static(LEGEND, id="legend", markup=False)
            yield AccessGrid(self._accesses, id="grid")
            yield Static("", id="each", markup=False)
            yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        """Scroll at once."""
        self.query_one("#verdict").set_class(any(access.wrong for access in self._accesses), "-bad")
        self.query_one(AccessGrid).focus()

    def on_line_list_moved(self, message: LineList.Moved) -> None:
        """Say what each may do on the table at the cursor."""
        access = self.query_one(AccessGrid).current
        if access is not None:
            self.query_one("#each", Static).update(each(access), layout=False)

    def on_button_pressed(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)


def each(access: Access) -> Text:
    """A line for each caller with every verb, then what was tried beside the verbs."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(visible(access.table), style="bold")
    beside = [trial for trial in access.trials if trial.verb not in VERBS]
    if beside:
        text.append("   " + "; ".join(_beside(trial) for trial in beside), style="dim")
    for who in access.people:
        text.append(f"\n{who:<14}")
        for trial in access.of(who):
            symbol = "!" if trial.wrong else MARKS[trial.may][0]
            text.append(f"{symbol} {trial.verb.lower():<8}", style="bold" if trial.may or trial.wrong else "dim")
    return text


def _beside(trial: Trial) -> str:
    symbol, word = MARKS[trial.may]
    if trial.verb.startswith("SELECT "):
        return f"{symbol} {trial.who} {word} read {visible(trial.verb.removeprefix('SELECT '))}"
    return f"{symbol} {trial.who} {word} {trial.verb} a row" if trial.may is not None else f"· {trial.verb}: not tried"
