"""Where the program keeps things: runs, snapshots, the embedded server's data.

One root, chosen by ``MIGRATOR_TUI_HOME`` and else by the operating system's convention (platformdirs). Folders
that hold rows of somebody's database are created 0700 and files in them 0600.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import platformdirs

HOME_VARIABLE = "MIGRATOR_TUI_HOME"
EMBEDDED = "embedded"
"""The target that means: the PostgreSQL server this program brings along."""
PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


def home() -> Path:
    """The root folder of everything that is kept; it may not exist yet."""
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return Path(override).expanduser().resolve()
    return Path(platformdirs.user_data_dir("migrator-tui", appauthor=False))


def runs_folder() -> Path:
    """The folder with one folder per run."""
    return home() / "runs"


def run_folder(run_id: str) -> Path:
    """The folder of one run; it may not exist."""
    return runs_folder() / run_id


def embedded_server_folder() -> Path:
    """The data directory of the embedded Postgres that ``--target embedded`` uses."""
    return home() / "embedded-postgres"


def make_private_folder(path: Path) -> Path:
    """Create ``path`` and its parents, ``path`` itself readable by its owner alone.

    Where it is there already and others may pass through it, they still may, without seeing what is in it: an embedded
    server that runs as another user keeps its data below, and looks there as long as it runs.
    """
    through = stat.S_IMODE(path.stat().st_mode) & (stat.S_IXGRP | stat.S_IXOTH) if path.is_dir() else 0
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(PRIVATE_FOLDER | through)
    return path


def write_private(path: Path, content: str | bytes) -> None:
    """Replace ``path`` by ``content``, whole or not at all, readable by its owner alone.

    Written beside the file, fsynced and renamed, so that a crash leaves the old or the new content.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names of files in a folder as lasting as what is in them; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
