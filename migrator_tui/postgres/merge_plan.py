"""Which merges a plan asks for, parents first, and the natural keys that a person named for them.

The natural keys are kept in the staging schema, so that what is shown, decided and published compares by the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_name
from migrator_tui.model.decisions import Match, NaturalKey
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import Action, Plan, TablePlan
from migrator_tui.postgres.ddl import staging_schema
from migrator_tui.postgres.live_rules import live_rules
from migrator_tui.postgres.merge import Merge, live_uniques, sql, written_columns
from migrator_tui.postgres.merge_parts import MatchedBy


def _merged(plan: Plan) -> list[TablePlan]:
    return [table for table in plan.moved if table.action is Action.MERGE]


def merges(
    connection: psycopg.Connection[Any], plan: Plan, run: str, only: Collection[str] | None = None
) -> dict[str, Merge]:
    """The merge of each table that the plan adds to a live one, by source name; of some of them, or of all."""
    schema = staging_schema(run)
    moved = {table.target for table in plan.moved}
    named = _kept_keys(connection, schema)
    found = {
        table.source: Merge(
            table,
            schema,
            live_uniques(connection, table.target),
            live_rules(connection, table.target, written_columns(table), moved),
            _matched_by(connection, table, named),
        )
        for table in parents_first(connection, _merged(plan))
        if only is None or table.source in only
    }
    for merge in found.values():
        merge.look_for_overlays(connection)
    return found


def keep_natural_keys(connection: psycopg.Connection[Any], run: str, named: Sequence[NaturalKey]) -> None:
    """Compare this run's rows by these natural keys from now on."""
    kept = f"{quote(staging_schema(run))}._mt_natural_keys"
    connection.execute(
        sql(f"CREATE TABLE IF NOT EXISTS {kept} (n int, tbl text, columns text[], match text, name text)")
    )
    connection.execute(sql(f"TRUNCATE {kept}"))
    for n, key in enumerate(named):
        connection.execute(
            sql(f"INSERT INTO {kept} VALUES (%s, %s, %s, %s, %s)"),
            (n, key.table, list(key.columns), key.match.value, key.name),
        )


def _kept_keys(connection: psycopg.Connection[Any], schema: str) -> list[NaturalKey]:
    kept = f"{quote(schema)}._mt_natural_keys"
    if connection.execute("SELECT to_regclass(%s)", (kept,)).fetchone() == (None,):
        return []
    rows = connection.execute(sql(f"SELECT tbl, columns, match, name FROM {kept} ORDER BY n"))
    return [NaturalKey(table, tuple(columns), Match(match), name) for table, columns, match, name in rows]


def unused_natural_keys(plan: Plan, named: Sequence[NaturalKey]) -> tuple[NaturalKey, ...]:
    """Those by which nothing is compared, because their table's rows join no live table.

    Raises:
        UsageError: ``NATURAL-KEY-COLUMN``: one names a column that its table does not move.
    """
    used = {id(key) for table in _merged(plan) for key, _ in _columns_of(table, named)}
    return tuple(key for key in named if id(key) not in used)


def _columns_of(table: TablePlan, named: Sequence[NaturalKey]) -> list[tuple[NaturalKey, tuple[str, ...]]]:
    """The natural keys of a table, with their columns by their names on the target."""
    names = {table.source, str(table.target), table.target.name}
    renamed = {c.source: c.target for c in table.moved_columns}
    there = set(renamed.values())
    found = []
    for key in named:
        if key.table not in names:
            continue
        columns = tuple(c if c in there else renamed.get(c, c) for c in key.columns)
        for column in columns:
            if column not in there:
                raise UsageError(
                    "NATURAL-KEY-COLUMN",
                    f"The natural key {key.label} of {table.source} names {column!r}, which is no column of its rows.",
                    f"Its columns are {', '.join(sorted(there))}.",
                )
        found.append((key, columns))
    return found


def _matched_by(
    connection: psycopg.Connection[Any], table: TablePlan, named: Sequence[NaturalKey]
) -> tuple[MatchedBy, ...]:
    mine = _columns_of(table, named)
    if not mine:
        return ()
    found = connection.execute(
        "SELECT c.collname::text FROM pg_collation c WHERE c.collname IN ('und-x-icu', 'pg_c_utf8') "
        "AND c.collencoding IN (-1, (SELECT encoding FROM pg_database WHERE datname = current_database())) "
        "ORDER BY c.collname DESC LIMIT 1"
    ).fetchone()
    # The database's own may fold ASCII alone.
    folding = f" COLLATE {quote(found[0])}" if found else ""
    return tuple(MatchedBy(key.label, columns, key.match, natural=True, folding=folding) for key, columns in mine)


def parents_first(connection: psycopg.Connection[Any], tables: Sequence[TablePlan]) -> list[TablePlan]:
    """Merged tables in an order in which the target's own foreign keys hold; those of a cycle in the plan's order."""
    names = [quote_name(table.target) for table in tables]
    rows = connection.execute(
        "SELECT c.n, p.n FROM pg_constraint k "
        "JOIN unnest(%(names)s::text[]) WITH ORDINALITY AS c(name, n) ON c.name::regclass = k.conrelid "
        "JOIN unnest(%(names)s::text[]) WITH ORDINALITY AS p(name, n) ON p.name::regclass = k.confrelid "
        "WHERE k.contype = 'f' AND k.conrelid <> k.confrelid ORDER BY 1, 2",
        {"names": names},
    ).fetchall()
    parents: dict[int, list[int]] = {}
    for child, parent in rows:
        parents.setdefault(child - 1, []).append(parent - 1)
    order: list[TablePlan] = []
    seen: set[int] = set()
    for first in range(len(tables)):
        stack = [(first, False)]
        while stack:
            number, done = stack.pop()
            if done:
                order.append(tables[number])
            elif number not in seen:
                seen.add(number)
                stack.append((number, True))
                stack += [(parent, False) for parent in reversed(parents.get(number, []))]
    return order
