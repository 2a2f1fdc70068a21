"""The sample application: a small learning platform on SQLite with an uploads folder, for the demo and the tests.

It is believable rather than clean: :data:`TROUBLE` lists what is wrong with it, as applications' databases are, and the
decisions file that is written beside it says what to do about each.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from pathlib import Path

from migrator_tui.demo.sample_files import LIMIT, SampleFile, sample_files
from migrator_tui.demo.sample_folder import claim
from migrator_tui.demo.sample_rows import (
    MISSING_USER,
    NUL_MESSAGE,
    ORPHAN_MESSAGE,
    SAME_PERSON,
    Amounts,
    all_tables,
    documents,
)
from migrator_tui.model.errors import SourceError, UsageError

DATABASE = "app.db"
UPLOADS = "uploads"
DECISIONS = "decisions.yaml"

MISSING_DOCUMENT = 8
"""Id of the document whose file is not in the uploads folder."""
UNREFERENCED_FILE = "documents/2026/02/not filed.txt"
"""Below the uploads folder; no document refers to it."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong with the sample.

    Attributes:
        finding: Id in the catalogue of findings, or None for trouble with files.
        keys: Ids of the rows concerned, where they are few and the same at every scale.
    """

    finding: str | None
    table: str
    column: str
    what: str
    keys: tuple[int, ...] = ()


TROUBLE = (
    Trouble("KEY-CASE", "users", "email", "One person registered twice, in other upper and lower case.", SAME_PERSON),
    Trouble(
        "DATE-MIXED",
        "users",
        "last_login",
        "Mostly '2026-01-05 10:00:00', some '05.01.2026' and some '2026-01-05T10:00:00Z'.",
    ),
    Trouble(
        "FK-ORPHAN", "messages", "recipient_id", f"Sent to user {MISSING_USER}, who does not exist.", (ORPHAN_MESSAGE,)
    ),
    Trouble("VALUE-NUL", "messages", "body", "A pasted terminal output with two NULs.", (NUL_MESSAGE,)),
    Trouble(None, "documents", "path", "The document's file is not in the uploads folder.", (MISSING_DOCUMENT,)),
    Trouble(None, "documents", "path", f"No document refers to the file {UNREFERENCED_FILE!r}."),
)


@dataclass(frozen=True, slots=True)
class SampleApp:
    """The sample application on disk.

    Attributes:
        rows: How many rows each table has.
        decisions: The decisions file that answers every finding of the database.
    """

    database: Path
    uploads: Path
    rows: Mapping[str, int]
    decisions: Path


def build(folder: Path, *, scale: float = 1.0, seed: int = 2026, files: bool = True) -> SampleApp:
    """Build the sample application in a folder: ``app.db``, ``uploads/`` and ``decisions.yaml``.

    The same arguments give the same rows and files, whenever and wherever. An earlier build in the folder is replaced,
    the files that it made included; files that it did not make are left alone.

    Args:
        scale: 1 is about 5,000 rows; users, activities, enrolments, documents, messages and the log grow with it.
        files: Write the uploaded files, at most 300 however many documents there are.

    Raises:
        UsageError: ``DEMO-SCALE``: the scale is not a positive number; ``DEMO-FOLDER``: the folder holds a file of
            that name that no earlier build made.
        SourceError: ``DEMO-NOT-WRITTEN``: the disk or its permissions do not allow it.
    """
    if not (math.isfinite(scale) and scale > 0):
        raise UsageError("DEMO-SCALE", f"The sample cannot be built at scale {scale}.", "Give a number above 0.")
    amounts = Amounts.at(scale)
    contents = sample_files(amounts.documents, seed)
    uploads = _uploads(amounts, contents, seed) if files else {}
    try:
        claim(folder, (DATABASE, DECISIONS, *(f"{UPLOADS}/{path}" for path in uploads)))
        rows = _write_database(folder / DATABASE, amounts, contents, seed)
        (folder / UPLOADS).mkdir(exist_ok=True)
        for path, data in uploads.items():
            target = folder / UPLOADS / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        (folder / DECISIONS).write_bytes(_packaged(DECISIONS))
    except (OSError, sqlite3.Error) as error:
        raise SourceError(
            "DEMO-NOT-WRITTEN",
            f"The sample application could not be written to {folder}: {error}.",
            "Choose another folder with --dir, or free some space.",
        ) from error
    return SampleApp(folder / DATABASE, folder / UPLOADS, rows, folder / DECISIONS)


def _uploads(amounts: Amounts, contents: tuple[SampleFile, ...], seed: int) -> dict[str, bytes]:
    """What is in the uploads folder, by path: the documents' files but one, and one that is nobody's."""
    rows = islice(documents(amounts, contents, seed), LIMIT)
    found = {str(row[4]): contents[index].data for index, row in enumerate(rows) if row[0] != MISSING_DOCUMENT}
    return found | {UNREFERENCED_FILE: "Who left this here? 🤔\n".encode()}


def _write_database(path: Path, amounts: Amounts, contents: tuple[SampleFile, ...], seed: int) -> dict[str, int]:
    counts: dict[str, int] = {}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # A file that can be built again needs no protection from a crash; without foreign keys the orphan goes in.
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF")
        connection.executescript(_packaged("sample_app.sql").decode())
        connection.execute("BEGIN")
        for table in all_tables(amounts, contents, seed):
            marks = ", ".join("?" * len(table.columns))
            connection.executemany(
                f"INSERT INTO {table.table} ({', '.join(table.columns)}) VALUES ({marks})", table.rows
            )
            counts[table.table] = connection.execute(f"SELECT count(*) FROM {table.table}").fetchone()[0]
        # Three accounts were deleted: AUTOINCREMENT never gives their ids again.
        connection.execute("UPDATE sqlite_sequence SET seq = seq + 3 WHERE name = 'users'")
        connection.execute("COMMIT")
    return counts


def _packaged(name: str) -> bytes:
    return resources.files("migrator_tui.demo").joinpath(name).read_bytes()
