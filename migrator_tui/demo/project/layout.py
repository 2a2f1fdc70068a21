"""Makes a database of the embedded server look like a Supabase project's: its schemas, roles and rights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from psycopg import sql

from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target, connect

OWNER = "project_owner"
"""The login role that a project gives out (``postgres`` there): no superuser, but CREATEDB, CREATEROLE, BYPASSRLS."""
OWNER_PASSWORD = "project-owner"
"""The same on each server: roles belong to the server, and this one listens to nobody but this machine."""

_HERE = Path(__file__).parent
_ONE_AT_A_TIME = 5_042_318


def lay_out(target: Target) -> Target:
    """Give a database the layout of a project. Does nothing that was done already.

    Args:
        target: The database, as superuser.

    Returns:
        The database as the project's owner.

    Raises:
        TargetError: The server cannot be reached, or the role may not.
    """
    # Roles belong to the server; advisory locks to a database: the one that every server has.
    with connect(target.with_database("postgres")) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_ONE_AT_A_TIME,))
        connection.execute((_HERE / "roles.sql").read_bytes())
    with connect(target, autocommit=False) as connection:
        connection.execute((_HERE / "layout.sql").read_bytes())
        connection.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(target.database), sql.Identifier(OWNER))
        )
    return replace(target, user=OWNER, password=Secret(OWNER_PASSWORD))
