"""The map of user ids on the target: which UUID each id of the source became, in ``migrator.key_map``.

Written in the transaction that publishes the tables, read by a pull that gives the source's ids back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import psycopg

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge import sql

Key = int | str

_DIGITS = re.compile(r"[0-9]{1,18}")


def write(connection: psycopg.Connection[Any], run: str, table: str, pairs: Iterable[tuple[Key, UUID]]) -> int:
    """Keep the pairs of a run, within the caller's transaction, in the place of those kept before; how many.

    Args:
        table: Source table of users.
        pairs: Each source id once.
    """
    connection.execute("DELETE FROM migrator.key_map WHERE run = %s AND tbl = %s", (run, table))
    rows = 0
    asked = "COPY migrator.key_map (run, tbl, source_key, target_key) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(asked) as copy:
        for key, uuid in pairs:
            copy.write_row((run, table, json.dumps(key, ensure_ascii=False), f'"{uuid}"'))
            rows += 1
    return rows


def read(connection: psycopg.Connection[Any], runs: Sequence[str]) -> dict[UUID, str]:
    """UUID → text of the source id, of some runs of one source project."""
    rows = connection.execute(
        "SELECT (target_key #>> '{}')::uuid, source_key #>> '{}' FROM migrator.key_map WHERE run = ANY(%s)",
        (list(runs),),
    ).fetchall()
    return dict(rows)


def unknown(
    connection: psycopg.Connection[Any], runs: Sequence[str], columns: Sequence[tuple[TableName, str]]
) -> list[UUID]:
    """The UUIDs in some columns that those runs' maps do not have, in order: users who came later."""
    # EXCEPT hashes both sides whatever their size; NOT IN would look through the map for each row.
    asked = " UNION ".join(
        f"SELECT {quote(column)} AS id FROM ONLY {quote_name(table)} WHERE {quote(column)} IS NOT NULL"
        for table, column in columns
    )
    rows = connection.execute(
        sql(
            f"SELECT a.id FROM ({asked}) a EXCEPT SELECT (target_key #>> '{{}}')::uuid "
            "FROM migrator.key_map WHERE run = ANY(%s) ORDER BY 1"
        ),
        (list(runs),),
    ).fetchall()
    return [row[0] for row in rows]


def with_later(known: Mapping[UUID, str], later: Sequence[UUID], *, integers: bool, above: int = 0) -> dict[UUID, str]:
    """The map with ids for users who came later: the next integers where the source's ids are such, else the UUID.

    Args:
        above: An integer that they are greater than in any case.
    """
    highest = max((int(key) for key in known.values() if _DIGITS.fullmatch(key)), default=0) if integers else 0
    highest = max(highest, above)
    return {
        **known,
        **{uuid: str(highest + place) if integers else str(uuid) for place, uuid in enumerate(later, start=1)},
    }
