"""Files move with the tables: uploaded before anything is visible, verified, taken back, and met after a crash."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Literal

import httpx
import pytest

from migrator_tui.demo.project.faults import Fault
from migrator_tui.demo.project.project import Project
from migrator_tui.migration.migrate import Migration
from migrator_tui.migration.request import Request
from migrator_tui.migration.run import begin
from migrator_tui.migration.runner import Runner
from migrator_tui.model.plan import Scope
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.project import FilesScope, ProjectScope, UsersScope
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.storage_api import Bucket, Storage
from tests.migration.conftest import MakeSource
from tests.migration.moving import NAMES, Scene
from tests.migration.running import Engine, fingerprint, rows, succeeded, value


@pytest.fixture
def scene(make_source: MakeSource, project: Project, tmp_path: Path) -> Scene:
    return Scene(make_source, project, tmp_path / "uploads", NAMES)


@pytest.fixture
def engine(scene: Scene) -> Engine:
    return Engine(scene.api)


def test_files_move_with_their_rows_and_are_taken_back(scene: Scene, engine: Engine) -> None:
    with connect(scene.project.superuser) as connection:
        before = fingerprint(connection)
    outcome = succeeded(engine.migrate(scene.source, scene.project.target, scope=scene.scope()))
    beside, exposure = outcome.beside
    assert exposure.name == "exposure"
    assert (beside.name, beside.total, beside.moved, beside.left, beside.verified) == ("files", 6, 6, 0, True)
    assert beside.bytes == sum(len(content) for content in scene.contents.values())
    assert scene.stored() == scene.contents
    with connect(scene.project.superuser) as connection:
        paths = [path for (path,) in rows(connection, "SELECT path FROM public.documents ORDER BY id")]
        keys = {name for (name,) in rows(connection, "SELECT name FROM storage.objects")}
    assert keys == set(paths[:6])
    assert paths[6:] == ["gone.txt", "../../etc/passwd"]
    undone = engine.rollback(outcome.run, scene.project.target)
    assert undone.status is RunStatus.ROLLED_BACK
    assert undone.kept_edits == ()
    with connect(scene.project.superuser) as connection:
        assert fingerprint(connection) == before
    assert succeeded(engine.migrate(scene.source, scene.project.target, scope=scene.scope())).beside[0].moved == 6


def test_a_column_may_hold_urls_or_stay_as_it_is(scene: Scene, engine: Engine) -> None:
    kept = succeeded(engine.migrate(scene.source, scene.project.target, scope=scene.scope(value="keep")))
    with connect(scene.project.superuser) as connection:
        assert [path for (path,) in rows(connection, "SELECT path FROM documents ORDER BY id")] == scene.values
    engine.rollback(kept.run, scene.project.target)
    succeeded(engine.migrate(scene.source, scene.project.target, scope=scene.scope(value="url", public=True)))
    with connect(scene.project.superuser) as connection:
        urls = [url for (url,) in rows(connection, "SELECT path FROM documents ORDER BY id")]
    assert [httpx.get(url).content for url in urls[:6]] == [scene.contents[name] for name in NAMES]


@pytest.mark.parametrize("at", ["files-bucket", "files-intended", "file-stored", "files-stored", "published"])
def test_a_run_that_is_cut_off_goes_on_with_nothing_doubled(scene: Scene, engine: Engine, at: str) -> None:
    run = engine.cut(scene.source, scene.project.target, at, scope=scene.scope())
    outcome = succeeded(engine.resume(run, scene.project.target))
    assert scene.stored() == scene.contents
    beside, exposure = outcome.beside
    assert exposure.name == "exposure"
    assert (beside.moved, beside.matched, beside.left) == (6, 0, 0)
    engine.rollback(run, scene.project.target)
    assert scene.stored() == {}


@pytest.mark.parametrize("at", ["files-bucket", "file-stored"])
def test_a_run_that_is_cut_off_can_be_taken_back(scene: Scene, engine: Engine, at: str) -> None:
    run = engine.cut(scene.source, scene.project.target, at, scope=scene.scope())
    assert engine.rollback(run, scene.project.target).status is RunStatus.ROLLED_BACK
    assert scene.stored() == {}
    with connect(scene.project.superuser) as connection:
        assert not rows(connection, "SELECT id FROM storage.buckets")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/storage/v1/object/docs", "POST", times=3, drop_answer=True),
        Fault("/storage/v1/object/docs", "POST", times=3, drop_after=10),
        Fault("/storage/v1/object/docs", "POST", times=3, status=503, body="<html>busy</html>"),
        Fault("/storage/v1/object/docs", "POST", times=3, status=429, body={"message": "slow down"}),
    ],
)
def test_faults_of_the_network_and_the_server_are_overcome(scene: Scene, engine: Engine, fault: Fault) -> None:
    scene.project.faults.add(fault)
    outcome = succeeded(engine.migrate(scene.source, scene.project.target, scope=scene.scope()))
    assert scene.stored() == scene.contents
    assert (outcome.beside[0].moved, outcome.beside[0].matched) == (6, 0)


def test_what_is_there_already_is_found_and_what_is_other_stops_the_run(scene: Scene, engine: Engine) -> None:
    with Storage(scene.api) as storage:
        storage.create_bucket(Bucket("docs", False))
        same, other = scene.contents["plain.pdf"], bytes(len(scene.contents["with space.txt"]))
        for key, content in (("plain.pdf", same), ("with space.txt", other), ("stranger.txt", b"not of the run")):
            storage.upload("docs", key, io.BytesIO(content), len(content), mime="a/b", metadata={}, name=key)
        stopped = engine.migrate(scene.source, scene.project.target, scope=scene.scope())
        assert stopped.status is RunStatus.NEEDS_DECISIONS
        assert stopped.error is not None
        assert stopped.error.id == "FILES-STOPPED"
        assert "with space.txt" in stopped.error.message
        with connect(scene.project.superuser) as connection:
            assert value(connection, "SELECT to_regclass('public.documents')") is None
        storage.remove("docs", ["with space.txt"])
        beside, _ = succeeded(engine.resume(stopped.run, scene.project.target)).beside
        assert (beside.moved, beside.matched) == (5, 1)
        assert any("1 more object " in line for line in beside.lines)
        engine.rollback(stopped.run, scene.project.target)
        assert [found.key for found in storage.objects("docs")] == ["plain.pdf", "stranger.txt"]


def test_an_object_that_was_replaced_since_stays_when_the_run_is_taken_back(scene: Scene, engine: Engine) -> None:
    outcome = succeeded(engine.migrate(scene.source, scene.project.target, scope=scene.scope()))
    with Storage(scene.api) as storage:
        storage.remove("docs", ["plain.pdf"])
        storage.upload("docs", "plain.pdf", io.BytesIO(b"new"), 3, mime="a/b", metadata={}, name="plain.pdf")
        undone = engine.rollback(outcome.run, scene.project.target)
        assert undone.kept_edits == (
            "1 object replaced since and kept: docs/plain.pdf.",
            "The bucket docs holds other objects and stays.",
        )
        assert [found.key for found in storage.objects("docs")] == ["plain.pdf"]


def test_a_file_that_storage_refuses_stops_the_run_and_one_that_is_gone_is_told(scene: Scene, engine: Engine) -> None:
    scene.project.faults.add(
        Fault(
            "/storage/v1/object/docs/plain.pdf",
            "POST",
            status=400,
            body={"statusCode": "413", "error": "Payload too large", "message": "The object exceeded the maximum"},
        )
    )
    stopped = engine.migrate(scene.source, scene.project.target, scope=scene.scope())
    assert stopped.status is RunStatus.NEEDS_DECISIONS
    assert stopped.error is not None
    assert "plain.pdf" in stopped.error.message
    (scene.folder / "plain.pdf").unlink()
    beside, _ = succeeded(engine.resume(stopped.run, scene.project.target)).beside
    assert (beside.moved, beside.left) == (5, 1)
    assert any(line.startswith("plain.pdf stays behind") for line in beside.lines)


def test_a_bucket_that_changes_after_the_upload_fails_the_verification(scene: Scene, engine: Engine) -> None:
    for number, by_download in enumerate((False, True)):
        scope = scene.scope(by_download=by_download)

        def tamper(name: str, by_download: bool = by_download) -> None:
            if name != "published":
                return
            if by_download:
                with connect(scene.project.superuser) as connection:
                    found = "SELECT version FROM storage.objects WHERE name = 'plain.pdf'"
                    version = value(connection, found)
                blob = next(scene.project.folder.rglob(str(version)))
                blob.write_bytes(bytes(len(scene.contents["plain.pdf"])))
            else:
                with Storage(scene.api) as storage:
                    storage.remove("docs", ["plain.pdf"])

        outcome = engine.migrate(scene.source, scene.project.target, scope=scope, failpoint=tamper)
        assert outcome.status is RunStatus.VERIFICATION_FAILED, number
        assert outcome.error is not None
        assert "docs/plain.pdf" in outcome.error.message
        engine.rollback(outcome.run, scene.project.target)


def test_without_a_key_the_run_ends_before_anything_is_visible(scene: Scene) -> None:
    outcome = Engine().migrate(scene.source, scene.project.target, scope=scene.scope())
    assert outcome.error is not None
    assert outcome.error.id == "STORAGE-NO-KEY"
    with connect(scene.project.superuser) as connection:
        assert value(connection, "SELECT to_regclass('public.documents')") is None


@pytest.mark.parametrize("how", ["pause", "cancel"])
def test_a_large_upload_stops_when_it_is_asked_and_goes_on_where_it_was(scene: Scene, engine: Engine, how: str) -> None:
    scene.put("plain.pdf", os.urandom(13_000_000))
    request = Request(scene.source, scene.scope(), accept_recommended=True)
    folder = begin(request, scene.project.target)
    asked = threading.Event()

    def ask(name: str) -> None:
        if name == "file-begun" and not asked.is_set():
            getattr(runner, how)()
            asked.set()

    runner = Runner(folder.run, Migration(request, scene.project.target, folder, failpoint=ask, api=scene.api))
    runner.start()
    assert asked.wait(60)
    if how == "pause":
        assert scene.project.faults.seen("/storage/v1/upload/resumable", "POST")
        runner.unpause()
        outcome = runner.wait()
    else:
        stopped = runner.wait()
        assert stopped is not None
        assert stopped.status is RunStatus.INTERRUPTED
        outcome = engine.resume(folder.run, scene.project.target)
    assert outcome is not None
    assert succeeded(outcome).beside[0].moved == 6
    assert len(scene.project.faults.seen("/storage/v1/upload/resumable$", "POST")) == 1
    assert scene.stored() == scene.contents


@pytest.mark.parametrize("via", ["api", "sql"])
def test_an_object_belongs_to_the_user_whose_row_names_it(
    make_source: MakeSource, project: Project, tmp_path: Path, via: Literal["api", "sql"]
) -> None:
    (tmp_path / "uploads").mkdir()
    for name in ("anns.txt", "bobs.txt", "shared.txt", "nobodys.txt"):
        (tmp_path / "uploads" / name).write_text(name)
    source = make_source(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT UNIQUE);"
        "INSERT INTO users VALUES (1, 'ann@example.org'), (2, 'bob@example.org');"
        "CREATE TABLE documents (id INTEGER PRIMARY KEY, owner_id INTEGER REFERENCES users (id), path TEXT);"
        "INSERT INTO documents (owner_id, path) VALUES (1, 'anns.txt'), (2, 'bobs.txt'), (1, 'shared.txt'),"
        " (2, 'shared.txt'), (NULL, 'nobodys.txt');"
    )
    scope = ProjectScope(
        project.api_url,
        tmp_path / "uploads",
        UsersScope("users", via=via),
        (FilesScope("documents", "path", "docs"),),
    )
    engine = Engine(Api(project.api_url, project.secret_key))
    outcome = engine.migrate(source, project.target, scope=Scope(project=scope), accept_lossy=True)
    moved = {item.name: item.moved for item in succeeded(outcome).beside}
    assert (moved["files"], moved["users"]) == (4, 2)
    with connect(project.superuser) as connection:
        owners = dict(
            rows(
                connection,
                "SELECT o.name, u.email FROM storage.objects o LEFT JOIN auth.users u ON u.id::text = o.owner_id",
            )
        )
    assert owners == {
        "anns.txt": "ann@example.org",
        "bobs.txt": "bob@example.org",
        "shared.txt": None,
        "nobodys.txt": None,
    }


def test_objects_that_a_later_run_found_there_stay_when_the_one_that_made_them_is_taken_back(
    scene: Scene, engine: Engine
) -> None:
    cut_off = engine.cut(scene.source, scene.project.target, "files-stored", scope=scene.scope())
    beside, _ = succeeded(engine.migrate(scene.source, scene.project.target, scope=scene.scope())).beside
    assert (beside.moved, beside.matched) == (0, 6)
    undone = engine.rollback(cut_off, scene.project.target)
    assert undone.status is RunStatus.ROLLED_BACK
    assert any("another run" in line for line in undone.kept_edits)
    assert scene.stored() == scene.contents
