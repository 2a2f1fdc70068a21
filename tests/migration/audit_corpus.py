"""Migrate a folder of SQLite files and audit each: ``python -m tests.migration.audit_corpus FOLDER`` writes a table."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from migrator_tui import locations
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.server import fresh_database
from tests.conftest import configured
from tests.migration import auditing
from tests.migration.running import Engine

HEAD = "| file | --accept-lossy | status | tables | rows | staged | quarantined | findings | not carried | audit |"


def audited(source: Path, target: Target) -> tuple[RunOutcome, bool, list[str]]:
    """Migrate with ``--yes``, and ``--accept-lossy`` where a decision is left; the outcome, whether, what is wrong."""
    outcome = Engine().migrate(source, target)
    lossy = outcome.status is RunStatus.NEEDS_DECISIONS
    if lossy:
        outcome = Engine().migrate(source, target, accept_lossy=True)
    if outcome.status is not RunStatus.SUCCEEDED:
        return outcome, lossy, [str(outcome.error)]
    return outcome, lossy, auditing.audit(source, target, outcome.as_json())


def line(source: Path, outcome: RunOutcome, lossy: bool, wrong: list[str]) -> str:
    """One row of the table."""
    cells = (
        source.name,
        "yes" if lossy else "no",
        outcome.status.value,
        len(outcome.tables),
        sum(table.source_rows for table in outcome.tables),
        sum(table.staged_rows for table in outcome.tables),
        sum(table.quarantined_rows for table in outcome.tables),
        len(outcome.findings),
        len(outcome.not_carried),
        "; ".join(wrong) or "all there or named",
    )
    return f"| {' | '.join(map(str, cells))} |"


def main() -> int:
    """Write the table to standard output; 1 where the auditor complains."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    files = sorted(p for p in parser.parse_args().folder.iterdir() if p.suffix not in (".tsv", ".md"))
    folder = Path(tempfile.mkdtemp(prefix="mt-"))
    os.environ[locations.HOME_VARIABLE] = str(folder / "home")
    server = configured(folder / "pg", fsync=False)
    bad = 0
    print(f"{HEAD}\n|{'---|' * HEAD.count(' | ')}---|")
    try:
        for number, file in enumerate(files):
            outcome, lossy, wrong = audited(file, fresh_database(server.target(), f"corpus_{number}"))
            bad += bool(wrong)
            print(line(file, outcome, lossy, wrong), flush=True)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
