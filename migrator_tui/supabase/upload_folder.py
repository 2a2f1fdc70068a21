"""The uploads folder: which file a column's value names, and nothing outside of the folder.

A value comes from somebody's web form. ``..``, absolute paths and symbolic links that lead out of the folder name no
file here, whatever they name on the disk.
"""

from __future__ import annotations

import mimetypes
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO


class Why(StrEnum):
    """Why a value names no file."""

    MISSING = "there is no such file"
    OUTSIDE = "it leads out of the uploads folder"
    NOT_A_FILE = "it is no regular file"
    UNREADABLE = "it cannot be read"


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file below the folder. ``path`` is relative to it, with slashes.

    Attributes:
        mime: Its type, where that is not told by its name.
    """

    path: str
    size: int
    modified_ns: int
    mime: str = ""

    @property
    def type(self) -> str:
        """The type that Storage keeps."""
        return self.mime or mime_of(self.path)


class UploadFolder:
    """The folder, resolved once."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))

    def exists(self) -> bool:
        """Whether it is a folder."""
        return self.root.is_dir()

    def find(self, path: str) -> LocalFile | Why:
        """The file of a path relative to the folder, or why there is none."""
        if not path or "\x00" in path:
            return Why.MISSING
        if path.startswith("/") or ".." in path.replace("\\", "/").split("/"):
            return Why.OUTSIDE
        full = self.root / path
        try:
            real = Path(os.path.realpath(full))
            if not real.is_relative_to(self.root):
                return Why.OUTSIDE if full.is_symlink() or real.exists() else Why.MISSING
            found = real.stat()
        except (FileNotFoundError, NotADirectoryError):
            return Why.MISSING
        except (OSError, ValueError):  # a name longer than the file system's, a loop of links, no permission
            return Why.UNREADABLE if os.path.lexists(full) else Why.MISSING
        if not stat.S_ISREG(found.st_mode):
            return Why.NOT_A_FILE
        if not os.access(real, os.R_OK):
            return Why.UNREADABLE
        return LocalFile(path, found.st_size, found.st_mtime_ns)

    def open(self, path: str) -> BinaryIO:
        """Open a file that :meth:`find` found, once more held to be below the folder.

        Raises:
            FileNotFoundError: It is gone, or has become something else.
        """
        file = (self.root / path).open("rb")
        real = Path(os.path.realpath(self.root / path))
        # The open file is asked, not its name: a link may have been put in its place since it was found.
        if not real.is_relative_to(self.root) or not _same(file, real):
            file.close()
            raise FileNotFoundError(f"{path} is not below the uploads folder any more")
        return file

    def stamp(self, body: BinaryIO) -> object:
        """What tells that an open file changed while it was read."""
        found = os.fstat(body.fileno())
        return found.st_size, found.st_mtime_ns

    def walk(self) -> Iterator[str]:
        """Paths of all regular files below the folder, with slashes, without following links to folders.

        A name that is no UTF-8 is told with replacement characters: no value of a column can name it.
        """
        waiting = [""]
        while waiting:
            below = waiting.pop()
            folders = []
            try:
                entries = sorted(os.scandir(self.root / below), key=lambda entry: entry.name)
            except OSError:  # not to be listed, or gone meanwhile
                continue
            for entry in entries:
                path = below + entry.name
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path + "/")
                elif entry.is_file(follow_symlinks=False) or isinstance(self.find(path), LocalFile):
                    yield os.fsencode(path).decode("utf-8", "replace")
            waiting += reversed(folders)


def mime_of(path: str) -> str:
    """The type that a file's name says, as Storage keeps it."""
    kind, encoding = mimetypes.guess_type(path, strict=False)
    return "application/octet-stream" if kind is None or encoding else kind


def _same(file: BinaryIO, real: Path) -> bool:
    opened, named = os.fstat(file.fileno()), real.stat()
    return stat.S_ISREG(opened.st_mode) and (opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)
