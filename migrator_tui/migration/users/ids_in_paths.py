"""Which columns of paths begin with users' ids, and the users of the source by their ids."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.convert.user_folders import UserFolders
from migrator_tui.convert.user_ids import user_id
from migrator_tui.model.errors import SourceError
from migrator_tui.model.project import UsersPlan
from migrator_tui.sqlite.snapshot import connect

ENOUGH = 0.5
"""Share of a column's paths that has to begin with an id: less is chance, such as folders of years."""
DEEPEST = 3
"""Folders that all paths have in common before the one of the id, at most."""


@dataclass(frozen=True, slots=True)
class Found:
    """A column's paths begin with ids of users.

    Attributes:
        prefix: What values begin with before the id.
        paths: How many of them, of ``of``.
        own: Rows whose path has the id of the user whom the row's owner column names; None without one.
    """

    prefix: str
    paths: int
    of: int
    own: int | None


def folders_of(snapshot: Path, users: UsersPlan) -> UserFolders:
    """Every user of the source with their UUID.

    Raises:
        SourceError: SQLite cannot read them.
    """
    id, table = quote_sqlite(users.scope.id), quote_sqlite(users.scope.table)
    try:
        with closing(connect(snapshot)) as connection:
            found = connection.execute(f"SELECT DISTINCT CAST({id} AS TEXT) FROM {table} WHERE {id} IS NOT NULL")
            keys = [key for (key,) in found]
    except sqlite3.Error as error:
        raise SourceError("SOURCE-READ", f"The ids of {users.scope.table} cannot be read: {error}.", "") from error
    return UserFolders({key: users.matched.get(key) or str(user_id(users.namespace, key)) for key in keys})


def look(
    snapshot: Path, table: str, column: str, owner: str | None, values: Sequence[str], prefix: str, folders: UserFolders
) -> Found | None:
    """Whether a column's paths begin with ids of users, behind folders that all of them have in common.

    Args:
        owner: Source column with the user whose file it is.
        values: The column's different values.
        prefix: What they begin with before the path below the uploads folder.
    """
    paths = [value.removeprefix(prefix) for value in values if value.startswith(prefix)]
    for _ in range(DEEPEST + 1):
        firsts = [path.partition("/") for path in paths]
        ids = sum(bool(slash) and folder in folders for folder, slash, _ in firsts)
        if ids and ids >= ENOUGH * len(paths):
            own = None if owner is None else _own(snapshot, table, column, owner, prefix)
            return Found(prefix, ids, len(paths), own) if _is_told(paths, folders) else None
        if not all(slash for _, slash, _ in firsts) or len({folder for folder, _, _ in firsts}) != 1:
            return None
        prefix += firsts[0][0] + "/"
        paths = [rest for _, _, rest in firsts]
    return None


def _is_told(paths: Sequence[str], folders: UserFolders) -> bool:
    """Whether every path comes back: none has the UUID of a user already."""
    return all(folders.returned(folders.moved(path)) == path for path in paths)


def _own(snapshot: Path, table: str, column: str, owner: str, prefix: str) -> int:
    own, its = quote_sqlite(column), quote_sqlite(owner)
    try:
        with closing(connect(snapshot)) as connection:
            (count,) = connection.execute(
                f"SELECT count(*) FROM {quote_sqlite(table)} WHERE substr({own}, 1, length(?1 || {its}) + 1) "
                f"= ?1 || {its} || '/'",
                (prefix,),
            ).fetchone()
    except sqlite3.Error as error:
        raise SourceError("SOURCE-READ", f"{table}.{column} cannot be read: {error}.", "") from error
    return int(count)
