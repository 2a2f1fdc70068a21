"""What the role may do, found by trying it in transactions that are rolled back, and the GRANT for what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge import sql

Connection = psycopg.Connection[tuple[Any, ...]]

PROBE = "migrator_probe"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a plan does on the target.

    Attributes:
        schema: Where new tables are published.
        creates: There are new tables.
        merges: Live tables that get rows.
        references: Live tables that new foreign keys refer to.
        enums: There are new types.
    """

    schema: str
    creates: bool
    merges: tuple[TableName, ...] = ()
    references: tuple[TableName, ...] = ()
    enums: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """A right that the plan needs and the role lacks.

    Attributes:
        grant: The statement that gives it, without a semicolon; empty where none does.
    """

    what: str
    why: str
    grant: str


def probe(connection: Connection, needs: Needs) -> list[Missing]:
    """What is missing. Changes nothing: everything is tried in transactions that are rolled back."""
    row = connection.execute(
        "SELECT current_user::text, current_database()::text, pg_is_in_recovery(), "
        "current_setting('default_transaction_read_only')::bool, "
        "to_regnamespace('migrator') IS NOT NULL, to_regnamespace(%s) IS NOT NULL",
        (quote(needs.schema),),
    ).fetchone()
    assert row is not None
    role, database, standby, read_only, installed, schema_there = row
    if standby or read_only:
        why = "the server is a standby" if standby else "default_transaction_read_only is on"
        return [
            Missing(
                "write", why, "" if standby else f"ALTER DATABASE {quote(database)} RESET default_transaction_read_only"
            )
        ]
    who = quote(role)
    missing = []
    if not _works(connection, f"CREATE SCHEMA {PROBE}"):
        why = "staging and the ledger are schemas of their own"
        missing.append(Missing("CREATE on the database", why, f"GRANT CREATE ON DATABASE {quote(database)} TO {who}"))
    if not _works(connection, f"CREATE TEMP TABLE {PROBE} ()"):
        why = "verifying compares by way of temporary tables"
        missing.append(
            Missing("TEMPORARY on the database", why, f"GRANT TEMPORARY ON DATABASE {quote(database)} TO {who}")
        )
    if installed and not _works(connection, "SELECT 1 FROM migrator.run LIMIT 1", f"CREATE TABLE migrator.{PROBE} ()"):
        why = "the ledger that is there belongs to another role"
        missing.append(Missing("the schema migrator", why, f"ALTER SCHEMA migrator OWNER TO {who}"))
    if needs.creates and not schema_there:
        missing.append(
            Missing(f"the schema {needs.schema}", "it does not exist", f"CREATE SCHEMA {quote(needs.schema)}")
        )
    elif needs.creates and not _works(connection, f"CREATE TABLE {quote(needs.schema)}.{PROBE} ()"):
        grant = f"GRANT USAGE, CREATE ON SCHEMA {quote(needs.schema)} TO {who}"
        missing.append(Missing(f"CREATE on the schema {needs.schema}", "new tables are published there", grant))
    missing += _on_tables(
        connection, needs.merges, ("SELECT", "INSERT", "UPDATE", "DELETE"), "rows are merged into it", who
    )
    missing += _on_tables(connection, needs.references, ("SELECT", "REFERENCES"), "new foreign keys refer to it", who)
    for table in needs.merges:
        if not _works(connection, "SET LOCAL row_security = off", f"SELECT 1 FROM {quote_name(table)} LIMIT 1"):
            why = "its policies would hide rows from the comparison"
            missing.append(Missing(f"BYPASSRLS for {table}", why, f"ALTER ROLE {who} BYPASSRLS"))
    return missing


def _works(connection: Connection, *statements: str) -> bool:
    """Whether statements are allowed, tried in a transaction that is rolled back."""
    try:
        with connection.transaction(force_rollback=True):
            for statement in statements:
                connection.execute(sql(statement))
    except errors.InsufficientPrivilege:
        return False
    return True


def _on_tables(
    connection: Connection, tables: Sequence[TableName], rights: Sequence[str], why: str, who: str
) -> Iterator[Missing]:
    for table in tables:
        name = quote_name(table)
        lacking = []
        for right in rights:
            row = connection.execute("SELECT has_table_privilege(%s, %s)", (name, right)).fetchone()
            if not row or not row[0]:
                lacking.append(right)
        if lacking:
            yield Missing(f"{', '.join(lacking)} on {table}", why, f"GRANT {', '.join(lacking)} ON {name} TO {who}")
