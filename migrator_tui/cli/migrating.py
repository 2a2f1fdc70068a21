"""Commands that move rows: migrate, rehearse, resume, rollback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migrator_tui import locations
from migrator_tui.cli.options import Reached, Shared, api_of, backup_first, reached, shared, source_of, target_of
from migrator_tui.cli.printing import finish, say
from migrator_tui.cli.watching import watch
from migrator_tui.config import Settings
from migrator_tui.locations import EMBEDDED
from migrator_tui.model.errors import UsageError

if TYPE_CHECKING:
    from migrator_tui.migration.request import Request
    from migrator_tui.migration.run_folder import RunFolder
    from migrator_tui.model.outcome import RunOutcome
    from migrator_tui.postgres.connect import Target
    from migrator_tui.supabase.api import Api

CONFLICTS = click.Choice(["ask", "keep-target", "keep-source", "fail"])
NAMES = click.Choice(["keep", "snake_case"])
EXISTING = click.Path(path_type=Path, dir_okay=False)


def run_options(command: Any) -> Any:
    """The options that say how a run decides."""
    options = [
        click.option("--plan", "plan_file", type=EXISTING, help="Replay a plan that `plan --out` wrote."),
        click.option("--tables", help="Only these tables, separated by commas; shell-style patterns."),
        click.option("--names", type=NAMES, help="Keep the source's names, or write them in snake_case."),
        click.option("--decisions", type=EXISTING, help="A decisions file."),
        click.option("--on-conflict", type=CONFLICTS, help="What a staged row does that meets a different live row."),
        click.option("--yes", is_flag=True, help="Take the recommended choice of each finding where it is lossless."),
        click.option("--accept-lossy", is_flag=True, help="With --yes: also where it is lossy."),
        click.option(
            "--migration-file",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="DIR",
            help="Write schema, policies and grants into DIR as a file of supabase/migrations.",
        ),
        click.option("--record-migration", is_flag=True, help="With it: record the file in the project's history."),
        click.option("--workers", type=click.IntRange(1, 4), help="Connections that load at once."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@run_options
@shared
def migrate(shared: Shared, **options: Any) -> int:
    """Migrate: freeze, analyze, plan, stage, check, publish, verify.

    Without --yes, a finding that needs a decision stops the run before anything is staged (exit 3), and at a terminal
    publishing is confirmed by typing the target's name.
    """
    settings = shared.settings(
        tables=split(options["tables"]),
        on_conflict=options["on_conflict"],
        workers=options["workers"],
        names=options["names"],
    )
    request = request_of(settings, "migrate", options, confirm=not options["yes"] and sys.stdin.isatty())
    embedded_folder = locations.embedded_server_folder() if settings.target == EMBEDDED else None
    with target_of(settings.target, settings) as target:
        outcome = run_new(request, target, shared, embedded_folder=embedded_folder)
    return finish(outcome, as_json=shared.as_json)


@click.command()
@run_options
@shared
def rehearse(shared: Shared, **options: Any) -> int:
    """The same run against an embedded server, in a database of its own that is left for you to look at."""
    from migrator_tui.postgres.server import fresh_database

    settings = shared.settings(
        tables=split(options["tables"]), on_conflict=options["on_conflict"], names=options["names"]
    )
    request = request_of(settings, "rehearse", options, confirm=False)
    with target_of(EMBEDDED) as server:
        target = fresh_database(server, "rehearsal")
        if (users := request.scope.project.users) is not None:
            # They need Supabase's schema and roles; its APIs do not run here.
            from migrator_tui.demo.project.layout import lay_out

            target = lay_out(target)
            project = replace(request.scope.project, users=replace(users, via="sql"))
            request = replace(request, scope=replace(request.scope, project=project))
        outcome = run_new(request, target, shared, embedded_folder=locations.embedded_server_folder())
    return finish(outcome, as_json=shared.as_json)


@click.command()
@click.argument("run")
@click.option("--decisions", type=EXISTING, help="A decisions file, tried before the run's own.")
@click.option("--on-conflict", type=CONFLICTS, help="What a staged row does that meets a different live row.")
@click.option("--yes", is_flag=True, help="Take the recommended choice of each finding where it is lossless.")
@click.option("--accept-lossy", is_flag=True, help="With --yes: also where it is lossy.")
@shared
def resume(shared: Shared, run: str, **options: Any) -> int:
    """Go on with RUN (its id, or a beginning of it) where it was interrupted, or with the decisions it waits for."""
    from migrator_tui.migration.run_folder import RunFolder
    from migrator_tui.migration.runner import Runner
    from migrator_tui.migration.syncing.sync import run_of
    from migrator_tui.model.progress import RunStatus

    folder = RunFolder.open(run)
    record = folder.record()
    if record.status in (RunStatus.SUCCEEDED, RunStatus.ROLLED_BACK):
        raise UsageError(
            "RESUME-ENDED",
            f"The run {folder.run} has ended: {record.status.value}.",
            "There is nothing to resume. `migrator-tui report RUN` shows what it did.".replace("RUN", folder.run),
        )
    request = _resumed(folder, options)
    with reached_run(folder, shared) as found:
        target, api = found.target, found.stand_in or api_of(request.scope.project)
        say(f"resuming {folder.run} on {target.display}")
        runner = Runner(folder.run, run_of(request, target, folder, api=api))
        outcome = watch(runner, plain=shared.plain, confirm=target.label if request.confirm else None)
    return finish(replace(outcome, command="resume"), as_json=shared.as_json)


@click.command()
@click.argument("run")
@shared
def rollback(shared: Shared, run: str) -> int:
    """Take RUN back: its tables leave the target, its rows leave live tables, and later edits are kept and listed."""
    from migrator_tui.migration.request import Request
    from migrator_tui.migration.rolling_back import Rollback
    from migrator_tui.migration.run_folder import RunFolder
    from migrator_tui.migration.runner import Runner

    folder = RunFolder.open(run)
    with reached_run(folder, shared) as found:
        api = found.stand_in or api_of(Request.from_json(folder.record().options).scope.project)
        outcome = watch(Runner(folder.run, Rollback(found.target, folder, api=api)), plain=shared.plain)
    return finish(outcome, as_json=shared.as_json)


def request_of(settings: Settings, command: str, options: dict[str, Any], *, confirm: bool) -> Request:
    """The request that settings and options make, a plan file's names and decisions included."""
    from migrator_tui.migration import decisions_file
    from migrator_tui.migration.planning import plan_file
    from migrator_tui.migration.request import DEFAULT_WORKERS, Request
    from migrator_tui.model.decisions import Decisions
    from migrator_tui.model.profile import CHUNK_BYTES

    decisions = decisions_file.read(options["decisions"]) if options.get("decisions") else Decisions()
    scope = settings.scope
    if options.get("plan_file"):
        replay = plan_file.read(options["plan_file"])
        users = replay.scope.project.users or scope.project.users
        scope, decisions = (
            replace(replay.scope, schema=scope.schema, project=replace(scope.project, users=users)),
            decisions.then(replay.decisions),
        )
    if options.get("record_migration") and not options.get("migration_file"):
        raise UsageError("USAGE", "--record-migration goes with --migration-file DIR.", "Name the folder of the file.")
    if options.get("migration_file"):
        folder, recorded = options["migration_file"], bool(options.get("record_migration"))
        scope = replace(scope, project=replace(scope.project, migrations=folder, record_migration=recorded))
    return Request(
        source=source_of(settings),
        scope=scope,
        decisions=decisions,
        on_conflict=settings.on_conflict,
        accept_recommended=bool(options.get("yes")),
        accept_lossy=bool(options.get("accept_lossy")),
        confirm=confirm,
        workers=settings.workers or DEFAULT_WORKERS,
        command=command,
        chunk_bytes=settings.chunk_mb << 20 if settings.chunk_mb else CHUNK_BYTES,
    )


def run_new(
    request: Request, target: Target, shared: Shared, *, embedded_folder: Path | None, api: Api | None = None
) -> RunOutcome:
    """Start a run and watch it to its end.

    Args:
        api: The project's APIs, where they are not those that the request names.
    """
    from migrator_tui.migration.run import begin
    from migrator_tui.migration.runner import Runner
    from migrator_tui.migration.syncing.sync import run_of

    folder = begin(request, target, embedded_folder=embedded_folder)
    say(f"run {folder.run}: {request.source} → {target.display}")
    runner = Runner(folder.run, run_of(request, target, folder, api=api or api_of(request.scope.project)))
    return watch(
        runner,
        plain=shared.plain,
        confirm=target.label if request.confirm else None,
        advise=lambda tables: backup_first(shared, tables),
    )


@contextmanager
def target_of_run(folder: RunFolder, shared: Shared) -> Iterator[Target]:
    """As :func:`reached_run`, the target alone."""
    with reached_run(folder, shared) as found:
        yield found.target


def reached_run(folder: RunFolder, shared: Shared) -> AbstractContextManager[Reached]:
    """The target of an earlier run: the one that was given now, else the one that the run's record names."""
    record = folder.record()
    given = shared.target or (shared.settings().target if shared.profile or shared.config else None)
    folder_of_server = Path(record.embedded_folder) if record.embedded_folder else None
    settings = Settings(session_pooler=shared.session_pooler)
    return reached(given or record.target, settings, embedded_folder=folder_of_server, database=record.database)


def _resumed(folder: RunFolder, options: dict[str, Any]) -> Request:
    from pydantic import ValidationError

    from migrator_tui.migration import decisions_file
    from migrator_tui.migration.request import Request
    from migrator_tui.model.decisions import OnConflict

    try:
        request = Request.from_json(folder.record().options)
    except ValidationError as error:
        raise UsageError(
            "RESUME-REQUEST",
            f"The run {folder.run} was begun by another version of migrator-tui.",
            "Resume it with that.",
        ) from error
    if options["decisions"]:
        request = replace(request, decisions=decisions_file.read(options["decisions"]).then(request.decisions))
    return replace(
        request,
        on_conflict=OnConflict(options["on_conflict"]) if options["on_conflict"] else request.on_conflict,
        accept_recommended=request.accept_recommended or options["yes"],
        accept_lossy=request.accept_lossy or options["accept_lossy"],
        confirm=request.confirm and sys.stdin.isatty(),
    )


def split(tables: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in tables.split(",") if part.strip()) if tables else ()
