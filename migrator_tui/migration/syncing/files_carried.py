"""Which changes of files a sync made itself: noted in its folder before each is made, and after it.

A rollback takes back these and no others: what is like it now may be another sync's doing.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from migrator_tui.locations import PRIVATE_FILE
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.syncing.file_changes import FileChange

CARRIED = "carried.jsonl"
"""A line for each step; one that a crash tore was followed by nothing."""


@dataclass(frozen=True, slots=True)
class _Step:
    done: bool = False
    address: str | None = None


class Carried:
    """The notes of one run."""

    def __init__(self, folder: RunFolder) -> None:
        self._file = folder.file(CARRIED)
        self._steps: dict[tuple[str, ...], _Step] = {}
        self._torn = False
        if not self._file.exists():
            return
        content = self._file.read_bytes()
        self._torn = bool(content) and not content.endswith(b"\n")
        for line in content.splitlines():
            try:
                noted = json.loads(line)
            except ValueError:
                continue
            self._steps[tuple(noted["of"])] = _Step(noted["done"], noted["address"])

    def is_begun(self, change: FileChange) -> bool:
        """Whether this sync made the change, or was about to."""
        return _of(change) in self._steps

    def is_done(self, change: FileChange) -> bool:
        """Whether it made it, to the end."""
        return self._steps.get(_of(change), _Step()).done

    def address(self, change: FileChange) -> str | None:
        """Of the upload that was begun for it."""
        return self._steps.get(_of(change), _Step()).address

    def begin(self, change: FileChange, address: str | None = None) -> None:
        """Note, lastingly, that the change is about to be made; with the address of its upload once it has one."""
        self._note(change, _Step(address=address))

    def end(self, change: FileChange) -> None:
        """Note that it is made."""
        self._note(change, _Step(done=True))

    def _note(self, change: FileChange, step: _Step) -> None:
        line = json.dumps({"of": _of(change), "done": step.done, "address": step.address}).encode() + b"\n"
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        try:
            os.write(descriptor, b"\n" + line if self._torn else line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._torn = False
        self._steps[_of(change)] = step


def _of(change: FileChange) -> tuple[str, ...]:
    return change.to, change.bucket, change.key, change.path
