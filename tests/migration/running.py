"""Runs as tests see them: begun, rolled back, resumed and crashed through the runner, on real ends."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from migrator_tui.convert.identifiers import quote
from migrator_tui.migration.migrate import Migration
from migrator_tui.migration.request import Request
from migrator_tui.migration.rolling_back import Rollback
from migrator_tui.migration.run import begin
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.runner import Runner
from migrator_tui.migration.syncing.sync import Sync, run_of
from migrator_tui.model.decisions import ConflictDecision, ConflictRule, Decisions, FindingDecision
from migrator_tui.model.outcome import RunOutcome, TableOutcome
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.supabase.api import Api

Connection = psycopg.Connection[Any]
Failpoint = Callable[[str], None]


class PowerCut(BaseException):
    """Raised at a failpoint: nothing of the engine catches it."""


def text(sql: str) -> LiteralString:
    """SQL of a test, for psycopg, which asks for a literal."""
    return sql


def build(path: Path, source: str | Callable[[sqlite3.Connection], object]) -> Path:
    """A SQLite file of a script, or of a function that is given the connection."""
    with closing(sqlite3.connect(path)) as connection:
        if callable(source):
            source(connection)
        else:
            connection.executescript(source)
        connection.commit()
    return path


def decided(
    *findings: FindingDecision, conflicts: Sequence[ConflictDecision] = (), rules: Sequence[ConflictRule] = ()
) -> Decisions:
    """Decisions of these parts."""
    return Decisions(findings, tuple(conflicts), tuple(rules))


@dataclass(frozen=True, slots=True)
class Engine:
    """Runs migrations and holds each of them to the row equation.

    Attributes:
        api: The project's APIs, where users or files move as well.
    """

    api: Api | None = None

    def migrate(self, source: Path, target: Target, *, failpoint: Failpoint | None = None, **asked: Any) -> RunOutcome:
        """A new run with ``--yes``, unless asked otherwise."""
        request = Request(source, **({"accept_recommended": True} | asked))
        folder = begin(request, target)
        return self._end(Migration(request, target, folder, failpoint=_failing(failpoint), api=self.api), folder.run)

    def sync(self, source: Path, target: Target, *, failpoint: Failpoint | None = None, **asked: Any) -> RunOutcome:
        """A sync, which carries no deletion over unless asked to."""
        request = Request(source, **({"command": "sync"} | asked))
        folder = begin(request, target)
        return self._end(Sync(request, target, folder, failpoint=_failing(failpoint), api=self.api), folder.run)

    def resume(self, run: str, target: Target, *, failpoint: Failpoint | None = None, **changed: Any) -> RunOutcome:
        """The run gone on with, as a process that is started anew does."""
        folder = RunFolder.open(run)
        request = Request.from_json(folder.record().options)
        if "decisions" in changed:
            changed["decisions"] = changed["decisions"].then(request.decisions)
        return self._end(
            run_of(replace(request, **changed), target, folder, failpoint=_failing(failpoint), api=self.api), run
        )

    def rollback(self, run: str, target: Target) -> RunOutcome:
        """The run taken back."""
        return self._end(Rollback(target, RunFolder.open(run), api=self.api), run)

    def cut(self, source: Path, target: Target, at: str, **asked: Any) -> str:
        """A run whose process ends at a failpoint; gives its id."""
        request = Request(source, **({"accept_recommended": True} | asked))
        folder = begin(request, target)
        cut_at = failing(at)
        try:
            self._end(run_of(request, target, folder, failpoint=cut_at, api=self.api), folder.run)
        except PowerCut:
            return folder.run
        raise AssertionError(f"the run never came to {at}")

    def _end(self, work: Callable[[Runner], RunOutcome], run: str) -> RunOutcome:
        runner = Runner(run, work)
        runner.start()
        outcome = runner.wait()
        assert outcome is not None
        for table in outcome.tables:
            balanced(table, outcome.status)
        return outcome


def _failing(failpoint: Failpoint | None) -> Failpoint:
    return failpoint or (lambda name: None)


def failing(at: str, error: BaseException | None = None) -> Failpoint:
    """A failpoint that raises at one name."""

    def raise_there(name: str) -> None:
        if name == at:
            raise error or PowerCut(name)

    return raise_there


def balanced(table: TableOutcome, status: RunStatus) -> None:
    """Hold one table's counts to the row equation."""
    if status is RunStatus.SUCCEEDED:
        assert table.source_rows == table.staged_rows + table.quarantined_rows, table
        assert table.staged_rows == table.inserted + table.updated + table.unchanged + table.kept_target, table
        assert table.published_rows == table.staged_rows - table.kept_target, table
        assert table.verified, table
    elif status is RunStatus.NEEDS_DECISIONS and table.staged_rows:
        assert table.source_rows == table.staged_rows + table.quarantined_rows, table


def succeeded(outcome: RunOutcome) -> RunOutcome:
    """The outcome, which is a success."""
    assert outcome.status is RunStatus.SUCCEEDED, outcome.error
    return outcome


def rows(connection: Connection, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return connection.execute(text(query), parameters or None).fetchall()


def value(connection: Connection, query: str, *parameters: object) -> Any:
    """The one value of a query."""
    ((only,),) = rows(connection, query, *parameters)
    return only


_OURS = r"n.nspname !~ '^(pg_|migrator_|migrator$|information_schema$)'"
_LISTED = (
    f"SELECT 'schema', n.nspname, n.nspowner::regrole, n.nspacl FROM pg_namespace n WHERE {_OURS}",
    "SELECT c.relkind, n.nspname, c.relname, c.relowner::regrole, c.relacl, c.relrowsecurity, c.relforcerowsecurity, "
    "c.reloptions, CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) WHEN c.relkind = 'i' THEN "
    f"pg_get_indexdef(c.oid) END FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_OURS}",
    "SELECT 'column', n.nspname, c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
    "a.attidentity, a.attgenerated, a.attacl, a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid) "
    "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
    f"WHERE a.attnum > 0 AND c.relkind <> 'i' AND {_OURS}",
    "SELECT 'constraint', n.nspname, k.conrelid::regclass, k.conname, k.convalidated, pg_get_constraintdef(k.oid) "
    f"FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE {_OURS}",
    "SELECT 'trigger', n.nspname, pg_get_triggerdef(t.oid), t.tgenabled FROM pg_trigger t JOIN pg_class c "
    f"ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND {_OURS}",
    "SELECT 'policy', p.schemaname, p.tablename, p.policyname, p.roles, p.cmd, p.qual, p.with_check FROM pg_policies p "
    "WHERE p.schemaname !~ '^migrator'",
    "SELECT 'type', n.nspname, t.typname, t.typtype, t.typacl, ARRAY(SELECT e.enumlabel FROM pg_enum e "
    "WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace "
    f"WHERE {_OURS}",
    "SELECT 'function', n.nspname, p.proname, p.prosrc, p.proacl FROM pg_proc p JOIN pg_namespace n "
    f"ON n.oid = p.pronamespace WHERE {_OURS}",
    "SELECT 'sequence', schemaname, sequencename, start_value, increment_by, cycle, last_value FROM pg_sequences n "
    "WHERE schemaname !~ '^migrator'",
    "SELECT 'privileges', d.defaclrole::regrole, d.defaclobjtype, d.defaclacl FROM pg_default_acl d",
)


def listing(connection: Connection) -> list[str]:
    """Everything visible outside of the program's own schemas: objects, sequence values, and every row.

    Written apart from the program's own fingerprint, so that neither can hide the other's blind spot.
    """
    lines = []
    for query in _LISTED:
        lines += [str(row) for row in rows(connection, query)]
    tables = rows(
        connection,
        f"SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE c.relkind = 'r' AND {_OURS}",
    )
    for schema, name in tables:
        where = f"{quote(schema)}.{quote(name)}"
        lines += [f"{where}: {row}" for (row,) in rows(connection, f"SELECT (t.*)::text FROM {where} t")]
    return sorted(lines)


def fingerprint(connection: Connection) -> str:
    """SHA-256 of the listing: the same before and after means "as it was"."""
    return hashlib.sha256("\n".join(listing(connection)).encode()).hexdigest()


def leftovers(connection: Connection) -> set[str]:
    """The program's own schemas but for ``migrator``."""
    return {name for (name,) in rows(connection, "SELECT nspname FROM pg_namespace WHERE nspname ~ '^migrator_'")}


def session(target: Target) -> Connection:
    """A session of somebody else's."""
    return connect(target, application_name="somebody-else")
