"""What every step has in common: the header with both ends, the stepper, the footer, and going back without loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from migrator_tui.model.errors import MigratorError
from migrator_tui.tui.breadth import breadth
from migrator_tui.tui.dialogs.trouble import Trouble
from migrator_tui.tui.session import Session
from migrator_tui.tui.sparing import SparingCompositor
from migrator_tui.tui.steps import ORDER, Step
from migrator_tui.tui.widgets.masthead import Masthead
from migrator_tui.tui.widgets.stepper import Stepper

if TYPE_CHECKING:
    from migrator_tui.migration.guide import Guide
    from migrator_tui.migration.runner import RunHandle
    from migrator_tui.tui.app import MigratorApp


class StepScreen(Screen[None]):
    """Base of the screens of the stepper. Subclasses set ``STEP`` and compose their body in ``compose_body``."""

    STEP: ClassVar[Step]
    AUTO_FOCUS = ""  # each screen says itself what is used first; the first widget may be a filter out of sight
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", tooltip="Go to the step before; nothing is lost.", id="back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._compositor = SparingCompositor()

    @property
    def migrator(self) -> MigratorApp:
        """The application."""
        return cast("MigratorApp", self.app)

    @property
    def session(self) -> Session:
        """The state that the screens share."""
        return self.migrator.session

    @property
    def guide(self) -> Guide:
        """The engine."""
        return self.migrator.guide

    def compose(self) -> ComposeResult:
        """Header, stepper, body, footer."""
        self.add_class(breadth(self.app.size.width))
        yield Masthead(self.session.ends, self.session.bench.facts if self.session.bench else None)
        if self.STEP is not Step.HOME:
            yield Stepper(self.STEP, self.session.reached)
        yield from self.compose_body()
        yield Footer(compact=True, show_command_palette=False)

    def compose_body(self) -> ComposeResult:
        """What the step itself shows."""
        raise NotImplementedError

    def reachable(self) -> Iterable[Step]:
        """Steps that can be gone to now."""
        return (step for step in ORDER if step.number <= self.session.reached.number and step is not self.STEP)

    def on_stepper_chosen(self, message: Stepper.Chosen) -> None:
        """A step of the stepper was clicked."""
        message.stop()
        if message.step in tuple(self.reachable()):
            self.migrator.go(message.step)

    def action_back(self) -> None:
        """The step before."""
        if self.STEP.number > 0:
            self.migrator.go(ORDER[self.STEP.number - 1])

    def go_on(self) -> None:
        """The step after."""
        self.session.save()
        self.migrator.go(ORDER[self.STEP.number + 1])

    def resume_run(self, run: str) -> None:
        """Go on with a run by what is decided by now, in a thread; then show it."""
        self.run_worker(lambda: self._resume(run), thread=True, exit_on_error=False)

    def _resume(self, run: str) -> None:
        try:
            handle = self.guide.resume(run, self.session.decisions, self.session.password)
        except MigratorError as error:
            self.app.call_from_thread(self.show_trouble, error)
            return
        self.app.call_from_thread(self._take, handle)

    def _take(self, handle: RunHandle) -> None:
        self.session.handle, self.session.outcome = handle, None
        self.migrator.go(Step.RUN)

    def show_trouble(self, error: MigratorError) -> None:
        """An error names what happened and what to do next; it is never a traceback."""
        self.app.push_screen(Trouble(error))
