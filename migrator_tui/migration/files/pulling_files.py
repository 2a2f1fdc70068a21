"""The way back of files: the objects that a pulled file's rows name, into a folder beside it, under their old names."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.convert.object_keys import from_url, key_of
from migrator_tui.convert.user_folders import UserFolders
from migrator_tui.locations import PRIVATE_FILE
from migrator_tui.migration.files.matching_files import values
from migrator_tui.migration.files.uploads import WORKERS
from migrator_tui.migration.pulling.pull_user_ids import runs_of
from migrator_tui.model.errors import Interrupted, MigratorError, UsageError, VerificationFailed
from migrator_tui.model.project import FilesPlan, UsersPlan
from migrator_tui.model.pull import PulledFiles
from migrator_tui.postgres import ledger, objects
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.origins import published
from migrator_tui.sqlite.inspect import inspect
from migrator_tui.supabase import key_map
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.storage_api import Storage, public_base
from migrator_tui.supabase.storage_errors import NotThere

STEP = "files"
FOLDER = "uploads"
NAMED = 3


@dataclass(frozen=True, slots=True)
class FilesOrigin:
    """How a column's values became keys: what is kept on the target for the way back.

    Attributes:
        base: What URLs in the column begin with; empty where it holds keys or what it held before.
        blobs: The source's column held the contents themselves.
        namespace: Of the users whose ids in paths became UUIDs; empty where none did.
        folder: What paths below the uploads folder begin with before the part that keys are made of.
    """

    run: str
    table: str
    column: str
    bucket: str
    prefix: str
    value: str
    base: str
    blobs: bool = False
    namespace: str = ""
    folder: str = ""

    def key(self, value: str, folders: UserFolders) -> str:
        """The key of the object that a value names, as the SQLite file has the value; empty where it names none."""
        if self.value == "keep":
            return key_of(value.removeprefix(self.prefix))
        there = folders.rewritten(value, self.prefix, self.base)
        if not self.base:
            return there
        try:
            return from_url(there.removeprefix(self.base)) if there.startswith(self.base) else ""
        except UnicodeDecodeError:
            return ""


def record(
    connection: psycopg.Connection[Any],
    run: str,
    plans: tuple[FilesPlan, ...],
    storage: str,
    users: UsersPlan | None,
) -> None:
    """Keep, within the publishing transaction, what a pull needs."""
    found = [
        FilesOrigin(
            run,
            plan.table,
            plan.column,
            plan.bucket,
            plan.prefix,
            plan.value,
            public_base(storage, plan.bucket) if plan.value == "url" else "",
            plan.of_blobs,
            users.namespace if plan.user_ids and users is not None else "",
            plan.prefix.removeprefix(plan.prefixes[0]) if plan.user_ids else "",
        )
        for plan in plans
    ]
    ledger.write_step(connection, run, STEP, {"columns": [asdict(origin) for origin in found]})


def origins(connection: psycopg.Connection[Any]) -> tuple[FilesOrigin, ...]:
    """The columns of files of published runs, the newest of each column."""
    if not ledger.is_installed(connection):
        return ()
    found: dict[tuple[str, str], FilesOrigin] = {}
    for (detail,) in connection.execute(
        "SELECT s.detail FROM migrator.step s JOIN migrator.run r ON r.id = s.run "
        "WHERE s.name = %s AND r.state = 'published' ORDER BY r.published_at DESC",
        (STEP,),
    ):
        for column in detail["columns"]:
            origin = FilesOrigin(**column)
            found.setdefault((origin.table, origin.column), origin)
    return tuple(found.values())


def folder_beside(file: Path, *, replace: bool) -> Path:
    """Where files go unless a folder is named: ``uploads`` beside the SQLite file, or ``NAME-uploads``.

    Raises:
        UsageError: Both hold something, and nothing may be replaced.
    """
    candidates = (file.parent / FOLDER, file.parent / f"{file.stem}-{FOLDER}")
    for candidate in candidates:
        if is_free(candidate):
            return candidate
    if replace:
        return candidates[1]
    raise UsageError(
        "PULL-FILES-THERE",
        f"{candidates[0]} and {candidates[1]} hold something already.",
        "Name another folder with --files, leave the files out with --no-files, or let --replace replace what differs.",
    )


def is_free(folder: Path) -> bool:
    """Whether nothing is there, or an empty folder."""
    if folder.is_symlink() or not folder.exists():
        return not folder.is_symlink()
    return folder.is_dir() and not any(folder.iterdir())


@dataclass(frozen=True, slots=True)
class _Wanted:
    origin: FilesOrigin
    value: str
    key: str
    path: str


def pull_files(
    file: Path,
    folder: Path,
    target: Target,
    api: Api,
    *,
    stop: threading.Event,
    replace: bool = False,
    say: Callable[[str], None] = lambda said: None,
) -> PulledFiles:
    """Download what the rows of a pulled file name.

    Each file appears whole, under the path that it had; what is there already and the same stays.

    Raises:
        VerificationFailed: An object does not have the content that Storage recorded for it.
        Interrupted: ``stop`` was set; calling again goes on.
    """
    with connect(target) as connection:
        known = tuple(origin for origin in origins(connection) if not origin.blobs)
        folders = {origin.namespace: user_folders(connection, origin.namespace) for origin in known}
        recorded = {origin.bucket: _recorded(connection, origin) for origin in known}
    there = {table.name.name: {column.name for column in table.columns} for table in inspect(file).tables}
    wanted = (
        _Wanted(origin, value, key, recorded[origin.bucket].get(key, (_path(origin, value), ""))[0])
        for origin in known
        if origin.column in there.get(origin.table, ())
        for value in values(file, origin.table, origin.column)
        for key in (origin.key(value, folders[origin.namespace]),)
    )
    pulling = _Downloads(folder, api, stop, replace)
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="pull-files") as pool:
        for batch in _batches(wanted, 500):
            list(pool.map(lambda item: pulling.one(item, recorded[item.origin.bucket].get(item.key)), batch))
            say(f"files: {pulling.files:,}")
    pulling.close()
    if pulling.wrong:
        raise VerificationFailed(
            "PULL-FILES",
            f"{len(pulling.wrong):,} objects do not read back as they were stored: {', '.join(pulling.wrong[:NAMED])}.",
            "Somebody may be writing to the bucket: pull again.",
        )
    return PulledFiles(
        folder, pulling.files, pulling.bytes, pulling.missing, tuple(pulling.kept), tuple(pulling.refused)
    )


class _Downloads:
    """What the workers share: counts, and a client for each thread."""

    def __init__(self, folder: Path, api: Api, stop: threading.Event, replace: bool) -> None:
        self._folder, self._api, self._stop, self._replace = folder, api, stop, replace
        self._local = threading.local()
        self._lock = threading.Lock()
        self._clients: list[Storage] = []
        self._done: set[str] = set()
        self.files = self.bytes = self.missing = 0
        self.wrong: list[str] = []
        self.kept: list[str] = []
        self.refused: list[str] = []

    def one(self, item: _Wanted, known: tuple[str, str] | None) -> None:
        """Bring one object back."""
        if self._stop.is_set():
            raise Interrupted("CANCELLED", "Cancelled.", "Pull again; files that are there already stay.")
        if not item.key or not _is_safe(item.path):
            with self._lock:
                self.refused.append(item.value)
            return
        with self._lock:
            if item.path in self._done:
                return
            self._done.add(item.path)
        to = self._folder / item.path
        to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not Path(os.path.realpath(to.parent)).is_relative_to(os.path.realpath(self._folder)):
            with self._lock:
                self.refused.append(item.value)
            return
        descriptor, part = tempfile.mkstemp(dir=to.parent, prefix=".pull-")
        try:
            with os.fdopen(descriptor, "w+b") as into:
                try:
                    size, sha256 = self._storage().download(
                        item.origin.bucket, item.key, into, between=lambda received: self._check()
                    )
                except NotThere:
                    with self._lock:
                        self.missing += 1
                    return
            if known is not None and known[1] not in ("", sha256):
                with self._lock:
                    self.wrong.append(f"{item.origin.bucket}/{item.key}")
                return
            self._place(to, Path(part), item, size, sha256)
        finally:
            Path(part).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients:
            client.close()

    def _place(self, to: Path, part: Path, item: _Wanted, size: int, sha256: str) -> None:
        if os.path.lexists(to):
            same = to.is_file() and not to.is_symlink() and _sha256(to) == sha256
            if not same and not self._replace:
                with self._lock:
                    self.kept.append(item.path)
                return
        part.chmod(PRIVATE_FILE)
        part.replace(to)
        with self._lock:
            self.files += 1
            self.bytes += size

    def _check(self) -> None:
        if self._stop.is_set():
            raise Interrupted("CANCELLED", "Cancelled.", "Pull again; files that are there already stay.")

    def _storage(self) -> Storage:
        client: Storage | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = Storage(self._api, stopped=self._stop)
            with self._lock:
                self._clients.append(client)
        return client


def _recorded(connection: psycopg.Connection[Any], origin: FilesOrigin) -> dict[str, tuple[str, str]]:
    """Key → path that the file had, and the SHA-256 that the object's own metadata has now, if any."""
    paths = {row.key: row.path for row in objects.stored(connection, origin.run, origin.bucket)}
    try:
        with connection.transaction():
            hashes = objects.recorded_hashes(connection, origin.bucket)
    except psycopg.Error as error:
        raise MigratorError(
            "PULL-STORAGE",
            f"The objects of the bucket {origin.bucket} cannot be read: {str(error).splitlines()[0]}.",
            "Pull as the project's owner, or leave the files out with --no-files.",
        ) from error
    return {key: (path, hashes.get(key, "")) for key, path in paths.items()}


def user_folders(connection: psycopg.Connection[Any], namespace: str) -> UserFolders:
    """The users of a namespace, by the maps of the runs that published them; none for an empty one."""
    if not namespace:
        return UserFolders({})
    runs = runs_of(published(connection) or (), namespace)
    return UserFolders({key: str(uuid) for uuid, key in key_map.read(connection, runs).items()})


def _path(origin: FilesOrigin, value: str) -> str:
    return origin.folder + value.removeprefix(origin.prefix)


def _is_safe(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return "\x00" not in path and ".." not in parts and parts[0] != "" and parts[-1] not in ("", ".")


def _batches(items: Iterator[_Wanted], size: int) -> Iterator[list[_Wanted]]:
    while batch := list(islice(items, size)):
        yield batch


def _sha256(path: Path) -> str:
    with path.open("rb") as body:
        return hashlib.file_digest(body, "sha256").hexdigest()
