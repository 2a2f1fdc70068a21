"""What Compare, Select and Review have in common: a plan, drafted anew in a thread whenever a choice changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.timer import Timer
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from migrator_tui.migration.comparing.schemas import Pair
from migrator_tui.migration.guide import Bench
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.plan import Plan, Scope
from migrator_tui.tui.dialogs.project import ProjectMapping
from migrator_tui.tui.project_edits import Chosen
from migrator_tui.tui.screens.step_screen import StepScreen

DEBOUNCE_SECONDS = 0.25
"""How long a person has to hold still before a plan is drafted for what was changed."""


class PlanScreen(StepScreen):
    """Base of the screens that show a plan. Subclasses implement :meth:`show_plan`.

    ``session.plan`` is the plan for ``session.scope`` and ``session.decisions``, or None: a change takes it away until
    the new draft is there, so no other screen can show one that is out of date.
    """

    WITH_PAIRS: ClassVar[bool] = False
    DEFAULT_CSS = """
    PlanScreen #headline { height: 1; padding: 0 1; }
    PlanScreen #bar { height: 1; padding: 0 1; }
    PlanScreen #bar > Static { width: 1fr; }
    PlanScreen #bar > Button { min-width: 14; margin: 0 0 0 1; }
    PlanScreen #bar > Button:focus { text-style: bold underline; background-tint: $foreground 20%; }
    PlanScreen .split { height: 1fr; layout: horizontal; }
    PlanScreen.-narrow .split { layout: vertical; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.plan: Plan | None = None
        self.pairs: Sequence[Pair] = ()
        self._good: tuple[Scope, Decisions] | None = None
        self._drafting = False
        self._waiting: Timer | None = None

    @property
    def bench(self) -> Bench:
        """Both ends, opened. Only where :meth:`on_mount` found them so."""
        assert self.session.bench is not None
        return self.session.bench

    @property
    def planning(self) -> bool:
        """The plan for the latest choices is not there yet."""
        return self.session.plan is None

    def on_mount(self) -> None:
        """Show the plan that is there, or draft one."""
        if self.session.bench is None:
            self.say("Nothing is connected yet. Esc goes back to Connect.")
        elif self.session.plan is not None and not self.WITH_PAIRS:
            self._show(self.session.plan, (), (self.session.scope, self.session.decisions))
        else:
            self.say("◌ Planning: comparing both schemas and the stored values…")
            self._draft()

    def show_plan(self, plan: Plan) -> None:
        """Show a plan, and keep cursors where they are."""
        raise NotImplementedError

    def say(self, text: str) -> None:
        """The line above everything."""
        self.query_one("#headline", Static).update(text)

    def change(self, *, scope: Scope | None = None, decisions: Decisions | None = None) -> None:
        """Keep a choice, and draft the plan for it when the person holds still."""
        if scope is not None:
            self.session.scope = scope
        if decisions is not None:
            self.session.decisions = decisions
        self.session.plan = None
        if self._waiting is not None:
            self._waiting.stop()
        self._waiting = self.set_timer(DEBOUNCE_SECONDS, self._draft)

    def take(self, chosen: Chosen, plan: Plan) -> None:
        """Keep choices whose plan is drafted already."""
        self.session.scope, self.session.decisions, self.session.plan = chosen.scope, chosen.decisions, plan
        self._draft()

    def _draft(self) -> None:
        if self._drafting or self.session.bench is None:
            return  # the draft at work looks for later changes when it ends
        self._drafting = True
        chosen, bench = (self.session.scope, self.session.decisions), self.session.bench
        self.run_worker(lambda: self._work(bench, chosen), thread=True, exit_on_error=False, group="draft")

    def _work(self, bench: Bench, chosen: tuple[Scope, Decisions]) -> None:
        plan = self.session.plan
        try:
            plan = plan if plan is not None else bench.draft(*chosen)
            pairs = bench.pairs(plan) if self.WITH_PAIRS else ()
        except MigratorError as error:
            self.app.call_from_thread(self._refused, error, chosen)
            return
        self.app.call_from_thread(self._drafted, plan, pairs, chosen)

    def _drafted(self, plan: Plan, pairs: Sequence[Pair], chosen: tuple[Scope, Decisions]) -> None:
        self._drafting = False
        if (self.session.scope, self.session.decisions) != chosen:
            if self.is_attached:
                self._draft()
            return
        self.session.plan = plan
        if self.is_attached:
            self.session.save()
            self._show(plan, pairs, chosen)

    def _refused(self, error: MigratorError, chosen: tuple[Scope, Decisions]) -> None:
        """What cannot be planned is shown and not kept."""
        self._drafting = False
        if not self.is_attached:
            return
        if self._good is not None:
            self.session.scope, self.session.decisions = self._good
            self.session.plan = self.plan
            if self.plan is not None:
                self._show(self.plan, self.pairs, self._good)
        elif self.session.ends is not None and self.session.scope != self.session.ends.scope:
            self.session.scope = self.session.ends.scope  # what was saved no longer fits this target
            self._draft()
        else:
            self.say(f"✗ {error.message}")
        self.show_trouble(error)

    def _show(self, plan: Plan, pairs: Sequence[Pair], chosen: tuple[Scope, Decisions]) -> None:
        self.plan, self.pairs, self._good = plan, pairs, chosen
        self.show_plan(plan)
        for dialog in self.app.screen_stack:
            if isinstance(dialog, ProjectMapping):
                dialog.show(plan, Chosen(*chosen))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of the program is told, not swallowed."""
        if event.state is WorkerState.ERROR and self.is_attached:
            self._drafting = False
            fault = event.worker.error
            text = f"The program met a fault of its own: {type(fault).__name__}: {fault}."
            self.show_trouble(MigratorError("FAULT", text, "Go back and try again; please report it."))

    def action_project(self) -> None:
        """Show what the plan takes users, files and access for, and let it be corrected."""
        if self.plan is None:
            return
        if self.plan.project is None:
            self.notify("The target is no Supabase project: there are only tables.", timeout=3)
            return

        def change(chosen: Chosen) -> None:
            self.change(scope=chosen.scope, decisions=chosen.decisions)

        chosen = Chosen(self.session.scope, self.session.decisions)
        self.app.push_screen(ProjectMapping(self.bench.source, self.plan, chosen, change))

    def action_go_on(self) -> None:
        """The next step."""
        if self.session.bench is not None:
            self.go_on()
