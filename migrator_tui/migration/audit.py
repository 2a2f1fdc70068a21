"""The audit trail: a file of JSON lines, each of which carries the hash of the one before.

One line is ``{seq, ts, run, actor, event, data, prev, hash}`` in canonical form (keys sorted, no blanks, ASCII), with
``hash = SHA-256(prev ‖ canonical JSON of seq, ts, run, actor, event and data)``; the first line's ``prev`` is 64 zeros.
A chain without a key shows that a line was altered, left out or moved. It cannot show by itself that the whole file was
written anew or that its end is gone; therefore the anchor (count and head) is kept elsewhere too, on the target and in
the report, and :func:`verify` compares.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from migrator_tui import locations
from migrator_tui.model.errors import MigratorError

if sys.platform != "win32":
    import fcntl

GENESIS = "0" * 64
"""What the first line names as the hash before it."""
TORN_EVENT = "audit.torn-tail"
"""The event that says that an unfinished last line was moved aside."""

Anchor = tuple[int, str]
"""How many events there are, and the hash of the last."""


class AuditError(MigratorError):
    """The trail cannot be written."""


class AuditState(StrEnum):
    """What :func:`verify` makes of a trail."""

    INTACT = "intact"
    TORN = "torn"
    ALTERED = "altered"
    TRUNCATED = "truncated"
    ANCHOR_MISMATCH = "anchor-mismatch"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """The verdict on a trail.

    Attributes:
        message: One line for a person.
        events: Events that are whole and in the chain, counted from the start.
        at: Number of the line (from 1) that is altered; None for every other state.
        head: Hash of the last of those events.
    """

    state: AuditState
    message: str
    events: int = 0
    at: int | None = None
    head: str = GENESIS

    @property
    def ok(self) -> bool:
        """Nothing was tampered with: the trail is intact, or a crash cut its last line."""
        return self.state in (AuditState.INTACT, AuditState.TORN)


class AuditTrail:
    """A trail that is being written. Safe to share between threads, and between processes where files can be locked."""

    def __init__(self, path: Path, run: str, actor: str) -> None:
        """Open a trail, or begin one; an existing chain is continued.

        An unfinished last line, which a crash leaves, is moved to ``<name>.torn``, and an event says so.

        Args:
            actor: Who does what is recorded: ``user@host``.

        Raises:
            AuditError: ``AUDIT-WRITE``: the file cannot be read or written.
        """
        self._path = path
        self._run = run
        self._actor = actor
        self._lock = threading.Lock()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, locations.PRIVATE_FILE)
            locations.sync_folder(path.parent)
        except OSError as error:
            raise self._cannot(error) from error
        self._count, self._head, self._size = 0, GENESIS, -1
        try:
            with self._lock, self._alone():
                self._catch_up()
        except BaseException:
            os.close(self._file)
            raise

    def record(self, event: str, **data: Any) -> Anchor:
        """Append one event and wait until it is on the disk.

        Args:
            event: Its name: ``stage.begin``, ``decision``, ``publish.commit`` …
            data: JSON values, paths, times or enum members. The caller keeps secrets out; a ``Secret`` is refused.

        Returns:
            The anchor after this event.

        Raises:
            TypeError: A value that JSON cannot hold, a ``Secret`` among them.
            AuditError: ``AUDIT-WRITE``: the disk is full, or the file cannot be written. Nothing was recorded then.
        """
        with self._lock, self._alone():
            self._catch_up()
            self._append(event, data)
            return self._count, self._head

    @property
    def anchor(self) -> Anchor:
        """Count and head after the last event of this process."""
        with self._lock:
            return self._count, self._head

    def close(self) -> None:
        """Close the file; a closed trail records nothing more."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def __enter__(self) -> AuditTrail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, event: str, data: dict[str, Any]) -> None:
        ts = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        rest = {"seq": self._count + 1, "ts": ts, "run": self._run, "actor": self._actor, "event": event, "data": data}
        # Through JSON and back, so that what is hashed is what a reader will find in the file.
        rest = json.loads(_canonical(rest))
        digest = _hash(self._head, rest)
        line = _canonical({**rest, "prev": self._head, "hash": digest}).encode("ascii") + b"\n"
        try:
            written = os.write(self._file, line)
            if written == len(line):
                os.fsync(self._file)
            else:
                raise OSError(28, "no space left on the device")
        except OSError as error:
            with contextlib.suppress(OSError):  # half a line would spoil the next one; if this fails too it is torn
                os.ftruncate(self._file, self._size)
            raise self._cannot(error) from error
        self._count += 1
        self._head = digest
        self._size += len(line)

    def _catch_up(self) -> None:
        """Go on from the file's last whole line, when another process (or a crash) left the file other than known."""
        try:
            if os.fstat(self._file).st_size == self._size:
                return
            content = self._path.read_bytes()
            lines = content.splitlines(keepends=True)
            torn = b""
            while lines and (last := _event(lines[-1])) is None:
                torn = lines.pop() + torn
            self._count, self._head = (last["seq"], last["hash"]) if lines and last else (0, GENESIS)
            self._size = len(content) - len(torn)
            if torn:
                aside = self._path.with_name(self._path.name + ".torn")
                before = aside.read_bytes() if aside.exists() else b""
                locations.write_private(aside, before + torn.rstrip(b"\n") + b"\n")
                os.ftruncate(self._file, self._size)
        except OSError as error:
            raise self._cannot(error) from error
        if torn:
            self._append(TORN_EVENT, {"bytes": len(torn), "moved_to": aside.name})

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if self._file < 0:
            raise AuditError("AUDIT-WRITE", f"The audit trail {self._path} is closed.")
        if sys.platform != "win32":
            fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            if sys.platform != "win32":
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _cannot(self, error: OSError) -> AuditError:
        return AuditError(
            "AUDIT-WRITE",
            f"The audit trail {self._path} cannot be written: {error.strerror}.",
            "Make room, or make its folder writable, then resume the run.",
        )


def read(path: Path) -> list[dict[str, Any]]:
    """The events of a trail in order, as they are; lines that are no events are left out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [event for line in lines if (event := _event(line + b"\n")) is not None]


def verify(path: Path, anchor: Anchor | None = None) -> AuditVerdict:
    """Check a trail's chain, and its end against an anchor that was kept elsewhere.

    Without an anchor, a trail that was written anew as a whole, or whose last lines are gone, cannot be told from an
    intact one.

    Raises:
        AuditError: ``AUDIT-READ``: the file is there and cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return AuditVerdict(AuditState.MISSING, f"There is no audit trail {path}.")
    except OSError as error:
        raise AuditError("AUDIT-READ", f"The audit trail {path} cannot be read: {error.strerror}.") from error
    *lines, tail = content.split(b"\n")
    heads = [GENESIS]
    for number, line in enumerate(lines, start=1):
        event = _event(line + b"\n")
        why = _fault(event, number, heads[-1])
        if event is None or why:
            return AuditVerdict(AuditState.ALTERED, f"Altered at event {number}: {why}.", number - 1, number, heads[-1])
        heads.append(event["hash"])
    count, head = len(lines), heads[-1]
    if tail and not _is_cut_short(tail):
        why = "the line is not as it was written"
        return AuditVerdict(AuditState.ALTERED, f"Altered at event {count + 1}: {why}.", count, count + 1, head)
    if anchor is not None:
        anchored, expected = anchor
        if count < anchored:
            message = f"Truncated: {count:,} of the {anchored:,} events that were anchored are there."
            return AuditVerdict(AuditState.TRUNCATED, message, count, head=head)
        if heads[anchored] != expected:
            message = f"The chain is whole but not the one that was anchored: event {anchored:,} has another hash."
            return AuditVerdict(AuditState.ANCHOR_MISMATCH, message, count, head=head)
    compared = "not compared with an anchor" if anchor is None else f"anchored at event {anchor[0]:,}"
    if tail:
        message = (
            f"{count:,} events intact, {compared}; the last line is unfinished ({len(tail):,} bytes), as by a crash."
        )
        return AuditVerdict(AuditState.TORN, message, count, head=head)
    return AuditVerdict(AuditState.INTACT, f"{count:,} events intact, {compared}.", count, head=head)


_KEYS = frozenset({"seq", "ts", "run", "actor", "event", "data", "prev", "hash"})


def _event(line: bytes) -> dict[str, Any] | None:
    """The event that a line holds, or None when it is not exactly as :class:`AuditTrail` writes one."""
    try:
        event = json.loads(line)
        if not isinstance(event, dict) or event.keys() != _KEYS or _canonical(event).encode("ascii") + b"\n" != line:
            return None
    except (ValueError, RecursionError):
        return None
    well_formed = type(event["seq"]) is int and isinstance(event["prev"], str) and isinstance(event["hash"], str)
    return event if well_formed else None


def _fault(event: dict[str, Any] | None, number: int, head: str) -> str | None:
    if event is None:
        return "the line is not as it was written"
    if (
        _hash(event["prev"], {key: value for key, value in event.items() if key not in ("prev", "hash")})
        != event["hash"]
    ):
        return "its content does not give its hash"
    if event["seq"] != number:
        return f"event {event['seq']} is in its place"
    return "it does not follow from the event before" if event["prev"] != head else None


def _is_cut_short(tail: bytes) -> bool:
    """Whether a last line without line break is the beginning of an event, and not one with something behind it."""
    if not tail.startswith(b'{"actor":'[: len(tail)]):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(tail.decode("ascii"))
    except UnicodeDecodeError:
        return False
    except (ValueError, RecursionError):
        return True
    return end == len(tail)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain)


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} does not belong in the audit trail")


def _hash(previous: str, rest: dict[str, Any]) -> str:
    return hashlib.sha256(previous.encode("utf-8", "surrogatepass") + _canonical(rest).encode("ascii")).hexdigest()
