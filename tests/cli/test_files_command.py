"""``files check`` says what would become of files and changes nothing; ``pull`` brings them back."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from migrator_tui.demo.project.project import Project
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.storage_api import Bucket, Storage
from tests.cli.conftest import Cli
from tests.migration.moving import NAMES, Scene
from tests.migration.running import build, fingerprint

CONFIG = """\
profiles:
  default:
    source: {{sqlite: {source}, uploads: {uploads}}}
    target: {{database: "{database}", api: "{api}"}}
    files: [{{column: documents.path, bucket: docs}}]
"""


@pytest.fixture
def scene(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setenv(
        "MIGRATOR_TUI_TARGET_PASSWORD", project.target.password.reveal() if project.target.password else ""
    )
    monkeypatch.setenv("SUPABASE_SECRET_KEY", project.secret_key.reveal())
    scene = Scene(lambda script: build(tmp_path / "app.db", script), project, tmp_path / "uploads", NAMES)
    scene.put("nobody.txt", b"nobody")
    target = project.target
    database = f"postgresql://{target.user}@/{target.database}?host={target.host}&port={target.port}"
    (tmp_path / "config.yaml").write_text(
        CONFIG.format(source=scene.source, uploads=scene.folder, database=database, api=project.api_url)
    )
    return scene


def test_files_check_tells_what_would_be_uploaded_and_changes_nothing(scene: Scene, tmp_path: Path, cli: Cli) -> None:
    with connect(scene.project.superuser) as connection:
        before = fingerprint(connection)
    answer = cli("files", "check", "--config", tmp_path / "config.yaml", "--list", "--json")
    assert answer.code == 0
    document = answer.document
    assert (document["command"], document["status"]) == ("files check", "succeeded")
    (column,) = document["columns"]
    assert (column["bucket"], column["files"], column["missing"], column["creates"]) == ("docs", 6, 2, True)
    assert {item["path"] for item in document["files"]} == set(NAMES)
    kinds = {finding["id"]: finding["samples"] for finding in document["findings"]}
    assert kinds == {
        "FILES-MISSING": ["uploads/gone.txt"],
        "FILES-REFUSED": ["../../etc/passwd"],
        "FILES-UNREFERENCED": ["nobody.txt"],
    }
    said = cli("files", "check", "--config", tmp_path / "config.yaml", "--list").out
    assert "documents.path: 6 files" in said
    assert "a~[b]{c}.png -> docs/a=7E=5Bb=5D=7Bc=7D.png" in said
    with connect(scene.project.superuser) as connection:
        assert fingerprint(connection) == before


def test_files_check_asks_for_both_ends_of_files(scene: Scene, cli: Cli) -> None:
    answer = cli("files", "check", "--source", scene.source, "--target", scene.project.database_url, "--json")
    assert answer.code == 2
    assert answer.error["id"] == "FILES-ENDS"


def test_what_was_migrated_is_pulled_with_its_files(scene: Scene, tmp_path: Path, cli: Cli) -> None:
    config = tmp_path / "config.yaml"
    moved = cli("migrate", "--config", config, "--yes", "--json")
    assert moved.code == 0
    (files,) = [item for item in moved.document["beside"] if item["name"] == "files"]
    assert (files["moved"], files["verified"]) == (6, True)
    listed = cli("files", "list", moved.document["run"], "--json").document["files"]
    assert {(item["path"], item["bytes"], item["sha256"], item["state"]) for item in listed} == {
        (name, len(scene.contents[name]), hashlib.sha256(scene.contents[name]).hexdigest(), "made") for name in NAMES
    }
    assert "plain.pdf -> docs/plain.pdf" in cli("files", "list", moved.document["run"]).out
    back = tmp_path / "back"
    back.mkdir()
    pulled = cli("pull", "--config", config, "--to", back / "app.db", "--json")
    assert pulled.code == 0
    assert pulled.document["files"]["folder"] == str(back / "uploads")
    assert {name: (back / "uploads" / name).read_bytes() for name in NAMES} == {n: scene.contents[n] for n in NAMES}
    again = cli("pull", "--config", config, "--to", tmp_path / "again.db", "--no-files", "--json")
    assert "files" not in again.document
    taken = cli("pull", "--config", config, "--to", tmp_path / "third.db", "--files", scene.folder, "--json")
    assert taken.code == 2
    assert taken.error["id"] == "PULL-FILES-THERE"
    assert not (tmp_path / "third.db").exists()


def test_a_plan_file_is_replayed_with_its_files_and_what_was_decided_of_them(
    scene: Scene, tmp_path: Path, cli: Cli
) -> None:
    config = tmp_path / "config.yaml"
    with Storage(scene.api) as storage:
        storage.create_bucket(Bucket("docs", True))
        storage.upload("docs", "plain.pdf", io.BytesIO(b"12"), 2, mime="a/b", metadata={}, name="plain.pdf")
        planned = cli("plan", "--config", config, "--yes", "--accept-lossy", "--out", tmp_path / "plan.yaml", "--json")
        assert planned.code == 0
        decided = {finding["id"]: finding["decision"] for finding in planned.document["findings"]}
        assert (decided["FILES-CONFLICT"], decided["FILES-BUCKET"]) == ("keep", "use")
        moved = cli("migrate", "--config", config, "--plan", tmp_path / "plan.yaml", "--yes", "--json")
        assert moved.code == 0, moved.document
        (files,) = [item for item in moved.document["beside"] if item["name"] == "files"]
        assert (files["moved"], files["left"]) == (5, 1)
        assert storage.download("docs", "plain.pdf")[0] == 2
