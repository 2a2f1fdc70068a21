"""Publishing: staged tables become visible, and staged rows join live tables, in one transaction.

The order is the one that was found to work on Postgres 15: lock merged tables, detect again and decide anew what
changed, merge with before-images, move enum types (they do not follow their table), move tables, add foreign keys onto
live tables NOT VALID, views, identities, compare, write the state, commit. What needs no atomicity (VALIDATE, ANALYZE,
the API's schema cache) comes after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.decisions import Decisions, OnConflict
from migrator_tui.model.errors import MigratorError, TargetError, VerificationFailed
from migrator_tui.model.origin import Origin
from migrator_tui.model.plan import Action, Plan, TablePlan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.circles import checked_at_the_end
from migrator_tui.postgres.ddl import add_foreign_key, locator_name, staged_name, staging_schema
from migrator_tui.postgres.ledger import Fence, read_step, set_state, write_step
from migrator_tui.postgres.load import QuarantinedRow
from migrator_tui.postgres.merge import Merge, Merged, sql
from migrator_tui.postgres.merge_plan import merges
from migrator_tui.postgres.merging_parents import ParentMerging
from migrator_tui.postgres.origins import record
from migrator_tui.postgres.rekeying import Rekeying

LOCK_TIMEOUT_MS = 3_000
STEP = "published"


class ChangedSince(MigratorError):
    """Live rows changed between the decision and the publish: they are conflicts once more."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was published.

    Attributes:
        merged: Source name → what merging wrote.
        created: Source name → rows visible.
        unvalidated: Foreign keys that hold for new rows only: ``(table, constraint)``.
    """

    merged: Mapping[str, Merged]
    created: Mapping[str, int]
    unvalidated: tuple[tuple[TableName, str], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def publish(
    connection: psycopg.Connection[Any],
    plan: Plan,
    fence: Fence,
    staged_rows: Mapping[str, int],
    *,
    left_behind: Callable[[psycopg.Connection[Any]], Mapping[str, Sequence[QuarantinedRow]]] = lambda connection: {},
    decisions: Decisions | None = None,
    policy: OnConflict = OnConflict.ASK,
    origin: Origin | None = None,
    beside: Callable[[psycopg.Connection[Any]], None] = lambda connection: None,
    failpoint: Callable[[str], None] = lambda name: None,
) -> Published:
    """Publish everything, or nothing.

    Args:
        staged_rows: Source name → rows that staging committed.
        left_behind: Source name → the conflicting rows that are decided to be quarantined, whole; asked once that is
            settled.
        decisions, policy: What decides, with the live tables locked, rows that changed since they were decided upon.
            Those that were decided one by one wait for a person.
        origin: What the tables came from, kept for the way back.
        beside: What is made within the same transaction, once tables, keys and views are there.
        failpoint: Called with a name before each step; tests raise or kill there.

    Raises:
        ConnectionLost: A lock was not to be had in time, or the connection ended; nothing is published unless the
            state says so.
        ChangedSince: Live rows changed since they were decided upon, and not all can be decided as they are now.
        VerificationFailed: What would be visible is not what was staged; rolled back.
        TargetError: A name was taken meanwhile, or the server refused; rolled back.
    """
    done = read_step(connection, fence.run, STEP)
    if done is not None:  # a COMMIT whose answer was lost
        return _from_step(done)
    schema = staging_schema(fence.run)
    with connection.transaction():
        connection.execute(sql(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
        set_state(connection, fence, "published")
        failpoint("publish-locked")
        by_table = merges(connection, plan, fence.run)
        rekeying = Rekeying(connection, plan, fence.run, by_table)
        parents = ParentMerging(connection, fence, by_table, rekeying)
        _lock(connection, plan, parents.tables)
        if _decide_again(connection, by_table, rekeying, decisions or Decisions(), policy):
            parents = ParentMerging(connection, fence, by_table, rekeying)
            _lock(connection, plan, parents.tables)
        merged = _merge(connection, fence, by_table, left_behind(connection))
        parents.merge()
        rekeying.record(connection, fence.run)
        rekeying.rewrite_new_tables(connection, fence.run)
        failpoint("publish-merged")
        _move_types(connection, plan, schema)
        _move_tables(connection, plan, schema)
        failpoint("publish-moved")
        unvalidated = _foreign_keys(connection, plan)
        _views(connection, plan)
        beside(connection)
        created = _compare(connection, plan, staged_rows)
        failpoint("publish-compared")
        raise_sequences(connection, plan)  # last: a rollback would not take it back
        published = Published(merged, created, unvalidated)
        write_step(connection, fence.run, STEP, _to_step(connection, plan, published, parents.tables))
        if origin is not None:
            record(connection, fence.run, origin)
        failpoint("publish-commit")
    return published


def after_publish(connection: psycopg.Connection[Any], plan: Plan, published: Published, run: str) -> tuple[str, ...]:
    """What comes after the commit; a failure here is a note, never a failed run.

    Returns:
        A line for each foreign key that live rows keep from being validated.
    """
    notes = []
    for table, name in published.unvalidated:
        try:
            connection.execute(sql(f"ALTER TABLE {quote_name(table)} VALIDATE CONSTRAINT {quote(name)}"))
        except errors.ForeignKeyViolation as error:
            notes.append(f"{table}: foreign key {name} holds for new rows only: {str(error).splitlines()[0]}")
    for moved in plan.moved:
        connection.execute(sql(f"ANALYZE {quote_name(moved.target)}"))
    connection.execute("NOTIFY pgrst, 'reload schema'")
    drop_staging(connection, run)
    return tuple(notes)


def drop_staging(connection: psycopg.Connection[Any], run: str) -> None:
    """Drop the run's staging schema, in batches: dropping thousands of tables at once exhausts lock memory."""
    drop_schema(connection, staging_schema(run))


def drop_schema(connection: psycopg.Connection[Any], schema: str, *, batch: int = 100) -> None:
    """Drop a schema of the program's own and all in it, some tables at a time. A schema that is not there is fine."""
    while True:
        rows = connection.execute(
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relkind = 'r' LIMIT %s",
            (schema, batch),
        ).fetchall()
        if not rows:
            break
        names = ", ".join(f"{quote(schema)}.{quote(row[0])}" for row in rows)
        connection.execute(sql(f"DROP TABLE {names} CASCADE"))
    connection.execute(sql(f"DROP SCHEMA IF EXISTS {quote(schema)} CASCADE"))


def left_behind(connection: psycopg.Connection[Any], plan: Plan, run: str) -> dict[str, dict[int, tuple[str, str]]]:
    """Conflicts that were decided to be quarantined: source name → locator → (finding id, reason)."""
    chosen = {source: merge.left_behind(connection) for source, merge in merges(connection, plan, run).items()}
    return {source: rows for source, rows in chosen.items() if rows}


def _lock(connection: psycopg.Connection[Any], plan: Plan, children: Sequence[TableName]) -> None:
    # In name order, so that two runs wait for one another instead of deadlocking.
    for target in sorted({*children, *(table.target for table in plan.moved if table.action is Action.MERGE)}):
        connection.execute(sql(f"LOCK TABLE {quote_name(target)} IN SHARE ROW EXCLUSIVE MODE"))


def _decide_again(
    connection: psycopg.Connection[Any],
    by_table: Mapping[str, Merge],
    rekeying: Rekeying,
    decisions: Decisions,
    policy: OnConflict,
) -> bool:
    """Decide anew, with the live tables locked, where rows changed since; so that writers cannot outrun rules.

    Returns:
        Whether any did.
    """
    others = rekeying.changed_since(connection)
    changed = {source: m.changed_since(connection) + others.get(source, 0) for source, m in by_table.items()}
    if not any(changed.values()):
        return False
    rekeying.mark_changed(connection, decisions, told=False)
    rekeying.resolve(connection, decisions, policy, afresh=False, pages=False)
    if any(merge.counts(connection).undecided for merge in by_table.values()):
        source, rows = next((source, rows) for source, rows in changed.items() if rows)
        raise ChangedSince(
            "CONFLICT-CHANGED",
            f"{source}: {rows} live rows changed on the target since they were compared.",
            "They are compared again.",
        )
    return True


def _merge(
    connection: psycopg.Connection[Any],
    fence: Fence,
    by_table: Mapping[str, Merge],
    left_behind: Mapping[str, Sequence[QuarantinedRow]],
) -> dict[str, Merged]:
    """Write the staged rows of all merged tables, and look whether they are there as they should be."""
    with checked_at_the_end(connection, [merge.table.target for merge in by_table.values()]):
        merged = {source: m.write(connection, fence, left_behind.get(source, ())) for source, m in by_table.items()}
    for source, merge in by_table.items():
        wrong = merge.unexpected(connection, fence.run)
        if wrong:
            raise VerificationFailed(
                "PUBLISH-MERGE",
                f"{merge.table.target}: {wrong} rows would not be on the target as they were staged from {source}.",
                "Nothing was published. A trigger or rule of the table changes rows as they are written.",
            )
    return merged


def _move_types(connection: psycopg.Connection[Any], plan: Plan, schema: str) -> None:
    for enum in plan.enums:
        with _name_free(enum.name):
            connection.execute(
                sql(f"ALTER TYPE {quote(schema)}.{quote(enum.name.name)} SET SCHEMA {quote(enum.name.schema)}")
            )


def _move_tables(connection: psycopg.Connection[Any], plan: Plan, schema: str) -> None:
    for table in _created(plan):
        staged = f"{quote(schema)}.{quote(staged_name(table))}"
        connection.execute(sql(f"ALTER TABLE {staged} DROP COLUMN {quote(locator_name(table))}"))
        with _name_free(table.target):
            connection.execute(sql(f"ALTER TABLE {staged} SET SCHEMA {quote(table.target.schema)}"))


@contextmanager
def _name_free(name: TableName) -> Iterator[None]:
    try:
        yield
    except (errors.DuplicateTable, errors.DuplicateObject) as error:
        raise TargetError(
            "PUBLISH-NAME-TAKEN",
            f"{name} cannot be published: {str(error).splitlines()[0]}.",
            "Something of that name was created on the target since the plan was made. Nothing was published; "
            "remove or rename it and resume, or start a new run.",
        ) from error


def _foreign_keys(connection: psycopg.Connection[Any], plan: Plan) -> tuple[tuple[TableName, str], ...]:
    """Foreign keys from new tables onto live ones; those among new tables came along."""
    new = {table.target for table in _created(plan)}
    unvalidated = []
    for table in _created(plan):
        for key in table.foreign_keys:
            if key.parent not in new:
                statement = add_foreign_key(quote_name(table.target), key, quote_name(key.parent), validated=False)
                connection.execute(sql(statement))
                if key.validated:
                    unvalidated.append((table.target, key.name or "fkey"))
    return tuple(unvalidated)


def _views(connection: psycopg.Connection[Any], plan: Plan) -> None:
    for view in plan.views:
        # The tables in the query are unqualified; only the target schema and pg_catalog may answer for them.
        connection.execute(sql(f"SET LOCAL search_path = {quote(view.target.schema)}"))
        with _name_free(view.target):
            connection.execute(sql(f"CREATE VIEW {quote_name(view.target)} AS {view.query}"))
    if plan.views:
        connection.execute("SET LOCAL search_path = DEFAULT")


def raise_sequences(connection: psycopg.Connection[Any], plan: Plan) -> None:
    """Sequences of live tables are only ever raised: ``setval`` is not undone by a rollback."""
    for table in plan.moved:
        if table.action is not Action.MERGE:
            continue
        for column in table.moved_columns:
            row = connection.execute(
                "SELECT pg_get_serial_sequence(%s, %s)", (quote_name(table.target), column.target)
            ).fetchone()
            if row and row[0]:
                connection.execute(
                    sql(
                        f"SELECT setval('{row[0].replace(chr(39), chr(39) * 2)}', m.high) "
                        f"FROM (SELECT max({quote(column.target)}) AS high FROM {quote_name(table.target)}) m, "
                        f"{row[0]} q WHERE m.high > q.last_value OR (m.high = q.last_value AND NOT q.is_called)"
                    )
                )


def _compare(
    connection: psycopg.Connection[Any],
    plan: Plan,
    staged: Mapping[str, int],
) -> dict[str, int]:
    created = {}
    for table in _created(plan):
        row = connection.execute(sql(f"SELECT count(*) FROM {quote_name(table.target)}")).fetchone()
        created[table.source] = int(row[0]) if row else 0
        if created[table.source] != staged[table.source]:
            raise VerificationFailed(
                "PUBLISH-COUNT",
                f"{table.target} would show {created[table.source]} rows, but {staged[table.source]} were staged.",
                "Nothing was published. Somebody wrote into the staging schema; start a new run.",
            )
    return created


def _created(plan: Plan) -> list[TablePlan]:
    return [table for table in plan.moved if table.action is Action.CREATE]


def _writers(connection: psycopg.Connection[Any], table: TableName) -> list[str]:
    """The transactions that wrote a table's rows: about one a chunk."""
    rows = connection.execute(sql(f"SELECT DISTINCT xmin::text FROM {quote_name(table)}")).fetchall()
    return [row[0] for row in rows]


def _to_step(
    connection: psycopg.Connection[Any], plan: Plan, published: Published, children: Sequence[TableName]
) -> dict[str, Any]:
    # A snapshot lists the running transactions only below its xmax, the first that no completed one had passed; from
    # there on to this one they may all be running.
    row = connection.execute(
        "SELECT pg_current_xact_id()::xid::text, ARRAY("
        "SELECT x::xid::text FROM pg_snapshot_xip(pg_current_snapshot()) AS x WHERE x <> pg_current_xact_id() UNION "
        "SELECT (x % 4294967296)::text FROM generate_series(pg_snapshot_xmax(pg_current_snapshot())::text::bigint, "
        "pg_current_xact_id()::text::bigint - 1) AS x)"
    ).fetchone()
    return {
        "xid": row[0] if row else "",
        # Transactions that had begun and may still write into a table that has just become visible to them.
        "under_way": row[1] if row else [],
        "created": [
            {
                "source": t.source,
                "schema": t.target.schema,
                "name": t.target.name,
                "rows": published.created[t.source],
                "writers": _writers(connection, t.target),
            }
            for t in _created(plan)
        ],
        "enums": [[enum.name.schema, enum.name.name] for enum in plan.enums],
        "views": [[view.target.schema, view.target.name] for view in plan.views],
        "merged": {
            source: [m.inserted, m.updated, m.unchanged, m.kept_target, m.quarantined]
            for source, m in published.merged.items()
        },
        # In the order in which they were written, which undo goes backwards.
        "merged_into": [
            *([plan.table(s).target.schema, plan.table(s).target.name] for s in published.merged),
            *([child.schema, child.name] for child in children),
        ],
        "unvalidated": [[table.schema, table.name, name] for table, name in published.unvalidated],
    }


def _from_step(detail: Mapping[str, Any]) -> Published:
    return Published(
        {source: Merged(*counts) for source, counts in detail["merged"].items()},
        {table["source"]: table["rows"] for table in detail["created"]},
        tuple((TableName(schema, table), name) for schema, table, name in detail["unvalidated"]),
    )
