"""A plan's schema as a file of ``supabase/migrations``, and its line in the project's history of them.

The file holds what makes the tables, their rights and policies, and no data: so a fresh project built from the
repository has the same schema, and `supabase db diff` finds nothing to do. Sources: supabase.com/docs, local
development; supabase/cli for the names of files and the table of the history.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote

VERSION_FORMAT = "%Y%m%d%H%M%S"
_FILE = re.compile(r"([0-9]{14})_(.*)\.sql")
_HISTORY = (
    "CREATE SCHEMA IF NOT EXISTS supabase_migrations",
    "CREATE TABLE IF NOT EXISTS supabase_migrations.schema_migrations "
    "(version text NOT NULL PRIMARY KEY, statements text[], name text)",
)


def slug(text: str) -> str:
    """A name as files of migrations have it: lower-case words with ``_`` between them."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:60] or "migration"


def next_version(now: datetime, taken: Iterable[str]) -> str:
    """The version of a new migration: the time, or the second after the newest that there is.

    Args:
        taken: Versions that the folder or the history has.
    """
    newest = max((version for version in taken if re.fullmatch(r"[0-9]{14}", version)), default="")
    wanted = now.astimezone(UTC).strftime(VERSION_FORMAT)
    if wanted > newest:
        return wanted
    try:
        after = datetime.strptime(newest, VERSION_FORMAT) + timedelta(seconds=1)
    except (ValueError, OverflowError):  # digits that are no time, or the last there is
        return f"{int(newest) + 1:014d}"
    return after.strftime(VERSION_FORMAT)


def versions_in(folder: Path) -> tuple[str, ...]:
    """The versions of a folder's migrations; none where it is not there."""
    if not folder.is_dir():
        return ()
    return tuple(found[1] for path in folder.iterdir() if (found := _FILE.fullmatch(path.name)))


def file_name(version: str, name: str) -> str:
    """The file's name."""
    return f"{version}_{name}.sql"


def render(statements: Sequence[str], *, schema: str = "public") -> str:
    """The file's text.

    Args:
        schema: Whose tables the views' queries mean.
    """
    lines = ["-- Schema, row-level security and rights as migrator-tui made them. The rows are not in this file."]
    if schema != "public":
        lines += [f"CREATE SCHEMA IF NOT EXISTS {quote(schema)};", f"SET search_path = {quote(schema)};"]
    lines += [f"{statement};" for statement in statements]
    if schema != "public":
        lines.append("RESET search_path;")
    return "\n\n".join(lines) + "\n"


def recorded(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """The versions in the project's history; none where it has none yet."""
    row = connection.execute("SELECT to_regclass('supabase_migrations.schema_migrations') IS NOT NULL").fetchone()
    if not row or not row[0]:
        return ()
    rows = connection.execute("SELECT version FROM supabase_migrations.schema_migrations").fetchall()
    return tuple(version for (version,) in rows)


def record(connection: psycopg.Connection[Any], version: str, name: str, statements: Sequence[str]) -> None:
    """Write a migration into the history, as one that was applied: `supabase db push` passes it over."""
    for statement in _HISTORY:
        connection.execute(statement.encode())
    connection.execute(
        "INSERT INTO supabase_migrations.schema_migrations (version, name, statements) VALUES (%s, %s, %s) "
        "ON CONFLICT (version) DO NOTHING",
        (version, name, list(statements)),
    )


def forget(connection: psycopg.Connection[Any], version: str, name: str) -> None:
    """Take a migration out of the history. A history that is not there is fine."""
    if version in recorded(connection):
        connection.execute(
            "DELETE FROM supabase_migrations.schema_migrations WHERE version = %s AND name = %s", (version, name)
        )
