"""Ids of users that paths begin with become UUIDs, so that a policy may compare an object's folder with auth.uid()."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from migrator_tui.convert.user_folders import OfUser, UserFolders, of_codec
from migrator_tui.demo import passwords
from migrator_tui.demo.project.project import Project
from migrator_tui.migration.files.pulling_files import pull_files
from migrator_tui.migration.pulling.pull import pull
from migrator_tui.migration.run_files import read_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.plan import Scope
from migrator_tui.model.project import FilesScope, ProjectScope, UsersScope
from migrator_tui.model.pull import PullRequest
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.api import Api
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine, decided, rows, succeeded, value

SCRIPT = """
CREATE TABLE members (nr INTEGER PRIMARY KEY, mail TEXT, pw TEXT, avatar TEXT);
CREATE TABLE documents (id INTEGER PRIMARY KEY, author INTEGER REFERENCES members, path TEXT);
CREATE TABLE scans (id INTEGER PRIMARY KEY, file TEXT);
"""
PEOPLE = range(1, 4)
POLICY = (
    "CREATE POLICY own ON storage.objects FOR SELECT TO authenticated "
    "USING ((storage.foldername(name))[1] = (SELECT auth.uid()::text))"
)


@pytest.fixture
def source(make_source: MakeSource, tmp_path: Path) -> Path:
    statements = SCRIPT
    paths = []
    for n in PEOPLE:
        paths += [f"avatars/{n}/me Ü.png", f"{n}/one.txt", f"{n}/deep/two.txt"]
        statements += f"INSERT INTO members VALUES ({n}, 'p{n}@x.de', '{passwords.HASHES[n]}', 'uploads/{paths[-3]}');"
        statements += "".join(f"INSERT INTO documents (author, path) VALUES ({n}, '/uploads/{p}');" for p in paths[-2:])
    # A folder of nobody, a file without a folder, and what names no file at all.
    paths += ["77/of nobody.txt", "plain.txt", "2/scan.txt"]
    for text in ("/uploads/77/of nobody.txt", "/uploads/plain.txt", "/uploads/1/gone.txt", "https://x.de/1/a"):
        statements += f"INSERT INTO documents (author, path) VALUES (1, '{text}');"
    statements += "INSERT INTO scans (file) VALUES ('uploads/2/scan.txt');"
    for path in paths:
        (tmp_path / "uploads" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "uploads" / path).write_bytes(path.encode())
    return make_source(statements)


def scope(project: Project, folder: Path, value: str = "key") -> Scope:
    how = {"public": True, "value": "url"} if value == "url" else {}
    files = (
        FilesScope("members", "avatar", "avatars"),
        FilesScope("documents", "path", "docs", **how),  # type: ignore[arg-type]
        FilesScope("scans", "file", "scans"),
    )
    users = UsersScope("members", id="nr", email="mail", password_hash="pw", via="sql")
    return Scope(project=ProjectScope(project.api_url, folder / "uploads", users=users, files=files))


def table(file: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute("SELECT nr, avatar FROM members ORDER BY nr").fetchall()
        found += connection.execute("SELECT id, author, path FROM documents ORDER BY id").fetchall()
        return found + connection.execute("SELECT file FROM scans").fetchall()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("how", ["key", "url"])
def test_a_policy_by_folder_holds_for_moved_files_and_everything_comes_back(
    source: Path, project: Project, tmp_path: Path, how: str
) -> None:
    api = Api(project.api_url, project.secret_key)
    outcome = succeeded(Engine(api).migrate(source, project.target, scope=scope(project, tmp_path, how)))
    asked = {f.table: (f.choices, f.decision) for f in outcome.findings if f.id == "FILES-USER-ID"}
    assert asked == {
        "members": (("uuid", "keep"), "uuid"),
        "documents": (("uuid", "keep"), "uuid"),
        "scans": (("keep", "uuid"), "keep"),  # no row says whose it is
    }
    with connect(project.superuser) as connection:
        ids = {mail[1]: str(id) for mail, id in rows(connection, "SELECT mail, nr FROM members ORDER BY nr")}
        stored = {name for (name,) in rows(connection, "SELECT bucket_id || '/' || name FROM storage.objects")}
        expected = {f"avatars/{id}/me =C3=9C.png" for id in ids.values()}
        expected |= {f"docs/{id}/{name}" for id in ids.values() for name in ("one.txt", "deep/two.txt")}
        assert stored == expected | {"docs/77/of nobody.txt", "docs/plain.txt", "scans/2/scan.txt"}
        first = value(connection, "SELECT path FROM documents WHERE id = 1")
        base = f"{project.api_url}/storage/v1/object/public/docs/" if how == "url" else ""
        assert first == f"{base}{ids['1']}/one.txt"
        claims = json.dumps({"sub": ids["2"], "role": "authenticated"})
        with connection.transaction(force_rollback=True):
            connection.execute(POLICY.encode())
            connection.execute("SELECT set_config('request.jwt.claims', %s, true)", (claims,))
            connection.execute("SET LOCAL row_security = on")
            connection.execute("SET LOCAL ROLE authenticated")
            seen = {name for (name,) in rows(connection, "SELECT name FROM storage.objects")}
        assert seen == {f"{ids['2']}/{name}" for name in ("me =C3=9C.png", "one.txt", "deep/two.txt")}
        later = f"{base}00000000-0000-4000-8000-000000000001/new.txt"
        connection.execute("INSERT INTO documents (id, path) VALUES (99, %s)", (later,))
    pull(PullRequest(tmp_path / "back.db"), project.target)
    found = pull_files(tmp_path / "back.db", tmp_path / "back", project.target, api, stop=threading.Event())
    theirs = (99, None, "/uploads/00000000-0000-4000-8000-000000000001/new.txt")
    assert [row for row in table(tmp_path / "back.db") if row != theirs] == table(source)
    assert theirs in table(tmp_path / "back.db")
    assert contents(tmp_path / "back") == contents(tmp_path / "uploads")
    assert found.missing + len(found.refused) == 3


def test_ids_in_paths_stay_where_that_is_chosen(source: Path, project: Project, tmp_path: Path) -> None:
    engine = Engine(Api(project.api_url, project.secret_key))
    keep = decided(FindingDecision("FILES-USER-ID", "keep", "documents"))
    outcome = succeeded(engine.migrate(source, project.target, scope=scope(project, tmp_path), decisions=keep))
    plan = read_plan(RunFolder.open(outcome.run)).project
    assert plan is not None
    assert [(p.table, p.user_ids, p.prefix) for p in plan.files] == [
        ("members", True, "uploads/avatars/"),
        ("documents", False, "/uploads/"),
        ("scans", False, "uploads/"),
    ]
    with connect(project.superuser) as connection:
        assert value(connection, "SELECT path FROM documents WHERE id = 1") == "1/one.txt"


NAMESPACE = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
ONE = "11111111-1111-5111-8111-111111111111"


@pytest.mark.parametrize(
    ("value", "there"),
    [
        ("up/1/a b.png", f"{ONE}/a b.png"),
        ("up/1", "1"),
        ("up/01/a", "01/a"),
        ("up/2/a", "2/a"),
        ("1/a", "=:1/a"),
        ("elsewhere/#", "elsewhere/#"),
        ("", ""),
    ],
)
def test_a_path_is_rewritten_and_comes_back(value: str, there: str) -> None:
    folders = UserFolders({"1": ONE, "a/b": ONE})
    assert folders.rewritten(value, "up/") == there
    assert folders.original(there, "up/") == value


def test_a_codec_tells_whose_ids_they_are() -> None:
    for named in (OfUser(NAMESPACE, "up|/"), OfUser(NAMESPACE, "", "https://x/storage/")):
        assert of_codec(named.codec) == named
    for other in ("text", "object-key-of-user:x||up/", f"object-key-of-user:{NAMESPACE}|http://x/|", "object-key:up/"):
        assert of_codec(other) is None
