"""Resolving: what staged rows meet on the live tables, and whether every conflict has a choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.model.decisions import Decisions, OnConflict
from migrator_tui.model.errors import DecisionsNeeded, MigratorError
from migrator_tui.model.plan import Plan
from migrator_tui.postgres import ledger
from migrator_tui.postgres.detecting import CHANGED, Conflict
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.merge_plan import keep_natural_keys, merges
from migrator_tui.postgres.rekeying import Rekeying

NAMED = 20
"""So many rows are named in a message that changed after they were decided upon; of others three."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Conflicts found and decided.

    Attributes:
        samples: A line for each of the first undecided ones.
        refuse: The policy is to fail, not to ask.
    """

    found: int
    undecided: int
    samples: tuple[str, ...] = ()
    refuse: bool = False

    @property
    def resolved(self) -> int:
        """Conflicts that have a choice."""
        return self.found - self.undecided

    @property
    def error(self) -> MigratorError:
        """The error of a run that stops here."""
        message = f"{self.undecided} staged rows conflict with live rows: {'; '.join(self.samples)}."
        if self.refuse:
            return MigratorError("CONFLICTS", message, "The policy is --on-conflict fail; nothing was published.")
        return DecisionsNeeded(
            "CONFLICTS",
            message,
            "Staging is kept. `migrator-tui resume RUN --decisions FILE`, or --on-conflict keep-target or keep-source, "
            "goes on; what is no same-key conflict can be decided by kind: {table: …, kind: unique, choice: merge}, "
            "keep-both or quarantine; {kind: rule, choice: quarantine}; {kind: parent, choice: quarantine}.",
        )


def resolve(
    connection: psycopg.Connection[Any],
    plan: Plan,
    fence: Fence,
    decisions: Decisions,
    policy: OnConflict,
    *,
    afresh: bool = True,
) -> Resolved:
    """Compare staged with live rows and apply decisions, rules and the policy. Writes only to the staging schema.

    A decision about one row counts for the row as it was told last: where its live row changed since, it is a conflict
    once more, and neither that decision nor a rule decides it. Given once more, the decision counts.

    Args:
        afresh: The decisions are all that counts; otherwise what was chosen before stays where it still holds.
    """
    with connection.transaction():
        ledger.hold(connection, fence)
        if decisions.conflicts:  # by the natural keys by which the rows were told
            before = merges(connection, plan, fence.run)
            Rekeying(connection, plan, fence.run, before).mark_changed(connection, decisions, told=afresh)
        keep_natural_keys(connection, fence.run, decisions.natural_keys)
        by_table = merges(connection, plan, fence.run)
        Rekeying(connection, plan, fence.run, by_table).resolve(connection, decisions, policy, afresh=afresh)
    found = undecided = 0
    samples: list[str] = []
    for merge in by_table.values():
        counts = merge.counts(connection)
        found += counts.conflicts
        undecided += counts.undecided
        if counts.undecided and len(samples) < NAMED:
            told = merge.sample(connection, NAMED)
            changed = [conflict for conflict in told if conflict.why == CHANGED]
            samples += map(_told, changed or told[:3])
    return Resolved(found, undecided, tuple(samples), policy is OnConflict.FAIL)


def standing(connection: psycopg.Connection[Any], plan: Plan, run: str) -> tuple[int, int]:
    """How many conflicts the last detection found, and how many of them have a choice."""
    counts = [
        merge.counts(connection) for merge in merges(connection, plan, run).values() if merge.detected(connection)
    ]
    return sum(c.conflicts for c in counts), sum(c.conflicts - c.undecided for c in counts)


def _told(conflict: Conflict) -> str:
    why = f": {conflict.why}" if conflict.why else ""
    return f"{conflict.table} {conflict.key} ({conflict.kind}{why})"
