"""Whether a database has the layout of a Supabase project: its roles and what its API asks who somebody is."""

from __future__ import annotations

from typing import Any

import psycopg


def is_project(connection: psycopg.Connection[Any]) -> bool:
    """The roles ``anon``, ``authenticated`` and ``service_role`` are there, and ``auth.uid()``."""
    row = connection.execute(
        "SELECT to_regprocedure('auth.uid()') IS NOT NULL AND "
        "count(*) = 3 FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role')"
    ).fetchone()
    return bool(row and row[0])
