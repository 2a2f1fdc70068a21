"""Taking files back out of buckets: what the run stored and nobody replaced since, and the buckets that it made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg

from migrator_tui.migration.companions import Undoing
from migrator_tui.migration.files.matching_files import count
from migrator_tui.postgres import ledger, objects
from migrator_tui.postgres.objects import ObjectRow
from migrator_tui.supabase import resumable
from migrator_tui.supabase.storage_api import Storage
from migrator_tui.supabase.storage_errors import NotThere, StorageRefused

AT_ONCE = 100
"""Objects of one request."""


def bucket_step(name: str) -> str:
    """The ledger's step that says that the run makes a bucket."""
    return f"bucket:{name}"


def remove_objects(connection: psycopg.Connection[Any], storage: Storage, undoing: Undoing) -> list[str]:
    """Remove the run's objects, and end its unfinished uploads; lines of what was kept."""
    changed: list[str] = []
    needed: list[str] = []
    while rows := objects.own(connection, undoing.run):
        undoing.control.check()
        for row, _ in rows:
            if row.upload_url:
                resumable.end(storage, row.upload_url, row.path)
        ours = [row for row, now in rows if now == "ours"]
        changed += [f"{row.bucket}/{row.key}" for row, now in rows if now == "changed" and row.state == "made"]
        needed += [f"{row.bucket}/{row.key}" for row, now in rows if now == "needed"]
        for bucket in dict.fromkeys(row.bucket for row in ours):
            keys = [row.key for row in ours if row.bucket == bucket]
            for at in range(0, len(keys), AT_ONCE):
                undoing.control.check()
                storage.remove(bucket, keys[at : at + AT_ONCE])
        objects.record(connection, undoing.fence, [_after(row, now) for row, now in rows])
    return [
        *_kept("replaced since and kept", changed),
        *_kept("kept, because another run found them there and has rows that name them", needed),
    ]


def _kept(why: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return [f"{count(len(names), 'object')} {why}: {', '.join(names[:3])}{more}."]


def remove_buckets(
    connection: psycopg.Connection[Any], storage: Storage, undoing: Undoing, buckets: Sequence[str]
) -> list[str]:
    """Remove the buckets that the run made, where they are empty; lines of what was kept."""
    kept = []
    for name in buckets:
        if ledger.read_step(connection, undoing.run, bucket_step(name)) is None:
            continue
        if next(storage.objects(name), None) is not None:
            kept.append(f"The bucket {name} holds other objects and stays.")
            continue
        try:
            storage.delete_bucket(name)
        except NotThere:
            continue
        except StorageRefused as error:
            kept.append(error.message)
    return kept


def _after(row: ObjectRow, now: str) -> ObjectRow:
    return replace(row, state="left" if now in ("changed", "needed") else "undone", upload_url=None)
