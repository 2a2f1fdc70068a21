"""Folders of snapshots that are only looked at: removed by the process that made them, or by the next one."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from migrator_tui import locations

if sys.platform != "win32":
    import fcntl

PREFIX = "look-"


class LookFolder:
    """A private folder in the program's home, locked as long as its process lives; ``path`` is where.

    A process that is killed leaves its folder behind, and lets go of its lock: the next folder to be made takes all
    those away which nobody holds.
    """

    def __init__(self) -> None:
        home = locations.make_private_folder(locations.home())
        for other in home.glob(f"{PREFIX}*"):
            _remove_if_left(other)
        self._lock: int | None = None
        while self._lock is None:  # once more where another process took it for one that was left behind
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
            self._lock = _locked(self.path)

    def close(self) -> None:
        """Remove it with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @classmethod
    @contextlib.contextmanager
    def open(cls) -> Iterator[Path]:
        """One for the time of a ``with`` block."""
        folder = cls()
        try:
            yield folder.path
        finally:
            folder.close()


def _locked(path: Path) -> int | None:
    """A descriptor that holds the folder's lock; None where somebody else holds it, or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.exists():
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _remove_if_left(path: Path) -> None:
    lock = _locked(path)
    if lock is not None:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)
