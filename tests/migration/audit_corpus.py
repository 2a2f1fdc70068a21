"""Migrate a folder of SQLite files, audit each and pull it back: ``python -m tests.migration.audit_corpus FOLDER``.

Folders within it count too, and what lies beside a file (``-wal``, ``-journal``) goes along with its copy, the only
one that is opened. Standard output is a table; what is wrong with a file follows it in full.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from migrator_tui import locations
from migrator_tui.migration.pulling.pull import pull
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.server import fresh_database
from tests.conftest import configured
from tests.migration import auditing
from tests.migration.running import Engine, text
from tests.migration.there_and_back import came_back_otherwise

HEAD = (
    "| file | --accept-lossy | status | tables | rows | staged | quarantined | findings | not carried | audit "
    "| pulled back | seconds |"
)
BESIDE = ("-wal", "-journal", "-shm")
PASSED_OVER = (".tsv", ".md", *BESIDE)


@dataclass(frozen=True, slots=True)
class Audited:
    """What became of one file.

    Attributes:
        outcome: None where the program raised.
        lossy: Whether ``--accept-lossy`` was needed.
        wrong: What the auditor says of the target.
        returned: What came back otherwise by a pull.
    """

    outcome: RunOutcome | None
    lossy: bool
    wrong: list[str]
    returned: list[str]
    seconds: float

    @property
    def refused(self) -> bool:
        """The file was not read, and it was said why."""
        return self.outcome is not None and self.outcome.status is RunStatus.FAILED and not self.wrong


def audited(source: Path, target: Target) -> tuple[RunOutcome, bool, list[str]]:
    """Migrate with ``--yes``, and ``--accept-lossy`` where a decision is left; the outcome, whether, what is wrong."""
    outcome = Engine().migrate(source, target)
    lossy = outcome.status is RunStatus.NEEDS_DECISIONS
    if lossy:
        outcome = Engine().migrate(source, target, accept_lossy=True)
    if outcome.status is not RunStatus.SUCCEEDED:
        return outcome, lossy, [str(outcome.error)]
    return outcome, lossy, auditing.audit(source, target, outcome.as_json())


def there_and_back(source: Path, target: Target, folder: Path) -> Audited:
    """Migrate, audit and pull into a new file in the folder. Nothing is raised: a traceback is a complaint."""
    began = time.monotonic()
    outcome: RunOutcome | None = None
    lossy, wrong, returned = False, list[str](), list[str]()
    try:
        outcome, lossy, wrong = audited(source, target)
        if outcome.status is RunStatus.SUCCEEDED and outcome.tables:
            pulled = folder / "pulled.db"
            pulled.unlink(missing_ok=True)
            pull(PullRequest(pulled), target)
            returned = came_back_otherwise(source, pulled, outcome, auditing.json_columns(target, outcome.run))
    except Exception as error:
        (wrong if outcome is None else returned).append("".join(traceback.format_exception(error)[-4:]))
    if outcome is not None and outcome.status is RunStatus.FAILED and not readable(source):
        wrong = []
    return Audited(outcome, lossy, wrong, returned, time.monotonic() - began)


def readable(source: Path) -> bool:
    """Whether SQLite itself can read every table of its own kind of a file."""
    try:
        with closing(sqlite3.connect(source)) as connection:
            connection.text_factory = bytes
            listed = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
            for (name,) in connection.execute(listed).fetchall():
                quoted = name.decode().replace('"', '""')
                for _ in connection.execute(f'SELECT * FROM "{quoted}" NOT INDEXED'):
                    pass
            return True
    except sqlite3.Error:
        return False


def line(name: str, found: Audited) -> str:
    """One row of the table."""
    outcome = found.outcome
    counts: tuple[object, ...] = ("raised", 0, 0, 0, 0, 0, 0)
    if outcome is not None:
        counts = (
            outcome.status.value,
            len(outcome.tables),
            sum(table.source_rows for table in outcome.tables),
            sum(table.staged_rows for table in outcome.tables),
            sum(table.quarantined_rows for table in outcome.tables),
            len(outcome.findings),
            len(outcome.not_carried),
        )
    verdict = "; ".join(found.wrong) or "all there or named"
    if found.refused:
        verdict = f"refused: {outcome.error if outcome else None}"
    cells = (
        name,
        "yes" if found.lossy else "no",
        *counts,
        verdict,
        "; ".join(found.returned) or ("as it was" if counts[1] and not found.refused else "-"),
        f"{found.seconds:.1f}",
    )
    return f"| {' | '.join(' '.join(str(cell).split())[:160] for cell in cells)} |"


def main() -> int:
    """Write the table to standard output; 1 where the auditor complains."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="files whose path has this in it")
    parser.add_argument("--not-carried", action="store_true", help="list what was not carried, and why")
    asked = parser.parse_args()
    files = sorted(p for p in asked.folder.rglob("*") if p.is_file() and not p.name.endswith(PASSED_OVER))
    files = [file for file in files if asked.only in str(file.relative_to(asked.folder))]
    folder = Path(tempfile.mkdtemp(prefix="mt-"))
    os.environ[locations.HOME_VARIABLE] = str(folder / "home")
    server = configured(folder / "pg", fsync=False)
    told: list[str] = []
    bad = 0
    left: Counter[str] = Counter()
    print(f"{HEAD}\n|{'---|' * (HEAD.count('|') - 1)}")
    try:
        for number, file in enumerate(files):
            name = str(file.relative_to(asked.folder))
            own = folder / "own"
            own.mkdir()
            for one in (file, *(file.with_name(file.name + end) for end in BESIDE)):
                if one.exists():
                    shutil.copy(one, own / one.name)
            found = there_and_back(own / file.name, fresh_database(server.target(), f"corpus_{number}"), folder)
            print(line(name, found), flush=True)
            told += [f"{name}: {complaint}" for complaint in (*found.wrong, *found.returned)]
            if found.outcome is not None:
                left.update(finding.id for finding in found.outcome.findings)
                if asked.not_carried:
                    told += [f"{name}: {item.id} {item.object}: {item.why}" for item in found.outcome.not_carried]
            bad += bool(found.wrong or found.returned)
            with connect(server.target()) as connection:
                connection.execute(text(f"DROP DATABASE corpus_{number} WITH (FORCE)"))
            shutil.rmtree(own)
            shutil.rmtree(locations.runs_folder(), ignore_errors=True)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print("\n" + "\n".join(told))
    print("\n" + ", ".join(f"{kind} {count}" for kind, count in left.most_common()))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
