"""Encrypted sessions with a real server: who answers is verified, and what prevents one is told with the next step."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from migrator_tui.model.errors import ConnectionLost, TargetError
from migrator_tui.postgres.connect import connect, connect_adbc
from migrator_tui.postgres.target import CA_FILE, Target
from tests.postgres.tls_server import DIRECT, POOLER, TlsServer, programs

Open = Callable[[Target], Any]
EITHER = pytest.mark.parametrize("opens", [connect, connect_adbc])
ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.fixture(scope="module")
def server() -> Iterator[TlsServer]:
    """A server with a certificate for a project's hosts and for localhost."""
    binaries = programs()
    if binaries is None:
        pytest.skip("no PostgreSQL with OpenSSL is installed")
    with TlsServer(binaries) as running:
        yield running


@pytest.fixture
def known(server: TlsServer, home: Path) -> None:
    """The authority, where a person puts it once for all projects."""
    home.mkdir()
    shutil.copy(server.authority.file, home / CA_FILE)


def encrypted(opens: Open, target: Target) -> Any:
    """Whether a session is encrypted, as the server sees it."""
    with opens(target) as session, session.cursor() as cursor:
        cursor.execute(ENCRYPTED)
        return cursor.fetchone()[0]


def refused(opens: Open, target: Target) -> TargetError:
    """Why no session came to be. Nobody tries that again: it stays so."""
    with pytest.raises(TargetError) as caught:
        opens(target).close()
    assert caught.value.id == "TARGET-TLS"
    assert not isinstance(caught.value, ConnectionLost)
    assert "p4ss" not in str(caught.value)
    return caught.value


@EITHER
@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("host", [DIRECT, POOLER])
def test_a_projects_hosts_are_verified_by_default_with_the_authority_in_the_programs_folder(
    server: TlsServer, opens: Open, host: str
) -> None:
    assert encrypted(opens, server.target(host)) is True


@EITHER
def test_any_server_is_verified_where_the_url_says_so(server: TlsServer, opens: Open) -> None:
    named = {"sslmode": "verify-full", "sslrootcert": str(server.authority.file)}
    assert encrypted(opens, server.target("localhost", **named)) is True
    assert encrypted(opens, server.target(DIRECT, sslmode="require")) is True


@EITHER
def test_a_certificate_of_another_authority_is_refused(server: TlsServer, opens: Open) -> None:
    other = {"sslrootcert": str(server.stranger.file)}
    hosted = refused(opens, server.target(DIRECT, **other))
    assert "certificate verify failed" in hosted.message
    assert "Download the certificate in the dashboard" in hosted.hint
    plain = refused(opens, server.target("localhost", sslmode="verify-full", **other))
    assert f"signed by nobody in {server.stranger.file}" in plain.hint


@EITHER
def test_the_systems_authorities_do_not_know_that_of_a_project(server: TlsServer, opens: Open) -> None:
    error = refused(opens, server.target(DIRECT, sslmode="verify-full", sslrootcert="system"))
    assert "Download the certificate in the dashboard" in error.hint


@EITHER
@pytest.mark.usefixtures("known")
def test_a_certificate_for_another_host_is_refused_and_nobody_is_told_to_look_away(
    server: TlsServer, opens: Open
) -> None:
    error = refused(opens, server.target("db.zzzzzzzzzzzzzzzzzzzz.supabase.co"))
    assert "does not match host name" in error.message
    assert "certificate for another name" in error.hint
    assert "sslmode" not in error.hint


@EITHER
def test_a_file_of_authorities_that_is_not_there_is_named(server: TlsServer, opens: Open, tmp_path: Path) -> None:
    missing = tmp_path / "nothing.crt"
    error = refused(opens, server.target("localhost", sslmode="verify-full", sslrootcert=str(missing)))
    assert str(missing) in error.message
    assert "?sslrootcert=FILE" in error.hint


@EITHER
def test_a_server_that_takes_encrypted_sessions_alone_says_so(server: TlsServer, opens: Open) -> None:
    error = refused(opens, server.target("localhost", sslmode="disable"))
    assert "encrypted sessions alone" in error.hint
    assert "?sslmode=require" in error.hint


@pytest.mark.usefixtures("known")
def test_a_certificate_whose_time_is_over_and_a_server_without_tls_are_refused(server: TlsServer) -> None:
    server.certify("expired")
    for opens in (connect, connect_adbc):
        error = refused(opens, server.target(DIRECT))
        assert "certificate verify failed" in error.message
        assert "or its time is over" in error.hint
    server.certify("none")
    for opens in (connect, connect_adbc):
        hosted = refused(opens, server.target(DIRECT))
        assert "something else answers there" in hosted.hint
        plain = refused(opens, server.target("localhost", sslmode="require"))
        assert "Switch TLS on there" in plain.hint
    server.certify("good")
    assert encrypted(connect, server.target(DIRECT)) is True
