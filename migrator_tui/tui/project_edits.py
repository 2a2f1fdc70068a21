"""Changes that a person makes to what moves beside the tables: users, files, access. Pure.

What was guessed is fixed with the first change to it, so that a guess cannot come out otherwise behind the person's
back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from migrator_tui.migration.planning import guess_users
from migrator_tui.migration.planning.guess_files import bucket_name
from migrator_tui.model.decisions import Decisions, FindingDecision
from migrator_tui.model.plan import Plan, Scope
from migrator_tui.model.project import ExposureScope, FilesScope, UsersScope
from migrator_tui.model.schema import Table

USER_FIELDS = {
    "id": "id",
    "email": "e-mail",
    "phone": "phone",
    "password_hash": "password hash",
    "name": "name",
    "role": "role",
    "created": "created",
    "confirmed": "confirmed",
}
"""Field of :class:`UsersScope` → its name on screen, in the order in which they are shown."""
USERS, FILES, BLOBS = "USERS-TABLE", "FILES-COLUMN", "FILES-BLOB"
OWNER = "EXPOSURE-OWNER"
"""The findings that propose what is edited here; a change is also the decision about them."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a person wants so far."""

    scope: Scope
    decisions: Decisions


def users_of(chosen: Chosen, plan: Plan | None) -> UsersScope | None:
    """The table of users and its columns; None where users stay rows like any other."""
    fixed = chosen.scope.project.users
    if fixed is not None:
        kept = any(d.id == USERS and d.table == fixed.table and d.choice == "table" for d in chosen.decisions.findings)
        return None if kept else fixed
    project = plan.project if plan else None
    return project.users.scope if project and project.users else None


def files_of(chosen: Chosen, plan: Plan | None) -> tuple[FilesScope, ...]:
    """The columns whose files move."""
    if chosen.scope.project.files:
        return chosen.scope.project.files
    project = plan.project if plan else None
    return tuple(
        FilesScope(
            f.table,
            f.column,
            f.bucket,
            f.public,
            f.value,
            by_download=f.by_download,
            access=f.access,
            size_limit=f.bucket_size_limit if f.creates else None,
            mime_types=f.bucket_mime_types if f.creates else None,
        )
        for f in (project.files if project else ())
    )


def with_users_table(chosen: Chosen, now: UsersScope | None, table: Table | None) -> Chosen:
    """The users are the rows of that table, its columns taken by their names; None leaves them rows."""
    if table is None:
        if now is None:
            return chosen
        return Chosen(_with(chosen.scope, users=now), _decided(chosen.decisions, USERS, "table", now.table))
    named = guess_users.by_names(table)
    if now is not None:
        named = replace(named, via=now.via, namespace=now.namespace, roles=now.roles)
    elif chosen.scope.project.api is None:
        named = replace(named, via="sql")
    return with_users(chosen, named)


def with_users(chosen: Chosen, users: UsersScope) -> Chosen:
    """The users are those, and they move to Supabase Auth."""
    return Chosen(_with(chosen.scope, users=users), _decided(chosen.decisions, USERS, "auth", users.table))


def with_files(chosen: Chosen, now: Iterable[FilesScope], changed: FilesScope, *, blobs: bool = False) -> Chosen:
    """The files of that column move so; a column that was not among them is added.

    Args:
        blobs: The column holds the files themselves, and not their paths.
    """
    kept = [changed if _same(f, changed) else f for f in now]
    if changed not in kept:
        kept.append(changed)
    id, choice = (BLOBS, changed.value) if blobs else (FILES, "keep" if changed.value == "keep" else "key")
    decisions = _decided(chosen.decisions, id, choice, *_where(changed))
    return Chosen(_with(chosen.scope, files=tuple(kept)), decisions)


def without_files(chosen: Chosen, now: Iterable[FilesScope], left: FilesScope, *, blobs: bool = False) -> Chosen:
    """The column's files stay where they are, and its values as they were."""
    kept = tuple(f for f in now if not _same(f, left))
    id, choice = (BLOBS, "bytea") if blobs else (FILES, "leave")
    return Chosen(_with(chosen.scope, files=kept), _decided(chosen.decisions, id, choice, *_where(left)))


def new_files(table: str, column: str) -> FilesScope:
    """A column of files as it is proposed: a private bucket named for the table."""
    return FilesScope(table, column, bucket_name(table))


def with_exposure(chosen: Chosen, table: str, exposure: ExposureScope) -> Chosen:
    """The rows of that source table are reached so."""
    exposures = {**chosen.scope.project.exposure, table: exposure}
    return Chosen(_with(chosen.scope, exposure=exposures), chosen.decisions)


def with_own_rows_read(chosen: Chosen, table: str) -> Chosen:
    """Users read their own rows and write none: only a decision says so."""
    exposures = {name: e for name, e in chosen.scope.project.exposure.items() if name != table}
    return Chosen(_with(chosen.scope, exposure=exposures), _decided(chosen.decisions, OWNER, "owner-read", table))


def _same(one: FilesScope, other: FilesScope) -> bool:
    return _where(one) == _where(other)


def _where(files: FilesScope) -> tuple[str, str]:
    return files.table, files.column


def _with(scope: Scope, **changed: object) -> Scope:
    return replace(scope, project=replace(scope.project, **changed))  # type: ignore[arg-type]


def _decided(decisions: Decisions, id: str, choice: str, table: str, column: str | None = None) -> Decisions:
    """The decisions with this one before all others, in place of what was decided about the same."""
    made = FindingDecision(id, choice, table, column)
    others = tuple(d for d in decisions.findings if (d.id, d.table) != (id, table) or column not in (None, d.column))
    return replace(decisions, findings=(made, *others))
