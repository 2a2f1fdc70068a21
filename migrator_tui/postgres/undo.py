"""Undo: a published run leaves the target, but never over a row that someone changed since.

New tables, types and views move to a schema of their own, which keeps later edits; where nothing was edited they are
then dropped, because the snapshot holds every row. Rows that publishing wrote into live tables are restored from the
journal, backwards, where they still are what was written. Everything else is kept and listed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors

from migrator_tui.convert.identifiers import quote
from migrator_tui.model.errors import TargetError
from migrator_tui.postgres.ddl import undone_schema
from migrator_tui.postgres.ledger import Fence, read_step, set_state, write_step
from migrator_tui.postgres.merge import sql
from migrator_tui.postgres.publish import LOCK_TIMEOUT_MS, STEP, drop_schema
from migrator_tui.postgres.replay import Secret, replay

UNDO_STEP = "undone"


@dataclass(frozen=True, slots=True)
class Undone:
    """What undo did.

    Attributes:
        moved: Tables that left.
        deleted, restored: Rows of live tables, as journalled.
        kept: What was edited since and therefore kept, one line each.
        kept_schema: The schema that still holds the run's tables, or None where they were dropped.
    """

    moved: int
    deleted: int
    restored: int
    kept: tuple[str, ...]
    kept_schema: str | None


Beside = Callable[[psycopg.Connection[Any]], Sequence[str]]
"""Takes back, within the transaction, what was made beside the tables; returns lines of what was kept."""


def undo(
    connection: psycopg.Connection[Any],
    fence: Fence,
    *,
    beside: Beside = lambda connection: (),
    secret: Secret = lambda column: False,
) -> Undone:
    """Roll a published run back, in one transaction, then drop what nobody edited.

    Args:
        beside: Called within it once the tables have left and live rows are as they were.
        secret: Columns whose values are not told of rows that are kept.

    Raises:
        TargetError: The run was not published here.
        ConnectionLost: A lock was not to be had in time, or the connection ended; calling again goes on.
    """
    done = read_step(connection, fence.run, UNDO_STEP)
    if done is None:
        done = _undo(connection, fence, beside, secret)
    kept = list(done["kept"])
    schema: str | None = undone_schema(fence.run)
    if done["edited"]:
        kept.append(f"The run's tables, with what was edited, are kept in the schema {schema}.")
    else:
        dependents = _drop(connection, undone_schema(fence.run))
        kept += dependents
        schema = undone_schema(fence.run) if dependents else None
    return Undone(len(done["tables"]), done["deleted"], done["restored"], tuple(kept), schema)


def _undo(connection: psycopg.Connection[Any], fence: Fence, beside: Beside, secret: Secret) -> dict[str, Any]:
    published = read_step(connection, fence.run, STEP)
    if published is None:
        raise TargetError("UNDO-NOT-PUBLISHED", f"The run {fence.run} was not published on this target.", "")
    with connection.transaction():
        connection.execute(sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
        set_state(connection, fence, "rolled_back")
        tables = [(t["schema"], t["name"], t["rows"]) for t in published["created"]]
        writers = {(t["schema"], t["name"]): t["writers"] for t in published["created"]}
        here = [(schema, name, rows) for schema, name, rows in tables if _exists(connection, schema, name)]
        kept = [f"{s}.{n} is not there any more; it was left alone." for s, n, r in tables if (s, n, r) not in here]
        for schema, name, _ in sorted(here):
            connection.execute(sql(f"LOCK TABLE {quote(schema)}.{quote(name)} IN ACCESS EXCLUSIVE MODE"))
        merged_into = [(s, n) for s, n in published["merged_into"] if _exists(connection, s, n)]
        kept += [
            f"{s}.{n} is not there any more, nor are the rows that the run wrote there."
            for s, n in published["merged_into"]
            if (s, n) not in merged_into
        ]
        for schema, name in sorted(merged_into):
            # This mode also keeps out the foreign key checks of new children: a row that is taken back has none then.
            connection.execute(sql(f"LOCK TABLE {quote(schema)}.{quote(name)} IN EXCLUSIVE MODE"))
        edits = _edits(connection, here, writers, int(published["xid"]), [int(x) for x in published["under_way"]])
        _detach(connection, here)
        replayed = replay(connection, fence, merged_into, secret)
        _move(connection, fence.run, published, here)
        kept += beside(connection)
        detail = {
            "tables": [[schema, name] for schema, name, _ in here],
            "edited": bool(edits),
            "kept": kept + edits + list(replayed.kept),
            "deleted": replayed.deleted,
            "restored": replayed.restored,
        }
        write_step(connection, fence.run, UNDO_STEP, detail)
    return detail


def _exists(connection: psycopg.Connection[Any], schema: str, name: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (f"{quote(schema)}.{quote(name)}",)).fetchone()
    return bool(row and row[0])


def _edits(
    connection: psycopg.Connection[Any],
    tables: Sequence[tuple[str, str, int]],
    writers: Mapping[tuple[str, str], Sequence[str]],
    xid: int,
    under_way: Sequence[int],
) -> list[str]:
    """What was changed in the run's tables since they were published.

    A row's ``xmin`` names the transaction that wrote it, and publishing noted every one that had written the table's
    rows: any other is a later one, whatever its number (a savepoint has one of its own). A row of the catalogue is
    newer where it came after the publishing transaction or from one that was under way then.

    Args:
        writers: Table → transactions that wrote its published rows.
        xid, under_way: The publishing transaction, and those that were under way.
    """
    running = ", ".join(f"'{int(x)}'" for x in under_way)
    newer_than = f"(age(xmin) < age('{xid}'::xid) OR xmin::text = ANY(ARRAY[{running}]::text[]))"
    found = []
    for schema, name, rows in tables:
        table = f"{quote(schema)}.{quote(name)}"
        ours = ", ".join(f"'{int(x)}'" for x in writers[schema, name])
        theirs = f"NOT xmin::text = ANY(ARRAY[{ours}]::text[])"
        row = connection.execute(sql(f"SELECT count(*), count(*) FILTER (WHERE {theirs}) FROM {table}")).fetchone()
        now, newer = (int(row[0]), int(row[1])) if row else (0, 0)
        gone = rows - (now - newer)
        if newer or gone:
            found.append(f"{schema}.{name}: {newer} rows were added or changed since, {gone} are gone or changed.")
        altered = connection.execute(
            sql(
                f"SELECT bool_or({newer_than}) FROM (SELECT xmin FROM pg_class WHERE oid = %(table)s::regclass "
                "UNION ALL SELECT xmin FROM pg_attribute WHERE attrelid = %(table)s::regclass "
                "UNION ALL SELECT xmin FROM pg_index WHERE indrelid = %(table)s::regclass "
                "UNION ALL SELECT xmin FROM pg_policy WHERE polrelid = %(table)s::regclass "
                "UNION ALL SELECT xmin FROM pg_trigger WHERE tgrelid = %(table)s::regclass AND NOT tgisinternal) parts"
            ),
            {"table": table},
        ).fetchone()
        if altered and altered[0]:
            found.append(f"{schema}.{name}: the table itself was altered since (columns, grants, policies, triggers).")
    return found


def _detach(connection: psycopg.Connection[Any], tables: Sequence[tuple[str, str, int]]) -> None:
    """Drop foreign keys from the run's tables onto tables that stay: they would block the application's deletes."""
    names = [f"{quote(schema)}.{quote(name)}" for schema, name, _ in tables]
    rows = connection.execute(
        "SELECT conrelid::regclass::text, conname::text FROM pg_constraint WHERE contype = 'f' "
        "AND conrelid = ANY(%s::regclass[]) AND NOT confrelid = ANY(%s::regclass[])",
        (names, names),
    ).fetchall()
    for table, constraint in rows:
        connection.execute(sql(f"ALTER TABLE {table} DROP CONSTRAINT {quote(constraint)}"))


def _move(
    connection: psycopg.Connection[Any], run: str, published: Mapping[str, Any], tables: Sequence[tuple[str, str, int]]
) -> None:
    schema = quote(undone_schema(run))
    connection.execute(sql(f"CREATE SCHEMA {schema}"))
    connection.execute(sql(f"REVOKE ALL ON SCHEMA {schema} FROM PUBLIC"))
    for view_schema, name in reversed(published["views"]):
        if _exists(connection, view_schema, name):
            connection.execute(sql(f"ALTER VIEW {quote(view_schema)}.{quote(name)} SET SCHEMA {schema}"))
    for table_schema, name, _ in tables:
        connection.execute(sql(f"ALTER TABLE {quote(table_schema)}.{quote(name)} SET SCHEMA {schema}"))
    for type_schema, name in published["enums"]:
        there = connection.execute("SELECT to_regtype(%s) IS NOT NULL", (f"{quote(type_schema)}.{quote(name)}",))
        if there.fetchone() == (True,):
            connection.execute(sql(f"ALTER TYPE {quote(type_schema)}.{quote(name)} SET SCHEMA {schema}"))


def _drop(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    """Drop the unedited tables, views and types; what something else depends on stays and is named."""
    outside = dependents(connection, schema)
    if outside:
        return [
            f"{what} depends on a table of the run; the tables are kept in the schema {schema}." for what in outside
        ]
    try:
        drop_schema(connection, schema)
    except errors.DependentObjectsStillExist as error:
        return [f"{str(error).splitlines()[0]}; kept in the schema {schema}."]
    return []


def dependents(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    """What somebody else built on a schema's tables, sequences and types, and ``CASCADE`` would drop with them.

    Views, functions, policies, foreign keys, defaults, and columns of such a type.
    """
    rows = connection.execute(
        "WITH tables AS (SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace(%(schema)s)), own AS ("
        "SELECT 'pg_class'::regclass AS class, oid FROM tables "
        "UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = to_regnamespace(%(schema)s) "
        "UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint "
        "WHERE connamespace = to_regnamespace(%(schema)s) "
        "UNION ALL SELECT 'pg_attrdef'::regclass, d.oid FROM pg_attrdef d JOIN tables t ON t.oid = d.adrelid "
        "UNION ALL SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite w JOIN tables t ON t.oid = w.ev_class "
        "UNION ALL SELECT 'pg_trigger'::regclass, g.oid FROM pg_trigger g JOIN tables t ON t.oid = g.tgrelid "
        "UNION ALL SELECT 'pg_policy'::regclass, p.oid FROM pg_policy p JOIN tables t ON t.oid = p.polrelid) "
        "SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend d "
        "JOIN own ON own.class = d.refclassid AND own.oid = d.refobjid WHERE d.deptype = 'n' "
        "AND NOT EXISTS (SELECT FROM own o WHERE o.class = d.classid AND o.oid = d.objid) ORDER BY 1",
        {"schema": quote(schema)},
    ).fetchall()
    return [what for (what,) in rows]
