"""What Storage refuses: over REST, where the true status is in the body, and over TUS, where it is the answer's own."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import httpx

from migrator_tui.config_file import load
from migrator_tui.demo.project.faults import Fault
from migrator_tui.model.findings import CATALOGUE
from migrator_tui.supabase import resumable, storage_api
from migrator_tui.supabase.storage_api import Bucket, Storage
from migrator_tui.supabase.upload_folder import UploadFolder, Why
from tests.supabase.refusals.words import Scene, Told, goes_on, refusals_of

BY_STORAGE, storage = refusals_of("Storage")

_OBJECTS = "/storage/v1/object"
_TUS = "/storage/v1/upload/resumable"
_LARGE = resumable.CHUNK + 5


@contextmanager
def _begun(scene: Scene, bucket: str, size: int = _LARGE) -> Iterator[tuple[Storage, str]]:
    """A resumable upload that was announced: a client and the upload's address."""
    with scene.storage() as client:
        yield (
            client,
            resumable.begin(client, bucket, "film.mp4", size, mime="video/mp4", metadata={}, name="film.mp4"),
        )


@storage("409 KeyAlreadyExists", "STORAGE-DUPLICATE", "Remove it, or use another bucket")
def _duplicate(scene: Scene) -> Told | None:
    bucket = scene.bucket()
    for _ in range(2):
        scene.put(bucket, "a.txt")
    return None


@storage("409 BucketAlreadyExists", "STORAGE-DUPLICATE", "Remove it, or use another bucket")
def _bucket_there(scene: Scene) -> Told | None:
    name = scene.bucket()
    with scene.storage() as client:
        client.create_bucket(Bucket(name, False))
    return None


@storage("413 EntityTooLarge, of the bucket", "STORAGE-TOO-LARGE", "Raise the limit")
def _too_large(scene: Scene) -> Told | None:
    scene.put(scene.bucket(size_limit=10), "a.bin", 11)
    return None


@storage("413 of the project: 50 MB a file on the free plan", "STORAGE-TOO-LARGE", "Raise the limit")
def _too_large_at_all(scene: Scene) -> Told | None:
    with _begun(scene, scene.bucket(), scene.project.file_size_limit + 1):
        return None


@storage("an early 413 can look like a broken pipe", "STORAGE-UNREACHABLE", "larger than the project's limit")
def _broken_pipe(scene: Scene) -> Told | None:
    bucket = scene.bucket()
    scene.project.faults.add(Fault(f"{_OBJECTS}/{bucket}", "POST", times=1_000, drop_after=100_000))
    scene.put(bucket, "a.bin", 2_000_000)
    return None


@storage("415 invalid_mime_type", "STORAGE-MIME", "allowed MIME types")
def _mime(scene: Scene) -> Told | None:
    scene.put(scene.bucket(mime_types=("image/*",)), "a.txt")
    return None


@storage("404 NoSuchBucket", "STORAGE-NO-BUCKET", "makes it again when it is resumed")
def _no_bucket(scene: Scene) -> Told | None:
    scene.put("nowhere", "a.txt")
    return None


@storage("404 NoSuchKey", "STORAGE-NOT-THERE", "Put the file back there")
def _no_key(scene: Scene) -> Told | None:
    bucket = scene.bucket()
    with scene.storage() as client:
        client.download(bucket, "nothing.txt")
    return None


@storage("400 InvalidKey: no other Unicode, no # % ~ [ ] { }", "STORAGE-KEY", "Rename the file")
def _key(scene: Scene) -> Told | None:
    scene.put(scene.bucket(), "ü#%~[1]{2}.txt")
    return None


@storage("403 AccessDenied", "STORAGE-DENIED", "secret key")
def _denied(scene: Scene) -> Told | None:
    scene.put(scene.bucket(), "a.txt", with_key=scene.project.publishable_key)
    return None


@storage("a key of another project", "STORAGE-DENIED", "a key of another project is refused")
def _other_key(scene: Scene) -> Told | None:
    scene.put(scene.bucket(), "a.txt", with_key="sb_secret_of_another_project")
    return None


@storage("409: a bucket that is not empty", "STORAGE-BUCKET-NOT-EMPTY", "Remove its objects first")
def _not_empty(scene: Scene) -> Told | None:
    bucket = scene.bucket()
    scene.put(bucket, "a.txt")
    with scene.storage() as client:
        client.delete_bucket(bucket)
    return None


@storage("bucket names of at most 100 characters", "STORAGE-BUCKET-NAME", "at most 100 characters")
def _bucket_name(scene: Scene) -> Told | None:
    with scene.storage() as client:
        client.create_bucket(Bucket("b" * 101, False))
    return None


@storage("bucket names of the same letters, without /", "CONFIG-INVALID", "run the command again")
def _bucket_letters(scene: Scene) -> Told | None:
    (scene.folder / "app.db").touch()
    path = scene.folder / "config.yaml"
    path.write_text(
        "profiles:\n  p:\n    source: {sqlite: app.db}\n    target: {database: 'postgresql://me@localhost/shop'}\n"
        "    files: [{column: documents.path, bucket: a/b}]\n"
    )
    load(path)
    return None


@storage("../e leaves the bucket", "FILES-REFUSED", "no such file is ever read")
def _climbing(scene: Scene) -> Told | None:
    root = scene.folder / "uploads"
    root.mkdir(exist_ok=True)
    why = UploadFolder(root).find("../e")
    assert isinstance(why, Why)
    return Told("FILES-REFUSED", f"'../e': {why}.", CATALOGUE["FILES-REFUSED"].meaning)


@storage("a?.png, x:y.png and a%20b become other keys", "-", "Nothing is to be done")
def _raw_keys(scene: Scene) -> Told | None:
    bucket = scene.bucket()
    keys = ["a b.txt", "a?.png", "x:y.png", "a=2520b"]
    for key in keys:
        scene.put(bucket, key)
    with scene.storage() as client:
        assert sorted(one.key for one in client.objects(bucket)) == sorted(keys)
    return goes_on(f"Keys are percent-encoded in every request: {', '.join(keys)} are there as they are written.")


@storage("TUS: 409 duplicate in plain text", "STORAGE-DUPLICATE", "Remove it, or use another bucket")
def _duplicate_upload(scene: Scene) -> Told | None:
    bucket = scene.bucket()
    scene.put(bucket, "film.mp4")
    with _begun(scene, bucket):
        return None


@storage("TUS: 409 wrong offset", "-", "Nothing is to be done")
def _offset(scene: Scene) -> Told | None:
    bucket, body = scene.bucket(), bytes(_LARGE)
    told: list[int] = []

    def overtaken(there: int) -> None:
        if not told:  # between the question how far it got and the first chunk, that chunk arrives from elsewhere
            headers = scene_headers | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
            httpx.patch(address, content=body[: resumable.CHUNK], headers=headers).raise_for_status()
        told.append(there)

    with _begun(scene, bucket) as (client, address):
        secret = scene.project.secret_key.reveal()
        scene_headers = {"Tus-Resumable": "1.0.0", "apikey": secret, "Authorization": f"Bearer {secret}"}
        resumable.go_on(client, address, io.BytesIO(body), _LARGE, name="film.mp4", on_offset=overtaken)
        size, _ = client.download(bucket, "film.mp4")
    assert (size, told) == (_LARGE, [0, resumable.CHUNK, _LARGE])
    return goes_on(f"It asks how far the server got and goes on there: at {' → '.join(map(str, told))} bytes.")


@storage("TUS: the upload's URL is valid for 24 h", "STORAGE-UPLOAD-GONE", "begun anew")
def _expired(scene: Scene) -> Told | None:
    with _begun(scene, scene.bucket()) as (client, address):
        for note in (scene.project.folder / "uploads").glob("*.json"):
            note.write_text(json.dumps(json.loads(note.read_text()) | {"expires": 0.0}))
        resumable.offset(client, address, "film.mp4")
    return None


@storage("429 is tried again", "STORAGE-RATE", "tried again by itself")
def _rate(scene: Scene) -> Told | None:
    scene.project.faults.add(
        Fault(
            "/storage/v1/bucket", times=100, status=429, body={"statusCode": "429", "message": "Too many connections"}
        )
    )
    with scene.storage() as client:
        client.buckets()
    return None


@storage("5xx is tried again", "STORAGE-BUSY", "tried again by itself")
def _busy(scene: Scene) -> Told | None:
    scene.project.faults.add(Fault("/storage/v1/bucket", times=100, status=503, body={"message": "busy"}))
    with scene.storage() as client:
        client.buckets()
    return None


@storage("an overfull project is read-only", "STORAGE-READ-ONLY", "Make room")
def _read_only(scene: Scene) -> Told | None:
    said = "The database is currently in read-only mode. Please try again later."
    body: dict[str, object] = {"statusCode": "503", "code": "DatabaseReadOnly", "message": said}
    scene.project.faults.add(Fault(_OBJECTS, "POST", times=100, status=400, body=body))
    scene.put(scene.bucket(), "a.txt")
    return None


@storage("an error that is no JSON", "STORAGE-BUSY", "tried again by itself")
def _page(scene: Scene) -> Told | None:
    scene.project.faults.add(
        Fault("/storage/v1/bucket", times=100, status=502, body="<html><h1>502 Bad Gateway</h1></html>")
    )
    with scene.storage() as client:
        client.buckets()
    return None


@storage("a page in place of an answer: JSONDecodeError", "STORAGE-ANSWER", "without a path")
def _no_json(scene: Scene) -> Told | None:
    scene.project.faults.add(Fault("/storage/v1/bucket", status=200, body="<html>Sign in to the network</html>"))
    with scene.storage() as client:
        client.buckets()
    return None


@storage("no answer in time", "STORAGE-UNREACHABLE", "tried again by itself")
def _slow(scene: Scene) -> Told | None:
    scene.project.latency = 0.6
    with patch.object(storage_api, "ANSWER_SECONDS", 0.1), scene.storage() as client:
        client.buckets()
    return None


@storage("RemoteProtocolError", "STORAGE-UNREACHABLE", "tried again by itself")
def _hung_up(scene: Scene) -> Told | None:
    scene.project.faults.add(Fault("/storage/v1/bucket", times=100, drop_answer=True))
    with scene.storage() as client:
        client.buckets()
    return None


@storage("list gives 100 of one folder", "-", "Nothing is to be done")
def _listing(scene: Scene) -> Told | None:
    bucket = scene.bucket()
    for number in range(5):
        scene.put(bucket, f"folder/{number}/a.txt")
    with scene.storage() as client:
        keys = [one.key for one in client.objects(bucket, page=2)]
    assert len(keys) == 5
    return goes_on("list-v2 is asked page by page, folders and all: 5 of 5 objects by pages of 2.")
