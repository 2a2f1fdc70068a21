"""Rows of Resolve that are edited or kept beside another one, and the rows that would follow them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from textual.timer import Timer

from migrator_tui.migration.conflicts import ConflictRow
from migrator_tui.model.decisions import ConflictChoice, ConflictDecision, Decisions
from migrator_tui.model.errors import MigratorError
from migrator_tui.postgres.following import Followers
from migrator_tui.tui.conflict_choices import Chosen, edited, kept_both, keys_in_words, name_of, why_not
from migrator_tui.tui.dialogs.edit_row import EditRow, Values
from migrator_tui.tui.screens.conflict_reader import ConflictReader
from migrator_tui.tui.wording import visible

REST = 0.2
"""Seconds that the cursor rests on a row before what follows it is read: a page down does not wait for it."""


class ConflictEditor(ConflictReader):
    """Base of Resolve: what is typed into a row, and what follows it."""

    def __init__(self) -> None:
        super().__init__()
        self._chosen = Chosen(Decisions())
        self._followers: dict[str, Sequence[Followers]] = {}
        self._resting: Timer | None = None

    def _decide(self, rows: Iterable[ConflictRow], made: Sequence[ConflictDecision]) -> None:
        raise NotImplementedError

    def _show_sides(self) -> None:
        raise NotImplementedError

    def _refused(self, row: ConflictRow, choice: ConflictChoice) -> bool:
        """Whether a row cannot be decided so; then it is said why."""
        why = why_not(row, choice)
        if why:
            self.notify(f"{visible(keys_in_words([row.key], 1))}: {why}", severity="warning")
        return why is not None

    # ── editing, keeping both ───────────────────────────────────────────────────────────────────────────────────

    def action_edit_row(self) -> None:
        """Write the source's row with other values."""
        self._with_row(self._edit_row)

    def _edit_row(self, row: ConflictRow) -> None:
        if self._refused(row, ConflictChoice.EDIT):
            return
        columns = [name for name in row.source if name not in row.key]
        given = self._given(row, ConflictChoice.EDIT)

        def answered(values: Values | None) -> None:
            if values:
                self._decide([row], [edited(row, values)])
                self._listed.action_step(1)

        text = "The source's row is written with these values."
        self.app.push_screen(EditRow(f"Edit {_titled(row)}", text, row, columns, given=given), answered)

    def action_keep_both(self) -> None:
        """Keep the row beside the one that it met, or all that are selected."""
        selecting = self._listed.selecting
        self._with_row(self._keep_both, step=not selecting)

    def _keep_both(self, row: ConflictRow) -> bool:
        if self._listed.selected:
            self._choose_selected(self._listed.selected, ConflictChoice.KEEP_BOTH)
            return False
        if self._refused(row, ConflictChoice.KEEP_BOTH):
            return False
        taken = row.taken_values
        if not taken and not row.why:
            self._decide([row], [kept_both(row, {})])
            return True
        columns = [*row.key, *(name for name in taken if name not in row.key)]
        wanted = [name for name in taken if name not in row.key]

        def answered(values: Values | None) -> None:
            if values is not None:
                self._decide([row], [kept_both(row, values)])
                self._listed.action_step(1)

        self.app.push_screen(
            EditRow(
                f"Keep both: {_titled(row)}",
                "The source's row is added beside the target's.",
                row,
                columns,
                given=self._given(row, ConflictChoice.KEEP_BOTH),
                wanted=wanted,
                chosen_by_target=[*row.key],
            ),
            answered,
        )
        return False

    def _choose_selected(self, selected: Sequence[ConflictRow], choice: ConflictChoice) -> None:
        raise NotImplementedError

    def _given(self, row: ConflictRow, choice: ConflictChoice) -> Mapping[str, str | None]:
        return self._chosen.values_of(row) if self._chosen.of(row)[0] is choice else {}

    # ── what follows ────────────────────────────────────────────────────────────────────────────────────────────

    def _followers_of(self, row: ConflictRow) -> Sequence[Followers] | None:
        """What is known of the rows that would follow; it is read once the cursor rests."""
        known = self._followers.get(name_of(row.table, row.key))
        if self._resting is not None:
            self._resting.stop()
            self._resting = None
        if known is None and not row.both_ends:
            self._resting = self.set_timer(REST, lambda: self._ask_for_followers(row))
        return known

    def _ask_for_followers(self, row: ConflictRow) -> None:
        outcome = self.session.outcome
        if outcome is not None:
            run = outcome.run
            self.run_worker(lambda: self._read_followers(run, row), thread=True, exit_on_error=False)

    def _read_followers(self, run: str, row: ConflictRow) -> None:
        try:
            found = self.guide.followers(run, row)
        except MigratorError:
            return  # what is wrong is said where the rows are read
        self.app.call_from_thread(self._took_followers, row, found)

    def _took_followers(self, row: ConflictRow, found: Sequence[Followers]) -> None:
        self._followers[name_of(row.table, row.key)] = found
        if found and self._listed.current is row:
            self._show_sides()


def _titled(row: ConflictRow) -> str:
    return f"{row.table} {', '.join(f'{name}={value}' for name, value in row.key.items())}"
