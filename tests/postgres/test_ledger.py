from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from migrator_tui.model.errors import FenceLost, TargetError
from migrator_tui.postgres import ledger
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.ledger import Fence

Connection = psycopg.Connection[Any]


@pytest.fixture
def fence(db: Connection) -> Fence:
    ledger.install(db)
    return ledger.create_run(db, "r1", "0" * 64, "here")


def test_installing_again_changes_nothing(db: Connection, fence: Fence) -> None:
    ledger.install(db)

    assert ledger.is_installed(db)
    run = ledger.read_run(db, "r1")
    assert run is not None
    assert (run.fence, run.state, run.source_sha256, run.server_identity) == (1, "staging", "0" * 64, "here")


def test_two_processes_may_install_at_once(target: Target, db: Connection) -> None:
    troubles: list[BaseException] = []

    def install() -> None:
        try:
            with connect(target) as connection:
                ledger.install(connection)
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=install) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert troubles == []
    assert ledger.is_installed(db)


def test_a_newer_ledger_is_refused(db: Connection, fence: Fence) -> None:
    db.execute("INSERT INTO migrator.version (version) VALUES (%s)", (ledger.VERSION + 1,))

    with pytest.raises(TargetError) as caught:
        ledger.install(db)

    assert caught.value.id == "LEDGER-NEWER"


def test_the_schema_is_nobody_else_s(db: Connection, fence: Fence, role: Any) -> None:
    with connect(role()) as stranger, pytest.raises(psycopg.errors.InsufficientPrivilege):
        stranger.execute("SELECT * FROM migrator.quarantine")


def test_taking_over_raises_the_fence_and_ends_the_recorded_backends(
    target: Target, db: Connection, fence: Fence
) -> None:
    with connect(target) as worker:
        ledger.record_backend(worker, fence)
        taken = ledger.take_over(db, "r1")

        with pytest.raises(psycopg.OperationalError):
            worker.execute("SELECT 1")
    assert taken == Fence("r1", 2)
    with pytest.raises(FenceLost), db.transaction():
        ledger.hold(db, fence)
    with pytest.raises(FenceLost), db.transaction():
        ledger.set_state(db, fence, "published")
    with db.transaction():
        ledger.hold(db, taken)


def test_recording_a_run_again_takes_it_over(db: Connection, fence: Fence) -> None:
    assert ledger.create_run(db, "r1", "0" * 64, "here") == Fence("r1", 2)


def test_a_backend_whose_number_was_given_to_somebody_else_is_left_alone(
    target: Target, db: Connection, fence: Fence
) -> None:
    with connect(target) as other:
        db.execute("INSERT INTO migrator.backend VALUES ('r1', %s, '2001-01-01')", (other.info.backend_pid,))
        ledger.take_over(db, "r1")

        assert other.execute("SELECT 1").fetchone() == (1,)


def test_workers_hold_the_fence_together_and_a_taker_waits_for_them(
    target: Target, db: Connection, fence: Fence
) -> None:
    with connect(target) as one, connect(target) as two, one.transaction(), two.transaction():
        ledger.hold(one, fence)
        ledger.hold(two, fence)
        db.execute("SET lock_timeout = 100")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            ledger.take_over(db, "r1")


def test_an_unknown_run_cannot_be_taken_over(db: Connection, fence: Fence) -> None:
    with pytest.raises(TargetError) as caught:
        ledger.take_over(db, "r9")

    assert caught.value.id == "RUN-UNKNOWN"
    assert "r9" in caught.value.message


def test_without_a_ledger_there_is_no_run(db: Connection) -> None:
    assert not ledger.is_installed(db)
    assert ledger.read_run(db, "r1") is None


def test_steps_are_read_as_they_were_written(db: Connection, fence: Fence) -> None:
    assert ledger.read_step(db, "r1", "s") is None
    ledger.write_step(db, "r1", "s", {"a": [1, None, "ü"]})
    assert ledger.read_step(db, "r1", "s") == {"a": [1, None, "ü"]}
    ledger.write_step(db, "r1", "s", {})
    assert ledger.read_step(db, "r1", "s") == {}


def test_deleting_a_run_takes_all_that_belongs_to_it(db: Connection, fence: Fence) -> None:
    ledger.create_run(db, "r2", "0" * 64, "here")
    for run in ("r1", "r2"):
        db.execute("INSERT INTO migrator.chunk VALUES (%s, 't', 0, 1, 2, 2, 0, 9)", (run,))
        db.execute("INSERT INTO migrator.quarantine VALUES (%s, 't', 1, 'k', 'F', 'why', '{}')", (run,))
        db.execute(
            "INSERT INTO migrator.undo (run, tbl, key, op, after_hash) VALUES (%s, 't', '{}', 'insert', '')", (run,)
        )

    assert ledger.delete_run(db, "r1")
    assert not ledger.delete_run(db, "r1")

    for table in ("run", "chunk", "quarantine", "undo"):
        column = "id" if table == "run" else "run"
        assert db.execute(f"SELECT DISTINCT {column} FROM migrator.{table}".encode()).fetchall() == [("r2",)]


def test_forgetting_a_table_s_chunks_leaves_the_other_tables(db: Connection, fence: Fence) -> None:
    for table in ("t", "u"):
        db.execute("INSERT INTO migrator.chunk VALUES ('r1', %s, 0, 1, 2, 2, 0, 9)", (table,))
        db.execute("INSERT INTO migrator.quarantine VALUES ('r1', %s, 7, 'k', 'F', 'why', '{}')", (table,))

    ledger.forget_chunks(db, "r1", "t")

    assert list(ledger.chunks(db, "r1")) == ["u"]
    assert ledger.quarantined_rows(db, "r1") == {"u": {7}}
