"""The demo's project: a stand-in for Supabase over the embedded server, kept in a folder beside the server's data.

It is the same project whenever it is opened: its keys, users and objects are kept, so that a run of the demo can be
resumed, verified and taken back later.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from migrator_tui import locations
from migrator_tui.demo.project.keys import Keys
from migrator_tui.demo.project.project import Project
from migrator_tui.model.errors import UsageError
from migrator_tui.postgres.connect import Target
from migrator_tui.supabase.api import Api

SERVER = "postgres"
"""The embedded server's data, within the demo's folder."""
PROJECT = "project"
"""What the stand-in keeps, beside it."""
KEPT = "project.json"


class StandIn:
    """The project of one demo folder. Closed, it can be opened again."""

    def __init__(self, folder: Path) -> None:
        """``folder`` holds its keys and objects; it is made where it is not there."""
        self._folder = folder
        self._running: Project | None = None

    def open(self, database: Target, *, fresh: bool = False) -> tuple[Target, Api]:
        """Start it, or give what runs.

        Args:
            database: As superuser. It gets the layout of a project.
            fresh: The database is a new one: objects of an earlier one are forgotten.

        Returns:
            The database as the project's owner, and the APIs with their secret key.

        Raises:
            UsageError: It does not start.
        """
        if fresh:
            self.close()
            for part in ("objects", "uploads"):
                shutil.rmtree(self._folder / part, ignore_errors=True)
        if self._running is None:
            ref, keys = self._identity()
            self._running = Project(database, self._folder, ref=ref, keys=keys).start()
        project = self._running
        return project.target, Api(project.api_url, project.secret_key)

    def keep(self) -> None:
        """Give the project its name and keys, if it has none yet; from then on it is found beside the server."""
        self._identity()

    @property
    def project(self) -> Project:
        """The project that runs.

        Raises:
            UsageError: It does not.
        """
        if self._running is None:
            raise UsageError("STAND-IN-CLOSED", "The demo's project does not run.", "Open it first.")
        return self._running

    def close(self) -> None:
        """Stop it; what it keeps stays."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def _identity(self) -> tuple[str, Keys]:
        locations.make_private_folder(self._folder)
        path = self._folder / KEPT
        try:
            kept = json.loads(path.read_text("utf-8"))
            return kept["ref"], Keys(**kept["keys"])
        except (OSError, ValueError, KeyError, TypeError):
            ref = "demoprojectdemoproje"
            keys = Keys.new(ref)
            locations.write_private(path, json.dumps({"ref": ref, "keys": asdict(keys)}))
            return ref, keys


def stand_in_beside(server_folder: Path) -> StandIn | None:
    """The stand-in that plays over an embedded server with that data folder; None where it is no demo's."""
    folder = server_folder.parent / PROJECT
    return StandIn(folder) if server_folder.name == SERVER and (folder / KEPT).exists() else None
