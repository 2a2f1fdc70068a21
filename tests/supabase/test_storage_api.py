"""The Storage client against a project: buckets, objects of any name, and every refusal."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator

import httpx
import pytest

from migrator_tui.convert.object_keys import key_of
from migrator_tui.demo.project.faults import Fault
from migrator_tui.demo.project.project import Project
from migrator_tui.model.errors import ConnectionLost, Interrupted, TargetError
from migrator_tui.model.secret import Secret
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.storage_api import Bucket, Storage, StoredObject
from migrator_tui.supabase.storage_errors import NotThere, ObjectThere, StorageRefused

PATHS = ["a b.txt", "Ü/日本.txt", "a#1?.txt", "100%.txt", "a//b/../c.txt", "/lead.txt", "x" * 150 + "/" + "y" * 149]


@pytest.fixture
def storage(project: Project) -> Iterator[Storage]:
    with Storage(Api(project.api_url, project.secret_key), first_wait=0.001) as client:
        yield client


def store(storage: Storage, key: str, content: bytes = b"content", **how: object) -> None:
    given: dict[str, object] = {"mime": "text/plain", "metadata": {"name": "ü"}, "name": "the file"}
    storage.upload("docs", key, io.BytesIO(content), len(content), **(given | how))  # type: ignore[arg-type]


def test_buckets_are_made_looked_up_and_removed(storage: Storage) -> None:
    assert storage.bucket("docs") is None
    wanted = Bucket("docs", True, 1_000, ("image/*",))
    storage.create_bucket(wanted)
    assert storage.bucket("docs") == wanted
    assert storage.buckets() == (wanted,)
    with pytest.raises(ObjectThere, match="docs"):
        storage.create_bucket(wanted)
    storage.delete_bucket("docs")
    assert storage.bucket("docs") is None


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content", [b"", b"content"])
def test_a_file_of_any_name_comes_back_as_it_was(storage: Storage, path: str, content: bytes) -> None:
    storage.create_bucket(Bucket("docs", False))
    key = key_of(path)
    store(storage, key, content)
    assert storage.info("docs", key) == StoredObject(key, len(content), "text/plain", {"name": "ü"})
    assert [(found.key, found.size) for found in storage.objects("docs")] == [(key, len(content))]
    into = io.BytesIO()
    assert storage.download("docs", key, into) == (len(content), hashlib.sha256(content).hexdigest())
    assert into.getvalue() == content
    assert httpx.get(storage.signed_url("docs", key)).content == content
    assert storage.remove("docs", [key, "none"]) == 1
    assert storage.info("docs", key) is None


def test_a_listing_goes_on_over_pages_in_the_order_of_bytes(storage: Storage, project: Project) -> None:
    storage.create_bucket(Bucket("docs", False))
    keys = [f"{letter}/{number:04}.txt" for letter in "aBC" for number in range(3)]
    for key in keys:
        store(storage, key)
    assert [found.key for found in storage.objects("docs", page=2)] == sorted(keys)
    assert len(project.faults.seen("/storage/v1/object/list-v2/")) == 5


def test_an_object_is_never_replaced(storage: Storage) -> None:
    storage.create_bucket(Bucket("docs", False))
    store(storage, "a.txt", b"first")
    with pytest.raises(ObjectThere, match=r"the file could not be stored as docs/a\.txt"):
        store(storage, "a.txt", b"second")
    assert storage.download("docs", "a.txt")[0] == len(b"first")


def test_what_the_bucket_does_not_take_is_told(storage: Storage) -> None:
    storage.create_bucket(Bucket("docs", False, 5, ("text/plain",)))
    with pytest.raises(StorageRefused) as large:
        store(storage, "a.txt", b"123456")
    assert large.value.id == "STORAGE-TOO-LARGE"
    with pytest.raises(StorageRefused) as kind:
        store(storage, "a.html", b"1", mime="text/html")
    assert kind.value.id == "STORAGE-MIME"
    with pytest.raises(StorageRefused) as key:
        store(storage, "a~b.txt", b"1")
    assert key.value.id == "STORAGE-KEY"


def test_a_bucket_or_object_that_is_not_there_is_told(storage: Storage) -> None:
    with pytest.raises(NotThere) as bucket:
        store(storage, "a.txt")
    assert bucket.value.id == "STORAGE-NO-BUCKET"
    storage.create_bucket(Bucket("docs", False))
    with pytest.raises(NotThere) as missing:
        storage.download("docs", "none.txt")
    assert missing.value.id == "STORAGE-NOT-THERE"
    store(storage, "a.txt")
    with pytest.raises(StorageRefused) as full:
        storage.delete_bucket("docs")
    assert full.value.id == "STORAGE-BUCKET-NOT-EMPTY"


@pytest.mark.parametrize("key", ["publishable", "wrong"])
def test_a_key_that_is_not_enough_is_told_and_never_shown(project: Project, key: str) -> None:
    text = project.publishable_key if key == "publishable" else "sb_secret_wrong"
    with (
        Storage(Api(project.api_url, Secret(text)), first_wait=0.001) as storage,
        pytest.raises(TargetError) as refused,
    ):
        storage.create_bucket(Bucket("docs", False))
    assert refused.value.id == "STORAGE-DENIED"
    assert text not in f"{refused.value.message} {refused.value.hint} {refused.value!r}"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/storage/v1/object/docs", "POST", times=2, status=429, body={"message": "slow down"}),
        Fault("/storage/v1/object/docs", "POST", times=2, status=503, body="<html>unavailable</html>"),
        Fault("/storage/v1/object/docs", "POST", times=2, drop_after=3),
    ],
)
def test_a_passing_fault_is_tried_again(storage: Storage, project: Project, fault: Fault) -> None:
    storage.create_bucket(Bucket("docs", False))
    project.faults.add(fault)
    store(storage, "a.txt", b"content")
    assert storage.download("docs", "a.txt")[0] == 7
    assert len(project.faults.seen("/storage/v1/object/docs", "POST")) == 3


def test_an_upload_whose_answer_is_lost_is_found_to_be_there(storage: Storage, project: Project) -> None:
    storage.create_bucket(Bucket("docs", False))
    project.faults.add(Fault("/storage/v1/object/docs", "POST", drop_answer=True))
    with pytest.raises(ObjectThere):
        store(storage, "a.txt")
    assert storage.info("docs", "a.txt") is not None


def test_a_fault_that_stays_ends_as_a_lost_connection(storage: Storage, project: Project) -> None:
    project.faults.add(Fault("/storage/v1/bucket", "GET", times=99, status=502, body="<html>bad gateway</html>"))
    with pytest.raises(ConnectionLost, match="bad gateway"):
        storage.buckets()
    project.stop()
    with pytest.raises(ConnectionLost, match="cannot be reached"):
        storage.buckets()


def test_a_page_of_a_proxy_in_place_of_an_answer_is_told(storage: Storage, project: Project) -> None:
    project.faults.add(Fault("/storage/v1/bucket", "GET", times=99, status=200, body="<html>Sign in</html>"))
    with pytest.raises(TargetError, match="something that is not Storage's: Sign in"):
        storage.buckets()


def test_what_is_raised_between_two_blocks_ends_the_upload(storage: Storage) -> None:
    storage.create_bucket(Bucket("docs", False))

    def stop(sent: int) -> None:
        raise Interrupted("CANCELLED", "Cancelled.")

    with pytest.raises(Interrupted):
        store(storage, "a.txt", bytes(1_000_000), between=stop)
    assert storage.info("docs", "a.txt") is None
