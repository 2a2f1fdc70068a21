"""Files come back from their buckets as they were, and nothing outside of the folder is written."""

from __future__ import annotations

import io
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from migrator_tui.migration.files.pulling_files import folder_beside, pull_files
from migrator_tui.migration.pulling.pull import pull
from migrator_tui.model.errors import Interrupted, UsageError, VerificationFailed
from migrator_tui.model.pull import PulledFiles, PullRequest
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.storage_api import Storage
from tests.migration.conftest import MakeSource
from tests.migration.moving import NAMES, Scene
from tests.migration.running import Engine, succeeded, value


@pytest.fixture
def scene(make_source: MakeSource, project: Any, tmp_path: Path) -> Scene:
    return Scene(make_source, project, tmp_path / "uploads", NAMES)


def moved(scene: Scene, **how: Any) -> None:
    succeeded(Engine(scene.api).migrate(scene.source, scene.project.target, scope=scene.scope(**how)))


def pulled(scene: Scene, folder: Path, *, stop: threading.Event | None = None, replace: bool = False) -> PulledFiles:
    to = folder.parent / "pulled.db"
    pull(PullRequest(to, replace=True), scene.project.target)
    return pull_files(to, folder, scene.project.target, scene.api, stop=stop or threading.Event(), replace=replace)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("how", [{}, {"value": "keep"}, {"value": "url", "public": True}])
def test_rows_and_files_come_back_as_they_were(scene: Scene, tmp_path: Path, how: dict[str, Any]) -> None:
    moved(scene, **how)
    found = pulled(scene, tmp_path / "back")
    assert contents(tmp_path / "back") == scene.contents
    assert (found.files, found.bytes) == (6, sum(len(content) for content in scene.contents.values()))
    assert (found.missing, found.refused) == (1, ("../../etc/passwd",))
    with closing(sqlite3.connect(tmp_path / "pulled.db")) as connection:
        assert [path for (path,) in connection.execute("SELECT path FROM documents ORDER BY id")] == scene.values


def test_a_file_that_the_application_stored_since_comes_back_and_one_with_a_wild_key_does_not(
    scene: Scene, tmp_path: Path
) -> None:
    moved(scene)
    with Storage(scene.api) as storage:
        for key in ("new/ü.txt".encode().hex(), "a=2E=2E/=2E./b.txt", "=2E./=2E./climbed.txt"):
            storage.upload("docs", key, io.BytesIO(b"new"), 3, mime="text/plain", metadata={}, name=key)
    with connect(scene.project.target) as connection:
        for key in ("new/ü.txt".encode().hex(), "=2E./=2E./climbed.txt"):
            connection.execute("INSERT INTO documents (title, path) VALUES ('new', %s)", (key,))
        connection.commit()
    found = pulled(scene, tmp_path / "back")
    assert found.files == 7
    assert contents(tmp_path / "back") == scene.contents | {"new/ü.txt".encode().hex(): b"new"}
    assert set(found.refused) == {"../../etc/passwd", "uploads/../../climbed.txt"}


def test_what_is_there_stays_unless_it_may_be_replaced(scene: Scene, tmp_path: Path) -> None:
    moved(scene)
    back = tmp_path / "back"
    back.mkdir()
    (back / "plain.pdf").write_bytes(b"mine")
    found = pulled(scene, back)
    assert (found.files, found.kept) == (5, ("plain.pdf",))
    assert (back / "plain.pdf").read_bytes() == b"mine"
    assert pulled(scene, back, replace=True).files == 6
    assert contents(back) == scene.contents


def test_a_link_in_the_folder_is_not_followed(scene: Scene, tmp_path: Path) -> None:
    moved(scene)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "Ü").symlink_to(tmp_path / "elsewhere")
    found = pulled(scene, tmp_path / "back")
    assert found.files == 5
    assert not list((tmp_path / "elsewhere").iterdir())


def test_an_object_that_is_not_what_was_stored_is_told(scene: Scene, tmp_path: Path) -> None:
    moved(scene)
    with connect(scene.project.superuser) as connection:
        version = value(connection, "SELECT version FROM storage.objects WHERE name = 'plain.pdf'")
    blob = next(scene.project.folder.rglob(str(version)))
    blob.write_bytes(bytes(len(scene.contents["plain.pdf"])))
    with pytest.raises(VerificationFailed, match=r"docs/plain\.pdf"):
        pulled(scene, tmp_path / "back")
    assert not (tmp_path / "back" / "plain.pdf").exists()


def test_a_pull_of_files_can_be_stopped(scene: Scene, tmp_path: Path) -> None:
    moved(scene)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        pulled(scene, tmp_path / "back", stop=stop)


def test_the_folder_is_beside_the_file_and_never_one_that_holds_something(tmp_path: Path) -> None:
    assert folder_beside(tmp_path / "new.db", replace=False) == tmp_path / "uploads"
    (tmp_path / "uploads").mkdir()
    assert folder_beside(tmp_path / "new.db", replace=False) == tmp_path / "uploads"
    (tmp_path / "uploads" / "mine.txt").touch()
    assert folder_beside(tmp_path / "new.db", replace=False) == tmp_path / "new-uploads"
    (tmp_path / "new-uploads").mkdir()
    (tmp_path / "new-uploads" / "mine.txt").touch()
    with pytest.raises(UsageError):
        folder_beside(tmp_path / "new.db", replace=False)
    assert folder_beside(tmp_path / "new.db", replace=True) == tmp_path / "new-uploads"
