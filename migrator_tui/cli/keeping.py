"""Commands about runs that are there: verify, report, runs, audit, clean."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migrator_tui import locations
from migrator_tui.cli.migrating import reached_run, target_of_run
from migrator_tui.cli.options import Shared, api_of, shared
from migrator_tui.cli.printing import print_json, printable, say
from migrator_tui.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from migrator_tui.cli.options import Reached
    from migrator_tui.migration.planning.quarantine import RowSets
    from migrator_tui.migration.run_folder import RunFolder
    from migrator_tui.migration.staging import Source
    from migrator_tui.migration.verifying_later import BucketNow, UsersNow
    from migrator_tui.model.outcome import Beside
    from migrator_tui.model.plan import Plan
    from migrator_tui.postgres.connect import Target


@click.command()
@click.argument("run")
@click.option("--download", is_flag=True, help="Read every object of the run's buckets back, and hash it.")
@shared
def verify(shared: Shared, run: str, download: bool) -> int:
    """Compare every cell that RUN published with its snapshot, as the plan converts it. Exit 4 where rows differ.

    Rows that the application added since are counted apart; rows that it changed or deleted since differ. So it is with
    the run's users, and with the objects of its buckets: whether each is there, of its size and with its hash, and
    which values name no object and which objects no row.
    """
    from migrator_tui.migration.control import Control
    from migrator_tui.migration.merging_back import COMMAND as RESTORE
    from migrator_tui.migration.planning import quarantine
    from migrator_tui.migration.run_files import read_plan
    from migrator_tui.migration.run_folder import RunFolder
    from migrator_tui.migration.staging import Source
    from migrator_tui.migration.syncing.sync_record import BASE, as_compared
    from migrator_tui.migration.verifying import compare_published, missing_objects
    from migrator_tui.model.progress import RunStatus
    from migrator_tui.postgres.connect import connect
    from migrator_tui.sqlite import snapshot as snapshots
    from migrator_tui.sqlite.inspect import inspect
    from migrator_tui.sqlite.profile import profile

    folder = RunFolder.open(run)
    if folder.record().status is not RunStatus.SUCCEEDED:
        raise UsageError(
            "VERIFY-NOT-PUBLISHED",
            f"The run {folder.run} is {folder.record().status.value}, not published.",
            "`migrator-tui runs` shows the runs.",
        )
    if folder.record().command == RESTORE:
        raise UsageError(
            "VERIFY-RESTORE",
            f"The run {folder.run} merged a backup's rows, of which it keeps no snapshot.",
            "They were compared as they were published; `migrator-tui restore FILE --merge` compares them once more.",
        )
    plan = read_plan(folder)
    snapshot = snapshots.reopen(folder.path, plan.source_sha256)
    # After a sync the file is what the target is: the rows that it got are in no snapshot.
    synced = folder.read_json(BASE)
    plan = as_compared(plan, folder)
    path = folder.file(synced["file"]) if synced else snapshot.path
    database = inspect(path)
    source = Source(path, database, profile(path, database))
    sets = quarantine.find(path, database, plan)
    with reached_run(folder, shared) as found_target:
        target = found_target.target
        with connect(target) as connection:
            missing = missing_objects(connection, plan)
        gone = {table.source for table in plan.moved if f"table {table.target}" in missing}
        compared = compare_published(
            source,
            plan,
            sets,
            target,
            folder.run,
            Control(),
            lambda table: say(f"comparing {table}"),
            without=gone,
            synced=synced is not None,
        )
        access = _access(plan, target, missing)
        beside = _beside(folder, found_target, plan, source, sets, gone, by_download=download)
    ok = not missing and all(outcome.verified for outcome, _ in compared) and (access is None or access.verified)
    ok = ok and all(item.verified for item in beside.all)
    if shared.as_json:
        print_json(
            {
                "command": "verify",
                "run": folder.run,
                "status": "succeeded" if ok else "verification_failed",
                "tables": [
                    outcome.as_json() | {"differing_rows": found.missing, "rows_since": found.extra - found.missing}
                    for outcome, found in compared
                ],
                "missing": missing,
            }
            | ({} if access is None else {"access": access.as_json()})
            | ({"buckets": [bucket.as_json() for bucket in beside.buckets]} if beside.buckets else {})
            | ({"users": beside.users[0].as_json()} if beside.users else {})
        )
    else:
        for outcome, found in compared:
            state = "equal" if outcome.verified else f"{found.missing:,} rows differ or are gone"
            since = max(found.extra - found.missing, 0)
            more = f", {since:,} rows there beside them" if since else ""
            click.echo(printable(f"{outcome.source} → {outcome.target}: {outcome.staged_rows:,} rows, {state}{more}"))
        for item in missing:
            click.echo(f"missing: {item}")
        for line in access.lines if access else ():
            click.echo(printable(f"access: {line}"))
        for now in beside.all:
            for line in now.lines:
                click.echo(printable(line))
    if beside.unlooked:
        say("The buckets were not looked at: no address of the project's API is named, or no key is known for it.")
    return int(ExitCode.DONE if ok else ExitCode.VERIFICATION_FAILED)


@dataclass(frozen=True, slots=True)
class _Beside:
    """What else the run moved, as it is now. ``unlooked``: there are buckets, and no way to look at them."""

    buckets: Sequence[BucketNow]
    users: Sequence[UsersNow]
    unlooked: bool

    @property
    def all(self) -> list[BucketNow | UsersNow]:
        return [*self.buckets, *self.users]


def _beside(
    folder: RunFolder,
    found: Reached,
    plan: Plan,
    source: Source,
    sets: RowSets,
    gone: Collection[str],
    *,
    by_download: bool,
) -> _Beside:
    from migrator_tui.migration.request import Request
    from migrator_tui.migration.verifying_later import buckets_now, by_bucket, users_now
    from migrator_tui.postgres.connect import connect

    moved = bool(by_bucket(plan))
    api = (found.stand_in or api_of(Request.from_json(folder.record().options).scope.project)) if moved else None
    never = threading.Event()
    buckets = (
        buckets_now(found.target, api, plan, folder.run, never, without=gone, by_download=by_download) if api else ()
    )
    with connect(found.target) as connection:
        users = users_now(connection, source, plan, folder.run, sets.quarantined)
    return _Beside(buckets, (users,) if users else (), moved and api is None)


def _access(plan: Plan, target: Target, missing: Sequence[str]) -> Beside | None:
    """Who may reach the tables that the plan exposed, tried again; None where it exposes none."""
    if plan.project is None or not plan.project.exposure:
        return None
    import psycopg

    from migrator_tui.migration.exposing import beside, look
    from migrator_tui.postgres.connect import connect, explain

    there = [e for e in plan.project.exposure if f"table {e.table}" not in missing]
    views = [view for view in plan.project.views if f"view {view}" not in missing]
    project = replace(plan.project, exposure=tuple(there), views=tuple(views))
    with connect(target) as connection:
        try:
            return beside(project, *look(connection, project))
        except psycopg.Error as error:
            raise explain(error, target, established=True) from error


@click.command()
@click.argument("run")
@click.option("--format", "kind", type=click.Choice(["html", "md", "json"]), default="md", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to a file.")
@shared
def report(shared: Shared, run: str, kind: str, out: Path | None) -> int:
    """Print RUN's report, or write it to a file."""
    from migrator_tui.migration.run_folder import RunFolder

    folder = RunFolder.open(run)
    path = folder.file(f"report.{'json' if shared.as_json else kind}")
    if not path.exists():
        raise UsageError("REPORT-NONE", f"The run {folder.run} has no report yet.", "It is written when the run ends.")
    if out is not None:
        locations.write_private(out, path.read_bytes())
        say(f"report written to {out}")
    else:
        click.echo(path.read_text("utf-8"), nl=False)
    return int(ExitCode.DONE)


@click.command()
@shared
def runs(shared: Shared) -> int:
    """List the runs of this machine, newest first."""
    from migrator_tui.migration.run_folder import all_runs

    found = all_runs()
    if shared.as_json:
        print_json(
            {
                "command": "runs",
                "runs": [
                    {
                        "run": r.run,
                        "status": r.status.value,
                        "source": r.source,
                        "target": r.target,
                        "started": r.started,
                    }
                    for r in found
                ],
            }
        )
        return int(ExitCode.DONE)
    for record in found:
        click.echo(printable(f"{record.run}  {record.status.value:<19}  {record.source} → {record.target}"))
    if not found:
        say("No runs yet. `migrator-tui demo --headless` makes one, with nothing but this machine.")
    return int(ExitCode.DONE)


@click.command()
@click.argument("what", type=click.Choice(["show", "verify"]), default="show")
@click.option("--run", help="Only this run.")
@shared
def audit(shared: Shared, what: str, run: str | None) -> int:
    """Show the audit trail of the runs, or verify that its chain is whole and as long as it was. Exit 4 if not."""
    from migrator_tui.migration import audit as trails
    from migrator_tui.migration.run_files import AUDIT, read_outcome
    from migrator_tui.migration.run_folder import RunFolder, all_runs

    folders = [RunFolder.open(run)] if run else [RunFolder(locations.run_folder(r.run)) for r in all_runs()]
    documents: list[dict[str, Any]] = []
    whole = True
    for folder in folders:
        path = folder.file(AUDIT)
        if what == "show":
            lines = path.read_text("utf-8", "replace").splitlines() if path.exists() else []
            documents.append({"run": folder.run, "events": lines})
            if not shared.as_json:
                for line in lines:
                    click.echo(printable(line))
            continue
        outcome = read_outcome(folder)
        verdict = trails.verify(path, outcome.audit_anchor if outcome else None)
        whole = whole and verdict.ok
        documents.append({"run": folder.run, "intact": verdict.ok, "verdict": verdict.message})
        if not shared.as_json:
            click.echo(printable(f"{'ok  ' if verdict.ok else 'FAIL'}  {folder.run}: {verdict.message}"))
    if shared.as_json:
        status = "succeeded" if whole else "verification_failed"
        print_json({"command": "audit", "status": status, "runs": documents})
    return int(ExitCode.DONE if whole else ExitCode.VERIFICATION_FAILED)


@click.command()
@click.argument("run")
@click.option("--keep-audit", is_flag=True, help="Keep the audit trail and the report.")
@shared
def clean(shared: Shared, run: str, keep_audit: bool) -> int:
    """Remove what RUN left: staging and undone tables, its rows in the schema migrator, its folder with the snapshot.

    What it published stays. A run that was cleaned cannot be resumed, verified or rolled back any more.
    """
    from migrator_tui.migration.cleaning import clean_target
    from migrator_tui.migration.run_files import AUDIT
    from migrator_tui.migration.run_folder import RECORD, RunFolder
    from migrator_tui.migration.syncing.sync_base import starts_from

    folder = RunFolder.open(run)
    record = folder.record()
    base, folder_source = starts_from(record), record.source
    with target_of_run(folder, shared) as target:
        removed = clean_target(target, folder.run)
    kept = {AUDIT, RECORD, "report.html", "report.md", "report.json", "outcome.json"} if keep_audit else set()
    for path in folder.path.iterdir():
        if path.name not in kept:
            path.unlink()
    if not kept:
        shutil.rmtree(folder.path)
    if shared.as_json:
        print_json({"command": "clean", "run": folder.run, "status": "succeeded", "removed": removed})
    else:
        click.echo(f"{folder.run}: {', '.join(removed) or 'nothing was left on the target'}; local files removed.")
    if base:
        say(
            f"A sync of {folder_source} would have started from it: it starts from an earlier run now, which asks "
            "more, or needs a migration first."
        )
    return int(ExitCode.DONE)
