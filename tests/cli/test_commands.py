"""Each command does what the interfaces say, with the documents and exit codes that scripts rely on."""

from __future__ import annotations

import io
import json
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import keyring
import psycopg
import pytest
import yaml
from keyring.backend import KeyringBackend

from migrator_tui import locations
from migrator_tui.cli.app import COMMANDS
from migrator_tui.cli.app import cli as group
from migrator_tui.demo.sample_app import SampleApp
from migrator_tui.postgres.connect import Target

Cli = Callable[..., Any]
Left = Callable[[], set[str]]

STAGES = ["snapshot", "analyze", "plan", "stage", "check", "resolve", "publish", "verify"]
RUN_KEYS = {"command", "run", "status", "tables", "findings", "stages", "conflicts", "seconds", "report"}
TABLE_KEYS = {
    "source",
    "target",
    "source_rows",
    "staged_rows",
    "quarantined_rows",
    "published_rows",
    "verified",
    "seconds",
}
FINDING_KEYS = {"id", "severity", "table", "column", "rows", "message", "choices", "decision"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """One headless demo as a process: its folder, its home, its document."""
    folder = tmp_path_factory.mktemp("d")
    home = folder / "home"
    done = subprocess.run(
        [sys.executable, "-m", "migrator_tui", "demo", "--headless", "--dir", str(folder / "sample"), "--json"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), locations.HOME_VARIABLE: str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "sample", home, json.loads(done.stdout)


@pytest.fixture
def migrated(cli: Cli, ends: list[str], app: SampleApp) -> dict[str, Any]:
    """The document of a run that succeeded."""
    answer = cli("migrate", "--decisions", app.decisions, *ends, "--json")
    assert answer.code == 0, answer.err
    document: dict[str, Any] = answer.document
    return document


def test_the_demo_ends_succeeded_with_every_row_accounted_for(demo: tuple[Path, Path, dict[str, Any]]) -> None:
    folder, home, document = demo
    assert document["status"] == "succeeded"
    assert document["command"] == "demo"
    assert [stage["name"] for stage in document["stages"]] == STAGES
    with closing(sqlite3.connect(folder / "app.db")) as source:
        for table in document["tables"]:
            (rows,) = source.execute(f'SELECT count(*) FROM "{table["source"]}"').fetchone()
            assert rows == table["source_rows"] == table["staged_rows"] + table["quarantined_rows"]
            assert table["published_rows"] == table["staged_rows"]
            assert table["verified"]
    assert sum(table["quarantined_rows"] for table in document["tables"]) == 1
    assert (folder / "uploads").is_dir()
    run = home / "runs" / document["run"]
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in run.iterdir()} == {0o600}
    assert not (folder / "postgres" / "postmaster.pid").exists()


def test_a_run_of_the_demo_can_be_verified_and_rolled_back_later(
    cli: Cli, demo: tuple[Path, Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, home, document = demo
    monkeypatch.setenv(locations.HOME_VARIABLE, str(home))
    assert cli("verify", document["run"]).code == 0
    assert cli("rollback", document["run"]).code == 0
    assert cli("runs", "--json").document["runs"][0]["status"] == "rolled_back"


def test_the_document_of_a_run_has_the_keys_that_are_promised(migrated: dict[str, Any]) -> None:
    assert migrated.keys() >= RUN_KEYS
    assert "error" not in migrated
    assert all(table.keys() >= TABLE_KEYS for table in migrated["tables"])
    assert all(finding.keys() >= FINDING_KEYS for finding in migrated["findings"])
    assert [stage["name"] for stage in migrated["stages"]] == STAGES
    assert migrated["conflicts"] == {"found": 0, "resolved": 0}
    assert re.fullmatch(r"\d{8}-\d{6}-[a-z0-9]{4}", migrated["run"])
    assert Path(migrated["report"]).name == "report.html"
    assert Path(migrated["report"]).is_file()


def test_a_run_says_the_same_to_a_person(cli: Cli, ends: list[str], app: SampleApp, tmp_path: Path) -> None:
    answer = cli("migrate", "--decisions", app.decisions, "--plain", *ends)
    assert answer.code == 0
    assert "succeeded" in answer.out
    assert "migrator-tui rollback 2" in answer.out
    assert "\x1b" not in answer.out + answer.err


def test_a_table_that_is_not_named_stays_behind(cli: Cli, ends: list[str], left: Left, app: SampleApp) -> None:
    answer = cli("migrate", "--tables", "settings,audit_*", "--yes", *ends, "--json")
    assert answer.code == 0
    assert {table["target"] for table in answer.document["tables"]} == {"public.settings", "public.audit_log"}
    assert {name for name in left() if not name.endswith("_seq")} == {"public.settings", "public.audit_log"}


def test_check_names_both_ends_and_changes_nothing(cli: Cli, ends: list[str], left: Left) -> None:
    answer = cli("check", *ends, "--json")
    assert answer.code == 0
    assert answer.document.keys() == {"command", "status", "checks"}
    assert {item["check"] for item in answer.document["checks"]} >= {"source", "disk", "target", "rights", "plan"}
    assert all(item["ok"] for item in answer.document["checks"])
    assert left() == set()
    assert cli("check", *ends).out.count("ok  ") == len(answer.document["checks"])


def test_a_plan_is_a_file_that_migrates_the_same(
    cli: Cli, ends: list[str], left: Left, app: SampleApp, tmp_path: Path
) -> None:
    path = tmp_path / "plan.yaml"
    made = cli("plan", *ends, "--decisions", app.decisions, "--out", path, "--json")
    assert made.code == 0
    assert made.document.keys() >= {"command", "status", "tables", "findings", "ddl", "estimate"}
    assert left() == set()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    document = yaml.safe_load(path.read_text())
    assert document.keys() >= {"source", "target", "tables", "findings", "ddl", "estimate"}
    assert document["tables"]["users"]["columns"]["email"].keys() == {"target", "type", "codec"}
    document["tables"]["settings"]["columns"]["value"] = None
    path.write_text(yaml.safe_dump(document))
    answer = cli("migrate", "--plan", path, *ends, "--json")
    assert answer.code == 0, answer.err
    assert {table["source"] for table in answer.document["tables"]} == set(document["tables"])


def test_a_plan_without_decisions_is_exit_code_3_and_lists_the_choices(cli: Cli, ends: list[str], left: Left) -> None:
    answer = cli("plan", *ends, "--json")
    assert answer.code == 3
    assert answer.document["status"] == "needs_decisions"
    assert any(finding["choices"] and finding["decision"] is None for finding in answer.document["findings"])
    assert "VALUE-NUL" in answer.err
    assert left() == set()


def test_a_plan_as_sql_runs_as_it_is(
    cli: Cli, ends: list[str], app: SampleApp, db: psycopg.Connection[Any], left: Left
) -> None:
    answer = cli("plan", *ends, "--decisions", app.decisions, "--sql")
    assert answer.code == 0
    db.execute(answer.out.encode())
    assert {"public.users", "public.messages"} <= left()


def test_decisions_left_open_stop_before_staging_and_resume_takes_them(
    cli: Cli, ends: list[str], app: SampleApp, left: Left
) -> None:
    asked = cli("migrate", *ends, "--json")
    assert (asked.code, asked.document["status"]) == (3, "needs_decisions")
    assert asked.error["id"] == "DECISIONS-NEEDED"
    assert left() == set()
    lossless = cli("migrate", "--yes", *ends, "--json")
    assert lossless.code == 3
    answer = cli("resume", asked.document["run"], "--decisions", app.decisions, "--json")
    assert (answer.code, answer.document["status"]) == (0, "succeeded")
    assert answer.document["run"] == asked.document["run"]


def test_the_recommended_choices_are_taken_where_losing_is_accepted(cli: Cli, ends: list[str]) -> None:
    answer = cli("migrate", "--yes", "--accept-lossy", *ends, "--json")
    assert answer.code == 0
    assert all(finding["decision"] for finding in answer.document["findings"] if finding["choices"])


def test_rows_that_meet_other_live_rows_are_conflicts_to_be_decided(
    cli: Cli, ends: list[str], migrated: dict[str, Any], db: psycopg.Connection[Any]
) -> None:
    db.execute("UPDATE settings SET value = 'live' WHERE ctid = (SELECT min(ctid) FROM settings)")
    again = ("migrate", "--tables", "settings", "--yes", *ends, "--json")
    asked = cli(*again)
    assert (asked.code, asked.document["status"]) == (3, "needs_decisions")
    assert asked.document["conflicts"] == {"found": 1, "resolved": 0}
    kept = cli("resume", asked.document["run"], "--on-conflict", "keep-target", "--json")
    assert kept.code == 0
    assert kept.document["conflicts"] == {"found": 1, "resolved": 1}
    refused = cli(*again, "--on-conflict", "fail")
    assert refused.code != 0
    taken = cli(*again, "--on-conflict", "keep-source")
    assert taken.code == 0
    assert taken.document["tables"][0]["updated"] == 1
    assert db.execute("SELECT 1 FROM settings WHERE value = 'live'").fetchone() is None


def test_verify_is_0_while_nothing_changed_and_4_after(
    cli: Cli, migrated: dict[str, Any], db: psycopg.Connection[Any]
) -> None:
    run = migrated["run"]
    same = cli("verify", run, "--json")
    assert (same.code, same.document["status"]) == (0, "succeeded")
    assert all(table["verified"] for table in same.document["tables"])
    db.execute("UPDATE messages SET body = body || '!' WHERE id = 3")
    changed = cli("verify", run[:15], "--json")
    assert (changed.code, changed.document["status"]) == (4, "verification_failed")
    assert [table["source"] for table in changed.document["tables"] if not table["verified"]] == ["messages"]
    db.execute("DROP TABLE settings CASCADE")
    gone = cli("verify", run, "--json")
    assert gone.code == 4
    assert "table public.settings" in gone.document["missing"]


def test_rollback_leaves_the_target_as_it_was(cli: Cli, migrated: dict[str, Any], left: Left) -> None:
    assert left() != set()
    answer = cli("rollback", migrated["run"], "--json")
    assert (answer.code, answer.document["status"]) == (0, "rolled_back")
    assert left() == set()
    assert cli("resume", migrated["run"], "--json").error["id"] == "RESUME-ENDED"
    assert cli("verify", migrated["run"], "--json").code == 2


def test_rollback_keeps_and_lists_a_row_that_was_changed_since(
    cli: Cli, ends: list[str], migrated: dict[str, Any], db: psycopg.Connection[Any]
) -> None:
    db.execute("DELETE FROM settings")
    second = cli("migrate", "--tables", "settings", "--yes", *ends, "--json").document
    db.execute("UPDATE settings SET value = 'edited' WHERE ctid = (SELECT min(ctid) FROM settings)")
    answer = cli("rollback", second["run"], "--json")
    assert answer.code == 0
    assert len(answer.document["kept_edits"]) == 1
    assert db.execute("SELECT value FROM settings").fetchall() == [("edited",)]


@pytest.mark.parametrize(("kind", "start"), [("html", "<!"), ("md", "#"), ("json", "{")])
def test_a_report_is_printed_or_written(
    cli: Cli, migrated: dict[str, Any], tmp_path: Path, kind: str, start: str
) -> None:
    printed = cli("report", migrated["run"], "--format", kind)
    assert printed.code == 0
    assert printed.out.lstrip().lower().startswith(start)
    assert "messages" in printed.out
    written = cli("report", "--out", tmp_path / "report", migrated["run"], "--format", kind)
    assert (written.code, written.out) == (0, "")
    assert (tmp_path / "report").read_text() == printed.out


def test_a_report_with_json_is_one_document(cli: Cli, migrated: dict[str, Any]) -> None:
    assert cli("report", migrated["run"], "--json").document["run"] == migrated["run"]


def test_runs_are_listed_newest_first(cli: Cli, ends: list[str], migrated: dict[str, Any], app: SampleApp) -> None:
    second = cli("migrate", *ends, "--json").document
    found = cli("runs", "--json").document["runs"]
    assert [run["run"] for run in found] == sorted((migrated["run"], second["run"]), reverse=True)
    assert all(run.keys() == {"run", "status", "source", "target", "started"} for run in found)
    by_run = {run["run"]: run for run in found}
    assert by_run[migrated["run"]]["status"] == "succeeded"
    assert by_run[second["run"]]["status"] == "needs_decisions"
    assert {run["source"] for run in found} == {str(app.database)}


def test_without_runs_the_list_is_empty_and_says_how_to_begin(cli: Cli) -> None:
    answer = cli("runs")
    assert (answer.code, answer.out) == (0, "")
    assert "demo --headless" in answer.err
    assert cli("runs", "--json").document["runs"] == []


def test_an_audit_trail_is_whole_until_somebody_touches_it(cli: Cli, migrated: dict[str, Any], home: Path) -> None:
    assert cli("audit", "verify").code == 0
    shown = cli("audit", "--run", migrated["run"])
    assert '"published"' in shown.out
    trail = home / "runs" / migrated["run"] / "audit.jsonl"
    whole = trail.read_text()
    trail.write_text(whole.replace('"published"', '"publishes"'))
    altered = cli("audit", "verify", "--json")
    assert (altered.code, altered.document["status"]) == (4, "verification_failed")
    assert altered.document["runs"][0]["intact"] is False
    trail.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    assert cli("audit", "verify").code == 4
    trail.unlink()
    assert cli("audit", "verify").code == 4
    trail.write_text(whole)
    assert cli("audit", "verify", "--run", migrated["run"]).code == 0


@pytest.mark.parametrize("keep", [True, False])
def test_clean_removes_what_a_run_left_and_not_what_it_published(
    cli: Cli, migrated: dict[str, Any], home: Path, left: Left, db: psycopg.Connection[Any], keep: bool
) -> None:
    before = left()
    answer = cli("clean", migrated["run"], *(["--keep-audit"] if keep else []), "--json")
    assert answer.code == 0
    assert left() == before
    assert db.execute("SELECT 1 FROM migrator.run").fetchone() is None
    folder = home / "runs" / migrated["run"]
    if keep:
        assert {"audit.jsonl", "report.html"} <= {path.name for path in folder.iterdir()}
        assert not (folder / "snapshot.sqlite").exists()
        assert cli("audit", "verify").code == 0
    else:
        assert not folder.exists()
        assert cli("runs", "--json").document["runs"] == []


def test_a_rehearsal_leaves_the_real_target_alone(
    cli: Cli, ends: list[str], app: SampleApp, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = cli("rehearse", "--decisions", app.decisions, *ends, "--json")
    assert (answer.code, answer.document["status"]) == (0, "succeeded")
    assert answer.document["command"] == "rehearse"
    assert left() == set()
    assert cli("verify", answer.document["run"]).code == 0


class InMemory(KeyringBackend):
    """A keyring that lives as long as the test."""

    priority = 1.0
    kept: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def test_a_password_in_the_keyring_opens_the_target(
    cli: Cli, app: SampleApp, role: Callable[..., Target], db: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = role(f"GRANT CREATE ON DATABASE {db.info.dbname}", "GRANT CREATE ON SCHEMA public")
    before = keyring.get_keyring()
    keyring.set_keyring(InMemory())  # type: ignore[no-untyped-call]
    try:
        monkeypatch.setattr("sys.stdin", io.StringIO("p4ss\n"))
        kept = cli("credentials", "set", "--target", target.display, "--json")
        assert (kept.code, "p4ss" in kept.out + kept.err) == (0, False)
        (account,) = cli("credentials", "list", "--json").document["accounts"]
        assert account.startswith(f"{target.user}@")
        check = ("check", "--source", app.database, "--target", target.display)
        assert cli(*check).code == 0
        assert cli("credentials", "delete", "--target", target.display).code == 0
        assert cli("credentials", "list").out == ""
        assert cli(*check).code == 1
    finally:
        keyring.set_keyring(before)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(cli: Cli, shell: str) -> None:
    answer = cli("completion", shell)
    assert answer.code == 0
    assert "_MIGRATOR_TUI_COMPLETE" in answer.out


def test_a_profile_stands_for_both_ends(
    cli: Cli, app: SampleApp, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(app.database, tmp_path / "dev.db")
    profile = {
        "source": {"sqlite": "./dev.db"},
        "target": {"database": target.display},
        "tables": {"include": ["settings", "sections"], "exclude": ["sections"], "rename": {"settings": "options"}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"profiles": {"production": profile}}))
    monkeypatch.chdir(tmp_path)
    for words in (("--profile", "production"), ("--config", tmp_path / "config.yaml"), ()):
        answer = cli("plan", *words, "--yes", "--json")
        assert answer.code == 0
        moved = [table["target"] for table in answer.document["tables"] if table["action"] == "create"]
        assert moved == ["public.options"]


@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_has_help(cli: Cli, command: str) -> None:
    answer = cli(command, "--help")
    assert answer.code == 0
    assert len(answer.out.split("Options:")[0].split()) > 8
    assert command in cli("--help").out


def test_every_command_that_is_listed_can_be_asked_for() -> None:
    with group.make_context("migrator-tui", ["--help"], resilient_parsing=True) as context:
        assert group.list_commands(context) == list(COMMANDS)
        assert all(group.get_command(context, name) is not None for name in COMMANDS)
