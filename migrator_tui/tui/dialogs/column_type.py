"""Another target type for a column, written or by a choice: what it would do is found out before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import DescendantFocus
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerState

from migrator_tui.convert import codecs
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import ColumnPlan, Plan
from migrator_tui.tui.dialogs.dialog import Dialog
from migrator_tui.tui.project_edits import Chosen
from migrator_tui.tui.widgets.button_row import ButtonRow
from migrator_tui.tui.widgets.option_lines import OptionLines

Wanted = str | tuple[Finding, str]
"""A type, the empty text for the proposed one; or a choice of a finding about the column."""

Try = Callable[[Wanted], tuple[Chosen, Plan]]
"""What a person then wants, and the plan drafted for it; raises MigratorError."""


class ColumnType(Dialog[tuple[Chosen, Plan] | None]):
    """Enter tries a type or choice on the target; Enter again keeps it. What the target refuses cannot be kept."""

    DEFAULT_CSS = """
    ColumnType #asked { height: auto; max-height: 4; margin: 0; border: none; padding: 0; background: $surface;
                        scrollbar-size-vertical: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ColumnType #asked:focus { background-tint: $foreground 0%; }
    ColumnType #asked > .option-list--option-highlighted { background: $surface; color: $foreground; text-style: none; }
    ColumnType #asked:focus > .option-list--option-highlighted { background: $primary-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "choices", "Choices", tooltip="To the choices below the type.", id="type.choices"),
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
        self._choices = [(finding, choice) for finding in asked for choice in finding.choices]
        self._tried: tuple[Wanted, Chosen, Plan] | None = None
        self._trying: Wanted | None = None

    def compose(self) -> ComposeResult:
        """What it is, a field, what it would be."""
        with Vertical(classes="dialog") as box:
            box.border_title = f"Type of {self._table}.{self._now.source}"
            yield Static(
                f"SQLite declares {self._declared}. Planned: {self._now.type}, {carried(self._now.codec)}.",
                markup=False,
            )
            yield Input(self._now.type, placeholder="empty: the proposed type", id="type")
            if self._choices:
                yield OptionLines(*(Option(_line(*choice)) for choice in self._choices), id="asked")
            yield Static("Enter tries it on the target; nothing is created.", id="effect", markup=False)
            with ButtonRow(classes="buttons"):
                yield Button("Cancel", id="cancel")
                yield Button("Keep it", id="keep", variant="primary", disabled=True)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """What was tried is no longer what is written."""
        self._offer_to_keep(event.value.strip())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Try it, or keep what was tried."""
        self._try_or_keep(event.value.strip())

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Try the choice, or keep what was tried."""
        self._try_or_keep(self._choices[event.option_index])

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Say what the choice does; what was tried may be another one."""
        if event.option_list.has_focus:
            self._say_what(event.option_index)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Say what the choice at the cursor does, or what is done with a type."""
        if isinstance(event.widget, OptionList):
            self._say_what(event.widget.highlighted or 0)

    def action_choices(self) -> None:
        """From the type down to the choices."""
        for choices in self.query("#asked"):
            choices.focus()

    def _say_what(self, index: int) -> None:
        finding, choice = self._choices[index]
        if self._tried is None or self._tried[0] != (finding, choice):
            self.query_one("#effect", Static).update(Text(f"{_effect(finding, choice)} Enter tries it."))
        self._offer_to_keep((finding, choice))

    def _offer_to_keep(self, wanted: Wanted) -> None:
        self.query_one("#keep", Button).disabled = self._tried is None or self._tried[0] != wanted

    def _try_or_keep(self, wanted: Wanted) -> None:
        if self._tried is not None and self._tried[0] == wanted:
            self._keep()
        elif self._trying is None:
            self._trying = wanted
            self.query_one("#effect", Static).update("◌ Trying…")
            self.run_worker(lambda: self._try(wanted), thread=True, exit_on_error=False)

    def _try(self, wanted: Wanted) -> None:
        try:
            chosen, plan = self._attempt(wanted)
        except MigratorError as error:
            self.app.call_from_thread(self._refused, error)
            return
        self.app.call_from_thread(self._worked, wanted, chosen, plan)

    def _refused(self, error: MigratorError) -> None:
        self._trying = self._tried = None
        if self.is_attached:
            self.query_one("#effect", Static).update(Text(f"✗ {error.id}: {error.message} It is not kept."))

    def _worked(self, wanted: Wanted, chosen: Chosen, plan: Plan) -> None:
        self._trying = None
        if not self.is_attached:
            return
        self._tried = (wanted, chosen, plan)
        column = next((c for c in plan.table(self._table).columns if c.source == self._now.source), None)
        said = "The column is no longer part of the plan."
        if column is not None:
            beside = _set_aside(plan, self._table, column)
            said = f"{column.type}: {carried(column.codec)}.{beside} Enter again keeps it."
        self.query_one("#effect", Static).update(Text(said))
        self._offer_to_keep(self.query_one(Input).value.strip() if isinstance(wanted, str) else wanted)

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


def _line(finding: Finding, choice: str) -> Text:
    """``◉ VALUE-EMPTY null   They become NULL; …``: the choice that holds now is marked."""
    line = Text("◉ " if choice == (finding.decision or finding.choices[0]) else "○ ")
    line.append(f"{finding.id} {choice}", style="bold")
    return line.append(f"  {_effect(finding, choice)}", style="dim")


def _effect(finding: Finding, choice: str) -> str:
    known = finding.kind.choice(choice)
    return f"{'⚠ lossy: ' if known.lossy else ''}{known.effect}" if known else ""


def _set_aside(plan: Plan, table: str, column: ColumnPlan) -> str:
    """What becomes of rows and values beside the type."""
    rules = [rule for rule in plan.table(table).row_rules if column.source in rule.columns]
    nulls, rows = any(rule.nulls for rule in rules), any(not rule.nulls for rule in rules)
    return " Rows are quarantined." * rows + " Values become NULL." * nulls


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
