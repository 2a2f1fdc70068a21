"""Home: the demo, a project, a comparison; what was begun and can go on; what lies in the folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widgets import OptionList, Static
from textual.worker import Worker, WorkerState

from migrator_tui.demo import FOLDER
from migrator_tui.migration.guide import Ends, Offer
from migrator_tui.migration.run_folder import RunRecord
from migrator_tui.migration.runner import RunHandle
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Scope
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.secret import Secret
from migrator_tui.tui.dialogs.password import Password
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.session import Session
from migrator_tui.tui.steps import Step
from migrator_tui.tui.target_text import short
from migrator_tui.tui.widgets.choices import Choice, Choices

RESUMABLE = (RunStatus.INTERRUPTED, RunStatus.NEEDS_DECISIONS)
SHOWN_RUNS, SHOWN_FILES = 200, 500
IN_STEP, SYNC = "Keep in step", "sync-"
DEMO, MIGRATE, COMPARE, BACK = "demo", "migrate", "compare", "back"
BEGINNINGS = (
    Choice(DEMO, "Try the demo", "A sample application; no network, no account.", "d"),
    Choice(MIGRATE, "Migrate a project", "Staged, checked, published at once, undoable.", "m"),
    Choice(COMPARE, "Compare two databases", "Both schemas side by side. Nothing is changed.", "c"),
)
MARKS = {
    RunStatus.RUNNING: ("● running", "$secondary"),
    RunStatus.PAUSED: ("⏸ paused", "$secondary"),
    RunStatus.SUCCEEDED: ("✓ succeeded", "$success"),
    RunStatus.NEEDS_DECISIONS: ("⚠ needs decisions", "$warning"),
    RunStatus.INTERRUPTED: ("■ interrupted", "$warning"),
    RunStatus.VERIFICATION_FAILED: ("✗ verification failed", "$error"),
    RunStatus.ROLLED_BACK: ("↺ rolled back", "$foreground 60%"),
    RunStatus.FAILED: ("✗ failed", "$error"),
}


class HomeScreen(StepScreen):
    """The first screen. It is painted before anything is looked for."""

    STEP = Step.HOME
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "begin('demo')", "Demo", tooltip="Migrate a sample application.", id="home.demo"),
        Binding("m", "begin('migrate')", "Migrate", tooltip="Migrate a project of yours.", id="home.migrate"),
        Binding("c", "begin('compare')", "Compare", tooltip="Compare two databases.", id="home.compare"),
        Binding("r", "resume", "Resume", tooltip="Go on with the latest run that can go on.", id="home.resume"),
        Binding("left", "side('begin')", "Left", show=False, tooltip="The list on the left.", id="home.left"),
        Binding("right", "side('found')", "Right", show=False, tooltip="The list on the right.", id="home.right"),
    ]
    DEFAULT_CSS = """
    HomeScreen #columns { height: 1fr; layout: horizontal; padding: 1 1 0 1; }
    HomeScreen #begin { width: 1fr; }
    HomeScreen #found { width: 1fr; margin: 0 0 0 1; }
    HomeScreen.-narrow #columns { layout: vertical; padding: 0; }
    HomeScreen.-narrow #begin { width: 100%; height: auto; max-height: 10; }
    HomeScreen.-narrow #found { width: 100%; margin: 0; }
    HomeScreen #said { height: auto; max-height: 3; padding: 0 2; color: $text-muted; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._runs: dict[str, RunRecord] = {}
        self._offers: dict[str, Offer] = {}
        self._busy = False
        self._touched = False

    def compose_body(self) -> ComposeResult:
        """What to begin, what was found, a line for what is under way."""
        with Container(id="columns"):
            yield Choices(id="begin")
            yield Choices(id="found")
        yield Static("", id="said", markup=False)

    def on_mount(self) -> None:
        """Paint; then look for runs and files."""
        begin, found = self.query_one("#begin", Choices), self.query_one("#found", Choices)
        begin.border_title, found.border_title = "Begin", "Go on"
        self._show_beginnings()
        found.show([Choice(None, "◌ Looking for runs and databases…")])
        begin.focus()
        self.run_worker(self._look, thread=True, exit_on_error=False, group="look")

    def on_resize(self) -> None:
        """Where there is room, the choices stand apart."""
        self._show_beginnings()

    def _show_beginnings(self) -> None:
        at_work = [Choice(BACK, "Back to the migration", "It is at work; it goes on meanwhile.", "●", "$secondary")]
        begin = self.query_one("#begin", Choices)
        begin.show([*(at_work if self.migrator.running else ()), *BEGINNINGS], apart=self.app.size.width >= 100)

    def _look(self) -> None:
        runs = self.guide.runs()
        # A running snapshot of a source must not be met by another look into the same file.
        offers = () if self.migrator.running else self.guide.offers(self.migrator.folder)
        self.app.call_from_thread(self._found, runs, offers)

    def _found(self, runs: Sequence[RunRecord], offers: Sequence[Offer]) -> None:
        if not self.is_attached:
            return
        self._runs = {f"run-{record.run}": record for record in runs[:SHOWN_RUNS]}
        self._offers = {f"offer-{number}": offer for number, offer in enumerate(offers[:SHOWN_FILES])}
        groups = (
            ("Can go on", [_run(i, r) for i, r in self._runs.items() if r.status in RESUMABLE]),
            ("Profiles", [_offer(i, o) for i, o in self._offers.items() if o.source is None]),
            (f"In {self.migrator.folder.name or 'this folder'}", [
                _offer(i, o) for i, o in self._offers.items() if o.source is not None
            ]),
            (IN_STEP, [_sync(record) for record in both_ends(runs)]),
            ("Earlier runs", [_run(i, r) for i, r in self._runs.items() if r.status not in RESUMABLE]),
        )  # fmt: skip
        shown = [c for title, group in groups if group for c in (Choice(None, f"── {title} "), *group)]
        found = self.query_one("#found", Choices)
        if shown:
            found.show(shown)
        else:
            found.show(
                [
                    Choice(None, "No runs yet, and no SQLite file here."),
                    Choice(None, "Enter tries the demo; m migrates a project."),
                ]
            )
        useful = any(group for title, group in groups if title not in (IN_STEP, "Earlier runs"))
        if useful and not self._touched and self.focused in (None, self.query_one("#begin")):
            found.focus()
        self.refresh_bindings()

    def on_key(self) -> None:
        """The person has begun: the focus is theirs."""
        self._touched = True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is nothing before Home, and not always something to go on with."""
        if action == "back":
            return False
        if action == "resume":
            return any(record.status in RESUMABLE for record in self._runs.values())
        return True

    def action_side(self, name: str) -> None:
        """The other list."""
        self.query_one(f"#{name}", Choices).focus()

    def action_resume(self) -> None:
        """Go on with the latest run that can go on."""
        self._choose(next((i for i, r in self._runs.items() if r.status in RESUMABLE), ""))

    def action_begin(self, what: str) -> None:
        """Begin one of the three."""
        self._choose(what)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or a click."""
        self._choose(event.option_id or "")

    def _choose(self, chosen: str) -> None:
        if self._busy:
            return
        if chosen == BACK:
            self.migrator.go(Step.RUN)
        elif self.migrator.running:
            self.notify("A migration is at work. Go back to it and cancel it first.", severity="warning")
        elif chosen == DEMO:
            self._work("◌ Building the sample application…", self._prepare_demo)
        elif chosen in (MIGRATE, COMPARE):
            self.migrator.go(Step.CONNECT)
        elif chosen.startswith(SYNC):
            self._sync(self._runs[f"run-{chosen.removeprefix(SYNC)}"], None)
        elif chosen in self._runs:
            self._open_run(self._runs[chosen])
        elif chosen in self._offers:
            self._open_offer(self._offers[chosen])

    def _open_offer(self, offer: Offer) -> None:
        if offer.ends is not None:
            self.session.begin(offer.ends)
            self.session.password = offer.password
        else:
            self.session.offered = offer.source
        self.migrator.go(Step.CONNECT)

    def _open_run(self, record: RunRecord) -> None:
        if record.status is RunStatus.RUNNING:
            self.notify(f"Process {record.pid} works on it.", severity="warning")
        elif record.status in RESUMABLE:
            self._go_on(record, None)
        else:
            self._work("◌ Opening the run…", lambda: self._read_outcome(record))

    def _work(self, said: str, work: object) -> None:
        """Do something that takes a while, and say so."""
        assert callable(work)
        self._busy = True
        self.query_one("#said", Static).update(said)
        self.run_worker(work, thread=True, exit_on_error=False, group="work")

    def _prepare_demo(self) -> None:
        ends = self.migrator.prepare_demo((self.migrator.folder / FOLDER).resolve())
        self.app.call_from_thread(self._connect, ends)

    def _connect(self, ends: Ends) -> None:
        self.session.begin(ends)
        self.migrator.go(Step.CONNECT)

    def _go_on(self, record: RunRecord, password: Secret | None) -> None:
        before = Session()
        before.begin(ends_of(record))  # what was decided on screen before the process ended
        self._begin(record, password, lambda: self.guide.resume(record.run, before.decisions, password), self._go_on)

    def _sync(self, record: RunRecord, password: Secret | None) -> None:
        self._begin(record, password, lambda: self.guide.sync(record.run, password), self._sync)

    def _begin(
        self,
        record: RunRecord,
        password: Secret | None,
        begin: Callable[[], RunHandle],
        again: Callable[[RunRecord, Secret | None], None],
    ) -> None:
        def connect() -> None:
            try:
                handle = begin()
            except MigratorError as error:
                if error.id != "TARGET-PASSWORD":
                    raise
                self.app.call_from_thread(self._ask, record, error, again)
                return
            self.app.call_from_thread(self._run, record, handle, password)

        self._work(f"◌ Connecting to {short(record.target)}…", connect)

    def _ask(self, record: RunRecord, why: MigratorError, again: Callable[[RunRecord, Secret | None], None]) -> None:
        self._idle()

        def answered(password: Secret | None) -> None:
            if password is not None:
                again(record, password)

        self.app.push_screen(Password(short(record.target), why), answered)

    def _run(self, record: RunRecord, handle: RunHandle, password: Secret | None) -> None:
        self.session.begin(ends_of(record))
        self.session.password, self.session.handle = password, handle
        self.migrator.go(Step.RUN)

    def _read_outcome(self, record: RunRecord) -> None:
        outcome = self.guide.outcome(record.run)
        if outcome is None:
            raise MigratorError(
                "RUN-NO-SUMMARY", f"The run {record.run} has no summary that can be read.", "Start a new one."
            )
        self.app.call_from_thread(self._show_outcome, record, outcome)

    def _show_outcome(self, record: RunRecord, outcome: RunOutcome) -> None:
        self.session.begin(ends_of(record))
        self.session.outcome = replace(outcome, status=record.status)
        self.migrator.go(Step.RESULT)

    def _idle(self) -> None:
        self._busy = False
        self.query_one("#said", Static).update("")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What went wrong in a thread is told, not swallowed."""
        if event.state is not WorkerState.ERROR or not self.is_attached:
            return
        self._idle()
        fault = event.worker.error
        if not isinstance(fault, MigratorError):
            text = f"The program met a fault of its own: {type(fault).__name__}: {fault}."
            fault = MigratorError("FAULT", text, "Try again; please report it.")
        self.show_trouble(fault)


def both_ends(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """The newest run of each file and target that left them alike, and that a sync can start from."""
    newest: dict[tuple[str, str | None], RunRecord] = {}
    for record in runs[:SHOWN_RUNS]:
        if record.status is RunStatus.SUCCEEDED and record.server and record.command in ("migrate", "sync"):
            newest.setdefault((record.source, record.server), record)
    return list(newest.values())


def ends_of(record: RunRecord) -> Ends:
    """The ends of an earlier run."""
    folder = Path(record.embedded_folder) if record.embedded_folder else None
    return Ends(Path(record.source), record.target, Scope(), folder, record.database)


def _run(id: str, record: RunRecord) -> Choice:
    mark, style = MARKS[record.status]
    detail = f"{record.started[:16].replace('T', ' ')}  {record.command}  {record.run}"
    return Choice(id, f"{Path(record.source).name} → {short(record.target)}", detail, mark, style)


def _sync(record: RunRecord) -> Choice:
    ends = f"{Path(record.source).name} ⇄ {short(record.target)}"
    return Choice(f"{SYNC}{record.run}", f"Sync {ends}", "Brings to each what the other one changed.")


def _offer(id: str, offer: Offer) -> Choice:
    if offer.ends is None and offer.source is None:
        return Choice(None, f"{offer.label} cannot be read", offer.detail, "⚠ warning", "$warning")
    return Choice(id, offer.label, offer.detail)
