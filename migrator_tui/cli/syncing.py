"""The command that brings both ends together: sync."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import click

from migrator_tui import locations
from migrator_tui.cli.migrating import CONFLICTS, EXISTING, request_of, run_new, split
from migrator_tui.cli.options import Shared, shared, target_of
from migrator_tui.cli.printing import finish
from migrator_tui.locations import EMBEDDED


@click.command()
@click.option("--tables", help="Only these tables, separated by commas; shell-style patterns.")
@click.option("--decisions", type=EXISTING, help="A decisions file.")
@click.option("--on-conflict", type=CONFLICTS, help="What becomes of a row that both ends changed.")
@click.option("--per-cell", is_flag=True, help="Merge rows that both ends changed where they changed other columns.")
@click.option("--yes", is_flag=True, help="Carry deletions over, and take the recommended choice of each finding.")
@click.option("--accept-lossy", is_flag=True, help="With --yes: also where it is lossy.")
@click.option("--workers", type=click.IntRange(1, 4), help="Connections that load at once.")
@shared
def sync(shared: Shared, **options: Any) -> int:
    """Bring the file and the target together, by what each changed since the last run left them alike.

    What one end changed comes to the other; what both changed is a conflict (exit 3), decided as those of a migration.
    A row that one end deleted goes on the other with --yes, or by a decision that names the kind: deleted.
    """
    settings = shared.settings(
        tables=split(options["tables"]), on_conflict=options["on_conflict"], workers=options["workers"]
    )
    request = request_of(settings, "sync", options, confirm=not options["yes"] and sys.stdin.isatty())
    request = replace(request, per_cell=options["per_cell"])
    embedded_folder = locations.embedded_server_folder() if settings.target == EMBEDDED else None
    with target_of(settings.target, settings) as target:
        outcome = run_new(request, target, shared, embedded_folder=embedded_folder)
    return finish(outcome, as_json=shared.as_json)
