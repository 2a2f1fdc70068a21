"""What the command line says at the end of a run."""

from __future__ import annotations

from migrator_tui.cli.printing import summary
from migrator_tui.model.outcome import Beside, RunOutcome
from migrator_tui.model.progress import RunStatus


def test_users_files_and_access_are_told_beside_the_tables() -> None:
    beside = (
        Beside("users", "auth.users", 500, 498, 1, 1, verified=True, lines=("1 row became no user.",)),
        Beside("files", "bucket docs", 6, 6, verified=True),
        Beside("exposure", "public", 8, 6, left=2, lines=("public.users: closed.",)),
    )
    outcome = RunOutcome("r", "migrate", RunStatus.SUCCEEDED, "a.db", "b", "2026-11-22T22:15:00Z", beside=beside)
    assert summary(outcome)[1:6] == [
        "  users: 498 of 500 made, 1 there already, 1 left behind in auth.users, verified",
        "    1 row became no user.",
        "  files: 6 of 6 made in bucket docs, verified",
        "  access: 6 tables of public open as planned, 2 closed; tried, not verified",
        "  to undo: migrator-tui rollback r",
    ]
