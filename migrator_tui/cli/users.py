"""Commands about the application's users and Supabase Auth: what would become of them, and what a run made of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from migrator_tui.cli.looking import frozen
from migrator_tui.cli.migrating import target_of_run
from migrator_tui.cli.options import Shared, shared, source_of, target_of
from migrator_tui.cli.printing import print_json, printable
from migrator_tui.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from migrator_tui.config import Settings
    from migrator_tui.migration.planning.plan_users import Looked
    from migrator_tui.migration.staging import Source

SHOWN = 10
NOT_NAMED = UsageError(
    "USERS-NOT-NAMED",
    "Nothing says which table holds the application's users.",
    "Name it in config.yaml, below the profile: `users: {table: users, email: email, password_hash: password_hash}`.",
)


@click.group()
def users() -> None:
    """The application's users and Supabase Auth. `migrate` moves them with the tables."""


@users.command()
@click.option("--each", is_flag=True, help="List every user with what becomes of them.")
@shared
def check(shared: Shared, each: bool) -> int:
    """Show the mapping, which passwords are taken over, who is there already, and who can be no user.

    Changes nothing and sends nothing; works without a target too. Exit 3 where rows can be no user.
    """
    settings = shared.settings()
    if settings.scope.project.users is None:
        raise NOT_NAMED
    with frozen(source_of(settings)) as (_, source):
        looked = _look(settings, source)
    document = _document(looked, each=each)
    if shared.as_json:
        print_json(document)
    else:
        click.echo(printable("\n".join(_lines(document))))
    return int(ExitCode.DECISIONS_LEFT if looked.users.left else ExitCode.DONE)


@users.command("list")
@click.argument("run")
@click.option("--reset", is_flag=True, help="Only those who need a new password before they can sign in.")
@shared
def list_(shared: Shared, run: str, reset: bool) -> int:
    """List the users of RUN: their id in the source and in Auth, and whether they were made, found there or left."""
    from migrator_tui.migration.run_folder import RunFolder
    from migrator_tui.migration.users.listed_users import to_reset
    from migrator_tui.postgres.connect import connect
    from migrator_tui.supabase import auth_ledger

    folder = RunFolder.open(run)
    with target_of_run(folder, shared) as target, connect(target) as connection:
        rows = auth_ledger.read(connection, folder.run).values()
    waiting = to_reset(folder)
    found = [
        {
            "source_id": row.key,
            "user_id": str(row.id),
            "email": row.email,
            "state": row.state,
            "to_reset": row.key in waiting,
            "why": row.detail.get("reason") or row.detail.get("kept"),
        }
        for row in sorted(rows, key=lambda row: (len(row.key), row.key))
        if row.key in waiting or not reset
    ]
    if shared.as_json:
        print_json({"command": "users list", "run": folder.run, "status": "succeeded", "users": found})
        return int(ExitCode.DONE)
    for one in found:
        more = "; needs a new password" if one["to_reset"] else ""
        more += f": {one['why']}" if one["why"] else ""
        click.echo(printable(f"{one['source_id']} {one['email'] or ''} -> {one['user_id']}  {one['state']}{more}"))
    if not found:
        click.echo("nobody")
    return int(ExitCode.DONE)


def _look(settings: Settings, source: Source) -> Looked:
    from migrator_tui.migration.planning import plan_users
    from migrator_tui.postgres.connect import connect

    file = source_of(settings)
    if settings.target is None:
        looked = plan_users.look_at_source(source, settings.scope, file)
    else:
        with target_of(settings.target, settings) as target, connect(target) as connection:
            looked = plan_users.look(connection, source, settings.scope, file)
    assert looked is not None
    return looked


def _document(looked: Looked, *, each: bool) -> dict[str, Any]:
    scope, found = looked.plan.scope, looked.users
    kinds = Counter((u.hash.kind, u.hash.importable, u.hash.reason) for u in found.to_make)
    document: dict[str, Any] = {
        "command": "users check",
        "status": "needs_decisions" if found.left else "succeeded",
        "mapping": {field.name: getattr(scope, field.name) for field in fields(scope)},
        "rows": looked.plan.rows,
        "to_make": len(found.to_make),
        "matched": sum(user.matched for user in found.users),
        "to_reset": len(found.need_reset),
        "hashes": [
            {"kind": kind, "taken_over": taken, "users": count, "reason": reason}
            for (kind, taken, reason), count in kinds.most_common()
        ],
        "left": [
            {"source_id": one.key, "email": one.email, "kind": one.kind, "reason": one.reason} for one in found.left
        ],
        "triggers": [
            {"name": trigger.name, "function": trigger.function, "definition": trigger.definition}
            for trigger in looked.triggers
            if trigger.on_insert
        ],
    }
    if each:
        document["users"] = [
            {
                "source_id": user.key,
                "user_id": str(user.id),
                "email": user.email,
                "phone": user.phone,
                "matched": user.matched,
                "confirmed": user.confirmed,
                "hash": user.hash.kind,
                "taken_over": user.hash.importable,
                "notes": list(user.notes),
            }
            for user in found.users
        ]
    return document


def _lines(document: dict[str, Any]) -> list[str]:
    mapping = {name: value for name, value in document["mapping"].items() if value}
    how = {"api": "over the Admin API", "sql": "by SQL, with the tables"}[mapping.pop("via")]
    table = mapping.pop("table")
    lines = [
        f"{table}: {document['rows']:,} rows; {document['to_make']:,} users to make {how}, "
        f"{document['matched']:,} there already, {len(document['left']):,} rows that can be no user.",
        *(f"  {name}: {', '.join(value) if isinstance(value, tuple) else value}" for name, value in mapping.items()),
        "Passwords:",
        *(
            f"  {one['users']:>7,} {one['kind']}: " + ("taken over" if one["taken_over"] else f"reset: {one['reason']}")
            for one in document["hashes"]
        ),
    ]
    if left := document["left"]:
        lines += ["Rows that can be no user:", *(f"  {one['source_id']}: {one['reason']}" for one in left[:SHOWN])]
        lines += [f"  and {len(left) - SHOWN:,} more"] if len(left) > SHOWN else []
    for trigger in document["triggers"]:
        lines.append(f"Trigger {trigger['name']} runs {trigger['function']} for each user that is made.")
    for user in document.get("users", ()):
        what = "there already" if user["matched"] else "password taken over" if user["taken_over"] else "reset"
        notes = "".join(f"; {note}" for note in user["notes"])
        lines.append(f"{user['source_id']} {user['email'] or user['phone']} → {user['user_id']}: {what}{notes}")
    return lines
