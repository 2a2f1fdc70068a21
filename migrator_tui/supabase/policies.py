"""Row-level security policies from a menu, as SQL. Pure.

One policy a verb, with a ``WITH CHECK`` wherever rows are written: without one a user could hand a row over to another.
``(SELECT auth.uid())`` is asked once a statement instead of once a row. Source: supabase.com/docs, row level security.
"""

from __future__ import annotations

from dataclasses import dataclass

from migrator_tui.convert.identifiers import quote, quote_literal, quote_name
from migrator_tui.model.project import TableExposure
from migrator_tui.model.schema import TableName

ADMIN = "admin"
"""The ``role`` in a user's app_metadata that makes an administrator; users cannot write app_metadata themselves."""
OWNED_WITHOUT_CAST = ("uuid",)
OWNER_TYPES = ("uuid", "text", "citext", "character varying", "varchar")
"""Column types that the id of a user can be compared with."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy.

    Attributes:
        command: ``SELECT``, ``INSERT``, ``UPDATE`` or ``DELETE``.
        roles: Who it is for.
        using: Which rows are seen; None for an insert.
        check: Which rows may be written; None where none are.
    """

    name: str
    command: str
    roles: tuple[str, ...]
    using: str | None = None
    check: str | None = None

    def create(self, table: TableName) -> str:
        """The statement that makes it."""
        text = f"CREATE POLICY {quote(self.name)} ON {quote_name(table)} FOR {self.command} TO {', '.join(self.roles)}"
        text += f" USING ({self.using})" if self.using else ""
        return text + (f" WITH CHECK ({self.check})" if self.check else "")


def policies(exposure: TableExposure) -> tuple[Policy, ...]:
    """The policies of one table, none where everybody is denied."""
    signed_in = ("authenticated",)
    match exposure.policy:
        case "none":
            return ()
        case "read-all":
            return (Policy("read_all", "SELECT", signed_in, "true"),)
        case "read-public":
            return (Policy("read_public", "SELECT", ("anon", "authenticated"), "true"),)
        case "admin":
            return _all_verbs("admin", _is_admin())
        case "owner-read":
            return _readers(exposure)
        case "owner":
            return (*_readers(exposure), *_all_verbs("owner", owned(exposure))[1:])


def owned(exposure: TableExposure) -> str:
    """The condition that a row is the user's."""
    assert exposure.owner is not None
    user = "(SELECT auth.uid())"
    if exposure.owner_type not in OWNED_WITHOUT_CAST:
        user = "(SELECT auth.uid()::text)"
    return f"{user} = {quote(exposure.owner)}"


def can_own(type: str) -> bool:
    """Whether a column of the type can hold the id of a user."""
    return type.lower().partition("(")[0].strip() in OWNER_TYPES


def _readers(exposure: TableExposure) -> tuple[Policy, ...]:
    if exposure.read == "own":
        return (Policy("owner_select", "SELECT", ("authenticated",), owned(exposure)),)
    if exposure.read == "all":
        return (Policy("read_all", "SELECT", ("authenticated",), "true"),)
    return (Policy("read_public", "SELECT", ("anon", "authenticated"), "true"),)


def _all_verbs(name: str, condition: str) -> tuple[Policy, ...]:
    signed_in = ("authenticated",)
    return (
        Policy(f"{name}_select", "SELECT", signed_in, condition),
        Policy(f"{name}_insert", "INSERT", signed_in, check=condition),
        Policy(f"{name}_update", "UPDATE", signed_in, condition, condition),
        Policy(f"{name}_delete", "DELETE", signed_in, condition),
    )


def _is_admin() -> str:
    # Never user_metadata, which users write themselves.
    return f"(SELECT auth.jwt() -> 'app_metadata' ->> 'role') = {quote_literal(ADMIN)}"
