"""Connections that end, answer nothing, or lose the one reply that matters."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrator_tui.model.progress import RunStatus
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.server import EmbeddedServer
from tests.faults.conftest import Start
from tests.faults.observing import TABLES, Connection, backends, committed, lost_and_doubled, until
from tests.faults.proxy import Proxy
from tests.migration.running import Engine, leftovers, succeeded, text


def test_a_commit_whose_answer_is_lost_in_staging_is_not_loaded_again(
    proxy: Proxy, small: Path, engine: Engine, db: Connection
) -> None:
    def lose(name: str) -> None:
        if name == "staging":
            proxy.swallow_commits(5, after="COPY")

    succeeded(engine.migrate(small, proxy.target(), failpoint=lose, chunk_bytes=4096))
    assert proxy.swallowed == 5
    assert lost_and_doubled(small, db) == (0, 0)
    assert leftovers(db) == set()


def test_a_publish_whose_answer_is_lost_is_found_done(
    proxy: Proxy, small: Path, engine: Engine, db: Connection
) -> None:
    def lose(name: str) -> None:
        if name == "publish-commit":
            proxy.swallow_commits(1)

    succeeded(engine.migrate(small, proxy.target(), failpoint=lose))
    assert proxy.swallowed == 1
    assert lost_and_doubled(small, db) == (0, 0)
    assert leftovers(db) == set()


@pytest.mark.parametrize("sent", [1, 1_000, 77_777, 300_000])
def test_a_connection_that_is_cut_in_the_middle_of_a_message_is_made_again(
    proxy: Proxy, small: Path, engine: Engine, db: Connection, sent: int
) -> None:
    def cut(name: str) -> None:
        if name == "staging":
            proxy.cut_after(sent)

    succeeded(engine.migrate(small, proxy.target(), failpoint=cut, chunk_bytes=16_384))
    assert proxy.cuts == 1
    assert lost_and_doubled(small, db) == (0, 0)


def test_a_while_without_anybody_listening_is_waited_for(
    proxy: Proxy, small: Path, start: Start, db: Connection
) -> None:
    run = start(small, proxy.target())
    until(lambda: committed(db) >= 5, "five chunks")
    proxy.refuse()
    proxy.cut()
    until(lambda: run.runner.progress().retry, "a reason to wait")
    proxy.accept_again()
    succeeded(run.end())
    assert run.runner.progress().retry is None
    assert lost_and_doubled(small, db) == (0, 0)


def test_a_server_that_is_stopped_at_once_and_started_again_is_waited_for(
    own_server: EmbeddedServer, small: Path, start: Start
) -> None:
    target = own_server.target()
    run = start(small, target)
    with connect(target) as db:
        until(lambda: committed(db) >= 5, "five chunks")
        own_server.crash()
    until(lambda: run.runner.progress().retry, "a reason to wait")
    own_server.start_again()
    succeeded(run.end())
    with connect(target) as db:
        assert lost_and_doubled(small, db) == (0, 0)


def test_workers_whose_backends_are_ended_at_random_begin_their_chunk_again(
    target: Target, small: Path, start: Start, db: Connection
) -> None:
    chance = random.Random(20260102)
    run = start(small, target, chunk_bytes=2048)
    until(lambda: committed(db) >= 1, "a chunk")
    ended = 0
    for _ in range(8):
        before = committed(db)
        there = backends(db, run.run)
        if there:
            db.execute("SELECT pg_terminate_backend(%s)", (chance.choice(there)[0],))
            ended += 1
        until(lambda: committed(db) > before or run.runner.outcome(), "another chunk")  # noqa: B023
    succeeded(run.end())
    assert ended >= 3
    assert lost_and_doubled(small, db) == (0, 0)


def test_a_wrong_password_is_tried_once(proxy: Proxy, small: Path, engine: Engine, role: Any) -> None:
    member = role("GRANT CREATE ON SCHEMA public")
    wrong = proxy.target(member).with_password(Secret("not-it"))
    outcome = engine.migrate(small, wrong)
    assert outcome.status is RunStatus.FAILED
    assert outcome.error is not None
    assert outcome.error.id == "TARGET-PASSWORD"
    assert proxy.accepted == 1


def test_nobody_listening_at_the_start_fails_without_a_second_attempt(proxy: Proxy, small: Path, start: Start) -> None:
    proxy.refuse()
    run = start(small, proxy.target())
    outcome = run.end()
    assert outcome.status is RunStatus.FAILED
    assert outcome.error is not None
    assert outcome.error.id == "TARGET-UNREACHABLE"
    # Only a connection that is made takes the reason back, and there was none.
    assert run.runner.progress().retry is None


class NaiveLoader:
    """A loader as many are: it writes into a file what is done, after COMMIT. The control that must fail."""

    def __init__(self, source: Path, target: Target, journal: Path) -> None:
        self._source = source
        self._target = target
        self._journal = journal
        self._journal.write_text("[]")

    def load(self) -> None:
        """All chunks that the journal does not have, again after a lost connection."""
        while True:
            try:
                with connect(self._target, autocommit=False) as connection:
                    for table in TABLES:
                        self._table(connection, table)
                return
            except psycopg.OperationalError:
                continue

    def _table(self, connection: psycopg.Connection[Any], table: str) -> None:
        with closing(sqlite3.connect(self._source)) as file:
            every = file.execute(f"SELECT * FROM {table}").fetchall()
        for begin in range(0, len(every), 500):
            done = json.loads(self._journal.read_text())
            if [table, begin] in done:
                continue
            with connection.cursor() as cursor, cursor.copy(text(f"COPY naive.{table} FROM STDIN")) as copy:
                for row in every[begin : begin + 500]:
                    copy.write_row(row)
            connection.commit()
            self._journal.write_text(json.dumps([*done, [table, begin]]))


@pytest.mark.parametrize("lost", [0, 2])
def test_a_loader_that_keeps_its_journal_apart_doubles_rows_where_this_one_does_not(
    proxy: Proxy, small: Path, db: Connection, tmp_path: Path, lost: int
) -> None:
    db.execute(
        "CREATE SCHEMA naive; CREATE TABLE naive.people (id bigint, name text, born bigint);"
        "CREATE TABLE naive.visits (id bigint, person bigint, note text, weight float8, raw bytea);"
        "CREATE TABLE naive.tags (person bigint, tag text);"
        "CREATE TABLE naive.log (line text, amount float8)"
    )
    proxy.swallow_commits(lost, after="COPY")
    NaiveLoader(small, proxy.target(), tmp_path / "journal.json").load()
    assert proxy.swallowed == lost
    missing, doubled = lost_and_doubled(small, db, "naive")
    assert missing == 0
    # As long as no answer is lost nothing shows; the same check that the tests above pass then counts what came twice.
    assert (doubled > 0) == (lost > 0)
