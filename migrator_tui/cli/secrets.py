"""``credentials``: passwords in the system's keyring."""

from __future__ import annotations

import sys

import click

from migrator_tui.cli.options import Shared, shared
from migrator_tui.cli.printing import print_json, say
from migrator_tui.model.errors import ExitCode, UsageError
from migrator_tui.model.secret import Secret


@click.group()
def credentials() -> None:
    """Keep passwords of targets in the system's keyring; never in a file of this program."""


@credentials.command("set")
@shared
def set_(shared: Shared) -> int:
    """Ask for the target's password and keep it in the keyring. From a pipe, the first line of standard input."""
    from migrator_tui.credentials import set_password, terminal_prompt

    account = _account(shared)
    ask = terminal_prompt()
    text = ask(f"Password of {account}: ") if ask is not None else sys.stdin.readline().rstrip("\n")
    if not text:
        raise UsageError("CREDENTIAL-EMPTY", "No password was given.", "Type it when asked, or pipe it in.")
    set_password(account, Secret(text))
    say(f"kept in the keyring for {account}")
    if shared.as_json:
        print_json({"command": "credentials set", "status": "succeeded", "account": account})
    return int(ExitCode.DONE)


@credentials.command("list")
@shared
def list_(shared: Shared) -> int:
    """List the targets whose password is kept. The passwords are not shown."""
    from migrator_tui.credentials import list_accounts

    accounts = list_accounts()
    if shared.as_json:
        print_json({"command": "credentials list", "accounts": list(accounts)})
    else:
        for account in accounts:
            click.echo(account)
        if not accounts:
            say("The keyring holds no password of this program. `migrator-tui credentials set --target URL` keeps one.")
    return int(ExitCode.DONE)


@credentials.command("delete")
@shared
def delete(shared: Shared) -> int:
    """Remove the target's password from the keyring."""
    from migrator_tui.credentials import delete_password

    account = _account(shared)
    delete_password(account)
    say(f"removed from the keyring: {account}")
    if shared.as_json:
        print_json({"command": "credentials delete", "status": "succeeded", "account": account})
    return int(ExitCode.DONE)


def _account(shared: Shared) -> str:
    from migrator_tui.credentials import account_name
    from migrator_tui.postgres.connect import Target

    text = shared.settings().target
    if text is None:
        raise UsageError("TARGET-NOT-GIVEN", "No target was named.", "Give --target URL, or a profile that names one.")
    target = Target.parse(text)
    return account_name(target.host, target.port, target.database, target.user)
