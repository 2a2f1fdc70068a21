"""A byte copy of a database with its journal or write-ahead log, taken only while none of them moves.

For a database that cannot be opened where it is: in WAL mode in a folder that cannot be written, or left with a hot
journal by a crash, which a read-only connection may not roll back. The copy is then recovered; the original is not
touched. Opening the original ``immutable`` instead would silently lose what is in the log.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from migrator_tui.locations import PRIVATE_FILE
from migrator_tui.model.errors import SourceError

SIDECARS = ("-wal", "-journal")
ATTEMPTS = 5
_BLOCK = 1 << 20

Print = tuple[int, int, str]
"""Size, modification time in nanoseconds, SHA-256."""


def steady_copy(source: Path, copy: Path, *, attempts: int = ATTEMPTS) -> None:
    """Copy ``source`` and its sidecars to ``copy`` and the same sidecars' names there.

    Raises:
        SourceError: ``SOURCE-LOCKED``: a file changed during each of the attempts.
        OSError: A file cannot be read, or the copy not be written.
    """
    original = source.resolve()  # SQLite names sidecars after the file that a link leads to
    for _ in range(attempts):
        present = [suffix for suffix in ("", *SIDECARS) if _beside(original, suffix).exists()]
        for suffix in SIDECARS:
            _beside(copy, suffix).unlink(missing_ok=True)
        try:
            copied = {s: _copy(_beside(original, s), _beside(copy, s)) for s in present}
            now = {s: _print(_beside(original, s)) for s in ("", *SIDECARS) if _beside(original, s).exists()}
        except FileNotFoundError:  # a sidecar that was there a moment ago
            continue
        if copied == now:
            return
    raise SourceError(
        "SOURCE-LOCKED",
        f"{source} changed {attempts} times while it was copied, and it cannot be opened where it is because its "
        "folder cannot be written.",
        "Stop the program that writes to it, or give this user write permission on the folder, and try again.",
    )


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _copy(source: Path, copy: Path) -> Print:
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    with source.open("rb") as reading, os.fdopen(descriptor, "wb") as writing:
        return _drain(reading, writing)


def _print(path: Path) -> Print:
    with path.open("rb") as reading:
        return _drain(reading, None)


def _drain(reading: BinaryIO, writing: BinaryIO | None) -> Print:
    before = os.fstat(reading.fileno())
    digest = hashlib.sha256()
    while block := reading.read(_BLOCK):
        digest.update(block)
        if writing is not None:
            writing.write(block)
    return before.st_size, before.st_mtime_ns, digest.hexdigest()
