"""The application: one session, one guide, and the way from step to step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic
from typing import ClassVar

from textual import events
from textual.app import App, ScreenStackError, SystemCommand
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import Screen

from migrator_tui import __version__
from migrator_tui.migration.guide import Bench, Ends, Guide
from migrator_tui.migration.runner import RunHandle
from migrator_tui.model.progress import RunStatus
from migrator_tui.tui import garbage, taking_turns
from migrator_tui.tui.breadth import BREADTHS
from migrator_tui.tui.dialogs.keys import Keys, keys_of
from migrator_tui.tui.dialogs.leaving import Leaving, LeavingChoice
from migrator_tui.tui.palette import Palette
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.session import Session
from migrator_tui.tui.steps import Step
from migrator_tui.tui.themes import THEMES

PAUSE_SECONDS = 0.5
"""Without a key or the mouse for so long, a person looks at what is there."""
COLLECT_RARELY = 20
"""From one full collection to the next, at least, in times that it took: no more than a twentieth of the time."""
STOPPING_LOOKS = 200
"""Looks of a twentieth of a second that a run which is stopped gets before its server goes."""


class MigratorApp(App[int]):
    """The guided migration. Its return code is the exit code of the process."""

    TITLE = "migrator-tui"
    SUB_TITLE = __version__
    CSS_PATH = "migrator.tcss"
    HORIZONTAL_BREAKPOINTS = [*BREADTHS]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "leave", "Quit", tooltip="Quit; asks first when something runs.", id="quit", priority=True),
        Binding("question_mark", "help", "Help", tooltip="Show every key of this screen.", id="help"),
    ]

    def __init__(
        self,
        guide: Guide,
        *,
        folder: Path,
        prepare_demo: Callable[[Path], Ends],
        start_with: Ends | None = None,
    ) -> None:
        """
        Args:
            folder: Where SQLite files and a ``config.yaml`` are looked for.
            prepare_demo: Builds the sample application in a folder.
            start_with: Ends to begin with at once, past Home: the demo's, or those of the command line.
        """
        super().__init__()
        self.guide = guide
        self.folder = folder
        self.prepare_demo = prepare_demo
        self.session = Session()
        self._start_with = start_with
        self._turns_before: float | None = None
        self._typed_at = self._collect_from = 0.0
        self._collected_for: tuple[Bench | None, RunHandle | None] = (None, None)
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    def on_mount(self) -> None:
        """First paint at once: nothing is connected yet."""
        self._own_loop = asyncio.get_running_loop()
        self._turns_before = taking_turns.shorten()
        garbage.hold_back()
        self.set_interval(PAUSE_SECONDS, self._collect_in_a_pause)
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        self.go(Step.HOME)
        if self._start_with is not None:
            self.session.begin(self._start_with)
            self.go(Step.CONNECT)

    async def on_event(self, event: events.Event) -> None:
        """Pass an event on; but no press on a widget that was taken away and is still painted.

        Textual begins a selection of text in the parent of what is under the pointer, and such a widget has none.
        """
        if isinstance(event, events.InputEvent):
            self._typed_at = monotonic()
        if isinstance(event, (events.MouseDown, events.MouseMove)) and event.button and not event.is_forwarded:
            pressed, _ = self.screen.get_widget_and_offset_at(event.x, event.y)
            if pressed is not None and not pressed.is_attached:
                return
        await super().on_event(event)

    def go(self, step: Step) -> None:
        """Show a step. Its screen is made anew from the session, so nothing on it can be out of date."""
        from migrator_tui.tui.screens.by_step import screen_of

        if self.return_code is not None:
            return  # quitting already
        if isinstance(self.screen, StepScreen) and not self.screen.is_mounted:
            self.call_later(self.go, step)  # keys that were typed ahead: a screen is not replaced while it is made
            return
        if self.session.outdated and step.number <= Step.REVIEW.number:
            # What the bench knows of the target is from before the run: the ends are opened anew.
            self.session.close()
            self.session.plan = None
            step = min(step, Step.CONNECT, key=lambda one: one.number)
        if step.number > self.session.reached.number:
            self.session.reached = step
        screen = screen_of(step)
        while len(self.screen_stack) > 1 and not isinstance(self.screen, StepScreen):
            self.pop_screen()  # a dialog of the step that is left; it is not answered
        if isinstance(self.screen, StepScreen):
            self.switch_screen(screen)
        else:
            self.push_screen(screen)
        self._keep_from_collector(step, screen)

    def _keep_from_collector(self, step: Step, screen: StepScreen) -> None:
        """Set aside from the collector what was opened or begun since the last step; take it back before Compare."""
        bench, handle = self._collected_for
        if step.number <= Step.CONNECT.number and not self.running:
            garbage.take_back()
            self._collected_for = (None, None)
        elif self.session.handle is not handle or (self.session.bench is not bench and not self.running):
            self._collected_for = (self.session.bench, self.session.handle)
            screen.call_after_refresh(garbage.set_aside)

    def _collect_in_a_pause(self) -> None:
        now = monotonic()
        if now - self._typed_at >= PAUSE_SECONDS and now >= self._collect_from and garbage.collect_if_due():
            took = monotonic() - now
            self._collect_from = now + took * COLLECT_RARELY

    @property
    def running(self) -> bool:
        """A run is at work."""
        handle = self.session.handle
        return handle is not None and handle.progress().status in (RunStatus.RUNNING, RunStatus.PAUSED)

    def action_help(self) -> None:
        """Show the keys of the screen."""
        if not isinstance(self.screen, Keys):
            self.push_screen(Keys(keys_of(self.screen)))

    def action_command_palette(self) -> None:
        """Show the palette, once."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))

    def action_leave(self) -> None:
        """Quit; while something runs, ask what becomes of it."""
        if isinstance(self.screen, Leaving):
            return
        if not self.screen.is_mounted:
            self.call_later(self.action_leave)  # typed ahead: a screen is not taken away while it is made
            return
        if not self.running:
            self.exit(0)
            return

        def answered(choice: LeavingChoice | None) -> None:
            if choice is LeavingChoice.STOP:
                self._end()

        self.push_screen(Leaving(), answered)

    def end(self) -> None:
        """From a signal: the terminal was closed, or the process is to end. What runs stops at its checkpoint.

        Raises:
            KeyboardInterrupt: Nothing is shown yet.
        """
        if self._own_loop is None:
            raise KeyboardInterrupt
        self._own_loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        handle = self.session.handle
        if self.running and handle is not None:
            handle.cancel()
            self._stopping = True
        self.exit(130)

    def _handle_exception(self, error: Exception) -> None:
        """Show a fault of the program and end. What a screen misses that is taken away because the application ends is
        none: keys that were typed together with Ctrl+Q still open dialogs then, which get no widgets, or close them.
        """
        if self.return_code is None or not isinstance(error, (NoMatches, ScreenStackError)):
            super()._handle_exception(error)

    async def on_unmount(self) -> None:
        """Let go of snapshots and servers, once a run that was stopped has noted where it is."""
        try:
            for _ in range(STOPPING_LOOKS):
                if not (self._stopping and self.running):
                    break
                await asyncio.sleep(0.05)
            self.session.save()
            self.session.close()
            self.guide.close()
        finally:
            if self._turns_before is not None:
                taking_turns.restore(self._turns_before)
            garbage.let_go()
            garbage.take_back()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: every action of the screen at hand, then the application's own."""
        for command in super().get_system_commands(screen):
            if command.callback not in (self.action_show_help_panel, self.action_hide_help_panel):
                yield command
        yield SystemCommand("Keys", "Show every key of this screen", self.action_help)
        if isinstance(screen, StepScreen):
            for step in screen.reachable():
                yield SystemCommand(
                    f"Go to {step.value}", f"Show the step {step.value}", lambda step=step: self.go(step)
                )
