"""The folder of a run: what must survive a crash on this side, and what a person looks at afterwards."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from migrator_tui import locations
from migrator_tui.model.errors import UsageError
from migrator_tui.model.progress import RunStatus

RECORD = "run.json"
CLOCK_SLACK_SECONDS = 2.0
"""The kernel's clock for processes and the file system's need not agree to the second."""
RUN_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as ``runs`` lists it.

    Attributes:
        status: As :meth:`RunFolder.record` judges it.
        source: Path as given, absolute.
        target: Connection string without password; ``embedded`` for the embedded server.
        embedded_folder: Data folder of the embedded server, where it is the target.
        database: Its database there.
        server: Identity of the server and database that staging was begun on, None before.
        started: ISO 8601, UTC.
        options: What the person chose that resuming must repeat (scope, decisions, policies), as JSON.
    """

    run: str
    status: RunStatus
    source: str
    target: str
    started: str
    command: str
    options: dict[str, Any]
    pid: int | None = None
    embedded_folder: str | None = None
    database: str | None = None
    server: str | None = None


class RunFolder:
    """One run's folder. Every file in it is readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, now: datetime | None = None) -> RunFolder:
        """A new, empty folder whose name is the run's id: date, time and four letters."""
        locations.make_private_folder(locations.runs_folder())
        while True:
            stamp = (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
            run = f"{stamp}-{''.join(secrets.choice(RUN_ALPHABET) for _ in range(4))}"
            path = locations.run_folder(run)
            try:
                path.mkdir(mode=locations.PRIVATE_FOLDER)
            except FileExistsError:
                continue
            return cls(path)

    @classmethod
    def open(cls, run: str) -> RunFolder:
        """The folder of an earlier run, by its id or a beginning of it that fits only one.

        Raises:
            UsageError: There is none, or several fit.
        """
        fitting = [folder for folder in _folders() if folder.run.startswith(run)] if run else []
        exact = [folder for folder in fitting if folder.run == run]
        if exact or len(fitting) == 1:
            return (exact or fitting)[0]
        several = ", ".join(folder.run for folder in fitting)
        raise UsageError(
            "RUN-UNKNOWN",
            f"{run!r} fits several runs: {several}." if several else f"There is no run {run!r} on this machine.",
            "`migrator-tui runs` lists them.",
        )

    @property
    def run(self) -> str:
        """The run's id."""
        return self.path.name

    def file(self, name: str) -> Path:
        """Path of a file in the folder."""
        return self.path / name

    def write_record(self, record: RunRecord) -> None:
        """Replace the record."""
        document = asdict(record) | {"status": record.status.value}
        locations.write_private(self.file(RECORD), json.dumps(document, indent=2))

    def record(self) -> RunRecord:
        """The record; a run whose process was killed while it ran reads as interrupted.

        Raises:
            UsageError: The folder has none that can be read.
        """
        try:
            path = self.file(RECORD)
            document = json.loads(path.read_text("utf-8"))
            record = RunRecord(**document | {"status": RunStatus(document["status"])})
            if record.status is RunStatus.RUNNING and not _at_work(record.pid, path.stat().st_mtime):
                return replace(record, status=RunStatus.INTERRUPTED)
            return record
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UsageError(
                "RUN-RECORD", f"The run {self.run} has no record that can be read: {error}.", "It cannot be resumed."
            ) from error

    def set_server(self, identity: str) -> None:
        """Note which server and database the run is about to write to."""
        self.write_record(replace(self.record(), server=identity))

    def set_status(self, status: RunStatus, pid: int | None = None) -> None:
        """Change the record's status and the process that works on it."""
        self.write_record(replace(self.record(), status=status, pid=pid))

    def read_json(self, name: str) -> Any:
        """A JSON file of the folder, or None if it is not there."""
        path = self.file(name)
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def write_json(self, name: str, document: Any) -> None:
        """Replace a JSON file of the folder."""
        locations.write_private(self.file(name), json.dumps(document, indent=2))


def all_runs() -> list[RunRecord]:
    """The records of all runs, newest first. A folder without a record is passed over."""
    records = []
    for folder in _folders():
        try:
            records.append(folder.record())
        except UsageError:
            continue
    return sorted(records, key=lambda record: record.run, reverse=True)


def _folders() -> Iterator[RunFolder]:
    root = locations.runs_folder()
    if root.is_dir():
        yield from (RunFolder(path) for path in sorted(root.iterdir()) if path.is_dir())


def _at_work(pid: int | None, since: float) -> bool:
    """Whether the process that wrote a record is still there.

    Args:
        since: When it was written, in seconds of the epoch: a process that began later has only inherited the number.
    """
    import psutil  # type: ignore[import-untyped]

    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        began: float = process.create_time()
        return began <= since + CLOCK_SLACK_SECONDS and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
