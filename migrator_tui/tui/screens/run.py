"""Run: the stages as a timeline, a bar over everything, a line per table; then publishing is confirmed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Button, Static

from migrator_tui.migration.backups.backing_up_first import BackedUp
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.progress import Progress, RunStatus
from migrator_tui.model.secret import Secret
from migrator_tui.tui.dialogs.back_up import BackUp
from migrator_tui.tui.dialogs.publish import Publish
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.overall_bar import OverallBar
from migrator_tui.tui.widgets.progress_table import ProgressTable
from migrator_tui.tui.widgets.throughput import Throughput
from migrator_tui.tui.widgets.timeline import Timeline

POLL_SECONDS = 0.2
RATE_SECONDS = 1.0
"""Rows are committed by chunks; a rate over less than this jumps between nothing and everything."""
SPARKLINE_POINTS = 60


class RunScreen(StepScreen):
    """Polls the run five times a second; the run never waits for the screen."""

    STEP = Step.RUN
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "pause", "Pause", tooltip="Pause after the rows in flight, or go on.", id="run.pause"),
        Binding("c", "cancel_run", "Cancel", tooltip="Stop the run; what is staged is kept.", id="run.cancel"),
        Binding("b,enter", "publish", "Publish…", tooltip="Publish what is staged and checked.", id="run.publish"),
        Binding("r", "resume", "Resume", tooltip="Go on with an interrupted run.", id="run.resume"),
        Binding("o", "order", "Order", show=False, tooltip="Unfinished and failed tables first.", id="run.order"),
        Binding("f", "freeze", "Freeze", tooltip="Freeze the display; the run goes on.", id="run.freeze"),
    ]
    DEFAULT_CSS = """
    RunScreen #overall { height: 3; padding: 1 1 0 1; }
    RunScreen #figures { width: auto; padding: 0 0 0 2; }
    RunScreen #throughput { margin: 0 1; }
    RunScreen #said { height: auto; padding: 0 1; color: $text-muted; }
    RunScreen #retry { height: auto; padding: 0 1; color: $warning; text-style: bold; display: none; }
    RunScreen #ended { height: auto; display: none; margin: 0 1; padding: 0 1; border: round $error; }
    RunScreen #ended.-shown { display: block; }
    RunScreen ProgressTable { margin: 1 1 0 1; }
    RunScreen #foot { height: 1; padding: 0 1; align-horizontal: right; }
    RunScreen #publish { min-width: 14; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._frozen = False
        self._asked = False
        self._ended = False
        self._rates: deque[float] = deque([0.0] * SPARKLINE_POINTS, maxlen=SPARKLINE_POINTS)
        self._earlier: deque[tuple[float, int]] = deque()
        self._timer: Timer | None = None
        self._texts: dict[str, str] = {}
        self._keys_for: tuple[RunStatus, str | None] | None = None

    def compose_body(self) -> ComposeResult:
        """Timeline, bar, throughput, tables."""
        yield Timeline(id="timeline")
        with Horizontal(id="overall"):
            yield OverallBar(id="bar")
            yield Static("", id="figures", markup=False)
        yield Throughput(list(self._rates), id="throughput")
        yield Static("", id="retry", markup=False)
        yield Static("", id="said", markup=False)
        with Vertical(id="ended"):
            yield Static("", id="ended-text", markup=False)
        yield ProgressTable(id="tables")
        with Horizontal(id="foot"):
            yield Button("Publish…", id="publish", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Look at the run at once, and from then on five times a second."""
        self.query_one("#publish").display = False
        self.query_one(ProgressTable).focus()
        self._timer = self.set_interval(POLL_SECONDS, self._poll)
        self._poll()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that mean nothing at this moment are not offered."""
        handle = self.session.handle
        progress = handle.progress() if handle else None
        at_work = progress is not None and progress.status in (RunStatus.RUNNING, RunStatus.PAUSED)
        if action in ("pause", "cancel_run"):
            return at_work
        if action == "publish":
            return progress is not None and progress.waiting_for == "confirmation"
        if action == "resume":
            return progress is not None and progress.status is RunStatus.INTERRUPTED
        return True

    def _poll(self) -> None:
        handle = self.session.handle
        if handle is None:
            self.query_one("#said", Static).update("No run yet. Review starts one.")
            return
        progress = handle.progress()
        if not self._frozen:
            self._draw(progress)
        if self.app.screen is not self:  # is_current would also be so behind a dialog
            return  # a dialog is open: what it asks comes first
        if progress.waiting_for == "confirmation" and not self._asked:
            self._asked = True
            self._draw(progress)
            self.action_publish()
        outcome = handle.outcome()
        if outcome is not None and not self._ended:
            self._ended = True
            self._draw(progress)
            self._end(outcome)
        keys_for = (progress.status, progress.waiting_for)
        if keys_for != self._keys_for:  # the footer is made anew for it, widget by widget
            self._keys_for = keys_for
            self.refresh_bindings()

    def _draw(self, progress: Progress) -> None:
        self.query_one(Timeline).show(progress)
        self.query_one(ProgressTable).show(progress.tables)
        self.query_one(OverallBar).show(progress.rows_done, progress.rows_total)
        rate = self._rate(progress)
        if progress.status is RunStatus.RUNNING and progress.waiting_for is None:
            self._rates.append(rate)
            self.query_one(Throughput).show(list(self._rates))
        left = progress.rows_total - progress.rows_done
        # As wide with every figure: what changes its width has the whole screen laid out anew, five times a second.
        total = f"{progress.rows_total:,}"
        figures = f"{f'{progress.rows_done:,}':>{len(total)}} / {total} rows"
        figures += f"{f'{rate:,.0f}/s':>12}{f'{left / rate:,.0f} s left':>12}" if rate and left > 0 else " " * 24
        self._say("#figures", f"{figures}{f'{progress.seconds:,.1f} s':>9}", one_line=True)
        self.query_one("#retry").display = progress.retry is not None
        self._say("#retry", f"⚠ {progress.retry}" if progress.retry else "")
        self._say("#said", _said(progress))
        self.query_one("#publish").display = progress.waiting_for == "confirmation"

    def _say(self, selector: str, text: str, *, one_line: bool = False) -> None:
        """Show a text; the screen is laid out anew, which costs most, only where its size may be another.

        Args:
            one_line: It takes one line whatever it says.
        """
        before = self._texts.get(selector)
        if text != before:
            self._texts[selector] = text
            cells = cell_len(text)
            same = before is not None and cell_len(before) == cells and (one_line or cells < self.size.width // 2)
            self.query_one(selector, Static).update(text, layout=not same)

    def _rate(self, progress: Progress) -> float:
        seen = self._earlier
        seen.append((progress.seconds, progress.rows_done))
        while len(seen) > 2 and seen[1][0] <= progress.seconds - RATE_SECONDS:
            seen.popleft()
        seconds, rows = seen[0]
        return max(0.0, (progress.rows_done - rows) / (progress.seconds - seconds)) if progress.seconds > seconds else 0

    def _end(self, outcome: RunOutcome) -> None:
        self.session.end(outcome)
        if outcome.status in (RunStatus.SUCCEEDED, RunStatus.ROLLED_BACK):
            self.migrator.go(Step.RESULT)
            return
        if outcome.status is RunStatus.NEEDS_DECISIONS and outcome.conflicts_found and not outcome.published:
            self.migrator.go(Step.RESOLVE)
            return
        error = outcome.error
        text = Text(f"✗ {outcome.status.value.replace('_', ' ')}\n", style="bold")
        if error is not None:
            text.append(f"{error.id}: {error.message}\n", style="not bold")
            text.append(f"→ {error.hint}\n", style="not bold")
        keys = "r resumes the run · Esc goes back" if outcome.status is RunStatus.INTERRUPTED else "Esc goes back"
        text.append(keys, style="dim not bold")
        self.query_one("#ended-text", Static).update(text)
        self.query_one("#ended").add_class("-shown")

    def action_pause(self) -> None:
        """Pause, or go on."""
        handle = self.session.handle
        if handle is None:
            return
        if handle.progress().status is RunStatus.PAUSED:
            handle.unpause()
        else:
            handle.pause()

    def action_cancel_run(self) -> None:
        """Ask, then stop the run."""

        def answered(yes: bool | None) -> None:
            handle = self.session.handle
            if yes and handle is not None:
                handle.cancel()

        text = (
            "Nothing is visible on the target. What is staged is kept there, and the run can be resumed from here or "
            "from Home; rolling it back removes it."
        )
        self.app.push_screen(Question("Cancel the run?", text, "Cancel the run", grave=True), answered)

    def action_publish(self) -> None:
        """Ask for the target's name and publish."""
        handle = self.session.handle
        if handle is None or handle.progress().waiting_for != "confirmation":
            return
        local = self.session.ends is not None and self.session.ends.target == "embedded"

        def answered(yes: bool | None) -> None:
            if yes and self.session.handle is not None:
                self.session.handle.confirm()

        progress = handle.progress()
        staying = sum(table.rows_quarantined for table in progress.tables)
        label, changes = self.session.target_label, progress.changes
        backup = self._backup(progress) if progress.merges_into else None
        asked = Publish(handle.plan(), label, typed=not local, changes=changes, staying=staying, backup=backup)
        self.app.push_screen(asked, answered)

    def _backup(self, progress: Progress) -> Callable[[], BackUp]:
        """What backs up the live tables that have rows and get others."""

        def work(passphrase: Secret | None, say: Callable[[str], None]) -> BackedUp:
            return self.guide.back_up(progress.run, progress.merges_into, passphrase, say)

        return lambda: BackUp(progress.merges_into, work)

    def action_resume(self) -> None:
        """Go on with the interrupted run."""
        handle = self.session.handle
        progress = handle.progress() if handle else None
        if progress is None or progress.status is not RunStatus.INTERRUPTED:
            return
        self.resume_run(progress.run)

    def action_order(self) -> None:
        """Unfinished tables first, or the plan's order."""
        now = self.query_one(ProgressTable).toggle_order()
        self.notify("Unfinished tables first." if now else "In the plan's order.", timeout=2)

    def action_freeze(self) -> None:
        """Freeze the display, or let it move again."""
        self._frozen = not self._frozen
        self.notify("Display frozen; the run goes on." if self._frozen else "Display live.", timeout=2)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Publish."""
        if event.button.id == "publish":
            self.action_publish()


def _said(progress: Progress) -> str:
    if progress.status is RunStatus.PAUSED:
        return "‖ Paused. Nothing is held open on the target. p goes on."
    if progress.waiting_for == "confirmation":
        return "Staged and checked. Nothing is visible there until you publish: Enter."
    return progress.message
