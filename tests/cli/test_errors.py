"""Every way of being wrong: one clear message, the exit code that is promised, no traceback, nothing left."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from migrator_tui.demo.sample_app import SampleApp
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target

Cli = Callable[..., Any]
Left = Callable[[], set[str]]

CANARY = "c4nary-4nd-sp3cial"


def fails(cli: Cli, id: str, code: int, *arguments: object) -> str:
    """Run it for scripts and for people; the message, which is the same."""
    machine = cli(*arguments, "--json")
    assert (machine.error["id"], machine.code) == (id, code)
    assert machine.document["command"] == arguments[0]
    person = cli(*arguments)
    assert person.code == code
    told = [line for line in person.err.splitlines() if line.startswith(f"{id}: ")]
    assert len(told) == 1
    return str(machine.error["message"])


def broken_files(folder: Path, app: SampleApp) -> dict[str, Path]:
    (folder / "text.db").write_bytes(b"id;name\n" * 400)
    (folder / "cut.db").write_bytes(app.database.read_bytes()[:5000])
    (folder / "folder.db").mkdir()
    return {
        "SOURCE-NOT-SQLITE": folder / "text.db",
        "SOURCE-TRUNCATED": folder / "cut.db",
        "SOURCE-DIRECTORY": folder / "folder.db",
        "SOURCE-MISSING": folder / "nothing.db",
    }


@pytest.mark.parametrize("id", ["SOURCE-NOT-SQLITE", "SOURCE-TRUNCATED", "SOURCE-DIRECTORY", "SOURCE-MISSING"])
@pytest.mark.parametrize("command", [("migrate", "--yes", "--accept-lossy"), ("plan",), ("check",)])
def test_a_source_that_is_no_whole_database_is_named_and_the_target_untouched(
    cli: Cli, left: Left, target: Target, app: SampleApp, tmp_path: Path, id: str, command: tuple[str, ...]
) -> None:
    source = broken_files(tmp_path, app)[id]
    arguments = (*command, "--source", source, "--target", target.display)
    if command[0] == "check":
        answer = cli(*arguments, "--json")
        assert (answer.error["id"], answer.code) == (id, 1)
        message = answer.error["message"]
        assert f"FAIL  {id}: {message}" in cli(*arguments).out
    else:
        message = fails(cli, id, 1, *arguments)
    assert str(source) in message
    assert left() == set()


def test_a_database_that_another_program_keeps_locked_is_waited_for_and_then_named(
    cli: Cli, left: Left, target: Target, tmp_path: Path
) -> None:
    source = tmp_path / "busy.db"
    with closing(sqlite3.connect(source, isolation_level=None)) as other:
        other.execute("CREATE TABLE a (b)")
        other.execute("BEGIN EXCLUSIVE")
        answer = cli("migrate", "--yes", "--source", source, "--target", target.display, "--json")
        other.execute("ROLLBACK")
    assert (answer.error["id"], answer.code) == ("SOURCE-LOCKED", 1)
    assert left() == set()


def test_an_empty_file_is_a_database_without_tables_and_doubted(
    cli: Cli, left: Left, target: Target, tmp_path: Path
) -> None:
    source = tmp_path / "empty.db"
    source.touch()
    answer = cli("migrate", "--yes", "--source", source, "--target", target.display, "--json")
    assert answer.code == 0
    assert answer.document["tables"] == []
    assert any("It may be the wrong file." in note for note in answer.document["notes"])
    looked = cli("check", "--source", source, "--target", target.display)
    assert (looked.code, "is this the file that the application opens?" in looked.out) == (0, True)
    assert left() == set()


def test_a_wrong_password_is_told_once_and_never_repeated(
    cli: Cli, left: Left, app: SampleApp, role: Callable[..., Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = role("GRANT CREATE ON SCHEMA public")
    monkeypatch.setenv("MIGRATOR_TUI_TARGET_PASSWORD", CANARY)
    arguments = ("migrate", "--yes", "--source", app.database, "--target", target.display)
    message = fails(cli, "TARGET-PASSWORD", 1, *arguments)
    assert target.user in message
    assert CANARY not in message
    assert left() == set()


def test_no_password_where_one_is_wanted_is_told_the_same_way(
    cli: Cli, app: SampleApp, role: Callable[..., Target]
) -> None:
    fails(cli, "TARGET-PASSWORD", 1, "plan", "--source", app.database, "--target", role().display)


def test_a_host_that_nobody_listens_on_is_unreachable(cli: Cli, app: SampleApp) -> None:
    url = "postgresql://postgres@127.0.0.1:1/postgres"
    assert "127.0.0.1:1" in fails(cli, "TARGET-UNREACHABLE", 1, "migrate", "--source", app.database, "--target", url)


def test_a_host_that_does_not_exist_is_named(cli: Cli, app: SampleApp) -> None:
    url = "postgresql://postgres@no-such-host.invalid:5432/postgres"
    message = fails(cli, "TARGET-HOST", 1, "migrate", "--source", app.database, "--target", url)
    assert "no-such-host.invalid" in message


def test_a_database_that_does_not_exist_is_named(cli: Cli, app: SampleApp, target: Target) -> None:
    url = target.with_database("no_such_database").display
    message = fails(cli, "TARGET-DATABASE", 1, "migrate", "--source", app.database, "--target", url)
    assert "no_such_database" in message


def test_a_role_without_create_is_told_the_grants_and_leaves_nothing(
    cli: Cli, left: Left, app: SampleApp, role: Callable[..., Target], db: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    target = role()
    monkeypatch.setenv("PGPASSWORD", "p4ss")
    arguments = ["--source", app.database, "--target", target.display]
    answer = cli("migrate", "--decisions", app.decisions, *arguments, "--json")
    assert (answer.error["id"], answer.code) == ("TARGET-PRIVILEGE", 1)
    assert "GRANT CREATE ON DATABASE" in answer.error["hint"]
    assert left() == set()
    assert db.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'migrator'").fetchone() is None
    checked = cli("check", *arguments)
    assert checked.code == 1
    assert "GRANT CREATE ON" in checked.out


def test_a_read_only_target_interrupts_the_run_which_resumes_once_it_can_be_written(
    cli: Cli, left: Left, app: SampleApp, target: Target, db: psycopg.Connection[Any], ends: list[str]
) -> None:
    name = sql.Identifier(target.database)
    db.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
    answer = cli("migrate", "--decisions", app.decisions, *ends, "--json")
    assert (answer.error["id"], answer.code) == ("TARGET-READ-ONLY", 130)
    assert answer.document["status"] == "interrupted"
    assert left() == set()
    db.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
    assert cli("resume", answer.document["run"], "--json").code == 0


@pytest.mark.parametrize(
    ("id", "arguments"),
    [
        ("SOURCE-NOT-GIVEN", ("migrate", "--target", "embedded")),
        ("TARGET-NOT-GIVEN", ("migrate", "--source", "app.db")),
        ("TARGET-URL", ("migrate", "--source", "app.db", "--target", "nonsense")),
        ("TARGET-URL", ("migrate", "--source", "app.db", "--target", "mysql://root@localhost/app")),
        ("TARGET-URL", ("migrate", "--source", "app.db", "--target", "postgresql://u:p#4/2@db.example.com/app")),
        ("TARGET-URL", ("migrate", "--source", "app.db", "--target", "postgresql://u@db.example.com:port/app")),
        ("RUN-UNKNOWN", ("resume", "20261122-221500-k3f9")),
        ("RUN-UNKNOWN", ("rollback", "nope")),
        ("RUN-UNKNOWN", ("verify", "nope")),
        ("RUN-UNKNOWN", ("report", "nope")),
        ("RUN-UNKNOWN", ("clean", "")),
        ("RUN-UNKNOWN", ("audit", "verify", "--run", "../..")),
        ("CONFIG-MISSING", ("check", "--config", "nothing.yaml")),
        ("CONFIG-MISSING", ("check", "--profile", "production")),
        ("USAGE", ("migrate", "--no-such-option")),
        ("USAGE", ("migrate", "--workers", "many")),
        ("USAGE", ("migrate", "--on-conflict", "shrug")),
        ("USAGE", ("report", "x", "--format", "pdf")),
        ("USAGE", ("verify",)),
        ("USAGE", ("no-such-command",)),
    ],
)
def test_wrong_usage_is_exit_code_2(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id: str, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    machine = cli(*arguments, "--json")
    assert (machine.error["id"], machine.code) == (id, 2)
    person = cli(*arguments)
    assert (person.code, person.out) == (2, "")
    assert machine.error["message"] in person.err


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (b"profiles: [", {"PLAN-FILE", "DECISIONS-YAML", "CONFIG-YAML"}),
        (b"\xff\xfe\x00", {"PLAN-FILE", "DECISIONS-UNREADABLE", "CONFIG-UNREADABLE"}),
        (b"unheard_of: 1\n", {"PLAN-FILE", "DECISIONS-INVALID", "CONFIG-INVALID"}),
        (b"- 1\n- 2\n", {"PLAN-FILE", "DECISIONS-INVALID", "CONFIG-INVALID"}),
        (None, {"PLAN-FILE", "DECISIONS-MISSING", "CONFIG-MISSING"}),
    ],
)
@pytest.mark.parametrize("option", ["--plan", "--decisions", "--config"])
def test_a_file_of_the_user_that_cannot_be_used_is_named(
    cli: Cli, ends: list[str], tmp_path: Path, option: str, content: bytes | None, ids: set[str]
) -> None:
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_bytes(content)
    answer = cli("plan", *ends, option, path, "--json")
    assert answer.code == 2
    assert answer.error["id"] in ids
    assert answer.error["id"].startswith(option.removeprefix("--").upper())
    assert str(path) in answer.error["message"]


def test_a_decision_that_no_finding_offers_names_what_there_is(cli: Cli, ends: list[str], tmp_path: Path) -> None:
    path = tmp_path / "decisions.yaml"
    path.write_text("findings:\n  - {id: VALUE-NUL, choice: replaec}\n")
    answer = cli("plan", *ends, "--decisions", path, "--json")
    assert answer.code == 2
    assert "line 2" in answer.error["message"]
    assert "replace" in answer.error["message"]


def test_a_home_that_cannot_be_written_is_told_before_anything_is_done(
    cli: Cli, left: Left, ends: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MIGRATOR_TUI_HOME", str(tmp_path / "file" / "home"))
    for command in ("migrate", "plan"):
        message = fails(cli, "HOME-UNWRITABLE", 2, command, *ends)
        assert str(tmp_path / "file") in message
    assert left() == set()


def test_a_place_for_the_plan_that_does_not_exist_is_named(cli: Cli, ends: list[str], tmp_path: Path) -> None:
    message = fails(cli, "FILE", 2, "plan", *ends, "--out", tmp_path / "no" / "plan.yaml")
    assert str(tmp_path / "no" / "plan.yaml") in message


def test_a_system_without_a_keyring_names_the_other_ways(process: Cli) -> None:
    null = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    url = "postgresql://ann@db.example.com:5432/app"
    answer = process("credentials", "set", "--target", url, "--json", env=null, stdin=f"{CANARY}\n")
    assert (answer.error["id"], answer.code) == ("CREDENTIAL-NO-KEYRING", 1)
    assert "MIGRATOR_TUI_TARGET_PASSWORD" in answer.error["hint"]
    assert answer.document["command"] == "credentials set"
    assert CANARY not in answer.out + answer.err


@pytest.mark.parametrize("way", ["url", "environment"])
def test_a_password_appears_nowhere(
    process: Cli, app: SampleApp, role: Callable[..., Target], home: Path, db: psycopg.Connection[Any], way: str
) -> None:
    target = role("GRANT CREATE ON SCHEMA public", f"GRANT CREATE ON DATABASE {db.info.dbname}")
    db.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(target.user), sql.Literal(CANARY)))
    url = replace(target, password=Secret(CANARY)).display
    assert CANARY not in url
    env = {"MIGRATOR_TUI_TARGET_PASSWORD": CANARY} if way == "environment" else {}
    if way == "url":
        url += f"&password={CANARY}"
    said = []
    ran = process("migrate", "--decisions", app.decisions, "--source", app.database, "--target", url, "--json", env=env)
    said.append(ran)
    assert ran.code == 0, ran.err
    run = ran.document["run"]
    said += [
        process(*words, env=env | {"PGPASSWORD": CANARY})
        for words in (("runs",), ("report", run), ("audit",), ("verify", run, "--json"), ("rollback", run))
    ]
    wrong = process("check", "--source", app.database, "--target", url.replace(target.user, "nobody"), env=env)
    assert wrong.code == 1
    for answer in (*said, wrong):
        assert CANARY not in answer.out + answer.err
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any(path.name == "report.html" for path in files)
    assert [path.name for path in files if CANARY.encode() in path.read_bytes()] == []
    dumped = db.execute("SELECT string_agg(to_jsonb(r)::text, '') FROM migrator.run r").fetchone()
    assert dumped is not None
    assert CANARY not in str(dumped[0])
