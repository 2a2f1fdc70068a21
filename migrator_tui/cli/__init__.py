"""The headless front end: one command a step, JSON for scripts, and the exit codes of :class:`ExitCode`.

Standard output is data, standard error is for people. Commands import what they need when they run, so that
``--help`` and ``--version`` answer at once.
"""

from migrator_tui.cli.app import main

__all__ = ["main"]
