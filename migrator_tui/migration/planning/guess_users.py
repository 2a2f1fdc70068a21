"""Guessing which table of the source holds the application's users, and which of its columns hold what.

A table is taken for it by its name, an address, and a password that looks like a hash. A guess is proposed, never
acted upon by itself.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.migration.planning.plan_draft import Chooser
from migrator_tui.migration.staging import Source
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Scope
from migrator_tui.model.profile import SourceProfile
from migrator_tui.model.project import UsersScope
from migrator_tui.model.schema import Column, Database, Table
from migrator_tui.sqlite.snapshot import connect
from migrator_tui.supabase.auth_hashes import NO_PASSWORD, classify

LOOKED_AT = 50
"""Passwords of a table that are looked at."""

_TABLES = re.compile(r"(?:.*_)?(?:users?|accounts?|members?|logins?)")
_NAMES = {
    "email": r"e_?mail(?:_?addr(?:ess)?)?|mail|user_?email",
    "password_hash": r"(?:encrypted_|hashed_)?(?:password|passwd|pwd|pass)(?:_?(?:hash|digest|encrypted))?|hash",
    "phone": r"(?:mobile|tele)?_?phone(?:_?(?:number|no))?|mobile|tel",
    "role": r"role|user_?role|role_?name",
    "name": r"full_?name|name|display_?name|real_?name",
    "created": r"created(?:_?(?:at|on))?|date_?joined|registered(?:_?at)?|signup_?date|joined(?:_?at)?|inserted_?at",
    "confirmed": r"(?:e_?mail_?)?(?:confirmed|verified)(?:_?at)?|is_?(?:confirmed|verified)",
}
_OF_TEXT = ("email", "password_hash")

Passwords = Callable[[Table, str], Iterable[object]]


@dataclass(frozen=True, slots=True)
class _Candidate:
    scope: UsersScope
    referred: int
    rows: int


def guess(database: Database, profile: SourceProfile, passwords: Passwords) -> UsersScope | None:
    """The table that looks most like one of users, or None.

    Args:
        passwords: Some values of a column.
    """
    found = [candidate for table in database.tables if (candidate := _candidate(database, table, profile, passwords))]
    best = max(found, key=lambda c: (c.referred, c.rows), default=None)
    return best.scope if best else None


def _candidate(database: Database, table: Table, profile: SourceProfile, passwords: Passwords) -> _Candidate | None:
    name = table.name.name
    counted = profile.tables.get(name)
    if not table.holds_rows or table.virtual is not None or counted is None or not counted.rows:
        return None
    if not _TABLES.fullmatch(_plain(name)) or table.primary_key is None or len(table.primary_key.columns) != 1:
        return None
    classes = {column.name: column.classes for column in counted.columns}
    columns = {
        field: next((c for c in _named(table, pattern) if field not in _OF_TEXT or "text" in classes[c]), None)
        for field, pattern in _NAMES.items()
    }
    email, password = columns["email"], columns["password_hash"]
    id = table.primary_key.columns[0]
    if email is None or password is None or classes[id] not in (("integer",), ("text",)):
        return None
    if not any(is_hash(value) for value in passwords(table, password)):
        return None
    referred = sum(key.parent.name == name for other in database.tables for key in other.foreign_keys)
    return _Candidate(_scope(name, id, columns), referred, counted.rows)


def by_names(table: Table) -> UsersScope:
    """A table as one of users, its columns taken by their names alone: where a person says that it is the one."""
    columns = {field: next(iter(_named(table, pattern)), None) for field, pattern in _NAMES.items()}
    key = table.primary_key.columns if table.primary_key else ()
    id = key[0] if len(key) == 1 else next((c.name for c in table.stored_columns), "id")
    return _scope(table.name.name, id, columns)


def _scope(table: str, id: str, columns: Mapping[str, str | None]) -> UsersScope:
    return UsersScope(
        table,
        id=id,
        email=columns["email"],
        phone=columns["phone"],
        password_hash=columns["password_hash"],
        role=columns["role"],
        name=columns["name"],
        created=columns["created"],
        confirmed=columns["confirmed"],
    )


def _named(table: Table, pattern: str) -> Iterable[str]:
    stored: tuple[Column, ...] = table.stored_columns
    return (column.name for column in stored if re.fullmatch(pattern, _plain(column.name)))


def _plain(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def is_hash(value: object) -> bool:
    """Whether a stored value looks like a password's hash of any known kind."""
    found = classify(value)
    return found.usable is not None or found.kind not in (NO_PASSWORD, "unknown")


def passwords_of(snapshot: Path) -> Passwords:
    """Reads the first values of a column."""

    def read(table: Table, column: str) -> list[object]:
        own = quote_sqlite(column)
        query = f"SELECT {own} FROM {quote_sqlite(table.name.name)} WHERE {own} IS NOT NULL LIMIT {LOOKED_AT}"
        try:
            with closing(connect(snapshot)) as connection:
                connection.text_factory = lambda stored: stored.decode("utf-8", "replace")
                return [row[0] for row in connection.execute(query)]
        except sqlite3.Error:  # a table that only its application can read is no guess
            return []

    return read


def proposed(
    source: Source, scope: Scope, chooser: Chooser, *, is_project: bool
) -> tuple[UsersScope | None, tuple[Finding, ...]]:
    """The users that a person fixed, else those that are guessed and decided to be moved; and what is told of them.

    What a person fixed is decided by that, unless they decided otherwise since. Only a Supabase project has users.
    """
    fixed = scope.project.users
    if not is_project:
        if fixed is None:
            return None, ()
        message = f"{fixed.table} stays a table like any other: the target is no Supabase project."
        return None, (Finding("USERS-NO-PROJECT", message, table=fixed.table),)
    users = fixed or guess(source.database, source.profile, passwords_of(source.snapshot))
    if users is None:
        return None, ()
    if fixed is None and scope.project.api is None:
        users = replace(users, via="sql")
    parts = {field: getattr(users, field) for field in ("id", *_NAMES)}
    columns = ", ".join(f"{field.replace('_', ' ')} {column}" for field, column in parts.items() if column)
    message = f"{users.table} holds the application's users ({columns})."
    finding = chooser.settle(Finding("USERS-TABLE", message, table=users.table, choices=("auth", "table")))
    if fixed is not None and finding.decision is None:  # it is decided already; there is nothing to ask
        return users, (replace(finding, choices=()),)
    choice = finding.decision or chooser.choice(finding)
    return (users if choice == "auth" else None), (finding,)
