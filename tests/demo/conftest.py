"""A project to talk to over HTTP: the stand-in, or a real one that the environment names."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from migrator_tui.demo.project.project import Project
from migrator_tui.postgres.connect import connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database
from tests.demo.project_clients import Reached

URL, SECRET, PUBLISHABLE = (
    os.environ.get(f"MIGRATOR_TUI_TEST_SUPABASE_{name}", "") for name in ("URL", "SECRET_KEY", "PUBLISHABLE_KEY")
)
"""Of a real project (``supabase start``), against which the tests of answers run instead. Read before the tests begin:
each of them takes such variables out of the environment."""


@pytest.fixture(scope="module")
def api(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reached]:
    """A project that a module's tests share: each takes names of its own in it."""
    if URL:
        yield Reached(URL.rstrip("/"), SECRET, PUBLISHABLE, real=True)
        return
    name = f"p_{secrets.token_hex(4)}"
    folder: Path = tmp_path_factory.mktemp("project")
    with Project(fresh_database(server.target(), name), folder) as project:
        yield Reached(project.api_url, project.secret_key.reveal(), project.publishable_key, real=False)
    with connect(server.target()) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
