"""Who may do what with the objects of a bucket, found by trying it on storage.objects as Storage itself asks it.

Storage reads and writes that table in the role and with the claims of whoever calls it, so that its policies are those
of the table. A public bucket's objects are read by their URL without asking it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote_literal
from migrator_tui.model.project import FilesPlan
from migrator_tui.model.schema import TableName
from migrator_tui.supabase.access_matrix import (
    ANON,
    ANOTHER,
    SERVICE,
    USER,
    Trial,
    Tried,
    claims_of,
    is_uuid,
    trying,
    verdict,
)
from migrator_tui.supabase.exposure import VERBS

DELETIONS = "SET LOCAL storage.allow_delete_query = 'true'"
"""As Storage says it before it deletes; a trigger refuses everybody else, whatever policies say."""
_PROTECTED = "Direct deletion"


@dataclass(frozen=True, slots=True)
class _Bucket:
    """A bucket, with one of its objects: somebody's where there is one.

    Attributes:
        owned: Each object is a user's.
        by_owner: The plan lets each user at their own.
        sample, owner: Name and owner of the object; None where there is none.
    """

    name: str
    public: bool
    owned: bool
    by_owner: bool
    sample: str | None
    owner: str | None

    @property
    def label(self) -> TableName:
        """As the matrix names it."""
        return TableName("storage", f"objects of {self.name}")


def try_objects(connection: psycopg.Connection[Any], files: Sequence[FilesPlan]) -> tuple[Tried, ...]:
    """Try everything on the buckets of a plan. Changes nothing: it happens in a transaction that is rolled back.

    Raises:
        psycopg.Error: As :func:`~migrator_tui.supabase.access_matrix.try_access`.
    """
    names = sorted({plan.bucket for plan in files})
    if not names:
        return ()
    with trying(connection) as answers_to:
        connection.execute(DELETIONS)
        trials = [
            (bucket, trial)
            for bucket in (_look(connection, name, [plan for plan in files if plan.bucket == name]) for name in names)
            for trial in _trials(bucket)
        ]
        answers = answers_to([trial for _, trial in trials])
        return tuple(_judge(bucket, trial, said) for (bucket, trial), said in zip(trials, answers, strict=True))


def expected(who: str, verb: str, *, public: bool, owned: bool, by_owner: bool) -> bool | None:
    """What the plan means of one trial; None where that is the application's affair.

    Args:
        owned: Each object is a user's.
        by_owner: The plan lets each user at their own.
    """
    if by_owner and who == USER:
        return True
    if by_owner and who == ANOTHER and verb == "SELECT" and not public:
        return False
    if who == ANON and (verb != "SELECT" or not public):
        return False
    # Users may well share what they read, or add to a bucket; what is another's they do not change.
    if who == ANOTHER and owned and verb in ("UPDATE", "DELETE"):
        return False
    return None


def _look(connection: psycopg.Connection[Any], name: str, plans: Sequence[FilesPlan]) -> _Bucket:
    found = connection.execute(
        "SELECT name, owner_id FROM storage.objects WHERE bucket_id = %s ORDER BY owner_id IS NULL LIMIT 1", (name,)
    ).fetchone()
    sample, owner = found or (None, None)
    public = any(plan.public for plan in plans)
    # Nobody can be let at an object that is nobody's.
    by_owner = is_uuid(owner) and any(plan.access == "owner" for plan in plans)
    return _Bucket(name, public, any(plan.owner is not None for plan in plans), by_owner, sample, owner)


def _trials(bucket: _Bucket) -> Iterator[Trial]:
    other = str(uuid.uuid4())
    user = bucket.owner if is_uuid(bucket.owner) else str(uuid.uuid4())
    people = (
        (ANON, "anon", claims_of("anon"), None),
        (USER, "authenticated", claims_of("authenticated", user), user),
        (ANOTHER, "authenticated", claims_of("authenticated", other), other),
        (SERVICE, "service_role", claims_of("service_role"), None),
    )
    place = f"bucket_id = {quote_literal(bucket.name)}"
    one = f"{place} AND name = {quote_literal(bucket.sample or '')}"
    for who, role, claims, owner in people:
        owned = "NULL" if owner is None else quote_literal(owner)
        statements = {
            "SELECT": f"SELECT 1 FROM storage.objects WHERE {place} LIMIT 1",
            "INSERT": "INSERT INTO storage.objects (bucket_id, name, owner_id) "
            f"VALUES ({quote_literal(bucket.name)}, {quote_literal(other)}, {owned})",
            "UPDATE": f"UPDATE storage.objects SET metadata = metadata WHERE {one}",
            "DELETE": f"DELETE FROM storage.objects WHERE {one}",
        }
        for verb in VERBS:
            yield Trial(who, verb, role, claims, statements[verb], verb != "INSERT")


def _judge(bucket: _Bucket, trial: Trial, said: str) -> Tried:
    may, why = verdict(said, trial)
    if _PROTECTED in why:
        may, why = None, "this version of Storage lets nobody try a deletion"
    elif may is False and trial.rows and bucket.sample is None and not why:
        may, why = None, "there is no object to try it on"
    meant = expected(trial.who, trial.verb, public=bucket.public, owned=bucket.owned, by_owner=bucket.by_owner)
    return Tried(bucket.label, trial.who, trial.verb, may, meant, why)
