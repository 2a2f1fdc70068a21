"""Users that a run lists in its folder: who needs a new password, and whose row became no user."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.supabase.auth_users import AuthUser, LeftUser

TO_RESET = "users-to-reset.csv"
LEFT = "users-left.csv"


def reset_list(users: Sequence[AuthUser]) -> str:
    """Those who need a new password, as CSV."""
    return _table(
        ("source_id", "user_id", "email", "phone", "hash", "why"),
        ((user.key, user.id, user.email, user.phone, user.hash.kind, user.hash.reason) for user in users),
    )


def left_list(left: Sequence[LeftUser]) -> str:
    """Rows that became no user, as CSV."""
    return _table(("source_id", "email", "kind", "why"), ((one.key, one.email, one.kind, one.reason) for one in left))


def to_reset(folder: RunFolder) -> frozenset[str]:
    """Source ids of those of a run who need a new password."""
    path = folder.file(TO_RESET)
    if not path.exists():
        return frozenset()
    with path.open(encoding="utf-8", newline="") as file:
        return frozenset(row["source_id"] for row in csv.DictReader(file))


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(["" if cell is None else cell for cell in row] for row in rows)
    return text.getvalue()
