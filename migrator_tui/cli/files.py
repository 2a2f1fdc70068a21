"""``files``: what would become of the files that rows name, and what a run made of them. Changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from migrator_tui.cli.looking import frozen
from migrator_tui.cli.migrating import request_of, run_options, target_of_run
from migrator_tui.cli.options import Shared, shared, target_of
from migrator_tui.cli.printing import print_json, printable
from migrator_tui.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from migrator_tui.model.plan import Plan
    from migrator_tui.model.project import FilesPlan
    from migrator_tui.postgres.objects import ObjectRow

SHOWN = 5


@click.group()
def files() -> None:
    """Files that rows name, on their way to buckets of Supabase Storage."""


@files.command("check")
@click.option("--list", "each", is_flag=True, help="List every file with the object that it would become.")
@run_options
@shared
def check(shared: Shared, each: bool, **options: Any) -> int:
    """Show which columns name files, and what would be uploaded, is missing, or is named by no row.

    Reads the source, the uploads folder and the target's buckets, and changes nothing. Exit 3 while a decision about
    files is open; `migrate` moves them.
    """
    from migrator_tui.migration.planning.target_plan import draft_plan
    from migrator_tui.model.outcome import finding_as_json
    from migrator_tui.postgres.connect import connect

    settings = shared.settings(
        tables=tuple(options["tables"].split(",")) if options["tables"] else (),
        on_conflict=options["on_conflict"],
        workers=options["workers"],
        names=options["names"],
    )
    project = settings.scope.project
    if project.api is None:
        raise UsageError(
            "FILES-ENDS", "No API (`target.api`) is named.", "Name the project's API, and the folder of the files."
        )
    request = request_of(settings, "files check", options, confirm=False)
    with (
        frozen(request.source) as (snapshot, source),
        target_of(settings.target, settings) as target,
        connect(target) as connection,
    ):
        plan = draft_plan(connection, source, snapshot.sha256, request)
        columns = plan.project.files if plan.project else ()
        objects = _objects(plan, snapshot.path) if each else []
    found = [finding for finding in plan.findings if finding.id.startswith("FILES-")]
    undecided = [finding for finding in found if finding.needs_decision]
    if shared.as_json:
        document: dict[str, Any] = {
            "command": "files check",
            "status": "needs_decisions" if undecided else "succeeded",
            "uploads": str(project.uploads) if project.uploads else None,
            "columns": [_as_json(column) for column in columns],
            "findings": [finding_as_json(finding) for finding in found],
        }
        print_json(document | ({"files": objects} if each else {}))
    else:
        for column in columns:
            click.echo(printable(_line(column)))
        if not columns:
            click.echo("no column names files that would be moved")
        for item in objects:
            why = f"  stays behind: {item['left']}" if item["left"] else ""
            click.echo(printable(f"  {item['path']} -> {item['bucket']}/{item['key']}  {item['bytes']:,} bytes{why}"))
        for finding in found:
            choices = f" Choices: {', '.join(finding.choices)}." if finding.needs_decision else ""
            click.echo(printable(f"{finding.severity.value}  {finding.id}: {finding.message}{choices}"))
            for sample in finding.samples[:SHOWN]:
                click.echo(printable(f"    {sample}"))
    return int(ExitCode.DECISIONS_LEFT if undecided else ExitCode.DONE)


@files.command("list")
@click.argument("run")
@shared
def list_(shared: Shared, run: str) -> int:
    """List the files of RUN with their objects and SHA-256: uploaded, found there, or left behind and why."""
    from migrator_tui.migration.run_folder import RunFolder
    from migrator_tui.postgres import objects
    from migrator_tui.postgres.connect import connect

    folder = RunFolder.open(run)
    with target_of_run(folder, shared) as target, connect(target) as connection:
        found = [_moved(row) for row in objects.of_run(connection, folder.run)]
    if shared.as_json:
        print_json({"command": "files list", "run": folder.run, "status": "succeeded", "files": found})
        return int(ExitCode.DONE)
    for item in found:
        why = f": {item['why']}" if item["why"] else ""
        place = f"{item['bucket']}/{item['key']}"
        click.echo(printable(f"{item['path']} -> {place}  {item['bytes']:,} bytes  {item['state']}{why}"))
    if not found:
        click.echo("the run knows of no file")
    return int(ExitCode.DONE)


def _moved(row: ObjectRow) -> dict[str, Any]:
    return {
        "path": row.path,
        "bucket": row.bucket,
        "key": row.key,
        "bytes": row.bytes,
        "sha256": row.sha256,
        "state": row.state,
        "why": row.detail.get("why"),
    }


def _line(column: FilesPlan) -> str:
    holds = {"key": "the object's key", "url": "its URL", "keep": "what it held"}[column.value]
    kind = f"{'new' if column.creates else 'existing'} {'public' if column.public else 'private'}"
    what = "blobs" if column.of_blobs else "files"
    missing = "" if column.of_blobs else f"{column.missing:,} values without a file; "
    return (
        f"{column.table}.{column.column}: {column.files:,} {what}, {column.bytes:,} bytes, to the {kind} bucket "
        f"{column.bucket}; {missing}the column will hold {holds}"
    )


def _as_json(column: FilesPlan) -> dict[str, Any]:
    names = ("table", "column", "bucket", "public", "creates", "prefix", "value", "owner", "files", "bytes", "missing")
    return {name: getattr(column, name) for name in names} | {"blobs": column.of_blobs}


def _objects(plan: Plan, snapshot: Path) -> list[dict[str, Any]]:
    from migrator_tui.migration.files.matching_files import files_of
    from migrator_tui.supabase.api import STORAGE_PATH

    project = plan.project
    return [
        {
            "path": item.file.path,
            "bucket": column.bucket,
            "key": item.key,
            "bytes": item.file.size,
            "left": item.left or None,
        }
        for column in (project.files if project else ())
        for item in files_of(column, snapshot, f"{project.api if project else ''}{STORAGE_PATH}", plan.users)
    ]
