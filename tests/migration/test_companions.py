"""What moves beside the tables acts at its place in the run, within its transactions, and is taken back with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrator_tui.migration import migrate
from migrator_tui.migration.companions import RunContext, Silent, Undoing
from migrator_tui.migration.syncing import sync_companions
from migrator_tui.model.errors import TargetError
from migrator_tui.model.outcome import Beside
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from migrator_tui.sqlite.read import SnapshotReader
from tests.migration.running import Engine

ONE = "CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b');"


class Marks(Silent):
    """Notes what is called, and writes a mark into the database in the publishing transaction."""

    name = "marks"

    def __init__(self) -> None:
        self.told: list[str] = []
        self.refuses = False

    def stage(self, context: RunContext) -> None:
        self.told.append("stage")
        with SnapshotReader(context.source.snapshot):
            pass

    def check(self, context: RunContext) -> Sequence[str]:
        self.told.append("check")
        return ("looked at",)

    def before_publish(self, context: RunContext) -> None:
        self.told.append("before")

    def within_publish(self, connection: psycopg.Connection[Any], context: RunContext) -> None:
        self.told.append("within")
        connection.execute("CREATE TABLE public.mark AS SELECT count(*) AS rows FROM public.t")
        if self.refuses:
            raise TargetError("MARK-REFUSED", "The mark is refused.", "Try again.")

    def after_publish(self, context: RunContext) -> Sequence[str]:
        self.told.append("after")
        return ()

    def verify(self, context: RunContext) -> Beside | None:
        self.told.append("verify")
        return Beside("marks", "public.mark", total=1, moved=1, verified=True, lines=("One mark.",))

    def undo_within(self, connection: psycopg.Connection[Any], undoing: Undoing) -> Sequence[str]:
        self.told.append("undo within")
        connection.execute("DROP TABLE public.mark")
        return ("The mark was kept in mind.",)

    def undo(self, undoing: Undoing) -> Sequence[str]:
        self.told.append("undo")
        return ()


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> Marks:
    """A companion of every plan."""
    made = Marks()
    for module in (migrate, sync_companions):
        monkeypatch.setattr(module, "companions_of", lambda plan: (made,))
    return made


def there(target: psycopg.Connection[Any]) -> list[str]:
    rows = target.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1")
    return [row[0] for row in rows]


def test_a_companion_acts_at_each_step_and_is_summed_up(
    make_source: Callable[..., Path], engine: Engine, target: Target, db: psycopg.Connection[Any], marks: Marks
) -> None:
    outcome = engine.migrate(make_source(ONE), target)
    assert marks.told == ["stage", "check", "before", "within", "after", "verify"]
    assert there(db) == ["mark", "t"]
    assert db.execute("SELECT rows FROM mark").fetchone() == (2,)
    assert "looked at" in outcome.notes
    assert [entry["name"] for entry in outcome.as_json()["beside"]] == ["marks"]


def test_a_companion_that_refuses_within_publishing_leaves_nothing_visible(
    make_source: Callable[..., Path], engine: Engine, target: Target, db: psycopg.Connection[Any], marks: Marks
) -> None:
    marks.refuses = True
    outcome = engine.migrate(make_source(ONE), target)
    assert outcome.status is RunStatus.FAILED
    assert outcome.error is not None
    assert outcome.error.id == "MARK-REFUSED"
    assert there(db) == []


def test_undo_takes_the_companions_effects_back_and_tells_what_it_kept(
    make_source: Callable[..., Path], engine: Engine, target: Target, db: psycopg.Connection[Any], marks: Marks
) -> None:
    outcome = engine.migrate(make_source(ONE), target)
    undone = engine.rollback(outcome.run, target)
    assert undone.status is RunStatus.ROLLED_BACK
    assert marks.told[-2:] == ["undo within", "undo"]
    assert there(db) == []
    assert "The mark was kept in mind." in undone.kept_edits
