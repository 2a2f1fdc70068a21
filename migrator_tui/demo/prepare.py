"""Preparing the demo: the sample application in a folder, and the project that it is migrated to."""

from __future__ import annotations

from pathlib import Path

from migrator_tui.demo import sample_app
from migrator_tui.demo.kept_project import PROJECT, SERVER, StandIn
from migrator_tui.demo.sample_app import SampleApp
from migrator_tui.locations import EMBEDDED
from migrator_tui.migration import decisions_file
from migrator_tui.migration.ends import Ends
from migrator_tui.model.plan import Scope
from migrator_tui.model.project import ExposureScope, FilesScope, ProjectScope, UsersScope

DATABASE = "production"


def scope_of(app: SampleApp, api: str) -> Scope:
    """Which of the sample's rows are users and files, and who may reach which tables.

    Args:
        api: Web address of the project's APIs.
    """
    return Scope(
        project=ProjectScope(
            api=api,
            uploads=app.uploads,
            users=UsersScope(
                table="users", password_hash="password_hash", role="role", name="full_name", created="created_at"
            ),
            files=(FilesScope("documents", "path", "documents", access="owner"),),
            # Whose the rows of other tables are is proposed from their foreign keys, and decided like all the rest.
            exposure={"sections": ExposureScope(read="all"), "activities": ExposureScope(read="all")},
        )
    )


def prepare(folder: Path) -> Ends:
    """Build the sample application; its target is a fresh project played over an embedded server in the same folder.

    Raises:
        UsageError: The folder holds files that are not the demo's.
    """
    app = sample_app.build(folder)
    api = StandIn(folder / PROJECT).keep()
    return Ends(
        source=app.database,
        target=EMBEDDED,
        scope=scope_of(app, api),
        embedded_folder=folder / SERVER,
        database=DATABASE,
        fresh=True,
        decisions=decisions_file.read(app.decisions),
        uploads=app.uploads,
    )
