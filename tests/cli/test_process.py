"""The program as a process: what it imports, signals, pipes, and what other processes can see of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from migrator_tui import __version__
from migrator_tui.cli.app import COMMANDS
from migrator_tui.demo.sample_app import SampleApp
from migrator_tui.postgres.connect import Target

Cli = Callable[..., Any]

HEAVY = {"textual", "pyarrow", "supabase", "psycopg", "sqlalchemy", "sqlglot", "adbc_driver_manager"}
SHARED = {"--config", "--profile", "--source", "--target", "--json", "--plain"}
PROGRAM = [sys.executable, "-m", "migrator_tui"]


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["runs"]])
def test_what_needs_no_database_imports_none_of_the_heavy_libraries(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom migrator_tui.cli import main\ntry:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    imported = set(done.stderr.split())
    assert "migrator_tui" in imported
    # `runs` may read its records by pydantic; nothing that moves rows or draws screens.
    assert imported & HEAVY == set()


def test_home_is_painted_before_the_engine_is_imported() -> None:
    modules = "migrator_tui.cli.screens, migrator_tui.tui.app, migrator_tui.tui.screens.home"
    script = f"import sys, {modules}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "textual" in imported
    assert imported & {"pyarrow", "sqlglot", "adbc_driver_manager", "httpx", "supabase"} == set()


def test_the_version_is_that_of_the_package(process: Cli) -> None:
    answer = process("--version")
    assert answer.code == 0
    assert answer.out.split()[-1] == __version__


def test_the_installed_command_and_the_module_are_the_same_program(process: Cli) -> None:
    script = Path(sys.executable).with_name("migrator-tui")
    installed = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
    assert process("--help").out == installed
    assert all(command in installed for command in COMMANDS)


@pytest.mark.parametrize(
    "command",
    [c for c in COMMANDS if c not in ("demo", "completion", "credentials", "users", "files")]
    + ["credentials set", "users check", "files check"],
)
def test_every_command_about_ends_shares_the_options(cli: Cli, command: str) -> None:
    words = set(cli(*command.split(), "--help").out.split())
    assert words >= SHARED


def test_the_order_of_options_does_not_matter(cli: Cli, ends: list[str]) -> None:
    groups = [("--source", ends[1]), ("--target", ends[3]), ("--tables", "settings"), ("--yes", "--json")]
    documents = [cli("plan", *[word for group in order for word in group]).document for order in permutations(groups)]
    plans = {json.dumps([document["tables"], document["ddl"]]) for document in documents}
    assert len(plans) == 1


def test_a_reader_that_goes_away_is_no_traceback(ends: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*PROGRAM, "plan", *ends], stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """Read standard error up to a line that holds the words."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if words in line:
            return said
    raise AssertionError(f"it ended without saying {words!r}:\n{said}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_exit_code_130_and_resumes(
    cli: Cli, ends: list[str], app: SampleApp, db: psycopg.Connection[Any], target: Target, number: signal.Signals
) -> None:
    tables = ("migrate", "--tables", "settings", "--on-conflict", "keep-source", "--yes", *ends, "--json")
    assert cli(*tables).code == 0
    db.execute("DELETE FROM settings WHERE ctid = (SELECT min(ctid) FROM settings)")
    with psycopg.connect(target.conninfo()) as other:
        # A writer that does not end: publishing waits for it, and tries again.
        other.execute("LOCK TABLE settings IN ROW EXCLUSIVE MODE")
        with subprocess.Popen([*PROGRAM, *tables], stdout=-1, stderr=-1, text=True) as running:
            wait_for(running, "Trying again")
            running.send_signal(number)
            out, err = running.communicate()
        other.rollback()
    document = json.loads(out)
    assert (running.returncode, document["status"]) == (130, "interrupted")
    assert "Traceback" not in err
    assert "resume" in document["error"]["hint"]
    assert cli("runs", "--json").document["runs"][0]["status"] == "interrupted"
    answer = cli("resume", document["run"], "--json")
    assert (answer.code, answer.document["status"]) == (0, "succeeded")
    assert answer.document["tables"][0]["inserted"] == 1
    assert all(table["verified"] for table in answer.document["tables"])


def test_no_other_process_can_read_a_password_in_the_arguments(app: SampleApp, home: Path) -> None:
    canary = "c4nary-in-argv"
    words = [*PROGRAM, "rehearse", "--decisions", str(app.decisions), "--source", str(app.database), "--json"]
    seen: set[str] = set()
    env = os.environ | {"MIGRATOR_TUI_TARGET_PASSWORD": canary, "PGPASSWORD": canary}
    with (
        (home.parent / "said.txt").open("w+") as said,
        subprocess.Popen(words, env=env, stdout=said, stderr=subprocess.STDOUT) as running,
    ):
        while running.poll() is None:
            for child in [psutil.Process(running.pid), *psutil.Process(running.pid).children(recursive=True)]:
                try:
                    seen.add(" ".join(child.cmdline()))
                except psutil.NoSuchProcess:
                    continue
        said.seek(0)
        assert running.returncode == 0, said.read()
    assert any("initdb" in line or "postgres" in line for line in seen)
    assert not [line for line in seen if canary in line]
    assert [path for path in home.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()] == []
