"""Processes that end without a word: by kill -9 while rows are loaded, and at each moment where it would hurt most."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from migrator_tui.migration.run_folder import RunFolder, all_runs
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from tests.faults.observing import MIB, Connection, committed, lost_and_doubled, until
from tests.migration.running import Engine, leftovers, rows, succeeded

PROGRAM = (sys.executable, "-m", "migrator_tui")

ENDS_AT = """
import os, sys
from pathlib import Path
from migrator_tui.migration.migrate import Migration
from migrator_tui.migration.run import begin
from migrator_tui.migration.request import Request
from migrator_tui.migration.runner import Runner
from migrator_tui.postgres.connect import Target

at, source, url = sys.argv[1:]
request, target = Request(Path(source), accept_recommended=True, chunk_bytes=16384), Target.parse(url)
folder = begin(request, target)
runner = Runner(folder.run, Migration(request, target, folder, failpoint=lambda name: name == at and os._exit(9)))
runner.start()
runner.wait()
"""


@dataclass(frozen=True, slots=True)
class Killed:
    """A run of the command line that was killed."""

    run: str
    chunks: int


def kill_when_committed(config: Path, db: Connection, chunks: int) -> Killed:
    """Begin a run by a configuration file, and kill its process once so many chunks are committed."""
    words = [*PROGRAM, "migrate", "--config", str(config), "--yes", "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until(lambda: committed(db) >= chunks or process.poll() is not None, f"{chunks} chunks")
    finally:
        process.send_signal(signal.SIGKILL)
        said, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, said.decode()
    (record,) = all_runs()
    return Killed(record.run, committed(db))


@pytest.mark.parametrize("chunks", [1, 8])
def test_a_process_killed_while_loading_is_gone_on_with_and_no_row_is_lost_or_doubled(
    target: Target, wide: Path, db: Connection, tmp_path: Path, chunks: int
) -> None:
    config = tmp_path / "config.yaml"
    keys = {"source": {"sqlite": str(wide)}, "target": {"database": target.display}, "workers": 2, "chunk_mb": 1}
    config.write_text(json.dumps({"profiles": {"default": keys}}))
    killed = kill_when_committed(config, db, chunks)
    assert killed.chunks >= chunks
    assert RunFolder.open(killed.run).record().status is RunStatus.INTERRUPTED
    assert RunFolder.open(killed.run).record().options["chunk_bytes"] == MIB
    before = rows(db, "SELECT tbl, seq, xmin::text FROM migrator.chunk")

    resumed = subprocess.run([*PROGRAM, "resume", killed.run, "--json"], capture_output=True, text=True, check=False)

    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["status"] == "succeeded"
    assert lost_and_doubled(wide, db) == (0, 0)
    assert leftovers(db) == set()
    # What was committed before stays as it was: it is not loaded a second time.
    assert set(before) <= set(rows(db, "SELECT tbl, seq, xmin::text FROM migrator.chunk"))
    assert committed(db) > 12


@pytest.mark.parametrize(
    "at",
    [
        "snapshot",
        "staging",
        "staged",
        "checked",
        "publish-locked",
        "publish-merged",
        "publish-moved",
        "publish-compared",
        "publish-commit",
        "published",
    ],
)
def test_a_process_that_ends_at_any_step_is_gone_on_with(
    target: Target, small: Path, engine: Engine, db: Connection, at: str
) -> None:
    ended = subprocess.run([sys.executable, "-c", ENDS_AT, at, str(small), target.display], env=os.environ, check=False)
    assert ended.returncode == 9
    (record,) = all_runs()
    assert record.status is RunStatus.INTERRUPTED
    succeeded(engine.resume(record.run, target))
    assert lost_and_doubled(small, db) == (0, 0)
    assert leftovers(db) == set()
