"""Result: what happened in one sentence, the verification, what was not carried, and how to undo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Button, Static

from migrator_tui.migration.runner import RunHandle
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.outcome import Beside, RunOutcome
from migrator_tui.model.progress import RunStatus
from migrator_tui.tui.dialogs.access import AccessMatrix
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.access_grid import Access, accesses
from migrator_tui.tui.widgets.button_row import ButtonRow
from migrator_tui.tui.wording import at_home, counted, homely

SHOWN_TABLES = 500
TRIED = "Tried: "
"""What a line about one table's access says that the matrix shows better."""


class ResultScreen(StepScreen):
    """The end of a run, and the way back."""

    STEP = Step.RESULT
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("u", "undo", "Undo", tooltip="Take the run back, never over a later change.", id="result.undo"),
        Binding(
            "a", "access", "Access", tooltip="Who may do what on which table, as it was tried.", id="result.access"
        ),
        Binding("c", "copy", "Copy path", tooltip="Copy the report's path.", id="result.copy"),
        Binding("up", "scroll(-1)", "Up", show=False, tooltip="Scroll a line up.", id="result.up"),
        Binding("down", "scroll(1)", "Down", show=False, tooltip="Scroll a line down.", id="result.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, tooltip="Scroll a page up.", id="result.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, tooltip="Scroll a page down.", id="result.page_down"),
        Binding("h", "home", "Home", tooltip="Back to the first screen.", id="result.home"),
    ]
    DEFAULT_CSS = """
    ResultScreen #sentence { padding: 1 2; text-style: bold; height: auto; }
    ResultScreen #sentence.-good { color: $success; }
    ResultScreen #sentence.-bad { color: $error; }
    ResultScreen VerticalScroll { padding: 0 2; }
    ResultScreen VerticalScroll { scrollbar-size-vertical: 1; }
    ResultScreen .buttons { height: 1; padding: 0 1; align-horizontal: right; }
    ResultScreen .buttons Button { margin: 0 0 0 1; min-width: 14; }
    """

    def compose_body(self) -> ComposeResult:
        """Sentence, verification, the rest, buttons."""
        outcome = self.session.outcome
        if outcome is None:
            yield Static("No run has ended yet.", id="sentence")
            return
        good = outcome.status in (RunStatus.SUCCEEDED, RunStatus.ROLLED_BACK)
        yield Static(sentence(outcome), id="sentence", classes="-good" if good else "-bad", markup=False)
        with VerticalScroll(id="told", can_focus=False):
            if outcome.tables and outcome.status is not RunStatus.ROLLED_BACK:
                yield Static(verification(outcome))
            yield Static(remarks(outcome))
        with ButtonRow(classes="buttons"):
            if accesses_of(outcome):
                yield Button("Access", id="access", compact=True)
            if outcome.status is RunStatus.SUCCEEDED:
                yield Button("Undo…", id="undo", compact=True)
                yield Button("Done", id="home", variant="primary", compact=True)
            else:
                yield Button("Home", id="home", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Enter is Done."""
        self.query("#home").focus()  # none is there when the program ends while this screen is being made

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what succeeded can be undone, and only what was tried can be shown."""
        outcome = self.session.outcome
        if action == "access":
            return outcome is not None and bool(accesses_of(outcome))
        if action == "undo":
            return outcome is not None and outcome.status is RunStatus.SUCCEEDED
        return True

    def action_undo(self) -> None:
        """Ask, then roll the run back."""
        outcome = self.session.outcome
        if outcome is None or outcome.status is not RunStatus.SUCCEEDED:
            return
        local = self.session.ends is not None and self.session.ends.target == "embedded"
        label = self.session.target_label

        def answered(yes: bool | None) -> None:
            if yes:
                self.query_one("#sentence", Static).update("Rolling back …")
                self.run_worker(lambda: self._roll_back(outcome.run), thread=True, exit_on_error=False)

        text = (
            f"What this run published leaves {label}: its new tables, and the rows that it added to live ones; rows "
            f"that it changed there are restored. {beside_gone(outcome)}What was changed since is kept and listed."
        )
        question = Question("Undo this run?", text, "Undo the run", typed=None if local else label, grave=True)
        self.app.push_screen(question, answered)

    def _roll_back(self, run: str) -> None:
        try:
            handle = self.guide.rollback(run, self.session.password)
        except MigratorError as error:
            self.app.call_from_thread(self.show_trouble, error)
            return
        self.app.call_from_thread(self._watch, handle)

    def _watch(self, handle: RunHandle) -> None:
        self.session.handle = handle

        def look() -> None:
            outcome = handle.outcome()
            if outcome is not None:
                timer.stop()
                self.session.end(outcome)
                self.migrator.go(Step.RESULT)

        timer = self.set_interval(0.1, look)

    def action_scroll(self, lines: int) -> None:
        """Scroll, whichever button has the focus."""
        for body in self.query("#told"):
            body.scroll_relative(y=lines, animate=False)

    def action_page(self, way: int) -> None:
        """Scroll a page."""
        for body in self.query("#told"):
            body.scroll_relative(y=way * max(1, body.size.height - 1), animate=False)

    def action_access(self) -> None:
        """Show who may do what."""
        outcome = self.session.outcome
        if outcome is not None and (found := accesses_of(outcome)):
            self.app.push_screen(AccessMatrix(found))

    def action_copy(self) -> None:
        """Copy the report's path."""
        outcome = self.session.outcome
        if outcome is not None and outcome.report:
            self.app.copy_to_clipboard(outcome.report)
            self.notify(f"Copied: {at_home(outcome.report)}")

    def action_home(self) -> None:
        """Back to the first screen."""
        self.migrator.go(Step.HOME)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Done, access or undo."""
        if event.button.id == "access":
            self.action_access()
        elif event.button.id == "undo":
            self.action_undo()
        else:
            self.action_home()


def accesses_of(outcome: RunOutcome) -> tuple[Access, ...]:
    """The access matrix of a run; empty where there is none, or where the tables are gone again."""
    if outcome.status is RunStatus.ROLLED_BACK:
        return ()
    return next((accesses(item.details) for item in outcome.beside if item.name == "exposure"), ())


def sentence(outcome: RunOutcome) -> str:
    """What happened, in one sentence with a symbol."""
    rows = counted(sum(table.published_rows for table in outcome.tables), "row")
    tables = counted(len(outcome.tables), "table")
    left = sum(table.quarantined_rows for table in outcome.tables)
    if outcome.status is RunStatus.SUCCEEDED:
        behind = f" {counted(left, 'row')} stayed behind in quarantine." if left else ""
        return f"✓ {rows} in {tables} on the target, every cell verified.{behind}"
    if outcome.status is RunStatus.ROLLED_BACK:
        kept = " What was edited since is kept; see below." if outcome.kept_edits else ""
        return f"✓ The run was taken back: the target is as it was.{kept}"
    said = f"{outcome.error.id}: {outcome.error.message}" if outcome.error else ""
    return f"✗ {outcome.status.value.replace('_', ' ')}. {said}"


def verification(outcome: RunOutcome) -> Table:
    """Per table: the row equation, and whether every cell was found equal."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    table.add_column("table", no_wrap=True)
    merged = any(t.kept_target or t.updated or t.unchanged for t in outcome.tables)
    for name in ("source", *(() if merged else ("staged",)), "quarantined", "published"):
        table.add_column(name, justify="right")
    if merged:
        table.add_column("updated", justify="right")
        table.add_column("kept", justify="right")
        table.caption = Text("kept: rows of the source where the target's own row stays as it is", "dim")
        table.caption_justify = "left"
    table.add_column("verified", no_wrap=True)
    for t in outcome.tables[:SHOWN_TABLES]:
        numbers = [t.source_rows, *(() if merged else (t.staged_rows,)), t.quarantined_rows, t.published_rows]
        numbers += [t.updated, t.kept_target] if merged else []
        label = Text(t.source if t.target.endswith(f".{t.source}") else f"{t.source} → {t.target}")
        said = "✗ no" if not t.verified else "✓ yes" if merged else "✓ every cell"
        table.add_row(label, *(f"{n:,}" for n in numbers), said)
    if len(outcome.tables) > SHOWN_TABLES:
        table.add_row(f"… {len(outcome.tables) - SHOWN_TABLES} more in the report")
    return table


def told(item: Beside) -> Iterator[str]:
    """What became of users, files or access: the counts, then what a person should know.

    What was tried on each table is left to the access matrix.
    """
    sign = "✓" if item.verified else "✗"
    if item.name == "exposure":
        tables = counted(item.moved, "table")
        yield f"{sign} access → {item.target}: {tables} open as planned, {item.left:,} closed; found by trying it"
        yield from (homely(line) for line in item.lines if TRIED not in line)
        return
    counts = [f"{item.moved:,} of {item.total:,} made"] if item.total else []
    counts += [f"{item.matched:,} were there already"] if item.matched else []
    counts += [f"{item.left:,} stayed behind"] if item.left else []
    said = ", ".join(counts)
    yield f"{sign} {item.name} → {item.target}{': ' if said else ''}{said}"
    yield from map(homely, item.lines)


def beside_gone(outcome: RunOutcome) -> str:
    """What undoing takes back beside the tables, in a sentence; nothing where there is nothing."""
    made = {item.name for item in outcome.beside if item.moved}
    parts = ["the files that it uploaded"] if "files" in made else []
    parts += ["the users that it made and nobody has signed in to since"] if "users" in made else []
    said = " and ".join(parts)
    return f"{said[0].upper()}{said[1:]} are deleted. " if said else ""


def remarks(outcome: RunOutcome) -> Table:
    """What was not carried, notes, kept edits, where the report is, what to do next."""
    grid = Table.grid(padding=(0, 1, 0, 0))

    def line_of(line: str, sign: str, style: str = "") -> None:
        bullet = Table.grid(padding=(0, 1, 0, 0))
        bullet.add_row(Text(f"  {sign}", style), Text(line, overflow="fold"))
        grid.add_row(bullet)

    def section(title: str, lines: list[str]) -> None:
        if lines:
            grid.add_row()
            grid.add_row(Text(title, "bold"))
            for line in lines:
                line_of(line, "•")

    if outcome.status is not RunStatus.ROLLED_BACK and outcome.beside:
        grid.add_row()
        grid.add_row(Text("Users, files and access", "bold"))
        for item in outcome.beside:
            first, *more = told(item)
            line_of(first[2:], first[0], "bold")
            for line in more:
                line_of(line, "  •", "dim")
    if outcome.status is not RunStatus.ROLLED_BACK:
        section("Not carried", [item.why for item in outcome.not_carried])
    section("Kept, because it was changed since", list(outcome.kept_edits))
    section("Notes", list(dict.fromkeys(outcome.notes)))
    if outcome.report:
        section("Report", [at_home(outcome.report)])
    if outcome.status is RunStatus.SUCCEEDED:
        run = outcome.run
        verify = [f"migrator-tui verify {run}   compares it once more"] if outcome.comparable else []
        section("Next", [*verify, f"migrator-tui rollback {run}   takes it back"])
    return grid
