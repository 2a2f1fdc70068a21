"""The small form of ``python -m tests.migration.seeded_live``."""

from __future__ import annotations

from pathlib import Path

from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from tests.migration.running import Engine
from tests.migration.seeded_live import DOUBLES, Seed, build, resolve, touched, writing
from tests.migration.seeded_outcome import differences

SMALL = Seed(people=600, same_key=60, same_email=20, two_keys=8, orphans=6, equal=30, live_only=20)


def test_conflicts_of_every_kind_end_as_a_decisions_file_says_while_the_application_writes_into_them(
    target: Target, engine: Engine, tmp_path: Path
) -> None:
    build(SMALL, tmp_path / "app.db", target)
    file = tmp_path / "decisions.yaml"
    file.write_text(SMALL.decisions())

    with writing(SMALL, target) as log:
        asked, resumed = resolve(SMALL, engine, tmp_path / "app.db", target, file, log)

    assert (asked.status, asked.conflicts_found) == (RunStatus.NEEDS_DECISIONS, sum(SMALL.conflicts.values()))
    *held, done = resumed
    early, late = touched(SMALL)
    for outcome, rows in zip(held, (early, [late[0], late[1] - DOUBLES]), strict=True):
        assert outcome.status is RunStatus.NEEDS_DECISIONS
        assert outcome.error is not None
        assert outcome.error.id == "CONFLICTS"
        assert f"{len(rows)} staged rows" in outcome.error.message
        for id in rows:
            assert f'people {{"id": {id}}}' in outcome.error.message
        assert "changed after it was decided upon" in outcome.error.message
    assert done.status is RunStatus.SUCCEEDED, done.error
    assert log.added
    assert log.before
    assert differences(SMALL, log, target) == []
