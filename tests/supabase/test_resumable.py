"""Large files go in chunks, and go on where the server says, whatever ended before."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator_tui.demo.project.faults import Fault
from migrator_tui.demo.project.project import Project
from migrator_tui.model.errors import ConnectionLost
from migrator_tui.supabase import resumable
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.resumable import CHUNK, UploadGone
from migrator_tui.supabase.storage_api import Bucket, Storage
from migrator_tui.supabase.storage_errors import ObjectThere, StorageRefused
from migrator_tui.supabase.upload_folder import LocalFile, UploadFolder
from migrator_tui.supabase.uploading import Other, Stored, put

TUS = "/storage/v1/upload/resumable"
SIZE = 13_000_001


class Cut(Exception):
    """Ends an upload in the middle."""


@pytest.fixture
def storage(project: Project) -> Iterator[Storage]:
    with Storage(Api(project.api_url, project.secret_key), first_wait=0.001) as client:
        client.create_bucket(Bucket("docs", False))
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> UploadFolder:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "film.mp4").write_bytes(os.urandom(SIZE))
    return UploadFolder(tmp_path / "uploads")


def film(folder: UploadFolder) -> LocalFile:
    found = folder.find("film.mp4")
    assert isinstance(found, LocalFile)
    return found


def digest(folder: UploadFolder) -> str:
    return hashlib.sha256((folder.root / "film.mp4").read_bytes()).hexdigest()


class Sending:
    """An upload that may be cut off, with what the ledger would know of it."""

    def __init__(self, storage: Storage, folder: UploadFolder) -> None:
        self._storage, self._folder = storage, folder
        self.address: str | None = None
        self.sha256: str | None = None
        self.begun = 0
        self.counted = 0

    def go(self, *, cut_at: int | None = None) -> Stored | Other:
        self.counted = 0
        passed = 0

        def within() -> None:
            nonlocal passed
            passed += 1
            if cut_at is not None and self.address and passed >= cut_at:
                raise Cut

        def on_address(address: str | None, sha256: str) -> None:
            self.begun += address is not None
            self.address, self.sha256 = address, sha256

        def on_bytes(more: int) -> None:
            self.counted += more

        return put(
            self._storage,
            self._folder,
            film(self._folder),
            "docs",
            "film.mp4",
            run="the-run",
            address=self.address,
            sha256_then=self.sha256,
            on_address=on_address,
            within=within,
            on_bytes=on_bytes,
        )


@pytest.fixture
def sending(storage: Storage, folder: UploadFolder) -> Sending:
    return Sending(storage, folder)


def patched(project: Project) -> int:
    return len(project.faults.seen(TUS, "PATCH"))


def there(storage: Storage) -> tuple[int, str]:
    return storage.download("docs", "film.mp4")


def test_a_large_file_goes_in_chunks_and_is_there_as_it_was(
    storage: Storage, sending: Sending, folder: UploadFolder, project: Project
) -> None:
    assert sending.go() == Stored("made", SIZE, digest(folder))
    assert there(storage) == (SIZE, digest(folder))
    assert patched(project) == 3
    assert (sending.address, sending.counted) == (None, SIZE)
    info = storage.info("docs", "film.mp4")
    assert info is not None
    assert info.mime == "video/mp4"
    assert info.metadata == {"name": "film.mp4", "sha256": digest(folder), "migrator_run": "the-run"}


def test_an_upload_that_was_cut_off_goes_on_at_the_offset_of_the_server(
    storage: Storage, sending: Sending, folder: UploadFolder, project: Project
) -> None:
    blocks = SIZE // (256 * 1024) + 1
    with pytest.raises(Cut):
        sending.go(cut_at=blocks + 30)  # hashed first, then the first chunk and a part of the second
    assert sending.address is not None
    begun_at = resumable.offset(storage, sending.address, "film.mp4")
    assert CHUNK <= begun_at < SIZE
    project.faults.clear()
    assert sending.go() == Stored("made", SIZE, digest(folder))
    assert there(storage) == (SIZE, digest(folder))
    assert sending.begun == 1
    assert patched(project) < 3


def test_a_file_that_changed_since_is_sent_anew(storage: Storage, sending: Sending, folder: UploadFolder) -> None:
    with pytest.raises(Cut):
        sending.go(cut_at=60)
    (folder.root / "film.mp4").write_bytes(os.urandom(SIZE))
    assert sending.go() == Stored("made", SIZE, digest(folder))
    assert there(storage) == (SIZE, digest(folder))
    assert sending.begun == 2


def test_an_upload_that_the_server_forgot_is_begun_anew(
    storage: Storage, sending: Sending, folder: UploadFolder
) -> None:
    with pytest.raises(Cut):
        sending.go(cut_at=60)
    assert sending.address is not None
    resumable.end(storage, sending.address, "film.mp4")
    with pytest.raises(UploadGone):
        resumable.offset(storage, sending.address, "film.mp4")
    assert sending.go() == Stored("made", SIZE, digest(folder))
    assert there(storage) == (SIZE, digest(folder))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(TUS, "PATCH", times=2, drop_after=1_000_000),
        Fault(TUS, "PATCH", times=2, skip=1, drop_answer=True),
        Fault(TUS, "PATCH", times=3, status=503, body="<html>busy</html>"),
        Fault(TUS, "HEAD", times=1, skip=1, status=500),
        Fault(TUS, "POST", times=1, drop_answer=True),
    ],
)
def test_faults_on_the_way_are_overcome_and_the_object_is_there_once(
    storage: Storage, sending: Sending, folder: UploadFolder, project: Project, fault: Fault
) -> None:
    project.faults.add(fault)
    assert sending.go() == Stored("made", SIZE, digest(folder))
    assert there(storage) == (SIZE, digest(folder))
    assert len(list(storage.objects("docs"))) == 1
    assert sending.counted <= SIZE  # the last answer may be lost


def test_a_connection_that_ends_again_and_again_is_given_up_and_can_be_gone_on_with(
    storage: Storage, sending: Sending, folder: UploadFolder, project: Project
) -> None:
    project.faults.add(Fault(TUS, "PATCH", times=99, skip=1, status=503))
    with pytest.raises(ConnectionLost):
        sending.go()
    project.faults.clear()
    assert sending.go() == Stored("made", SIZE, digest(folder))
    assert patched(project) == 2


def test_what_is_there_already_is_compared_and_never_replaced(
    storage: Storage, sending: Sending, folder: UploadFolder
) -> None:
    sending.go()
    assert sending.go() == Stored("made", SIZE, digest(folder))
    (folder.root / "film.mp4").write_bytes(os.urandom(SIZE))
    again = sending.go()
    assert isinstance(again, Other)
    assert again.there.size == SIZE


def test_a_file_above_the_limit_is_refused_before_its_first_byte(storage: Storage, project: Project) -> None:
    storage.create_bucket(Bucket("small", False, 1_000_000, ("image/*",)))
    with pytest.raises(StorageRefused) as large:
        resumable.begin(storage, "small", "a.png", SIZE, mime="image/png", metadata={}, name="a.png")
    assert large.value.id == "STORAGE-TOO-LARGE"
    with pytest.raises(StorageRefused) as kind:
        resumable.begin(storage, "small", "a.pdf", 10, mime="application/pdf", metadata={}, name="a.pdf")
    assert kind.value.id == "STORAGE-MIME"
    assert patched(project) == 0


def test_an_object_that_somebody_made_meanwhile_is_told(storage: Storage, sending: Sending) -> None:
    sending.go()
    with pytest.raises(ObjectThere):
        resumable.begin(storage, "docs", "film.mp4", SIZE, mime="video/mp4", metadata={}, name="film.mp4")
