"""The small form of ``python -m tests.migration.seeded_live``."""

from __future__ import annotations

from pathlib import Path

from migrator_tui.migration import decisions_file
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from tests.migration.running import Engine
from tests.migration.seeded_live import Seed, build, differences, writing

SMALL = Seed(people=600, same_key=60, same_email=20, two_keys=8, orphans=6, equal=30, live_only=20)


def test_conflicts_of_every_kind_end_as_a_decisions_file_says_while_the_application_writes(
    target: Target, engine: Engine, tmp_path: Path
) -> None:
    build(SMALL, tmp_path / "app.db", target)
    file = tmp_path / "decisions.yaml"
    file.write_text(SMALL.decisions())
    decisions = decisions_file.read(file)

    with writing(SMALL, target) as log:
        asked = engine.migrate(tmp_path / "app.db", target, decisions=Decisions(natural_keys=decisions.natural_keys))
        log.decided.set()
        done = engine.resume(asked.run, target, decisions=decisions)

    assert (asked.status, asked.conflicts_found) == (RunStatus.NEEDS_DECISIONS, sum(SMALL.conflicts.values()))
    assert done.status is RunStatus.SUCCEEDED
    assert log.added
    assert differences(SMALL, log, target) == []
