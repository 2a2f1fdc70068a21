"""What is wrong with a source file: a SQLite error and the file's first bytes, in words.

A file is looked into by hand only after SQLite refused it, and while this process has no connection to it: closing any
descriptor of a file ends all POSIX locks that the process holds on it (sqlite.org/howtocorrupt.html, section 2.2).
"""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

from migrator_tui.model.errors import SourceError

MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100
SMALLEST_PAGE = 512

# Primary result codes, sqlite.org/rescode.html.
PERMISSION_DENIED, BUSY, LOCKED, READ_ONLY, IO_ERROR = 3, 5, 6, 8, 10
CORRUPT, FULL, CANNOT_OPEN, NOT_A_DATABASE = 11, 13, 14, 26
WRITE_FAILED = 778
"""SQLITE_IOERR_WRITE: a limit on the size of files, or a quota."""


def code_of(error: sqlite3.Error) -> int:
    """The primary result code, or 0 where the error did not come from SQLite itself."""
    return extended_code_of(error) & 0xFF


def extended_code_of(error: sqlite3.Error) -> int:
    """The extended result code, or 0 where the error did not come from SQLite itself."""
    return getattr(error, "sqlite_errorcode", None) or 0


def examine(source: Path) -> int:
    """Whether there is a file that can be read, without opening it.

    Returns:
        Its size in bytes.

    Raises:
        SourceError: ``SOURCE-MISSING``, ``SOURCE-DIRECTORY``, ``SOURCE-UNREADABLE``, ``SOURCE-NOT-SQLITE``.
    """
    try:
        status = source.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(
            "SOURCE-MISSING",
            f"There is no file {source}.",
            "Check the path; it starts at the current folder.",
        ) from None
    except PermissionError:
        raise unreadable(source) from None
    except (OSError, ValueError) as error:  # a name that is too long, a loop of links, a NUL in the name
        raise SourceError("SOURCE-MISSING", f"{source} cannot be opened: {error}.", "Check the path.") from None
    if stat.S_ISDIR(status.st_mode):
        raise SourceError("SOURCE-DIRECTORY", f"{source} is a folder.", "Name the SQLite file in it.")
    if not stat.S_ISREG(status.st_mode):
        raise SourceError("SOURCE-NOT-SQLITE", f"{source} is not a regular file.", "Name a SQLite file.")
    if not os.access(source, os.R_OK):
        raise unreadable(source)
    return status.st_size


def unreadable(source: Path, why: str = "permission denied") -> SourceError:
    """The error for a file that this user may not read."""
    return SourceError(
        "SOURCE-UNREADABLE",
        f"{source} cannot be read: {why}.",
        "Give this user read permission on the file and on its folder.",
    )


def locked(source: Path, seconds: float) -> SourceError:
    """The error for a database that stayed locked."""
    return SourceError(
        "SOURCE-LOCKED",
        f"{source} is locked by another program and stayed so for {seconds:g} s.",
        "Wait until that program has ended its transaction, or stop it, and try again.",
    )


def explain(error: sqlite3.Error, source: Path, busy_seconds: float) -> SourceError:
    """The error of a source that SQLite refused. No connection to it may be open in this process."""
    code = code_of(error)
    if code in (BUSY, LOCKED):
        return locked(source, busy_seconds)
    if code == NOT_A_DATABASE:
        return from_header(source) or not_sqlite(source)
    if code == CORRUPT:
        return from_header(source) or corrupt(source, [str(error)])
    if code in (PERMISSION_DENIED, READ_ONLY, CANNOT_OPEN, IO_ERROR):
        return unreadable(source, str(error))
    return SourceError(
        "SOURCE-CORRUPT",
        f"{source} cannot be read: {error}.",
        "Open it with the sqlite3 command line tool to see whether it is whole.",
    )


def from_header(source: Path) -> SourceError | None:
    """What the header and the size of the file say, or None where they say nothing."""
    try:
        size = source.stat().st_size
        with source.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError as error:
        return unreadable(source, error.strerror or str(error))
    if size == 0:
        return None
    if header[: len(MAGIC)] != MAGIC[: len(header)]:
        return not_sqlite(source)
    if size < SMALLEST_PAGE:
        return truncated(source, f"it has {size:,} bytes, less than one page")
    page = int.from_bytes(header[16:18], "big")
    page = 65536 if page == 1 else page
    pages = int.from_bytes(header[28:32], "big")
    if page and pages and size < page * pages:
        return truncated(source, f"its header says {pages:,} pages of {page:,} bytes, and it has {size:,} bytes")
    if page and size % page:
        return truncated(source, f"its {size:,} bytes are no whole number of pages of {page:,} bytes")
    return None


def not_sqlite(source: Path) -> SourceError:
    """The error for a file that is something else."""
    return SourceError(
        "SOURCE-NOT-SQLITE",
        f"{source} is not a SQLite database.",
        "Check the path. An encrypted database (SQLCipher, SEE) cannot be told from any other bytes: decrypt it first.",
    )


def truncated(source: Path, why: str) -> SourceError:
    """The error for a file whose end is missing."""
    return SourceError(
        "SOURCE-TRUNCATED",
        f"{source} is cut off: {why}.",
        "Copy or download it again, or take it from a backup.",
    )


def corrupt(source: Path, problems: list[str]) -> SourceError:
    """The error for a file that fails SQLite's own integrity check."""
    first = "; ".join(problems[:3])
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return SourceError(
        "SOURCE-CORRUPT",
        f"{source} is damaged: {first}{more}.",
        "Repair it: `sqlite3 FILE .recover | sqlite3 REPAIRED` (and `REINDEX` where only indexes are named), then "
        "try again with the repaired file.",
    )
