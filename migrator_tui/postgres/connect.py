"""Connecting: how a session on the target is set up, what its errors mean to a person, and which are tried again."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import tenacity

from migrator_tui.model.errors import ConnectionLost, Interrupted, TargetError
from migrator_tui.postgres.denials import hint_of
from migrator_tui.postgres.target import SUPABASE_HOST, Target
from migrator_tui.postgres.tls import ENCRYPT_HINT, tls_error

if TYPE_CHECKING:
    from adbc_driver_manager import dbapi

__all__ = [
    "SESSION",
    "HangUp",
    "Target",
    "connect",
    "connect_adbc",
    "explain",
    "retrying",
    "wants_password",
    "worth_another_try",
]

T = TypeVar("T")

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
        try:
            connection.execute("; ".join(SESSION))
            connection.autocommit = autocommit
        except BaseException:
            connection.close()
            raise
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
        return _set_up(dbapi.connect(target.conninfo(application_name=application_name)))
    except adbc_driver_manager.Error as error:
        raise explain(error, target) from error


def _set_up(connection: dbapi.Connection) -> dbapi.Connection:
    try:
        with connection.cursor() as cursor:
            for statement in SESSION:
                cursor.execute(statement)
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


class HangUp:
    """Ends a session from another thread where a request to cancel gets no answer. Use as a context around the work.

    A thread that waits for a server on a dead link wakes only when its socket ends.
    """

    PATIENCE = 0.4
    """Seconds that the server has to answer the request to cancel."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._done = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> HangUp:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._done.set()

    def unless_done(self) -> None:
        """Shut the session's socket, if the work has not ended soon."""
        if self._done.wait(self.PATIENCE):
            return
        # Under the lock, because the number of a socket that was closed meanwhile may be another's.
        with self._lock, suppress(OSError, psycopg.Error):
            if not self._done.is_set():
                end = socket.socket(fileno=self._connection.fileno())
                try:
                    end.shutdown(socket.SHUT_RDWR)
                finally:
                    end.detach()  # libpq closes it


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
    "Failed to connect|Is the server running|Cannot assign requested address|Address family not supported",
    re.IGNORECASE,
)
_NO_ROUTE = re.compile("No route|Network is unreachable|Cannot assign|Address family", re.IGNORECASE)
_DIRECT = re.compile(r"db\.(?P<ref>\w+)\.supabase\.co", re.IGNORECASE)
_NO_HOST = re.compile(
    "could not translate host name|Name or service not known|failed to resolve host|name resolution", re.IGNORECASE
)
PAUSED_HINT = "Check the URL, and in the dashboard whether the project is paused: it is restored there."
NO_ROUTE_HINT = (
    "The direct host has an IPv6 address alone unless the IPv4 add-on is bought: use the session pooler, port 5432, "
    "user postgres.{ref}, whose host the dashboard shows under Connect."
)
FULL_HINT = (
    "Others hold all connections: end what need not be open, or let the pooler have more (Database settings of a "
    "project, Connection pooling). `migrator-tui resume RUN` goes on where a run stopped."
)
RESUME_HINT = "`migrator-tui resume RUN` goes on where it stopped."
REFUSED_HINT = "The server's administrator, or its log, says more."
SQL_HINT = "Nothing of that statement was kept. The server's log says more."
_POOLER = {
    # Supavisor's codes; older releases wrote some of them out. Sources: supabase/supavisor.
    r"\(ENOTFOUND\)|[Tt]enant or user not found": (
        "TARGET-ROLE", "Check the project's ref in the user name (postgres.<ref>) and the host (its region, and aws-0 "
        "or aws-1), which the dashboard shows under Connect; a paused project is restored there."),
    r"\(EMAXCONN\w*\)|MaxClientsIn|max clients reached": ("TARGET-CONNECTIONS", FULL_HINT),
    r"\(EADDRNOTALLOWED\)": (
        "TARGET-REFUSED", "Allow this machine's address under the database's network restrictions in the dashboard."),
    r"\(ESSLREQUIRED\)": ("TARGET-TLS", ENCRYPT_HINT),
    r"\(ECIRCUITBREAKER\)": (
        "TARGET-BLOCKED", "Too many sign-ins failed; wait until the block ends. Each attempt before extends it."),
}  # fmt: skip
"""What the texts of Supabase's pooler say: its errors are all XX000."""
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
                  hint_of(text, target.user)),
        "25006": ("TARGET-READ-ONLY", f"{place} is read-only: {text}.",
                  "Make it writable (Supabase: an overfull project turns read-only) and resume."),
        "53100": ("TARGET-DISK-FULL", f"The disk of {place} is full.", "Make room there and resume."),
    }  # fmt: skip
    if pooler := _of_a_pooler(str(error), text, target):
        return pooler
    if state is None:
        state = _state_of_refusal(str(error))
    if state == "28000" and re.search(r", (no encryption|SSL off)$", text):
        return TargetError("TARGET-TLS", f"{place}: {text}.", ENCRYPT_HINT, sqlstate=state)
    if state == "28P01" and "no password supplied" in str(error):
        hint = "Set MIGRATOR_TUI_TARGET_PASSWORD or PGPASSWORD, or write it into ~/.pgpass."
        return TargetError("TARGET-PASSWORD", f"{place} asks {target.user} for a password; none was given.", hint)
    if state in known:
        id, message, hint = known[state]
        return TargetError(id, message, hint, sqlstate=state)
    if state is not None and _RETRYABLE.fullmatch(state):
        id = {"53300": "TARGET-CONNECTIONS", "55P03": "TARGET-BUSY"}.get(state, "TARGET-LOST")
        ended = state.startswith("08") or state in ("57P01", "57P02")
        message = f"The connection to {place} was lost: {text}." if ended else f"{place}: {text}."
        return ConnectionLost(id, message, FULL_HINT if state == "53300" else RESUME_HINT, sqlstate=state)
    if state is None:
        return _without_state(str(error), text, target, established)
    detail = getattr(getattr(error, "diag", None), "message_detail", None) or _detail(str(error))
    if detail:
        text = f"{text} ({_without_password(detail.rstrip('.'), target)})"
    return TargetError("TARGET-SQL", f"{place}: {text}.", SQL_HINT, sqlstate=state)


def _of_a_pooler(said: str, text: str, target: Target) -> TargetError | None:
    # It tells the end of a block in seconds since 1970.
    text = re.sub(r"(?<=blocked until: )\d{10}\b", lambda found: f"{datetime.fromtimestamp(int(found[0]), UTC)}", text)
    for sign, (id, hint) in _POOLER.items():
        if re.search(sign, said):
            kind = ConnectionLost if id == "TARGET-CONNECTIONS" else TargetError
            return kind(id, f"{target.label}: {text}.", hint, sqlstate="53300" if kind is ConnectionLost else None)
    return None


def _without_state(said: str, text: str, target: Target, established: bool) -> TargetError:
    """An error that libpq made itself: there is no connection, or no longer."""
    lost = ConnectionLost("TARGET-LOST", f"The connection to {target.label} was lost: {text}.", RESUME_HINT)
    if not established and "FATAL:" in said:  # something answered, so it can be reached
        return TargetError("TARGET-REFUSED", f"{target.label} refuses the connection: {text}.", REFUSED_HINT)
    no_host, unreachable = _NO_HOST.search(said), _UNREACHABLE.search(said)
    if established and (no_host or unreachable or _LOST.search(said)):
        return lost
    hosted = bool(SUPABASE_HOST.search(target.host))
    if no_host:
        hint = PAUSED_HINT if hosted else "Check the URL, and that this machine is online."
        return TargetError("TARGET-HOST", f"The host {target.host} does not exist.", hint)
    if error := tls_error(said, text, target):
        return error
    if unreachable:
        hint = PAUSED_HINT if hosted else "Check host and port, and that the server runs."
        if (direct := _DIRECT.fullmatch(target.host)) and _NO_ROUTE.search(said):
            hint = NO_ROUTE_HINT.format(ref=direct["ref"])
        return TargetError("TARGET-UNREACHABLE", f"{target.display} cannot be reached: {text}.", hint)
    if _LOST.search(said):
        return lost
    return TargetError("TARGET-SQL", f"{target.label}: {text}.", SQL_HINT)


def _detail(text: str) -> str | None:
    found = re.search(r"^DETAIL:\s+(.+)$", text, re.MULTILINE)
    return found[1] if found else None


def _state_of_refusal(text: str) -> str | None:
    """The SQLSTATE that libpq does not pass on when connecting fails."""
    signs = {
        "28P01": "password authentication failed|no password supplied",
        "28000": r'role ".*" does not exist|no pg_hba.conf entry|is not permitted to log in|Peer authentication failed',
        "3D000": r'database ".*" does not exist',
        "53300": "too many clients|too many connections|remaining connection slots",
        "57P01": "terminating connection due to administrator command",
        "57P03": "the database system is ",
        "42501": 'permission denied for database ".*"',
    }
    return next((state for state, sign in signs.items() if re.search(sign, text)), None)


def _first_line(error: BaseException, target: Target) -> str:
    # Before anything is cut from the text: what would be left of a password could not be found any more.
    whole = _without_password(str(error), target)
    lines = [line.strip() for line in whole.splitlines() if line.strip()]
    text = next((line for line in reversed(lines) if "failed:" in line), lines[0] if lines else type(error).__name__)
    text = re.sub(r"^.*?(ERROR|FATAL):\s+", "", text)
    text = re.sub(r"^.* failed: ", "", text)
    text = re.sub(r"^[A-Z_]+: (\[libpq\] )?", "", text)
    return re.sub(r"\.? ?SQLSTATE: \w{5}$", "", text).rstrip(".")


def _without_password(text: str, target: Target) -> str:
    """libpq never says it; should a server repeat it, it goes no further."""
    password = target.password.reveal() if target.password is not None else ""
    # A word that the display has anyway (role, database, host) is none that could be hidden by taking it out.
    return text.replace(password, "***") if password and password not in target.display else text


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
        limit_seconds: Since the connection was lost. An attempt that goes well for longer starts the count again, so
            that a long pause or a long chunk does not use the patience up.

    Raises:
        Interrupted: ``stop`` was set while waiting.
        TargetError: Anything that is not a lost connection, at once; a lost one when the time is over. Errors of the
            drivers that ``work`` lets through are explained.
    """
    trouble_since: float | None = None

    def attempt() -> T:
        nonlocal trouble_since
        began = time.monotonic()
        try:
            return work()
        except Exception as error:
            now = time.monotonic()
            if trouble_since is None or now - began >= limit_seconds:
                trouble_since = now
            if _of_a_driver(error):
                raise explain(error, target, established=established) from error
            raise

    def over(state: tenacity.RetryCallState) -> bool:
        return trouble_since is not None and time.monotonic() - trouble_since >= limit_seconds

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise Interrupted("CANCELLED", "Cancelled.", RESUME_HINT)

    def before_sleep(state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0.0
        on_wait(
            f"{getattr(error, 'message', error)} Trying again in {wait:.1f} s (attempt {state.attempt_number + 1})."
        )

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: worth_another_try(error, established=established)),
        wait=tenacity.wait_random_exponential(multiplier=0.3, max=10) + tenacity.wait_fixed(0.1),
        stop=over,
        sleep=sleep,
        before_sleep=before_sleep,
        reraise=True,
    )(attempt)


def worth_another_try(error: BaseException, *, established: bool) -> bool:
    """Whether what ended an attempt may be over at the next.

    Args:
        established: The server could be reached before.
    """
    return isinstance(error, ConnectionLost) or (
        established and isinstance(error, TargetError) and error.id in ("TARGET-UNREACHABLE", "TARGET-HOST")
    )


def _of_a_driver(error: Exception) -> bool:
    # By name: whoever never loads in bulk need not load that driver.
    return isinstance(error, psycopg.Error) or any(
        kind.__module__.startswith("adbc_driver_manager") for kind in type(error).__mro__
    )
