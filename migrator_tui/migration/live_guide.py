"""The engine as screens ask it: the ends that it opens, the runs that it begins, the servers that it starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import psycopg

from migrator_tui import locations
from migrator_tui.config import scope_of
from migrator_tui.config_file import find, load
from migrator_tui.credentials import account_name, find_api_key, find_password, set_password
from migrator_tui.locations import EMBEDDED
from migrator_tui.migration import decisions_file, env_files
from migrator_tui.migration.backups.backing_up_first import BackedUp, back_up_first
from migrator_tui.migration.conflicts import (
    ConflictGroup,
    ConflictRow,
    Preview,
    conflict_groups,
    conflict_rows,
    followers,
    preview,
    reopened,
)
from migrator_tui.migration.ends import Ends, Offer, Step, is_sqlite
from migrator_tui.migration.guide import Bench
from migrator_tui.migration.kept_session import KeptSession
from migrator_tui.migration.migrate import Migration
from migrator_tui.migration.opening import LiveBench, open_bench
from migrator_tui.migration.request import Request
from migrator_tui.migration.rolling_back import Rollback
from migrator_tui.migration.run import begin
from migrator_tui.migration.run_files import DECISIONS, read_outcome, read_plan
from migrator_tui.migration.run_folder import RunFolder, RunRecord, all_runs
from migrator_tui.migration.runner import RunHandle, Runner
from migrator_tui.migration.syncing.sync import run_of
from migrator_tui.migration.syncing.sync_base import COMMAND
from migrator_tui.model.decisions import ConflictRule, Decisions
from migrator_tui.model.errors import UsageError
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Scope
from migrator_tui.model.schema import TableName
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target, connect, explain
from migrator_tui.postgres.following import Followers
from migrator_tui.postgres.server import EmbeddedServer, fresh_database
from migrator_tui.sqlite.diagnosis import examine
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.way_in import fit


class StandIn(Protocol):
    """What plays a Supabase project over a database of the embedded server."""

    def open(self, database: Target, *, fresh: bool = False) -> tuple[Target, Api]:
        """The database as the project's owner, and the APIs; started where they do not run."""

    def close(self) -> None:
        """Stop it."""


class LiveGuide:
    """The engine itself."""

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        stand_in_beside: Callable[[Path], StandIn | None] = lambda folder: None,
    ) -> None:
        """
        Args:
            stand_in_beside: What plays a project over an embedded server with that data folder: the demo's.
        """
        self._environ = os.environ if environ is None else environ
        self._servers = ExitStack()
        self._started: dict[Path, EmbeddedServer] = {}
        self._typed: dict[str, Secret] = {}
        self._stand_in_beside = stand_in_beside
        self._stand_ins: dict[Path, StandIn] = {}
        self._apis: dict[str, Api] = {}
        self._kept = KeptSession()

    def offers(self, folder: Path) -> Sequence[Offer]:
        """Profiles of the folder's configuration, SQLite files in it, and targets that its ``.env`` files name."""
        try:
            files = [path for path in sorted(folder.iterdir()) if is_sqlite(path)]
        except OSError:
            files = []
        named = env_files.targets(folder) if files else ()
        offers = (
            Offer(
                f"{files[0].name} → {found.target.label}",
                f"{found.key} of {found.file.name}",
                Ends(files[0], found.target.display),
                password=found.target.password,
            )
            for found in named
        )
        return [*_profiles(folder), *offers, *(Offer(p.name, f"{p.stat().st_size:,} bytes", None, p) for p in files)]

    def runs(self) -> Sequence[RunRecord]:
        """The runs of this machine, newest first."""
        return all_runs()

    def outcome(self, run: str) -> RunOutcome | None:
        """The summary of a run's last end."""
        return read_outcome(RunFolder.open(run))

    def open(self, ends: Ends, password: Secret | None, say: Callable[[Step], None]) -> Bench:
        """Test both ends step by step, and open them."""
        examine(ends.source)
        return open_bench(ends, self._target(ends, password, say), say)

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
        runner = Runner(folder.run, Migration(request, bench.connected, folder, api=self._api(scope, bench.connected)))
        runner.start()
        return runner

    def resume(self, run: str, decisions: Decisions, password: Secret | None) -> RunHandle:
        """Go on with a run."""
        self._kept.close()
        folder = RunFolder.open(run)
        request = Request.from_json(folder.record().options)
        request = replace(request, decisions=decisions.then(request.decisions), confirm=True)
        target = self._reached(folder.record(), password)
        runner = Runner(folder.run, run_of(request, target, folder, api=self._api(request.scope, target)))
        runner.start()
        return runner

    def sync(self, run: str, password: Secret | None) -> RunHandle:
        """Bring both ends of a run together."""
        record = RunFolder.open(run).record()
        schema = Request.from_json(record.options).scope.schema
        request = Request(Path(record.source), Scope(schema=schema), confirm=True, command=COMMAND)
        target = self._reached(record, password)
        embedded = Path(record.embedded_folder) if record.embedded_folder else None
        folder = begin(request, target, embedded_folder=embedded)
        runner = Runner(folder.run, run_of(request, target, folder))
        runner.start()
        return runner

    def back_up(
        self, run: str, tables: Sequence[TableName], passphrase: Secret | None, say: Callable[[str], None]
    ) -> BackedUp:
        """Back up live tables of a run's target."""
        return back_up_first(self._target_of(RunFolder.open(run).record(), None), tables, passphrase, say)

    def rollback(self, run: str, password: Secret | None) -> RunHandle:
        """Take a run back."""
        self._kept.close()
        folder = RunFolder.open(run)
        target = self._reached(folder.record(), password)
        scope = Request.from_json(folder.record().options).scope
        runner = Runner(folder.run, Rollback(target, folder, api=self._api(scope, target)))
        runner.start()
        return runner

    def conflicts(self, run: str, group: tuple[str, str], offset: int, limit: int) -> Sequence[ConflictRow]:
        """Conflicting rows of a run that waits for decisions, of one table and kind, a page at a time."""
        with self._looking_into(run) as (folder, connection):
            return conflict_rows(connection, read_plan(folder), folder.run, group, offset, limit)

    def conflict_groups(self, run: str, decisions: Decisions) -> Sequence[ConflictGroup]:
        """The conflicts of a run that waits for decisions, by table and kind, as these decisions leave them."""
        with self._looking_into(run) as (folder, connection):
            return conflict_groups(connection, read_plan(folder), folder.run, decisions)

    def preview(self, run: str, decisions: Decisions, rule: ConflictRule, limit: int) -> Preview:
        """The conflicts that a rule would decide of those which the decisions leave open."""
        with self._looking_into(run) as (folder, connection):
            return preview(connection, read_plan(folder), folder.run, decisions, rule, limit)

    def reopened(self, run: str) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Table and key of the rows whose choice could not be taken, or which changed after it was made."""
        with self._looking_into(run) as (folder, connection):
            return reopened(connection, read_plan(folder), folder.run)

    def followers(self, run: str, row: ConflictRow) -> Sequence[Followers]:
        """The rows that refer to a conflicting one, or to a live one that it met."""
        with self._looking_into(run) as (folder, connection):
            return followers(connection, read_plan(folder), folder.run, row)

    @contextmanager
    def _looking_into(self, run: str) -> Iterator[tuple[RunFolder, psycopg.Connection[Any]]]:
        """A run's folder, and a session at its target that is kept until the run goes on."""
        folder = RunFolder.open(run)
        target = self._target_of(folder.record(), None)
        try:
            with self._kept.of(run, lambda: connect(target)) as connection:
                yield folder, connection
        except psycopg.Error as error:
            raise explain(error, target, established=True) from error

    def keep_decisions(self, run: str, decisions: Decisions) -> Path:
        """Write the decisions into the run's folder, for people and for ``resume --decisions``; says where."""
        file = RunFolder.open(run).file(DECISIONS)
        decisions_file.write(file, decisions)
        return file

    def close(self) -> None:
        """Stop servers that were started."""
        self._kept.close()
        self._servers.close()
        self._started.clear()
        self._stand_ins.clear()

    def _api(self, scope: Scope, target: Target) -> Api | None:
        """The project's APIs, where one is named and its key is found, or a stand-in plays it."""
        if target.display in self._apis:
            return self._apis[target.display]
        url = scope.project.api
        found = find_api_key(url, environ=self._environ) if url else None
        return Api(url, found.secret) if url and found else None

    def _embedded_folder(self, ends: Ends) -> Path:
        return ends.embedded_folder or locations.embedded_server_folder()

    def _server(self, folder: Path) -> EmbeddedServer:
        if folder not in self._started:
            self._started[folder] = self._servers.enter_context(EmbeddedServer.start(folder))
        return self._started[folder]

    def _target(self, ends: Ends, password: Secret | None, say: Callable[[Step], None] = lambda step: None) -> Target:
        if ends.target == EMBEDDED:
            folder = self._embedded_folder(ends)
            say(Step("server", None, "starting the embedded PostgreSQL"))
            server = self._server(folder)
            say(Step("server", True, f"the embedded PostgreSQL runs, its data is in {folder}"))
            database = server.target(ends.database or "postgres")
            if ends.fresh:
                database = fresh_database(server.target(), database.database)
            return self._played(folder, database, fresh=ends.fresh)
        target = fit(Target.parse(ends.target), api=ends.scope.project.api)
        say(Step("password", None, "looking for a password"))
        secret, origin = self._password(target, password)
        say(Step("password", True, origin))
        return target.with_password(secret) if secret else target

    def _played(self, folder: Path, database: Target, *, fresh: bool) -> Target:
        """The database, as the owner of the project that is played over it, if one is."""
        stand_in = self._stand_ins.get(folder) or self._stand_in_beside(folder)
        if stand_in is None:
            return database
        if folder not in self._stand_ins:
            self._stand_ins[folder] = stand_in
            self._servers.callback(stand_in.close)
        target, api = stand_in.open(database, fresh=fresh)
        self._apis[target.display] = api
        return target

    def _password(self, target: Target, typed: Secret | None) -> tuple[Secret | None, str]:
        """The password of a target, and where it came from."""
        if typed is not None:
            self._typed[target.display] = typed
            return typed, "as typed"
        if target.password is not None:
            return target.password, "from the URL"
        if target.display in self._typed:
            return self._typed[target.display], "as typed before"
        found = find_password(target.host, target.port, target.database, target.user, environ=self._environ)
        if found is None:
            return None, "none typed, none found; the server may not want one"
        return found.secret, f"from {found.origin}"

    def _target_of(self, record: RunRecord, password: Secret | None) -> Target:
        folder = Path(record.embedded_folder) if record.embedded_folder else None
        return self._target(Ends(Path(record.source), record.target, Scope(), folder, record.database), password)

    def _reached(self, record: RunRecord, password: Secret | None) -> Target:
        """The target of a run, after a look whether it lets us in: a wrong password must not end a run as failed."""
        target = self._target_of(record, password)
        connect(target).close()
        return target


def _profiles(folder: Path) -> Iterator[Offer]:
    file = find(folder)
    if file is None:
        return
    try:
        profiles = load(file).profiles
    except UsageError as error:
        yield Offer(file.name, str(error), None)
        return
    for name, made in profiles.items():
        ends = Ends(made.source.sqlite, made.target.database, scope_of(made), uploads=made.source.uploads)
        yield Offer(name, f"{made.source.sqlite.name} → {made.target.database}", ends)
