"""Buckets and users of a published run, held at any later time to what the run recorded of them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors

from migrator_tui.migration.files.uploads import WORKERS
from migrator_tui.migration.files.verifying_files import Compared, compare_listing
from migrator_tui.migration.staging import Source
from migrator_tui.migration.users.source_users import read_users
from migrator_tui.model.plan import Plan
from migrator_tui.model.project import FilesPlan
from migrator_tui.postgres import objects
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.object_rows import NamingColumn, Reconciled, reconciled
from migrator_tui.postgres.objects import ObjectRow
from migrator_tui.supabase import auth_conditions, auth_ledger
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.storage_api import Storage
from migrator_tui.supabase.storage_errors import NotThere

SHOWN = 100
"""Objects that the JSON document names."""


@dataclass(frozen=True, slots=True)
class BucketNow:
    """One bucket.

    Attributes:
        there: The bucket is.
        rows: What rows and objects say of one another; None where the role may not read it.
    """

    bucket: str
    there: bool
    compared: Compared
    rows: Reconciled | None

    @property
    def verified(self) -> bool:
        """Every object of the run is there as it was recorded."""
        return self.there and not self.compared.wrong

    def as_json(self) -> dict[str, Any]:
        """An entry of ``buckets``."""
        document: dict[str, Any] = {
            "bucket": self.bucket,
            "there": self.there,
            "verified": self.verified,
            "same": self.compared.same,
            "differing": [{"key": key, "why": why} for key, why in self.compared.wrong[:SHOWN]],
            "differing_objects": len(self.compared.wrong),
            "others": self.compared.others,
        }
        if self.rows is not None:
            document["missing"] = {"values": self.rows.missing, "first": list(self.rows.missing_values)}
            document["unreferenced"] = {"objects": self.rows.unreferenced, "first": list(self.rows.unreferenced_keys)}
        return document

    @property
    def lines(self) -> list[str]:
        """What a person should know."""
        state = "equal" if self.verified else f"{len(self.compared.wrong):,} differ or are gone"
        found = [f"bucket {self.bucket}: {self.compared.same + len(self.compared.wrong):,} objects, {state}"]
        if not self.there:
            found = [f"bucket {self.bucket}: it is gone"]
        found += [f"{self.bucket}/{key}: {why}" for key, why in self.compared.wrong[:5]]
        if self.compared.others:
            found.append(f"bucket {self.bucket}: {self.compared.others:,} objects there beside them")
        if self.rows is not None and self.rows.missing:
            found.append(f"bucket {self.bucket}: {self.rows.missing:,} values name no object")
        if self.rows is not None and self.rows.unreferenced:
            found.append(f"bucket {self.bucket}: {self.rows.unreferenced:,} objects that no row names")
        return found


def buckets_now(
    target: Target,
    api: Api,
    plan: Plan,
    run: str,
    stopped: threading.Event,
    *,
    without: Collection[str] = (),
    by_download: bool = False,
) -> list[BucketNow]:
    """Every bucket of the plan: its objects, sizes and recorded hashes, and the rows that name them.

    Args:
        without: Source tables whose target is gone.
        by_download: Read every object back and hash it.

    Raises:
        TargetError: The project cannot be reached, or does not let this program in.
    """
    found = []
    with (
        Storage(api, stopped=stopped) as storage,
        connect(target, application_name=f"migrator-tui {run}") as connection,
    ):
        hashes = _by_bucket(objects.of_another_hash(connection, run))
        for bucket, plans in by_bucket(plan).items():
            there = storage.bucket(bucket) is not None
            listed = storage.objects(bucket) if there else iter(())
            compared = compare_listing(objects.stored(connection, run, bucket), listed)
            known = {key for key, _ in compared.wrong}
            more = tuple((key, "its recorded SHA-256 is another") for key in hashes.get(bucket, ()) if key not in known)
            compared = _with(compared, more)
            if by_download:
                asked = {key for key, _ in compared.wrong}
                rows = (row for row in objects.stored(connection, run, bucket) if row.key not in asked)
                compared = _with(compared, _of_another_content(api, rows, stopped))
            live = [each for each in plans if each.table not in without]
            found.append(BucketNow(bucket, there, compared, rows_and_objects(connection, plan, run, bucket, live)))
    return found


def _with(compared: Compared, wrong: Sequence[tuple[str, str]]) -> Compared:
    return Compared((*compared.wrong, *wrong), compared.others, compared.same - len(wrong))


def _of_another_content(api: Api, rows: Iterable[ObjectRow], stopped: threading.Event) -> list[tuple[str, str]]:
    """Keys of objects that do not read back as the files were, each with what is wrong."""
    own = threading.local()
    clients: list[Storage] = []

    def look(row: ObjectRow) -> tuple[str, str] | None:
        if not hasattr(own, "storage"):
            own.storage = Storage(api, stopped=stopped)
            clients.append(own.storage)
        try:
            found = own.storage.download(row.bucket, row.key)
        except NotThere:
            found = None
        return None if found == (row.bytes, row.sha256) else (row.key, "its content is another")

    try:
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="verify") as pool:
            return [wrong for wrong in pool.map(look, list(rows)) if wrong is not None]
    finally:
        for client in clients:
            client.close()


def by_bucket(plan: Plan) -> dict[str, list[FilesPlan]]:
    """The plan's columns of files by the bucket that they go to."""
    found: dict[str, list[FilesPlan]] = {}
    for files in plan.project.files if plan.project else ():
        found.setdefault(files.bucket, []).append(files)
    return found


def rows_and_objects(
    connection: psycopg.Connection[Any], plan: Plan, run: str, bucket: str, plans: Collection[FilesPlan]
) -> Reconciled | None:
    """What rows and objects of a bucket say of one another; None where the role may not read them."""
    columns = [
        NamingColumn(
            plan.table(each.table).target,
            next(c.target for c in plan.table(each.table).columns if c.source == each.column),
            each.value == "key",
        )
        for each in plans
    ]
    if not columns:
        return None
    try:
        with connection.transaction():
            return reconciled(connection, run, bucket, columns)
    except (errors.InsufficientPrivilege, errors.UndefinedTable, errors.UndefinedColumn):
        return None


@dataclass(frozen=True, slots=True)
class UsersNow:
    """The users of a run.

    Attributes:
        differing: What no longer holds of those that were made, one line each.
        gone: Users that the run made or found, and that are not in auth.users any more.
    """

    made: int
    matched: int
    left: int
    gone: tuple[str, ...] = ()
    differing: tuple[str, ...] = field(default=())

    @property
    def verified(self) -> bool:
        """All are there, as they were made."""
        return not self.gone and not self.differing

    def as_json(self) -> dict[str, Any]:
        """``users`` of the JSON document."""
        return {
            "verified": self.verified,
            "made": self.made,
            "matched": self.matched,
            "left": self.left,
            "gone": list(self.gone[:SHOWN]),
            "differing": list(self.differing),
        }

    @property
    def lines(self) -> list[str]:
        """What a person should know."""
        state = "equal" if self.verified else "not as they were made"
        found = [f"users: {self.made:,} made and {self.matched:,} found, {state}"]
        if self.gone:
            found.append(f"users: {len(self.gone):,} are not there any more, such as user {', '.join(self.gone[:5])}")
        return found + [f"users: {line}" for line in self.differing]


def users_now(
    connection: psycopg.Connection[Any],
    source: Source,
    plan: Plan,
    run: str,
    quarantined: Mapping[str, Collection[int]],
) -> UsersNow | None:
    """The users of the plan as they are; None where it has none.

    Users change their addresses and passwords; who did differs from what was made, as a row does that was changed.
    """
    if plan.users is None:
        return None
    without = frozenset(quarantined.get(plan.users.scope.table, ()))
    users = read_users(source.snapshot, source.database, plan.users, without=without)
    rows = auth_ledger.read(connection, run)
    of_state = {state: [row for row in rows.values() if row.state == state] for state in ("made", "matched", "left")}
    there = auth_conditions.states(connection, [row.id for row in (*of_state["made"], *of_state["matched"])])
    gone = tuple(row.key for row in (*of_state["made"], *of_state["matched"]) if row.id not in there)
    made = {row.key for row in of_state["made"] if row.id in there}
    found = auth_conditions.violations(connection, [user for user in users.to_make if user.key in made])
    made_, matched, left = (len(of_state[state]) for state in ("made", "matched", "left"))
    return UsersNow(made_, matched, left, gone, tuple(map(str, found)))


def _by_bucket(pairs: Collection[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for bucket, key in pairs:
        found.setdefault(bucket, []).append(key)
    return found
