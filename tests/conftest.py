"""Fixtures: a real Postgres, a database on it, a home of one's own, and databases that others made."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql

from migrator_tui import locations
from migrator_tui.demo.project.project import Project
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database

# The programs that tests start find what others have compiled, also where the environment says not to keep that.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes says how busy the machine is.
# MIGRATOR_TUI_EXAMPLES asks for more of them than an ordinary run of the tests has time for.
settings.register_profile(
    "whatever the machine does", deadline=None, max_examples=int(os.environ.get("MIGRATOR_TUI_EXAMPLES", "40"))
)
settings.load_profile("whatever the machine does")


def configured(folder: Path, *, fsync: bool) -> EmbeddedServer:
    """A server that asks every role but postgres for a password."""
    EmbeddedServer.start(folder).stop()
    with (folder / "postgresql.conf").open("a") as file:
        file.write(f"\nfsync = {'on' if fsync else 'off'}\n")
    (folder / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    return EmbeddedServer.start(folder)


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """A server for the whole session of a test worker."""
    folder = Path(tempfile.mkdtemp(prefix="mt-"))  # short: a Unix socket's path has 107 bytes
    server = configured(folder / "pg", fsync=False)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_server() -> Iterator[EmbeddedServer]:
    """A server for one test that crashes it."""
    folder = Path(tempfile.mkdtemp(prefix="mt-"))
    server = configured(folder / "pg", fsync=True)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def target(server: EmbeddedServer) -> Iterator[Target]:
    """A fresh database, as its owner."""
    name = f"t_{secrets.token_hex(4)}"
    yield fresh_database(server.target(), name)
    with connect(server.target()) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def role(target: Target) -> Iterator[Callable[..., Target]]:
    """Makes login roles with a password and the grants that are given."""
    made: list[str] = []

    def make(*grants: str) -> Target:
        name = f"r_{secrets.token_hex(4)}"
        with connect(target) as connection:
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'p4ss'").format(sql.Identifier(name)))
            for grant in grants:
                connection.execute(f"{grant} TO {name}".encode())
        made.append(name)
        return Target(target.host, target.port, name, target.database, Secret("p4ss"), target.parameters)

    yield make
    with connect(target) as connection:
        for name in made:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def db(target: Target) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection to the fresh database, for looking at it from outside the program."""
    with connect(target) as connection:
        yield connection


@pytest.fixture
def project(target: Target, tmp_path: Path) -> Iterator[Project]:
    """A stand-in for a Supabase project on the fresh database, with nobody and nothing in it."""
    with Project(target, tmp_path / "project") as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything that the program keeps goes to a folder of the test."""
    for name in list(os.environ):
        if name.startswith(("PG", "MIGRATOR_TUI_", "SUPABASE_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv(locations.HOME_VARIABLE, str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


@pytest.fixture
def corpus() -> Path:
    """SQLite databases that others made; only where the project is developed."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "corpus"
    if not folder.is_dir():
        pytest.skip("the corpus is not here")
    return folder
