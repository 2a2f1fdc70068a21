"""Real SQLite files made for a test, and their schema."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from migrator_tui.model.errors import SourceError
from migrator_tui.model.schema import Database, Table, TableName
from migrator_tui.sqlite.inspect import inspect

Make = Callable[..., Path]

NOBODY = 65534


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a database of a script, in the encoding given."""

    def made(script: str, *, name: str = "source.db", encoding: str = "UTF-8") -> Path:
        path = tmp_path / name
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA encoding = '{encoding}'")
            connection.executescript(script)
            connection.commit()
        return path

    return made


@pytest.fixture
def read_schema() -> Callable[[Path], tuple[Database, Callable[[str], Table]]]:
    """The schema of a file, and a function that gives its tables by name."""

    def read(path: Path) -> tuple[Database, Callable[[str], Table]]:
        database = inspect(path)

        def table(name: str) -> Table:
            found = database.table(TableName("", name))
            assert found is not None
            return found

        return database, table

    return read


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that other users can enter, and that only its owner can write to."""
    folder = Path(tempfile.mkdtemp())
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    (folder / "out").chmod(0o777)
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def without_privileges() -> Callable[..., str]:
    """Run a function that gives a text as a user whom permissions bind; a SourceError becomes ``ID: message``."""
    return _without_privileges


def _without_privileges(work: Callable[[], str], *, file_bytes: int | None = None) -> str:
    """Run in a child process that permissions (and a limit on the size of files) bind; gives what it returned."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if file_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
            elif os.geteuid() == 0:
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            try:
                said = work()
            except SourceError as error:
                said = f"{error.id}: {error.message}"
            except BaseException as error:
                said = repr(error)
            os.write(writing, said.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said
