"""Files in a sync: what either end gets, by what rows name then and by what both ends had in common.

A file that one end changed, or alone has, comes to the other; one that both changed is decided by the policy. The file
of a row that is deleted goes with it, where it is what both ends had and no other row names it. No other one goes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from migrator_tui import locations
from migrator_tui.convert.object_keys import from_url, key_of
from migrator_tui.convert.user_folders import UserFolders
from migrator_tui.migration.files.matching_files import NOBODY, find, named, values
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.users.ids_in_paths import folders_of
from migrator_tui.model.decisions import OnConflict
from migrator_tui.model.project import FilesPlan, UsersPlan
from migrator_tui.supabase.storage_api import public_base
from migrator_tui.supabase.upload_folder import LocalFile, UploadFolder

FILES = "files.json"
KEPT = "files"
"""Folder of a run with contents, each under its SHA-256: those that the uploads folder gets, and all that are replaced
or deleted on either end."""
NAMED = 3


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that one end gets, or loses; or that both have alike, where ``sha256`` is ``before``.

    Attributes:
        path: Below the uploads folder.
        to: The end that changes.
        sha256: Of the content that both ends have then; empty where it is deleted.
        before: Of the content that the end has now; empty where it has none.
        value: What the column holds on the target.
        mime, metadata, owner: What Storage knows of the object that is replaced or deleted; the owner is a user's id.
    """

    bucket: str
    key: str
    path: str
    uploads: Path
    to: Literal["target", "source"]
    size: int
    sha256: str
    before: str = ""
    value: str = ""
    mime: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""

    @property
    def comes_after_rows(self) -> bool:
        """All but what is new for Storage, which is there before its rows are."""
        return self.to == "source" or bool(self.before)


@dataclass(frozen=True, slots=True)
class Named:
    """A file that rows of the common state name, as either end has it."""

    plan: FilesPlan
    key: str
    path: str
    value: str
    local: LocalFile | None


def write(folder: RunFolder, changes: Sequence[FileChange]) -> None:
    """Keep the changes with the run."""
    locations.write_private(folder.file(FILES), _ADAPTER.dump_json(list(changes), indent=1))


def read(folder: RunFolder) -> list[FileChange]:
    """The changes of a run; none where none were laid out."""
    return [change for change in _all(folder) if change.sha256 != change.before]


def alike(folder: RunFolder) -> list[FileChange]:
    """What both ends have alike, without a run that is known to have left it there: nothing changes."""
    return [change for change in _all(folder) if change.sha256 == change.before]


def after_rows(folder: RunFolder) -> list[FileChange]:
    """Those of them that come once both ends have their rows: all but what is new for Storage."""
    return [change for change in read(folder) if change.comes_after_rows]


def named_by(
    after: Path, plans: Iterable[FilesPlan], storage: str, users: UsersPlan | None
) -> dict[tuple[str, str], Named]:
    """Bucket and key → the file that rows of a SQLite file name; what leads out of the uploads folder is none."""
    found: dict[tuple[str, str], Named] = {}
    for plan in plans:
        assert plan.uploads is not None
        folder = UploadFolder(plan.uploads)
        folders = folders_of(after, users) if plan.user_ids and users is not None else NOBODY
        for value in values(after, plan.table, plan.column):
            local = find(value, plan.prefixes, folder)
            path = local.path if isinstance(local, LocalFile) else _path(plan, value)
            if not is_safe(path):
                continue
            told = named(plan, LocalFile(path, 0, 0), value, storage, folders)
            own = local if isinstance(local, LocalFile) else None
            found.setdefault((plan.bucket, told.key), Named(plan, told.key, path, told.on_target, own))
    return found


def key_on_target(plan: FilesPlan, storage: str, value: str, folders: UserFolders) -> str:
    """The key of the object that a value of the target names; empty for none."""
    if plan.value == "key":
        return value
    if plan.value == "keep":
        return key_of(folders.moved(value.removeprefix(plan.prefix)))
    base = public_base(storage, plan.bucket)
    try:
        return from_url(value.removeprefix(base)) if value.startswith(base) else ""
    except UnicodeDecodeError:
        return ""


Side = Literal["source", "target"]


def sides(common: str, local: str, remote: str, policy: OnConflict) -> Side | Literal["conflict"] | None:
    """Whose content both ends have then; None where they are alike.

    Args:
        common: SHA-256 of what both had; empty where that is not known.
        local, remote: Of what either has; empty where it has none.
    """
    if local == remote:
        return None
    if not local or not remote:  # never deleted for what one end lost
        return "source" if local else "target"
    if common in (local, remote):
        return "target" if common == local else "source"
    if policy is OnConflict.KEEP_SOURCE:
        return "source"
    return "target" if policy is OnConflict.KEEP_TARGET else "conflict"


def sha256_of(path: Path) -> str:
    """Of a file's content; empty where there is none."""
    try:
        with path.open("rb") as body:
            return hashlib.file_digest(body, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""


def is_safe(path: str) -> bool:
    """Whether a path stays below the folder that it is in."""
    parts = path.replace("\\", "/").split("/")
    return "\x00" not in path and ".." not in parts and parts[0] != "" and parts[-1] not in ("", ".")


def told(changes: Sequence[FileChange]) -> str:
    """What either end gets, in words; empty for nothing."""
    counts: dict[str, int] = {}
    for change in changes:
        what = f"{'stored' if change.to == 'target' else 'brought'}" if change.sha256 else f"deleted on the {change.to}"
        counts[what] = counts.get(what, 0) + 1
    return ", ".join(f"{n:,} {what}" for what, n in counts.items())


def _all(folder: RunFolder) -> list[FileChange]:
    file = folder.file(FILES)
    return _ADAPTER.validate_json(file.read_bytes()) if file.exists() else []


def _path(plan: FilesPlan, value: str) -> str:
    prefix = next((prefix for prefix in plan.prefixes if value.startswith(prefix)), None)
    return "" if prefix is None else value.removeprefix(prefix)


_ADAPTER = TypeAdapter(list[FileChange])
