"""What an earlier run of the same file onto the same target was told, so that Compare measures by the same plan."""

from __future__ import annotations

from dataclasses import replace

from pydantic import ValidationError

from migrator_tui.migration.request import Request
from migrator_tui.migration.run_folder import RunRecord, all_runs
from migrator_tui.model.progress import RunStatus


def earlier_run(request: Request, target: str) -> RunRecord | None:
    """The newest run that published this source there, by this machine's record.

    Args:
        target: As runs keep it: without its password, or ``embedded``.
    """
    return next(
        (
            record
            for record in all_runs()
            if record.status is RunStatus.SUCCEEDED
            and record.source == str(request.source)
            and record.target == target
            and record.command in ("migrate", "resume")
        ),
        None,
    )


def as_then(request: Request, record: RunRecord) -> Request:
    """The request with that run's decisions, and its names and types of tables and columns, behind its own."""
    try:
        then = Request.from_json(record.options)
    except ValidationError:  # another version wrote it
        return request
    return replace(
        request,
        decisions=request.decisions.then(then.decisions),
        scope=replace(request.scope, tables={**then.scope.tables, **request.scope.tables}),
    )
