"""What the role may do, found by trying it in transactions that are rolled back, and the GRANT for what is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence, Set
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
        grant: The statement that gives it, or several with semicolons between them; none at the end. Empty where
            none does.
    """

    what: str
    why: str
    grant: str


def probe(connection: Connection, needs: Needs) -> list[Missing]:
    """What is missing. Changes nothing: everything is tried in transactions that are rolled back."""
    row = connection.execute(
        "SELECT current_user::text, current_database()::text, pg_is_in_recovery(), "
        "current_setting('default_transaction_read_only')::bool, "
        "(SELECT source FROM pg_settings WHERE name = 'default_transaction_read_only'), "
        "to_regnamespace('migrator') IS NOT NULL, to_regnamespace(%s) IS NOT NULL",
        (quote(needs.schema),),
    ).fetchone()
    assert row is not None
    role, database, standby, read_only, set_by, installed, schema_there = row
    if standby or read_only:
        why = "the server is a standby" if standby else f"default_transaction_read_only is on, by {set_by}"
        return [Missing("write", why, "" if standby else _writable(set_by, quote(role), quote(database)))]
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
    if installed and not (_works(connection, f"CREATE TABLE migrator.{PROBE} ()") and _writes_ledger(connection)):
        why = "the ledger that is there belongs to another role"
        # Not its ownership alone: the tables in it would still be the other role's.
        grants = (
            f"GRANT ALL ON {kind} migrator TO {who}"
            for kind in ("SCHEMA", "ALL TABLES IN SCHEMA", "ALL SEQUENCES IN SCHEMA")
        )
        missing.append(Missing("the schema migrator", why, "; ".join(grants)))
    creates = needs.creates or needs.enums
    if creates and not schema_there:
        grant = f"GRANT USAGE, CREATE ON SCHEMA {quote(needs.schema)} TO {who}"
        grant = f"CREATE SCHEMA {quote(needs.schema)}; {grant}"
        missing.append(Missing(f"the schema {needs.schema}", "it does not exist", grant))
    elif creates and not _works(connection, f"CREATE TABLE {quote(needs.schema)}.{PROBE} ()"):
        grant = f"GRANT USAGE, CREATE ON SCHEMA {quote(needs.schema)} TO {who}"
        missing.append(Missing(f"CREATE on the schema {needs.schema}", "new tables are published there", grant))
    rights = _Rights(connection, {*needs.merges, *needs.references}, who)
    missing += rights.lacking(needs.merges, ("SELECT", "INSERT", "UPDATE", "DELETE"), "rows are merged into it")
    missing += rights.lacking(needs.references, ("SELECT", "REFERENCES"), "new foreign keys refer to it")
    missing += rights.hidden(needs.merges)
    missing += rights.sequences(needs.merges)
    return missing


def unreadable(connection: Connection, tables: Collection[TableName], why: str) -> list[Missing]:
    """What the role lacks to read tables; a table that does not exist is among it, without a statement."""
    wanted = sorted(set(tables))
    who = quote(connection.info.user)
    return list(_Rights(connection, set(wanted), who).lacking(wanted, ("SELECT",), why))


def _writable(set_by: str, role: str, database: str) -> str:
    """The statement that ends a default of read-only; none where it stands in the server's configuration.

    In a transaction that says READ WRITE, because the session of whoever runs it has the default too.
    """
    where = {
        "database": f"DATABASE {database}",
        "user": f"ROLE {role}",
        "database user": f"ROLE {role} IN DATABASE {database}",
    }.get(set_by)
    return f"BEGIN READ WRITE; ALTER {where} RESET default_transaction_read_only; COMMIT" if where else ""


def _works(connection: Connection, *statements: str) -> bool:
    """Whether statements are allowed, tried in a transaction that is rolled back."""
    try:
        with connection.transaction(force_rollback=True):
            for statement in statements:
                connection.execute(sql(statement))
    except errors.InsufficientPrivilege:
        return False
    except (errors.DuplicateSchema, errors.DuplicateTable):
        return True  # something of the probe's name is there already; the right is checked before the name
    except errors.UndefinedTable:
        return True  # nothing there to be denied
    return True


def _writes_ledger(connection: Connection) -> bool:
    row = connection.execute(
        "SELECT NOT EXISTS (SELECT 1 FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) r "
        "WHERE c.relnamespace = to_regnamespace('migrator') AND c.relkind IN ('r', 'p') "
        "AND NOT has_table_privilege(c.oid, r))"
    ).fetchone()
    return bool(row and row[0])


_RIGHTS = """
    SELECT n.nspname::text, c.relname::text,
           ARRAY(SELECT r FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REFERENCES']) r
                 WHERE has_table_privilege(c.oid, r)),
           has_schema_privilege(n.oid, 'USAGE'),
           -- Policies do not bind a superuser, a role with BYPASSRLS, or an owner unless forced.
           c.relrowsecurity AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)
           AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')),
           ARRAY(SELECT quote_ident(sn.nspname) || '.' || quote_ident(s.relname) FROM pg_depend d
                 JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
                 WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
                 AND d.deptype IN ('a', 'i')
                 AND NOT (has_sequence_privilege(s.oid, 'SELECT') AND has_sequence_privilege(s.oid, 'UPDATE')))
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN unnest(%s::text[], %s::text[]) wanted(schema, name) ON wanted.schema = n.nspname AND wanted.name = c.relname
"""


class _Rights:
    """What the role may do with some tables, asked for in one query: there may be thousands."""

    def __init__(self, connection: Connection, tables: Set[TableName], who: str) -> None:
        self._who = who
        wanted = sorted(tables)
        rows = (
            connection.execute(sql(_RIGHTS), ([t.schema for t in wanted], [t.name for t in wanted])) if wanted else ()
        )
        self._of = {TableName(schema, name): more for schema, name, *more in rows}

    def lacking(self, tables: Sequence[TableName], rights: Sequence[str], why: str) -> Iterator[Missing]:
        """The rights on tables, and the use of their schemas, that are not there."""
        for schema in sorted({t.schema for t in tables if t in self._of and not self._of[t][1]}):
            grant = f"GRANT USAGE ON SCHEMA {quote(schema)} TO {self._who}"
            yield Missing(f"USAGE on the schema {schema}", "tables of it are used", grant)
        for table in tables:
            if table not in self._of:
                yield Missing(f"the table {table}", f"it does not exist; {why}", "")
            elif lacking := ", ".join(right for right in rights if right not in self._of[table][0]):
                yield Missing(f"{lacking} on {table}", why, f"GRANT {lacking} ON {quote_name(table)} TO {self._who}")

    def hidden(self, tables: Sequence[TableName]) -> Iterator[Missing]:
        """Tables whose policies bind the role."""
        for table in tables:
            if table in self._of and self._of[table][2]:
                why = "its policies would hide rows from the comparison"
                yield Missing(f"BYPASSRLS for {table}", why, f"ALTER ROLE {self._who} BYPASSRLS")

    def sequences(self, tables: Sequence[TableName]) -> Iterator[Missing]:
        """Sequences of identity and serial columns that could not be raised."""
        for table in tables:
            for sequence in self._of[table][3] if table in self._of else ():
                why = f"it is raised above the rows merged into {table}"
                grant = f"GRANT SELECT, UPDATE ON SEQUENCE {sequence} TO {self._who}"
                yield Missing(f"SELECT, UPDATE on the sequence {sequence}", why, grant)
