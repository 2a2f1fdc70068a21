"""The command group, and the one place where an error becomes an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from migrator_tui import __version__, locations
from migrator_tui.cli.ending import ending_in_order
from migrator_tui.cli.printing import print_error
from migrator_tui.model.errors import ExitCode, MigratorError, UsageError

COMMANDS = {
    "demo": "migrator_tui.cli.demo:demo",
    "check": "migrator_tui.cli.looking:check",
    "compare": "migrator_tui.cli.comparing:compare",
    "plan": "migrator_tui.cli.looking:plan",
    "migrate": "migrator_tui.cli.migrating:migrate",
    "rehearse": "migrator_tui.cli.migrating:rehearse",
    "sync": "migrator_tui.cli.syncing:sync",
    "resume": "migrator_tui.cli.migrating:resume",
    "rollback": "migrator_tui.cli.migrating:rollback",
    "verify": "migrator_tui.cli.keeping:verify",
    "report": "migrator_tui.cli.keeping:report",
    "backup": "migrator_tui.cli.backups:backup",
    "restore": "migrator_tui.cli.backups:restore",
    "pull": "migrator_tui.cli.pulling:pull",
    "users": "migrator_tui.cli.users:users",
    "files": "migrator_tui.cli.files:files",
    "runs": "migrator_tui.cli.keeping:runs",
    "audit": "migrator_tui.cli.keeping:audit",
    "clean": "migrator_tui.cli.keeping:clean",
    "credentials": "migrator_tui.cli.secrets:credentials",
    "completion": "migrator_tui.cli.completion:completion",
}
"""Command → where it is; the module is imported when the command is asked for."""

SUMMARIES = {
    "demo": "Open the screens on a sample application and a server of its own.",
    "check": "Look at both ends: connection, version, rights, space. Changes nothing.",
    "compare": "Both schemas, and with --data the rows, side by side. Changes nothing.",
    "plan": "Show findings, decisions needed, DDL and an estimate. Changes nothing.",
    "migrate": "Migrate: freeze, stage, check, publish, verify.",
    "rehearse": "The same run against an embedded server.",
    "sync": "Bring the file and the target together, by what each changed since the last run.",
    "resume": "Go on with a run that was interrupted or waits for decisions.",
    "rollback": "Take a run back, never over a row that was changed since.",
    "verify": "Compare what a run published with its snapshot, cell by cell.",
    "report": "Print or write a run's report.",
    "backup": "Write the target's tables into an encrypted file, proven by a restore.",
    "restore": "Put the tables of a backup back, whole or some of them.",
    "pull": "Write the target's tables into a new SQLite file.",
    "users": "Look at the application's users: which passwords are taken over, who can be no user.",
    "files": "Files that rows name: what would be uploaded, is missing, or is named by no row.",
    "runs": "List the runs of this machine, newest first.",
    "audit": "Show the audit trail of runs, or verify its chain.",
    "clean": "Remove what a run left on disk and in the schema migrator.",
    "credentials": "Keep passwords in the system's keyring.",
    "completion": "Print the shell's completion script.",
}


class LazyGroup(click.Group):
    """Lists commands by their summaries and imports one only when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of a migration."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list for ``--help``, without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES[name]) for name in COMMANDS])


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="migrator-tui")
@click.pass_context
def cli(ctx: click.Context) -> int | None:
    """Move an application from a SQLite file to Postgres on Supabase: staged, checked, published once, undoable.

    Without a command, at a terminal, the screens open.
    """
    from migrator_tui.cli.screens import open_home, there_is_a_terminal

    if ctx.invoked_subcommand is not None:
        return None
    if there_is_a_terminal():
        return open_home()
    click.echo(ctx.get_help())
    return None


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    words = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in words
    code: int
    try:
        with ending_in_order():
            result: Any = cli.main(words, prog_name="migrator-tui", standalone_mode=False)
        code = result if isinstance(result, int) else ExitCode.DONE
        sys.stdout.flush()
    except click.exceptions.Exit as raised:
        code = raised.exit_code
    except click.ClickException as raised:
        code = ExitCode.USAGE
        if as_json:
            print_error(
                UsageError("USAGE", raised.format_message(), "`migrator-tui COMMAND --help` lists the options."),
                command=_command(words),
                as_json=True,
            )
        else:
            raised.show()
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        code = ExitCode.INTERRUPTED
    except MigratorError as raised:
        print_error(raised, command=_command(words), as_json=as_json)
        code = raised.exit_code
    except BrokenPipeError:
        # Whoever read the output has gone. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.FAILED
    except OSError as raised:
        error = _of_file(raised)
        print_error(error, command=_command(words), as_json=as_json)
        code = error.exit_code
    sys.exit(int(code))


def _command(words: list[str]) -> str:
    """The command as the JSON document names it: its words up to the first option or argument."""
    return " ".join(words[: 2 if words[:1] in (["credentials"], ["files"]) else 1])


def _of_file(error: OSError) -> MigratorError:
    """The error for a file or folder that cannot be written or read."""
    why = error.strerror or type(error).__name__
    # A file is written beside its place first: it is the place that was named.
    path = Path(os.fsdecode(error.filename).removesuffix(".part")) if error.filename else None
    if path is None:
        return MigratorError("FILE", f"A file could not be used: {why}.", "")
    home = locations.home()
    if path.is_relative_to(home) or home.is_relative_to(path):
        return UsageError(
            "HOME-UNWRITABLE",
            f"{path}, where runs and snapshots are kept, cannot be used: {why}.",
            f"Name another folder with {locations.HOME_VARIABLE}, or give this user permission to write there.",
        )
    return UsageError("FILE", f"{path} cannot be used: {why}.", "Check the path and its permissions.")
