"""The last state that both ends had in common, table by table: what the newest run that moved a table left on both.

Of a migration it is the snapshot, converted by that run's own plan; of a sync the snapshot with what was written back
into the file. Nothing is kept on the target for it. An older state is as safe: it makes more conflicts.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.convert.shapes import is_date, is_moment
from migrator_tui.migration.request import Request
from migrator_tui.migration.run_files import PLAN_JSON, read_plan
from migrator_tui.migration.run_folder import RunFolder, RunRecord, all_runs
from migrator_tui.migration.syncing.sync_record import BASE, SyncRecord
from migrator_tui.model.decisions import Decisions, FindingDecision
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import Action, Plan, Scope, TableOverride, TablePlan
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.project import ProjectScope, UsersScope
from migrator_tui.model.schema import Database, Table, TableName
from migrator_tui.postgres import ledger
from migrator_tui.postgres.publish import STEP
from migrator_tui.sqlite.snapshot import FILE_NAME

COMMAND = "sync"


@dataclass(frozen=True, slots=True)
class Base:
    """What a run left on both ends.

    Attributes:
        file: The source as it was then, like the target.
        synced: The run was a sync; else a migration.
        codecs: Source table → target column → the codec by which its values get their form in the file.
    """

    run: str
    file: Path
    plan: Plan
    synced: bool
    codecs: Mapping[str, Mapping[str, str]]

    def table(self, source: str) -> TablePlan:
        """How that run moved a table."""
        return self.plan.table(source)


@dataclass(frozen=True, slots=True)
class Bases:
    """The bases of the tables that are synced.

    Attributes:
        tables: Source table → the run that moved it last.
        notes: Tables that take no part, and why.
    """

    tables: Mapping[str, Base]
    notes: tuple[str, ...] = ()


def find(connection: psycopg.Connection[Any], request: Request, source: Database, server: str, own: str) -> Bases:
    """The bases of a file and a target.

    Args:
        server: Identity of the target.
        own: The run that looks for them.

    Raises:
        UsageError: ``SYNC-HALF-DONE``: an earlier sync has to be finished first. ``SYNC-NO-BASE``: nothing was moved
            between them. ``SYNC-NOT-COVERED``: blobs that became files, which a sync does not carry.
            ``SYNC-DRIFT``: tables or columns that only one end has now.
    """
    records = [r for r in all_runs() if r.source == str(request.source) and r.server == server and r.run != own]
    _require_whole(connection, records)
    found: dict[str, Base] = {}
    notes: list[str] = []
    stale = _taken_back_beneath(connection)
    for base in _usable(records):
        gone = stale.get(base.run, frozenset())
        for table in base.plan.moved:
            if table.source not in gone:
                found.setdefault(table.source, base)
    chosen = {name: base for name, base in found.items() if _included(name, request.scope)}
    if not chosen:
        raise UsageError(
            "SYNC-NO-BASE",
            f"No run of this machine moved {'these tables' if found else 'tables'} of {request.source} to this target, "
            "so nothing tells which end changed.",
            "`migrator-tui migrate` moves them first; what it leaves on both ends is what a sync starts from.",
        )
    for name, base in list(chosen.items()):
        plan = base.table(name)
        if not (plan.match_key or plan.primary_key or plan.uniques or any(index.key for index in plan.indexes)):
            notes.append(f"{name} has no key by which its rows are paired, and is not synced.")
            del chosen[name]
            continue
        _require_covered(name, base)
        _require_shape(name, base, source.table(TableName("", name)))
    new = [t.name.name for t in source.tables if t.holds_rows and t.name.name not in found]
    new = [name for name in new if _included(name, request.scope)]
    if request.decisions.natural_keys or request.scope.natural_keys:
        notes.append("Rows are paired by the target's key: natural keys are not looked at by a sync.")
    if new:
        notes.append(f"New in the file, and not synced: {', '.join(sorted(new))}. `migrator-tui migrate` moves them.")
    return Bases(chosen, tuple(notes))


def request_of(request: Request, bases: Bases, users: UsersScope | None) -> Request:
    """The request that plans the tables as they were moved before, with what was decided then of their values."""
    tables = {name: _override(base.table(name)) for name, base in bases.tables.items()}
    dates = tuple(
        FindingDecision("DATE-MIXED", "timestamp", name, column.source)
        for name, base in bases.tables.items()
        for column in base.table(name).moved_columns
        if taken_as(column.codec).endswith(":mixed")
    )
    findings = tuple(
        FindingDecision(finding.id, finding.decision, finding.table, finding.column or finding.object)
        for base in {base.run: base for base in bases.tables.values()}.values()
        for finding in base.plan.findings
        if finding.decision and finding.table in tables
    )
    return replace(
        request,
        decisions=request.decisions.then(Decisions((*findings, *dates))),
        scope=replace(request.scope, include=tuple(_escaped(name) for name in tables), exclude=(), tables=tables,
                      project=ProjectScope(users=users), natural_keys=()),
    )  # fmt: skip


def starts_from(record: RunRecord) -> bool:
    """Whether a sync of the same file and target would start from a run, for one table at least."""
    tables: set[str] = set()
    for base in _usable([r for r in all_runs() if (r.source, r.server) == (record.source, record.server)]):
        own = {table.source for table in base.plan.moved} - tables
        if base.run == record.run:
            return bool(own)
        tables |= own
    return False


def base_of(run: str) -> Base:
    """The base that a run is.

    Raises:
        UsageError: ``SYNC-NO-BASE``: its files are gone.
    """
    folder = RunFolder.open(run)
    for base in _usable([folder.record()]):
        return base
    raise UsageError(
        "SYNC-NO-BASE", f"The run {run}, which the sync starts from, was taken back or cleaned.", "Sync anew."
    )


def taken_as(codec: str) -> str:
    """The codec by which a sync compares values that a migration moved by another one.

    Of a date the moment counts, in whatever form either end has written it since: the file keeps the form of each value
    that the target did not change.
    """
    kind, _, shape = codec.partition(":")
    written = kind in ("timestamp", "timestamptz", "date") and (is_moment(shape) or is_date(shape))
    return f"{kind}:mixed" if written else codec


def drifted(message: str, hint: str) -> UsageError:
    """The error of two ends that have not the same tables or columns any more."""
    return UsageError("SYNC-DRIFT", f"{message} Nothing was changed.", hint)


def _override(table: TablePlan) -> TableOverride:
    columns: dict[str, tuple[str | None, str | None, str | None] | None] = {
        column.source: (column.target, None, taken_as(column.codec)) for column in table.moved_columns
    }
    columns |= dict.fromkeys(table.left_behind)
    return TableOverride(table.target, Action.MERGE, columns, {fill.target: fill.expression for fill in table.fills})


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _included(name: str, scope: Scope) -> bool:
    wanted = any(fnmatch.fnmatchcase(name, pattern) for pattern in scope.include)
    return wanted and not any(fnmatch.fnmatchcase(name, pattern) for pattern in scope.exclude)


def _usable(records: Sequence[RunRecord]) -> Iterator[Base]:
    """What runs left on both ends, newest first."""
    for record in records:
        folder = RunFolder.open(record.run)
        if not folder.file(PLAN_JSON).exists() or record.status is RunStatus.ROLLED_BACK:
            continue
        name: str | None = FILE_NAME if record.status is RunStatus.SUCCEEDED else None
        if record.command == COMMAND:
            name = (folder.read_json(BASE) or {}).get("file")
        if name is None or not folder.file(name).exists():
            continue
        try:
            plan = read_plan(folder)
        except UsageError:  # another version wrote it
            continue
        codecs: dict[str, Mapping[str, str]] = {t.source: {c.target: c.codec for c in t.columns} for t in plan.moved}
        codecs |= SyncRecord.read(folder).codecs
        yield Base(record.run, folder.file(name), plan, record.command == COMMAND, codecs)


def _taken_back_beneath(connection: psycopg.Connection[Any]) -> dict[str, frozenset[str]]:
    """Run → source tables of earlier runs that were taken back after it: what it left in common is no more."""
    if not ledger.is_installed(connection):
        return {}
    found: dict[str, frozenset[str]] = {}
    for later, earlier in connection.execute(
        "SELECT b.id, a.id FROM migrator.run a JOIN migrator.run b ON b.published_at > a.published_at "
        "AND b.published_at < a.undone_at WHERE a.state = 'rolled_back'"
    ):
        if not any(earlier == record.run for record in all_runs()):
            continue  # another machine's
        plan = read_plan(RunFolder.open(earlier))
        found[later] = found.get(later, frozenset()) | {table.source for table in plan.moved}
    return found


def _require_whole(connection: psycopg.Connection[Any], records: Sequence[RunRecord]) -> None:
    if not ledger.is_installed(connection):
        return
    for record in records:
        ended = record.status in (RunStatus.SUCCEEDED, RunStatus.ROLLED_BACK)
        if record.command != COMMAND or ended or RunFolder.open(record.run).file(BASE).exists():
            continue
        if ledger.read_step(connection, record.run, STEP) is not None:
            raise UsageError(
                "SYNC-HALF-DONE",
                f"The sync {record.run} changed the target, and has not brought all of it to the file and its uploads "
                "yet.",
                f"`migrator-tui resume {record.run}` finishes it; `migrator-tui rollback {record.run}` takes it back.",
            )


def _require_covered(name: str, base: Base) -> None:
    project = base.plan.project
    if project is not None and any(name == file.table and file.of_blobs for file in project.files):
        raise UsageError(
            "SYNC-NOT-COVERED",
            f"{name} cannot be synced: its blobs became objects of Storage, which a sync does not carry. Nothing was "
            "changed.",
            f"Name the other tables with --tables. `migrator-tui migrate` and `pull` carry {name} one way.",
        )


def _require_shape(name: str, base: Base, table: Table | None) -> None:
    plan = base.table(name)
    if table is None:
        raise drifted(
            f"The file has no table {name} any more, which the run {base.run} moved to {plan.target}.",
            f"Name the other tables with --tables, or make {name} again.",
        )
    there = {column.name: column for column in table.columns}
    gone = [column.source for column in plan.moved_columns if column.source not in there]
    if gone:
        raise drifted(
            f"{name} of the file has no column {', '.join(gone)} any more.",
            f"Add the column again, or bring the change to the target first: `migrator-tui migrate --tables {name}`.",
        )
