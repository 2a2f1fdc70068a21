"""The companion that writes a run's schema as a file of ``supabase/migrations``, and into the project's history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.migration.companions import RunContext, Silent, Undoing
from migrator_tui.model.errors import UsageError
from migrator_tui.model.outcome import Beside
from migrator_tui.model.plan import Action, Plan
from migrator_tui.model.project import MigrationFilePlan, ProjectPlan, ProjectScope
from migrator_tui.supabase.migration_file import (
    file_name,
    forget,
    next_version,
    record,
    recorded,
    render,
    slug,
    versions_in,
)


def with_migration_file(
    connection: psycopg.Connection[Any], plan: Plan, scope: ProjectScope, source: str, now: datetime | None = None
) -> Plan:
    """The plan with the file that its schema goes to, where the person asked for one.

    Args:
        source: What the file is named after.
        now: The time that it is of.
    """
    if scope.migrations is None:
        return plan
    taken = (*versions_in(scope.migrations), *recorded(connection))
    file = MigrationFilePlan(
        scope.migrations.absolute(), next_version(now or datetime.now(UTC), taken), f"from_{slug(source)}",
        scope.record_migration,
    )  # fmt: skip
    return replace(plan, project=replace(plan.project or ProjectPlan(api=scope.api), migration=file))


def write(plan: Plan) -> Path:
    """Write the plan's schema into its file.

    Returns:
        Where it is.

    Raises:
        UsageError: ``MIGRATION-FILE``: the folder cannot be written to.
    """
    file, text = _file(plan), _text(plan)
    try:
        file.folder.mkdir(parents=True, exist_ok=True)
        path = file.folder / file_name(file.version, file.name)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(
            "MIGRATION-FILE",
            f"{file.folder} cannot be written to: {error.strerror}.",
            "Name another with --migration-file.",
        ) from error
    return path


class MigrationFile(Silent):
    """Writes the file once the run is published; takes it back with the run where nobody edited it."""

    name = "migration file"

    def within_publish(self, connection: psycopg.Connection[Any], context: RunContext) -> None:
        """The line of the history, where that was asked for."""
        file = _file(context.plan)
        if file.record:
            record(connection, file.version, file.name, context.plan.ddl)

    def after_publish(self, context: RunContext) -> Sequence[str]:
        """The file."""
        try:
            write(context.plan)
        except UsageError as error:
            return (f"The migration file was not written: {error.message}",)
        return ()

    def verify(self, context: RunContext) -> Beside | None:
        """Where the file is."""
        file = _file(context.plan)
        path = file.folder / file_name(file.version, file.name)
        there = path.is_file()
        lines = [f"{len(context.plan.ddl)} statements, no rows."]
        lines.append(f"Recorded as {file.version}." if file.record else "Not recorded in the project's history.")
        if not there:
            lines = ["It could not be written."]
        return Beside("migration file", str(path), total=1, moved=int(there), left=int(not there), verified=there,
                      lines=tuple(lines))  # fmt: skip

    def undo_within(self, connection: psycopg.Connection[Any], undoing: Undoing) -> Sequence[str]:
        """Out of the history."""
        file = _file(undoing.plan)
        if file.record:
            forget(connection, file.version, file.name)
        return ()

    def undo(self, undoing: Undoing) -> Sequence[str]:
        """The file goes where it is as it was written."""
        file = _file(undoing.plan)
        path = file.folder / file_name(file.version, file.name)
        try:
            if not path.is_file():
                return ()
            if path.read_text("utf-8") != _text(undoing.plan):
                return (f"{path} was edited since; kept.",)
            path.unlink()
        except (OSError, UnicodeDecodeError) as error:
            return (f"{path} was kept: {error}.",)
        return ()


def _file(plan: Plan) -> MigrationFilePlan:
    assert plan.project is not None
    assert plan.project.migration is not None
    return plan.project.migration


def _text(plan: Plan) -> str:
    created = [table.target.schema for table in plan.moved if table.action is Action.CREATE]
    return render(plan.ddl, schema=created[0] if created else "public")
