"""Whose a file is: the column of its row that names the user."""

from __future__ import annotations

from migrator_tui.migration.staging import Source
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import Plan, TablePlan
from migrator_tui.model.project import FilesScope, ProjectScope

OWNER_NAMES = ("owner_id", "user_id", "author_id", "uploader_id", "uploaded_by", "created_by", "owner")


def owner_of(plan: Plan, table: TablePlan, source: Source, scope: FilesScope, project: ProjectScope) -> str | None:
    """The target column that names the user whose file it is.

    Raises:
        UsageError: ``FILES-OWNER``: there is none, and users are to be let at their own files.
    """
    found = _owner_column(plan, table, source, scope, project)
    if found is None and scope.access == "owner":
        raise UsageError(
            "FILES-OWNER",
            f"{scope.table}.{scope.column}: users are to reach their own files, and nothing says whose each file is.",
            "Name the column with the user in `owner`, or leave `access` out.",
        )
    return found


def _owner_column(plan: Plan, table: TablePlan, source: Source, scope: FilesScope, project: ProjectScope) -> str | None:
    """That of the configuration, or the one that refers to users; in the table of users itself, the user's own id."""
    targets = {column.source: column.target for column in table.columns}
    if scope.owner is not None:
        return targets.get(scope.owner)
    users = plan.users.scope if plan.users else project.users
    if users is None:
        return None
    if table.source == users.table:
        return targets.get(users.id)
    described = source.table(table.source)
    found = [
        key.columns[0]
        for key in described.foreign_keys
        if key.parent.name == users.table and len(key.columns) == 1 and key.columns[0] in targets
    ]
    candidates = [name for name in OWNER_NAMES if name in found] or (found if len(found) == 1 else [])
    return targets[candidates[0]] if candidates else None
