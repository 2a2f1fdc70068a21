"""``demo``: the sample application, migrated to a server of its own."""

from __future__ import annotations

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
    from migrator_tui.migration import decisions_file
    from migrator_tui.migration.request import Request
    from migrator_tui.postgres.server import EmbeddedServer, fresh_database

    folder = folder.expanduser().resolve()
    if not (headless or as_json or plain):
        if there_is_a_terminal():
            return open_demo(folder)
        say("There is no terminal that could show the screens: this runs without them (--headless).")
    say(f"building the sample application in {folder}")
    app = sample_app.build(folder)
    say(f"  {sum(app.rows.values()):,} rows in {len(app.rows)} tables, uploads in {app.uploads.name}/")
    server_folder = folder / "postgres"
    say("starting an embedded PostgreSQL")
    with EmbeddedServer.start(server_folder) as server:
        target = fresh_database(server.target(), "production")
        request = Request(source=app.database, decisions=decisions_file.read(app.decisions), command="demo")
        outcome = run_new(
            request, target, Shared(None, None, None, None, as_json, plain), embedded_folder=server_folder
        )
        return finish(outcome, as_json=as_json)
