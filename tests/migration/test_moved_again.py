"""A second migration of the whole sample onto the project that the first one filled: nothing is done twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from migrator_tui.demo import sample_app
from migrator_tui.demo.prepare import scope_of
from migrator_tui.demo.project.project import Project
from migrator_tui.migration import decisions_file
from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.api import Api
from tests.migration.running import Engine, decided, rows, succeeded

THERE = (
    "SELECT id::text, email, encrypted_password FROM auth.users ORDER BY 1",
    "SELECT id::text, bucket_id, name, version FROM storage.objects ORDER BY 1",
    "SELECT tablename, policyname, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2",
    "SELECT * FROM public.users ORDER BY id",
    "SELECT * FROM public.documents ORDER BY id",
    "SELECT * FROM public.messages ORDER BY id",
)


def test_users_files_and_rows_are_found_again_and_the_second_runs_undo_leaves_those_of_the_first(
    tmp_path: Path, project: Project
) -> None:
    app = sample_app.build(tmp_path / "app", scale=0.1)
    engine = Engine(Api(project.api_url, project.secret_key))
    asked: dict[str, Any] = {
        "scope": scope_of(app, project.api_url),
        "decisions": decisions_file.read(app.decisions),
    }
    first = succeeded(engine.migrate(app.database, project.target, **asked))
    with connect(project.superuser) as everything:
        before = [rows(everything, query) for query in THERE]
        asked_again = engine.migrate(app.database, project.target, **asked)
        waiting = [(finding.id, finding.table) for finding in asked_again.findings if finding.needs_decision]
        assert waiting == [("TARGET-MISFIT", "audit_log")]  # which has no key: its rows cannot be told apart
        skipped = decided(FindingDecision("TARGET-MISFIT", "skip", "audit_log")).then(asked["decisions"])
        second = succeeded(engine.migrate(app.database, project.target, scope=asked["scope"], decisions=skipped))
        assert [rows(everything, query) for query in THERE] == before
        assert {table.source for table in first.tables} - {table.source for table in second.tables} <= {"audit_log"}
        assert {table.source: table.inserted for table in second.tables if table.inserted or table.updated} == {}
        assert {one.name: one.moved for one in second.beside if one.name != "exposure"} == {"users": 0, "files": 0}
        (left,) = [finding for finding in second.findings if finding.id == "COLUMN-LEFT-BEFORE"]
        assert (left.table, left.column) == ("users", "password_hash")
        undone = engine.rollback(second.run, project.target)
        assert (undone.status, undone.kept_edits) == (RunStatus.ROLLED_BACK, ())
        assert [rows(everything, query) for query in THERE] == before
