"""Resolve: rows that meet different live rows, both sides whole, one key a choice."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.widgets import Button, Static

from migrator_tui.migration.conflicts import ConflictGroup, ConflictRow
from migrator_tui.model.decisions import ConflictChoice, ConflictDecision, ConflictRule, Decisions, Preference
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.progress import RunStatus
from migrator_tui.tui.dialogs.per_field import PerField
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.conflict_list import KINDS, PAGE, ConflictList
from migrator_tui.tui.widgets.line_list import LineList
from migrator_tui.tui.wording import counted, visible

NARROW = 100
"""Cells below which both values of a field are shown one below the other."""
CHOICES: Mapping[ConflictChoice | Preference, str] = {
    ConflictChoice.KEEP_SOURCE: "keep source",
    ConflictChoice.KEEP_TARGET: "keep target",
    ConflictChoice.PER_FIELD: "per field",
    ConflictChoice.QUARANTINE: "quarantine",
}


class ResolveScreen(StepScreen):
    """Conflicts a page at a time; every decision is saved as it is made, and undone by ``u``."""

    STEP = Step.RESOLVE
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "choose('keep-source')", "Keep source", tooltip="The staged row wins.", id="resolve.source"),
        Binding("t", "choose('keep-target')", "Keep target", tooltip="The live row stays.", id="resolve.target"),
        Binding("f", "choose_fields", "Per field", tooltip="Choose field by field.", id="resolve.fields"),
        Binding("S", "choose_all('keep-source')", "All source", show=False, tooltip="Source for all.", id="all.source"),
        Binding("T", "choose_all('keep-target')", "All target", show=False, tooltip="Target for all.", id="all.target"),
        Binding("x", "choose('quarantine')", "Quarantine", show=False, tooltip="Set it aside.", id="resolve.aside"),
        Binding("enter", "enter", "Go on", show=False, tooltip="Go on, or to the next to decide.", id="resolve.enter"),
        Binding("n", "next_undecided", "Next", show=False, tooltip="The next to decide.", id="resolve.next"),
        Binding("u", "undo", "Undo", tooltip="Take the last decision back.", id="resolve.undo"),
        Binding("g", "go_on", "Go on", show=False, tooltip="Go on when all is decided.", id="resolve.go_on"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    ResolveScreen #both { height: 1fr; layout: horizontal; }
    ResolveScreen.-narrow #both { layout: vertical; }
    ResolveScreen #rows { width: 44; height: 1fr; }
    ResolveScreen.-narrow #rows { width: 100%; height: 2fr; }
    ResolveScreen #sides { width: 1fr; height: 1fr; border-left: solid $border-blurred; padding: 0 1; }
    ResolveScreen.-narrow #sides {
        width: 100%; height: 3fr; border: none; border-top: solid $border-blurred; padding: 0 1;
    }
    ResolveScreen #sides { scrollbar-size-vertical: 1; }
    ResolveScreen #headline { height: auto; padding: 0 1; }
    ResolveScreen #foot { height: 1; padding: 0 1; }
    ResolveScreen #said { width: 1fr; color: $text-muted; }
    ResolveScreen #go-on { min-width: 14; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._groups: Sequence[ConflictGroup] = ()
        self._made: list[tuple[Decisions, Sequence[ConflictGroup], int | None]] = []
        self._by_row: tuple[Decisions, dict[str, ConflictDecision]] = (Decisions(), {})

    def compose_body(self) -> ComposeResult:
        """The conflicts, and the one at the cursor."""
        yield Static("", id="headline", markup=False)
        with Container(id="both"):
            yield ConflictList(self._said_of, id="rows")
            with VerticalScroll(id="sides"):
                yield Static("", id="fields", markup=False)
        with Horizontal(id="foot"):
            yield Static("", id="said", markup=False)
            yield Button("Go on", id="go-on", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Load the conflicts in a thread."""
        outcome = self.session.outcome
        if outcome is None or outcome.status is not RunStatus.NEEDS_DECISIONS or not outcome.conflicts_found:
            self.query_one("#headline", Static).update("✓ Nothing to resolve. Enter or g goes on.")
            self.query_one("#go-on").focus()
            return
        self.query_one("#headline", Static).update("Reading the conflicts …")
        self.run_worker(lambda: self._load(outcome.run), thread=True, exit_on_error=False)

    def _load(self, run: str) -> None:
        """In a thread: the groups, as the decisions of this moment leave them."""
        try:
            groups = self.guide.conflict_groups(run, self.session.decisions)
        except MigratorError as error:
            self.app.call_from_thread(self.show_trouble, error)
            return
        self.app.call_from_thread(self._loaded, groups)

    def _loaded(self, groups: Sequence[ConflictGroup]) -> None:
        first = not self._groups
        self._groups = groups
        if first:
            self._listed.focus()
        self._redraw()

    def on_conflict_list_wanted(self, message: ConflictList.Wanted) -> None:
        """A page came in sight: read it in a thread."""
        message.stop()
        outcome = self.session.outcome
        if outcome is not None:
            run = outcome.run
            self.run_worker(lambda: self._read(run, message.group, message.offset), thread=True, exit_on_error=False)

    def _read(self, run: str, group: ConflictGroup, offset: int) -> None:
        try:
            rows = self.guide.conflicts(run, (group.table, group.kind), offset, PAGE)
        except MigratorError as error:
            self.app.call_from_thread(self.show_trouble, error)
            return
        self.app.call_from_thread(self._listed.fill, group, offset, rows)

    @property
    def _listed(self) -> ConflictList:
        return self.query_one("#rows", ConflictList)

    def _decision(self, row: ConflictRow) -> ConflictDecision | None:
        """What was decided about this row alone."""
        decisions, by_row = self._by_row
        if decisions is not self.session.decisions:
            decisions, by_row = self.session.decisions, {}
            for decision in decisions.conflicts:
                by_row.setdefault(_named(decision.table, decision.key), decision)
            self._by_row = decisions, by_row
        return by_row.get(_named(row.table, row.key))

    def _choice(self, row: ConflictRow) -> ConflictChoice | Preference | None:
        decision = self._decision(row)
        if decision is not None:
            return ConflictChoice.PER_FIELD if decision.fields else decision.choice
        for rule in self.session.decisions.rules:
            if rule.table in (row.table, "*") and rule.kind in (None, row.kind):
                return rule.choice
        return ConflictChoice(row.choice) if row.choice else None

    def _said_of(self, row: ConflictRow) -> str | None:
        choice = self._choice(row)
        return CHOICES.get(choice, choice.value) if choice else None

    def _headline(self) -> None:
        total = sum(group.found for group in self._groups)
        undecided = sum(group.undecided for group in self._groups)
        self.query_one("#headline", Static).update(Text(f"{total - undecided:,} of {total:,} decided", style="bold"))
        ready = self._all_decided()
        keys = "Enter or g goes on with the run." if ready else "S T all alike   x quarantine   n next to decide"
        self.query_one("#said", Static).update(keys)
        self.query_one("#go-on", Button).disabled = not ready

    def _all_decided(self) -> bool:
        return bool(self._groups) and not any(group.undecided for group in self._groups)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """Show both sides of the row at the cursor."""
        self._show_sides()

    def on_resize(self) -> None:
        """Beside each other where there is room."""
        self._show_sides()

    def action_enter(self) -> None:
        """Go on where all is decided, or to the next that is not."""
        if self._all_decided():
            self.action_go_on()
        else:
            self.action_next_undecided()

    def _show_sides(self) -> None:
        row = self._listed.current
        if row is None:
            self.query_one("#fields", Static).update("")
            return
        decision = self._decision(row)
        taken = _taken(row, decision) if decision and decision.fields else None
        shown = side_by_side(row, self._choice(row), taken=taken, stacked=self.app.size.width < NARROW)
        self.query_one("#fields", Static).update(shown)

    def action_next_undecided(self) -> None:
        """The next row to decide, from the cursor on and around."""
        index = self._listed.next_undecided()
        if index is not None:
            self._listed.move_to(index)

    def action_choose(self, choice: str) -> None:
        """Decide the row at the cursor, and go to the next one."""
        row = self._listed.current
        if row is not None and self._possible(row, choice):
            self._decide(ConflictDecision(row.table, dict(row.key), ConflictChoice(choice), row.kind))

    def _possible(self, row: ConflictRow, choice: str) -> bool:
        """Whether a choice can be had for rows of this kind; says why not."""
        why = None
        if choice != "keep-source":
            if choice == "keep-target" and row.kind == "rule" and not row.target:
                why = "The target has no row of this key that could be kept: quarantine the source's by x."
        elif row.kind == "unique":
            why = "A row that holds another row's unique value cannot replace it: keep target, or quarantine by x."
        elif row.kind == "rule":
            why = "The table refuses the source's row: keep target, or quarantine it by x."
        if why:
            self.notify(why, severity="warning")
        return why is None

    def action_choose_fields(self) -> None:
        """Choose field by field, where both sides have the row."""
        row = self._listed.current
        if row is None:
            return
        if row.kind != "same-key":
            self.notify("Only rows of the same key are chosen per field; keep source or target.", severity="warning")
            return
        decision = self._decision(row)
        taken = _taken(row, decision) if decision else row.taken

        def answered(fields: tuple[str, ...] | None) -> None:
            if fields is not None:
                self._decide(per_field(row, fields))

        self.app.push_screen(PerField(row, taken), answered)

    def _decide(self, decision: ConflictDecision) -> None:
        """Keep a decision about the row at the cursor, in front of an earlier one, and go to the next row."""
        row = self._listed.current
        self._remember()
        if row is not None and self._choice(row) is None:
            self._groups = [
                replace(group, undecided=max(0, group.undecided - 1))
                if (group.table, group.kind) == (row.table, row.kind)
                else group
                for group in self._groups
            ]
        named = _named(decision.table, decision.key)
        others = tuple(d for d in self.session.decisions.conflicts if _named(d.table, d.key) != named)
        self.session.decisions = replace(self.session.decisions, conflicts=(decision, *others))
        self._redraw()
        self._listed.action_step(1)

    def action_choose_all(self, choice: str) -> None:
        """Decide all of this table and kind, after saying how many."""
        row = self._listed.current
        group = self._listed.group
        if row is None or group is None or not self._possible(row, choice):
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._remember()
                rule = ConflictRule(row.table, ConflictChoice(choice), row.kind)
                self.session.decisions = replace(
                    self.session.decisions, rules=(rule, *(r for r in self.session.decisions.rules if r != rule))
                )
                self._redraw()
                self._count_again()

        what = choice.replace("-", " ").capitalize()
        text = (
            f"{what} in the {counted(group.found, 'conflict')} of {row.table} ({KINDS[row.kind]}), "
            f"save those decided one by one; {group.undecided:,} are undecided."
        )
        self.app.push_screen(Question("For all alike", text, what), answered)

    def _count_again(self) -> None:
        """What a rule decides is for the engine to say."""
        outcome = self.session.outcome
        if outcome is not None:
            self.run_worker(lambda: self._load(outcome.run), thread=True, exit_on_error=False)

    def action_undo(self) -> None:
        """Take the last decision back."""
        if self._made:
            self.session.decisions, self._groups, at = self._made.pop()
            self._redraw()
            if at is not None:
                self._listed.move_to(at)

    def _remember(self) -> None:
        self._made.append((self.session.decisions, self._groups, self._listed.cursor))

    def _redraw(self) -> None:
        self.session.save()
        self._listed.show(self._groups)
        self._headline()
        self._show_sides()

    def action_go_on(self) -> None:
        """Resume the run with the decisions; without conflicts, show the result."""
        outcome = self.session.outcome
        if outcome is None or outcome.status is not RunStatus.NEEDS_DECISIONS:
            self.migrator.go(Step.RESULT if outcome is not None else Step.RUN)
            return
        if not self._all_decided():
            self.notify("Some conflicts are not decided yet.", severity="warning")
            return
        self.resume_run(outcome.run)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Go on."""
        if event.button.id == "go-on":
            self.action_go_on()


def per_field(row: ConflictRow, taken: Sequence[str]) -> ConflictDecision:
    """The decision that takes some of the differing fields from the source; all or none of them is the whole row."""
    if set(taken) >= set(row.differing):
        return ConflictDecision(row.table, dict(row.key), ConflictChoice.KEEP_SOURCE, row.kind)
    if not taken:
        return ConflictDecision(row.table, dict(row.key), ConflictChoice.KEEP_TARGET, row.kind)
    fields = {name: "source" if name in taken else "target" for name in row.differing}
    return ConflictDecision(row.table, dict(row.key), ConflictChoice.PER_FIELD, row.kind, fields)


def _named(table: str, key: Mapping[str, object]) -> str:
    """A row's name among decisions."""
    return json.dumps([table, key], sort_keys=True, default=str)


def _taken(row: ConflictRow, decision: ConflictDecision) -> tuple[str, ...]:
    """The differing fields that a decision takes from the source."""
    base = "source" if decision.choice is ConflictChoice.KEEP_SOURCE else "target"
    return tuple(name for name in row.differing if decision.fields.get(name, base) == "source")


def side_by_side(
    row: ConflictRow,
    choice: ConflictChoice | Preference | None = None,
    *,
    taken: Collection[str] | None = None,
    stacked: bool = False,
) -> Table:
    """Both rows field by field; what differs is marked by symbol and weight, and the side that is kept by a word.

    Args:
        taken: The fields that come from the source, where that was chosen per field.
        stacked: The two values of a field below each other, for narrow terminals.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), expand=True, title=Text(f"{row.table}: {KINDS[row.kind]}", "bold"))
    table.title_justify, table.title_style, table.header_style = "left", "bold", "bold"
    heads = [
        f"{side} ✓ kept" if choice is kept else side
        for side, kept in (("source", ConflictChoice.KEEP_SOURCE), ("target", ConflictChoice.KEEP_TARGET))
    ]
    table.add_column("  field", no_wrap=True, max_width=32)
    if stacked:
        table.add_column("", no_wrap=True)
        table.add_column("value", ratio=1)
    else:
        table.add_column(heads[0], ratio=1)
        table.add_column(heads[1], ratio=1)
    for name, value in row.source.items():
        other = row.target.get(name)
        differs = value != other
        ours, theirs = Text(_shown(value)), Text(_shown(other) if row.target else "(not there)")
        label = Text(f"{'≠' if differs else ' '} {visible(name)}")
        style = "bold" if differs else "dim"
        if taken is not None and differs:
            (ours if name in taken else theirs).append(" ✓")
        if not stacked:
            table.add_row(label, ours, theirs, style=style)
        elif differs:
            table.add_row(label, heads[0], ours, style=style)
            table.add_row("", heads[1], theirs, style=style)
        else:
            table.add_row(label, "both", ours, style=style)
    return table


def _shown(value: str | None) -> str:
    return "NULL" if value is None else visible(value)
