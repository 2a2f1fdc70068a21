"""Which source columns hold secrets by what their values are, whatever they are called."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.migration.staging import Source
from migrator_tui.sqlite.snapshot import snapshot_uri
from migrator_tui.supabase.sensitive import sensitive_values

SAMPLE = 8
LONGEST = 1_000
SHORTEST = 20
"""Characters that the longest value of a column of hashes or tokens has at least."""


def secret_columns(source: Source) -> Mapping[tuple[str, str], str]:
    """``(table, column)`` → what the first texts of the column are, in words."""
    found = {}
    with closing(sqlite3.connect(snapshot_uri(source.snapshot), uri=True)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        for name, table in source.profile.tables.items():
            for column in table.columns:
                if column.texts == 0 or column.text_max_characters < SHORTEST:
                    continue
                value = quote_sqlite(column.name)
                where = f"typeof({value}) = 'text' AND {value} <> ''"
                rows = connection.execute(
                    f"SELECT substr({value}, 1, {LONGEST}) FROM {quote_sqlite(name)} WHERE {where} LIMIT {SAMPLE}"
                ).fetchall()
                if (what := sensitive_values([value for (value,) in rows])) is not None:
                    found[name, column.name] = what
    return found
