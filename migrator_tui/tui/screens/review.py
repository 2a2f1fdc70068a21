"""Review: what is left to decide, the exact DDL, what will be touched, what it takes; then the run is started."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import DescendantFocus, Key
from textual.widgets import Button, OptionList, Static, TabbedContent, TabPane
from textual.widgets.option_list import Option

from migrator_tui import locations
from migrator_tui.migration.planning.plan_file import render
from migrator_tui.migration.runner import RunHandle
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.errors import MigratorError, UsageError
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Plan
from migrator_tui.tui import deciding
from migrator_tui.tui.breadth import breadth
from migrator_tui.tui.dialogs.ask import Ask
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.screens.plan_screen import PlanScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.ddl_view import DdlView
from migrator_tui.tui.widgets.finding_list import PLURALS, SEVERITIES, FindingList, alike
from migrator_tui.tui.widgets.line_list import LineList
from migrator_tui.tui.widgets.option_lines import OptionLines
from migrator_tui.tui.widgets.text_lines import TextLines
from migrator_tui.tui.wording import counted, sized, visible

PLAN_FILE = "./plan.yaml"
READY = "Ready. Nothing is published before you confirm it."
AT_WORK = "A run is at work: Enter shows it."


class ReviewScreen(PlanScreen):
    """Enter goes into the choices of a finding, takes one, and goes on to the next; at the end it starts the run."""

    STEP = Step.REVIEW
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "proceed", "Decide/start", tooltip="Decide the finding; start the run.", id="review.proceed"),
        Binding("r", "recommended(False)", "Recommended", tooltip="Recommended, where lossless.", id="review.safe"),
        Binding("R", "recommended(True)", "All recommended", show=False, tooltip="Also where lossy.", id="review.all"),
        Binding("n", "next_undecided", "Next", show=False, tooltip="The next to decide.", id="review.next"),
        Binding("w", "save_plan", "Save plan", tooltip="Write the plan to a file.", id="review.save"),
        Binding("u", "project", "Users/files", tooltip="Users, files, access: see, correct.", id="review.project"),
        Binding("f", "tab('findings')", "Findings", show=False, tooltip="Show the findings.", id="review.findings"),
        Binding("d", "tab('ddl')", "DDL", show=False, tooltip="Show the exact DDL.", id="review.ddl"),
        Binding("t", "tab('touched')", "Touched", show=False, tooltip="Show what is touched.", id="review.touched"),
        Binding("e", "tab('estimate')", "Estimate", show=False, tooltip="Show the estimate.", id="review.estimate"),
    ]
    DEFAULT_CSS = """
    ReviewScreen TabbedContent { height: 1fr; }
    ReviewScreen TabPane { padding: 0; height: 1fr; }
    ReviewScreen ContentSwitcher { height: 1fr; }
    ReviewScreen #list-side { width: 3fr; height: 1fr; }
    ReviewScreen #detail-side { width: 3fr; height: 1fr; border-left: solid $border-blurred; padding: 0 0 0 1; }
    ReviewScreen.-narrow #list-side { width: 100%; height: 2fr; }
    ReviewScreen.-narrow #detail-side { width: 100%; height: 3fr; border: none; border-top: solid $border-blurred; }
    ReviewScreen #what, ReviewScreen #meaning { height: auto; padding: 0 1 0 0; }
    ReviewScreen #meaning { margin: 1 0 0 0; }
    ReviewScreen #detail-side { scrollbar-size-vertical: 1; }
    ReviewScreen #choices { height: auto; border: none; background: $background; padding: 0; }
    ReviewScreen #choices > .option-list--option-highlighted { background: $primary-muted; color: $foreground; }
    ReviewScreen #figures { padding: 1 2; height: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._findings: tuple[Finding, ...] = ()
        self._described: Finding | None = None
        self._starting = False

    def compose_body(self) -> ComposeResult:
        """Headline, four panes, the button."""
        yield Static("", id="headline", markup=False)
        with TabbedContent(initial="findings"):
            with TabPane("Findings (f)", id="findings"), Horizontal(classes="split"):
                with Vertical(id="list-side"):
                    yield FindingList(id="list")
                with VerticalScroll(id="detail-side"):
                    yield Static("", id="what", markup=False)
                    yield OptionLines(id="choices", markup=False)
                    yield Static("", id="meaning", classes="muted", markup=False)
            with TabPane("DDL (d)", id="ddl"):
                yield DdlView(id="script")
            with TabPane("What is touched (t)", id="touched"):
                yield TextLines(id="effects")
            with TabPane("Estimate (e)", id="estimate"), VerticalScroll(id="numbers"):
                yield Static("", id="figures", markup=False)
        with Horizontal(id="bar"):
            yield Static("", id="obstacle", markup=False)
            yield Button("Start migration", id="start", variant="primary", compact=True, disabled=True)

    def on_mount(self) -> None:
        """The cursor goes into the findings."""
        self.query_one(FindingList).focus()

    def show_plan(self, plan: Plan) -> None:
        """Show the plan in all panes."""
        first = not self._findings
        self._findings = deciding.settled(plan.findings, self.session.decisions)
        self.query_one(FindingList).show(self._findings)
        self.query_one(DdlView).show([f"{statement};" for statement in plan.ddl])
        self.query_one(TextLines).show(deciding.touched(plan, self.bench.facts.counts))
        self.query_one("#figures", Static).update(figures(plan))
        self._say_what_is_left()
        start = self.query_one("#start", Button)
        if first and not start.disabled and self.focused is self.query_one(FindingList):
            start.focus()

    def _say_what_is_left(self) -> None:
        line = Text()
        for severity, (symbol, word, _) in SEVERITIES.items():
            number = sum(1 for finding in self._findings if finding.severity is severity)
            if number:
                line.append(f"{symbol} {number:,} {word if number == 1 else PLURALS[severity]}   ")
        waiting = sum(1 for finding in self._findings if finding.needs_decision)
        line.append(f"{waiting:,} to decide" if waiting else "✓ nothing left to decide", style="bold")
        if waiting:
            narrow = breadth(self.app.size.width) == "-narrow"
            line.append("   r recommended" if narrow else "   r takes the recommended, R lossy too", style="dim")
        self.query_one("#headline", Static).update(line)
        obstacle = self._obstacle()
        self.query_one("#obstacle", Static).update(obstacle or READY)
        start = self.query_one("#start", Button)
        start.disabled = obstacle not in (None, AT_WORK)
        start.label = "Show the run" if obstacle == AT_WORK else "Start migration"

    def _obstacle(self) -> str | None:
        if self._starting:
            return "◌ Starting…"
        if self.plan is None:
            return "◌ Planning…"
        if self.migrator.running:
            return AT_WORK
        found = deciding.obstacle(self._findings, len(self.plan.moved))
        return found or ("◌ Planning with what was decided…" if self.planning else None)

    def on_line_list_moved(self, event: LineList.Moved) -> None:
        """Show the finding at the cursor."""
        if isinstance(event.source, FindingList):
            self._finding()

    def _finding(self) -> None:
        finding = self.query_one(FindingList).current
        choices = self.query_one("#choices", OptionList)
        what = self.query_one("#what", Static)
        if finding is None:
            choices.set_options([])
            choices.display = False
            self.query_one("#meaning", Static).update("")
            what.update("Nothing to say: every value and every object has its place on the target.")
            return
        what.update(described(finding))
        self.query_one("#meaning", Static).update(finding.kind.meaning)
        at = choices.highlighted if self._described is not None and alike(self._described, finding) else None
        self._described = finding
        choices.set_options(option(finding, name) for name in finding.choices)
        choices.display = bool(finding.choices)
        names = list(finding.choices)
        if at is not None and at < len(names):
            choices.highlighted = at
        elif names:
            choices.highlighted = names.index(finding.decision) if finding.decision in names else 0
        if choices.has_focus:
            self._show_choices()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """All choices come into sight where there is little room."""
        if event.widget is self.query_one("#choices"):
            self._show_choices()

    def _show_choices(self) -> None:
        choices = self.query_one("#choices")
        self.call_after_refresh(choices.scroll_visible, animate=False, top=True)

    def on_line_list_pressed(self, event: LineList.Pressed) -> None:
        """A double click goes into the choices."""
        if event.twice and isinstance(event.source, FindingList):
            self.action_proceed()

    def on_key(self, event: Key) -> None:
        """Space chooses as Enter does."""
        key = event.key
        choices = self.query_one("#choices", OptionList)
        if key == "space" and choices.has_focus:
            choices.action_select()
        elif key == "left" and choices.has_focus:
            self.query_one(FindingList).focus()
        elif key in ("right", "space") and self.query_one(FindingList).has_focus and choices.display:
            choices.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take a choice, and go to the next finding that waits."""
        finding = self.query_one(FindingList).current
        if finding is None or event.option_id is None:
            return
        self._decide(deciding.with_choice(self.session.decisions, finding, event.option_id))
        self._go_to_next()

    def _decide(self, decisions: Decisions) -> None:
        self.change(decisions=decisions)
        self._findings = deciding.settled(self._findings, decisions)
        self.query_one(FindingList).show(self._findings)
        self._say_what_is_left()

    def _go_to_next(self) -> None:
        findings = self.query_one(FindingList)
        index = findings.next_undecided()
        if index is None:
            findings.focus()
            return
        findings.move_to(index)
        self.query_one("#choices", OptionList).focus()

    def action_next_undecided(self) -> None:
        """The next finding that waits."""
        self.action_tab("findings")
        self._go_to_next()

    def action_proceed(self) -> None:
        """Into the choices; start the run when nothing is left."""
        if self.plan is None:
            return
        finding = self.query_one(FindingList).current
        if any(f.needs_decision for f in self._findings):
            self.action_tab("findings")
            if finding is not None and finding.choices:
                self.query_one("#choices", OptionList).focus()
            else:
                self._go_to_next()
        else:
            self._start()

    def action_recommended(self, lossy: bool) -> None:
        """Take the recommended choices of what is undecided."""
        _, safe = deciding.with_recommended(self.session.decisions, self._findings, lossy=False)
        decisions, taken = deciding.with_recommended(self.session.decisions, self._findings, lossy=lossy)
        if not taken:
            waiting = any(f.needs_decision for f in self._findings)
            text = "What is left is lossy: R takes it, or decide one by one." if waiting else "All is decided."
            self.notify(text, timeout=3)
            return
        if taken == safe:
            self._decide(decisions)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._decide(decisions)

        named = [f for f in self._findings if f.needs_decision and f.recommended and f.recommended.lossy]
        lines = [f"• {f.message} → {f.recommended.name}" for f in named[:5] if f.recommended]
        if len(named) > 5:
            lines.append(f"• and {len(named) - 5} more")
        text = "The identical values of these cannot be had back:\n" + "\n".join(map(visible, lines))
        self.app.push_screen(Question("Take lossy choices?", text, f"Take all {taken}", grave=True), answered)

    def action_tab(self, tab: str) -> None:
        """Show a pane, and put the cursor into it."""
        self.query_one(TabbedContent).active = tab
        wanted = {"findings": "#list", "ddl": "#script", "touched": "#effects", "estimate": "#numbers"}[tab]
        self.query_one(wanted).focus()

    def action_save_plan(self) -> None:
        """Write the plan to a file that a headless run replays."""
        if self.plan is None or self.planning:
            self.notify("The plan is not there yet.", timeout=2)
            return

        def answered(path: str | None) -> None:
            if path and self.plan is not None:
                self._save(self.plan, Path(path).expanduser())

        def objection(value: str) -> str | None:
            return None if value else "A path is needed."

        text = "`migrator-tui migrate --plan FILE` replays it. A file that is there is replaced."
        self.app.push_screen(Ask("Save the plan", text, PLAN_FILE, "Save", objection=objection), answered)

    def _save(self, plan: Plan, path: Path) -> None:
        try:
            locations.write_private(path, render(plan))
        except OSError as error:
            text = f"{path} cannot be written: {error.strerror or type(error).__name__}."
            self.show_trouble(UsageError("PLAN-FILE", text, "Choose a folder that exists and can be written."))
            return
        self.notify(f"Saved to {path}.")

    def _start(self) -> None:
        obstacle = self._obstacle()
        if obstacle == AT_WORK:
            self.migrator.go(Step.RUN)
            return
        if obstacle is not None:
            self._say_what_is_left()
            return
        self._starting = True
        self._say_what_is_left()
        self.session.save()
        bench, scope, decisions = self.bench, self.session.scope, self.session.decisions

        def start() -> None:
            try:
                handle = self.guide.start(bench, scope, decisions)
            except MigratorError as error:
                self.app.call_from_thread(self._not_started, error)
                return
            self.app.call_from_thread(self._started, handle)

        self.run_worker(start, thread=True, exit_on_error=False, group="start")

    def _not_started(self, error: MigratorError) -> None:
        self._starting = False
        self._say_what_is_left()
        self.show_trouble(error)

    def _started(self, handle: RunHandle) -> None:
        self.session.handle, self.session.outcome = handle, None
        self.migrator.go(Step.RUN)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Start."""
        if event.button.id == "start":
            self._start()


def described(finding: Finding) -> Text:
    """A finding in full: what, where, how many, which rows, which values."""
    text = Text()
    symbol, word, _ = SEVERITIES[finding.severity]
    text.append(f"{symbol} {word}  {finding.id}  ", style="bold")
    text.append(f"{finding.kind.title}\n", style="bold")
    text.append(f"{visible(finding.message)}\n")
    if finding.rows:
        text.append(f"{counted(finding.rows, 'row')}", style="bold")
        if finding.keys:
            text.append(f", keys {visible(', '.join(finding.keys))}")
            text.append(" …" if finding.rows > len(finding.keys) else "")
        text.append("\n")
    if finding.samples:
        apart = "\n" if any("\n" in sample for sample in finding.samples) else "  "
        text.append(apart.join(visible(sample) for sample in finding.samples) + "\n", style="italic")
    return text


def option(finding: Finding, name: str) -> Option:
    """One choice as a radio button with its effect."""
    choice = finding.kind.choice(name)
    text = Text("◉ " if finding.decision == name else "○ ")
    text.append(name, style="bold")
    if finding.choices[0] == name:
        text.append("  recommended", style="italic")
    if choice is not None:
        text.append("  ⚠ lossy" if choice.lossy else "  ✓ lossless")
        text.append(f"\n  {choice.effect}", style="dim")
    return Option(text, id=name)


def figures(plan: Plan) -> Text:
    """The estimate."""
    estimate = plan.estimate
    text = Text()
    for name, value, note in (
        ("Rows", f"{estimate.rows:,}", f"of {counted(len(plan.moved), 'table')}"),
        ("Values", sized(estimate.bytes), "as SQLite stores them"),
        ("Disk at most", sized(estimate.peak_bytes), "while rows are staged and indexed"),
        ("Time", f"about {estimate.seconds:,.0f} s", "to stage and check; publishing is short"),
    ):
        text.append(f"{name:<14}", style="bold")
        text.append(f"{value:>14}   ")
        text.append(f"{note}\n", style="dim")
    for note in plan.notes:
        text.append(f"\n{visible(note)}")
    return text
