"""Compare: both schemas side by side, every difference with its reason, target types to be changed."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Static

from migrator_tui.migration.comparing.schemas import Standing
from migrator_tui.model.plan import Action, ColumnPlan, Plan
from migrator_tui.tui.deciding import with_choice
from migrator_tui.tui.dialogs.both_sides import both_sides
from migrator_tui.tui.dialogs.column_type import ColumnType, Wanted, carried
from migrator_tui.tui.project_edits import Chosen
from migrator_tui.tui.scope_edits import with_type
from migrator_tui.tui.screens.plan_screen import PlanScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.filter_line import FilterLine
from migrator_tui.tui.widgets.line_list import LineList
from migrator_tui.tui.widgets.side_by_side import NOT_CARRIED, STANDINGS, SideBySide, standing
from migrator_tui.tui.wording import counted, visible

EQUAL = tuple(STANDINGS[kind][:2] for kind in (Standing.LEFT_OUT, Standing.CONVERTED, Standing.SAME))
DIFFERENT = tuple(STANDINGS[kind][:2] for kind in (Standing.EXTRA, Standing.MISSING))
HEADLINE_ORDER = (STANDINGS[Standing.CHANGED][:2], NOT_CARRIED[:2], *DIFFERENT, *EQUAL)
"""Symbol and word of what is counted, what needs a look first: a narrow terminal cuts the end."""

OTHER_AFFAIRS = ("EXPOSURE-", "FILES-COLUMN", "FILES-USER", "USER-")
"""What findings begin with that are about a column and not about its type: who reaches it, which files it names."""


class CompareScreen(PlanScreen):
    """Looks at the plan as a difference of two schemas; only a column's target type is changed here."""

    STEP = Step.COMPARE
    WITH_PAIRS = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "Continue", tooltip="Go on to Select.", id="compare.go_on"),
        Binding("n", "difference(1)", "Next difference", tooltip="The next difference.", id="compare.next"),
        Binding(
            "N", "difference(-1)", "Previous", show=False, tooltip="The previous difference.", id="compare.previous"
        ),
        Binding("f", "only_differences", "Filter", show=False, tooltip="Only differences, or all.", id="compare.only"),
        Binding("slash", "filter", "Filter by text", show=False, tooltip="Filter by text.", id="compare.filter"),
        Binding("space", "fold", "Fold", show=False, tooltip="Fold the table away, or open it.", id="compare.fold"),
        Binding("d", "ddl", "DDL", tooltip="The DDL of both sides.", id="compare.ddl"),
        Binding("t", "edit_type", "Type", tooltip="Change the target type of the column.", id="compare.type"),
    ]
    DEFAULT_CSS = """
    CompareScreen #detail { height: 4; padding: 0 1; background: $surface; }
    """

    def compose_body(self) -> ComposeResult:
        """Headline, list, what is at the cursor, continue."""
        yield Static("", id="headline", markup=False)
        yield FilterLine(id="filter")
        yield SideBySide(id="objects")
        yield Static("", id="detail", markup=False)
        with Horizontal(id="bar"):
            yield Static("/ filter   f only differences   N previous   space fold", classes="muted", markup=False)
            yield Button("Continue", id="continue", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Draft, and put the cursor into the list."""
        self.query_one(SideBySide).focus()

    def show_plan(self, plan: Plan) -> None:
        """Show both schemas."""
        self.query_one(SideBySide).show(self.pairs)
        self._headline()

    def _headline(self) -> None:
        line = Text(overflow="ellipsis", no_wrap=True)
        tables = sum(1 for pair in self.pairs if pair.object == "table")
        line.append(counted(tables, "table"), style="bold")
        objects = self.query_one(SideBySide)
        if objects.only_differences:
            line.append("  only differences", style="bold")
        counts = Counter(standing(pair)[:2] for pair in self.pairs)
        for symbol, word in HEADLINE_ORDER:
            number = counts[symbol, word]
            if number and not (objects.only_differences and (symbol, word) in EQUAL):
                line.append(f"  {symbol} {number:,} {word}")
        if objects.filter:
            line.append(f"  with “{objects.filter}”", style="bold")
        self.query_one("#headline", Static).update(line)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """Say why."""
        pair = self.query_one(SideBySide).current
        detail = self.query_one("#detail", Static)
        if pair is None:
            if self.plan is not None:
                empty = "Nothing differs. f shows all." if self.pairs else "Both ends are empty. Esc goes back."
                detail.update("Nothing fits the filter. / changes it." if self.query_one(SideBySide).filter else empty)
            return
        symbol, word, _ = self.query_one(SideBySide).status(pair)
        text = Text()
        text.append(f"{symbol} {word}  ", style="bold")
        text.append(f"{pair.object} {visible(pair.name)}", style="bold")
        text.append(f"   {pair.why}" if pair.why else "")
        column = self._column()
        if column is not None:
            text.append(f"\n{carried(column.codec)}.", style="dim")
            if column.default is not None:
                text.append(f" Default {column.default}.", style="dim")
        source, target = pair.source or "(not there)", pair.target or pair.planned or "(nothing)"
        text.append(f"\nsource {' '.join(source.split())}", style="dim")
        text.append(f"\ntarget {' '.join(target.split())}", style="dim")
        detail.update(text, layout=False)  # of four lines whatever it says

    def _column(self) -> ColumnPlan | None:
        """The planned column at the cursor."""
        pair = self.query_one(SideBySide).current
        if pair is None or pair.object != "column" or self.plan is None:
            return None
        table = next((t for t in self.plan.moved if t.source == pair.table), None)
        name = pair.name.removeprefix(f"{pair.table}.")
        return next((c for c in table.columns if c.source == name), None) if table else None

    def action_difference(self, way: int) -> None:
        """The next or previous difference."""
        if not self.query_one(SideBySide).next_difference(way):
            self.notify("Nothing differs.", timeout=2)

    def action_only_differences(self) -> None:
        """Only differences, or all."""
        self.query_one(SideBySide).toggle_differences()
        self._headline()

    def action_filter(self) -> None:
        """Filter by text."""
        self.query_one(FilterLine).open()

    def action_fold(self) -> None:
        """Fold the table at the cursor."""
        self.query_one(SideBySide).toggle_fold()

    def on_filter_line_filtered(self, event: FilterLine.Filtered) -> None:
        """Filter as it is typed."""
        self.query_one(SideBySide).set_filter(event.text)
        self._headline()

    def on_filter_line_left(self) -> None:
        """Back to the list."""
        self.query_one(SideBySide).focus()

    def on_line_list_pressed(self, event: LineList.Pressed) -> None:
        """A double click opens the DDL."""
        if event.twice:
            self.action_ddl()

    def action_ddl(self) -> None:
        """The DDL of both sides of the object's table."""
        pair = self.query_one(SideBySide).current
        if pair is not None and self.plan is not None:
            self.app.push_screen(both_sides(pair, self.bench, self.plan))

    def action_edit_type(self) -> None:
        """Another target type for the column at the cursor."""
        pair, column = self.query_one(SideBySide).current, self._column()
        if pair is None or column is None or self.plan is None:
            self.notify("Only a column that is carried has a target type.", timeout=3)
            return
        if self.plan.table(pair.table).action is Action.MERGE:
            self.notify("The table exists on the target: its column keeps its type.", timeout=3)
            return
        bench, scope, decisions = self.bench, self.session.scope, self.session.decisions

        def attempt(wanted: Wanted) -> tuple[Chosen, Plan]:
            if isinstance(wanted, str):
                chosen = Chosen(with_type(scope, pair.table, column.source, wanted or None), decisions)
            else:
                chosen = Chosen(scope, with_choice(decisions, *wanted))
            return chosen, bench.draft(chosen.scope, chosen.decisions)

        def answered(kept: tuple[Chosen, Plan] | None) -> None:
            if kept is not None:
                self.take(*kept)

        asked = [
            finding
            for finding in self.plan.findings
            if finding.choices
            and (finding.table, finding.column) == (pair.table, column.source)
            and not finding.id.startswith(OTHER_AFFAIRS)
        ]
        self.app.push_screen(ColumnType(pair.table, pair.source or "no type", column, attempt, asked), answered)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Continue."""
        if event.button.id == "continue":
            self.action_go_on()
