"""Resolve: rows that meet different live rows, both sides whole, one key a choice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.message import Message
from textual.widgets import Button, Static

from migrator_tui.migration.conflicts import ConflictGroup, ConflictRow, Preview
from migrator_tui.model.decisions import ConflictChoice, ConflictDecision, ConflictRule
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.progress import RunStatus
from migrator_tui.tui.conflict_actions import actions
from migrator_tui.tui.conflict_choices import (
    WORDS,
    Chosen,
    alike,
    fewer,
    keys_in_words,
    merged,
    per_field,
    rules_for,
    why_not,
    without,
)
from migrator_tui.tui.dialogs.by_rule import FIRST, ByRule
from migrator_tui.tui.dialogs.per_field import PerField
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.keeping import Keeper
from migrator_tui.tui.screens.conflict_editor import ConflictEditor
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.action_bar import ActionBar
from migrator_tui.tui.widgets.conflict_list import ConflictList
from migrator_tui.tui.widgets.conflict_sides import Marks, side_by_side
from migrator_tui.tui.widgets.line_list import LineList
from migrator_tui.tui.widgets.progress_table import bar
from migrator_tui.tui.widgets.rendered import Rendered
from migrator_tui.tui.wording import at_home, counted, visible

NARROW = 100
"""Cells below which both values of a field are shown one below the other."""
BAR = 20


class ResolveScreen(ConflictEditor):
    """Conflicts a page at a time; every decision is saved as it is made, and undone by ``u``."""

    STEP = Step.RESOLVE
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "choose('keep-source')", "Source", show=False, tooltip="The source's row.", id="resolve.source"),
        Binding("t", "choose('keep-target')", "Target", show=False, tooltip="The live row stays.", id="resolve.target"),
        Binding("f", "choose_fields", "Per field", show=False, tooltip="Choose field by field.", id="resolve.fields"),
        Binding("e", "edit_row", "Edit", show=False, tooltip="Write other values.", id="resolve.edit"),
        Binding("b", "keep_both", "Both", show=False, tooltip="Keep both, under a new key.", id="resolve.both"),
        Binding("B", "choose_all('keep-both')", "Both all", show=False, tooltip="For all alike.", id="all.both"),
        Binding("m", "choose('merge')", "Merge", show=False, tooltip="One with the row met.", id="resolve.merge"),
        Binding("M", "choose_all('merge')", "Merge all", show=False, tooltip="For all alike.", id="all.merge"),
        Binding("x", "choose('quarantine')", "Quarantine", show=False, tooltip="Set it aside.", id="resolve.aside"),
        Binding("k", "choose('skip')", "Skip", show=False, tooltip="Leave it out of this run.", id="resolve.skip"),
        Binding("S", "choose_all('keep-source')", "All source", show=False, tooltip="For all alike.", id="all.source"),
        Binding("T", "choose_all('keep-target')", "All target", show=False, tooltip="For all alike.", id="all.target"),
        Binding("X", "choose_all('quarantine')", "All aside", show=False, tooltip="For all alike.", id="all.aside"),
        Binding("K", "choose_all('skip')", "Skip all", show=False, tooltip="For all alike.", id="all.skip"),
        Binding("r", "by_rule", "By rule", tooltip="By what the rows hold: newer, longer.", id="resolve.rule"),
        Binding("v", "clear_selection", "Unselect", show=False, tooltip="Select nothing.", id="resolve.clear"),
        Binding("enter", "enter", "Go on", show=False, tooltip="Go on, or to the next to decide.", id="resolve.enter"),
        Binding("n", "next_undecided", "Next", tooltip="The next to decide.", id="resolve.next"),
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
    ResolveScreen #headline { height: auto; padding: 0 1; }
    ResolveScreen #foot { height: 1; padding: 0 1; }
    ResolveScreen #said { width: 1fr; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    ResolveScreen #go-on { min-width: 14; }
    """

    class Kept(Message):
        """The decisions were saved in a file, or could not be."""

        def __init__(self, where: Path | Exception) -> None:
            self.where = where
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self._before: list[tuple[Sequence[ConflictGroup], int | None]] = []
        self._said = ""
        self._lines: dict[str, Text] = {}
        self._sides_of: tuple[ConflictRow, tuple[object, ...]] | None = None
        self._keeper = Keeper(self._keep)

    def compose_body(self) -> ComposeResult:
        """The conflicts, and the one at the cursor."""
        yield Static("", id="headline", markup=False)
        with Container(id="both"):
            yield ConflictList(self._said_of, ahead=self._ahead, moved=self._show_sides, id="rows")
            with Container(id="sides"):
                yield Rendered(id="rows-of-both")
        yield ActionBar("", id="actions")
        with Horizontal(id="foot"):
            yield Static("", id="said", markup=False)
            yield Button("Go on", id="go-on", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Load the conflicts in a thread."""
        self._chosen = Chosen(self.session.decisions)
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._show_sides())
        outcome = self.session.outcome
        if outcome is None or outcome.status is not RunStatus.NEEDS_DECISIONS or not outcome.conflicts_found:
            self.query_one("#headline", Static).update("✓ Nothing to resolve. Enter or g goes on.")
            self.query_one("#go-on").focus()
            return
        if outcome.error is not None and outcome.error.id != "CONFLICTS":
            self.notify(f"{outcome.error.message} {outcome.error.hint}", severity="error", timeout=20)
        self._begin()

    # ── showing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _said_of(self, row: ConflictRow) -> str | None:
        choice, _, origin = self._chosen.of(row)
        return f"{WORDS.get(choice, choice.value)}{' (rule)' if origin == 'rule' else ''}" if choice else None

    def _headline(self) -> None:
        if self._reading:
            self._say("#headline", Text("Reading the conflicts …"))
            self._say("#said", Text(self._waiting_keys()))
            return
        total = sum(group.found for group in self._groups)
        decided = total - sum(group.undecided for group in self._groups)
        line = Text(f"{decided:,} of {total:,} decided", style="bold")
        if total:
            line.append(f"  {bar(decided / total, BAR)}▏ {decided * 100 // total} %", "not bold")
        if selected := len(self._listed.selected):
            line.append(f"   ◉ {counted(selected, 'row')} selected, v unselects", "bold")
        self._say("#headline", line)
        ready = self._all_decided()
        said = "Enter or g goes on with the run." if ready else "n goes to the next to decide."
        said = self._waiting_keys() or said
        self._say("#said", Text(f"{said}  {self._said}"))
        self.query_one("#go-on", Button).disabled = not ready

    def _say(self, line: str, said: Text) -> None:
        """Change a line if it says something else: a change lays the screen out, and a page down would wait for it."""
        if self._lines.get(line) != said:
            self._lines[line] = said
            self.query_one(line, Static).update(said)

    def _all_decided(self) -> bool:
        return bool(self._groups) and not any(group.undecided for group in self._groups)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """Show both sides of the row at the cursor."""
        self._show_sides()
        if self._groups:
            self._headline()

    def on_resize(self) -> None:
        """Beside each other where there is room."""
        self._show_sides()

    def _show_sides(self) -> None:
        row = self._listed.current
        if row is None:
            if self._sides_of is not None:
                self._sides_of = None
                self.query_one(Rendered).show("")
            return
        choice, taken, origin = self._chosen.of(row)
        values, followers = self._chosen.values_of(row), self._followers_of(row) or ()
        theme, width = self.app.current_theme, self.app.size.width
        self.query_one(ActionBar).offer(actions(row, self._listed.selected))
        looks = (choice, taken, values, origin, followers, theme.name, width < NARROW)
        if self._sides_of is not None and self._sides_of[0] is row and self._sides_of[1] == looks:
            return
        self._sides_of = (row, looks)
        marks = Marks(f"bold underline {theme.accent}", f"bold {theme.success}", f"bold {theme.warning}")
        stacked = width < NARROW
        both = side_by_side(
            row,
            choice,
            taken=taken,
            values=values,
            by_rule=origin == "rule",
            stacked=stacked,
            marks=marks,
            followers=followers,
        )
        self.query_one(Rendered).show(both)

    def _redraw(self) -> None:
        self._listed.show(self._groups)
        self._headline()
        self._show_sides()

    def _reopen(self, rows: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        """Ask once more about rows whose decision could not be carried out, or that changed after it."""
        kept = without(self.session.decisions, rows)
        if kept is not self.session.decisions:
            self.session.decisions, self._chosen = kept, Chosen(kept)
            self._keeper.wake()
        if rows:
            self.notify(f"{counted(len(rows), 'row')} to be decided once more; each says why.", severity="warning")

    # ── deciding ────────────────────────────────────────────────────────────────────────────────────────────────

    def action_enter(self) -> None:
        """Go on where all is decided, or to the next that is not."""
        self._in_turn(lambda: self._go_on() if self._all_decided() or not self._groups else self._next_undecided())

    def action_next_undecided(self) -> None:
        """The next row to decide, from the cursor on and around."""
        self._in_turn(self._next_undecided)

    def _next_undecided(self) -> None:
        index = self._listed.next_undecided()
        if index is not None:
            self._listed.move_to(index)

    def action_clear_selection(self) -> None:
        """Select nothing."""
        self._in_turn(self._clear_selection)

    def _clear_selection(self) -> None:
        self._listed.clear_selection()
        self._redraw()

    def action_choose(self, choice: str) -> None:
        """Decide the row at the cursor, and go to the next one; or all that are selected, after naming them."""
        wanted = ConflictChoice(choice)
        self._with_row(lambda row: self._choose(row, wanted), step=not self._listed.selecting)

    def _choose(self, row: ConflictRow, choice: ConflictChoice) -> bool:
        if selected := self._listed.selected:
            self._choose_selected(selected, choice)
            return False
        if self._refused(row, choice):
            return False
        self._decide([row], [_decision(row, choice)])
        return True

    def _choose_selected(self, selected: Sequence[ConflictRow], choice: ConflictChoice) -> None:
        rows = [row for row in selected if why_not(row, choice) is None]
        word = WORDS[choice].capitalize()
        if not rows:
            self.notify(why_not(selected[0], choice) or "", severity="warning")
            return
        named = visible(keys_in_words([row.key for row in rows[:FIRST]], len(rows)))
        text = f"{word} in {counted(len(rows), 'selected conflict')}: {named}."
        if left := len(selected) - len(rows):
            text += f" {counted(left, 'other')} cannot be decided so and stay as they are."

        def answered(yes: bool | None) -> None:
            if yes:
                self._decide(rows, [_decision(row, choice) for row in rows])
                self._clear_selection()

        self.app.push_screen(Question("The selected rows", text, word), answered)

    def action_choose_fields(self) -> None:
        """Choose field by field, where both sides have the row."""
        self._with_row(self._choose_fields)

    def _choose_fields(self, row: ConflictRow) -> None:
        if self._refused(row, ConflictChoice.PER_FIELD):
            return
        choice, taken, _ = self._chosen.of(row)
        taken = tuple(row.differing) if choice is ConflictChoice.KEEP_SOURCE else taken

        def answered(fields: tuple[str, ...] | None) -> None:
            if fields is not None:
                self._decide([row], [per_field(row, fields)])
                self._listed.action_step(1)

        self.app.push_screen(PerField(row, taken), answered)

    def _decide(self, rows: Iterable[ConflictRow], made: Sequence[ConflictDecision]) -> None:
        """Keep decisions about rows, in place of earlier ones."""
        newly = [row for row in rows if self._chosen.of(row)[0] is None]
        self._remember()
        self._chosen.decide(made)
        self._groups = fewer(self._groups, newly)
        self._changed()

    def action_choose_all(self, choice: str) -> None:
        """Decide all that are alike, after saying how many and which."""
        wanted = ConflictChoice(choice)
        self._with_row(lambda row: self._choose_all(row, wanted))

    def _choose_all(self, row: ConflictRow, choice: ConflictChoice) -> None:
        if choice is ConflictChoice.MERGE and row.kind == "several":
            self.notify(
                "Which of several rows survives is said row by row: m, or select some first.", severity="warning"
            )
        elif not self._refused(row, choice):
            self._pick_rule(f"{WORDS[choice].capitalize()} for all alike", alike(row, choice))

    def action_by_rule(self) -> None:
        """Decide by the rows' own values, after saying how many and which."""
        self._with_row(self._by_rule)

    def _by_rule(self, row: ConflictRow) -> None:
        if row.kind != "same-key":
            self.notify("Rules compare two rows of the same key.", severity="warning")
            return
        self._pick_rule(f"Decide in {visible(row.table)} by a rule", rules_for(row))

    def _pick_rule(self, title: str, rules: Sequence[tuple[str, ConflictRule]]) -> None:
        outcome = self.session.outcome
        if outcome is None:
            return
        run, by_row = outcome.run, replace(self.session.decisions, rules=())

        def ask(rule: ConflictRule) -> Preview:
            return self.guide.preview(run, by_row, rule, FIRST)

        def answered(rule: ConflictRule | None) -> None:
            if rule is not None:
                self._remember()
                self._chosen.rule(rule)
                self._changed()
                self._count_again()

        self.app.push_screen(ByRule(title, rules, ask), answered)

    def action_undo(self) -> None:
        """Take the last decision back, or the last key that waits."""
        if self._typed:
            line = self._typed.take_back()
            if line is not None:
                self._listed.move_to(line)
            self._headline()
        elif self._before and self._chosen.can_undo:
            self._chosen.undo()
            self._groups, at = self._before.pop()
            self._changed()
            if at is not None:
                self._listed.move_to(at)

    def _remember(self) -> None:
        self._before.append((self._groups, self._listed.cursor))

    def _changed(self) -> None:
        self.session.decisions = self._chosen.decisions
        self._keeper.wake()
        self._redraw()

    # ── saving, going on ────────────────────────────────────────────────────────────────────────────────────────

    def _keep(self) -> None:
        """In the keeper's thread: the decisions of this moment, for this screen and for people."""
        outcome = self.session.outcome
        where: Path | Exception
        try:
            self.session.save()
            if outcome is None:
                return
            where = self.guide.keep_decisions(outcome.run, self.session.decisions)
        except (OSError, MigratorError) as error:
            where = error
        self.post_message(self.Kept(where))

    def on_resolve_screen_kept(self, message: Kept) -> None:
        """Say where."""
        message.stop()
        if isinstance(message.where, Path):
            self._said = f"✓ saved in {at_home(message.where)}"
        else:
            self._said = f"✗ not saved: {message.where}"
        self._headline()

    def action_go_on(self) -> None:
        """Resume the run with the decisions; without conflicts, show the result."""
        self._in_turn(self._go_on)

    def _go_on(self) -> None:
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


def _decision(row: ConflictRow, choice: ConflictChoice) -> ConflictDecision:
    return (
        merged(row) if choice is ConflictChoice.MERGE else ConflictDecision(row.table, dict(row.key), choice, row.kind)
    )
