"""Users, files and access of a plan in words, as Review, Publish and their own pane say them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from migrator_tui.model.project import FilesPlan, ProjectPlan, TableExposure, UsersPlan
from migrator_tui.tui.wording import counted, sized

POLICY_WORDS = {
    "owner": "users read and write their own rows",
    "owner-read": "users read their own rows",
    "read-all": "whoever is signed in reads it",
    "read-public": "everybody reads it, signed in or not",
    "admin": "administrators alone",
    "none": "closed to everybody",
}
"""Policy → who reaches the table."""


def users_line(users: UsersPlan) -> str:
    """What becomes of the users, and how."""
    way = "over the Admin API" if users.scope.via == "api" else "by SQL"
    there = f", {len(users.matched):,} of them there already" if users.matched else ""
    left = f"; {counted(users.left, 'row')} can be no user" if users.left else ""
    return f"{counted(users.rows - users.left, 'user')} of {users.scope.table} in Supabase Auth, {way}{there}{left}"


def files_line(files: FilesPlan) -> str:
    """What becomes of one column's files."""
    kind = "public" if files.public else "private"
    new = f"new {kind}" if files.creates else kind
    return f"{counted(files.files, 'file')} ({sized(files.bytes)}) in the {new} bucket {files.bucket}"


def exposure_words(exposure: TableExposure) -> str:
    """Who reaches a table."""
    said = POLICY_WORDS[exposure.policy]
    if exposure.owner is not None:
        said += f" ({exposure.owner})"
        if exposure.read != "own":
            said += ", everybody reads all" if exposure.read == "public" else ", whoever is signed in reads all"
    return said + (f"; hidden: {', '.join(exposure.hidden)}" if exposure.hidden else "")


def beside(project: ProjectPlan | None) -> Iterator[str]:
    """What a run does beside the tables, a line each; access by policy, however many tables have it."""
    if project is None:
        return
    if project.users is not None:
        yield users_line(project.users)
    yield from map(files_line, project.files)
    policies = Counter(exposure.policy for exposure in project.exposure)
    for policy, number in policies.items():
        yield f"access to {counted(number, 'table')}: {POLICY_WORDS[policy]}"
    if project.migration is not None:
        yield f"the schema as {project.migration.version}_{project.migration.name}.sql in {project.migration.folder}"
