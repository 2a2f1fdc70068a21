"""Fixtures of the command line's tests: the program run in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from migrator_tui.cli import main
from migrator_tui.demo import sample_app
from migrator_tui.demo.sample_app import SampleApp
from migrator_tui.postgres.connect import Target


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as the one JSON document that it is."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document

    @property
    def error(self) -> dict[str, str]:
        """The document's error, which is complete."""
        error: dict[str, str] = self.document["error"]
        assert set(error) == {"id", "message", "hint"}
        assert error["id"]
        assert error["message"]
        return error


Cli = Callable[..., Answer]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs the command line in this process, from its arguments to its exit code."""

    def run(*arguments: object) -> Answer:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        assert "Traceback" not in out + err
        return Answer(ended.value.code, out, err)

    return run


@pytest.fixture
def process() -> Cli:
    """Runs the command line as a process of its own."""

    def run(*arguments: object, env: Mapping[str, str] | None = None, stdin: str = "") -> Answer:
        done = subprocess.run(
            command_line(*arguments),
            env=os.environ | dict(env or {}),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return Answer(done.returncode, done.stdout, done.stderr)

    return run


def command_line(*arguments: object) -> list[str]:
    """The words that start the program with this Python."""
    return [sys.executable, "-m", "migrator_tui", *(str(argument) for argument in arguments)]


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> SampleApp:
    """A small sample application that no test writes to."""
    return sample_app.build(tmp_path_factory.mktemp("app"), scale=0.1, files=False)


@pytest.fixture
def ends(app: SampleApp, target: Target) -> list[str]:
    """The options that name the sample application and the fresh database."""
    return ["--source", str(app.database), "--target", target.display]


@pytest.fixture
def left(db: psycopg.Connection[tuple[object, ...]]) -> Callable[[], set[str]]:
    """The schemas and relations on the target outside of what Postgres brings and of the program's own schema."""

    def look() -> set[str]:
        rows = db.execute(
            "SELECT nspname || coalesce('.' || relname, '') FROM pg_namespace n LEFT JOIN pg_class c "
            "ON relnamespace = n.oid AND relkind IN ('r', 'v', 'p', 'm', 'S') "
            "WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'migrator')"
        )
        return {str(name) for (name,) in rows} - {"public"}

    return look
