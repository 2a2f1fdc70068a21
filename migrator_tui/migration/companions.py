"""Companions: what moves, or is set, beside the tables in the same run: users, files, and who may reach which rows.

A migration calls each companion's hooks at its own steps, in the order in which they are listed. Every hook may be met
again after a crash: what was done is read from the ledger on the target, never assumed, and the intent of an effect
outside the database is recorded before it. A failure before ``within_publish`` publishes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import psycopg

from migrator_tui.migration.audit import AuditTrail
from migrator_tui.migration.board import Board
from migrator_tui.migration.control import Control
from migrator_tui.migration.planning.quarantine import RowSets
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.staging import Source
from migrator_tui.model.outcome import Beside
from migrator_tui.model.plan import Plan
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.ledger import Fence
from migrator_tui.supabase.api import Api

T = TypeVar("T")


@dataclass(frozen=True)
class RunContext:
    """What a companion works with.

    Attributes:
        api: The project's APIs, or None where none was named.
        with_target: Calls a function with a connection of its own, again where the connection was lost; the function
            must bear repetition.
        failpoint: Called with a name at the moments where a crash would hurt most.
    """

    run: str
    plan: Plan
    source: Source
    sets: RowSets
    target: Target
    fence: Fence
    folder: RunFolder
    board: Board
    control: Control
    audit: AuditTrail
    api: Api | None
    with_target: Callable[[Callable[[psycopg.Connection[Any]], Any]], Any]
    failpoint: Callable[[str], None] = lambda name: None


@dataclass(frozen=True, slots=True)
class Undoing:
    """What a companion undoes with: the source may be gone by then, the plan and the ledger are there."""

    run: str
    plan: Plan
    target: Target
    fence: Fence
    folder: RunFolder
    board: Board
    control: Control
    audit: AuditTrail
    api: Api | None


class Companion(Protocol):
    """One thing that moves beside the tables. ``name`` is ``users``, ``files`` or ``exposure``."""

    name: str

    def stage(self, context: RunContext) -> None:
        """After the tables are staged: effects that the application cannot see, such as uploads."""

    def check(self, context: RunContext) -> Sequence[str]:
        """Before anything is visible; returns notes, raises what must stop the run."""

    def before_publish(self, context: RunContext) -> None:
        """Effects outside the database that the tables' publishing relies on; the intent is recorded first."""

    def within_publish(self, connection: psycopg.Connection[Any], context: RunContext) -> None:
        """In the publishing transaction, after tables, keys and views are there. It may be rolled back and repeated."""

    def after_publish(self, context: RunContext) -> Sequence[str]:
        """After the commit; a failure is a note."""

    def verify(self, context: RunContext) -> Beside | None:
        """Look at what is there now; the line of the summary, or None where there is nothing to tell.

        Raises:
            VerificationFailed: It is not what was planned.
        """

    def undo_within(self, connection: psycopg.Connection[Any], undoing: Undoing) -> Sequence[str]:
        """In the transaction that takes published tables back, once they have left; lines of what was kept."""

    def undo(self, undoing: Undoing) -> Sequence[str]:
        """After that transaction, or where nothing was published; lines of what was kept. Calling again goes on."""


class Silent:
    """A companion that does nothing; the real ones override what they need."""

    name = ""

    def stage(self, context: RunContext) -> None:
        """Nothing."""

    def check(self, context: RunContext) -> Sequence[str]:
        """Nothing to note."""
        return ()

    def before_publish(self, context: RunContext) -> None:
        """Nothing."""

    def within_publish(self, connection: psycopg.Connection[Any], context: RunContext) -> None:
        """Nothing."""

    def after_publish(self, context: RunContext) -> Sequence[str]:
        """Nothing to note."""
        return ()

    def verify(self, context: RunContext) -> Beside | None:
        """Nothing to tell."""
        return None

    def undo_within(self, connection: psycopg.Connection[Any], undoing: Undoing) -> Sequence[str]:
        """Nothing was kept."""
        return ()

    def undo(self, undoing: Undoing) -> Sequence[str]:
        """Nothing was kept."""
        return ()


def companions_of(plan: Plan) -> tuple[Companion, ...]:
    """The companions that a plan asks for, in the order in which they act: files, users, exposure."""
    from migrator_tui.migration.exposing import Exposing  # which are written in this module's words
    from migrator_tui.migration.files.moving_files import Files
    from migrator_tui.migration.recording import MigrationFile
    from migrator_tui.migration.users.mapping_user_ids import MappingUserIds
    from migrator_tui.migration.users.moving_users import MovingUsers

    project = plan.project
    if project is None:
        return ()
    found: list[Companion] = []
    if project.files:
        found.append(Files())
    if project.users is not None:
        found.append(MovingUsers())
        found.append(MappingUserIds())
    if project.exposure or project.views or any(plan.access != "none" for plan in project.files):
        found.append(Exposing())
    if project.migration is not None:
        found.append(MigrationFile())
    return tuple(found)
