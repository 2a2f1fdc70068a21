"""Freeze a source: an immutable, checked copy that every later step reads.

The copy is made by SQLite's backup API inside one read transaction, so it is one committed state of the source, also
while other programs write to it. It needs no ``-wal``, so readers may open it ``immutable=1``.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.locations import PRIVATE_FILE, make_private_folder, sync_folder, write_private
from migrator_tui.model.errors import SourceError
from migrator_tui.sqlite import diagnosis
from migrator_tui.sqlite.steady_copy import steady_copy

FILE_NAME = "snapshot.sqlite"
RECORD_NAME = "snapshot-source.json"
BUSY_SECONDS = 5.0
SPARE_BYTES = 1 << 20
"""Free space to leave beside the copy: the journal of its last changes."""

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OWN_LEFTOVERS = ("", "-wal", "-shm", "-journal")

# What integrity_check says about values rather than about the file: rows that a constraint would refuse today, in
# columns that the profile counts.
_ABOUT_VALUES = re.compile(r"(NULL|TEXT|NUMERIC|non-\w+) value (missing )?(in|from) |CHECK constraint failed in ")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A frozen copy of a source.

    Attributes:
        path: The copy.
        source: The file that it was made from.
        sha256: Of the copy's bytes.
        bytes: Size of the copy.
        encoding: ``UTF-8``, ``UTF-16le`` or ``UTF-16be``.
        tables: Number of tables, SQLite's own left out.
        foreign_key_violations: Rows that ``foreign_key_check`` lists; foreign keys that fit no key of their parent
            (a "foreign key mismatch") are not counted.
    """

    path: Path
    source: Path
    sha256: str
    bytes: int
    encoding: str
    tables: int
    foreign_key_violations: int


def _silent(_: str) -> None:
    pass


def freeze(
    source: Path, folder: Path, *, progress: Callable[[str], None] = _silent, busy_seconds: float = BUSY_SECONDS
) -> Snapshot:
    """Make ``folder/snapshot.sqlite``, a checked immutable copy of ``source`` as it is at this moment.

    Args:
        folder: Created, readable by its owner alone. An older snapshot in it is replaced once the new one is whole.
        progress: Is told what is being done. What it raises ends the attempt, and leaves nothing behind.
        busy_seconds: How long to wait for a lock of another program.

    Raises:
        SourceError: ``SOURCE-MISSING``, ``SOURCE-DIRECTORY``, ``SOURCE-UNREADABLE``, ``SOURCE-NOT-SQLITE``,
            ``SOURCE-TRUNCATED``, ``SOURCE-CORRUPT``, ``SOURCE-LOCKED``, ``SNAPSHOT-DISK-FULL``,
            ``SNAPSHOT-UNWRITABLE``.
    """
    source = source.absolute()
    size = diagnosis.examine(source)
    final = folder / FILE_NAME
    part = folder / f"{FILE_NAME}.{secrets.token_hex(4)}.part"  # an abandoned attempt may still be at its own
    try:
        make_private_folder(folder)
        _make_room(part, folder, size)
        progress(f"copying {size:,} bytes")
        if not _backed_up(source, part, busy_seconds):
            progress("copying file by file, because it cannot be opened where it is")
            _copied_and_recovered(source, part, busy_seconds)
        progress("checking the copy")
        encoding, tables, violations = _settle(source, part)
        sha256, size = _sync_and_hash(part)
        progress("copied and checked")
        record = folder / RECORD_NAME
        record.unlink(missing_ok=True)
        part.replace(final)
        snapshot = Snapshot(final, source, sha256, size, encoding, tables, violations)
        write_private(record, _recorded(snapshot))
        sync_folder(folder)
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise _disk_full(folder, size, str(error)) from error
        raise SourceError(
            "SNAPSHOT-UNWRITABLE",
            f"The snapshot of {source} cannot be written to {folder}: {error.strerror or error}.",
            "Choose another place with MIGRATOR_TUI_HOME, or give this user permission to write there.",
        ) from error
    finally:
        with suppress(OSError):
            _remove(part)
    return snapshot


def reopen(folder: Path, sha256: str | None = None) -> Snapshot:
    """The snapshot that an earlier process made, proven to be unchanged.

    Args:
        sha256: What the caller recorded; without it, what :func:`freeze` recorded beside the snapshot.

    Raises:
        SourceError: ``SNAPSHOT-MISSING``, ``SNAPSHOT-CHANGED``.
    """
    path = folder / FILE_NAME
    try:
        found, size = _hash(path)
    except OSError as error:
        raise SourceError(
            "SNAPSHOT-MISSING",
            f"The snapshot {path} cannot be read: {error.strerror or error}.",
            "The run cannot be resumed without it; start a new run.",
        ) from error
    record = _read_record(folder)
    if found != (sha256 or record.get("sha256") or found):
        raise SourceError(
            "SNAPSHOT-CHANGED",
            f"The snapshot {path} is not the file that was frozen: its SHA-256 is {found}.",
            "Something wrote to it; start a new run.",
        )
    if record.get("sha256") == found:
        return Snapshot(
            path,
            Path(record["source"]),
            found,
            size,
            record["encoding"],
            int(record["tables"]),
            int(record["foreign_key_violations"]),
        )
    with closing(connect(path)) as connection:
        return Snapshot(path, path, found, size, *_facts(connection))


def connect(snapshot: Path) -> sqlite3.Connection:
    """A read-only connection to a snapshot; never to a live file, whose ``-wal`` it would not see."""
    return sqlite3.connect(snapshot_uri(snapshot), uri=True, check_same_thread=False, isolation_level=None)


def snapshot_uri(snapshot: Path) -> str:
    """The URI of a snapshot, for any SQLite library."""
    return snapshot.absolute().as_uri() + "?mode=ro&immutable=1"


def _backed_up(source: Path, part: Path, busy_seconds: float) -> bool:
    """Copy by the backup API; False where the source can only be recovered as a copy."""
    uri = source.as_uri() + "?mode=ro"
    log = source.with_name(source.name + "-wal")
    had_log = log.exists()
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=busy_seconds, isolation_level=None)) as live:
            # The read transaction comes first: Connection.backup would wait for a lock without end.
            live.execute("BEGIN")
            live.execute("SELECT count(*) FROM sqlite_master").fetchone()
            pages, page = (live.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
            _whole(source, pages, page)
            _make_room(part, part.parent, pages * page)
            _backup(live, part, pages * page)
    except sqlite3.Error as error:
        if diagnosis.code_of(error) in (diagnosis.READ_ONLY, diagnosis.CANNOT_OPEN):
            return False
        raise diagnosis.explain(error, source, busy_seconds) from error
    if not had_log and log.exists():
        _tidy(source)
    return True


def _whole(source: Path, pages: int, page: int) -> None:
    """SQLite reads the missing bytes of a page that is cut off as zeros, without an error."""
    size = source.stat().st_size
    log = source.with_name(source.name + "-wal")
    pages_in_log = log.exists() and log.stat().st_size > 0
    if size % page or (size < pages * page and not pages_in_log):
        raise diagnosis.truncated(source, f"it should have {pages:,} pages of {page:,} bytes, and has {size:,} bytes")


def _tidy(source: Path) -> None:
    """Take away the empty log that reading a WAL database leaves: a connection that may write does so as it closes."""
    try:
        with closing(sqlite3.connect(source.as_uri() + "?mode=rw", uri=True, timeout=0)) as last:
            last.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:  # it does no harm
        return


def _backup(live: sqlite3.Connection, part: Path, size: int) -> None:
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # synced once, when it is whole
        try:
            live.backup(copy, pages=-1)
        except sqlite3.Error as error:
            full = (diagnosis.FULL, diagnosis.WRITE_FAILED)
            if diagnosis.code_of(error) in full or diagnosis.extended_code_of(error) in full:
                raise _disk_full(part.parent, size, str(error)) from error
            raise


def _copied_and_recovered(source: Path, part: Path, busy_seconds: float) -> None:
    try:
        steady_copy(source, part)
    except PermissionError as error:
        raise diagnosis.unreadable(source, f"{error.strerror}: {error.filename}") from error
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            copy.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise diagnosis.explain(error, source, busy_seconds) from error


def _settle(source: Path, part: Path) -> tuple[str, int, int]:
    """Check the copy and make it need no log."""
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()
            problems = _problems(copy)
            if not problems:
                return _facts(copy)
    except sqlite3.Error as error:
        full = (diagnosis.FULL, diagnosis.WRITE_FAILED)
        if diagnosis.code_of(error) in full or diagnosis.extended_code_of(error) in full:
            raise _disk_full(part.parent, part.stat().st_size, str(error)) from error
        problems = [str(error)]
    raise (diagnosis.from_header(part) and diagnosis.from_header(source)) or diagnosis.corrupt(source, problems)


def _problems(copy: sqlite3.Connection) -> list[str]:
    # A collation, function or module that only the application has keeps the full check from running; the quick
    # one leaves the order of indexes out.
    for check in ("integrity_check", "quick_check"):
        said: list[str] = []
        try:
            said.extend(str(row[0]) for row in copy.execute(f"PRAGMA {check}"))
        except sqlite3.DatabaseError as error:
            if str(error).startswith(("no such ", "unknown function")):
                continue
            if diagnosis.code_of(error) != diagnosis.CORRUPT:
                raise
            said.extend(_unreadable_tables(copy) or [str(error)])
        lines = [line for text in said for line in text.splitlines()]
        return [line for line in lines if line != "ok" and not line.startswith("***") and not _ABOUT_VALUES.match(line)]
    return []


def _unreadable_tables(copy: sqlite3.Connection) -> list[str]:
    """Where the check of the whole file ends with an error instead of a list."""
    problems: list[str] = []
    for name in _table_names(copy):
        try:
            copy.execute(f"PRAGMA quick_check({quote_sqlite(name)})").fetchall()
        except sqlite3.DatabaseError as error:
            problems.append(f"table {name}: {error}")
    return problems


def _table_names(connection: sqlite3.Connection) -> list[str]:
    return [
        str(name)
        for (name,) in connection.execute(
            r"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'"
        )
    ]


def _facts(connection: sqlite3.Connection) -> tuple[str, int, int]:
    encoding = str(connection.execute("PRAGMA encoding").fetchone()[0])
    names = _table_names(connection)
    violations = 0
    for name in names:
        try:
            violations += connection.execute("SELECT count(*) FROM pragma_foreign_key_check(?)", (name,)).fetchone()[0]
        except sqlite3.OperationalError:  # a mismatch, or something that only the application has
            continue
    return encoding, len(names), violations


def _make_room(part: Path, folder: Path, size: int) -> None:
    _remove(part)
    free = shutil.disk_usage(folder).free
    if free < size + SPARE_BYTES:
        raise _disk_full(folder, size, f"{free:,} bytes are free")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))


def _disk_full(folder: Path, size: int, why: str) -> SourceError:
    return SourceError(
        "SNAPSHOT-DISK-FULL",
        f"The snapshot needs {size:,} bytes in {folder}, and there is no room: {why}.",
        "Make room there, or choose another place with MIGRATOR_TUI_HOME.",
    )


def _sync_and_hash(path: Path) -> tuple[str, int]:
    path.chmod(PRIVATE_FILE)
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return _hash(path)


def _hash(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def _recorded(snapshot: Snapshot) -> str:
    return json.dumps(
        {
            "source": str(snapshot.source),
            "sha256": snapshot.sha256,
            "encoding": snapshot.encoding,
            "tables": snapshot.tables,
            "foreign_key_violations": snapshot.foreign_key_violations,
        }
    )


def _read_record(folder: Path) -> dict[str, str]:
    try:
        record = json.loads((folder / RECORD_NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _remove(part: Path) -> None:
    for suffix in _OWN_LEFTOVERS:
        part.with_name(part.name + suffix).unlink(missing_ok=True)
