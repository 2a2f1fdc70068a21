"""A person who stops a run, for a while or for good, also while the server does not answer."""

from __future__ import annotations

import threading
from pathlib import Path

from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from tests.faults.conftest import Start
from tests.faults.observing import Connection, backends, committed, lost_and_doubled, until
from tests.faults.proxy import Proxy
from tests.migration.running import Engine, leftovers, rows, succeeded


def test_a_pause_commits_nothing_and_holds_no_transaction_open_until_it_ends(
    target: Target, small: Path, start: Start, db: Connection
) -> None:
    run = start(small, target, chunk_bytes=2048)
    until(lambda: committed(db) >= 3, "three chunks")
    run.runner.pause()
    assert run.runner.progress().status is RunStatus.PAUSED

    def quiet() -> bool:
        return all(state == "idle" for _, state in backends(db, run.run))

    looks_at_rest = 0

    def at_rest_for_long() -> bool:
        # A worker that was about to begin a chunk still opens its transaction, and ends it with the first batch.
        nonlocal looks_at_rest
        looks_at_rest = looks_at_rest + 1 if quiet() else 0
        return looks_at_rest > 200

    until(at_rest_for_long, "no backend of the run at work or in a transaction")
    at_rest = committed(db)
    clock = threading.Event()
    for _ in range(50):
        clock.wait(0.01)
        assert quiet()
        assert committed(db) == at_rest
    assert run.runner.outcome() is None

    run.runner.unpause()
    succeeded(run.end())
    assert committed(db) > at_rest
    assert lost_and_doubled(small, db) == (0, 0)


def test_a_cancelled_run_is_gone_on_with(
    target: Target, small: Path, start: Start, engine: Engine, db: Connection
) -> None:
    run = start(small, target, chunk_bytes=2048)
    until(lambda: committed(db) >= 3, "three chunks")
    run.runner.cancel()
    outcome = run.end()
    assert outcome.status is RunStatus.INTERRUPTED
    assert outcome.error is not None
    assert run.run in outcome.error.hint
    succeeded(engine.resume(run.run, target))
    assert lost_and_doubled(small, db) == (0, 0)
    assert leftovers(db) == set()


def test_a_cancel_out_of_a_pause_ends_the_run(target: Target, small: Path, start: Start, db: Connection) -> None:
    run = start(small, target, chunk_bytes=2048)
    until(lambda: committed(db) >= 3, "three chunks")
    run.runner.pause()
    run.runner.cancel()
    assert run.end().status is RunStatus.INTERRUPTED


def test_a_cancel_does_not_wait_for_a_server_that_answers_nothing(
    proxy: Proxy, target: Target, small: Path, start: Start, engine: Engine, db: Connection
) -> None:
    def hold(name: str) -> None:
        if name == "staging":
            proxy.hold_after(120_000)

    run = start(small, proxy.target(), failpoint=hold)
    until(proxy.holding.is_set, "the connection to answer nothing any more")
    run.runner.cancel()
    assert run.end().status is RunStatus.INTERRUPTED
    # The run has ended while the connection is still held: nothing of it waited for an answer.
    assert proxy.holding.is_set()
    # One that was held before it could record itself is not ended by a taking over; its fence is what stops it.
    recorded = {pid for (pid,) in rows(db, "SELECT pid FROM migrator.backend")}
    held = recorded & {pid for pid, _ in backends(db, run.run)}
    assert held

    # Another way to the same server takes the run over; the held connection then finds itself ended.
    succeeded(engine.resume(run.run, target))
    assert held.isdisjoint(pid for pid, _ in backends(db, run.run))
    proxy.let_go()
    assert lost_and_doubled(small, db) == (0, 0)
    assert leftovers(db) == set()


def test_a_pause_takes_effect_where_the_server_answers_nothing(
    proxy: Proxy, target: Target, small: Path, start: Start, db: Connection
) -> None:
    def hold(name: str) -> None:
        if name == "staging":
            proxy.hold_after(120_000)

    run = start(small, proxy.target(), failpoint=hold)
    until(proxy.holding.is_set, "the connection to answer nothing any more")
    run.runner.pause()
    before = committed(db)
    proxy.let_go()
    until(lambda: all(state == "idle" for _, state in backends(db, run.run)), "no transaction of the run")
    assert committed(db) <= before + 2  # one COMMIT of each worker may have been under way
    run.runner.unpause()
    succeeded(run.end())
    assert lost_and_doubled(small, db) == (0, 0)
