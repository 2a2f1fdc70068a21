"""Workers and processes that wake after another one took their run over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.errors import ConnectionLost, FenceLost
from migrator_tui.model.profile import Chunk
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres import ledger
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.ddl import staging_schema
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.load import Loader
from tests.faults.conftest import Start
from tests.faults.observing import Connection, committed, lost_and_doubled, until
from tests.migration.running import Engine, leftovers, succeeded, text, value

RUN = "20260101-000000-zzzz"
SCHEMA = pa.schema([("n", pa.int64())])
CHUNK = Chunk(seq=0, lo=1, hi=4, rows=4, bytes=32)


@dataclass(frozen=True, slots=True)
class Zombie:
    """A loader with a table to load into, and the right to write that it is about to lose."""

    fence: Fence
    loader: Loader

    def load(self, batches: Iterator[pa.RecordBatch] | None = None) -> None:
        """Load its one chunk."""
        self.loader.load("t", "t", CHUNK, batches or iter([batch(1, 2, 3, 4)]), SCHEMA, [])


def batch(*numbers: int) -> pa.RecordBatch:
    """Rows of the table."""
    return pa.record_batch([pa.array(numbers, pa.int64())], schema=SCHEMA)


@pytest.fixture
def zombie(target: Target, db: Connection) -> Iterator[Zombie]:
    """A loader of a run that is recorded on the target."""
    ledger.install(db)
    fence = ledger.create_run(db, RUN, "0" * 64, "server")
    schema = staging_schema(RUN)
    db.execute(text(f'CREATE SCHEMA "{schema}"; CREATE TABLE "{schema}".t (n bigint)'))
    loader = Loader(target, fence, schema)
    yield Zombie(fence, loader)
    loader.close()


def staged(db: Connection) -> int:
    """Rows of the zombie's table."""
    return int(value(db, f'SELECT count(*) FROM "{staging_schema(RUN)}".t'))


def test_a_loader_with_its_fence_commits(zombie: Zombie, db: Connection) -> None:
    zombie.load()
    assert (staged(db), committed(db)) == (4, 1)


def test_a_loader_whose_backend_was_ended_by_the_taking_over_cannot_commit(zombie: Zombie, db: Connection) -> None:
    assert ledger.take_over(db, RUN).number == zombie.fence.number + 1
    with pytest.raises(ConnectionLost):
        zombie.load()
    assert (staged(db), committed(db)) == (0, 0)


def test_a_loader_whose_backend_nobody_ended_finds_its_fence_lost(zombie: Zombie, db: Connection) -> None:
    db.execute("DELETE FROM migrator.backend")  # as where the role may not end other sessions
    ledger.take_over(db, RUN)
    with pytest.raises(FenceLost):
        zombie.load()
    assert (staged(db), committed(db)) == (0, 0)


def test_a_loader_that_is_taken_over_in_the_middle_of_its_rows_cannot_commit(zombie: Zombie, db: Connection) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield batch(1, 2)
        ledger.take_over(db, RUN)
        yield batch(3, 4)

    with pytest.raises(ConnectionLost):
        zombie.load(batches())
    assert (staged(db), committed(db)) == (0, 0)


def test_a_taking_over_waits_for_a_chunk_in_flight_and_then_knows_of_it(
    zombie: Zombie, target: Target, db: Connection
) -> None:
    db.execute("DELETE FROM migrator.backend")
    known: list[int] = []

    def take_over() -> None:
        with connect(target, application_name="successor") as connection:
            ledger.take_over(connection, RUN)
            known.append(committed(connection))

    successor = threading.Thread(target=take_over)

    def batches() -> Iterator[pa.RecordBatch]:
        yield batch(1, 2)
        successor.start()
        until(
            lambda: value(
                db,
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'successor' AND wait_event_type "
                "= 'Lock'",
            ),
            "the successor to wait",
        )
        yield batch(3, 4)

    zombie.load(batches())
    successor.join()
    assert known == [1]
    assert staged(db) == 4
    with pytest.raises(FenceLost):
        zombie.loader.load("t", "t", Chunk(1, 5, 5, 1, 8), iter([batch(5)]), SCHEMA, [])


@pytest.mark.parametrize("at", ["staging", "staged", "checked", "publish-locked", "publish-commit", "published"])
def test_a_whole_run_that_sleeps_while_another_process_ends_it_changes_nothing_afterwards(
    target: Target, small: Path, start: Start, engine: Engine, db: Connection, at: str
) -> None:
    asleep, awake = threading.Event(), threading.Event()
    slept: list[bool] = []

    def sleep(name: str) -> None:
        if name == at:
            asleep.set()
            slept.append(awake.wait(60))

    sleeper = start(small, target, failpoint=sleep, chunk_bytes=16_384)
    until(asleep.is_set, f"the run to come to {at}")
    succeeded(engine.resume(sleeper.run, target))
    assert lost_and_doubled(small, db) == (0, 0)

    awake.set()
    outcome = sleeper.end()
    assert slept == [True]  # the other process did not wait for it
    assert outcome.status is RunStatus.INTERRUPTED
    assert outcome.error is not None
    assert outcome.error.id == "RUN-TAKEN-OVER"
    assert lost_and_doubled(small, db) == (0, 0)
    assert leftovers(db) == set()
    assert RunFolder.open(sleeper.run).record().status is RunStatus.SUCCEEDED
