"""The ledger's objects of Supabase Storage: intended before an upload, made or matched after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from migrator_tui.model.errors import TargetError
from migrator_tui.postgres import ledger
from migrator_tui.postgres.ledger import Fence

PAGE = 2000


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One object as the ledger has it.

    Attributes:
        path: Of the file, below the uploads folder; of a blob, the path that its key is made of.
        upload_url: Of a resumable upload that has begun.
        detail: ``value``: the column's value on the target; ``cell``: table, column and rowid of a blob; ``why``:
            why the file stays behind; ``stops``: that this keeps the run from publishing.
    """

    bucket: str
    key: str
    path: str
    bytes: int
    sha256: str | None = None
    state: str = "intended"
    upload_url: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


_COLUMNS = "bucket, key, path, bytes, sha256, state, upload_url, detail"


def intend(connection: psycopg.Connection[Any], fence: Fence, rows: Sequence[ObjectRow]) -> None:
    """Record files before any of them is sent; what was done of them before stays.

    Raises:
        FenceLost: Another process took the run over.
        TargetError: Two different files are to become one object.
    """
    with connection.transaction():
        ledger.hold(connection, fence)
        connection.cursor().executemany(
            f"INSERT INTO migrator.object AS o (run, {_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (run, bucket, key) DO UPDATE SET bytes = excluded.bytes, state = excluded.state, "
            "detail = excluded.detail WHERE o.state IN ('intended', 'left') AND o.path = excluded.path",
            [(fence.run, *_values(row)) for row in rows],
        )
        other = connection.execute(
            "SELECT w.path, o.path, o.bucket, o.key FROM migrator.object o "
            "JOIN unnest(%s::text[], %s::text[], %s::text[]) AS w (bucket, key, path) USING (bucket, key) "
            "WHERE o.run = %s AND o.path <> w.path LIMIT 1",
            ([r.bucket for r in rows], [r.key for r in rows], [r.path for r in rows], fence.run),
        ).fetchone()
    if other:
        raise TargetError(
            "FILES-SAME-KEY",
            f"{other[0]} and {other[1]} would both become {other[2]}/{other[3]}.",
            "Give the two columns different buckets in `files:`.",
        )


def record(connection: psycopg.Connection[Any], fence: Fence, rows: Sequence[ObjectRow]) -> None:
    """Record what became of files.

    Raises:
        FenceLost: Another process took the run over.
    """
    with connection.transaction():
        ledger.hold(connection, fence)
        connection.cursor().executemany(
            "UPDATE migrator.object SET bytes = %s, sha256 = %s, state = %s, upload_url = %s, detail = %s, at = now() "
            "WHERE run = %s AND bucket = %s AND key = %s",
            [(r.bytes, r.sha256, r.state, r.upload_url, Jsonb(r.detail), fence.run, r.bucket, r.key) for r in rows],
        )


def retry(connection: psycopg.Connection[Any], fence: Fence) -> None:
    """Intend again what kept the run from publishing: the person may have made room for it.

    Raises:
        FenceLost: Another process took the run over.
    """
    with connection.transaction():
        ledger.hold(connection, fence)
        connection.execute(
            "UPDATE migrator.object SET state = 'intended', detail = detail - 'why' - 'stops' "
            "WHERE run = %s AND state = 'left' AND detail ? 'stops'",
            (fence.run,),
        )


def pending(connection: psycopg.Connection[Any], run: str) -> list[ObjectRow]:
    """The next files to be sent, large ones first, so that none is left for the end alone."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM migrator.object WHERE run = %s AND state = 'intended' "
        "ORDER BY bytes DESC, bucket, key LIMIT %s",
        (run, PAGE),
    )
    return [ObjectRow(*row) for row in found]


def stored(connection: psycopg.Connection[Any], run: str, bucket: str) -> Iterator[ObjectRow]:
    """The objects of a bucket that the run made or found there, in the byte order of their keys."""
    after = ""
    while True:
        page = connection.execute(
            f"SELECT {_COLUMNS} FROM migrator.object WHERE run = %s AND bucket = %s "
            "AND state IN ('made', 'matched') AND key COLLATE \"C\" > %s ORDER BY key COLLATE \"C\" LIMIT %s",
            (run, bucket, after, PAGE),
        ).fetchall()
        yield from (ObjectRow(*row) for row in page)
        if len(page) < PAGE:
            return
        after = page[-1][1]


def left(connection: psycopg.Connection[Any], run: str) -> list[ObjectRow]:
    """The files that stay behind."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM migrator.object WHERE run = %s AND state = 'left' ORDER BY bucket, key", (run,)
    )
    return [ObjectRow(*row) for row in found]


def of_run(connection: psycopg.Connection[Any], run: str) -> Iterator[ObjectRow]:
    """All that a run knows of, by bucket and key."""
    with connection.transaction(), connection.cursor(name="objects_of_run") as found:
        found.execute(f'SELECT {_COLUMNS} FROM migrator.object WHERE run = %s ORDER BY bucket, key COLLATE "C"', (run,))
        for row in found:
            yield ObjectRow(*row)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many objects of a bucket are in a state, and their bytes."""

    bucket: str
    state: str
    objects: int
    bytes: int


def tallies(connection: psycopg.Connection[Any], run: str) -> list[Tally]:
    """Objects and bytes by bucket and state."""
    found = connection.execute(
        "SELECT bucket, state, count(*), coalesce(sum(bytes), 0)::bigint FROM migrator.object WHERE run = %s "
        "GROUP BY bucket, state ORDER BY bucket, state",
        (run,),
    )
    return [Tally(*row) for row in found]


def of_another_hash(connection: psycopg.Connection[Any], run: str) -> list[tuple[str, str]]:
    """Bucket and key of objects that the run made and whose recorded hash on the target is not the file's."""
    found = connection.execute(
        "SELECT m.bucket, m.key FROM migrator.object m LEFT JOIN storage.objects o "
        "ON o.bucket_id = m.bucket AND o.name = m.key WHERE m.run = %s AND m.state = 'made' "
        "AND to_jsonb(o) -> 'user_metadata' ->> 'sha256' IS DISTINCT FROM m.sha256 ORDER BY m.bucket, m.key LIMIT 100",
        (run,),
    )
    return [(bucket, key) for bucket, key in found]


def recorded_hashes(connection: psycopg.Connection[Any], bucket: str) -> dict[str, str]:
    """Key → SHA-256 that the object's own metadata has, of a bucket's objects."""
    found = connection.execute(
        "SELECT o.name, to_jsonb(o) -> 'user_metadata' ->> 'sha256' FROM storage.objects o WHERE o.bucket_id = %s",
        (bucket,),
    )
    return {key: sha256 for key, sha256 in found if sha256}


def common_hashes(connection: psycopg.Connection[Any], bucket: str) -> dict[str, str]:
    """Key → SHA-256 of the content that the newest published run left on both ends, of a bucket's objects."""
    found = connection.execute(
        "SELECT DISTINCT ON (m.key) m.key, m.sha256 FROM migrator.object m JOIN migrator.run r ON r.id = m.run "
        "WHERE m.bucket = %s AND m.state IN ('made', 'matched') AND m.sha256 IS NOT NULL AND r.state = 'published' "
        "ORDER BY m.key, r.published_at DESC",
        (bucket,),
    )
    return dict(found.fetchall())


def sizes_and_hashes(connection: psycopg.Connection[Any], bucket: str) -> dict[str, tuple[int, str]]:
    """Key → bytes, and the SHA-256 that the object's own metadata has or ``""``, of a bucket's objects."""
    found = connection.execute(
        "SELECT o.name, coalesce((o.metadata ->> 'size')::bigint, 0), "
        "coalesce(to_jsonb(o) -> 'user_metadata' ->> 'sha256', '') FROM storage.objects o WHERE o.bucket_id = %s",
        (bucket,),
    )
    return {key: (size, sha256) for key, size, sha256 in found}


def owner(connection: psycopg.Connection[Any], bucket: str, key: str) -> str:
    """Id of the user whose object it is; empty where it is nobody's."""
    row = connection.execute(
        "SELECT coalesce(owner_id, '') FROM storage.objects WHERE bucket_id = %s AND name = %s", (bucket, key)
    ).fetchone()
    return str(row[0]) if row else ""


def give_owner(connection: psycopg.Connection[Any], bucket: str, key: str, owner: str) -> None:
    """Give an object that was stored anew by the secret key back to the user whose it was."""
    connection.execute(
        "UPDATE storage.objects SET owner_id = %s WHERE bucket_id = %s AND name = %s AND owner_id IS NULL",
        (owner, bucket, key),
    )


def own(connection: psycopg.Connection[Any], run: str) -> list[tuple[ObjectRow, str]]:
    """What undoing takes back, 1,000 at a time: the next objects that the run made or meant to make.

    Returns:
        Each with what is at its key now: ``ours`` (as the run made it), ``gone``, ``changed``, or ``needed`` (another
        run, which is not taken back, found it there and has rows that name it).
    """
    columns = ", ".join(f"m.{name}" for name in _COLUMNS.split(", "))
    found = connection.execute(
        f"SELECT {columns}, CASE WHEN o.name IS NULL THEN 'gone' "
        "WHEN EXISTS (SELECT FROM migrator.object x JOIN migrator.run r ON r.id = x.run WHERE x.bucket = m.bucket "
        "AND x.key = m.key AND x.run <> m.run AND x.state = 'matched' AND r.state <> 'rolled_back') THEN 'needed' "
        "WHEN to_jsonb(o) -> 'user_metadata' ->> 'migrator_run' = m.run "
        "AND (m.sha256 IS NULL OR to_jsonb(o) -> 'user_metadata' ->> 'sha256' = m.sha256) THEN 'ours' "
        "ELSE 'changed' END "
        "FROM migrator.object m LEFT JOIN storage.objects o ON o.bucket_id = m.bucket AND o.name = m.key "
        "WHERE m.run = %s AND m.state IN ('made', 'intended') ORDER BY m.bucket, m.key LIMIT 1000",
        (run,),
    )
    return [(ObjectRow(*row[:-1]), row[-1]) for row in found]


def _values(row: ObjectRow) -> tuple[Any, ...]:
    return row.bucket, row.key, row.path, row.bytes, row.sha256, row.state, row.upload_url, Jsonb(row.detail)
