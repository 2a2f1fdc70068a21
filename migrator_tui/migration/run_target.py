"""A run belongs to one target: going on with it, or taking it back, anywhere else is refused."""

from __future__ import annotations

from typing import Any

import psycopg

from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.errors import TargetError
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres import ledger
from migrator_tui.postgres.inspect import server_identity


def require_run_target(connection: psycopg.Connection[Any], folder: RunFolder) -> None:
    """Raise where this is not the target that the run was begun on, as far as its record and the ledger tell.

    The ledger's row decides where there is one: the same server may be reached under another name.

    Raises:
        TargetError: ``RUN-OTHER-TARGET``: it was begun elsewhere. ``RUN-NOT-HERE``: it was published, and the ledger
            does not know it (any more).
    """
    if ledger.read_run(connection, folder.run) is not None:
        return
    record = folder.record()
    if record.server is not None and server_identity(connection) != record.server:
        raise TargetError(
            "RUN-OTHER-TARGET",
            f"The run {folder.run} was begun on another target: {record.target}. Nothing was changed.",
            "Leave --target out, or name that one.",
        )
    if record.status is RunStatus.SUCCEEDED:
        raise TargetError(
            "RUN-NOT-HERE",
            f"The target's ledger does not know the run {folder.run}, so what it published cannot be taken back. "
            "Nothing was changed.",
            "Was it cleaned, or is this another target? The report lists the tables that it published.",
        )
