"""Connecting: where the target is, how a session on it is set up, and what its errors mean to a person."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import tenacity
from psycopg import conninfo

from migrator_tui.model.errors import ConnectionLost, Interrupted, TargetError, UsageError
from migrator_tui.model.secret import Secret

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

T = TypeVar("T")

DEFAULT_PORT = 5432
CONNECT_TIMEOUT = 10
SUPABASE_HOST = re.compile(r"\.supabase\.(co|com)$")

# A dead link ends instead of hanging: seconds and milliseconds as libpq takes them.
KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}

SESSION = (
    "SET statement_timeout = 0",
    "SET lock_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET TimeZone = 'UTC'",
    "SET DateStyle = 'ISO, YMD'",
    "SET IntervalStyle = 'postgres'",
    "SET bytea_output = 'hex'",
    "SET extra_float_digits = 1",
    # A policy that would hide rows raises instead.
    "SET row_security = off",
)
"""The text of a row, and so its hash, must not depend on the role's or the database's settings."""


@dataclass(frozen=True, slots=True)
class Target:
    """A Postgres database and how to get there.

    Attributes:
        parameters: Further libpq parameters of the URL (``sslmode``, ``sslrootcert`` …).
    """

    host: str
    port: int
    user: str
    database: str
    password: Secret | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, url: str) -> Target:
        """Read a URL.

        Raises:
            UsageError: It is none that libpq understands. The text is not repeated: it may hold a password.
        """
        hint = "Write it as postgresql://user@host:5432/database; characters such as @ # / % in a password as %40 …"
        if not re.match(r"postgres(ql)?://", url):
            raise UsageError("TARGET-URL", "The target is not a Postgres URL.", hint)
        try:
            found = {k: str(v) for k, v in conninfo.conninfo_to_dict(url).items() if v is not None}
        except psycopg.Error as error:
            raise UsageError("TARGET-URL", "The target is not a URL that Postgres understands.", hint) from error
        try:
            port = int(found.pop("port", "") or DEFAULT_PORT)
        except ValueError as error:
            raise UsageError("TARGET-URL", "The target's port is not a number.", hint) from error
        user = found.pop("user", "") or "postgres"
        host = found.pop("host", "") or found.pop("hostaddr", "") or "localhost"
        if "@" in host or "#" in host:
            raise UsageError("TARGET-URL", "The target's host is not a host name.", hint)
        password = found.pop("password", "")
        return cls(host, port, user, found.pop("dbname", "") or user, Secret(password) if password else None, found)

    @property
    def local(self) -> bool:
        """On this machine: a socket or a loopback address."""
        return self.host.startswith("/") or self.host in ("localhost", "127.0.0.1", "::1")

    @property
    def display(self) -> str:
        """The connection string without the password, put together from the parsed parts."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.host.startswith("/"):
            return f"postgresql://{self.user}@/{self.database}?host={self.host}"
        return f"postgresql://{self.user}@{host}:{self.port}/{self.database}"

    @property
    def label(self) -> str:
        """A short name that tells targets apart: ``database@host``."""
        return f"{self.database}@{'localhost' if self.host.startswith('/') else self.host}"

    def with_password(self, secret: Secret) -> Target:
        """The target with a password."""
        return replace(self, password=secret)

    def with_database(self, name: str) -> Target:
        """Another database of the same server."""
        return replace(self, database=name)

    def conninfo(self, **extra: str) -> str:
        """The libpq connection string, password included; never to be shown."""
        given: dict[str, str] = {"connect_timeout": str(CONNECT_TIMEOUT), "client_encoding": "UTF8"}
        if not self.host.startswith("/"):
            given |= KEEPALIVES
        if SUPABASE_HOST.search(self.host):
            given["sslmode"] = "require"
        given |= dict(self.parameters)
        given |= {"host": self.host, "port": str(self.port), "user": self.user, "dbname": self.database} | extra
        if self.password is not None:
            given["password"] = self.password.reveal()
        return conninfo.make_conninfo(**given)


def connect(
    target: Target, *, autocommit: bool = True, application_name: str = "migrator-tui"
) -> psycopg.Connection[tuple[Any, ...]]:
    """A session for everything that is not bulk.

    Raises:
        TargetError: As :func:`explain` says.
    """
    try:
        connection = psycopg.connect(
            target.conninfo(application_name=application_name), autocommit=True, prepare_threshold=None
        )
        connection.execute("; ".join(SESSION))
        connection.autocommit = autocommit
    except psycopg.Error as error:
        raise explain(error, target) from error
    return connection


def connect_adbc(target: Target, *, application_name: str = "migrator-tui") -> dbapi.Connection:
    """A session for bulk data, not in autocommit.

    Raises:
        TargetError: As :func:`explain` says.
    """
    import adbc_driver_manager
    from adbc_driver_postgresql import dbapi

    try:
        connection: dbapi.Connection = dbapi.connect(target.conninfo(application_name=application_name))
        with connection.cursor() as cursor:
            for statement in SESSION:
                cursor.execute(statement)
        connection.commit()
    except adbc_driver_manager.Error as error:
        raise explain(error, target) from error
    return connection


def wants_password(target: Target) -> bool:
    """Whether the server asks for a password that the target does not have."""
    try:
        psycopg.connect(target.conninfo(application_name="migrator-tui")).close()
    except psycopg.Error as error:
        return bool(re.search("no password supplied|password authentication failed", str(error)))
    return False


_LOST = re.compile(
    "server closed the connection|no connection to the server|terminating connection|connection is lost|"
    "connection not open|Connection reset|Broken pipe|SSL connection has been closed|connection is closed|"
    "consuming input failed|SSL SYSCALL|the database system is|another command is already in progress|"
    "Failed to rollback|EOF detected|could not receive data|could not send data",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    "Connection refused|timeout expired|timed out|No route to host|Network is unreachable|No such file or directory|"
    "Failed to connect|Is the server running",
    re.IGNORECASE,
)
_RETRYABLE = re.compile("08...|57P0.|40001|40P01|55P03|53300")


def explain(error: BaseException, target: Target, *, established: bool = False) -> TargetError:
    """What a driver's error means, with the next step. Never holds the password.

    Args:
        established: A session existed before, so a server that refuses now is one that restarts.
    """
    text = _first_line(error, target)
    state = getattr(error, "sqlstate", None)
    if state is None and (found := re.search(r"SQLSTATE: (\w{5})", str(error))):
        state = found[1]
    place = target.label
    known: dict[str, tuple[str, str, str]] = {
        "28P01": ("TARGET-PASSWORD", f"{place} refused the password of {target.user}.",
                  "Check user and password; nothing was retried, because servers block after repeated failures."),
        "28000": ("TARGET-ROLE", f"{place} does not let {target.user} in: {text}.", "Check the role and pg_hba.conf."),
        "3D000": ("TARGET-DATABASE", f"The server has no database {target.database!r}.", "Check the end of the URL."),
        "42501": ("TARGET-PRIVILEGE", f"{target.user} may not do this on {place}: {text}.",
                  "`migrator-tui check` names what is missing with the GRANT that gives it."),
        "25006": ("TARGET-READ-ONLY", f"{place} is read-only: {text}.",
                  "Make it writable (Supabase: an overfull project turns read-only) and resume."),
        "53100": ("TARGET-DISK-FULL", f"The disk of {place} is full.", "Make room there and resume."),
    }  # fmt: skip
    if state is None and not established:
        state = _state_of_refusal(str(error))
    if state in known:
        id, message, hint = known[state]
        return TargetError(id, message, hint, sqlstate=state)
    if state is not None and _RETRYABLE.fullmatch(state):
        id = {"53300": "TARGET-CONNECTIONS", "55P03": "TARGET-BUSY"}.get(state, "TARGET-LOST")
        return ConnectionLost(id, f"{place}: {text}.", "`migrator-tui resume RUN` goes on.", sqlstate=state)
    if re.search("could not translate host name|Name or service not known", str(error)):
        return TargetError(
            "TARGET-HOST", f"The host {target.host} does not exist.", "Check the URL, and that this machine is online."
        )
    if re.search("SSL|certificate|sslmode", str(error)) and not established:
        return TargetError("TARGET-TLS", f"{place}: {text}.", "See sslmode and sslrootcert in the URL.")
    if state is None and (_LOST.search(str(error)) or _UNREACHABLE.search(str(error))):
        if established:
            return ConnectionLost("TARGET-LOST", f"The connection to {place} was lost: {text}.", "")
        if _UNREACHABLE.search(str(error)):
            return TargetError(
                "TARGET-UNREACHABLE",
                f"{target.display} cannot be reached: {text}.",
                "Check host and port, and that the server runs.",
            )
        return ConnectionLost("TARGET-LOST", f"The connection to {place} was lost: {text}.", "")
    return TargetError("TARGET-SQL", f"{place}: {text}.", "", sqlstate=state)


def _state_of_refusal(text: str) -> str | None:
    """The SQLSTATE that libpq does not pass on when connecting fails."""
    signs = {
        "28P01": "password authentication failed|no password supplied",
        "28000": r'role ".*" does not exist|no pg_hba.conf entry|is not permitted to log in|Peer authentication failed',
        "3D000": r'database ".*" does not exist',
        "53300": "too many clients|too many connections|remaining connection slots",
        "57P03": "the database system is (starting up|shutting down|in recovery)",
    }
    return next((state for state, sign in signs.items() if re.search(sign, text)), None)


def _first_line(error: BaseException, target: Target) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = next((line for line in reversed(lines) if "failed:" in line), lines[0] if lines else type(error).__name__)
    text = re.sub(r"^.*?(ERROR|FATAL):\s+", "", text)
    text = re.sub(r"^.*? failed: ", "", text)
    text = re.sub(r"\.? ?SQLSTATE: \w{5}$", "", text).rstrip(".")
    if target.password is not None and target.password.reveal():
        text = text.replace(target.password.reveal(), "***")
    return text


def retrying(
    work: Callable[[], T],
    *,
    target: Target,
    established: bool,
    stop: threading.Event,
    on_wait: Callable[[str], None],
    limit_seconds: float = 120,
) -> T:
    """Do ``work``, again after a lost connection: with back-off and jitter, for a bounded time.

    Args:
        established: Also retry while the server cannot be reached, because it could before.
        stop: Ends the waiting.
        on_wait: Told why, and how long until the next attempt.

    Raises:
        Interrupted: ``stop`` was set while waiting.
        TargetError: Anything that is not a lost connection, at once; a lost one when the time is over.
    """

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise Interrupted("CANCELLED", "Cancelled.", "`migrator-tui resume RUN` goes on where it stopped.")

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0.0
        on_wait(
            f"{getattr(error, 'message', error)} Trying again in {wait:.1f} s (attempt {state.attempt_number + 1})."
        )

    def worth_it(error: BaseException) -> bool:
        return isinstance(error, ConnectionLost) or (
            established and isinstance(error, TargetError) and error.id == "TARGET-UNREACHABLE"
        )

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(worth_it),
        wait=tenacity.wait_random_exponential(multiplier=0.3, max=10) + tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(limit_seconds),
        sleep=sleep,
        before_sleep=before_sleep,
        reraise=True,
    )(work)
