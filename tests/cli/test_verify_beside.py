"""``verify RUN`` looks at users and buckets as well as at tables, and tells which objects and rows do not fit."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrator_tui.demo import passwords
from migrator_tui.demo.project.project import Project
from migrator_tui.postgres.connect import connect
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.storage_api import Storage
from tests.migration.running import build, value

Cli = Callable[..., Any]

SCHEMA = """
    CREATE TABLE members (nr INTEGER PRIMARY KEY, mail TEXT, pw TEXT, photo BLOB);
    CREATE TABLE documents (id INTEGER PRIMARY KEY, author INTEGER REFERENCES members, path TEXT);
"""
CONFIG = """
profiles:
  default:
    source: {{sqlite: app.db, uploads: uploads}}
    target: {{database: '{database}', api: '{api}'}}
    users: {{table: members, id: nr, email: mail, password_hash: pw, via: sql}}
    files: [{{column: documents.path, bucket: docs}}, {{column: members.photo, bucket: photos}}]
"""


def test_users_and_buckets_are_verified_both_ways(
    cli: Cli, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.target.password is not None
    monkeypatch.setenv("PGPASSWORD", project.target.password.reveal())
    monkeypatch.setenv("SUPABASE_SECRET_KEY", project.secret_key.reveal())
    (tmp_path / "uploads").mkdir()
    rows = SCHEMA
    for n in range(1, 5):
        (tmp_path / "uploads" / f"{n}.txt").write_bytes(b"text %d" % n)
        rows += f"INSERT INTO members VALUES ({n}, 'p{n}@x.de', '{passwords.HASHES[n]}', x'{'ff' * (n + 1000)}');"
        rows += f"INSERT INTO documents VALUES ({n}, {n}, 'uploads/{n}.txt');"
    build(tmp_path / "app.db", rows + "INSERT INTO documents VALUES (9, 1, 'uploads/gone.txt');")
    (tmp_path / "config.yaml").write_text(CONFIG.format(database=project.target.display, api=project.api_url))
    moved = cli("migrate", "--config", tmp_path / "config.yaml", "--yes", "--json")
    assert moved.code == 0, moved.document
    (files,) = (item for item in moved.document["beside"] if item["name"] == "files")
    assert files["details"]["reconciled"]["docs"] == {
        "missing": 1,
        "missing_values": ["gone.txt"],
        "unreferenced": 0,
        "unreferenced_keys": [],
    }
    # Objects belong to the users whose rows name them, so that policies by owner hold.
    with connect(project.superuser) as connection:
        owned = "SELECT count(*) FROM storage.objects o JOIN auth.users u ON u.id::text = o.owner_id"
        assert value(connection, owned) == 8

    run = moved.document["run"]
    same = cli("verify", run, "--download", "--json")
    assert same.code == 0, same.document
    docs, photos = same.document["buckets"]
    assert (docs["bucket"], docs["same"], docs["verified"], photos["same"]) == ("docs", 4, True, 4)
    assert docs["missing"] == {"values": 1, "first": ["gone.txt"]}
    assert same.document["users"] == {
        "verified": True, "made": 4, "matched": 0, "left": 0, "gone": [], "differing": [],
    }  # fmt: skip

    with Storage(Api(project.api_url, project.secret_key)) as storage:
        storage.remove("docs", ["1.txt", "2.txt"])
        for key in ("2.txt", "stranger.txt"):
            storage.upload("docs", key, io.BytesIO(b"text X"), 6, mime="text/plain", metadata={}, name=key)
    with connect(project.superuser) as connection:
        found = "SELECT version FROM storage.objects WHERE name = 'members/photo/3'"
        version = value(connection, found)
        connection.execute(
            "DELETE FROM public.documents WHERE author IN (SELECT nr FROM members WHERE mail = 'p4@x.de')"
        )
        connection.execute("DELETE FROM auth.users WHERE email = 'p4@x.de'")
        connection.execute("UPDATE auth.users SET email = 'new@x.de' WHERE email = 'p3@x.de'")
        connection.commit()
    photo = next(project.folder.rglob(str(version)))
    photo.write_bytes(bytes(photo.stat().st_size))

    other = cli("verify", run, "--download", "--json")
    assert other.code == 4
    docs, photos = other.document["buckets"]
    assert docs["differing"] == [
        {"key": "1.txt", "why": "it is not in the bucket"},
        {"key": "2.txt", "why": "its recorded SHA-256 is another"},
    ]
    assert (docs["same"], docs["others"]) == (2, 1)
    assert docs["missing"]["first"] == ["1.txt", "gone.txt"]
    assert docs["unreferenced"] == {"objects": 2, "first": ["4.txt", "stranger.txt"]}
    assert photos["differing"] == [{"key": "members/photo/3", "why": "its content is another"}]
    users = other.document["users"]
    assert (users["verified"], users["gone"]) == (False, ["4"])
    assert users["differing"][0] == "1 users: user 3 has another address than the source"
    said = cli("verify", run).out
    assert "bucket docs: 4 objects, 2 differ or are gone" in said
    assert "users: 1 are not there any more, such as user 4" in said
