"""The command group, and the one place where an error becomes an exit code."""

from __future__ import annotations

import importlib
import sys
from typing import Any, NoReturn

import click

from migrator_tui import __version__
from migrator_tui.cli.printing import print_error
from migrator_tui.model.errors import ExitCode, MigratorError

COMMANDS = {
    "demo": "migrator_tui.cli.demo:demo",
    "check": "migrator_tui.cli.looking:check",
    "plan": "migrator_tui.cli.looking:plan",
    "migrate": "migrator_tui.cli.migrating:migrate",
    "rehearse": "migrator_tui.cli.migrating:rehearse",
    "resume": "migrator_tui.cli.migrating:resume",
    "rollback": "migrator_tui.cli.migrating:rollback",
    "verify": "migrator_tui.cli.keeping:verify",
    "report": "migrator_tui.cli.keeping:report",
    "runs": "migrator_tui.cli.keeping:runs",
    "audit": "migrator_tui.cli.keeping:audit",
    "clean": "migrator_tui.cli.keeping:clean",
    "credentials": "migrator_tui.cli.secrets:credentials",
    "completion": "migrator_tui.cli.completion:completion",
}
"""Command → where it is; the module is imported when the command is asked for."""

SUMMARIES = {
    "demo": "Migrate a sample application to a server of its own.",
    "check": "Look at both ends: connection, version, rights, space. Changes nothing.",
    "plan": "Show findings, decisions needed, DDL and an estimate. Changes nothing.",
    "migrate": "Migrate: freeze, stage, check, publish, verify.",
    "rehearse": "The same run against an embedded server.",
    "resume": "Go on with a run that was interrupted or waits for decisions.",
    "rollback": "Take a run back, never over a row that was changed since.",
    "verify": "Compare what a run published with its snapshot, cell by cell.",
    "report": "Print or write a run's report.",
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
def cli(ctx: click.Context) -> None:
    """Move an application from a SQLite file to Postgres on Supabase: staged, checked, published once, undoable."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        result: Any = cli.main(words, prog_name="migrator-tui", standalone_mode=False)
        code = result if isinstance(result, int) else ExitCode.DONE
    except click.exceptions.Exit as raised:
        code = raised.exit_code
    except click.ClickException as raised:
        raised.show()
        code = ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        code = ExitCode.INTERRUPTED
    except MigratorError as raised:
        print_error(raised, command=words[0] if words else "", as_json="--json" in words)
        code = raised.exit_code
    except BrokenPipeError:
        code = ExitCode.FAILED
    sys.exit(int(code))
