"""Users on the command line: looked at beforehand, moved with the tables, and a killed process gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrator_tui.demo import passwords
from migrator_tui.demo.project.project import Project
from migrator_tui.postgres.connect import connect
from tests.cli.conftest import command_line
from tests.migration.running import build
from tests.supabase.auth_rows import PROFILES, rows_of, sign_in

Cli = Callable[..., Any]

PEOPLE = 60
SCHEMA = """
    CREATE TABLE members (nr INTEGER PRIMARY KEY, mail TEXT, pw TEXT, role TEXT);
    CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER REFERENCES members);
    INSERT INTO posts VALUES (1, 1), (2, 2), (3, 2);
"""
CONFIG = """
profiles:
  default:
    source: {{sqlite: app.db}}
    target: {{database: '{database}', api: '{api}'}}
    users: {{table: members, id: nr, email: mail, password_hash: pw, role: role, via: {via}}}
"""


@pytest.fixture
def ends(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[object]]:
    """Makes a source and a configuration that names it and the project, whose secrets are in the environment."""
    assert project.target.password is not None
    monkeypatch.setenv("PGPASSWORD", project.target.password.reveal())
    monkeypatch.setenv("SUPABASE_SECRET_KEY", project.secret_key.reveal())

    def make(more: str = "", via: str = "api") -> list[object]:
        rows = "".join(
            f"INSERT INTO members VALUES ({n}, 'p{n}@x.de', '{passwords.HASHES[n % 20]}', 'member');"
            for n in range(1, PEOPLE + 1)
        )
        build(tmp_path / "app.db", SCHEMA + rows + more)
        text = CONFIG.format(via=via, database=project.target.display, api=project.api_url)
        (tmp_path / "config.yaml").write_text(text)
        return ["--config", tmp_path / "config.yaml"]

    return make


def test_users_check_says_what_becomes_of_every_user_and_changes_nothing(
    cli: Cli, ends: Callable[..., list[object]], project: Project
) -> None:
    given = ends(
        "INSERT INTO members VALUES (100, 'P1@x.de', NULL, NULL);"
        "INSERT INTO members VALUES (101, 'q@x.de', 'pbkdf2:sha256:1$a$b', NULL);"
    )
    with connect(project.target) as owner:
        owner.execute(PROFILES.encode())
    answer = cli("users", "check", "--each", "--json", *given)
    document = answer.document
    assert (answer.code, document["status"]) == (3, "needs_decisions")
    assert document["mapping"]["email"] == "mail"
    assert (document["rows"], document["to_make"], document["matched"], document["to_reset"]) == (62, 61, 0, 1)
    assert [(one["kind"], one["taken_over"], one["users"]) for one in document["hashes"]] == [
        ("bcrypt", True, 60),
        ("werkzeug-pbkdf2", False, 1),
    ]
    assert [(one["source_id"], one["kind"]) for one in document["left"]] == [("100", "same-address")]
    assert [one["name"] for one in document["triggers"]] == ["on_auth_user_created"]
    assert len(document["users"]) == 61
    with connect(project.target) as owner:
        assert rows_of(owner, "SELECT count(*) FROM auth.users") == [(0,)]
        assert rows_of(owner, "SELECT to_regnamespace('migrator')") == [(None,)]
    words = cli("users", "check", *given).out
    assert "60 bcrypt: taken over" in words
    assert "Werkzeug" in words
    assert "on_auth_user_created" in words


def test_users_check_wants_to_know_which_table_holds_them(cli: Cli, tmp_path: Path) -> None:
    build(tmp_path / "app.db", SCHEMA)
    answer = cli("users", "check", "--source", tmp_path / "app.db", "--json")
    assert (answer.code, answer.error["id"]) == (2, "USERS-NOT-NAMED")
    assert "users: {table:" in answer.error["hint"]


def test_a_process_killed_amid_the_users_goes_on_and_nobody_is_there_twice(
    cli: Cli, ends: Callable[..., list[object]], project: Project
) -> None:
    project.latency = 0.05
    words = command_line("migrate", "--yes", "--accept-lossy", "--json", *ends())
    with subprocess.Popen(words, env=os.environ, stdout=-1, stderr=-1, text=True) as running:
        while len(project.faults.seen("/auth/v1/admin/users", "POST")) < 10:
            assert running.poll() is None, running.communicate()
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.wait()
    project.latency = 0.0
    with connect(project.target) as owner:
        (there,) = owner.execute("SELECT count(*)::int FROM auth.users").fetchone() or (0,)
        assert 0 < there < PEOPLE
        run = cli("runs", "--json").document["runs"][0]["run"]
        answer = cli("resume", run, "--json")
        assert (answer.code, answer.document["status"]) == (0, "succeeded")
        (users,) = [item for item in answer.document["beside"] if item["name"] == "users"]
        assert (users["moved"], users["left"]) == (PEOPLE, 0)
        assert rows_of(owner, "SELECT count(*), count(DISTINCT email) FROM auth.users") == [(PEOPLE, PEOPLE)]
        assert rows_of(owner, "SELECT count(*) FROM public.posts p JOIN auth.users u ON u.id = p.author") == [(3,)]
        listed = cli("users", "list", run, "--json").document["users"]
        assert [one["source_id"] for one in listed] == [str(n) for n in range(1, PEOPLE + 1)]
        assert {(one["state"], one["to_reset"]) for one in listed} == {("made", False)}
        assert rows_of(owner, "SELECT id::text FROM auth.users WHERE email = 'p7@x.de'") == [(listed[6]["user_id"],)]
        assert cli("users", "list", run, "--reset").out == "nobody\n"
        assert sign_in(project, "p7@x.de", passwords.password(7)) == 200
        rollback = cli("rollback", run, "--json")
        assert rollback.code == 0
        assert rows_of(owner, "SELECT email FROM auth.users") == [("p7@x.de",)]
        assert any("p7@x.de" in line for line in rollback.document["kept_edits"])


def test_a_rehearsal_makes_the_users_on_the_embedded_server(cli: Cli, ends: Callable[..., list[object]]) -> None:
    answer = cli("rehearse", "--yes", "--accept-lossy", "--json", *ends())
    assert (answer.code, answer.document["status"]) == (0, "succeeded")
    assert [item["moved"] for item in answer.document["beside"] if item["name"] == "users"] == [PEOPLE]
    assert cli("rollback", answer.document["run"]).code == 0
