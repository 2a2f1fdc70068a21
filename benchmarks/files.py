"""How much several uploads at once help over a distance, and what a large file takes of memory.

Many small files are moved to the stand-in for a project, which waits before each answer, with one worker and with
eight, in turns; what counts is the ratio within a pair. Then one large sparse file goes in chunks, while the process's
resident memory is read. The stand-in is a process of its own, so that it shares neither the interpreter nor the memory
that is measured. See README.md in this folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from migrator_tui import locations
from migrator_tui.demo.project.project import Project
from migrator_tui.migration.files import uploads
from migrator_tui.migration.migrate import Migration
from migrator_tui.migration.request import Request
from migrator_tui.migration.rolling_back import Rollback
from migrator_tui.migration.run import begin
from migrator_tui.migration.runner import Runner
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Scope
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.project import FilesScope, ProjectScope
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.server import EmbeddedServer, fresh_database
from migrator_tui.supabase.api import Api

SMALL_BYTES = 2_000


@dataclass(frozen=True)
class There:
    """The project, as another process has it."""

    target: Target
    api: Api


def main() -> int:
    """Run both measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--latency", type=float, default=0.02, help="seconds that the project waits (default: 0.02)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=2_000_000_000, help="bytes of the large file; 0 leaves it out")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        return _serve(Path(arguments.serve), arguments.latency)
    folder = Path(tempfile.mkdtemp(prefix="mt-"))
    os.environ[locations.HOME_VARIABLE] = str(folder / "home")
    try:
        if arguments.files:
            with _project(folder / "small", arguments.latency) as there:
                _small(folder, there, arguments.files, arguments.rounds)
        if arguments.large:
            with _project(folder / "large", 0.0) as there:
                _large(folder, there, arguments.large)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _small(folder: Path, there: There, files: int, rounds: int) -> None:
    source = _application(folder / "many", {f"{n % 50:02}/{n:05}.txt": SMALL_BYTES for n in range(files)})
    print(f"{files:,} files of {SMALL_BYTES:,} B")
    ratios = []
    for number in range(rounds):
        seconds = {}
        for workers in (1, 8) if number % 2 else (8, 1):
            uploads.WORKERS = workers
            outcome = _migrate(source, folder / "many" / "uploads", there)
            seconds[workers] = dict(outcome.stages)["stage"]
            _rollback(outcome, there)
        ratios.append(seconds[1] / seconds[8])
        print(
            f"  round {number + 1}: 1 worker {seconds[1]:.1f} s ({files / seconds[1]:,.0f} files a second), "
            f"8 workers {seconds[8]:.1f} s ({files / seconds[8]:,.0f}): {ratios[-1]:.1f} times",
            flush=True,
        )
    print(f"  ratio {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


def _large(folder: Path, there: There, size: int) -> None:
    small = _application(folder / "one-small", {"small.bin": 7_000_000})
    large = _application(folder / "one-large", {"large.bin": size})
    peaks = []
    for source in (small, large):
        with _peak() as peak:
            outcome = _migrate(source, source.parent / "uploads", there)
        peaks.append(peak[0])
        seconds = dict(outcome.stages)["stage"]
        moved = outcome.beside[0].bytes
        print(f"{moved / 1e6:,.0f} MB in {seconds:.1f} s: peak of resident memory {peak[0] / 1e6:,.0f} MB", flush=True)
        _rollback(outcome, there)
    print(f"  more for the large one: {(peaks[1] - peaks[0]) / 1e6:,.1f} MB")


def _application(folder: Path, files: dict[str, int]) -> Path:
    for name, size in files.items():
        path = folder / "uploads" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(name.encode())
            file.truncate(size)
    with closing(sqlite3.connect(folder / "app.db")) as connection:
        connection.execute("CREATE TABLE documents (id INTEGER PRIMARY KEY, path TEXT)")
        connection.executemany("INSERT INTO documents (path) VALUES (?)", [(f"uploads/{name}",) for name in files])
        connection.commit()
    return folder / "app.db"


def _migrate(source: Path, folder: Path, there: There) -> RunOutcome:
    project = ProjectScope(there.api.url, folder, files=(FilesScope("documents", "path", "docs"),))
    request = Request(source, Scope(project=project), accept_recommended=True, accept_lossy=True)
    begun = begin(request, there.target)
    outcome = _end(Runner(begun.run, Migration(request, there.target, begun, api=there.api)))
    if outcome.status is not RunStatus.SUCCEEDED:
        raise SystemExit(f"the run ended otherwise: {outcome.error}")
    return outcome


def _rollback(outcome: RunOutcome, there: There) -> None:
    from migrator_tui.migration.run_folder import RunFolder

    folder = RunFolder.open(outcome.run)
    _end(Runner(outcome.run, Rollback(there.target, folder, api=there.api)))


def _end(runner: Runner) -> RunOutcome:
    runner.start()
    outcome = runner.wait()
    if outcome is None:
        raise SystemExit("the run has no outcome")
    return outcome


@contextmanager
def _peak() -> Iterator[list[int]]:
    """The largest resident memory of this process meanwhile."""
    process, over, peak = psutil.Process(), threading.Event(), [0]

    def look() -> None:
        while not over.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield peak
    over.set()
    thread.join()


@contextmanager
def _project(folder: Path, latency: float) -> Iterator[There]:
    words = [sys.executable, "-m", "benchmarks.files", "--serve", str(folder), "--latency", str(latency)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        yield There(Target.parse(told["database"]), Api(told["api"], Secret(told["key"])))
    finally:
        process.communicate("", timeout=60)


def _serve(folder: Path, latency: float) -> int:
    """The other process: it serves until its input ends."""
    with EmbeddedServer.start(folder / "pg") as server:
        database = fresh_database(server.target(), "production")
        with Project(database, folder / "project", file_size_limit=1 << 40) as project:
            project.latency = latency
            told = {
                "database": project.database_url,
                "api": project.api_url,
                "key": project.secret_key.reveal(),
            }
            print(json.dumps(told), flush=True)
            sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
