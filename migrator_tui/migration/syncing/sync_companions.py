"""What goes with the rows of a sync: files and users."""

from __future__ import annotations

from typing import Any

import psycopg

from migrator_tui.migration.companions import Companion, companions_of
from migrator_tui.migration.files.matching_files import count
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.syncing.sync_record import SYNC
from migrator_tui.migration.syncing.sync_users import SyncedUserIds, SyncedUsers
from migrator_tui.migration.syncing.synced_files import SyncedFiles
from migrator_tui.model.plan import Plan
from migrator_tui.postgres import objects
from migrator_tui.supabase import auth_ledger, auth_sql


def of_sync(plan: Plan) -> tuple[Companion, ...]:
    """The companions of a sync, in the order in which they act."""
    project = plan.project
    files: tuple[Companion, ...] = (SyncedFiles(),) if project is not None and project.files else ()
    return (*files, SyncedUsers(), SyncedUserIds()) if plan.users is not None else files


def of_run(plan: Plan, folder: RunFolder) -> tuple[Companion, ...]:
    """The companions of a run, be it a sync or a migration."""
    return of_sync(plan) if folder.file(SYNC).exists() else companions_of(plan)


def made_before(connection: psycopg.Connection[Any], run: str) -> str:
    """What companions made that stands although the rows were not published, in words; empty where there is nothing."""
    rows = auth_ledger.read(connection, run).values()
    # Whom an attempt made of which nobody saw the end is known as intended still.
    unseen = [row.id for row in rows if row.state == "intended"]
    users = sum(row.state == "made" for row in rows)
    users += len(auth_sql.existing(connection, ids=unseen)) if unseen else 0
    files = sum(tally.objects for tally in objects.tallies(connection, run) if tally.state == "made")
    parts = [count(users, "user")] if users else []
    parts += [count(files, "file")] if files else []
    return " and ".join(parts)
