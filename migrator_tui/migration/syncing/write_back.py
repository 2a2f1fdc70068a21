"""Writing back, proved beforehand: the rows that the file gets become a copy of the snapshot first.

``next.sqlite`` is the snapshot with these rows, and so what both ends are like in the end. It is proved twice:
converted once more it is what the target will have, and a trial on a third copy, with the file's own triggers and
constraints, ends as it. The difference between snapshot and ``next.sqlite`` is then carried over into the live file.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from migrator_tui.convert.identifiers import quote_sqlite
from migrator_tui.locations import PRIVATE_FILE
from migrator_tui.migration.planning import quarantine
from migrator_tui.migration.staging import Encoder, Source
from migrator_tui.migration.syncing.back_rows import BackTable
from migrator_tui.migration.verifying import exact
from migrator_tui.model.errors import SourceError, TargetError, UsageError, VerificationFailed
from migrator_tui.model.plan import Plan, TablePlan
from migrator_tui.model.profile import SourceProfile
from migrator_tui.model.schema import Table
from migrator_tui.postgres.compare import Verifier
from migrator_tui.postgres.connect import Target
from migrator_tui.postgres.load import noting
from migrator_tui.postgres.three_way import ThreeWay
from migrator_tui.sqlite.carry_over import CarriedTable, carry_over
from migrator_tui.sqlite.chunks import whole
from migrator_tui.sqlite.inspect import inspect
from migrator_tui.sqlite.read import SnapshotReader
from migrator_tui.sqlite.snapshot import snapshot_uri

_TRIAL = "trial.sqlite"
_WRITES = re.compile(
    r"\b(?:UPDATE(?:\s+OR\s+\w+)?|(?:INSERT(?:\s+OR\s+\w+)?|REPLACE)\s+INTO|DELETE\s+FROM)\s+"
    r"(\"[^\"]+\"|`[^`]+`|\[[^\]]+\]|\w+)",
    re.IGNORECASE,
)
"""Tables that a trigger's statements write into."""


def carried_table(snapshot: Path, table: Table, plan: TablePlan) -> CarriedTable:
    """How rows of a table are named when they are written into the file.

    Raises:
        UsageError: ``SYNC-KEYS``: its key names no row, or several.
    """
    columns = tuple(column.name for column in table.columns if column.generated is None)
    alias = next((column.name for column in table.columns if column.identity), None)
    if alias is not None:
        return CarriedTable(table.name.name, (alias,), columns)
    if table.without_rowid and table.primary_key is not None:
        return CarriedTable(table.name.name, table.primary_key.columns, columns)
    key = tuple(column.source for column in plan.moved_columns if column.target in plan.match_key)
    name, listed = quote_sqlite(table.name.name), ", ".join(map(quote_sqlite, key))
    empty = " OR ".join(f"{quote_sqlite(k)} IS NULL" for k in key)
    with closing(sqlite3.connect(snapshot_uri(snapshot), uri=True)) as connection:
        found = connection.execute(
            f"SELECT 1 FROM {name} WHERE {empty} UNION ALL SELECT 1 FROM (SELECT 1 FROM {name} GROUP BY {listed} "
            "HAVING count(*) > 1) LIMIT 1"
        ).fetchone()
    if found:
        raise UsageError(
            "SYNC-KEYS",
            f"{table.name.name}: rows of the file have no {', '.join(key)}, or the same. Nothing was changed.",
            "Give each row one, or leave the table out with --tables.",
        )
    return CarriedTable(table.name.name, key, columns)


def rehearse(
    folder: Path, snapshot: Path, after: Path, tables: Sequence[CarriedTable], synced: Collection[str]
) -> tuple[str, ...]:
    """Carry the difference over into a copy of the snapshot, triggers and all.

    Triggers that write into synced tables alone are suspended where the rows would be other ones with them: what they
    would write is on the target already, or is not to be.

    Args:
        synced: Names of all tables whose rows are alike on both ends then.

    Returns:
        The triggers that are to be suspended.

    Raises:
        SourceError: As :func:`~migrator_tui.sqlite.carry_over.carry_over`; and ``SYNC-CASCADE``: rows of a table that
            takes no part refer to a row that would go.
    """
    try:
        _try(folder, snapshot, after, tables, ())
        return ()
    except SourceError as error:
        if error.id != "SYNC-SOURCE-TRIGGER":
            raise
        suspended = _writing_only(snapshot, tables, synced)
        if not suspended:
            raise
    _try(folder, snapshot, after, tables, suspended)
    return suspended


def _writing_only(snapshot: Path, tables: Sequence[CarriedTable], synced: Collection[str]) -> tuple[str, ...]:
    """The triggers on these tables that write into synced ones, and into no others."""
    own, known = {table.name.lower() for table in tables}, {name.lower() for name in synced}
    with closing(sqlite3.connect(snapshot_uri(snapshot), uri=True)) as connection:
        triggers = connection.execute("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    found = []
    for name, table, statement in triggers:
        body = re.split(r"\bBEGIN\b", statement, maxsplit=1, flags=re.IGNORECASE)[-1]
        written = {match.strip('"`[]').lower() for match in _WRITES.findall(body)}
        if table.lower() in own and written and written <= known:
            found.append(name)
    return tuple(found)


def _try(folder: Path, snapshot: Path, after: Path, tables: Sequence[CarriedTable], suspended: Sequence[str]) -> None:
    trial = folder / _TRIAL
    shutil.copyfile(snapshot, trial)
    trial.chmod(PRIVATE_FILE)
    try:
        try:
            carry_over(trial, snapshot, after, tables, suspended=suspended)
        except SourceError as error:
            if error.id != "SYNC-SOURCE-CHANGED":
                error.message = error.message.replace(str(trial), "The file")
                raise
            raise SourceError(
                "SYNC-CASCADE",
                "Rows were deleted on the target that rows of tables which are not synced refer to in the file. "
                "Nothing was changed.",
                "Delete or change those rows in the file first, or keep the rows: a decision with kind: deleted and "
                "choice: keep-source.",
            ) from error
        _require_alike(trial, after, tables)
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            Path(f"{trial}{ending}").unlink(missing_ok=True)


def _require_alike(trial: Path, after: Path, tables: Sequence[CarriedTable]) -> None:
    with closing(sqlite3.connect(trial)) as connection:
        connection.execute("ATTACH ? AS mt_after", (str(after),))
        for table in tables:
            name, columns = quote_sqlite(table.name), ", ".join(map(quote_sqlite, table.columns))
            for one, other in (("main", "mt_after"), ("mt_after", "main")):
                if connection.execute(
                    f"SELECT {columns} FROM {one}.{name} EXCEPT SELECT {columns} FROM {other}.{name} LIMIT 1"
                ).fetchone():
                    raise SourceError(
                        "SYNC-SOURCE-TRIGGER",
                        f"A trigger of the file changes rows of {table.name} when the target's rows are written. "
                        "Nothing was changed.",
                        "Drop the trigger, or leave the table out with --tables.",
                    )


def prove(
    after: Path,
    plan: Plan,
    tables: Sequence[BackTable],
    target: Target,
    run: str,
    check: Callable[[], None],
    rows_of: Callable[[ThreeWay, Sequence[str]], str],
) -> None:
    """Convert ``next.sqlite`` once more, and compare it with what the target has or will have.

    Args:
        rows_of: A query of the rows of a table that the target has, of these columns.

    Raises:
        VerificationFailed: ``SYNC-NOT-ALIKE``: the file cannot hold a value as the target has it.
    """
    database = inspect(after)
    source = Source(after, database, SourceProfile({}))
    sets = quarantine.find(after, database, plan)
    verifier = Verifier(target, run)
    try:
        with SnapshotReader(after) as reader:
            for table in tables:
                compared_columns = tuple(c for c in table.plan.columns if c.target not in table.way.computed)
                encoder = Encoder(source, replace(table.plan, columns=compared_columns), sets, users=plan.users)
                described = source.table(table.plan.source)
                chunk = whole(reader, described, [column.name for column in described.columns])
                names = [(c.target, exact(c.target, k)) for c, k in zip(encoder.columns, encoder.codecs, strict=True)]
                rows = rows_of(table.way, [c.target for c in encoder.columns])
                raised: list[BaseException] = []
                batches = noting(encoder.batches(reader, chunk, check), raised)
                try:
                    compared = verifier.compare(f"({rows}) AS f", names, batches, encoder.schema)
                except TargetError as error:
                    if raised and isinstance(raised[0], SourceError):
                        raise _not_alike(table, f"; {raised[0].message}") from raised[0]
                    raise raised[0] if raised else error from None
                if compared.missing or compared.extra:
                    raise _not_alike(table, f" in {max(compared.missing, compared.extra)} rows")
    finally:
        verifier.close()


def _not_alike(table: BackTable, what: str) -> VerificationFailed:
    return VerificationFailed(
        "SYNC-NOT-ALIKE",
        f"{table.plan.source} would not be alike on both ends, because the file cannot hold a value as the target has "
        f"it{what.rstrip('.')}. Nothing was changed.",
        "Change the value on the target, or leave the table out with --tables.",
    )
