"""A COPY that is in flight on a slow link, and a check that is under way, when somebody stops the run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from migrator_tui.migration.run_folder import all_runs
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from tests.faults.conftest import Start, Watched
from tests.faults.observing import Connection, committed, lost_and_doubled, until
from tests.faults.proxy import Proxy
from tests.migration.running import Engine, leftovers, succeeded, value

CHUNK = 1 << 20

ENDS_WHILE_CHECKING = """
import os, sys
from pathlib import Path
from migrator_tui.migration import checking
from migrator_tui.migration.migrate import Migration
from migrator_tui.migration.run import begin
from migrator_tui.migration.request import Request
from migrator_tui.migration.runner import Runner
from migrator_tui.postgres.connect import Target

source, url, function, number = sys.argv[1:]
calls, inner = [], getattr(checking, function)

def ends(*arguments):
    calls.append(1)
    if len(calls) == int(number):
        os._exit(9)
    return inner(*arguments)

setattr(checking, function, ends)
request, target = Request(Path(source), accept_recommended=True, chunk_bytes=4096), Target.parse(url)
folder = begin(request, target)
runner = Runner(folder.run, Migration(request, target, folder))
runner.start()
runner.wait()
"""


def copies(db: Connection) -> int:
    """COPYs into staging that are at work."""
    return int(value(db, "SELECT count(*) FROM pg_stat_progress_copy WHERE datid = (SELECT oid FROM pg_database "
                         "WHERE datname = current_database())"))  # fmt: skip


def transactions(db: Connection, run: str) -> int:
    """Transactions of the run that are open."""
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND xact_start IS NOT NULL"
    return int(value(db, open_ones, f"migrator-tui {run}"))


@pytest.fixture
def copying(proxy: Proxy, wide: Path, start: Start, db: Connection) -> Watched:
    """A run in the middle of a COPY that takes long, because the link is slow."""

    def drip(name: str) -> None:
        if name == "staging":
            proxy.drip(2_000)

    run = start(wide, proxy.target(), failpoint=drip, chunk_bytes=CHUNK)
    until(lambda: copies(db), "a COPY")
    return run


def test_a_pause_ends_a_copy_in_flight_and_the_run_goes_on_with_that_chunk(
    copying: Watched, proxy: Proxy, wide: Path, db: Connection
) -> None:
    copying.runner.pause()
    assert copying.runner.progress().status is RunStatus.PAUSED
    until(lambda: not transactions(db, copying.run), "the run's transactions to end")
    assert copies(db) == 0
    at_rest = committed(db)
    proxy.let_go()
    # What the link still held reaches the server now: a transaction may open, and ends without a commit.
    until(lambda: not transactions(db, copying.run), "the run's transactions to end")
    assert committed(db) == at_rest
    copying.runner.unpause()
    succeeded(copying.end())
    assert lost_and_doubled(wide, db) == (0, 0)


def test_a_cancel_ends_a_copy_in_flight_and_resume_goes_on(
    copying: Watched, wide: Path, engine: Engine, target: Target, db: Connection
) -> None:
    copying.runner.cancel()
    assert copying.end().status is RunStatus.INTERRUPTED
    succeeded(engine.resume(copying.run, target))
    assert lost_and_doubled(wide, db) == (0, 0)
    assert leftovers(db) == set()


@pytest.mark.parametrize(
    ("function", "number"), [("compare_chunk", 1), ("compare_chunk", 40), ("_apply", 2), ("_apply", 9)]
)
def test_a_process_that_ends_while_it_checks_is_gone_on_with(
    target: Target, small: Path, engine: Engine, db: Connection, function: str, number: int
) -> None:
    words = [sys.executable, "-c", ENDS_WHILE_CHECKING, str(small), target.display, function, str(number)]
    assert subprocess.run(words, check=False).returncode == 9
    (record,) = all_runs()
    assert record.status is RunStatus.INTERRUPTED
    succeeded(engine.resume(record.run, target))
    assert lost_and_doubled(small, db) == (0, 0)
    assert leftovers(db) == set()
