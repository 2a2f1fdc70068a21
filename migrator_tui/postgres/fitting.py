"""Asking the server which values a type takes: a domain's checks are its own to judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from migrator_tui.postgres.merge import sql

AT_ONCE = 5_000
"""Values of one statement."""

_TRIES = """
CREATE FUNCTION pg_temp._mt_takes(value text, kind text) RETURNS boolean LANGUAGE plpgsql AS $function$
BEGIN
    EXECUTE format('SELECT $1::%s', kind) USING value;
    RETURN true;
EXCEPTION
    -- Checks, NOT NULL and values that cannot be read; not a lack of memory, rights or patience.
    WHEN integrity_constraint_violation OR data_exception OR raise_exception THEN
        RETURN false;
END
$function$
"""


def refused_by_type(connection: psycopg.Connection[Any], kind: str, values: Sequence[Any]) -> list[Any]:
    """The values that cannot be cast to a type, NULL among them where the type does not take it.

    Args:
        kind: As ``format_type`` writes it.
    """
    refused: list[Any] = []
    with connection.transaction(force_rollback=True):
        connection.execute(sql(_TRIES))
        for first in range(0, len(values), AT_ONCE):
            some = values[first : first + AT_ONCE]
            rows = connection.execute(
                "SELECT number FROM unnest(%s::text[]) WITH ORDINALITY AS given (value, number) "
                "WHERE NOT pg_temp._mt_takes(value, %s)",
                ([_written(value) for value in some], kind),
            )
            refused += [some[number - 1] for (number,) in rows]
    return refused


def _written(value: Any) -> str | None:
    """A value as a type reads it."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return None if value is None else str(value)
