"""A run belongs to one target, and says so before it does anything on another."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.server import EmbeddedServer, fresh_database
from tests.migration.conftest import MakeSource
from tests.migration.running import Engine, listing, succeeded, value

SHOP = "CREATE TABLE a (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO a VALUES (1, 'x'), (2, 'y');"


@pytest.fixture
def other(server: EmbeddedServer) -> Iterator[Target]:
    """Another database of the same server."""
    name = f"o_{secrets.token_hex(4)}"
    yield fresh_database(server.target(), name)
    with connect(server.target()) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def test_a_rollback_on_another_target_is_refused_and_the_run_can_still_be_taken_back(
    make_source: MakeSource, target: Target, other: Target, engine: Engine, db: psycopg.Connection[Any]
) -> None:
    before = listing(db)
    run = succeeded(engine.migrate(make_source(SHOP), target)).run
    report = RunFolder.open(run).file("report.md").read_text("utf-8")
    refused = engine.rollback(run, other)
    assert refused.status is RunStatus.FAILED
    assert refused.error is not None
    assert refused.error.id == "RUN-OTHER-TARGET"
    assert RunFolder.open(run).record().status is RunStatus.SUCCEEDED
    assert RunFolder.open(run).file("report.md").read_text("utf-8") == report
    assert value(db, "SELECT count(*) FROM a") == 2
    assert engine.rollback(run, target).status is RunStatus.ROLLED_BACK
    assert listing(db) == before


def test_a_run_that_the_ledger_does_not_know_any_more_is_not_called_rolled_back(
    make_source: MakeSource, target: Target, engine: Engine, db: psycopg.Connection[Any]
) -> None:
    run = succeeded(engine.migrate(make_source(SHOP), target)).run
    db.execute("DELETE FROM migrator.run")
    refused = engine.rollback(run, target)
    assert refused.error is not None
    assert refused.error.id == "RUN-NOT-HERE"
    assert RunFolder.open(run).record().status is RunStatus.SUCCEEDED
    assert value(db, "SELECT count(*) FROM a") == 2


@pytest.mark.parametrize("at", ["staged", "published"])
def test_a_run_is_not_gone_on_with_on_another_target(
    at: str, make_source: MakeSource, target: Target, other: Target, engine: Engine
) -> None:
    run = engine.cut(make_source(SHOP), target, at)
    refused = engine.resume(run, other)
    assert refused.status is RunStatus.FAILED
    assert refused.error is not None
    assert refused.error.id == "RUN-OTHER-TARGET"
    with connect(other) as connection:
        assert value(connection, "SELECT to_regclass('public.a') IS NULL AND to_regnamespace('migrator') IS NULL")
    succeeded(engine.resume(run, target))


def test_a_run_that_never_came_to_staging_may_begin_anywhere(
    make_source: MakeSource, target: Target, other: Target, engine: Engine
) -> None:
    run = engine.cut(make_source(SHOP), target, "snapshot")
    succeeded(engine.resume(run, other))
