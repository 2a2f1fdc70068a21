"""What goes wrong on purpose, and what is still there after a restart."""

from __future__ import annotations

import os
import time
from pathlib import Path

import httpx
import pytest
from storage3.exceptions import StorageApiError

from migrator_tui.demo.project.faults import Fault
from migrator_tui.demo.project.project import Project
from migrator_tui.demo.project.tus_api import PIECE
from migrator_tui.postgres.connect import Target, connect
from tests.demo.project_clients import Reached, admin
from tests.demo.test_project_tus import TUS, create, send


@pytest.fixture
def reached(project: Project) -> Reached:
    """The project's HTTP APIs."""
    return Reached(project.api_url, project.secret_key.reveal(), project.publishable_key, real=False)


def test_the_next_requests_to_a_path_fail_and_the_one_after_does_not(project: Project, reached: Reached) -> None:
    project.faults.add(Fault("/storage/v1/bucket", times=2, status=503, body={"message": "busy"}))
    answers = [reached.storage.get("/bucket").status_code for _ in range(3)]
    assert answers == [503, 503, 200]
    assert len(project.faults.seen("/storage/v1/bucket", "GET")) == 3


def test_an_answer_that_is_no_json_reaches_the_library(project: Project) -> None:
    project.faults.add(Fault("/storage/v1/bucket", status=502, body="<html>Bad Gateway</html>"))
    with pytest.raises(StorageApiError, match="Bad Gateway"):
        admin(project).storage.list_buckets()


def test_too_many_requests_say_when_to_come_again(project: Project, reached: Reached) -> None:
    project.faults.add(Fault("/auth/v1/admin", status=429, body={"msg": "slow"}, headers={"Retry-After": "3"}))
    answer = reached.auth.get("/admin/users")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")


def test_a_dropped_upload_leaves_no_object(project: Project, reached: Reached) -> None:
    bucket = reached.bucket()
    project.faults.add(Fault(f"/storage/v1/object/{bucket}", drop_after=100_000))
    with pytest.raises(httpx.TransportError):
        reached.storage.post(f"/object/{bucket}/a.bin", content=os.urandom(2_000_000))
    assert reached.storage.post(f"/object/list/{bucket}", json={"prefix": ""}).json() == []
    assert reached.storage.post(f"/object/{bucket}/a.bin", content=b"x").status_code == 200


def test_a_dropped_answer_leaves_what_was_done(project: Project, reached: Reached) -> None:
    bucket = reached.bucket()
    project.faults.add(Fault(f"/storage/v1/object/{bucket}", drop_answer=True))
    with pytest.raises(httpx.TransportError):
        reached.storage.post(f"/object/{bucket}/a.bin", content=b"x")
    assert reached.storage.get(f"/object/{bucket}/a.bin").content == b"x"


def test_a_dropped_piece_goes_on_where_the_server_says_even_after_a_restart(project: Project, reached: Reached) -> None:
    bucket, body = reached.bucket(), os.urandom(2 * PIECE)
    place = create(reached, bucket, "a.bin", len(body)).headers["location"]
    send(reached, place, 0, body[:PIECE])
    project.faults.add(Fault("/storage/v1/upload", method="PATCH", drop_after=PIECE // 2))
    with pytest.raises(httpx.TransportError):
        send(reached, place, PIECE, body[PIECE:])

    project.stop()
    project.start()
    at = int(reached.storage.head(place, headers=TUS).headers["upload-offset"])
    assert at == PIECE + PIECE // 2
    assert send(reached, place, at, body[at:]).status_code == 204
    assert reached.storage.get(f"/object/{bucket}/a.bin").content == body


def test_an_upload_that_is_too_old_is_gone(target: Target, tmp_path: Path) -> None:
    with Project(target, tmp_path / "project", upload_lifetime=0) as project:
        reached = Reached(project.api_url, project.secret_key.reveal(), project.publishable_key, real=False)
        place = create(reached, reached.bucket(), "a.txt", 5).headers["location"]
        assert send(reached, place, 0, b"12345").status_code == 410


def test_each_request_waits_for_the_latency(project: Project, reached: Reached) -> None:
    reached.storage.get("/bucket")
    project.latency = 0.2
    began = time.monotonic()
    reached.storage.get("/bucket")
    assert time.monotonic() - began >= 0.2


def test_another_project_in_the_same_place_is_the_same_one(project: Project, tmp_path: Path, reached: Reached) -> None:
    bucket = reached.bucket()
    reached.storage.post(f"/object/{bucket}/a.txt", content=b"hello")
    project.stop()
    with Project(project.superuser, project.folder, ref=project.ref, keys=project.keys) as again:
        files = admin(again).storage.from_(bucket)
        assert files.download("a.txt") == b"hello"


def test_a_users_upload_is_owned_and_guarded_by_policies(project: Project, reached: Reached) -> None:
    bucket = reached.bucket()
    with connect(project.target) as connection:
        connection.execute(
            "CREATE POLICY own ON storage.objects TO authenticated"
            " USING (owner_id = (SELECT auth.uid()::text)) WITH CHECK (owner_id = (SELECT auth.uid()::text))"
        )
    tokens = []
    for name in ("a", "b"):
        new = {"email": f"{name}@example.org", "password": "secret-7", "email_confirm": True}
        user = reached.auth.post("/admin/users", json=new).json()
        grant = reached.anyone.post("/auth/v1/token?grant_type=password", json=new).json()
        tokens.append((user["id"], {"Authorization": f"Bearer {grant['access_token']}"}))
    (first, as_first), (_, as_second) = tokens
    place = f"/storage/v1/object/{bucket}/a.txt"
    assert reached.anyone.post(place, content=b"mine", headers=as_first).status_code == 200
    assert reached.anyone.get(place, headers=as_first).content == b"mine"
    assert reached.anyone.get(place, headers=as_second).json()["statusCode"] == "404"
    with connect(project.target) as connection:
        assert connection.execute("SELECT owner_id FROM storage.objects").fetchall() == [(first,)]


def test_an_admins_upload_has_no_owner(project: Project, reached: Reached) -> None:
    reached.storage.post(f"/object/{reached.bucket()}/a.txt", content=b"x")
    with connect(project.target) as connection:
        row = connection.execute("SELECT owner, owner_id, name, path_tokens FROM storage.objects").fetchone()
    assert row == (None, None, "a.txt", ["a.txt"])


def test_secrets_are_not_in_its_repr(project: Project) -> None:
    assert project.keys.secret not in repr(project.keys)
    assert project.keys.jwt_secret not in repr(vars(project))


def test_an_upload_that_was_killed_before_its_object_was_made_asks_for_the_last_piece_again(
    project: Project, reached: Reached
) -> None:
    bucket, body = reached.bucket(), os.urandom(PIECE + 5)
    place = create(reached, bucket, "a.bin", len(body)).headers["location"]
    send(reached, place, 0, body[:PIECE])
    (part,) = (project.folder / "uploads").glob("*.part")
    with part.open("ab") as end:
        end.write(body[PIECE:])

    at = int(reached.storage.head(place, headers=TUS).headers["upload-offset"])
    assert at == PIECE
    assert send(reached, place, at, body[at:]).status_code == 204
    assert reached.storage.get(f"/object/{bucket}/a.bin").content == body
    assert not list((project.folder / "uploads").iterdir())
