"""Write a new SQLite file, so that it is there whole or not at all.

It grows beside its place as ``NAME.partial``, without a journal, because a crash throws it away; it is checked, synced
and renamed at the end. Rows go in through ADBC, a batch of Arrow a statement, and each batch is read back and compared,
value and storage class, before the next.

Python's SQLite and the one that ADBC brings never hold the file at the same time: two copies of SQLite in one process
break one another's POSIX locks (sqlite.org/howtocorrupt.html, section 2.2). For the same reason the descriptor that
holds the lock against other pulls is closed last.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import adbc_driver_sqlite.dbapi
from adbc_driver_manager.dbapi import Error as AdbcError

from migrator_tui.locations import PRIVATE_FILE
from migrator_tui.model.errors import MigratorError, UsageError
from migrator_tui.sqlite.write_rows import RowWriter

PARTIAL = ".partial"
_BESIDE = ("-wal", "-journal")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SQLITE_FULL = 13
_MAGIC = b"SQLite format 3\0"


class FileError(MigratorError):
    """The new SQLite file cannot be written."""


class NewFile:
    """A SQLite file that is being made. Use as a context: what was not published is gone at its end."""

    def __init__(self, path: Path, *, replace: bool) -> None:
        """
        Raises:
            UsageError: ``PULL-EXISTS``: there is a file and it may not be replaced, or something else of its name.
            FileError: ``PULL-IN-USE``: a program uses the file that would be replaced, or another pull writes it.
                ``PULL-FILE``, ``PULL-DISK-FULL``: the folder cannot be written.
        """
        self._to = path.expanduser().resolve()
        self._replace = replace
        self._published = False
        self._refuse()
        self.path = self._to.with_name(self._to.name + PARTIAL)
        self._refuse_foreign()
        with self._explained():
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, PRIVATE_FILE)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Another pull may have renamed it away between the two calls.
                if not os.path.samestat(os.fstat(self._descriptor), os.stat(self.path)):  # noqa: PTH116
                    raise BlockingIOError
            except OSError:
                os.close(self._descriptor)
                raise FileError(
                    "PULL-IN-USE", f"Another pull is writing {self._to}.", "Wait for it, or name another file."
                ) from None
            os.ftruncate(self._descriptor, 0)  # what a pull that was killed left behind
            os.fchmod(self._descriptor, PRIVATE_FILE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._published:
            for beside in ("", *_BESIDE):
                self.path.with_name(self.path.name + beside).unlink(missing_ok=True)
        os.close(self._descriptor)

    @contextmanager
    def session(self) -> Iterator[sqlite3.Connection]:
        """Python's own SQLite on the file; committed at the end."""
        with self._explained(), closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            # Not trusted_schema = OFF: SQLite 3.40 then refuses its own JSON functions in checks, and all that it would
            # keep from a schema is switched off in Python's SQLite anyway.
            for pragma in ("journal_mode = OFF", "synchronous = OFF"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("BEGIN")
            yield connection
            if connection.in_transaction:
                connection.execute("COMMIT")

    @contextmanager
    def rows(self) -> Iterator[RowWriter]:
        """A writer of rows; CHECKs are looked at when all is there."""
        with self._explained():
            connection = adbc_driver_sqlite.dbapi.connect(str(self.path), autocommit=True)
            try:
                with connection.cursor() as cursor:
                    for pragma in ("journal_mode = OFF", "synchronous = OFF", "ignore_check_constraints = ON"):
                        cursor.execute(f"PRAGMA {pragma}")
                        cursor.fetchall()
                    yield RowWriter(cursor)
            finally:
                connection.close()

    def publish(self) -> int:
        """Sync the file and put it in its place.

        Returns:
            Its size in bytes.

        Raises:
            FileError, UsageError: As when it was begun.
        """
        self._refuse()
        with self._explained():
            os.fsync(self._descriptor)
            size = os.fstat(self._descriptor).st_size
            if self._replace:
                os.replace(self.path, self._to)
            else:
                self._move_without_replacing()
            self._published = True
            folder = os.open(self._to.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return size

    def _move_without_replacing(self) -> None:
        try:
            os.link(self.path, self._to)
        except FileExistsError:
            raise _exists(self._to) from None
        except OSError:  # a file system without links
            self._refuse()
            os.replace(self.path, self._to)
        else:
            self.path.unlink()

    def _refuse(self) -> None:
        if self._to.is_dir():
            raise UsageError("PULL-EXISTS", f"{self._to} is a folder.", "Name a file in it.")
        if self._to.exists() and not self._to.is_file():
            raise UsageError("PULL-EXISTS", f"{self._to} is no plain file.", "Name another one.")
        if self._to.exists() and not self._replace:
            raise _exists(self._to)
        for beside in _BESIDE:
            # SQLite would read it as the new file's.
            if self._to.with_name(self._to.name + beside).exists():
                raise FileError(
                    "PULL-IN-USE",
                    f"{self._to.name}{beside} lies beside {self._to}: a program has that database open, or broke off.",
                    "Close it (or open and close the database once), or name another file.",
                )

    def _refuse_foreign(self) -> None:
        """What a pull that was killed left behind begins as a SQLite file does, or with a page not written yet."""
        with self._explained():
            if not self.path.is_symlink() and not self.path.exists():
                return
            plain = self.path.is_file() and not self.path.is_symlink()
            start = b""
            if plain:
                with self.path.open("rb") as file:
                    start = file.read(len(_MAGIC))
        if not plain or (start and start != _MAGIC and start.strip(b"\0")):
            raise UsageError(
                "PULL-EXISTS",
                f"{self.path}, under which the file would grow, is there and is not of a pull.",
                "Move it away, or name another file.",
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, AdbcError, OSError) as error:
            raise _explain(error, self._to) from error


def _exists(path: Path) -> UsageError:
    return UsageError("PULL-EXISTS", f"{path} is there already.", "Name another file, or give --replace.")


def _explain(error: Exception, path: Path) -> MigratorError:
    full = FileError(
        "PULL-DISK-FULL", f"There is no room left for {path}.", "Make room and pull again; nothing was left there."
    )
    if isinstance(error, OSError):
        if error.errno in _FULL:
            return full
        return FileError(
            "PULL-FILE",
            f"{path} cannot be written: {error.strerror or error}.",
            "Check that the folder is there and may be written to.",
        )
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code == _SQLITE_FULL or "disk is full" in str(error) or "disk I/O error" in str(error):
        return full
    return FileError("PULL-FILE", f"{path} cannot be written: {error}.", "Nothing was left there.")


def prove(statement: str, trials: Sequence[tuple[str, str]]) -> tuple[str | None, dict[str, str]]:
    """Try a CREATE TABLE in memory, and queries on what it makes.

    Args:
        trials: (name, query).

    Returns:
        What SQLite says against the statement, and what it says against each query that it refuses.
    """
    refused = {}
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(statement)
        except sqlite3.Error as error:
            return str(error), {}
        for name, query in trials:
            try:
                connection.execute(query)
            except sqlite3.IntegrityError:
                continue
            except sqlite3.Error as error:
                refused[name] = str(error)
    return None, refused


def complain(connection: sqlite3.Connection) -> list[str]:
    """What ``integrity_check`` finds; empty for a sound file."""
    with contextlib.suppress(sqlite3.DatabaseError):
        connection.execute("PRAGMA ignore_check_constraints = OFF")
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
    return [] if found == ["ok"] else found


def orphans(connection: sqlite3.Connection, table: str) -> list[tuple[str, int]]:
    """(parent, foreign key's number) for each row of a table whose parent is missing."""
    try:
        found = connection.execute('SELECT "parent", fkid FROM pragma_foreign_key_check(?)', (table,)).fetchall()
    except sqlite3.Error:  # "foreign key mismatch": it fits no key of its parent, as in the original
        return []
    return [(str(parent), int(number)) for parent, number in found]
