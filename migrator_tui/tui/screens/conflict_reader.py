"""Reading conflicts for a screen: groups first, pages as they come in sight, and keys that are typed before that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from migrator_tui.migration.conflicts import ConflictGroup, ConflictRow
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.errors import MigratorError
from migrator_tui.tui.screens.step_screen import StepScreen
from migrator_tui.tui.typed_ahead import TypedAhead
from migrator_tui.tui.widgets.conflict_list import PAGE, ConflictList
from migrator_tui.tui.wording import counted


class ConflictReader(StepScreen):
    """Base of Resolve: everything is read in threads, and no key is lost meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self._groups: Sequence[ConflictGroup] = ()
        self._typed = TypedAhead(self._is_read)
        self._reading = False

    @property
    def _listed(self) -> ConflictList:
        return self.query_one("#rows", ConflictList)

    def _redraw(self) -> None:
        raise NotImplementedError

    def _headline(self) -> None:
        raise NotImplementedError

    def _begin(self) -> None:
        """Read for the first time."""
        self._reading = True
        self._listed.focus()
        self._headline()
        outcome = self.session.outcome
        if outcome is not None:
            run = outcome.run
            self.run_worker(lambda: self._look_again(run), thread=True, exit_on_error=False)

    def _look_again(self, run: str) -> None:
        """In a thread: which decisions did not hold, before anything is counted by them."""
        try:
            rows = self.guide.reopened(run)
        except MigratorError as error:
            self.app.call_from_thread(self._not_read, error)
            return
        self.app.call_from_thread(self._reopen, rows)
        self._load(run, self.session.decisions)

    def _reopen(self, rows: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        raise NotImplementedError

    def _count_again(self) -> None:
        """What the decisions leave open is for the engine to say."""
        outcome, decisions = self.session.outcome, self.session.decisions
        if outcome is not None:
            run = outcome.run
            self.run_worker(lambda: self._load(run, decisions), thread=True, exit_on_error=False)

    def _load(self, run: str, decisions: Decisions) -> None:
        """In a thread: the groups, as the decisions of this moment leave them."""
        try:
            groups = self.guide.conflict_groups(run, decisions)
        except MigratorError as error:
            self.app.call_from_thread(self._not_read, error)
            return
        self.app.call_from_thread(self._loaded, groups, decisions)

    def _loaded(self, groups: Sequence[ConflictGroup], decisions: Decisions) -> None:
        if decisions is not self.session.decisions:
            self._count_again()  # decided on meanwhile
            return
        self._groups, self._reading = groups, False
        self._redraw()
        self._catch_up()

    def _not_read(self, error: MigratorError) -> None:
        self._reading = False
        self._drop_typed("the rows could not be read")
        self._headline()
        self.show_trouble(error)

    def on_conflict_list_wanted(self, message: ConflictList.Wanted) -> None:
        """A page came in sight: read it in a thread."""
        message.stop()
        outcome = self.session.outcome
        if outcome is not None:
            run = outcome.run
            self.run_worker(lambda: self._read(run, message.group, message.offset), thread=True, exit_on_error=False)

    def _read(self, run: str, group: ConflictGroup, offset: int) -> None:
        try:
            rows = self.guide.conflicts(run, (group.table, group.kind), offset, PAGE)
        except MigratorError as error:
            self.app.call_from_thread(self._listed.unasked, group, offset)
            self.app.call_from_thread(self._not_read, error)
            return
        self.app.call_from_thread(self._filled, group, offset, rows)

    def _filled(self, group: ConflictGroup, offset: int, rows: Sequence[ConflictRow]) -> None:
        self._listed.fill(group, offset, rows)
        self._catch_up()

    # ── keys that come before what they are about ───────────────────────────────────────────────────────────────

    def _is_read(self, line: int | None) -> bool:
        if line is None:
            return not self._reading
        return self._listed.row(line) is not None and self._listed.unread is None

    def _ahead(self, act: Callable[[], None]) -> bool:
        """Keep something for the time when there are rows, if they are still being read."""
        if self._reading:
            self._typed.hold(None, act)
        return self._reading

    def _in_turn(self, act: Callable[[], None]) -> None:
        """Do something after what was typed before it."""
        if self._typed or self._reading:
            self._typed.hold(None, act)
            self._headline()
        else:
            act()

    def _with_row(self, act: Callable[[ConflictRow], bool | None], *, step: bool = False) -> None:
        """Do something with the row at the cursor, once it has been read.

        Args:
            act: Says whether it did it.
            step: Go on to the next row then.
        """
        if self._reading:
            self._in_turn(lambda: self._with_row(act, step=step))
            return
        listed, line = self._listed, self._listed.cursor
        if line is None:
            return
        row = listed.current
        if row is not None and listed.unread is None and not self._typed:
            if act(row) and step:
                listed.action_step(1)
            return

        def later() -> None:
            if (now := listed.row(line)) is not None:
                act(now)

        self._typed.hold(line, later)
        listed.want(line)
        if step:
            listed.action_step(1)
        self._headline()

    def _catch_up(self) -> None:
        """Do what was typed ahead, as far as its rows are there now; a dialog that it opens ends it."""
        if self._typed and self._in_front():
            self._typed.catch_up(self._in_front)
            if not self._in_front():
                self._drop_typed("a question came first")
            self._headline()

    def _in_front(self) -> bool:
        return self.app.screen is self  # is_current would also be so behind a dialog

    def on_screen_resume(self) -> None:
        """A dialog was closed."""
        self._catch_up()

    def _drop_typed(self, why: str) -> None:
        if count := self._typed.forget():
            self.notify(f"{counted(count, 'key')} typed ahead not taken: {why}.", severity="warning")

    def _waiting_keys(self) -> str:
        count = len(self._typed)
        return f"{counted(count, 'key')} typed ahead until the rows are read; u takes the last back." if count else ""
