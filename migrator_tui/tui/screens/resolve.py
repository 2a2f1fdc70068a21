"""Resolve: rows that meet different live rows, both sides whole, one key a choice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from migrator_tui.migration.conflicts import ConflictRow
from migrator_tui.model.decisions import ConflictChoice, ConflictDecision, ConflictRule, Decisions, Preference
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.progress import RunStatus
from migrator_tui.tui.dialogs.per_field import PerField
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.option_lines import OptionLines
from migrator_tui.tui.wording import visible

PAGE = 200
KINDS = {
    "same-key": "same key, other values",
    "unique": "another row has this unique value",
    "rule": "a rule of the table refuses it",
}
CHOICES: Mapping[ConflictChoice | Preference, str] = {
    ConflictChoice.KEEP_SOURCE: "keep source",
    ConflictChoice.KEEP_TARGET: "keep target",
    ConflictChoice.PER_FIELD: "per field",
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
        Binding("n", "next_undecided", "Next", show=False, tooltip="The next to decide.", id="resolve.next"),
        Binding("u", "undo", "Undo", tooltip="Take the last decision back.", id="resolve.undo"),
        Binding("g", "go_on", "Go on", show=False, tooltip="Go on when all is decided.", id="resolve.go_on"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    ResolveScreen #both { height: 1fr; layout: horizontal; }
    ResolveScreen.-narrow #both { layout: vertical; }
    ResolveScreen #rows {
        width: 44; height: 1fr; border: none; padding: 0; background: $background;
        text-wrap: nowrap; text-overflow: ellipsis; background-tint: $background 0%;
    }
    ResolveScreen.-narrow #rows { width: 100%; height: 2fr; }
    ResolveScreen #rows > .option-list--option { padding: 0 1; }
    ResolveScreen #rows > .option-list--option-highlighted { background: $primary-muted; color: $foreground; }
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
        self._rows: list[ConflictRow] = []
        self._counts: Mapping[str, tuple[int, int]] = {}
        self._made: list[tuple[Decisions, int | None]] = []

    def compose_body(self) -> ComposeResult:
        """The conflicts, and the one at the cursor."""
        yield Static("", id="headline", markup=False)
        with Container(id="both"):
            yield OptionLines(id="rows")
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
        try:
            counts = self.guide.conflict_tables(run)
            rows = [row for table in counts for row in self.guide.conflicts(run, table, 0, PAGE)]
        except MigratorError as error:
            self.app.call_from_thread(self.show_trouble, error)
            return
        self.app.call_from_thread(self._loaded, counts, rows)

    def _loaded(self, counts: Mapping[str, tuple[int, int]], rows: Sequence[ConflictRow]) -> None:
        self._counts, self._rows = counts, list(rows)
        listed = self.query_one("#rows", OptionList)
        listed.clear_options()
        listed.add_options([Option(self._label(row)) for row in self._rows])
        if self._rows:
            listed.highlighted = 0
        listed.focus()
        self._headline()

    def _decision(self, row: ConflictRow) -> ConflictDecision | None:
        """What was decided about this row alone."""
        for decision in self.session.decisions.conflicts:
            if decision.table == row.table and dict(decision.key) == dict(row.key):
                return decision
        return None

    def _choice(self, row: ConflictRow) -> ConflictChoice | Preference | None:
        decision = self._decision(row)
        if decision is not None:
            return ConflictChoice.PER_FIELD if decision.fields else decision.choice
        decisions = self.session.decisions
        for rule in decisions.rules:
            if rule.table in (row.table, "*") and rule.kind in (None, row.kind):
                return rule.choice
        return ConflictChoice(row.choice) if row.choice else None

    def _label(self, row: ConflictRow) -> Text:
        choice = self._choice(row)
        key = ", ".join(f"{name}={value}" for name, value in row.key.items())
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append("✓ " if choice else "○ ", style="bold" if choice else "")
        text.append(f"{row.table} {key}")
        text.append(f"  {CHOICES.get(choice, choice.value) if choice else ', '.join(row.differing)}", style="dim")
        return text

    def _headline(self) -> None:
        total = sum(found for found, _ in self._counts.values())
        decided = sum(1 for row in self._rows if self._choice(row))
        hidden = total - len(self._rows)
        said = f"{decided:,} of {total:,} decided"
        if hidden:
            said += f" (the first {len(self._rows):,} are shown; S and T decide all alike)"
        tables = "   ".join(f"{table} {found:,}" for table, (found, _) in self._counts.items())
        self.query_one("#headline", Static).update(
            Text(said, style="bold").append(f"   {tables}", style="not bold dim")
        )
        ready = self._all_decided()
        keys = (
            "Enter or g goes on with the run." if ready else "S source for all alike   T target for all alike   n next"
        )
        self.query_one("#said", Static).update(keys)
        self.query_one("#go-on", Button).disabled = not ready

    def _all_decided(self) -> bool:
        if any(self._choice(row) is None for row in self._rows):
            return False
        shown: dict[str, int] = {}
        for row in self._rows:
            shown[row.table] = shown.get(row.table, 0) + 1
        ruled = {rule.table for rule in self.session.decisions.rules}
        return all(shown.get(table, 0) >= found or table in ruled for table, (found, _) in self._counts.items())

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show both sides of the row at the cursor."""
        self._show_sides()

    def on_resize(self) -> None:
        """Beside each other where there is room."""
        self._show_sides()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter: go on where all is decided, or to the next that is not."""
        if self._all_decided():
            self.action_go_on()
        else:
            self.action_next_undecided()

    def _show_sides(self) -> None:
        row = self._current()
        if row is not None:
            stacked = self.app.size.width < 100
            decision = self._decision(row)
            taken = _taken(row, decision) if decision and decision.fields else None
            shown = side_by_side(row, self._choice(row), taken=taken, stacked=stacked)
            self.query_one("#fields", Static).update(shown)

    def action_next_undecided(self) -> None:
        """The next row to decide, from the cursor on and around."""
        listed = self.query_one("#rows", OptionList)
        at, count = listed.highlighted or 0, len(self._rows)
        for step in range(1, count + 1):
            index = (at + step) % count
            if self._choice(self._rows[index]) is None:
                listed.highlighted = index
                return

    def _current(self) -> ConflictRow | None:
        index = self.query_one("#rows", OptionList).highlighted
        return self._rows[index] if index is not None and index < len(self._rows) else None

    def action_choose(self, choice: str) -> None:
        """Decide the row at the cursor, and go to the next one."""
        row = self._current()
        if row is None or (row.kind == "unique" and choice == "keep-source"):
            self.notify(
                "A row that holds another row's unique value cannot replace it: keep target.", severity="warning"
            )
            return
        self._decide(ConflictDecision(row.table, dict(row.key), ConflictChoice(choice), row.kind))

    def action_choose_fields(self) -> None:
        """Choose field by field, where both sides have the row."""
        row = self._current()
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
        """Keep a decision about one row, in front of an earlier one, and go to the next row."""
        self._remember()
        key = (decision.table, dict(decision.key))
        others = tuple(d for d in self.session.decisions.conflicts if (d.table, dict(d.key)) != key)
        self.session.decisions = replace(self.session.decisions, conflicts=(decision, *others))
        self._redraw()
        listed = self.query_one("#rows", OptionList)
        if listed.highlighted is not None and listed.highlighted + 1 < len(self._rows):
            listed.highlighted += 1

    def action_choose_all(self, choice: str) -> None:
        """Decide all of this table and kind, after saying how many."""
        row = self._current()
        if row is None:
            return
        alike = self._counts.get(row.table, (0, 0))[0]

        def answered(yes: bool | None) -> None:
            if yes:
                self._remember()
                rule = ConflictRule(row.table, ConflictChoice(choice), row.kind)
                self.session.decisions = replace(
                    self.session.decisions, rules=(rule, *(r for r in self.session.decisions.rules if r != rule))
                )
                self._redraw()

        what = choice.replace("-", " ").capitalize()
        text = f"{what} in up to {alike:,} conflicts of {row.table} ({KINDS[row.kind]}), save those decided one by one."
        self.app.push_screen(Question("For all alike", text, what), answered)

    def action_undo(self) -> None:
        """Take the last decision back."""
        if self._made:
            self.session.decisions, at = self._made.pop()
            self._redraw()
            self.query_one("#rows", OptionList).highlighted = at

    def _remember(self) -> None:
        self._made.append((self.session.decisions, self.query_one("#rows", OptionList).highlighted))

    def _redraw(self) -> None:
        self.session.save()
        listed = self.query_one("#rows", OptionList)
        for index, row in enumerate(self._rows):
            listed.replace_option_prompt_at_index(index, self._label(row))
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
