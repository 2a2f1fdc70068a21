"""The folder that the sample application is built in: only files that an earlier build made are ever replaced."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from migrator_tui.locations import write_private
from migrator_tui.model.errors import UsageError

MARKER = ".migrator-demo"
_FIRST_LINE = "migrator-tui demo: the files below are replaced whenever the sample application is built here again"
_SIDE_FILES = ("-wal", "-shm", "-journal")


def claim(folder: Path, files: Iterable[str]) -> None:
    """Make ``folder`` ready for ``files``, and note them in its marker file.

    What an earlier build noted there is removed first; everything else in the folder is left alone.

    Args:
        files: Paths relative to the folder, with slashes; the first is the database.

    Raises:
        UsageError: ``DEMO-FOLDER``: the folder is a file, or one of the files is there and is not an earlier build's.
        OSError: The folder cannot be read or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _refusal(f"{folder} is not a folder.") from error
    wanted = list(files)
    wanted += [wanted[0] + suffix for suffix in _SIDE_FILES]
    earlier = _earlier(folder)
    # Where nothing is ours, an uploads folder is somebody's own, even if no name in it would clash.
    for name in wanted if earlier else dict.fromkeys(PurePosixPath(name).parts[0] for name in wanted):
        path = folder / name
        if name not in earlier and (path.exists() or path.is_symlink()):
            raise _refusal(f"{path} is there already, and the sample application did not make it.")
    _remove(folder, earlier)
    write_private(folder / MARKER, "\n".join((_FIRST_LINE, *wanted)) + "\n")


def _earlier(folder: Path) -> dict[str, None]:
    """The files that the marker names, each inside the folder; empty without a marker."""
    marker = folder / MARKER
    try:
        first, *names = marker.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except ValueError as error:  # empty, or not UTF-8
        raise _refusal(f"{marker} is not what the sample application wrote.") from error
    root = folder.resolve()
    outside = [n for n in names if not (folder / n).parent.resolve().is_relative_to(root) or ".." in n.split("/")]
    if first != _FIRST_LINE or outside:
        raise _refusal(f"{marker} is not what the sample application wrote.")
    return dict.fromkeys(names)


def _remove(folder: Path, names: Iterable[str]) -> None:
    parents: set[PurePosixPath] = set()
    for name in names:
        (folder / name).unlink(missing_ok=True)
        parents.update(PurePosixPath(name).parents[:-1])
    for parent in sorted(parents, key=lambda path: -len(path.parts)):
        path = folder / parent
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _refusal(message: str) -> UsageError:
    return UsageError("DEMO-FOLDER", message, "Choose an empty folder with --dir, or move the file away.")
