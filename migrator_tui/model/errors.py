"""Every error that reaches a person: what happened, and what to do next.

An error has a stable ``id`` (the same in JSON, the TUI and the report), a ``message`` that names the table, column
and row key where there is one, a ``hint`` with the next step, and the exit code of the process that ends with it.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line; scripts rely on them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DECISIONS_LEFT = 3
    VERIFICATION_FAILED = 4
    INTERRUPTED = 130


class MigratorError(Exception):
    """Base of all errors that are shown to a person.

    Attributes:
        id: Stable upper-case name, such as ``SOURCE-NOT-SQLITE``.
        message: What happened, to what, and why. Never holds a secret.
        hint: What to do next; empty only where nothing can be done.
        exit_code: Exit code of the command that ends with this error.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, id: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.id = id
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class SourceError(MigratorError):
    """The SQLite end: not a database, truncated, missing, locked, unreadable."""


class TargetError(MigratorError):
    """The Postgres end: unreachable, refused, lacking a privilege, or an SQL error.

    Attributes:
        sqlstate: Five-character SQLSTATE where the server gave one.
    """

    def __init__(self, id: str, message: str, hint: str = "", *, sqlstate: str | None = None) -> None:
        super().__init__(id, message, hint)
        self.sqlstate = sqlstate


class BackupError(MigratorError):
    """A backup that cannot be made, opened, trusted or proven."""


class ConnectionLost(TargetError):
    """The connection to the target ended, or the server asked to try again. Safe to retry."""


class FenceLost(TargetError):
    """Another process took this run over; this one must not write any more."""


class UsageError(MigratorError):
    """Wrong options, a configuration or plan that does not fit."""

    exit_code = ExitCode.USAGE


class DecisionsNeeded(MigratorError):
    """Findings or conflicts wait for a decision."""

    exit_code = ExitCode.DECISIONS_LEFT


class VerificationFailed(MigratorError):
    """What is on the target is not what the plan makes of the source."""

    exit_code = ExitCode.VERIFICATION_FAILED


class Interrupted(MigratorError):
    """Cancelled by the person, or the connection stayed away; ``resume`` continues."""

    exit_code = ExitCode.INTERRUPTED
