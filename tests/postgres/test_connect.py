"""Sessions on a real server, and what its errors become."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from migrator_tui.model.errors import ConnectionLost, Interrupted, TargetError
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target, connect, connect_adbc, explain, retrying, wants_password
from migrator_tui.postgres.server import EmbeddedServer

CANARY = "cAnArY-pAsSwOrD"
OPEN = pytest.mark.parametrize("opens", [connect, connect_adbc], ids=["psycopg", "adbc"])
Open = Callable[[Target], Any]
Role = Callable[..., Target]


def run(connection: Any, statement: str) -> list[tuple[Any, ...]]:
    """Execute on either driver and fetch what there is."""
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        cursor.close()


def failure(target: Target, opens: Open, statement: str) -> TargetError:
    """The explained error of a statement in an established session."""
    connection = opens(target)
    try:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - of either driver; what it is told as is the test
            run(connection, statement)
        return explain(caught.value, target, established=True)
    finally:
        connection.close()


@OPEN
def test_a_session_does_not_depend_on_the_settings_of_role_and_database(target: Target, opens: Open, db: Any) -> None:
    for setting in ("TimeZone TO 'Asia/Kathmandu'", "DateStyle TO 'German'", "extra_float_digits TO 0",
                    "statement_timeout TO '1s'", "bytea_output TO 'escape'"):  # fmt: skip
        db.execute(f"ALTER DATABASE {target.database} SET {setting}")
    connection = opens(target)
    shown = run(
        connection,
        "SELECT (timestamptz '2024-06-01 12:00Z')::text, (date '2024-06-01')::text, (0.1::float8 + 0.2::float8)::text, "
        "'\\x00ff'::bytea::text, current_setting('statement_timeout'), current_setting('row_security')",
    )
    connection.close()
    assert [str(value) for value in shown[0]] == [
        "2024-06-01 12:00:00+00", "2024-06-01", "0.30000000000000004", "\\x00ff", "0", "off"
    ]  # fmt: skip


def test_the_session_names_itself(target: Target) -> None:
    with connect(target, application_name="migrator-tui 42") as connection:
        assert run(connection, "SELECT current_setting('application_name')") == [("migrator-tui 42",)]


@OPEN
@pytest.mark.parametrize("password", [Secret(CANARY), None], ids=["wrong", "none"])
def test_a_wrong_or_missing_password_is_told_so_and_not_retried(
    role: Role, opens: Open, password: Secret | None
) -> None:
    target = replace(role(), password=password)
    calls = []

    def work() -> None:
        calls.append(1)
        opens(target)

    with pytest.raises(TargetError) as caught:
        retrying(work, target=target, established=True, stop=threading.Event(), on_wait=lambda _: None)
    assert caught.value.id == "TARGET-PASSWORD"
    assert not isinstance(caught.value, ConnectionLost)
    assert len(calls) == 1
    assert CANARY not in str(caught.value)
    # Also where a driver's error is explained by someone who had a session before.
    assert caught.value.__cause__ is not None
    assert explain(caught.value.__cause__, target, established=True).id == "TARGET-PASSWORD"


@OPEN
def test_a_password_of_any_characters_lets_one_in(target: Target, db: Any, opens: Open) -> None:
    password = "p'@:/\\ #%?ü\"$"
    name = f"odd_{target.database}"
    db.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password.replace(chr(39), chr(39) * 2)}'")
    opens(replace(target, user=name, password=Secret(password))).close()
    db.execute(f"DROP ROLE {name}")


def test_only_a_server_that_asks_wants_a_password(target: Target, role: Role) -> None:
    assert wants_password(replace(role(), password=None))
    assert not wants_password(target)
    assert not wants_password(replace(target, host="/nowhere"))


@OPEN
def test_a_missing_database_is_named(target: Target, opens: Open) -> None:
    with pytest.raises(TargetError, match="no database 'nowhere'") as caught:
        opens(target.with_database("nowhere"))
    assert caught.value.id == "TARGET-DATABASE"


@OPEN
def test_a_port_where_nobody_listens_is_unreachable_and_the_address_is_shown(opens: Open) -> None:
    with socket.socket() as taken:  # bound and not listening: no other program can open it meanwhile
        taken.bind(("127.0.0.1", 0))
        target = Target("127.0.0.1", taken.getsockname()[1], "u", "d", Secret(CANARY))
        with pytest.raises(TargetError, match="Connection refused") as caught:
            opens(target)
    assert caught.value.id == "TARGET-UNREACHABLE"
    assert not isinstance(caught.value, ConnectionLost)
    assert target.display in caught.value.message
    assert CANARY not in str(caught.value)
    assert caught.value.hint
    assert isinstance(explain(caught.value.__cause__ or caught.value, target, established=True), ConnectionLost)


@OPEN
def test_a_host_that_does_not_exist_is_named(opens: Open) -> None:
    target = Target("nowhere.invalid", 5432, "u", "d", Secret(CANARY))  # RFC 2606: never resolves
    with pytest.raises(TargetError, match=re.escape("nowhere.invalid")) as caught:
        opens(target)
    assert caught.value.id == "TARGET-HOST"


@OPEN
def test_a_server_without_tls_that_is_to_have_it_is_told_as_such(server_without_tls: Target, opens: Open) -> None:
    with pytest.raises(TargetError, match="SSL") as caught:
        opens(replace(server_without_tls, parameters={"sslmode": "require"}))
    assert caught.value.id == "TARGET-TLS"
    assert not isinstance(caught.value, ConnectionLost)


@OPEN
@pytest.mark.parametrize(
    ("statement", "id", "said"),
    [
        ("SELECT certificate FROM nothing", "TARGET-SQL", 'relation "nothing" does not exist'),
        ("INSERT INTO one VALUES (7)", "TARGET-SQL", r"Key \(id\)=\(7\) already exists"),
        ("ALTER SYSTEM SET port = 1", "TARGET-SQL", "transaction block|cannot run inside"),
    ],
)
def test_an_error_of_sql_names_what_the_server_names(
    target: Target, db: Any, opens: Open, statement: str, id: str, said: str
) -> None:
    db.execute("CREATE TABLE one (id int PRIMARY KEY); INSERT INTO one VALUES (7)")
    if opens is connect and statement.startswith("ALTER"):
        statement = f"BEGIN; {statement}"
    error = failure(target, opens, statement)
    assert (error.id, type(error)) == (id, TargetError)
    assert re.search(said, error.message)
    assert error.sqlstate


@OPEN
def test_a_right_that_is_missing_is_told_as_such(role: Role, db: Any, opens: Open) -> None:
    db.execute("CREATE TABLE secret_things ()")
    error = failure(role(), opens, "SELECT * FROM secret_things")
    assert (error.id, error.sqlstate) == ("TARGET-PRIVILEGE", "42501")
    assert "secret_things" in error.message


@OPEN
def test_a_read_only_server_is_told_as_such(target: Target, db: Any, opens: Open) -> None:
    db.execute(f"ALTER DATABASE {target.database} SET default_transaction_read_only = on")
    error = failure(target, opens, "CREATE TABLE t ()")
    assert (error.id, error.sqlstate) == ("TARGET-READ-ONLY", "25006")


@OPEN
def test_a_terminated_session_is_a_lost_connection(target: Target, db: Any, opens: Open) -> None:
    connection = opens(target)
    [(pid,)] = run(connection, "SELECT pg_backend_pid()")
    db.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of either driver
        run(connection, "SELECT 1")
    connection.close()
    error = explain(caught.value, target, established=True)
    assert isinstance(error, ConnectionLost)
    assert error.id == "TARGET-LOST"


def test_a_lock_that_is_not_given_may_be_tried_again(target: Target, db: Any) -> None:
    db.execute("CREATE TABLE busy ()")
    with connect(target, autocommit=False) as holder:
        holder.execute("LOCK TABLE busy")
        with connect(target) as other, pytest.raises(psycopg.Error) as caught:
            other.execute("SET lock_timeout = 1; LOCK TABLE busy")
    error = explain(caught.value, target)
    assert isinstance(error, ConnectionLost)
    assert (error.id, error.sqlstate) == ("TARGET-BUSY", "55P03")


@OPEN
def test_a_crashed_server_is_waited_for_and_the_work_done_again(own_server: EmbeddedServer, opens: Open) -> None:
    target = own_server.target()
    connection = opens(target)
    own_server.crash()
    told: list[str] = []

    def on_wait(line: str) -> None:
        told.append(line)
        if len(told) == 2:  # after the lost session, and after a connection that was refused
            own_server.start_again()

    held = [connection]

    def work() -> list[tuple[Any, ...]]:
        if not held:
            held.append(opens(target))
        try:
            return run(held[0], "SELECT 1")
        except BaseException:
            held.pop().close()
            raise

    done = retrying(work, target=target, established=True, stop=threading.Event(), on_wait=on_wait)
    held[0].close()
    assert done == [(1,)]
    assert re.search(r"was lost: .*Trying again in \d\.\d s \(attempt 2\)", told[0])
    assert len(told) >= 2


def test_a_server_that_was_never_there_is_not_waited_for() -> None:
    target = Target("/nowhere", 5432, "u", "d")
    told: list[str] = []
    with pytest.raises(TargetError) as caught:
        retrying(lambda: connect(target), target=target, established=False, stop=threading.Event(), on_wait=told.append)
    assert caught.value.id == "TARGET-UNREACHABLE"
    assert told == []


@pytest.mark.parametrize("host", ["/nowhere", "nowhere.invalid"])
def test_a_network_that_went_away_is_waited_for(host: str) -> None:
    target = Target(host, 5432, "u", "d")
    stop = threading.Event()
    with pytest.raises(Interrupted):
        retrying(lambda: connect(target), target=target, established=True, stop=stop, on_wait=lambda _: stop.set())


def lost() -> None:
    raise ConnectionLost("TARGET-LOST", "The connection was lost.", "")


def test_the_last_error_is_raised_when_the_time_is_over(target: Target) -> None:
    told: list[str] = []
    with pytest.raises(ConnectionLost, match="was lost"):
        retrying(lost, target=target, established=True, stop=threading.Event(), on_wait=told.append, limit_seconds=0.3)
    assert told


def test_the_time_counts_from_the_loss_and_not_from_the_start_of_the_work(target: Target) -> None:
    gate, limit = threading.Event(), 0.2
    attempts: list[int] = []

    def work() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            gate.wait(2 * limit)  # a long chunk, or a pause, that goes well until the connection is lost
            lost()
        return "done"

    assert (
        retrying(
            work, target=target, established=True, stop=threading.Event(), on_wait=lambda _: None, limit_seconds=limit
        )
        == "done"
    )


def test_stop_ends_the_waiting(target: Target) -> None:
    stop = threading.Event()
    with pytest.raises(Interrupted):
        retrying(lost, target=target, established=True, stop=stop, on_wait=lambda _: stop.set())


@pytest.fixture
def server_without_tls() -> Iterator[Target]:
    """Something that answers a request for TLS with No, as a Postgres without it does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.recv(64)
                client.sendall(b"N")
                client.recv(64)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield Target("127.0.0.1", listener.getsockname()[1], "u", "d", Secret(CANARY))
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
