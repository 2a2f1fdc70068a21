"""A backup of the live tables that a run is about to merge into, made before it publishes."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator_tui.migration.backups import backing_up
from migrator_tui.migration.backups.backup_keys import PASSPHRASE_VARIABLE, sealing_key
from migrator_tui.model.schema import TableName
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.backup import Progress
from migrator_tui.postgres.backup_file import OpeningKey, key_text, new_key
from migrator_tui.postgres.connect import Target


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What was made.

    Attributes:
        files: One a schema; each was restored and compared before it counted.
        recovery: What opens them without the passphrase or the keyring, to be shown once.
    """

    files: tuple[Path, ...]
    rows: int
    recovery: Secret


def back_up_first(
    target: Target, tables: Sequence[TableName], passphrase: Secret | None, progress: Progress
) -> BackedUp:
    """Back these tables up into the program's own folder, proven on the target.

    Args:
        passphrase: What opens the file; None for that of the environment, else the key in the keyring.

    Raises:
        BackupError, UsageError, TargetError: As :func:`backing_up.make` and :func:`sealing_key` say.
    """
    given = {PASSPHRASE_VARIABLE: passphrase.reveal()} if passphrase else os.environ
    key, recovery = sealing_key(given, None), OpeningKey("recovery", new_key())
    made = [
        backing_up.make(
            target,
            None,
            schema=schema,
            tables=tuple(table.name for table in tables if table.schema == schema),
            key=key,
            recovery=recovery,
            proof=target,
            stop=threading.Event(),
            progress=progress,
        )
        for schema in dict.fromkeys(table.schema for table in tables)
    ]
    rows = sum(table.rows for one in made for table in one.tables)
    return BackedUp(tuple(one.file for one in made), rows, Secret(key_text(recovery.secret)))
