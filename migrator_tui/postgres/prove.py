"""Trying what was translated on the target itself, in a transaction that is always rolled back.

Whether the server takes a type, an expression or a view depends on its version, its extensions and what is there
already, so it is asked. The empty tables are made in a scratch schema; each expression is then applied under a
savepoint of its own, which a function on the server sets, so that a batch of them takes one round trip. Transaction
commands cannot be run from within a function, so no expression can end the transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import tuple_row

from migrator_tui.convert.identifiers import quote
from migrator_tui.model.errors import ConnectionLost, TargetError
from migrator_tui.model.plan import Action, ColumnPlan, TablePlan, ViewPlan
from migrator_tui.model.schema import EnumType, TableName
from migrator_tui.postgres.ddl import create_enum, create_index

BATCH = 100
"""Tables of one transaction; each takes several locks, and the server holds some thousands for all sessions."""

Kind = Literal["default", "check", "index", "generated", "view", "type"]

# Conditions that say nothing about the expression: no memory or disk, cancelled, connection, transaction state.
_NOT_ITS_FAULT = ("08", "25", "40", "53", "57", "58")

_ATTEMPT = """
CREATE FUNCTION {schema}.attempt(statements text, undo boolean) RETURNS text LANGUAGE plpgsql AS $function$
BEGIN
    EXECUTE statements;
    IF undo THEN
        RAISE EXCEPTION USING ERRCODE = 'MTOK0';
    END IF;
    RETURN NULL;
EXCEPTION
    WHEN SQLSTATE 'MTOK0' THEN
        RETURN NULL;
    WHEN OTHERS THEN
        RETURN SQLSTATE || ' ' || SQLERRM;
END
$function$
"""


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that the server does not take.

    Attributes:
        table: Target name of its table; None for views and enum types.
        name: Of the column (default, generated, type), check, index, view or enum type.
        error: What the server said.
    """

    object: Kind
    table: TableName | None
    name: str
    error: str


@dataclass(frozen=True, slots=True)
class _Trial:
    refused: Refused
    statements: str
    undo: bool = False


def prove(
    connection: psycopg.Connection[Any],
    tables: Sequence[TablePlan],
    views: Sequence[ViewPlan],
    enums: Sequence[EnumType],
) -> list[Refused]:
    """Try every type, default, check, generated column, index and view of a plan on the server.

    Nothing is left behind, also when the connection is lost. Tables that are merged into live ones are passed over:
    their own definitions hold. Views find the tables of this plan first and what is on the target after them.

    Args:
        connection: In a transaction or not; what it has done so far is left alone.

    Raises:
        TargetError: The role may not create a schema, or the server is out of memory, disk or patience.
        ConnectionLost: The connection ended.
    """
    created = [table for table in tables if table.action is Action.CREATE]
    refused: list[Refused] = []
    try:
        for batch in _batches(created):
            with _Scratch(connection, batch, (), enums) as scratch:
                refused += scratch.prove_tables()
        for batch, some in _batches_of_views(created, views):
            with _Scratch(connection, batch, some, enums) as scratch:
                refused += scratch.prove_views()
    except psycopg.errors.InsufficientPrivilege as error:
        raise TargetError(
            "TARGET-PRIVILEGE",
            f"The role may not create a schema to try the plan in: {_said(error)}.",
            f"Run as an owner or administrator: GRANT CREATE ON DATABASE {quote(connection.info.dbname)} "
            f"TO {quote(connection.info.user)};",
            sqlstate=error.sqlstate,
        ) from error
    except psycopg.Error as error:
        raise _failure(error.sqlstate, _said(error), lost=connection.broken or connection.closed) from error
    return list(dict.fromkeys(refused))


class _Scratch:
    """A scratch schema with the plan's enum types and empty tables, for the time of one transaction."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        tables: Sequence[TablePlan],
        views: Sequence[ViewPlan],
        enums: Sequence[EnumType],
    ) -> None:
        self._connection = connection
        self._schema = f"migrator_prove_{secrets.token_hex(4)}"
        self._tables = tables
        self._views = views
        self._enums = enums
        self._transaction = connection.transaction(force_rollback=True)

    def __enter__(self) -> _Scratch:
        self._transaction.__enter__()
        try:
            self._prepare()
        except BaseException as error:
            self._transaction.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, *exc: Any) -> None:
        self._transaction.__exit__(*exc)

    def prove_tables(self) -> list[Refused]:
        """What the server refuses of the types and of everything inside the tables."""
        refused = self._run(self._enum_trials())
        refused += self._create_tables()
        refused += self._run(self._defaults())
        refused += self._run(self._generated())
        self._run(self._keys())
        return refused + self._run([*self._checks(), *self._indexes()])

    def prove_views(self) -> list[Refused]:
        """What the server refuses of the views; what it refuses of the tables is known by then."""
        self._run(self._enum_trials())
        self._create_tables()
        self._run(self._generated())
        self._run(self._keys())
        waiting = [
            _Trial(
                Refused("view", None, view.target.name, ""),
                f"CREATE VIEW {self._name(view.target.name)} AS {view.query}",
            )
            for view in self._views
        ]
        while True:
            refused = self._run(waiting)
            names = {item.name for item in refused}
            still = [trial for trial in waiting if trial.refused.name in names]
            if not still or len(still) == len(waiting):
                return refused
            waiting = still

    def _prepare(self) -> None:
        schemas = sorted({t.target.schema for t in self._tables} | {v.target.schema for v in self._views})
        self._execute("SET LOCAL client_min_messages = error")
        self._execute(f"CREATE SCHEMA {quote(self._schema)}")
        self._execute(_ATTEMPT.format(schema=quote(self._schema)))
        path = ", ".join(map(quote, (self._schema, *schemas)))
        (behind,) = self._execute("SELECT current_setting('search_path')")[0]
        self._execute(f"SET LOCAL search_path = {path}{f', {behind}' if behind else ''}")

    def _create_tables(self) -> list[Refused]:
        """Make the tables, without the columns whose types the server refuses."""
        trials = [
            _Trial(Refused("type", table.target, table.target.name, ""), self._create(table, table.columns))
            for table in self._tables
        ]
        failed = {item.table: item for item in self._run(trials)}
        refused = []
        for table in self._tables:
            if table.target not in failed:
                continue
            bad = self._run(
                _Trial(Refused("type", table.target, column.target, ""), self._create(table, [column]), undo=True)
                for column in table.columns
            )
            names = {item.name for item in bad}
            good = [column for column in table.columns if column.target not in names]
            self._run([_Trial(failed[table.target], self._create(table, good))])
            refused += bad or [failed[table.target]]
        return refused

    def _enum_trials(self) -> list[_Trial]:
        return [
            _Trial(Refused("type", None, enum.name.name, ""), create_enum(enum, self._schema)) for enum in self._enums
        ]

    def _create(self, table: TablePlan, columns: Iterable[ColumnPlan]) -> str:
        listed = ", ".join(f"{quote(column.target)} {column.type}" for column in columns)
        return f"CREATE TABLE {self._name(table.target.name)} ({listed})"

    def _defaults(self) -> list[_Trial]:
        """Each default set, and used once for a row that is undone."""
        trials = []
        for table, column in self._columns():
            if column.default is None or column.generated is not None:
                continue
            name, own = self._name(table.target.name), quote(column.target)
            statements = (
                f"ALTER TABLE {name} ALTER COLUMN {own} SET DEFAULT {column.default}\n;"
                f"INSERT INTO {name} ({own}) VALUES (DEFAULT)"
            )
            trials.append(_Trial(Refused("default", table.target, column.target, ""), statements, undo=True))
        return trials

    def _generated(self) -> list[_Trial]:
        trials = []
        for table, column in self._columns():
            if column.generated is None:
                continue
            own = quote(column.target)
            statements = (
                f"ALTER TABLE {self._name(table.target.name)} DROP COLUMN {own}, "
                f"ADD COLUMN {own} {column.type} GENERATED ALWAYS AS ({column.generated.expression}\n) STORED"
            )
            trials.append(_Trial(Refused("generated", table.target, column.target, ""), statements))
        return trials

    def _keys(self) -> list[_Trial]:
        """Primary keys, by which a view may group; one that is refused shows when it is made in earnest."""
        return [
            _Trial(
                Refused("index", table.target, table.primary_key.name or "", ""),
                f"ALTER TABLE {self._name(table.target.name)} ADD PRIMARY KEY "
                f"({', '.join(map(quote, table.primary_key.columns))})",
            )
            for table in self._tables
            if table.primary_key is not None
        ]

    def _checks(self) -> list[_Trial]:
        trials = []
        for table in self._tables:
            for check in table.checks:
                name = f"CONSTRAINT {quote(check.name)} " if check.name else ""
                statements = f"ALTER TABLE {self._name(table.target.name)} ADD {name}CHECK ({check.expression}\n)"
                trials.append(_Trial(Refused("check", table.target, check.name or "", ""), statements))
        return trials

    def _indexes(self) -> list[_Trial]:
        return [
            _Trial(Refused("index", table.target, index.name, ""), create_index(index, self._name(table.target.name)))
            for table in self._tables
            for index in table.indexes
        ]

    def _columns(self) -> Iterable[tuple[TablePlan, ColumnPlan]]:
        return ((table, column) for table in self._tables for column in table.columns)

    def _name(self, name: str) -> str:
        return f"{quote(self._schema)}.{quote(name)}"

    def _run(self, trials: Iterable[_Trial]) -> list[Refused]:
        """Make each attempt in order, and give those that were refused, with what the server said.

        Raises:
            TargetError: The server could not try.
        """
        trials = list(trials)
        if not trials:
            return []
        rows = self._execute(
            f"SELECT number, {quote(self._schema)}.attempt(statements, undo) "
            "FROM unnest(%s::text[], %s::boolean[]) WITH ORDINALITY AS trial (statements, undo, number)",
            ([trial.statements for trial in trials], [trial.undo for trial in trials]),
        )
        refused = []
        for number, answer in rows:
            if answer is None:
                continue
            sqlstate, _, said = answer.partition(" ")
            if sqlstate.startswith(_NOT_ITS_FAULT):
                raise _failure(sqlstate, said, lost=False)
            item = trials[number - 1].refused
            refused.append(Refused(item.object, item.table, item.name, said))
        return refused

    def _execute(self, statement: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            # Put together from quoted names; what comes from the plan itself is a parameter.
            cursor.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []


def _batches(tables: Sequence[TablePlan]) -> Iterable[list[TablePlan]]:
    """Tables of one schema together, so that their names are apart in the scratch schema as on the target."""
    by_schema: dict[str, list[TablePlan]] = {}
    for table in tables:
        by_schema.setdefault(table.target.schema, []).append(table)
    for group in by_schema.values():
        for start in range(0, len(group), BATCH):
            yield group[start : start + BATCH]


def _batches_of_views(
    tables: Sequence[TablePlan], views: Sequence[ViewPlan]
) -> Iterable[tuple[list[TablePlan], list[ViewPlan]]]:
    """Views with the tables and views whose names their queries hold, as few tables together as that allows."""
    groups: list[tuple[set[int], set[int]]] = []
    for number, view in enumerate(views):
        query = view.query.lower().replace('""', '"')  # as names with quotes in them are
        read = {n for n, table in enumerate(tables) if table.target.name.lower() in query}
        used = {n for n, other in enumerate(views) if other.target.name.lower() in query} | {number}
        joined = [group for group in groups if group[1] & used]
        groups = [group for group in groups if group not in joined]
        groups.append((read.union(*(g[0] for g in joined)), used.union(*(g[1] for g in joined))))
    packed: list[tuple[set[int], set[int]]] = []
    for read, used in groups:
        if packed and len(packed[-1][0] | read) <= BATCH:
            packed[-1] = (packed[-1][0] | read, packed[-1][1] | used)
        else:
            packed.append((read, used))
    for read, used in packed:
        yield [tables[n] for n in sorted(read)], [views[n] for n in sorted(used)]


def _said(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().rstrip(".")


def _failure(sqlstate: str | None, said: str, *, lost: bool) -> TargetError:
    if lost:
        return ConnectionLost(
            "TARGET-LOST",
            f"The connection ended while the plan was tried on the target: {said}.",
            "Nothing was changed; run the command again.",
            sqlstate=sqlstate,
        )
    if sqlstate == psycopg.errors.ReadOnlySqlTransaction.sqlstate:
        return TargetError(
            "TARGET-READ-ONLY",
            f"The target is read-only: {said}.",
            "Make it writable (Supabase: an overfull project turns read-only) and run the command again.",
            sqlstate=sqlstate,
        )
    return TargetError(
        "TARGET-PROVE",
        f"The plan could not be tried on the target: {said}.",
        "Nothing was changed; see to the server and run the command again.",
        sqlstate=sqlstate,
    )
