"""``completion``: the shell's completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from migrator_tui.model.errors import ExitCode


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print the completion script of SHELL, to be sourced: eval "$(migrator-tui completion bash)"."""
    from migrator_tui.cli.app import cli

    found = get_completion_class(shell)
    assert found is not None, "click completes these three"
    click.echo(found(cli, {}, "migrator-tui", "_MIGRATOR_TUI_COMPLETE").source())
    return int(ExitCode.DONE)
