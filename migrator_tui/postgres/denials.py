"""What to do about SQLSTATE 42501: most of it is a GRANT that is missing, and some of it no GRANT would give."""

from __future__ import annotations

import re

OF_SUPABASE = (
    "Supabase keeps the schemas auth, storage and realtime for itself, and no GRANT changes that: users and files go "
    "by its APIs, and what would be made there belongs into another schema."
)
_HINTS = (
    (r"schema \"?(auth|storage|realtime)\b|Direct deletion from storage", OF_SUPABASE),
    (r"must be owner of", "Only its owner may do that. " + OF_SUPABASE),
    (
        r"is a system trigger",
        "Only a superuser may switch off what holds foreign keys; Supabase keeps that role for itself. Load the tables "
        "that are referred to first, as a plan's order does.",
    ),
    (
        r"row-level security policy for",
        "Rows would be hidden from {user}, and be missing without a word. Connect as a role that has BYPASSRLS, such "
        "as a project's postgres, or let an administrator run ALTER ROLE {user} BYPASSRLS.",
    ),
)


def hint_of(text: str, user: str) -> str:
    """The next step after a refusal of ``user`` in the server's words."""
    for sign, hint in _HINTS:
        if re.search(sign, text):
            return hint.format(user=user)
    return "`migrator-tui check` names what is missing with the GRANT that gives it."
