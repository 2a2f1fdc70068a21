"""A process that is killed in the middle of a large upload: the next one goes on at the offset of the server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from migrator_tui.demo.project.project import Project
from migrator_tui.migration.run_folder import all_runs
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.api import Api
from tests.faults.observing import until
from tests.migration.running import Engine, build, rows, succeeded

TUS = "/storage/v1/upload/resumable"
SIZE = 20_000_000
CONFIG = """\
profiles:
  default:
    source: {{sqlite: {source}, uploads: {uploads}}}
    target: {{database: "{database}", api: "{api}"}}
    files: [{{column: films.path, bucket: films}}]
"""


def test_a_run_that_is_killed_in_an_upload_goes_on_where_it_stopped(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    content = os.urandom(SIZE)
    (uploads / "film #1.mp4").write_bytes(content)
    source = build(
        tmp_path / "app.db",
        "CREATE TABLE films (id INTEGER PRIMARY KEY, path TEXT); INSERT INTO films (path) VALUES ('film #1.mp4');",
    )
    target, password = project.target, project.target.password
    config = tmp_path / "config.yaml"
    database = f"postgresql://{target.user}@/{target.database}?host={target.host}&port={target.port}"
    config.write_text(CONFIG.format(source=source, uploads=uploads, database=database, api=project.api_url))
    monkeypatch.setenv("MIGRATOR_TUI_TARGET_PASSWORD", password.reveal() if password else "")
    monkeypatch.setenv("SUPABASE_SECRET_KEY", project.secret_key.reveal())
    project.latency = 0.2  # so that the process is met between two chunks
    words = [sys.executable, "-m", "migrator_tui", "migrate", "--config", str(config), "--yes", "--plain"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until(lambda: len(project.faults.seen(TUS, "PATCH")) >= 2 or process.poll() is not None, "the second chunk")
    finally:
        process.send_signal(signal.SIGKILL)
        said, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, said.decode()
    (record,) = all_runs()
    project.latency = 0.0
    outcome = succeeded(Engine(Api(project.api_url, project.secret_key)).resume(record.run, target))
    beside, _ = outcome.beside
    assert (beside.moved, beside.matched, beside.bytes) == (1, 0, SIZE)
    assert len(project.faults.seen(f"{TUS}$", "POST")) == 1
    with connect(project.superuser) as connection:
        ((name, version),) = rows(connection, "SELECT name, version FROM storage.objects")
        assert name == "film =231.mp4"
        assert rows(connection, "SELECT path FROM films") == [(name,)]
    assert next(project.folder.rglob(str(version))).read_bytes() == content
