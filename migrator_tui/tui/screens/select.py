"""Select: which tables and columns are migrated, and under which names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Static

from migrator_tui.model.plan import Action, Plan, Scope, TableOverride, TablePlan
from migrator_tui.model.schema import TableName
from migrator_tui.tui import scope_edits
from migrator_tui.tui.dialogs.ask import Ask
from migrator_tui.tui.dialogs.give_value import GiveValue, column_and_value
from migrator_tui.tui.dialogs.parent_left_out import Leaving, ParentLeftOut
from migrator_tui.tui.screens.plan_screen import PlanScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.filter_line import FilterLine
from migrator_tui.tui.widgets.line_list import LineList
from migrator_tui.tui.widgets.table_list import CHECKBOX_CELLS, ColumnChoice, ColumnList, TableChoice, TableList
from migrator_tui.tui.wording import counted, sized

NAMED = 3


class SelectScreen(PlanScreen):
    """Every change shows at once; the plan for it follows when the person holds still."""

    STEP = Step.SELECT
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "Continue", tooltip="Go on to Review.", id="select.go_on"),
        Binding("space", "take", "Take/leave", tooltip="Take the table along, or leave it out.", id="select.toggle"),
        Binding(
            "x",
            "leave_column",
            "Column",
            show=False,
            tooltip="Leave the column behind, or take it back.",
            id="select.column",
        ),
        Binding("r", "rename", "Rename", tooltip="Rename the table or column on the target.", id="select.rename"),
        Binding("u", "project", "Users/files", tooltip="Users, files, access: see, correct.", id="select.project"),
        Binding("v", "fill", "Value", show=False, tooltip="Give a column of the target a value.", id="select.fill"),
        Binding("n", "names", "Names", show=False, tooltip="Keep names, or snake_case.", id="select.names"),
        Binding("a", "all", "All/none", show=False, tooltip="Take all shown tables, or none.", id="select.all"),
        Binding("s", "sort", "Sort", show=False, tooltip="Sort by rows, by name, as in the source.", id="select.sort"),
        Binding("slash", "filter", "Filter", show=False, tooltip="Filter by name.", id="select.filter"),
    ]
    DEFAULT_CSS = """
    SelectScreen #tables-side { width: 2fr; }
    SelectScreen #columns-side { width: 1fr; min-width: 44; border-left: solid $border-blurred; }
    SelectScreen.-narrow #tables-side { width: 100%; height: 3fr; }
    SelectScreen.-narrow #columns-side { width: 100%; height: 2fr; border: none; }
    SelectScreen #columns-title { height: 1; padding: 0 1; background: $surface; color: $text-muted; }
    SelectScreen ColumnList { padding: 0 0 0 1; }
    SelectScreen #said { height: auto; max-height: 2; padding: 0 1; color: $warning; display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._plans: Mapping[str, TablePlan] = {}
        self._taken: dict[str, bool] = {}
        self._parents: Mapping[str, tuple[str, ...]] = {}
        self._table_shown: str | None = None

    def compose_body(self) -> ComposeResult:
        """Tables, columns, totals."""
        yield Static("", id="headline", markup=False)
        yield FilterLine(id="filter")
        with Horizontal(classes="split"):
            with Vertical(id="tables-side"):
                yield TableList(id="tables")
            with Vertical(id="columns-side"):
                yield Static("", id="columns-title", markup=False)
                yield ColumnList(id="columns")
        yield Static("", id="said", markup=False)
        with Horizontal(id="bar"):
            yield Static("", id="totals", markup=False)
            yield Button("Continue", id="continue", variant="primary", compact=True)

    def on_mount(self) -> None:
        """The cursor goes into the list."""
        self.query_one(TableList).focus()
        if self.session.bench is not None:
            self._parents = scope_edits.parents(self.bench.source)

    def show_plan(self, plan: Plan) -> None:
        """Show what the plan takes."""
        self._plans = {table.source: table for table in plan.tables}
        for name, wanted in self._taken.items():
            if wanted and (name not in self._plans or self._plans[name].action is Action.SKIP):
                why = next((f.message for f in plan.findings if f.table == name and f.id.startswith("TA")), "")
                self._say(f"{name} stays out. {why}")
        self._taken = {}
        self._redraw()

    def _redraw(self) -> None:
        choices = []
        for table in self.bench.source.tables:
            name = table.name.name
            made = self._plans.get(name)
            waiting = name in self._taken
            choices.append(
                TableChoice(
                    source=name,
                    taken=self._is_taken(name),
                    rows=made.rows if made else None,
                    bytes=made.bytes if made else None,
                    target=str(made.target) if made else "",
                    action=None if waiting else (made.action if made else Action.SKIP),
                )
            )
        self.query_one(TableList).show(choices)
        self._totals()
        self._headline()

    def _is_taken(self, name: str) -> bool:
        made = self._plans.get(name)
        return self._taken.get(name, made is not None and made.action is not Action.SKIP)

    def _takes(self) -> list[str]:
        return [table.name.name for table in self.bench.source.tables if self._is_taken(table.name.name)]

    def _headline(self) -> None:
        tables = self.query_one(TableList)
        line = Text(overflow="ellipsis", no_wrap=True)
        line.append(f"{len(self._takes()):,} of {counted(len(self.bench.source.tables), 'table')}", style="bold")
        line.append(f"   a all/none   / filter   s {tables.order.value}", style="dim")
        line.append(f"   n names {'kept' if self.session.scope.names == 'keep' else 'in snake_case'}", style="dim")
        if tables.filter:
            line.append(f"   with “{tables.filter}”", style="bold")
        self.query_one("#headline", Static).update(line)

    def _totals(self) -> None:
        taken = [self._plans[name] for name in self._takes() if name in self._plans]
        text = f"{counted(len(self._takes()), 'table')}, {counted(sum(t.rows for t in taken), 'row')}, "
        text += sized(sum(t.bytes for t in taken)) + " of values"
        self.query_one("#totals", Static).update(text + ("   ◌ planning…" if self._taken or self.planning else ""))

    def _say(self, text: str) -> None:
        said = self.query_one("#said", Static)
        said.update(text)
        said.display = bool(text)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """Show the columns of the table at the cursor."""
        if isinstance(event.source, TableList):
            self._columns()

    def _columns(self) -> None:
        table = self.query_one(TableList).current
        title, columns = "", list[ColumnChoice]()
        if table is not None:
            described = self.bench.source.table(TableName("", table.source))
            made = self._plans.get(table.source)
            planned = {c.source: c for c in made.columns} if made else {}
            title = f"{table.source}: x leaves a column behind" if planned else f"{table.source} is left out"
            for column in described.columns if described and planned else ():
                to = planned.get(column.name)
                declared = column.type or "no type"
                if to is None:
                    columns.append(ColumnChoice(column.name, declared, None))
                else:
                    columns.append(ColumnChoice(column.name, declared, to.target, to.type, to.codec))
        elif self.plan is not None:
            title = "No table fits the filter. / changes it."
        self.query_one("#columns-title", Static).update(title, layout=False)
        same = table is not None and table.source == self._table_shown
        self._table_shown = table.source if table is not None else None
        self.query_one(ColumnList).show(columns, same_table=same)

    def on_line_list_pressed(self, event: LineList.Pressed) -> None:
        """A click on the checkbox toggles."""
        if isinstance(event.source, TableList) and (event.x < CHECKBOX_CELLS or event.twice):
            self.action_take()

    def action_take(self) -> None:
        """Take the table at the cursor along, or leave it out."""
        table = self.query_one(TableList).current
        if table is None or self.plan is None:
            return
        if not table.taken:
            added = scope_edits.companions(table.source, self._parents, self._takes())
            self._set({table.source: True} | dict.fromkeys(added, True))
            if added:
                shown = [f"{parent} added: {child} refers to it" for parent, child in added.items()]
                rest = f"; {len(shown) - NAMED} more added" if len(shown) > NAMED else ""
                self._say("✓ " + "; ".join(shown[:NAMED]) + rest + ".")
            return
        referring = scope_edits.dependants(table.source, self._parents, self._takes())
        if not referring:
            self._set({table.source: False})
            return

        def answered(choice: Leaving | None) -> None:
            if choice is Leaving.ALL:
                self._set(dict.fromkeys((table.source, *referring), False))
                self._say(f"− {', '.join(referring[:NAMED])} left out with {table.source}.")
            elif choice is Leaving.ALONE:
                self._set({table.source: False})
                self._say(f"⚠ {table.source} is left out; foreign keys to it may not be carried, see Review.")

        self.app.push_screen(ParentLeftOut(table.source, referring), answered)

    def action_all(self) -> None:
        """Take all tables that are shown, or none of them."""
        if self.plan is None:
            return
        shown = self.query_one(TableList).shown
        wanted = not all(table.taken for table in shown)
        changed = {table.source: wanted for table in shown if table.taken is not wanted}
        added: dict[str, str] = {}
        if wanted:
            taken = {*self._takes(), *changed}
            for name in list(changed):
                more = scope_edits.companions(name, self._parents, taken)
                added |= more
                taken |= more.keys()
        self._set(changed | dict.fromkeys(added, True))
        if added:
            self._say("✓ Also added, because others refer to them: " + ", ".join(added) + ".")

    def _set(self, wanted: Mapping[str, bool]) -> None:
        scope = self.session.scope
        for name, taken in wanted.items():
            scope = scope_edits.with_table(scope, name, self._action(scope, name) if taken else Action.SKIP)
        self._taken |= wanted
        self._say("")
        self.change(scope=scope)
        self._redraw()

    def _action(self, scope: Scope, name: str) -> Action | None:
        """What to fix for a table that is taken: the program's own way, where nothing else keeps the table out."""
        made = self._plans.get(name)
        fixed = scope.tables.get(name)
        if fixed is not None and fixed.action is Action.SKIP:
            return None if scope_edits.within_patterns(scope, name) else Action.CREATE
        return Action.MERGE if made is not None else Action.CREATE

    def action_leave_column(self) -> None:
        """Leave the column at the cursor behind, or take it back."""
        table, column = self.query_one(TableList).current, self.query_one(ColumnList).current
        if table is None or column is None or self.plan is None:
            return
        self.query_one(ColumnList).focus()
        left = column.target is not None
        if left and sum(1 for c in self._plans[table.source].columns) == 1:
            self._say(f"⚠ {column.source} is the last column of {table.source}: leave the table out instead (space).")
            return
        self._say("")
        self.change(scope=scope_edits.with_column_left_behind(self.session.scope, table.source, column.source, left))
        self._totals()

    def action_rename(self) -> None:
        """Rename the table, or the column where the cursor is in the columns."""
        table = self.query_one(TableList).current
        if table is None or self.plan is None or not table.taken or table.source not in self._plans:
            return
        if self.query_one(ColumnList).has_focus:
            self._rename_column(table.source)
        else:
            self._rename_table(table.source)

    def _rename_table(self, source: str) -> None:
        now = self._plans[source].target
        others = {str(made.target): name for name, made in self._plans.items() if name != source}
        default = self.session.scope.schema

        def objection(value: str) -> str | None:
            other = others.get(str(TableName.parse(value, default))) if value else None
            return f"That is the name of {other} already." if other else None

        def answered(value: str | None) -> None:
            if value is not None:
                target = TableName.parse(value, default) if value else None
                self.change(scope=scope_edits.with_target(self.session.scope, source, target))
                self._totals()

        text = f"Where the rows of {source} go: name or schema.name. A table that exists there is merged into."
        self.app.push_screen(
            Ask(f"Rename {source}", text, now.written(), "Rename", placeholder=source, objection=objection), answered
        )

    def _rename_column(self, table: str) -> None:
        column = self.query_one(ColumnList).current
        if column is None or column.target is None:
            return
        others = {c.target for c in self._plans[table].columns if c.source != column.source}

        def objection(value: str) -> str | None:
            return "Another column has that name." if value in others else None

        def answered(value: str | None) -> None:
            if value is not None:
                # Under snake_case the source's own name is one that is asked for.
                kept = value == column.source and self.session.scope.names == "keep"
                name = value if value and not kept else None
                self.change(scope=scope_edits.with_name(self.session.scope, table, column.source, name))
                self._totals()

        text = f"The name of {table}.{column.source} on the target."
        self.app.push_screen(
            Ask(
                f"Rename {table}.{column.source}",
                text,
                column.target,
                "Rename",
                placeholder=column.source,
                objection=objection,
            ),
            answered,
        )

    def action_names(self) -> None:
        """Keep the source's names, or write them in snake_case."""
        if self.plan is None:
            return
        kept = self.session.scope.names == "keep"
        self.change(scope=scope_edits.with_names(self.session.scope, "snake_case" if kept else "keep"))
        self._say("Names are written in snake_case." if kept else "Names are kept as they are.")
        self._headline()
        self._totals()

    def action_fill(self) -> None:
        """Give a column that only the target has a value for the rows that are added."""
        table = self.query_one(TableList).current
        if table is None or table.source not in self._plans:
            return
        made = self._plans[table.source]
        live = self.bench.target.table(made.target)
        if live is None:
            self._say(f"{made.target} is made anew, with the source's columns alone.")
            return
        override = self.session.scope.tables.get(table.source, TableOverride())
        described = self.bench.source.table(TableName("", table.source))
        # A table that has no place yet for want of the value has no columns planned: they go by their own names.
        sent = {c.target for c in made.columns} or {c.name for c in (described.columns if described else ())}
        own = [c for c in live.columns if c.name not in sent and not c.generated]
        if not own:
            self._say(f"Every column of {made.target} is filled by the source.")
            return

        def answered(value: str | None) -> None:
            if value is not None:
                column, expression = column_and_value(value)
                self.change(scope=scope_edits.with_fill(self.session.scope, table.source, column, expression))
                self._totals()

        self.app.push_screen(GiveValue(live, own, override.fill), answered)

    def action_sort(self) -> None:
        """Sort the next way."""
        self.query_one(TableList).next_order()
        self._headline()

    def action_filter(self) -> None:
        """Filter by name."""
        self.query_one(FilterLine).open()

    def on_filter_line_filtered(self, event: FilterLine.Filtered) -> None:
        """Filter as it is typed."""
        self.query_one(TableList).set_filter(event.text)
        self._headline()

    def on_filter_line_left(self) -> None:
        """Back to the list."""
        self.query_one(TableList).focus()

    def action_go_on(self) -> None:
        """Review, if there is anything to migrate."""
        if self.session.bench is not None and not self._takes() and self.plan is not None:
            self._say("⚠ Nothing is taken. space takes a table, a takes all.")
            return
        super().action_go_on()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Continue."""
        if event.button.id == "continue":
            self.action_go_on()
