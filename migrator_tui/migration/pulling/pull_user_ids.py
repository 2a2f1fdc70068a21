"""Ids of users on the way back: each UUID is the id that it was in the source, by the maps of the runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from migrator_tui.convert.to_sqlite_types import Way
from migrator_tui.convert.user_folders import UserFolders, of_codec
from migrator_tui.convert.user_ids import OF_INTEGER, GivenBack, namespace_of
from migrator_tui.migration.users.given_back import way_of_users
from migrator_tui.model.origin import ColumnOrigin, Origin, TableOrigin
from migrator_tui.model.schema import TableName
from migrator_tui.supabase import key_map


@dataclass(slots=True)
class _Project:
    """What was published of one source project's users.

    Attributes:
        columns: That hold ids of users: tables and columns of the target.
    """

    runs: list[str] = field(default_factory=list)
    columns: list[tuple[TableName, str]] = field(default_factory=list)
    integers: bool = False


def runs_of(origins: Iterable[Origin], namespace: str) -> list[str]:
    """The runs that published users of a namespace."""
    return [o.run for o in origins if any(namespace_of(c.codec) == namespace for t in o.tables for c in t.columns)]


class UserIds:
    """Gives ids of users back.

    Attributes:
        notes: What is told of users who are in no map.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        origins: Sequence[Origin],
        tables: Mapping[TableName, TableOrigin | None],
    ) -> None:
        """
        Args:
            tables: Those that are pulled, with what they came from.
        """
        projects: dict[str, _Project] = {}
        for name, origin in tables.items():
            for column in origin.columns if origin else ():
                if (namespace := namespace_of(column.codec)) is not None:
                    project = projects.setdefault(namespace, _Project())
                    project.columns.append((name, column.target))
        for one in origins:
            for namespace in {namespace_of(c.codec) for table in one.tables for c in table.columns} & projects.keys():
                projects[str(namespace)].runs.append(one.run)
        self._folders = {
            found.namespace: UserFolders(
                {key: str(uuid) for uuid, key in key_map.read(connection, runs_of(origins, found.namespace)).items()}
            )
            for origin in tables.values()
            for column in (origin.columns if origin else ())
            if (found := of_codec(column.codec)) is not None
        }
        self.notes: list[str] = []
        self._back: dict[str, GivenBack] = {}
        for namespace, project in projects.items():
            project.integers = any(
                column.codec == f"{OF_INTEGER}:{namespace}" for o in tables.values() if o for column in o.columns
            )
            self._back[namespace] = self._read(connection, project)

    def _read(self, connection: psycopg.Connection[Any], project: _Project) -> GivenBack:
        known = key_map.read(connection, project.runs)
        later = key_map.unknown(connection, project.runs, project.columns)
        given = key_map.with_later(known, later, integers=project.integers)
        if later:
            as_what = f"the next ids, from {given[later[0]]} on" if project.integers else "their UUIDs as ids"
            self.notes.append(f"{len(later):,} users came after the users of the source; they have {as_what}.")
        return GivenBack(given)

    def way(self, column: ColumnOrigin, collation: str | None) -> Way | None:
        """How a column comes back; None where it holds no ids of users, nor paths that begin with some."""
        of_user = of_codec(column.codec)
        return way_of_users(
            column.target,
            column.codec,
            column.declared,
            collation,
            self._back.get(namespace_of(column.codec) or ""),
            self._folders.get(of_user.namespace) if of_user else None,
        )
