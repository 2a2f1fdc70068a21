"""Fixtures of the engine's tests: a source built on the spot, and runs held to the row equation."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from migrator_tui import locations
from migrator_tui.convert.identifiers import quote
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database
from tests.migration.running import Engine, build, succeeded, text

MakeSource = Callable[..., Path]


@pytest.fixture
def make_source(tmp_path: Path) -> MakeSource:
    """Builds a SQLite file of a script, or of a function that is given the connection."""

    def make(source: str | Callable[[sqlite3.Connection], object], name: str = "source.db") -> Path:
        return build(tmp_path / name, source)

    return make


@pytest.fixture
def engine() -> Engine:
    """Begins, resumes, crashes and rolls back runs."""
    return Engine()


@dataclass(frozen=True, slots=True)
class Kept:
    """What a migration left, to be had again without migrating again.

    Attributes:
        database: The target's name.
        home: The folder with the run.
        source: The file that was migrated.
    """

    run: str
    database: str
    home: Path
    source: Path


@pytest.fixture(scope="session")
def kept_migrations() -> dict[str, Kept]:
    """Script of the source → what its migration left."""
    return {}


@pytest.fixture
def migrated_once(
    server: EmbeddedServer, target: Target, home: Path, engine: Engine, kept_migrations: dict[str, Kept],
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], tuple[Path, str]]:  # fmt: skip
    """Gives the target and the home what a migration of a source's script left there: its file, and the run's id.

    The target must have no other session yet.
    """

    def again(script: str) -> tuple[Path, str]:
        if script not in kept_migrations:
            folder = tmp_path_factory.mktemp("kept")
            source = build(folder / "source.db", script)
            database = f"kept_{secrets.token_hex(4)}"
            with monkeypatch.context() as elsewhere:
                elsewhere.setenv(locations.HOME_VARIABLE, str(folder / "home"))
                run = succeeded(engine.migrate(source, fresh_database(server.target(), database))).run
            kept_migrations[script] = Kept(run, database, folder / "home", source)
        kept = kept_migrations[script]
        name, template = (quote(word) for word in (target.database, kept.database))
        with connect(server.target()) as connection:
            connection.execute(text(f"DROP DATABASE {name}"))
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        shutil.copytree(kept.home, home, dirs_exist_ok=True)
        return kept.source, kept.run

    return again
