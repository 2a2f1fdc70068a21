"""The two ends of a migration as a person chooses them, and what is found out about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from migrator_tui.model.decisions import Decisions
from migrator_tui.model.plan import Scope
from migrator_tui.model.secret import Secret

SQLITE_MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Ends:
    """What a person chose to migrate from and to.

    Attributes:
        target: A Postgres URL without password, or ``embedded``.
        embedded_folder, database: Of the embedded server, where they are not the usual ones.
        fresh: The embedded server's database is made anew, whatever it held: the demo's.
        decisions: Decided beforehand (the demo ships some).
        uploads: Folder with the files that rows name.
    """

    source: Path
    target: str
    scope: Scope = field(default_factory=Scope)
    embedded_folder: Path | None = None
    database: str | None = None
    fresh: bool = False
    decisions: Decisions = field(default_factory=Decisions)
    uploads: Path | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """Something to start from on the first screen.

    Attributes:
        ends: Of a profile; None for a SQLite file, which is ``source``. Both are None for a ``config.yaml`` that cannot
            be read: ``detail`` says why.
        password: That came with the ends, from a ``.env`` file.
    """

    label: str
    detail: str
    ends: Ends | None
    source: Path | None = None
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a connection test: what was tried, and what came of it.

    Attributes:
        ok: None while it is under way; a second step of the same name says what came of it.
        hint: What to do next where it is not well.
    """

    name: str
    ok: bool | None
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the connection test found out.

    Attributes:
        missing: What the role may not do, each with its GRANT.
        round_trip_ms: Median of a few round trips.
        counts: Rows of the target's tables, by name.
    """

    source_label: str
    target_label: str
    target_display: str
    server_version: str
    role: str
    missing: tuple[tuple[str, str], ...]
    round_trip_ms: float
    counts: Mapping[str, int] = field(default_factory=dict)


def is_sqlite(path: Path) -> bool:
    """Whether a file begins as SQLite databases do; unreadable ones do not.

    Not for a file that this process has open by SQLite: closing any descriptor of it ends the locks.
    """
    try:
        if not path.is_file():  # a pipe would not answer
            return False
        with path.open("rb") as file:
            return file.read(len(SQLITE_MAGIC)) == SQLITE_MAGIC
    except (OSError, ValueError):  # a NUL in the name
        return False
