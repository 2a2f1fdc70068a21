"""Buckets held to the ledger: by a listing in both directions, and by reading every object back where that is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from migrator_tui.migration.companions import RunContext
from migrator_tui.migration.files.uploads import UploadContext, storage_workers
from migrator_tui.postgres import objects
from migrator_tui.postgres.connect import connect
from migrator_tui.postgres.objects import ObjectRow
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.storage_api import StoredObject
from migrator_tui.supabase.storage_errors import NotThere


@dataclass(frozen=True, slots=True)
class Compared:
    """What a listing says of the ledger, and the other way round.

    Attributes:
        wrong: Key → what is wrong with it.
        others: Objects that the run neither made nor found.
        same: Objects that are as recorded.
    """

    wrong: tuple[tuple[str, str], ...]
    others: int
    same: int


def compare_listing(recorded: Iterable[ObjectRow], listed: Iterable[StoredObject]) -> Compared:
    """Join the two by key; both come in the byte order of keys, and neither is held whole."""
    wrong: list[tuple[str, str]] = []
    others = same = 0
    left, right = iter(recorded), iter(listed)
    row, there = next(left, None), next(right, None)
    while row is not None or there is not None:
        if there is None or (row is not None and row.key < there.key):
            assert row is not None
            wrong.append((row.key, "it is not in the bucket"))
            row = next(left, None)
        elif row is None or there.key < row.key:
            others += 1
            there = next(right, None)
        else:
            if row.bytes == there.size:
                same += 1
            else:
                wrong.append((row.key, f"it has {there.size:,} bytes, the file {row.bytes:,}"))
            row, there = next(left, None), next(right, None)
    return Compared(tuple(wrong), others, same)


def download_all(context: RunContext, api: Api, buckets: Sequence[str]) -> list[str]:
    """Read every object of the run back, with several workers; what is wrong, one line each."""
    wrong: list[str] = []
    lock = threading.Lock()

    def work(held: UploadContext, row: ObjectRow) -> None:
        between = context.control.within_chunk
        try:
            size, sha256 = held.storage.download(row.bucket, row.key, between=lambda received: between())
        except NotThere:
            size, sha256 = -1, ""
        if (size, sha256) != (row.bytes, row.sha256):
            with lock:
                wrong.append(f"{row.bucket}/{row.key}: its content is another")
        context.board.add(f"files: {row.bucket}", checked=1)

    for bucket in buckets:
        with connect(context.target, application_name=f"migrator-tui {context.run}") as connection:
            rows = list(objects.stored(connection, context.run, bucket))
        storage_workers("download", api, context, work).run(rows)
        context.board.set_retry(None)
    return sorted(wrong)
