"""Commands that change nothing: check, plan."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from migrator_tui import locations
from migrator_tui.cli.migrating import request_of, run_options
from migrator_tui.cli.options import Shared, backup_first, shared, source_of, target_of
from migrator_tui.cli.printing import print_json, printable, say
from migrator_tui.model.errors import ExitCode, MigratorError

if TYPE_CHECKING:
    from migrator_tui.migration.staging import Source
    from migrator_tui.sqlite.snapshot import Snapshot


@click.command()
@click.option("--tables", help="Only these tables, separated by commas; shell-style patterns.")
@shared
def check(shared: Shared, tables: str | None) -> int:
    """Look at both ends: can they be opened, which versions, what the role may do, is there room. Changes nothing.

    Rights are tried in transactions that are rolled back; what is missing is named with the GRANT that gives it.
    """
    settings = shared.settings(tables=tuple(tables.split(",")) if tables else ())
    results: list[dict[str, Any]] = []
    error: MigratorError | None = None

    def tell(what: str, ok: bool, said: str, hint: str = "") -> None:
        results.append({"check": what, "ok": ok, "message": said, "hint": hint})
        if not shared.as_json:
            click.echo(printable(f"{'ok  ' if ok else 'FAIL'}  {what}: {said}" + (f"\n      → {hint}" if hint else "")))

    try:
        with frozen(source_of(settings)) as (snapshot, source):
            rows = sum(table.rows for table in source.profile.tables.values())
            tell(
                "source",
                True,
                f"{snapshot.source.name}: {snapshot.tables} tables, {rows:,} rows, {snapshot.bytes:,} bytes",
                "" if snapshot.tables else "Nothing to move: is this the file that the application opens?",
            )
            if snapshot.foreign_key_violations:
                tell("foreign keys", True, f"{snapshot.foreign_key_violations} rows refer to rows that do not exist")
            free = shutil.disk_usage(locations.home() if locations.home().exists() else Path.home()).free
            tell("disk", free > snapshot.bytes, f"{free:,} bytes free for the snapshot's {snapshot.bytes:,}")
            with target_of(settings.target, settings) as target:
                _check_target(tell, target, snapshot, source, shared, settings)
    except MigratorError as raised:
        error = raised
        tell(error.id, False, error.message, error.hint)
    ok = all(result["ok"] for result in results)
    if shared.as_json:
        document: dict[str, Any] = {"command": "check", "status": "succeeded" if ok else "failed", "checks": results}
        if error is not None:
            document["error"] = {"id": error.id, "message": error.message, "hint": error.hint}
        print_json(document)
    if error is not None:
        return int(error.exit_code)
    return int(ExitCode.DONE if ok else ExitCode.FAILED)


def _check_target(tell: Any, target: Any, snapshot: Snapshot, source: Source, shared: Shared, settings: Any) -> None:
    from migrator_tui.migration.backups.backup_advice import merged_with_rows
    from migrator_tui.migration.planning.target_plan import draft_plan, needs_of
    from migrator_tui.postgres.connect import connect
    from migrator_tui.postgres.privileges import probe
    from migrator_tui.supabase.connection_kinds import Kind, way_of

    with connect(target) as connection:
        version = connection.info.parameter_status("server_version")
        secure = "TLS" if connection.pgconn.ssl_in_use else "no TLS"
        tell("target", True, f"{target.display}: PostgreSQL {version}, as {connection.info.user}, {secure}")
        if (way := way_of(target)).kind is not Kind.PLAIN:
            tell("way in", True, way.label + (", its certificate verified" if target.verifies else ""))
        request = request_of(settings, "check", {}, confirm=False)
        plan, refused = None, None
        try:
            plan = draft_plan(connection, source, snapshot.sha256, request)
            needs = needs_of(plan, settings.scope.schema)
        except MigratorError as error:
            if error.id != "TARGET-PRIVILEGE":
                raise
            from migrator_tui.postgres.privileges import Needs

            needs = Needs(settings.scope.schema, True, (), (), False)
            refused = error
        missing = probe(connection, needs)
        for item in missing:
            tell("right", False, f"{item.what}: {item.why}", f"{item.grant};" if item.grant else "")
        if refused is not None and not missing:  # a right on one of the tables, which only planning asks for
            tell("right", False, refused.message, refused.hint)
        elif not missing:
            tell("rights", True, "the role may do everything that the plan needs")
        if plan is not None:
            said = f"{len(plan.moved)} tables, {plan.estimate.rows:,} rows, {len(plan.findings)} findings"
            if refused is None and not missing:
                for line in backup_first(shared, merged_with_rows(connection, plan)):
                    say(line)
            tell("plan", True, f"{said}, {len(plan.undecided)} to decide; about {plan.estimate.seconds:.0f} s")


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the plan to a file.")
@click.option("--sql", is_flag=True, help="Print the DDL alone.")
@run_options
@shared
def plan(shared: Shared, out: Path | None, sql: bool, **options: Any) -> int:
    """Show findings with their choices, the DDL and an estimate. Changes nothing; exit 3 while decisions are open.

    With --out the plan is a file that can be reviewed, edited and replayed by `migrate --plan`.
    """
    from migrator_tui.migration.planning import plan_file
    from migrator_tui.migration.planning.target_plan import draft_plan
    from migrator_tui.model.outcome import finding_as_json
    from migrator_tui.postgres.connect import connect

    tables = tuple(options["tables"].split(",")) if options["tables"] else ()
    settings = shared.settings(
        tables=tables, on_conflict=options["on_conflict"], workers=options["workers"], names=options["names"]
    )
    request = request_of(settings, "plan", options, confirm=False)
    with (
        frozen(request.source) as (snapshot, source),
        target_of(settings.target, settings) as target,
        connect(target) as connection,
    ):
        made = draft_plan(connection, source, snapshot.sha256, request)
    if made.project is not None and made.project.migration is not None:
        from migrator_tui.migration.recording import write

        say("no migration is written while decisions are open" if made.undecided else f"migration: {write(made)}")
    text = plan_file.render(made)
    if out is not None:
        locations.write_private(out, text)
        say(f"plan written to {out}")
    if shared.as_json:
        print_json(
            {
                "command": "plan",
                "status": "needs_decisions" if made.undecided else "succeeded",
                "tables": [
                    {"source": t.source, "target": str(t.target), "action": t.action.value, "rows": t.rows}
                    for t in made.tables
                ],
                "findings": [finding_as_json(finding) for finding in made.findings],
                "ddl": list(made.ddl),
                "estimate": {
                    "rows": made.estimate.rows,
                    "bytes": made.estimate.bytes,
                    "peak_bytes": made.estimate.peak_bytes,
                    "seconds": made.estimate.seconds,
                },
                "out": str(out) if out else None,
            }
        )
    elif sql:
        click.echo("".join(f"{statement};\n\n" for statement in made.ddl), nl=False)
    elif out is None:
        click.echo(printable(text))
    for finding in made.undecided:
        say(f"{finding.id}: {finding.message} Choices: {', '.join(finding.choices)}.")
    return int(ExitCode.DECISIONS_LEFT if made.undecided else ExitCode.DONE)


@contextmanager
def frozen(path: Path) -> Iterator[tuple[Snapshot, Source]]:
    """A snapshot and its profile for a command that only looks; gone afterwards."""
    from migrator_tui.migration.look_folder import LookFolder
    from migrator_tui.migration.staging import Source
    from migrator_tui.sqlite.inspect import inspect
    from migrator_tui.sqlite.profile import profile
    from migrator_tui.sqlite.snapshot import freeze

    with LookFolder.open() as folder:
        snapshot = freeze(path, folder)
        database = inspect(snapshot.path)
        yield snapshot, Source(snapshot.path, database, profile(snapshot.path, database))
