"""Asking the server which values a type takes: a domain's checks are its own to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.postgres.merge import sql

AT_ONCE = 5_000
"""Values of one statement."""

_TRIES = """
CREATE FUNCTION pg_temp._mt_takes(value text, kind text, OUT refused boolean, OUT written text)
LANGUAGE plpgsql AS $function$
BEGIN
    refused := false;
    EXECUTE format(
        'SELECT CASE num_nulls(v) WHEN 0 THEN format(''%%s'', v) END FROM (SELECT CAST($1 AS %s) AS v) t', kind
    ) INTO written USING value;
EXCEPTION
    -- Checks, NOT NULL and values that cannot be read; not a lack of memory, rights or patience.
    WHEN integrity_constraint_violation OR data_exception OR raise_exception OR invalid_parameter_value THEN
        refused := true;
END
$function$
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a type makes of values.

    Attributes:
        refused: Those that cannot be cast to it, NULL among them where the type does not take it.
        respelled: Those that it writes otherwise.
    """

    refused: tuple[Any, ...]
    respelled: tuple[Any, ...]


def judged_by_type(connection: psycopg.Connection[Any], kind: str, values: Sequence[Any]) -> Judged:
    """Cast values to a type, one by one.

    Args:
        kind: As ``format_type`` writes it.

    Raises:
        psycopg.Error: There is no such type, or the server could not try.
    """
    refused: list[Any] = []
    respelled: list[Any] = []
    with connection.transaction(force_rollback=True):
        connection.execute(sql(_TRIES))
        for first in range(0, len(values), AT_ONCE):
            some = values[first : first + AT_ONCE]
            rows = connection.execute(
                "SELECT number, refused FROM unnest(%s::text[]) WITH ORDINALITY AS given (value, number), "
                "pg_temp._mt_takes(value, %s) WHERE refused OR written IS DISTINCT FROM value",
                ([_written(value) for value in some], kind),
            )
            for number, is_refused in rows:
                (refused if is_refused else respelled).append(some[number - 1])
    return Judged(tuple(refused), tuple(respelled))


_INDEXES = """
CREATE FUNCTION pg_temp._mt_indexes(value text) RETURNS boolean LANGUAGE plpgsql AS $function$
BEGIN
    INSERT INTO pg_temp._mt_entry SELECT CAST(value AS {kind});
    RETURN true;
EXCEPTION
    WHEN program_limit_exceeded THEN
        RETURN false;
END
$function$
"""


def too_long_for_an_index(connection: psycopg.Connection[Any], kind: str, values: Sequence[Any]) -> list[Any]:
    """The values that are too long for an entry of a B-tree; how long that is depends on how they are compressed.

    Args:
        kind: As ``format_type`` writes it.
    """
    refused: list[Any] = []
    with connection.transaction(force_rollback=True):
        connection.execute(sql(f"CREATE TEMP TABLE _mt_entry (v {kind})"))
        connection.execute(sql("CREATE INDEX ON pg_temp._mt_entry (v)"))
        connection.execute(sql(_INDEXES.format(kind=kind)))
        for value in values:  # one by one: there are few, and each may be large
            row = connection.execute(sql("SELECT pg_temp._mt_indexes(%s)"), (_written(value),)).fetchone()
            if row and not row[0]:
                refused.append(value)
    return refused


def _written(value: Any) -> str | None:
    """A value as a type reads it."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return None if value is None else str(value)
