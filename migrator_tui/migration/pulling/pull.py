"""Pull: the target's tables into a new SQLite file, whole or not at all.

One snapshot of the target is read; types, keys, checks, defaults, indexes and views come along where SQLite has them,
and what has no place there is listed. A table that was published by this program and is still as it was gets its
original statement and, by the codecs recorded for its columns, its original values and storage classes. Every cell is
read back and compared before the file appears.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from migrator_tui.convert.identifiers import quote, quote_sqlite
from migrator_tui.convert.to_sqlite_schema import FileColumn
from migrator_tui.migration.pulling.pull_blobs import Blobs
from migrator_tui.migration.pulling.pull_plan import Planner, PullPlan, PullTable, drop, select_of
from migrator_tui.migration.pulling.pull_redaction import Redaction
from migrator_tui.migration.pulling.pull_rows import Filler
from migrator_tui.model.errors import ConnectionLost, Interrupted, TargetError, UsageError, VerificationFailed
from migrator_tui.model.origin import Origin
from migrator_tui.model.pull import NotCarried, Pulled, PulledTable, PullRequest
from migrator_tui.model.schema import Database, Table, TableName
from migrator_tui.postgres import origins
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.extract import Catalogue, Extract, from_clause, require_schema
from migrator_tui.postgres.inspect import inspect
from migrator_tui.postgres.subset import Subset
from migrator_tui.sqlite.inspect import inspect as inspect_file
from migrator_tui.sqlite.write import NewFile, complain, orphans
from migrator_tui.supabase.api import Api

# Rows that a constraint would refuse today, as the original file may have had them; everything else is damage.
_ABOUT_VALUES = re.compile(r"(NULL|TEXT|NUMERIC|non-\w+) value (missing )?(in|from) |CHECK constraint failed in ")


@dataclass(frozen=True, slots=True)
class PullProgress:
    """Where a pull is."""

    message: str
    rows: int = 0
    rows_total: int = 0


def _silent(progress: PullProgress) -> None:
    pass


def pull(
    request: PullRequest,
    target: Target,
    *,
    progress: Callable[[PullProgress], None] = _silent,
    stop: threading.Event | None = None,
    api: Api | None = None,
) -> Pulled:
    """Pull.

    Args:
        progress: Is told where it is, a few times a second at most.
        stop: Ends it between two batches; nothing is left then.
        api: The project's APIs, from which blobs come back that became objects; without it the file has their paths.

    Returns:
        What is in the file, what is not, and what looks otherwise.

    Raises:
        UsageError: There is a file, or a name that the target does not have.
        FileError: The file cannot be written (``migrator_tui.sqlite.write``).
        TargetError: The target cannot be reached or read, or (``ConnectionLost``) went away.
        VerificationFailed: The file does not read back as it was written.
        Interrupted: ``stop`` was set.
    """
    began = time.monotonic()
    try:
        with NewFile(request.to, replace=request.replace) as file, Extract(target) as extract:
            pulling = _Pulling(request, extract, file, progress, stop or threading.Event(), api)
            return pulling.run(target.display, began)
    except ConnectionLost as error:
        raise ConnectionLost(
            error.id, error.message, "Nothing was left in the file's place. Pull again.", sqlstate=error.sqlstate
        ) from error


class _Pulling:
    def __init__(
        self,
        request: PullRequest,
        extract: Extract,
        file: NewFile,
        progress: Callable[[PullProgress], None],
        stop: threading.Event,
        api: Api | None,
    ) -> None:
        self._api = api
        self._request = request
        self._extract = extract
        self._file = file
        self._progress = progress
        self._stop = stop
        self._rows = 0
        self._rows_total = 0
        self._named: dict[str, TableName] = {}
        self._counted: dict[tuple[TableName, tuple[str, ...]], int] = {}

    def run(self, target: str, began: float) -> Pulled:
        self._say("reading the schema")
        database, catalogue = self._look()
        known = origins.published(self._extract.connection)
        subset = self._subset(database, catalogue, known or ())
        tables = subset.tables
        self._extract.lock([table.name for table in tables])
        subset.work_out()
        planner = Planner(self._extract, database, tables, catalogue, known or (), self._api, self._stop)
        plan = planner.plan()
        if known is None:
            plan.notes.append(
                "The role may not read the schema migrator, so nothing is known of the files that tables came from."
            )
        request = self._request
        redaction = Redaction(request.redact, request.seed, plan.tables, self._named)
        self._create(plan)
        try:
            pulled = self._fill(plan, catalogue, subset, redaction, planner.blobs)
        finally:
            planner.blobs.close()
        self._say("indexes and views")
        views = self._complete(plan)
        self._not_carried(plan, database, catalogue, tables)
        size = self._file.publish()
        return Pulled(
            self._request.to,
            target,
            tuple(pulled),
            tuple(views),
            tuple(plan.not_carried),
            tuple(plan.represented),
            redaction.names,
            tuple(plan.notes),
            size,
            time.monotonic() - began,
        )

    def _look(self) -> tuple[Database, Catalogue]:
        schema = self._request.schema
        require_schema(self._extract, schema)
        # Expressions and queries are written so that a name without a schema is one of this schema; conditions that a
        # person gives are not.
        ((behind,),) = self._extract.rows("SELECT current_setting('search_path')")
        path = quote(schema) + (f", {behind}" if behind else "")
        self._extract.rows("SELECT set_config('search_path', %(path)s, true)", {"path": path})
        database = inspect(self._extract.connection, (schema,))
        self._extract.rows("SELECT set_config('search_path', %(path)s, true)", {"path": behind})
        return database, self._extract.catalogue(schema)

    def _subset(self, database: Database, catalogue: Catalogue, known: Sequence[Origin]) -> Subset:
        tables = [table for table in database.tables if table.name.name not in catalogue.partitions]
        if not tables:
            raise TargetError(
                "PULL-NO-TABLES",
                f"The schema {self._request.schema} of the target has no tables.",
                "Name another one with --schema, or check the target.",
            )
        there = {table.name for table in tables}
        published = (table for origin in reversed(known) for table in origin.tables if table.target in there)
        self._named = {table.source: table.target for table in published}
        self._named |= {table.name.name: table.name for table in tables}
        chosen = [self._find("--tables", name) for name in self._request.tables]
        where = {self._find("--where", name): condition for name, condition in self._request.where.items()}
        return Subset(self._extract, catalogue, tables, chosen or None, where)

    def _find(self, option: str, name: str) -> TableName:
        found = self._named.get(name) or self._named.get(name.removeprefix(f"{self._request.schema}."))
        if found is None:
            raise UsageError(
                "PULL-UNKNOWN",
                f"{option}: the target has no table {name}.",
                f"It has {', '.join(sorted(self._named)[:20])}.",
            )
        return found

    def _create(self, plan: PullPlan) -> None:
        with self._file.session() as connection:
            encoding = {2: "UTF-16le", 3: "UTF-16be"}.get(plan.pragmas.get("encoding", 1), "UTF-8")
            connection.execute(f"PRAGMA encoding = '{encoding}'")  # before there is anything to encode
            for table in plan.tables:
                connection.execute(table.statement)
            for name, value in plan.pragmas.items():
                if name != "encoding":
                    connection.execute(f"PRAGMA {name} = {int(value)}")

    def _fill(
        self, plan: PullPlan, catalogue: Catalogue, subset: Subset, redaction: Redaction, blobs: Blobs
    ) -> list[PulledTable]:
        described = {table.name.name: table for table in inspect_file(self._file.path).tables}
        queries_of = {table.live.name: list(subset.queries(table.live.name)) for table in plan.tables}
        self._rows_total = sum(self._count(t, catalogue, queries_of[t.live.name]) for t in plan.tables)
        for table in plan.tables:
            computed = [c.name for c in described[table.name].columns if c.generated is not None]
            redaction.refuse_computed(table, computed)
        pulled = []
        with self._file.rows() as writer:
            for table in plan.tables:
                began = time.monotonic()
                made = described[table.name]
                columns, into = _columns(table, made, compared=not redaction.touches(table))
                filler = Filler(table, writer.table(made, *into), columns, redaction)
                queries = queries_of[table.live.name]
                for where in queries:
                    for batch in self._extract.stream(select_of(table, columns, catalogue, where)):
                        self._check()
                        for part in blobs.parts(table.live.name, columns, batch):
                            filler.write(part)
                        self._rows += batch.num_rows
                        self._say(table.name)
                plan.represented += filler.finish()
                self._balance(table, filler.rows, self._count(table, catalogue, queries))
                pulled.append(
                    PulledTable(
                        str(table.live.name),
                        table.name,
                        self._count(table, catalogue),
                        filler.rows,
                        table.origin is not None,
                        made.locator is not None or made.without_rowid,
                        time.monotonic() - began,
                    )
                )
        return pulled

    def _balance(self, table: PullTable, rows: int, expected: int) -> None:
        if rows != expected:
            raise VerificationFailed(
                "PULL-COUNT",
                f"{expected} rows of {table.live.name} were to be pulled, but {rows} were read.",
                "Nothing was left in the file's place. Pull again.",
            )

    def _count(self, table: PullTable, catalogue: Catalogue, queries: Sequence[str] = ("",)) -> int:
        key = (table.live.name, tuple(queries))
        if key not in self._counted:
            source = from_clause(table.live, catalogue)
            found = (self._extract.rows(f"SELECT count(*) FROM {source}{where}")[0][0] for where in queries)
            self._counted[key] = sum(found)
        return self._counted[key]

    def _complete(self, plan: PullPlan) -> list[str]:
        with self._file.session() as connection:
            _counters(connection, plan)
            for table in plan.tables:
                for name, statement, note in table.indexes:
                    said = _attempt(connection, statement)
                    if said is not None:
                        plan.not_carried.append(NotCarried("index", f"{table.name}.{name}", said, statement))
                    elif note:
                        plan.notes.append(f"{table.name}, index {name}: {note}.")
            views = self._views(connection, plan)
            for table in plan.tables:
                for statement in table.triggers:
                    if (said := _attempt(connection, statement)) is not None:
                        plan.not_carried.append(NotCarried("trigger", table.name, said, statement))
            connection.execute("COMMIT")
            self._say("checking the file")
            self._check_file(connection, plan)
        return views

    def _views(self, connection: sqlite3.Connection, plan: PullPlan) -> list[str]:
        waiting = [(name, statement, original) for name, statement, original in plan.views]
        waiting += [(name, statement, statement) for name, statement in plan.views_not_on_target]
        made: list[str] = []
        while waiting:
            left = []
            for name, statement, original in waiting:
                said = _attempt_view(connection, name, statement)
                if said is None:
                    made.append(name)
                else:
                    left.append((name, statement, original, said))
            if len(left) == len(waiting):
                left = [item for item in left if not self._broken_before(connection, plan, made, item)]
                plan.not_carried += [NotCarried("view", name, said, original) for name, _, original, said in left]
                break
            waiting = [(name, statement, original) for name, statement, original, _ in left]
        return made

    def _broken_before(
        self, connection: sqlite3.Connection, plan: PullPlan, made: list[str], item: tuple[str, str, str, str]
    ) -> bool:
        """Keep a view of the original file as it was there, where it did not work either."""
        name, statement, _, said = item
        original = (name, statement) in plan.views_not_on_target and all(table.origin for table in plan.tables)
        if not original or _attempt(connection, statement) is not None:
            return False
        made.append(name)
        plan.notes.append(f"The view {name} does not work, as in the original file: {said}.")
        return True

    def _check_file(self, connection: sqlite3.Connection, plan: PullPlan) -> None:
        found = complain(connection)
        damage = [line for line in found if not _ABOUT_VALUES.match(line)]
        if damage:
            raise VerificationFailed(
                "PULL-DAMAGED",
                f"The file is not sound: {damage[0]}.",
                "Nothing was left in the file's place. Check the disk, and pull again.",
            )
        plan.notes += [f"Rows that the file's own constraints would refuse today: {line}." for line in found]
        loose = _equal_only_there(plan)
        for table in plan.tables:
            missing = orphans(connection, table.name)
            if not missing:
                continue
            validated = table.live.foreign_keys and all(key.validated for key in table.live.foreign_keys)
            declared = connection.execute(
                "SELECT count(DISTINCT id) FROM pragma_foreign_key_list(?)", (table.name,)
            ).fetchone()[0]
            if all(parent in loose.get(table.name, ()) for parent, _ in missing):
                plan.notes.append(
                    f"{table.name}: {len(missing)} rows refer to rows of {missing[0][0]} whose keys are equal to "
                    "theirs on the target, but not in SQLite."
                )
                continue
            if validated and declared == len(table.live.foreign_keys):
                raise VerificationFailed(
                    "PULL-REFERENCES",
                    f"{len(missing)} rows of {table.name} refer to rows of {missing[0][0]} that are not in the file.",
                    "Nothing was left in the file's place. Pull again.",
                )
            plan.notes.append(
                f"{table.name}: {len(missing)} rows refer to rows of {missing[0][0]} that do not exist, as on the "
                "target."
            )

    def _not_carried(self, plan: PullPlan, database: Database, catalogue: Catalogue, tables: Sequence[Table]) -> None:
        names = {table.name for table in tables}
        plan.not_carried += [
            NotCarried("trigger", f"{trigger.table.name}.{trigger.name}", "a trigger calls a function", trigger.sql)
            for trigger in database.triggers
            if trigger.table in names
        ]
        plan.not_carried += [
            NotCarried(kind, name, f"SQLite has no {_plural(kind)}", text) for kind, name, text in catalogue.others
        ]

    def _say(self, message: str) -> None:
        self._progress(PullProgress(message, self._rows, self._rows_total))

    def _check(self) -> None:
        if self._stop.is_set():
            raise Interrupted("CANCELLED", "Cancelled.", "Nothing was left in the file's place.")


def _columns(table: PullTable, made: Table, *, compared: bool) -> tuple[list[FileColumn], tuple[list[str], list[str]]]:
    """The columns that are read: those that the file stores, then those that it computes, which are compared.

    Returns:
        The columns, and the names of both kinds as the file spells them.
    """
    spelled = {column.name.lower(): column for column in made.columns}
    there = [(column, spelled[column.name.lower()]) for column in table.columns]
    stored = [(column, own.name) for column, own in there if own.generated is None]
    computed = [(column, own.name) for column, own in there if own.generated is not None and compared]
    return [c for c, _ in (*stored, *computed)], ([name for _, name in stored], [name for _, name in computed])


def _equal_only_there(plan: PullPlan) -> dict[str, set[str]]:
    """Table → parents whose keys the target may find equal to its foreign keys where SQLite does not.

    Such as texts without case, decimals and intervals, which SQLite compares as the texts that they are there.
    """
    tables = {table.live.name: table for table in plan.tables}
    loose = {
        table.live.name: {
            c.live.name for c in table.columns if c.way.collation or (c.way.kind == "other" and c.way.how)
        }
        for table in plan.tables
    }
    found: dict[str, set[str]] = {}
    for table in plan.tables:
        for key in table.live.foreign_keys:
            if key.parent in tables and (
                loose[table.live.name] & {*key.columns} or loose[key.parent] & {*key.parent_columns}
            ):
                found.setdefault(table.name, set()).add(tables[key.parent].name)
    return found


def _counters(connection: sqlite3.Connection, plan: PullPlan) -> None:
    """High-water marks of AUTOINCREMENT, never below what a row has."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone()
    if not there:
        return
    for table in plan.tables:
        if not table.high or not re.search(r"\bAUTOINCREMENT\b", table.statement, re.IGNORECASE):
            continue
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
        if row is None:
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, table.high))
        elif row[0] < table.high:
            connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (table.high, table.name))


def _attempt(connection: sqlite3.Connection, statement: str) -> str | None:
    try:
        connection.execute(statement)
    except sqlite3.Error as error:
        if (error.sqlite_errorcode & 0xFF) == sqlite3.SQLITE_FULL:
            raise
        return str(error)
    return None


def _attempt_view(connection: sqlite3.Connection, name: str, statement: str) -> str | None:
    said = _attempt(connection, statement)
    if said is None and (said := _attempt(connection, f"SELECT * FROM {quote_sqlite(name)} LIMIT 0")) is not None:
        connection.execute(drop("VIEW", name))
    return said


def _plural(kind: str) -> str:
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
