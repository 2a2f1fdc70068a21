"""Storage's answers, as the real server (1.11) gave them; asked of a real project where the environment names one."""

from __future__ import annotations

import base64
import json

import httpx
import pytest
from storage3.exceptions import StorageApiError

from tests.demo.project_clients import Reached

MIB = 1 << 20


def put(
    api: Reached, bucket: str, key: str, body: bytes = b"x", headers: dict[str, str] | None = None
) -> httpx.Response:
    """An upload of a plain body."""
    return api.storage.post(f"/object/{bucket}/{key}", content=body, headers=headers)


def said(answer: httpx.Response) -> tuple[int, str, str]:
    """The HTTP status, and the body's status and error."""
    return answer.status_code, answer.json()["statusCode"], answer.json()["error"]


def test_an_object_that_is_there_is_a_duplicate_in_a_400(api: Reached) -> None:
    bucket = api.bucket()
    put(api, bucket, "a.txt")
    answer = put(api, bucket, "a.txt")
    assert said(answer) == (400, "409", "Duplicate")
    assert answer.json()["message"] == "The resource already exists"
    with pytest.raises(StorageApiError) as caught:
        api.library.storage.from_(bucket).upload("a.txt", b"x")
    assert str(caught.value.status) == "409"


@pytest.mark.parametrize("value", ["True", "1", "yes", "TRUE", "false", ""])
def test_upsert_counts_only_as_exactly_true(api: Reached, value: str) -> None:
    bucket = api.bucket()
    put(api, bucket, "a.txt")
    assert said(put(api, bucket, "a.txt", headers={"x-upsert": value}))[1] == "409"


def test_an_upsert_keeps_the_rows_id_and_resets_its_metadata(api: Reached) -> None:
    bucket = api.bucket()
    metadata = base64.b64encode(json.dumps({"name": "Ü"}).encode()).decode()
    first = put(api, bucket, "a.txt", b"old", headers={"x-metadata": metadata}).json()
    info = api.storage.get(f"/object/info/{bucket}/a.txt").json()
    assert (info["metadata"], info["size"]) == ({"name": "Ü"}, 3)

    second = put(api, bucket, "a.txt", b"newer", headers={"x-upsert": "true"}).json()
    assert second["Id"] == first["Id"]
    info = api.storage.get(f"/object/info/{bucket}/a.txt").json()
    assert (info["metadata"] or {}, info["size"]) == ({}, 5)
    assert api.storage.get(f"/object/{bucket}/a.txt").content == b"newer"


@pytest.mark.parametrize("key", ["ü.txt", "a%23.txt", "a%25b", "a~b", "a[1]", "a{1}", "%E6%97%A5", "a%5Cb", "a%22b"])
def test_a_key_with_another_character_is_refused(api: Reached, key: str) -> None:
    assert said(put(api, api.bucket(), key)) == (400, "400", "InvalidKey")


def test_every_character_of_the_alphabet_goes_and_comes(api: Reached) -> None:
    bucket, key = api.bucket(), "az AZ09_/!.*'()&$@=;:+,-/x"
    put(api, bucket, f"{key}%3F", b"all")
    assert api.storage.get(f"/object/{bucket}/{key}%3F").content == b"all"
    assert [row.name for row in api.library.storage.from_(bucket).list_v2({}).objects] == [f"{key}?"]


def test_a_bucket_that_is_there_is_a_duplicate(api: Reached) -> None:
    bucket = api.bucket()
    assert said(api.storage.post("/bucket", json={"name": bucket})) == (400, "409", "Duplicate")


@pytest.mark.parametrize("name", ["a/b", "ü", "a#b", "b" * 101])
def test_a_bucket_name_that_is_none_is_refused(api: Reached, name: str) -> None:
    assert said(api.storage.post("/bucket", json={"name": name}))[:2] == (400, "400")


def test_what_is_not_there_is_told_by_its_kind(api: Reached) -> None:
    bucket = api.bucket()
    assert said(put(api, "not-there", "a.txt")) == (400, "404", "Bucket not found")
    assert said(api.storage.get("/bucket/not-there")) == (400, "404", "Bucket not found")
    assert said(api.storage.get("/object/not-there/a.txt")) == (400, "404", "Bucket not found")
    answer = api.storage.get(f"/object/{bucket}/a.txt")
    assert said(answer) == (400, "404", "not_found")
    assert answer.json()["code"] == "NoSuchKey"


def test_a_missing_bucket_lists_as_an_empty_one(api: Reached) -> None:
    answer = api.storage.post("/object/list/not-there", json={"prefix": ""})
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("form", [False, True])
def test_a_file_over_the_buckets_limit_is_refused(api: Reached, form: bool) -> None:
    bucket = api.bucket(file_size_limit=10)
    place, body = f"/object/{bucket}/a.txt", b"x" * 11
    answer = api.storage.post(place, files={"file": body}) if form else api.storage.post(place, content=body)
    assert said(answer) == (400, "413", "Payload too large")
    assert answer.json()["code"] == "EntityTooLarge"
    assert put(api, bucket, "a.txt", b"x" * 10).status_code == 200


def test_a_limit_in_mb_counts_in_millions(api: Reached) -> None:
    bucket = api.bucket(file_size_limit="10MB")
    assert api.storage.get(f"/bucket/{bucket}").json()["file_size_limit"] == 10_000_000


def test_a_limit_that_is_none_is_refused(api: Reached) -> None:
    answer = api.storage.post("/bucket", json={"name": "limit", "file_size_limit": "ten"})
    assert said(answer)[:2] == (400, "400")


def test_a_type_that_the_bucket_does_not_take_is_refused(api: Reached) -> None:
    bucket = api.bucket(allowed_mime_types=["image/*", "application/pdf"])
    answer = put(api, bucket, "a.txt", headers={"content-type": "text/plain"})
    assert said(answer) == (400, "415", "invalid_mime_type")
    assert put(api, bucket, "a.png", headers={"content-type": "image/png"}).status_code == 200
    assert put(api, bucket, "a.pdf", headers={"content-type": "application/pdf"}).status_code == 200


def test_only_an_empty_bucket_is_deleted(api: Reached) -> None:
    bucket = api.bucket()
    put(api, bucket, "a.txt")
    assert said(api.storage.delete(f"/bucket/{bucket}"))[:2] == (400, "409")
    api.storage.request("DELETE", f"/object/{bucket}", json={"prefixes": ["a.txt"]})
    assert api.storage.delete(f"/bucket/{bucket}").status_code == 200
    assert said(api.storage.get(f"/bucket/{bucket}"))[1] == "404"


def test_a_buckets_settings_are_changed(api: Reached) -> None:
    bucket = api.bucket()
    api.library.storage.update_bucket(bucket, {"public": True, "file_size_limit": 7})
    found = api.library.storage.get_bucket(bucket)
    assert (found.public, found.file_size_limit) == (True, 7)


def test_a_list_shows_one_folder_a_hundred_at_a_time(api: Reached) -> None:
    bucket = api.bucket()
    for number in range(102):
        put(api, bucket, f"d/{number:03}.txt")
    put(api, bucket, "d/sub/x.txt")
    rows = api.storage.post(f"/object/list/{bucket}", json={"prefix": "d"}).json()
    assert [row["name"] for row in rows] == [f"{number:03}.txt" for number in range(100)]
    rest = api.storage.post(f"/object/list/{bucket}", json={"prefix": "d", "offset": 100}).json()
    assert [(row["name"], row["id"] is None) for row in rest] == [
        ("100.txt", False), ("101.txt", False), ("sub", True)
    ]  # fmt: skip


def test_a_lists_prefix_ignores_case(api: Reached) -> None:
    bucket = api.bucket()
    put(api, bucket, "Docs/a.txt")
    rows = api.storage.post(f"/object/list/{bucket}", json={"prefix": "docs"}).json()
    assert [row["name"] for row in rows] == ["a.txt"]


def test_list_v2_goes_through_all_folders_by_its_cursor(api: Reached) -> None:
    bucket = api.bucket()
    keys = sorted(f"{folder}{number}.txt" for folder in ("", "a/", "a/b/", "c/") for number in range(3))
    for key in keys:
        put(api, bucket, key)
    seen, cursor = [], None
    while True:
        asked = {"limit": 5, **({"cursor": cursor} if cursor else {})}
        answer = api.storage.post(f"/object/list-v2/{bucket}", json=asked).json()
        seen += [row["name"] for row in answer["objects"]]
        if not answer["hasNext"]:
            break
        cursor = answer["nextCursor"]
    assert seen == keys


def test_list_v2_stops_at_folders_when_asked(api: Reached) -> None:
    bucket = api.bucket()
    for key in ("a.txt", "d/1.txt", "d/2.txt"):
        put(api, bucket, key)
    answer = api.storage.post(f"/object/list-v2/{bucket}", json={"with_delimiter": True}).json()
    assert [row["name"] for row in answer["folders"]] == ["d/"]
    assert [row["name"] for row in answer["objects"]] == ["a.txt"]


def test_removing_says_what_was_there(api: Reached) -> None:
    bucket = api.bucket()
    put(api, bucket, "a.txt")
    removed = api.library.storage.from_(bucket).remove(["a.txt", "not-there.txt"])
    assert [row["name"] for row in removed] == ["a.txt"]


def test_an_object_is_moved_and_copied(api: Reached) -> None:
    bucket, other = api.bucket(), api.bucket()
    put(api, bucket, "a.txt", b"hello", headers={"content-type": "text/plain"})
    files = api.library.storage.from_(bucket)
    files.copy("a.txt", "b.txt")
    files.move("a.txt", "d/c.txt")
    assert (files.download("b.txt"), files.download("d/c.txt")) == (b"hello", b"hello")
    assert not files.exists("a.txt")
    api.storage.post(
        "/object/move",
        json={"bucketId": bucket, "sourceKey": "b.txt", "destinationBucket": other, "destinationKey": "b.txt"},
    )
    assert api.storage.get(f"/object/{other}/b.txt").headers["content-type"].startswith("text/plain")
    put(api, bucket, "e.txt")
    answer = api.storage.post(
        "/object/move", json={"bucketId": bucket, "sourceKey": "e.txt", "destinationKey": "d/c.txt"}
    )
    assert said(answer)[1] == "409"


def test_an_empty_file_and_one_of_several_megabytes_come_back_as_they_went(api: Reached) -> None:
    bucket, body = api.bucket(), bytes(range(256)) * (20 * MIB // 1024)
    put(api, bucket, "empty.bin", b"")
    put(api, bucket, "large.bin", body)
    assert api.storage.get(f"/object/{bucket}/empty.bin").content == b""
    assert api.storage.get(f"/object/{bucket}/large.bin").content == body
    assert api.storage.get(f"/object/info/{bucket}/large.bin").json()["size"] == len(body)


def test_a_part_of_an_object_is_given_by_its_range(api: Reached) -> None:
    bucket = api.bucket()
    put(api, bucket, "a.txt", b"0123456789")
    answer = api.storage.get(f"/object/{bucket}/a.txt", headers={"Range": "bytes=3-5"})
    assert (answer.status_code, answer.content) == (206, b"345")


def test_a_private_bucket_needs_a_key_and_a_public_one_does_not(api: Reached) -> None:
    private, public = api.bucket(), api.bucket(public=True)
    for bucket in (private, public):
        put(api, bucket, "a.txt", b"hello")
    assert httpx.get(f"{api.url}/storage/v1/object/public/{public}/a.txt").content == b"hello"
    answer = httpx.get(f"{api.url}/storage/v1/object/public/{private}/a.txt")
    assert said(answer)[:2] == (400, "404")


def test_without_a_policy_anyone_may_neither_read_nor_write(api: Reached) -> None:
    bucket = api.bucket()
    put(api, bucket, "a.txt")
    answer = api.anyone.post(f"/storage/v1/object/{bucket}/b.txt", content=b"x")
    assert said(answer) == (400, "403", "Unauthorized")
    assert said(api.anyone.get(f"/storage/v1/object/{bucket}/a.txt"))[1] == "404"
    assert api.anyone.post(f"/storage/v1/object/list/{bucket}", json={"prefix": ""}).json() == []


def test_a_signed_url_opens_only_what_it_was_made_for(api: Reached) -> None:
    bucket = api.bucket()
    put(api, bucket, "a b.txt", b"hello")
    put(api, bucket, "other.txt", b"other")
    path = api.storage.post(f"/object/sign/{bucket}/a b.txt", json={"expiresIn": 60}).json()["signedURL"]
    assert httpx.get(f"{api.url}/storage/v1{path}").content == b"hello"
    other = path.replace("a b.txt", "other.txt").replace("a%20b.txt", "other.txt")
    assert said(httpx.get(f"{api.url}/storage/v1{other}"))[:2] == (400, "400")
    assert said(httpx.get(f"{api.url}/storage/v1{path}x"))[:2] == (400, "400")


def test_signing_several_says_which_are_not_there(api: Reached) -> None:
    bucket = api.bucket()
    put(api, bucket, "a.txt")
    answer = api.storage.post(f"/object/sign/{bucket}", json={"expiresIn": 60, "paths": ["a.txt", "b.txt"]}).json()
    assert [row["error"] is None for row in answer] == [True, False]


def test_the_library_builds_urls_of_raw_keys(api: Reached) -> None:
    """What a key becomes that was not encoded first (supabase-py#1640), as far as this release still does it."""
    bucket = api.bucket()
    api.library.storage.from_(bucket).upload("a%20b.txt", b"x")
    assert [row.name for row in api.library.storage.from_(bucket).list_v2({}).objects] == ["a b.txt"]
