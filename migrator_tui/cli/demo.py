"""``demo``: the sample application, migrated to a server of its own."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from migrator_tui.cli.options import Shared
from migrator_tui.cli.printing import finish, say
from migrator_tui.cli.screens import open_demo, there_is_a_terminal
from migrator_tui.demo import FOLDER


@click.command()
@click.option("--headless", is_flag=True, help="Without a screen: migrate at once, by the decisions the demo ships.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(FOLDER),
    show_default=True,
    help="Where the sample application and its server are made.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--plain", is_flag=True, help="Steady lines instead of a moving display.")
def demo(headless: bool, folder: Path, as_json: bool, plain: bool) -> int:
    """Build a sample application in a folder and migrate it to an embedded PostgreSQL: no network, no account.

    The screens guide through it; without a terminal, or with --headless, --json or --plain, it is migrated at once.

    The application has users, sections, activities, documents and messages in a SQLite file, some honest trouble in
    its rows, and an uploads folder. Running it again starts afresh.
    """
    from migrator_tui.cli.migrating import run_new
    from migrator_tui.demo import sample_app
    from migrator_tui.demo.kept_project import PROJECT, SERVER, StandIn
    from migrator_tui.demo.prepare import DATABASE, scope_of
    from migrator_tui.demo.proof import prove
    from migrator_tui.migration import decisions_file
    from migrator_tui.migration.request import Request
    from migrator_tui.model.progress import RunStatus
    from migrator_tui.postgres.server import EmbeddedServer, fresh_database

    folder = folder.expanduser().resolve()
    if not (headless or as_json or plain):
        if there_is_a_terminal():
            return open_demo(folder)
        say("There is no terminal that could show the screens: this runs without them (--headless).")
    say(f"building the sample application in {folder}")
    app = sample_app.build(folder)
    say(f"  {sum(app.rows.values()):,} rows in {len(app.rows)} tables, uploads in {app.uploads.name}/")
    server_folder = folder / SERVER
    say("starting an embedded PostgreSQL, and a stand-in for a Supabase project over it")
    with EmbeddedServer.start(server_folder) as server, closing(StandIn(folder / PROJECT)) as stand_in:
        target, api = stand_in.open(fresh_database(server.target(), DATABASE), fresh=True)
        decisions = decisions_file.read(app.decisions)
        request = Request(source=app.database, scope=scope_of(app, api.url), decisions=decisions, command="demo")
        shared = Shared(None, None, None, None, as_json, plain)
        outcome = run_new(request, target, shared, embedded_folder=server_folder, api=api)
        if outcome.status is RunStatus.SUCCEEDED:
            for proof in prove(stand_in.project, app):
                say(f"{'✓' if proof.ok else '✗'} {proof.what}")
        return finish(outcome, as_json=as_json)
