"""Connect: both ends, tested step by step before anything is planned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.widgets import Button, Checkbox, Static

from migrator_tui.migration.guide import Offer
from migrator_tui.model.errors import MigratorError
from migrator_tui.tui.attempt import Attempt
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.ends_form import EndsForm
from migrator_tui.tui.widgets.masthead import Masthead
from migrator_tui.tui.widgets.step_lines import StepLines

POLL_SECONDS = 0.1


class ConnectScreen(StepScreen):
    """A form on the left, the test on the right; below each other on a narrow terminal."""

    STEP = Step.CONNECT
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "test", "Test", tooltip="Test both ends, or go on where that is done.", id="connect.test"),
        Binding("ctrl+o", "pick", "Browse", tooltip="Choose the SQLite file from a tree.", id="connect.pick"),
        Binding("ctrl+g", "view", "URL/fields", tooltip="The target as a URL, as fields, embedded.", id="connect.view"),
    ]
    DEFAULT_CSS = """
    ConnectScreen #split { height: 1fr; layout: horizontal; }
    ConnectScreen #form { width: 1fr; height: 100%; padding: 0 1; scrollbar-size-vertical: 1; }
    ConnectScreen #test { width: 1fr; height: 100%; border: round $border-blurred; scrollbar-size-vertical: 1; }
    ConnectScreen #test { border-title-color: $foreground; }
    ConnectScreen #test:focus { border: round $primary; }
    ConnectScreen.-narrow #split { layout: vertical; }
    ConnectScreen.-narrow #form { width: 100%; height: auto; max-height: 12; }
    ConnectScreen.-narrow #test { width: 100%; height: 1fr; }
    ConnectScreen #bar { height: 1; padding: 0 1; }
    ConnectScreen #bar Static { width: 1fr; color: $text-muted; }
    ConnectScreen #bar Button { min-width: 14; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._attempt: Attempt | None = None
        self._frame = 0

    def compose_body(self) -> ComposeResult:
        """The form, the test, what Enter does."""
        fresh = self.session.ends is not None and self.session.ends.fresh
        with Container(id="split"):
            yield EndsForm(self.migrator.folder, id="form", disabled=fresh)
            with VerticalScroll(id="test") as panel:
                panel.border_title = "Connection test"
                yield StepLines("Enter tests both ends: connection, rights, round trip, rows.", id="steps")
        with Horizontal(id="bar"):
            yield Static("", id="said", markup=False)
            yield Button("Test", id="go", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Fill in what is known; test at once what nobody has to fill in."""
        self.set_interval(POLL_SECONDS, self._poll)
        ends, bench = self.session.ends, self.session.bench
        self.form.fill(ends, self.session.password, offered=self.session.offered)
        if bench is not None:
            self.query_one(StepLines).show((), facts=bench.facts)
            self._connected()
        elif ends is not None and ends.fresh:
            self.call_after_refresh(self.action_test)
        else:
            (self.form.first_field() or self.query_one("#go")).focus()
        if not self.migrator.running and (ends is None or not ends.fresh):
            self.run_worker(self._look_for_profiles, thread=True, exit_on_error=False)

    def on_unmount(self) -> None:
        """Nobody waits for the test any more."""
        if self._attempt is not None:
            self._attempt.give_up()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The demo's ends are what they are."""
        if action in ("pick", "view"):
            return not self.form.disabled
        return True

    @property
    def form(self) -> EndsForm:
        """Where the ends are typed."""
        return self.query_one(EndsForm)

    def _look_for_profiles(self) -> None:
        offers = self.guide.offers(self.migrator.folder)
        self.app.call_from_thread(self._offer, [offer for offer in offers if offer.ends is not None])

    def _offer(self, profiles: Sequence[Offer]) -> None:
        if self.is_attached and profiles:
            self.form.offer_profiles(profiles)

    @property
    def _is_open(self) -> bool:
        """What stands in the form is what was opened."""
        if self.session.bench is None:
            return False
        try:
            return self.form.ends() == self.session.ends and self.form.password() == self.session.password
        except MigratorError:
            return False

    def on_ends_form_changed(self) -> None:
        """What was tested may no longer be what stands there."""
        is_open = self._is_open
        self.query_one("#go", Button).label = "Continue" if is_open else "Test"
        if self._attempt is None:
            self.query_one("#said", Static).update("Enter goes on to Compare." if is_open else "Enter tests both ends.")

    def on_ends_form_submitted(self) -> None:
        """Enter in a field tests, or goes on."""
        self.action_test()

    def action_test(self) -> None:
        """Test both ends; go on where they are open already."""
        if self._attempt is not None:
            return
        self.form.take_password_out()
        if self._is_open:
            self.go_on()
            return
        if self.migrator.running:
            self.notify("A migration is at work. Go back to it and cancel it first.", severity="warning")
            return
        try:
            ends = self.form.ends()
        except MigratorError as error:
            self._failed(error)
            return
        keep = self.query_one("#keep", Checkbox).value
        self._attempt = Attempt(self.guide, ends, self.form.password(), keep_password=keep)
        self._attempt.start()
        self.query_one("#go", Button).disabled = True
        self.query_one("#said", Static).update("Testing… Esc cancels.")
        self.query_one("#test").focus()

    def _poll(self) -> None:
        attempt = self._attempt
        if attempt is None:
            return
        self._frame += 1
        if not attempt.ended:
            self.query_one(StepLines).show(attempt.steps, frame=self._frame // 2)
            return
        self._attempt = None
        if attempt.bench is None:
            assert attempt.error is not None
            self.query_one(StepLines).show(attempt.steps, error=attempt.error)
            self._failed(attempt.error, shown=True)
            return
        if self.session.ends != attempt.ends:
            self.session.begin(attempt.ends)
        self.session.close()
        self.session.plan = None
        self.session.password, self.session.bench = attempt.password, attempt.bench
        self.form.opened(attempt.ends)
        self.query_one(StepLines).show(attempt.steps, facts=attempt.bench.facts)
        self.query_one(Masthead).show(attempt.ends, attempt.bench.facts)
        self._connected()

    def _failed(self, error: MigratorError, *, shown: bool = False) -> None:
        if not shown:
            self.query_one(StepLines).show((), error=error)
        button = self.query_one("#go", Button)
        button.label, button.disabled = "Test", False
        self.query_one("#said", Static).update(f"✗ {error.id}. Change it, and Enter tests again.")
        (self.form.field_of(error) or self.query_one("#go")).focus()

    def _connected(self) -> None:
        bench = self.session.bench
        missing = len(bench.facts.missing) if bench is not None else 0
        rights = f" {missing} missing rights: see above." if missing else ""
        self.query_one("#said", Static).update(f"✓ Both ends are open.{rights} Enter goes on to Compare.")
        button = self.query_one("#go", Button)
        button.label, button.disabled = "Continue", False
        button.focus()
        self.query_one("#test").scroll_home(animate=False)

    def action_back(self) -> None:
        """Cancel the test, or go home."""
        if self._attempt is None:
            super().action_back()
            return
        self._attempt.give_up()
        steps, self._attempt = self._attempt.steps, None
        hint = "Nothing was changed. Enter tests again."
        self.query_one(StepLines).show(steps, error=MigratorError("CANCELLED", "The test was cancelled.", hint))
        button = self.query_one("#go", Button)
        button.label, button.disabled = "Test", False
        self.query_one("#said", Static).update("Cancelled. Enter tests again.")
        button.focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Test, or go on."""
        if event.button.id == "go":
            self.action_test()

    def action_pick(self) -> None:
        """Choose the SQLite file."""
        self.form.pick("source")

    def action_view(self) -> None:
        """The next view of the target."""
        self.form.next_view()
