"""Preparing the demo: the sample application in a folder, and where it is migrated to."""

from __future__ import annotations

from pathlib import Path

from migrator_tui.config import EMBEDDED
from migrator_tui.demo import sample_app
from migrator_tui.demo.kept_project import SERVER
from migrator_tui.migration import decisions_file
from migrator_tui.migration.ends import Ends

DATABASE = "production"


def prepare(folder: Path) -> Ends:
    """Build the sample application; its target is a fresh database of an embedded server in the same folder.

    Raises:
        UsageError: The folder holds files that are not the demo's.
    """
    app = sample_app.build(folder)
    return Ends(
        source=app.database,
        target=EMBEDDED,
        embedded_folder=folder / SERVER,
        database=DATABASE,
        fresh=True,
        decisions=decisions_file.read(app.decisions),
        uploads=app.uploads,
    )
