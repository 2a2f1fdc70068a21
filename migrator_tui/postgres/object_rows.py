"""Objects of buckets and the rows that name them, held to one another: what is named and not there, and the reverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge import sql

SHOWN = 20


@dataclass(frozen=True, slots=True)
class NamingColumn:
    """A live column that names objects of a bucket.

    Attributes:
        by_key: Its values are keys; else the ledger knows which key a value stands for.
    """

    table: TableName
    column: str
    by_key: bool


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Both ways of one bucket.

    Attributes:
        missing: Different values that name no object; ``missing_values`` are the first of them.
        unreferenced: Objects that no row names; ``unreferenced_keys`` are the first of them.
    """

    missing: int
    missing_values: tuple[str, ...]
    unreferenced: int
    unreferenced_keys: tuple[str, ...]


def reconciled(
    connection: psycopg.Connection[Any], run: str, bucket: str, columns: Sequence[NamingColumn]
) -> Reconciled:
    """What the rows and a bucket say of one another now.

    Args:
        columns: All that name objects of the bucket.
    """
    named = " UNION ".join(
        f"SELECT {quote(each.column)}::text AS value, {'true' if each.by_key else 'false'} AS by_key "
        f"FROM {quote_name(each.table)} WHERE {quote(each.column)}::text <> ''".replace("%", "%%")
        for each in columns
    )
    begin = (
        f"WITH named AS MATERIALIZED ({named}), there AS MATERIALIZED (SELECT name::text AS key FROM storage.objects "
        "WHERE bucket_id = %(bucket)s), led AS MATERIALIZED (SELECT key, detail ->> 'value' AS value "
        "FROM migrator.object WHERE run = %(run)s AND bucket = %(bucket)s), "
        "keys AS MATERIALIZED (SELECT value AS key, value FROM named WHERE by_key "
        "UNION SELECT led.key, led.value FROM led JOIN named USING (value)), "
    )
    given = {"run": run, "bucket": bucket}
    asked = (
        "SELECT value AS name FROM named EXCEPT SELECT keys.value FROM keys JOIN there USING (key)",
        "SELECT key AS name FROM there EXCEPT SELECT key FROM keys",
    )
    answers = []
    for query in asked:
        rows = connection.execute(
            sql(
                f"{begin} found AS ({query}) SELECT name, count(*) OVER () FROM found "
                f'ORDER BY name COLLATE "C" LIMIT {SHOWN}'
            ),
            given,
        ).fetchall()
        answers.append((rows[0][1] if rows else 0, tuple(name for name, _ in rows)))
    return Reconciled(*answers[0], *answers[1])
