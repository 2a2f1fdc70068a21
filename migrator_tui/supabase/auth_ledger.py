"""What a run did to users of Auth, in ``migrator.auth_user``: the intent before each, the effect after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

OWN = "own"
"""Detail: rows that a trigger wrote into tables which the run writes itself."""

State = Literal["intended", "made", "matched", "left", "undone"]


@dataclass(frozen=True, slots=True)
class UserRow:
    """One row of the ledger.

    Attributes:
        key: Text of the source's id.
        detail: ``state`` (hash of the user as made), ``rows`` (that a trigger wrote), ``own`` (such rows in tables that
            the run writes), ``before`` (rows with the user's identifier that were there before), ``reason`` (of one who
            was left), ``kept`` (why undo left the user).
    """

    key: str
    id: UUID
    email: str | None
    state: State
    detail: Mapping[str, Any] = field(default_factory=dict)


def read(connection: psycopg.Connection[Any], run: str) -> dict[str, UserRow]:
    """The run's rows by source key."""
    rows = connection.execute(
        "SELECT source_key, user_id, email, state, detail FROM migrator.auth_user WHERE run = %s ORDER BY source_key",
        (run,),
    ).fetchall()
    return {row[0]: UserRow(*row) for row in rows}


def record(connection: psycopg.Connection[Any], run: str, rows: Iterable[UserRow]) -> None:
    """Write rows, over what was recorded of the same keys."""
    given = list(rows)
    connection.execute(
        "INSERT INTO migrator.auth_user (run, source_key, user_id, email, state, detail) "
        "SELECT %s, w.* FROM unnest(%s::text[], %s::uuid[], %s::text[], %s::text[], %s::jsonb[]) AS w "
        "ON CONFLICT (run, source_key) DO UPDATE SET state = excluded.state, detail = excluded.detail, at = now()",
        (
            run,
            [row.key for row in given],
            [row.id for row in given],
            [row.email for row in given],
            [row.state for row in given],
            [Jsonb(dict(row.detail)) for row in given],
        ),
    )


def add_detail(connection: psycopg.Connection[Any], run: str, name: str, values: Mapping[UUID, Any]) -> None:
    """Add a detail to users of the run, by their identifiers."""
    connection.execute(
        "UPDATE migrator.auth_user u SET detail = u.detail || jsonb_build_object(%s::text, w.value) "
        "FROM unnest(%s::uuid[], %s::jsonb[]) AS w(id, value) WHERE u.run = %s AND u.user_id = w.id",
        (name, list(values), [Jsonb(value) for value in values.values()], run),
    )
