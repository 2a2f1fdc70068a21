"""Policies of storage.objects that let each user at the files of their own, bucket by bucket.

Storage asks that table in the role and with the claims of whoever calls it. An upload's ``owner_id`` is who made it;
the run writes it for what it moves. Supabase lets the role ``postgres`` write policies there, and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import psycopg

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.project import FilesPlan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.merge import sql
from migrator_tui.supabase.policies import Policy

OBJECTS = TableName("storage", "objects")
LONGEST = 40
"""Characters of a bucket's name in that of a policy; Postgres cuts names after 63 bytes without a word."""


def owned_buckets(files: Iterable[FilesPlan]) -> tuple[str, ...]:
    """Buckets whose objects their owners are let at."""
    return tuple(sorted({plan.bucket for plan in files if plan.access == "owner"}))


def object_policies(bucket: str) -> tuple[Policy, ...]:
    """One policy a verb, for who is signed in."""
    name = bucket
    if len(bucket) > LONGEST:
        name = f"{bucket[: LONGEST - 9]}_{hashlib.sha256(bucket.encode()).hexdigest()[:8]}"
    own = f"bucket_id = {quote_literal(bucket)} AND owner_id = (SELECT auth.uid()::text)"
    signed_in = ("authenticated",)
    return (
        Policy(f"{name} owner_select", "SELECT", signed_in, own),
        Policy(f"{name} owner_insert", "INSERT", signed_in, check=own),
        Policy(f"{name} owner_update", "UPDATE", signed_in, own, own),
        Policy(f"{name} owner_delete", "DELETE", signed_in, own),
    )


def object_statements(bucket: str, there: Collection[str] = ()) -> tuple[str, ...]:
    """The statements for one bucket; policies that are there by their name are not made twice."""
    return tuple(policy.create(OBJECTS) for policy in object_policies(bucket) if policy.name not in there)


def policies_there(connection: psycopg.Connection[Any]) -> dict[str, str]:
    """Name → definition of the policies of storage.objects."""
    rows = connection.execute(
        "SELECT polname::text, concat_ws('|', polcmd::text, polroles::text, pg_get_expr(polqual, polrelid), "
        "pg_get_expr(polwithcheck, polrelid)) FROM pg_policy WHERE polrelid = 'storage.objects'::regclass"
    ).fetchall()
    return dict(rows)


def open_to_owners(connection: psycopg.Connection[Any], buckets: Iterable[str]) -> dict[str, str]:
    """Make the policies of some buckets, within the caller's transaction; those that were made, as they are then."""
    before = policies_there(connection)
    for bucket in buckets:
        for statement in object_statements(bucket, before):
            connection.execute(sql(statement))
    return {name: text for name, text in policies_there(connection).items() if name not in before}


def close_again(connection: psycopg.Connection[Any], made: dict[str, str]) -> Sequence[str]:
    """Drop policies that still are as the run made them; the others, a sentence each."""
    there = policies_there(connection)
    kept = []
    for name, text in made.items():
        if name in there and there[name] != text:
            kept.append(f"The policy {name} of {OBJECTS} was changed since and is kept.")
        elif name in there:
            connection.execute(sql(f"DROP POLICY {quote(name)} ON {quote_name(OBJECTS)}"))
    return kept
