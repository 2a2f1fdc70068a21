"""The stand-in for the pooler: it lets sessions through, and refuses them in the pooler's words."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from migrator_tui.demo.project.layout import OWNER, OWNER_PASSWORD, lay_out
from migrator_tui.demo.project.pooler import BLOCK_SECONDS, MOST_FAILURES, WINDOW_SECONDS, Pooler
from migrator_tui.postgres.connect import Target, connect, connect_adbc

REF = "abcdefghijklmnopqrst"


@pytest.fixture
def pooler(target: Target) -> Iterator[Pooler]:
    """A pooler before the fresh database."""
    with Pooler(REF, lay_out(target)) as running:
        yield running


def refusal(pooler: Pooler, password: str = OWNER_PASSWORD, *, ref: str | None = None) -> str:
    """What it says to somebody whom it does not let in."""
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(pooler.database_url(password, ref=ref))
    return str(caught.value)


def test_a_session_goes_through_to_the_database(pooler: Pooler) -> None:
    target = Target.parse(pooler.database_url(OWNER_PASSWORD))
    with connect(target) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (OWNER,)
    with connect_adbc(target) as session, session.cursor() as cursor:
        cursor.execute("SELECT 1 AS n")
        assert cursor.fetch_arrow_table().to_pylist() == [{"n": 1}]


def test_a_statement_is_cancelled_through_it(pooler: Pooler, target: Target) -> None:
    def wait() -> None:
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(600)")

    with psycopg.connect(pooler.database_url(OWNER_PASSWORD), autocommit=True) as connection, connect(target) as other:
        connection.execute("SET statement_timeout = 0")
        waiting = threading.Thread(target=wait)
        waiting.start()
        query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        while not other.execute(query, (connection.info.backend_pid,)).fetchone():
            pass
        connection.cancel_safe()
        waiting.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_another_project_is_not_found(pooler: Pooler) -> None:
    assert "(ENOTFOUND) tenant/user postgres.nobody not found" in refusal(pooler, ref="nobody")


def test_a_user_without_a_project_is_refused(pooler: Pooler) -> None:
    with pytest.raises(psycopg.OperationalError, match="ENOIDENTIFIER"):
        psycopg.connect(host="127.0.0.1", port=pooler.port, user="postgres", dbname="x", password="y")


def test_too_many_sessions_are_refused(pooler: Pooler) -> None:
    pooler.most_sessions = 1
    with psycopg.connect(pooler.database_url(OWNER_PASSWORD)):
        assert "(EMAXCONNSESSION) max clients reached in session mode" in refusal(pooler)


def test_an_address_that_is_not_allowed_is_refused(pooler: Pooler) -> None:
    pooler.allowed = False
    assert "(EADDRNOTALLOWED) address not in tenant allow_list" in refusal(pooler)


def test_a_session_without_tls_is_refused_where_it_is_required(pooler: Pooler) -> None:
    pooler.requires_ssl = True
    assert "(ESSLREQUIRED)" in refusal(pooler)


def test_ten_wrong_passwords_block_everybody_and_trying_extends_the_block(pooler: Pooler) -> None:
    now = 1_800_000_000.0
    pooler.clock = lambda: now
    for _ in range(MOST_FAILURES):
        assert "password authentication failed" in refusal(pooler, "wrong")
    assert f"blocked until: {int(now) + BLOCK_SECONDS}" in refusal(pooler)
    now += BLOCK_SECONDS - 1
    assert "(ECIRCUITBREAKER)" in refusal(pooler)
    now += BLOCK_SECONDS - 1
    assert f"blocked until: {int(now) + BLOCK_SECONDS}" in refusal(pooler)
    now += BLOCK_SECONDS
    psycopg.connect(pooler.database_url(OWNER_PASSWORD)).close()


def test_wrong_passwords_far_apart_block_nobody(pooler: Pooler) -> None:
    now = 1_800_000_000.0
    pooler.clock = lambda: now
    for _ in range(MOST_FAILURES):
        refusal(pooler, "wrong")
        now += WINDOW_SECONDS / (MOST_FAILURES - 2)
    psycopg.connect(pooler.database_url(OWNER_PASSWORD)).close()
