"""The demo's project: a stand-in for Supabase over the embedded server, kept in a folder beside the server's data.

It is the same project whenever it is opened: its keys, users and objects are kept, so that a run of the demo can be
resumed, verified and taken back later.
"""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from migrator_tui import locations
from migrator_tui.demo.project.keys import Keys
from migrator_tui.demo.project.project import Project
from migrator_tui.demo.project.serving import HOST
from migrator_tui.model.errors import UsageError
from migrator_tui.postgres.connect import Target
from migrator_tui.supabase.api import Api

SERVER = "postgres"
"""The embedded server's data, within the demo's folder."""
PROJECT = "project"
"""What the stand-in keeps, beside it."""
KEPT = "project.json"
REF = "demoprojectdemoproje"


@dataclass(frozen=True, slots=True)
class _Identity:
    """What makes it the same project again."""

    ref: str
    keys: Keys
    port: int


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
            kept = self._identity()
            try:
                self._running = self._project(database, kept).start()
            except (UsageError, OSError):  # somebody else has the port by now
                kept = replace(kept, port=_free_port())
                self._write(kept)
                self._running = self._project(database, kept).start()
        project = self._running
        return project.target, Api(project.api_url, project.secret_key)

    def keep(self) -> str:
        """Give the project its name, keys and port, if it has none yet; from then on it is found beside the server.

        Returns:
            The web address of its APIs.
        """
        return f"http://{HOST}:{self._identity().port}"

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

    def _project(self, database: Target, kept: _Identity) -> Project:
        return Project(database, self._folder, ref=kept.ref, keys=kept.keys, port=kept.port)

    def _identity(self) -> _Identity:
        try:
            kept = json.loads((self._folder / KEPT).read_text("utf-8"))
            return _Identity(kept["ref"], Keys(**kept["keys"]), int(kept["port"]))
        except (OSError, ValueError, KeyError, TypeError):
            made = _Identity(REF, Keys.new(REF), _free_port())
            self._write(made)
            return made

    def _write(self, kept: _Identity) -> None:
        locations.make_private_folder(self._folder)
        locations.write_private(self._folder / KEPT, json.dumps(asdict(kept)))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def stand_in_beside(server_folder: Path) -> StandIn | None:
    """The stand-in that plays over an embedded server with that data folder; None where it is no demo's."""
    folder = server_folder.parent / PROJECT
    return StandIn(folder) if server_folder.name == SERVER and (folder / KEPT).exists() else None
