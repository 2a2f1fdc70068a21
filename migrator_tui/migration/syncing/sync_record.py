"""What a sync keeps in its run's folder beside the plan: what it started from, and what it writes into the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from migrator_tui import locations
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.plan import ColumnPlan, Plan, TablePlan
from migrator_tui.sqlite.carry_over import CarriedTable, carry_over
from migrator_tui.sqlite.snapshot import FILE_NAME

SYNC = "sync.json"
BASE = "base.json"
"""Which file of a sync's folder both ends were like when it ended."""
NEXT = "next.sqlite"
"""The snapshot with the rows that the file gets: what both ends are like in the end."""


@dataclass(frozen=True, slots=True)
class SyncRecord:
    """What was found and laid out.

    Attributes:
        bases: Source table → the run whose end it starts from.
        codecs: Source table → target column → the codec by which its values get their form in the file.
        computed: Source table → target columns whose values the file computes.
        suspended: Triggers of the file that do not fire for what is written into it.
        carried: The tables that the file gets rows of, from ``snapshot.sqlite`` to ``next.sqlite``.
        new_users: Texts of ids of the file's users whose rows the target gets; None until that is known.
        later_users: Text of the id that somebody on the target alone gets in the file → UUID.
        told_of_users: What is not carried into Supabase Auth, a line each.
        left: Why the file is left to the next sync, once that is certain: id, message and hint of the error. Nothing is
            written into the file by this one then, however often it is resumed.
    """

    per_cell: bool = False
    bases: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    codecs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    computed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    suspended: tuple[str, ...] = ()
    carried: tuple[CarriedTable, ...] = ()
    new_users: tuple[str, ...] | None = None
    later_users: Mapping[str, str] = field(default_factory=dict)
    told_of_users: tuple[str, ...] = ()
    left: tuple[str, str, str] | None = None

    def write(self, folder: RunFolder) -> None:
        """Replace the record."""
        locations.write_private(folder.file(SYNC), _ADAPTER.dump_json(self, indent=1))

    @classmethod
    def read(cls, folder: RunFolder) -> SyncRecord:
        """The record; an empty one where there is none yet."""
        file = folder.file(SYNC)
        return _ADAPTER.validate_json(file.read_bytes()) if file.exists() else cls()


def as_compared(plan: Plan, folder: RunFolder) -> Plan:
    """The plan without the columns that a sync does not compare; that of another run as it is."""
    computed = SyncRecord.read(folder).computed

    def columns(table: TablePlan) -> tuple[ColumnPlan, ...]:
        return tuple(column for column in table.columns if column.target not in computed.get(table.source, ()))

    return replace(plan, tables=tuple(replace(table, columns=columns(table)) for table in plan.tables))


def take_back_file(folder: RunFolder) -> tuple[str, ...]:
    """Take back what a sync wrote into the file, where nobody changed it since; calling again goes on.

    Returns:
        A line for each row that is kept because it was.

    Raises:
        SourceError: The file is locked, damaged, or does not take the rows; calling again tries anew.
    """
    record = SyncRecord.read(folder)
    if record.left or not record.carried or (folder.read_json(BASE) or {}).get("file") == FILE_NAME:
        return ()  # nothing was to be written, or it could not be
    source = Path(folder.record().source)
    done = carry_over(
        source,
        folder.file(NEXT),
        folder.file(FILE_NAME),
        record.carried,
        keep_changed=True,
        suspended=record.suspended,
    )
    return tuple(f"{source.name}, {row}: changed since the sync wrote it; kept." for row in done.kept)


_ADAPTER = TypeAdapter(SyncRecord)
