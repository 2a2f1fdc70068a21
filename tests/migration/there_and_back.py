"""A generated database on its way: SQLite → Postgres → SQLite, held to the row equation, the auditor, and itself."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from migrator_tui import locations
from migrator_tui.migration.pulling.pull import pull
from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Scope
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import Target
from tests.migration import auditing
from tests.migration.comparing_files import rows_of
from tests.migration.running import Engine, decided, session, text
from tests.migration.trap_databases import Drawn


@dataclass(frozen=True, slots=True)
class Journey:
    """Migrates databases to one target, again and again; it is emptied before each."""

    target: Target
    folder: Path

    def there_and_back(self, drawn: Drawn) -> str:
        """Migrate, audit, pull, compare. Gives ``lossless``, or ``lossy`` where a lossy choice was taken.

        Raises:
            AssertionError: Something is not as it was.
        """
        self._forget()
        source = drawn.build(self.folder / "source.db")
        chosen = decided(*(FindingDecision(kind, choice) for kind, choice in drawn.choices))
        outcome = Engine().migrate(
            source, self.target, accept_lossy=True, decisions=chosen, scope=Scope(names=drawn.names)
        )
        assert outcome.status is RunStatus.SUCCEEDED, outcome.error
        wrong = auditing.audit(source, self.target, outcome.as_json())
        assert not wrong, "; ".join(wrong[:3])
        lossy = lossy_choices(outcome)
        if outcome.tables:
            pulled = self.folder / "pulled.db"
            pulled.unlink(missing_ok=True)
            pull(PullRequest(pulled), self.target)
            changed = came_back_otherwise(source, pulled, outcome, auditing.json_columns(self.target, outcome.run))
            assert not changed, changed[0]
        return "lossy" if lossy else "lossless"

    def _forget(self) -> None:
        shutil.rmtree(locations.runs_folder(), ignore_errors=True)
        with session(self.target) as connection:
            connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
            connection.execute("CREATE SCHEMA public")
            if connection.execute("SELECT to_regclass('migrator.run')").fetchone() != (None,):
                connection.execute(text("TRUNCATE migrator.run CASCADE"))


def came_back_otherwise(
    source: Path, pulled: Path, outcome: RunOutcome, by_value: Collection[tuple[str, str]]
) -> list[str]:
    """What a pull gave back otherwise, in words: of every column for which no lossy choice was taken.

    Args:
        by_value: Table and column of what is JSON by value.
    """
    lossy = lossy_choices(outcome)
    without = lossy | set(by_value)
    changed = []
    for table in outcome.tables:
        try:
            mine, theirs = (rows_of(path, table.source, without) for path in (source, pulled))
        except sqlite3.Error as error:
            changed.append(f"cannot be read as it came back: {table.source!r}: {error}")
            continue
        if table.quarantined_rows or (table.source, "") in lossy:
            theirs, mine = sorted((Counter(theirs) - Counter(mine)).elements(), key=repr), []
        if mine != theirs:
            first = next(((m, t) for m, t in zip(mine, theirs, strict=False) if m != t), (mine[:1], theirs[:1]))
            changed.append(f"came back otherwise: {table.source!r}: {first}")
    return changed


def lossy_choices(outcome: RunOutcome) -> set[tuple[str, str]]:
    """Table and column (empty for the whole table) of each lossy choice that was taken."""
    taken = set()
    for finding in outcome.findings:
        choice = finding.kind.choice(finding.decision) if finding.decision else None
        if choice is not None and choice.lossy:
            taken.add((finding.table or "", finding.column or ""))
    return taken
