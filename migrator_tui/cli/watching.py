"""Watching a run from the terminal: a moving display where there is one, steady lines everywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from migrator_tui.cli.ending import interrupts
from migrator_tui.cli.printing import printable, say
from migrator_tui.model.progress import Progress, Stage, TableState

if TYPE_CHECKING:
    from migrator_tui.migration.runner import Runner
    from migrator_tui.model.outcome import RunOutcome
    from migrator_tui.model.schema import TableName

POLL_SECONDS = 0.2
LINE_EVERY_SECONDS = 5.0


def watch(
    runner: Runner,
    *,
    plain: bool,
    confirm: str | None = None,
    advise: Callable[[tuple[TableName, ...]], list[str]] = lambda tables: [],
) -> RunOutcome:
    """Start a run, show it until it ends, and turn Ctrl-C into a cancel.

    Args:
        confirm: What the person types to publish; None where nobody is asked.
        advise: The lines to say once, when it is known which tables with rows are merged into.
    """
    advised = False
    moving = not plain and sys.stderr.isatty()
    with interrupts(runner.cancel):
        runner.start()
        with _display(moving) as show:
            while (outcome := runner.wait(POLL_SECONDS)) is None:
                progress = runner.progress()
                show(progress)
                if progress.merges_into and not advised:
                    advised = True
                    for text in advise(progress.merges_into):
                        show.tell(text)
                if progress.waiting_for == "confirmation":
                    _ask(runner, confirm)
        progress = runner.progress()
        show(progress)
        for text in advise(progress.merges_into) if not advised else ():
            say(text)
    return outcome


def _ask(runner: Runner, confirm: str | None) -> None:
    if confirm is None:
        runner.confirm()
        return
    say("\nEverything is staged and checked. Nothing is visible on the target yet.")
    typed = click.prompt(
        f"Type {confirm} to publish (anything else stops here)", err=True, default="", show_default=False
    )
    if typed.strip() == confirm:
        runner.confirm()
    else:
        runner.cancel()


class _Lines:
    """Steady lines: when a stage begins, every few seconds within it, and whenever something goes wrong."""

    def __init__(self) -> None:
        self._stage: object = None
        self._said = ""
        self._at = 0.0

    def tell(self, text: str) -> None:
        """Say a line of its own."""
        say(text)

    def __call__(self, progress: Progress) -> None:
        if progress.retry and progress.retry != self._said:
            self._said = progress.retry
            say(progress.retry)
        if progress.stage is None:
            return
        due = progress.seconds - self._at >= LINE_EVERY_SECONDS
        if progress.stage is not self._stage or due:
            self._stage, self._at = progress.stage, progress.seconds
            say(line(progress))


def line(progress: Progress) -> str:
    """One line that says where a run is."""
    stage = progress.stage.value if progress.stage else progress.status.value
    text = f"[{progress.seconds:6.1f} s] {stage}"
    if progress.rows_total:
        done = sum(1 for table in progress.tables if table.state not in (TableState.WAITING, TableState.STAGING))
        text += f": {progress.rows_done:,} of {progress.rows_total:,} rows, {done} of {len(progress.tables)} tables"
    elif progress.message and progress.stage in (Stage.SNAPSHOT, Stage.ANALYZE):
        text += f": {progress.message}"
    return text


@contextmanager
def _display(moving: bool) -> Iterator[_Lines | _Bars]:
    if not moving:
        yield _Lines()
        return
    bars = _Bars()
    try:
        yield bars
    finally:
        bars.stop()


class _Bars:
    """One bar over all rows, with the stage and the latest message beside it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._progress = RichProgress(
            TextColumn("{task.fields[stage]:<9}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[said]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("run", total=None, stage="", said="")
        self._progress.start()

    def __call__(self, progress: Progress) -> None:
        said = progress.retry or progress.message
        if progress.rows_total:
            said = progress.retry or f"{progress.rows_done:,} of {progress.rows_total:,} rows"
        if progress.waiting_for:
            self._progress.stop()
        self._progress.update(
            self._task,
            total=progress.rows_total or None,
            completed=progress.rows_done,
            stage=progress.stage.value if progress.stage else "",
            said=printable(said),
        )

    def tell(self, text: str) -> None:
        """Say a line of its own, above the bar."""
        self._progress.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Remove the bar."""
        self._progress.stop()
