"""The command pull: the target into a new SQLite file."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from migrator_tui.cli.ending import interrupts
from migrator_tui.cli.options import Shared, api_of, shared, target_of
from migrator_tui.cli.printing import print_json, printable, say
from migrator_tui.cli.watching import LINE_EVERY_SECONDS
from migrator_tui.model.errors import ExitCode, UsageError
from migrator_tui.model.secret import Secret

if TYPE_CHECKING:
    from migrator_tui.migration.pulling.pull import PullProgress
    from migrator_tui.model.pull import Pulled, PullRequest
    from migrator_tui.postgres.connect import Target
    from migrator_tui.supabase.api import Api

SEED_VARIABLE = "MIGRATOR_TUI_REDACT_SEED"
LISTED = 20


@click.command()
@click.option("--to", type=click.Path(path_type=Path), required=True, help="The new SQLite file.")
@click.option("--replace", is_flag=True, help="Replace the file if it is there, once the new one is whole.")
@click.option("--schema", default="public", show_default=True, help="The Postgres schema that is read.")
@click.option("--tables", help="Only these tables, separated by commas, and the rows that they refer to.")
@click.option(
    "--where",
    multiple=True,
    metavar='"TABLE: CONDITION"',
    help="Only rows that meet a condition in Postgres' SQL, and the rows that they refer to. May be repeated.",
)
@click.option("--redact", multiple=True, metavar="TABLE.COLUMN", help="Mask a column's values. May be repeated.")
@click.option(
    "--redact-seed",
    envvar=SEED_VARIABLE,
    help=f"Give the same masks in each pull; better in {SEED_VARIABLE} than in the command [default: random].",
)
@click.option("--files", type=click.Path(path_type=Path), help="The folder for files [default: uploads beside FILE].")
@click.option("--no-files", is_flag=True, help="Leave files in their buckets.")
@shared
def pull(
    shared: Shared,
    to: Path,
    replace: bool,
    schema: str,
    tables: str | None,
    where: tuple[str, ...],
    redact: tuple[str, ...],
    redact_seed: str | None,
    files: Path | None,
    no_files: bool,
) -> int:
    """Write the target's tables into a new SQLite file: types, keys, checks, defaults, indexes, views and rows.

    One state of the target is read, and nothing there is changed. Tables that were published from a SQLite file come
    back as they were there, value by value; what SQLite has no place for is listed. The file appears whole or not at
    all. Files that the rows name come back from Supabase Storage under the paths that they had. Exit 4 where something
    does not read back as it was written.
    """
    from migrator_tui.migration.pulling.pull import pull as pull_file
    from migrator_tui.model.pull import PullRequest

    request = PullRequest(
        to=to,
        replace=replace,
        schema=schema,
        tables=tuple(name.strip() for name in (tables or "").split(",") if name.strip()),
        where=dict(_condition(text) for text in where),
        redact=tuple(name.strip() for text in redact for name in text.split(",") if name.strip()),
        seed=Secret(redact_seed) if redact_seed else None,
    )
    settings = shared.settings()
    stop = threading.Event()
    with target_of(settings.target, settings) as target, interrupts(stop.set), _display(plain=shared.plain) as show:
        folder = None if no_files else _folder_of_files(target, to, files, replace=replace)
        api = None if no_files else api_of(settings.scope.project)
        pulled = pull_file(request, target, progress=show, stop=stop, api=api)
        if folder is not None:
            pulled = _with_files(pulled, request, folder, target, api, stop, show)
    if shared.as_json:
        print_json(pulled.as_json())
    else:
        for line in summary(pulled):
            click.echo(printable(line))
    return int(ExitCode.DONE)


def _folder_of_files(target: Target, to: Path, named: Path | None, *, replace: bool) -> Path | None:
    """Where files go, found before anything is pulled; None where the target knows of no files."""
    from migrator_tui.migration.files.pulling_files import folder_beside, is_free, origins
    from migrator_tui.postgres.connect import connect

    with connect(target) as connection:
        if all(origin.blobs for origin in origins(connection)):
            return None
    if named is None:
        return folder_beside(to.expanduser().absolute(), replace=replace)
    if not replace and not is_free(named):
        raise UsageError("PULL-FILES-THERE", f"{named} holds something already.", "Name another folder, or --replace.")
    return named


def _with_files(
    pulled: Pulled,
    request: PullRequest,
    folder: Path,
    target: Target,
    api: Api | None,
    stop: threading.Event,
    show: Callable[[PullProgress], None],
) -> Pulled:
    from dataclasses import replace

    from migrator_tui.migration.files.pulling_files import pull_files
    from migrator_tui.migration.pulling.pull import PullProgress

    if api is None:
        note = (
            "Files stay in their buckets: no address of the project's API is named (--api), or no key is known for it."
        )
        return replace(pulled, notes=(*pulled.notes, note))
    found = pull_files(
        pulled.to,
        folder,
        target,
        api,
        stop=stop,
        replace=request.replace,
        say=lambda said: show(PullProgress(said)),
    )
    return replace(pulled, files=found)


def summary(pulled: Pulled) -> list[str]:
    """What is in the file and what is not, as lines."""
    lines = [f"pulled into {pulled.to}: {pulled.bytes:,} bytes in {pulled.seconds:.1f} s", ""]
    width = max((len(table.table) for table in pulled.tables), default=5)
    lines.append(f"  {'table':<{width}}  {'on the target':>13}  {'in the file':>11}  verified")
    lines += [
        f"  {table.table:<{width}}  {table.live_rows:>13,}  {table.rows:>11,}  {'yes' if table.verified else 'counted'}"
        for table in pulled.tables
    ]
    lines.append("")
    if pulled.views:
        lines.append(f"  views: {', '.join(pulled.views)}")
    if pulled.redacted:
        lines.append(f"  redacted: {', '.join(pulled.redacted)}")
    if pulled.files is not None:
        files = pulled.files
        lines.append(f"  files: {files.files:,} ({files.bytes:,} bytes) in {files.folder}")
        if files.missing:
            lines.append(f"  values that name no object: {files.missing:,}")
        lines += _listed("another file is there and stays", list(files.kept))
        lines += _listed("leads out of the folder, not brought back", list(files.refused))
    lines += _listed("not carried", [f"{item.object} {item.name}: {item.why}" for item in pulled.not_carried])
    written = [
        f"{item.table}.{item.column}: {item.how}"
        + (f" ({item.cells:,} cells{_such_as(item.examples)})" if item.cells is not None else "")
        for item in pulled.represented
    ]
    lines += _listed("written otherwise", written)
    return lines + [f"  {note}" for note in pulled.notes]


def _such_as(examples: tuple[str, ...]) -> str:
    return f", such as {', '.join(examples)}" if examples else ""


def _listed(what: str, items: list[str]) -> list[str]:
    lines = [f"  {what}: {item}" for item in items[:LISTED]]
    return lines + ([f"  … and {len(items) - LISTED} more; --json lists all."] if len(items) > LISTED else [])


def _condition(text: str) -> tuple[str, str]:
    table, colon, condition = text.partition(":")
    if not colon or not table.strip() or not condition.strip():
        raise UsageError(
            "PULL-WHERE",
            f"--where {text!r} is no table with a condition.",
            'Write it as --where "orders: total > 100".',
        )
    return table.strip(), condition.strip()


@contextmanager
def _display(*, plain: bool) -> Iterator[Callable[[PullProgress], None]]:
    if plain or not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}", markup=False),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("pull", total=None, said="")

        def show(progress: PullProgress) -> None:
            bar.update(
                task, total=progress.rows_total or None, completed=progress.rows, said=printable(progress.message)
            )

        yield show


class _Lines:
    """Steady lines, every few seconds."""

    def __init__(self) -> None:
        self._at = float("-inf")

    def __call__(self, progress: PullProgress) -> None:
        import time

        now = time.monotonic()
        if now - self._at >= LINE_EVERY_SECONDS:
            self._at = now
            said = f": {progress.rows:,} of {progress.rows_total:,} rows" if progress.rows_total else ""
            say(f"{progress.message}{said}")
