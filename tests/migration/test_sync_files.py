"""Files in a sync: those that one end has or changed come to the other with their rows, and back with a rollback."""

from __future__ import annotations

import io
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from migrator_tui.convert.object_keys import key_of
from migrator_tui.demo.project.project import Project
from migrator_tui.migration.syncing.file_changes import FileChange
from migrator_tui.migration.syncing.file_contents import keep_file, leads_elsewhere, reading
from migrator_tui.model.decisions import OnConflict
from migrator_tui.model.errors import SourceError
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Scope
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.project import FilesScope
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.storage_api import Storage
from tests.migration.conftest import MakeSource
from tests.migration.moving import Scene
from tests.migration.running import Engine, rows, succeeded
from tests.migration.test_sync import changes, do, in_file, on_target, refused

NAMES = ["a.txt", "b.txt", "c.txt", "d.txt", "Ü #1.txt"]
ROWS = "SELECT id, title, path FROM documents ORDER BY id"
Contents = dict[str, bytes]


class Ends:
    """Both ends of an application with files, as somebody else sees and changes them."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.engine = Engine(scene.api)

    def below(self) -> Contents:
        folder = self.scene.folder
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    def bucket(self) -> Contents:
        with connect(self.scene.project.superuser) as connection:
            found = rows(connection, "SELECT name, version FROM storage.objects WHERE bucket_id = 'docs'")
        return {key: next(self.scene.project.folder.rglob(str(version))).read_bytes() for key, version in found}

    def store(self, key: str, content: bytes) -> None:
        """As the application does, which knows nothing of this program's metadata."""
        with Storage(self.scene.api, stopped=threading.Event()) as storage:
            storage.upload(
                "docs", key, io.BytesIO(content), len(content), mime="text/plain", metadata={}, name=key, replaces=True
            )

    def remove(self, key: str) -> None:
        with Storage(self.scene.api, stopped=threading.Event()) as storage:
            storage.remove("docs", [key])

    def seen(self) -> tuple[object, ...]:
        with connect(self.scene.project.target) as connection:
            return in_file(self.scene.source, ROWS), rows(connection, ROWS), self.below(), self.bucket()

    def sync(self, **asked: Any) -> RunOutcome:
        return self.engine.sync(self.scene.source, self.scene.project.target, **asked)

    def resume(self, run: str, **asked: Any) -> RunOutcome:
        return self.engine.resume(run, self.scene.project.target, **asked)

    def alike(self) -> None:
        assert {key_of(name): content for name, content in self.below().items()} == self.bucket()
        with connect(self.scene.project.target) as connection:
            assert rows(connection, "SELECT id, path FROM documents WHERE id IN (20, 30) ORDER BY id") == [
                (20, "new/n.txt"), (30, "up/u.txt"),
            ]  # fmt: skip
        assert in_file(self.scene.source, "SELECT id, path FROM documents WHERE id IN (20, 30) ORDER BY id") == [
            (20, "uploads/new/n.txt"), (30, "uploads/up/u.txt"),
        ]  # fmt: skip


@pytest.fixture
def ends(make_source: MakeSource, project: Project, tmp_path: Path) -> Ends:
    """Five documents with their files, moved; then changed on both ends."""
    found = Ends(Scene(make_source, project, tmp_path / "uploads", NAMES))
    succeeded(found.engine.migrate(found.scene.source, project.target, scope=found.scene.scope()))
    found.scene.put("a.txt", b"changed in the folder")
    found.scene.put("new/n.txt", b"new in the folder")
    (found.scene.folder / "d.txt").unlink()
    do(found.scene.source, "DELETE FROM documents WHERE id = 4; "
                           "INSERT INTO documents VALUES (20, 'new', 'uploads/new/n.txt')")  # fmt: skip
    found.store("b.txt", b"changed in the bucket")
    found.remove("c.txt")
    found.store("up/u.txt", b"new in the bucket")
    with connect(project.target) as connection:
        on_target(connection, "DELETE FROM documents WHERE id = 3",
                  "INSERT INTO documents (id, title, path) VALUES (30, 'up', 'up/u.txt')")  # fmt: skip
    return found


def test_files_go_with_their_rows_to_either_end_whatever_interrupts_it_and_a_rollback_brings_them_back(
    ends: Ends,
) -> None:
    before = ends.seen()
    # A row that one end deleted is asked about, and its file with it.
    asked = ends.sync()
    refused(asked, "CONFLICTS", RunStatus.NEEDS_DECISIONS)
    assert ends.seen() == before

    def together(outcome: RunOutcome, stored: int = 2) -> None:
        assert succeeded(outcome).beside[0].details == {"stored": stored, "brought": 2, "deleted": 2}
        below = ends.below()
        assert sorted(below) == ["a.txt", "b.txt", "new/n.txt", "up/u.txt", "Ü #1.txt"]
        assert below["b.txt"] == b"changed in the bucket"
        assert ends.bucket()["a.txt"] == b"changed in the folder"
        ends.alike()

    def taken_back(run: str) -> None:
        undone = ends.engine.rollback(run, ends.scene.project.target)
        assert (undone.status, undone.kept_edits) == (RunStatus.ROLLED_BACK, ())
        assert ends.seen() == before

    together(ends.resume(asked.run, accept_recommended=True))
    taken_back(asked.run)
    # What an interrupted run had stored before is there already.
    for at, stored in (("files-stored", 1), ("file-carried", 2)):
        run = ends.engine.cut(ends.scene.source, ends.scene.project.target, at, command="sync")
        together(ends.resume(run), stored)
        taken_back(run)
    # What is lost while the sync is at work comes again with what was laid out anew.
    meanwhile = iter([True])

    def lost(name: str) -> None:
        if name == "back-laid-out" and next(meanwhile, False):
            ends.remove(key_of(NAMES[4]))
            with connect(ends.scene.project.target) as connection:
                on_target(connection, "UPDATE documents SET title = 'meanwhile' WHERE id = 30")

    done = succeeded(ends.sync(accept_recommended=True, failpoint=lost))
    assert in_file(ends.scene.source, "SELECT title FROM documents WHERE id = 30") == [("meanwhile",)]
    ends.alike()
    # Of what somebody changed since, a rollback keeps the change, and says so.
    ends.scene.put("b.txt", b"edited since")
    ends.store("a.txt", b"edited since")
    kept = ends.engine.rollback(done.run, ends.scene.project.target).kept_edits
    assert [line.split(":")[0] for line in kept] == ["b.txt", "a.txt"]
    assert (ends.below()["b.txt"], ends.bucket()["a.txt"]) == (b"edited since", b"edited since")


def test_a_file_that_both_ends_changed_is_asked_about_and_one_that_an_end_lost_comes_again(ends: Ends) -> None:
    ends.store("a.txt", b"changed there too")
    (ends.scene.folder / NAMES[4]).unlink()
    before = ends.seen()
    asked = ends.sync(accept_recommended=True)
    assert "a.txt" in refused(asked, "SYNC-FILES", RunStatus.NEEDS_DECISIONS).message
    assert ends.seen() == before
    done = succeeded(ends.resume(asked.run, on_conflict=OnConflict.KEEP_TARGET))
    ends.alike()
    assert ends.below()["a.txt"] == b"changed there too"
    assert NAMES[4] in ends.below()
    assert changes(ends.sync()) == 0
    assert ends.engine.rollback(done.run, ends.scene.project.target).kept_edits == ()
    assert ends.seen() == before


def test_a_rollback_undoes_a_syncs_own_files_alone_and_a_large_object_stays_until_the_next_one_is_whole(
    ends: Ends,
) -> None:
    def owned() -> set[tuple[str, str]]:
        with connect(ends.scene.project.superuser) as connection:
            return set(rows(connection, "SELECT name, owner_id FROM storage.objects WHERE owner_id IS NOT NULL"))

    with connect(ends.scene.project.superuser) as connection:
        connection.execute("UPDATE storage.objects SET owner_id = 'somebody' WHERE name IN ('a.txt', 'd.txt')")
    large = os.urandom(7_000_000)
    old = ends.bucket()["a.txt"]
    ends.scene.put("a.txt", large)
    before = ends.seen()
    # One run stored what is new, and published nothing.
    stopped = ends.engine.cut(ends.scene.source, ends.scene.project.target, "files-stored", command="sync")
    run = ends.engine.cut(ends.scene.source, ends.scene.project.target, "file-begun", command="sync")
    assert ends.bucket()["a.txt"] == old
    # What keeps files from being carried is told, with what to do, and the run goes on from there.
    in_the_way = ends.scene.folder / "up" / "u.txt"
    in_the_way.mkdir(parents=True)
    refusal = refused(ends.resume(run), "SYNC-FILES-LEFT", RunStatus.INTERRUPTED)
    assert str(in_the_way) in refusal.message
    assert f"resume {run}" in refusal.hint
    in_the_way.rmdir()
    assert (
        "key"
        in refused(Engine().resume(run, ends.scene.project.target), "SYNC-FILES-LEFT", RunStatus.INTERRUPTED).message
    )
    refused(ends.sync(), "SYNC-HALF-DONE")
    done = succeeded(ends.resume(run))
    assert not [note for note in done.notes if "kept" in note]
    ends.alike()
    assert ends.bucket()["a.txt"] == large
    assert owned() == {("a.txt", "somebody")}
    # The first run did none of that; the object that it stored is named by rows of the second.
    after = ends.seen()
    (kept,) = ends.engine.rollback(stopped, ends.scene.project.target).kept_edits
    assert "new/n.txt" in kept
    assert ends.seen() == after
    assert ends.engine.rollback(run, ends.scene.project.target).kept_edits == ()
    assert ends.bucket().pop("new/n.txt") == b"new in the folder"
    assert ends.seen()[:3] == before[:3]
    assert owned() == {("a.txt", "somebody"), ("d.txt", "somebody")}
    assert ends.bucket()["a.txt"] == old


def test_a_file_that_rows_beside_the_synced_ones_name_stays_and_one_folder_too_few_is_no_loss_of_files(
    make_source: MakeSource, project: Project, tmp_path: Path
) -> None:
    ends = Ends(Scene(make_source, project, tmp_path / "uploads", NAMES))
    scene, target = ends.scene, project.target
    for table, named in (("covers", ["b.txt"]), ("letters", ["a.txt", "c.txt"])):
        do(scene.source, f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, path TEXT)")
        for name in named:
            do(scene.source, f"INSERT INTO {table} (path) VALUES ('uploads/{name}')")
    files = (FilesScope("documents", "path", "docs"), FilesScope("letters", "path", "docs"),
             FilesScope("covers", "path", "covers"))  # fmt: skip
    succeeded(
        ends.engine.migrate(scene.source, target, scope=Scope(project=replace(scene.scope().project, files=files)))
    )
    do(scene.source, "DELETE FROM documents WHERE id IN (1, 4, 5)")
    with connect(target) as connection:
        on_target(connection, "DELETE FROM documents WHERE id IN (2, 3)", "INSERT INTO letters VALUES (9, 'd.txt')")
    # A folder that is not mounted is told; nothing is written into its place.
    scene.folder.rename(tmp_path / "elsewhere")
    stopped = ends.sync(scope=Scope(include=("documents", "covers")), accept_recommended=True)
    assert str(scene.folder) in refused(stopped, "SYNC-UPLOADS-GONE", RunStatus.NEEDS_DECISIONS).message
    assert not scene.folder.exists()
    (tmp_path / "elsewhere").rename(scene.folder)
    done = succeeded(ends.resume(stopped.run))
    # a and c are named by letters of the file, d by letters of the target, b by covers, which is synced.
    assert sorted(ends.bucket()) == NAMES[:4]
    assert sorted(ends.below()) == NAMES
    assert sorted(note.split()[0] for note in done.notes if "stays although" in note) == ["a.txt", "c.txt", "d.txt"]


def test_a_file_that_cannot_be_kept_is_named_and_none_is_written_behind_a_link_out_of_the_uploads_folder(
    tmp_path: Path,
) -> None:
    with pytest.raises(SourceError, match=r"gone\.txt") as told, reading(tmp_path / "gone.txt"):
        keep_file(tmp_path, tmp_path / "gone.txt", "0" * 64)
    assert told.value.id == "SYNC-FILES-UNREAD"
    uploads = tmp_path / "uploads"
    (uploads / "in").mkdir(parents=True)
    (uploads / "out").symlink_to(tmp_path)
    (uploads / "link.txt").symlink_to(uploads / "in")
    refused_ones = [p for p in ("in/a.txt", "new/a.txt", "out/a.txt", "out/new/a.txt", "link.txt")
                    if leads_elsewhere(FileChange("docs", "k", p, uploads, "source", 1, "0" * 64))]  # fmt: skip
    assert refused_ones == ["out/a.txt", "out/new/a.txt", "link.txt"]
