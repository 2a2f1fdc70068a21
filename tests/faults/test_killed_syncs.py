"""A sync whose process is killed between what it does to either end: gone on with, and taken back, at both."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from migrator_tui.migration.run_folder import all_runs
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from tests.faults.observing import Connection
from tests.migration.running import Engine, build, leftovers, rows, succeeded

KILLED_AT = """
import os, signal, sys
from pathlib import Path
from migrator_tui.migration.run import begin
from migrator_tui.migration.request import Request
from migrator_tui.migration.runner import Runner
from migrator_tui.migration.syncing.sync import Sync
from migrator_tui.postgres.connect import Target

at, source, url = sys.argv[1:]
request, target = Request(Path(source), accept_recommended=True, command="sync"), Target.parse(url)
folder = begin(request, target)
kill = lambda name: name == at and os.kill(os.getpid(), signal.SIGKILL)
runner = Runner(folder.run, Sync(request, target, folder, failpoint=kill))
runner.start()
runner.wait()
"""
STAGES = ("back-laid-out", "published", "written-back")
"""Before anything is written, between the two ends, and after both; other moments are those of tests/migration."""
TABLES = ("box", "toy")


def both(source: Path, db: Connection) -> list[list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(source)) as file:
        here = [file.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in TABLES]
    return here + [rows(db, f"SELECT * FROM {table} ORDER BY 1") for table in TABLES]


def test_a_sync_killed_at_any_stage_is_finished_by_resume_changes_nothing_again_and_is_taken_back_at_both_ends(
    target: Target, engine: Engine, db: Connection, tmp_path: Path
) -> None:
    source = build(
        tmp_path / "app.db",
        "CREATE TABLE box (id INTEGER PRIMARY KEY, name TEXT UNIQUE);"
        "CREATE TABLE toy (id INTEGER PRIMARY KEY, box INTEGER NOT NULL REFERENCES box (id), weight REAL);"
        "INSERT INTO box VALUES (1, 'red'), (2, 'blue'), (3, 'green'); INSERT INTO toy VALUES (1, 1, 1), (2, 2, 2), "
        "(3, 3, 3);",
    )
    succeeded(engine.migrate(source, target))
    with closing(sqlite3.connect(source)) as file:
        file.executescript(
            "DELETE FROM toy WHERE id = 3; DELETE FROM box WHERE id = 3; INSERT INTO box VALUES (4, 'grey');"
            "INSERT INTO toy VALUES (4, 4, 4); UPDATE toy SET weight = 9 WHERE id = 1;"
        )
    db.execute("UPDATE box SET name = 'navy' WHERE id = 2")
    db.execute("INSERT INTO toy VALUES (5, 2, 5)")
    before = both(source, db)
    boxes = [(1, "red"), (2, "navy"), (4, "grey")]
    toys = [(1, 1, 9.0), (2, 2, 2.0), (4, 4, 4.0), (5, 2, 5.0)]
    for at in STAGES:
        known = {record.run for record in all_runs()}
        words = [sys.executable, "-c", KILLED_AT, at, str(source), target.display]
        assert subprocess.run(words, env=os.environ, check=False).returncode == -signal.SIGKILL, at
        (record,) = (record for record in all_runs() if record.run not in known)
        assert record.status is RunStatus.INTERRUPTED
        succeeded(engine.resume(record.run, target))
        assert both(source, db) == [boxes, toys, boxes, toys], at
        again = succeeded(engine.sync(source, target))
        assert again.extra["sync"]["changes"] == 0, at
        # What the second sync found in common is no more once the first is taken back: the next starts from before it.
        undone = engine.rollback(record.run, target)
        assert (undone.status, undone.kept_edits) == (RunStatus.ROLLED_BACK, ()), at
        assert both(source, db) == before, at
        assert leftovers(db) == set()
