"""The guide: everything that a front end with a person in front of it asks of the engine.

:class:`Guide` and :class:`Bench` are what screens know; :class:`LiveGuide` is the engine behind them, and tests of
screens put a scripted one in its place. Methods that talk to a database or read files block: call them on a thread.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from migrator_tui import locations
from migrator_tui.config import EMBEDDED, find, load, scope_of
from migrator_tui.credentials import account_name, find_password, set_password
from migrator_tui.migration.comparing import Pair, compare
from migrator_tui.migration.conflicts import ConflictRow, conflict_counts, conflict_rows
from migrator_tui.migration.migrate import Migration, begin
from migrator_tui.migration.request import Request
from migrator_tui.migration.rolling_back import Rollback
from migrator_tui.migration.run_files import read_plan
from migrator_tui.migration.run_folder import RunFolder, RunRecord, all_runs
from migrator_tui.migration.runner import RunHandle, Runner
from migrator_tui.migration.staging import Source
from migrator_tui.migration.target_plan import draft_plan, needs_of
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.plan import Plan, Scope
from migrator_tui.model.schema import Database
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.inspect import exact_counts
from migrator_tui.postgres.inspect import inspect as inspect_target
from migrator_tui.postgres.privileges import probe
from migrator_tui.postgres.server import EmbeddedServer, fresh_database
from migrator_tui.sqlite.inspect import inspect as inspect_source
from migrator_tui.sqlite.profile import profile
from migrator_tui.sqlite.snapshot import freeze

SQLITE_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Ends:
    """What a person chose to migrate from and to.

    Attributes:
        target: A Postgres URL without password, or ``embedded``.
        embedded_folder, database: Of the embedded server, where they are not the usual ones.
        fresh: The embedded server's database is made anew, whatever it held: the demo's.
        decisions: Decided beforehand (the demo ships some).
    """

    source: Path
    target: str
    scope: Scope = field(default_factory=Scope)
    embedded_folder: Path | None = None
    database: str | None = None
    fresh: bool = False
    decisions: Decisions = field(default_factory=Decisions)


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to start from on the first screen: a profile, a SQLite file of the folder."""

    label: str
    detail: str
    ends: Ends | None
    source: Path | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a connection test: what was tried, and what came of it."""

    name: str
    ok: bool
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the connection test found out.

    Attributes:
        missing: What the role may not do, each with its GRANT.
        round_trip_ms: Median of a few round trips.
        counts: Rows of the target's tables, by name.
    """

    source_label: str
    target_label: str
    target_display: str
    server_version: str
    role: str
    missing: tuple[tuple[str, str], ...]
    round_trip_ms: float
    counts: Mapping[str, int] = field(default_factory=dict)


class Bench(Protocol):
    """Both ends opened: a snapshot of the source and an inspected target, to compare and plan with."""

    @property
    def ends(self) -> Ends:
        """What was opened."""

    @property
    def facts(self) -> Facts:
        """What the connection test found out."""

    @property
    def source(self) -> Database:
        """The source's schema."""

    @property
    def target(self) -> Database:
        """The target's schema."""

    def draft(self, scope: Scope, decisions: Decisions) -> Plan:
        """The plan for a scope and decisions; blocks for some tenths of a second."""

    def pairs(self, plan: Plan) -> Sequence[Pair]:
        """Both schemas side by side."""

    def close(self) -> None:
        """Let go of the snapshot."""


class Guide(Protocol):
    """The engine as screens see it."""

    def offers(self, folder: Path) -> Sequence[Offer]:
        """Profiles of the folder's configuration and SQLite files in it."""

    def runs(self) -> Sequence[RunRecord]:
        """The runs of this machine, newest first."""

    def open(self, ends: Ends, password: Secret | None, say: Callable[[Step], None]) -> Bench:
        """Test both ends step by step, and open them.

        Raises:
            MigratorError: Naming what failed; the steps before it have been told.
        """

    def keep_password(self, ends: Ends, password: Secret) -> str:
        """Keep the password in the system's keyring; says where.

        Raises:
            MigratorError: There is no keyring, or it does not answer; the hint names the alternatives.
        """

    def start(self, bench: Bench, scope: Scope, decisions: Decisions) -> RunHandle:
        """Begin a run; it stops before publishing until it is confirmed."""

    def resume(self, run: str, decisions: Decisions, password: Secret | None) -> RunHandle:
        """Go on with a run."""

    def rollback(self, run: str, password: Secret | None) -> RunHandle:
        """Take a run back."""

    def conflicts(self, run: str, table: str, offset: int, limit: int) -> Sequence[ConflictRow]:
        """Conflicting rows of a run that waits for decisions, a page at a time."""

    def conflict_tables(self, run: str) -> Mapping[str, tuple[int, int]]:
        """Source table → (conflicts, undecided) of a run that waits for decisions."""

    def close(self) -> None:
        """Stop servers that were started."""


class LiveBench:
    """Both ends opened for real."""

    def __init__(self, ends: Ends, target: Target, folder: Path, source: Source, sha256: str, facts: Facts) -> None:
        self._ends = ends
        self._folder = folder
        self._opened = source
        self._sha256 = sha256
        self._facts = facts
        self.connected = target
        with connect(target) as connection:
            self._target = inspect_target(connection, [ends.scope.schema])

    @property
    def ends(self) -> Ends:
        """What was opened."""
        return self._ends

    @property
    def facts(self) -> Facts:
        """What the connection test found out."""
        return self._facts

    @property
    def source(self) -> Database:
        """The source's schema."""
        return self._opened.database

    @property
    def target(self) -> Database:
        """The target's schema."""
        return self._target

    def draft(self, scope: Scope, decisions: Decisions) -> Plan:
        """The plan for a scope and decisions."""
        request = Request(self._ends.source, scope, decisions)
        with connect(self.connected) as connection:
            return draft_plan(connection, self._opened, self._sha256, request)

    def pairs(self, plan: Plan) -> Sequence[Pair]:
        """Both schemas side by side."""
        return compare(self.source, self._target, plan)

    def close(self) -> None:
        """Remove the snapshot that was looked at; the run makes its own."""
        shutil.rmtree(self._folder, ignore_errors=True)


class LiveGuide:
    """The engine itself."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._servers = ExitStack()
        self._started: dict[Path, EmbeddedServer] = {}

    def offers(self, folder: Path) -> Sequence[Offer]:
        """Profiles of the folder's configuration and SQLite files in it."""
        found: list[Offer] = []
        file = find(folder)
        if file is not None:
            for name, made in load(file).profiles.items():
                ends = Ends(made.source.sqlite, made.target.database, scope_of(made))
                found.append(Offer(name, f"{made.source.sqlite.name} → {made.target.database}", ends))
        files = [path for path in sorted(folder.iterdir()) if is_sqlite(path)]
        return found + [Offer(path.name, f"{path.stat().st_size:,} bytes", None, path) for path in files]

    def runs(self) -> Sequence[RunRecord]:
        """The runs of this machine, newest first."""
        return all_runs()

    def open(self, ends: Ends, password: Secret | None, say: Callable[[Step], None]) -> Bench:
        """Test both ends step by step, and open them."""
        target = self._target(ends, password)
        if ends.fresh:
            target = fresh_database(target.with_database("postgres"), target.database)
        with connect(target) as connection:
            version = connection.info.parameter_status("server_version") or ""
            say(Step("connect", True, f"{target.display}, PostgreSQL {version}"))
            trips = sorted(_round_trip(lambda: connection.execute("SELECT 1")) for _ in range(5))
            say(Step("round trip", True, f"{trips[2]:.1f} ms"))
        locations.make_private_folder(locations.home())
        folder = Path(tempfile.mkdtemp(prefix="look-", dir=locations.home()))
        try:
            snapshot = freeze(ends.source, folder)
            database = inspect_source(snapshot.path)
            source = Source(snapshot.path, database, profile(snapshot.path, database))
            rows = sum(table.rows for table in source.profile.tables.values())
            say(Step("source", True, f"{snapshot.tables} tables, {rows:,} rows, {snapshot.bytes:,} bytes"))
            facts = self._facts(ends, target, version, trips[2], source, snapshot.sha256, say)
            return LiveBench(ends, target, folder, source, snapshot.sha256, facts)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def keep_password(self, ends: Ends, password: Secret) -> str:
        """Keep the password in the system's keyring; says where."""
        target = Target.parse(ends.target)
        account = account_name(target.host, target.port, target.database, target.user)
        set_password(account, password)
        return f"the system's keyring, for {account}"

    def start(self, bench: Bench, scope: Scope, decisions: Decisions) -> RunHandle:
        """Begin a run; it stops before publishing until it is confirmed."""
        assert isinstance(bench, LiveBench)
        ends = bench.ends
        request = Request(ends.source, scope, decisions, confirm=True)
        embedded = self._embedded_folder(ends) if ends.target == EMBEDDED else None
        folder = begin(request, bench.connected, embedded_folder=embedded)
        runner = Runner(folder.run, Migration(request, bench.connected, folder))
        runner.start()
        return runner

    def resume(self, run: str, decisions: Decisions, password: Secret | None) -> RunHandle:
        """Go on with a run."""
        folder = RunFolder.open(run)
        request = Request.from_json(folder.record().options)
        request = replace(request, decisions=decisions.then(request.decisions), confirm=True)
        runner = Runner(folder.run, Migration(request, self._target_of(folder.record(), password), folder))
        runner.start()
        return runner

    def rollback(self, run: str, password: Secret | None) -> RunHandle:
        """Take a run back."""
        folder = RunFolder.open(run)
        runner = Runner(folder.run, Rollback(self._target_of(folder.record(), password), folder))
        runner.start()
        return runner

    def conflicts(self, run: str, table: str, offset: int, limit: int) -> Sequence[ConflictRow]:
        """Conflicting rows of a run that waits for decisions, a page at a time."""
        folder = RunFolder.open(run)
        with connect(self._target_of(folder.record(), None)) as connection:
            return conflict_rows(connection, read_plan(folder), folder.run, table, offset, limit)

    def conflict_tables(self, run: str) -> Mapping[str, tuple[int, int]]:
        """Source table → (conflicts, undecided) of a run that waits for decisions."""
        folder = RunFolder.open(run)
        with connect(self._target_of(folder.record(), None)) as connection:
            return conflict_counts(connection, read_plan(folder), folder.run)

    def close(self) -> None:
        """Stop servers that were started."""
        self._servers.close()
        self._started.clear()

    def _facts(
        self,
        ends: Ends,
        target: Target,
        version: str,
        trip: float,
        source: Source,
        sha256: str,
        say: Callable[[Step], None],
    ) -> Facts:
        request = Request(ends.source, ends.scope, ends.decisions)
        with connect(target) as connection:
            plan = draft_plan(connection, source, sha256, request)
            missing = probe(connection, needs_of(plan, ends.scope.schema))
            for item in missing:
                say(Step("right", False, f"{item.what}: {item.why}", item.grant))
            if not missing:
                say(Step("rights", True, f"{target.user} may do what the plan needs"))
            there = inspect_target(connection, [ends.scope.schema])
            counts = exact_counts(connection, [table.name for table in there.tables])
            say(
                Step(
                    "target", True, f"{len(there.tables)} tables, {sum(counts.values()):,} rows in {ends.scope.schema}"
                )
            )
        return Facts(
            source_label=ends.source.name,
            target_label=target.label,
            target_display=target.display,
            server_version=version,
            role=target.user,
            missing=tuple((item.what, item.grant) for item in missing),
            round_trip_ms=trip,
            counts={str(name): rows for name, rows in counts.items()},
        )

    def _embedded_folder(self, ends: Ends) -> Path:
        return ends.embedded_folder or locations.embedded_server_folder()

    def _server(self, folder: Path) -> EmbeddedServer:
        if folder not in self._started:
            self._started[folder] = self._servers.enter_context(EmbeddedServer.start(folder))
        return self._started[folder]

    def _target(self, ends: Ends, password: Secret | None) -> Target:
        if ends.target == EMBEDDED:
            return self._server(self._embedded_folder(ends)).target(ends.database or "postgres")
        target = Target.parse(ends.target)
        if password is not None:
            return target.with_password(password)
        if target.password is not None:
            return target
        found = find_password(target.host, target.port, target.database, target.user, environ=self._environ)
        return target.with_password(found.secret) if found else target

    def _target_of(self, record: RunRecord, password: Secret | None) -> Target:
        folder = Path(record.embedded_folder) if record.embedded_folder else None
        return self._target(Ends(Path(record.source), record.target, Scope(), folder, record.database), password)


def is_sqlite(path: Path) -> bool:
    """Whether a file begins as SQLite databases do; unreadable ones do not."""
    try:
        with path.open("rb") as file:
            return path.is_file() and file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except OSError:
        return False


def _round_trip(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000
