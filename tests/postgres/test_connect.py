"""Sessions on a real server, and what its errors become."""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), max_size=8),
    st.sampled_from(["{}", "FATAL:  {}", 'connection to server at "h", port 5432 failed: FATAL:  no {} here',
                     "x\nDETAIL:  {}", "IO: [libpq] Failed to connect: {}. SQLSTATE: 42601", "(ENOTFOUND) {}",
                     "SSL error: {}"]),
    st.booleans(),
)  # fmt: skip
def test_no_error_shows_the_password_whatever_a_server_says(around: str, said: str, established: bool) -> None:
    password = f"{around}{CANARY}{around}"
    target = Target("h", 5432, "u", "d", Secret(password))
    error = explain(psycopg.OperationalError(said.format(password)), target, established=established)
    assert not any(CANARY in text for text in (str(error), repr(error), error.message, error.hint))
    assert error.id
    assert error.exit_code == 1


@pytest.mark.parametrize(
    ("host", "said", "id", "hint"),
    [
        ("db.abcd.supabase.co", "Network is unreachable", "TARGET-UNREACHABLE", "user postgres.abcd"),
        ("db.abcd.supabase.co", "Connection refused", "TARGET-UNREACHABLE", "paused"),
        ("aws-0-x.pooler.supabase.com", "Network is unreachable", "TARGET-UNREACHABLE", "paused"),
        ("example.com", "Network is unreachable", "TARGET-UNREACHABLE", "that the server runs"),
        ("db.abcd.supabase.co", "could not translate host name", "TARGET-HOST", "paused"),
        ("example.com", "could not translate host name", "TARGET-HOST", "online"),
        ("db.abcd.supabase.co", "SSL error: certificate verify failed", "TARGET-TLS", "Download the certificate"),
        ("db.abcd.supabase.co", 'root certificate file "x" does not exist', "TARGET-TLS", "Download the certificate"),
        ("example.com", "SSL error: certificate verify failed", "TARGET-TLS", "?sslrootcert=FILE"),
    ],
)
def test_a_projects_host_that_does_not_answer_is_told_as_one(host: str, said: str, id: str, hint: str) -> None:
    text = f'connection to server at "{host}" (2001:db8::7), port 5432 failed: {said}'
    error = explain(psycopg.OperationalError(text), Target(host, 5432, "postgres", "postgres"))
    assert error.id == id
    assert hint in error.hint


class Refusing:
    """Answers every start of a session with an error of these words, as a server or a pooler does."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self.code, self.said = "", ""
        self.target = Target("127.0.0.1", self._listener.getsockname()[1], "u", "d", Secret(CANARY))
        self.met = 0
        self._thread.start()

    def _answer(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                while len(client.recv(1024)) == 8:  # may there be TLS, or GSSAPI?
                    client.sendall(b"N")
                self.met += 1
                fields = f"SFATAL\0VFATAL\0C{self.code}\0M{self.said}\0\0".encode()
                client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
                client.recv(1024)

    def close(self) -> None:
        """End it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def refusing() -> Iterator[Refusing]:
    """A server that lets nobody in."""
    server = Refusing()
    yield server
    server.close()


HBA = 'no pg_hba.conf entry for host "10.0.0.1", user "u", database "d"'


@OPEN
@pytest.mark.parametrize("established", [False, True], ids=["new", "before"])
@pytest.mark.parametrize(
    ("code", "said", "id", "again"),
    [
        ("57P03", "the database system is starting up", "TARGET-LOST", True),
        ("57P03", "the database system is not yet accepting connections", "TARGET-LOST", True),
        ("53300", "sorry, too many clients already", "TARGET-CONNECTIONS", True),
        ("XX000", "(EMAXCONNSESSION) max clients reached in session mode", "TARGET-CONNECTIONS", True),
        ("28000", f"{HBA}, no encryption", "TARGET-TLS", False),
        ("28000", f"{HBA}, SSL encryption", "TARGET-ROLE", False),
        ("XX000", "(ESSLREQUIRED) SSL connection is required", "TARGET-TLS", False),
        ("XX000", "(ENOTFOUND) tenant/user postgres.abcd not found", "TARGET-ROLE", False),
        ("XX000", "(EADDRNOTALLOWED) Address not in tenant allow_list", "TARGET-REFUSED", False),
        ("XX000", "(ECIRCUITBREAKER) too many failures, blocked until 2026-11-23 02:00", "TARGET-BLOCKED", False),
        ("28P01", 'password authentication failed for user "u"', "TARGET-PASSWORD", False),
    ],
)  # fmt: skip
def test_what_a_server_says_at_the_door_is_told_and_tried_again_only_where_that_helps(
    refusing: Refusing, opens: Open, code: str, said: str, id: str, again: bool, established: bool
) -> None:
    refusing.code, refusing.said = code, said
    target, stop = refusing.target, threading.Event()
    told: list[str] = []

    def on_wait(line: str) -> None:
        told.append(line)
        stop.set()

    with pytest.raises(Interrupted if again else TargetError) as caught:
        retrying(lambda: opens(target), target=target, established=established, stop=stop, on_wait=on_wait)
    if again:
        assert said in told[0]
        with pytest.raises(ConnectionLost) as caught_again:
            opens(target)
        assert caught_again.value.id == id
        return
    assert isinstance(caught.value, TargetError)
    assert (caught.value.id, refusing.met, told) == (id, 1, [])
    assert said in caught.value.message or id == "TARGET-PASSWORD"
    assert caught.value.hint
    assert caught.value.exit_code == 1


@OPEN
def test_a_server_that_repeats_the_password_does_not_make_it_seen(refusing: Refusing, opens: Open) -> None:
    refusing.code, refusing.said = "08P01", f"who would choose {CANARY}?"
    with pytest.raises(TargetError, match=r"who would choose \*\*\*") as caught:
        opens(refusing.target)
    assert caught.value.id == "TARGET-REFUSED"
    assert CANARY not in str(caught.value)


@OPEN
def test_a_server_that_accepts_and_says_nothing_is_given_up(opens: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = Target("127.0.0.1", silent.getsockname()[1], "u", "d", None, {"connect_timeout": "1"})
        with pytest.raises(TargetError, match="timeout expired") as caught:
            opens(target)
    assert caught.value.id == "TARGET-UNREACHABLE"


@OPEN
@pytest.mark.parametrize(
    ("statement", "id", "said"),
    [
        ("ALTER ROLE {role} CONNECTION LIMIT 0", "TARGET-CONNECTIONS", "too many connections for role"),
        ("ALTER ROLE {role} NOLOGIN", "TARGET-ROLE", "not permitted to log in"),
        ("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC", "TARGET-PRIVILEGE", "permission denied for database"),
        ("ALTER DATABASE {database} ALLOW_CONNECTIONS false", "TARGET-REFUSED", "not currently accepting connections"),
    ],
)
def test_who_is_kept_out_is_told_why(
    role: Role, server: EmbeddedServer, opens: Open, statement: str, id: str, said: str
) -> None:
    target = role()
    with connect(server.target()) as administrator:
        administrator.execute(statement.format(role=target.user, database=target.database))
        with pytest.raises(TargetError, match=said) as caught:
            opens(target)
        administrator.execute(f"ALTER DATABASE {target.database} ALLOW_CONNECTIONS true")
    assert caught.value.id == id


@OPEN
@pytest.mark.parametrize(
    ("condition", "id", "again"),
    [
        ("disk_full", "TARGET-DISK-FULL", False),
        ("serialization_failure", "TARGET-LOST", True),
        ("deadlock_detected", "TARGET-LOST", True),
        ("lock_not_available", "TARGET-BUSY", True),
        ("division_by_zero", "TARGET-SQL", False),
    ],
)
def test_only_what_may_pass_is_tried_again(target: Target, opens: Open, condition: str, id: str, again: bool) -> None:
    error = failure(target, opens, f"DO $$ BEGIN RAISE {condition}; END $$")
    assert (error.id, isinstance(error, ConnectionLost)) == (id, again)
    assert error.sqlstate
    assert error.hint


def test_the_waits_grow_at_random_and_stay_bounded(target: Target) -> None:
    waits: list[float] = []

    def on_wait(line: str) -> None:
        waits.append(float(re.search(r"again in (\d+\.\d) s", line)[1]))  # type: ignore[index]

    with pytest.raises(ConnectionLost):
        retrying(lost, target=target, established=True, stop=threading.Event(), on_wait=on_wait, limit_seconds=2)
    assert all(0.1 <= wait <= 0.1 + min(0.3 * 2**number, 10) + 0.05 for number, wait in enumerate(waits))


def test_no_process_is_started_whose_arguments_could_show_a_password(role: Role) -> None:
    started: list[str] = []
    watching = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork"):
            started.append(event)

    sys.addaudithook(hook)
    target = role()
    for opens in (connect, connect_adbc):
        opens(target).close()
    with pytest.raises(TargetError):
        connect(replace(target, password=Secret(CANARY)))
    wants_password(target)
    watching = False
    assert started == []
