"""Another target type for a column: what it would do is found out before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static
from textual.worker import Worker, WorkerState

from migrator_tui.convert import codecs
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import ColumnPlan, Plan, Scope
from migrator_tui.tui.widgets.button_row import ButtonRow

Try = Callable[[str], tuple[Scope, Plan]]
"""The scope with a type, and the plan drafted for it; raises MigratorError. An empty text asks for the proposed one."""


class ColumnType(ModalScreen[tuple[Scope, Plan] | None]):
    """Enter tries the type on the target; Enter again keeps it. What the target refuses cannot be kept."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", tooltip="Keep the type as it is.", id="type.cancel"),
    ]

    def __init__(self, table: str, declared: str, now: ColumnPlan, attempt: Try, asked: Sequence[Finding] = ()) -> None:
        """
        Args:
            declared: The source's declaration.
            now: The column as it is planned now.
            asked: Findings about the column, whose choices lead to other types.
        """
        super().__init__()
        self._table, self._declared, self._now, self._attempt = table, declared, now, attempt
        self._asked = asked
        self._tried: tuple[str, Scope, Plan] | None = None
        self._trying: str | None = None

    def compose(self) -> ComposeResult:
        """What it is, a field, what it would be."""
        with Vertical(classes="dialog") as box:
            box.border_title = f"Type of {self._table}.{self._now.source}"
            yield Static(
                f"SQLite declares {self._declared}. Planned: {self._now.type}, {carried(self._now.codec)}.",
                markup=False,
            )
            yield Input(self._now.type, placeholder="empty: the proposed type", id="type")
            if self._asked:
                said = "; ".join(f"{f.id}: {', '.join(f.choices)}" for f in self._asked)
                yield Static(f"Choices on Review: {said}.", id="asked", classes="muted", markup=False)
            yield Static("Enter tries it on the target; nothing is created.", id="effect", markup=False)
            with ButtonRow(classes="buttons"):
                yield Button("Cancel", id="cancel")
                yield Button("Keep this type", id="keep", variant="primary", disabled=True)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """What was tried is no longer what is written."""
        self.query_one("#keep", Button).disabled = self._tried is None or self._tried[0] != event.value.strip()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Try it, or keep what was tried."""
        wanted = event.value.strip()
        if self._tried is not None and self._tried[0] == wanted:
            self._keep()
        elif self._trying is None:
            self._trying = wanted
            self.query_one("#effect", Static).update("◌ Trying…")
            self.run_worker(lambda: self._try(wanted), thread=True, exit_on_error=False)

    def _try(self, wanted: str) -> None:
        try:
            scope, plan = self._attempt(wanted)
        except MigratorError as error:
            self.app.call_from_thread(self._refused, error)
            return
        self.app.call_from_thread(self._worked, wanted, scope, plan)

    def _refused(self, error: MigratorError) -> None:
        self._trying = self._tried = None
        if self.is_attached:
            self.query_one("#effect", Static).update(Text(f"✗ {error.id}: {error.message} It is not kept."))

    def _worked(self, wanted: str, scope: Scope, plan: Plan) -> None:
        self._trying = None
        if not self.is_attached:
            return
        self._tried = (wanted, scope, plan)
        column = next((c for c in plan.table(self._table).columns if c.source == self._now.source), None)
        said = "The column is no longer part of the plan."
        if column is not None:
            said = f"{column.type}: {carried(column.codec)}. Enter again keeps it."
        self.query_one("#effect", Static).update(Text(said))
        self.query_one("#keep", Button).disabled = self.query_one(Input).value.strip() != wanted

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of the program is told, not swallowed."""
        if event.state is WorkerState.ERROR:
            self._refused(MigratorError("FAULT", f"{type(event.worker.error).__name__}: {event.worker.error}."))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Keep or cancel."""
        if event.button.id == "keep":
            self._keep()
        else:
            self.dismiss(None)

    def _keep(self) -> None:
        assert self._tried is not None
        self.dismiss(self._tried[1:])

    def action_cancel(self) -> None:
        """Keep the type as it is."""
        self.dismiss(None)


def carried(codec: str) -> str:
    """A codec in words: ``✓ lossless (codec text); every value is proved while it is staged``."""
    if not codecs.exists(codec):
        return f"codec {codec}"
    known = codecs.codec(codec)
    if known.mapped:
        return "✓ the ids of users of Supabase Auth; migrator.key_map keeps the source's"
    if known.lossless:
        return f"✓ lossless (codec {codec}), every value proved while it is staged"
    return f"⚠ lossy (codec {codec}): the identical values cannot be had back"
