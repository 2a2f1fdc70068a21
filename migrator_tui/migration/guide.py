"""The guide: everything that a front end with a person in front of it asks of the engine.

:class:`Guide` and :class:`Bench` are what screens know; :class:`~migrator_tui.migration.live_guide.LiveGuide` is the
engine behind them, and tests of screens put a scripted one in its place. Methods that talk to a database or read files
block: call them on a thread. Nothing of the engine is imported here, so that the first screen is there at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from migrator_tui.migration.ends import Ends, Facts, Offer, Step

if TYPE_CHECKING:
    from migrator_tui.migration.backups.backing_up_first import BackedUp
    from migrator_tui.migration.comparing.schemas import Pair
    from migrator_tui.migration.conflicts import ConflictGroup, ConflictRow, Preview
    from migrator_tui.migration.run_folder import RunRecord
    from migrator_tui.migration.runner import RunHandle
    from migrator_tui.model.decisions import ConflictRule, Decisions
    from migrator_tui.model.outcome import RunOutcome
    from migrator_tui.model.plan import Plan, Scope
    from migrator_tui.model.schema import Database, TableName
    from migrator_tui.model.secret import Secret
    from migrator_tui.postgres.following import Followers

__all__ = ["Bench", "Ends", "Facts", "Guide", "Offer", "Step"]


class Bench(Protocol):
    """Both ends opened: a snapshot of the source and an inspected target, to compare and plan with."""

    @property
    def ends(self) -> Ends:
        """What was opened."""

    @property
    def facts(self) -> Facts:
        """What the connection test found out."""

    @property
    def source(self) -> Database:
        """The source's schema."""

    @property
    def target(self) -> Database:
        """The target's schema."""

    def draft(self, scope: Scope, decisions: Decisions) -> Plan:
        """The plan for a scope and decisions; blocks for some tenths of a second."""

    def pairs(self, plan: Plan) -> Sequence[Pair]:
        """Both schemas side by side."""

    def close(self) -> None:
        """Let go of the snapshot."""


class Guide(Protocol):
    """The engine as screens see it."""

    def offers(self, folder: Path) -> Sequence[Offer]:
        """Profiles of the folder's configuration, SQLite files in it, and targets that its ``.env`` files name."""

    def runs(self) -> Sequence[RunRecord]:
        """The runs of this machine, newest first."""

    def outcome(self, run: str) -> RunOutcome | None:
        """The summary of a run's last end; None where there is none."""

    def open(self, ends: Ends, password: Secret | None, say: Callable[[Step], None]) -> Bench:
        """Test both ends step by step, and open them.

        Raises:
            MigratorError: Naming what failed; the steps before it have been told.
        """

    def keep_password(self, ends: Ends, password: Secret) -> str:
        """Keep the password in the system's keyring; says where.

        Raises:
            MigratorError: There is no keyring, or it does not answer; the hint names the alternatives.
        """

    def start(self, bench: Bench, scope: Scope, decisions: Decisions) -> RunHandle:
        """Begin a run; it stops before publishing until it is confirmed."""

    def resume(self, run: str, decisions: Decisions, password: Secret | None) -> RunHandle:
        """Go on with a run.

        Raises:
            MigratorError: The target does not let us in (``TARGET-PASSWORD`` …); the run stays as it is.
        """

    def sync(self, run: str, password: Secret | None) -> RunHandle:
        """Bring both ends of a run together by what each changed since; a new run, which stops before it writes until
        it is confirmed. Raises as :meth:`resume`."""

    def back_up(
        self, run: str, tables: Sequence[TableName], passphrase: Secret | None, say: Callable[[str], None]
    ) -> BackedUp:
        """Back up live tables of a run's target; raises as :func:`back_up_first`."""

    def rollback(self, run: str, password: Secret | None) -> RunHandle:
        """Take a run back; raises as :meth:`resume`."""

    def conflicts(self, run: str, group: tuple[str, str], offset: int, limit: int) -> Sequence[ConflictRow]:
        """Conflicting rows of a run that waits for decisions, of one table and kind, a page at a time."""

    def conflict_groups(self, run: str, decisions: Decisions) -> Sequence[ConflictGroup]:
        """The conflicts of a run that waits for decisions, by table and kind, as these decisions leave them."""

    def preview(self, run: str, decisions: Decisions, rule: ConflictRule, limit: int) -> Preview:
        """The conflicts that a rule would decide of those which the decisions leave open.

        Raises:
            UsageError: The rule names a column without an order.
        """

    def reopened(self, run: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Table and key of the rows whose choice could not be taken, or which changed after it was made."""

    def followers(self, run: str, row: ConflictRow) -> Sequence[Followers]:
        """The rows that refer to a conflicting one, or to a live one that it met."""

    def keep_decisions(self, run: str, decisions: Decisions) -> Path:
        """Write the decisions into the run's folder, for people and for ``resume --decisions``; says where."""

    def close(self) -> None:
        """Stop servers that were started."""
