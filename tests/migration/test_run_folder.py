"""The folder of a run: what its record says, also after the process that wrote it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from migrator_tui.migration.run_folder import RunFolder, RunRecord, all_runs
from migrator_tui.model.progress import RunStatus


def made(status: RunStatus, pid: int | None) -> RunFolder:
    folder = RunFolder.create()
    folder.write_record(RunRecord(folder.run, status, "app.db", "embedded", "2026-11-22", "migrate", {}, pid))
    return folder


@pytest.fixture
def killed() -> int:
    """The number of a process that was killed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.pid


def test_a_run_of_a_living_process_is_running() -> None:
    assert made(RunStatus.RUNNING, os.getpid()).record().status is RunStatus.RUNNING


def test_a_run_whose_process_was_killed_is_interrupted(killed: int) -> None:
    folder = made(RunStatus.RUNNING, killed)
    assert folder.record().status is RunStatus.INTERRUPTED
    assert [record.status for record in all_runs()] == [RunStatus.INTERRUPTED]


def test_a_run_whose_number_another_process_got_since_is_interrupted() -> None:
    folder = made(RunStatus.RUNNING, os.getpid())
    before = 1_000_000_000
    os.utime(folder.file("run.json"), (before, before))
    assert folder.record().status is RunStatus.INTERRUPTED


@pytest.mark.parametrize("status", [s for s in RunStatus if s is not RunStatus.RUNNING])
def test_a_run_that_ended_keeps_its_status(status: RunStatus, killed: int, home: Path) -> None:
    assert made(status, killed).record().status is status
