"""Rows that are sent with texts in place of values that only the server reads: it casts them as it takes them in."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from migrator_tui.convert.identifiers import quote

_TEXTS = "_mt_texts"
_KEY = b"migrator.cast"


def to_be_cast(name: str, kind: str) -> pa.Field:
    """The field of a column that is sent as text and cast to a type."""
    return pa.field(name, pa.string(), metadata={_KEY: kind.encode()})


def ingest(cursor: Any, into: str, reader: pa.RecordBatchReader, *, schema: str) -> int:
    """Append rows to a table by COPY, and by way of a temporary table where columns have to be cast.

    Args:
        cursor: Of an ADBC connection, in the transaction that takes the rows.
        into: The table, unquoted, in ``schema``.
        reader: The rows; :func:`to_be_cast` says which of its columns are cast.

    Returns:
        Rows that were sent.
    """
    casts = {field.name: field.metadata[_KEY].decode() for field in reader.schema if _KEY in (field.metadata or {})}
    if not casts:
        return int(cursor.adbc_ingest(into, reader, mode="append", db_schema_name=schema))
    table, names = f"{quote(schema)}.{quote(into)}", reader.schema.names
    texts = ", ".join(f"NULL::text AS {quote(n)}" if n in casts else quote(n) for n in names)
    cursor.execute(f"CREATE TEMP TABLE {_TEXTS} AS SELECT {texts} FROM {table} WITH NO DATA")
    sent = int(cursor.adbc_ingest(_TEXTS, reader, mode="append", db_schema_name="pg_temp"))
    listed = ", ".join(map(quote, names))
    # In brackets, because a type such as interval day to second has several words.
    values = ", ".join(f"CAST({quote(n)} AS {casts[n]})" if n in casts else quote(n) for n in names)
    cursor.execute(f"INSERT INTO {table} ({listed}) SELECT {values} FROM pg_temp.{_TEXTS}")
    cursor.execute(f"DROP TABLE pg_temp.{_TEXTS}")
    return sent
