"""The commands backup and restore."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from migrator_tui import locations
from migrator_tui.cli.ending import interrupts
from migrator_tui.cli.migrating import CONFLICTS, EXISTING
from migrator_tui.cli.options import Shared, shared, target_of
from migrator_tui.cli.printing import finish, print_json, printable, say
from migrator_tui.cli.watching import LINE_EVERY_SECONDS, watch
from migrator_tui.locations import EMBEDDED
from migrator_tui.model.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from migrator_tui.migration.backups.backing_up import Made, PutBack
    from migrator_tui.postgres.target import Target


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The new file [default: one in the folder where the program keeps things].",
)
@click.option("--tables", help="Only these tables, separated by commas [default: all of the schema].")
@click.option("--schema", default="public", show_default=True, help="The Postgres schema that is read.")
@click.option(
    "--prove",
    type=click.Choice(["target", "embedded"]),
    default="target",
    show_default=True,
    help="Where the backup is restored for a moment and compared.",
)
@click.option("--no-prove", is_flag=True, help="Do not prove it; it is unknown then whether it can be restored.")
@click.option("--passphrase", is_flag=True, help="Ask for a passphrase instead of using the key in the keyring.")
@shared
def backup(
    shared: Shared,
    out: Path | None,
    tables: str | None,
    schema: str,
    prove: str,
    no_prove: bool,
    passphrase: bool,
) -> int:
    """Write the target's tables into one encrypted file, and prove it by restoring and comparing it.

    All tables are read as of one moment, and nothing on the target is changed: the proof is a restore that is rolled
    back. The file appears only when it compared equal. It is opened by a key that is kept in the system's keyring, or
    by a passphrase (MIGRATOR_TUI_BACKUP_PASSPHRASE, or typed), and by a recovery key that is shown once.
    """
    from migrator_tui.credentials import terminal_prompt
    from migrator_tui.migration.backups import backing_up
    from migrator_tui.migration.backups.backup_keys import sealing_key
    from migrator_tui.postgres.backup_file import OpeningKey, key_text, new_key

    settings = shared.settings()
    stop = threading.Event()
    recovery = OpeningKey("recovery", new_key())
    with target_of(settings.target, settings) as target, interrupts(stop.set):
        key = sealing_key(os.environ, terminal_prompt(), passphrase=passphrase)
        with _proof(target, embedded=prove == "embedded" and settings.target != EMBEDDED, wanted=not no_prove) as proof:
            made = backing_up.make(
                target,
                out,
                schema=schema,
                tables=_names(tables),
                key=key,
                recovery=recovery,
                proof=proof,
                stop=stop,
                progress=_Lines(),
            )
    # For this person alone: not in the document, which programs keep.
    say(f"Recovery key, shown this once; it opens the file without the {_word(key.kind)}:")
    say(f"  {key_text(recovery.secret)}")
    if made.proven is None:
        say("This backup is UNPROVEN: nobody knows yet whether it can be restored.")
    if shared.as_json:
        print_json(made.as_json())
    else:
        for line in _made(made):
            click.echo(printable(line))
    for what, items in (("not in the backup", made.left_out), ("in the backup, not proven", made.unproven)):
        for item in items:
            say(f"{what}: {item['object']} {item['name']}: {item['why']}")
    return int(ExitCode.DONE)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--tables", help="Only these tables, separated by commas [default: all in the backup].")
@click.option("--schema", help="The schema that they go to [default: the one they were in].")
@click.option("--into-schema", help="Restore beside the live tables, in a schema of their own.")
@click.option("--replace", is_flag=True, help="Put them in the place of live tables, which are kept in another schema.")
@click.option("--merge", is_flag=True, help="Let their rows join the live tables; rows in the way are conflicts.")
@click.option("--decisions", type=EXISTING, help="With --merge, which it means: a decisions file for conflicts.")
@click.option(
    "--on-conflict", type=CONFLICTS, help="With --merge, which it means: what conflicts do that no file names."
)
@click.option("--yes", is_flag=True, help="With --merge: publish without asking for the target's name.")
@shared
def restore(
    shared: Shared,
    file: Path,
    tables: str | None,
    schema: str | None,
    into_schema: str | None,
    replace: bool,
    merge: bool,
    decisions: Path | None,
    on_conflict: str | None,
    yes: bool,
) -> int:
    """Put the tables of a backup back, in one transaction, after all of FILE was read and found whole.

    The rows are compared with what was backed up before anything is visible. Tables that are there already are never
    written over: exit 3 names them, --into-schema restores beside them, --replace moves them to a schema
    migrator_replaced_… first, and --merge is a run of its own in which their rows join the live tables: what they meet
    is decided on screen (`migrator-tui`), by a decisions file or a policy, and `rollback RUN` takes it back.
    """
    from migrator_tui.credentials import terminal_prompt
    from migrator_tui.migration.backups import backing_up
    from migrator_tui.migration.backups.backup_keys import opening_keys

    merge = merge or decisions is not None or on_conflict is not None
    if merge and (into_schema or replace):
        raise UsageError(
            "RESTORE-OPTIONS",
            "--merge, --decisions and --on-conflict go with neither --into-schema nor --replace.",
            "Choose one way: into the live tables, beside them, or in their place.",
        )
    if into_schema and (schema or replace):
        raise UsageError(
            "RESTORE-OPTIONS",
            "--into-schema goes with neither --schema nor --replace.",
            "It names a schema of its own, in which nothing is in the way.",
        )
    if not file.is_file():
        raise UsageError("BACKUP-NO-FILE", f"{file} is no file.", "`migrator-tui backup` says where it wrote one.")
    if merge:
        return _merge_back(shared, file, _names(tables), schema, decisions, on_conflict, confirm=not yes)
    settings = shared.settings()
    stop = threading.Event()
    with target_of(settings.target, settings) as target, interrupts(stop.set):
        done = backing_up.put_back(
            target,
            file,
            tables=_names(tables),
            schema=schema,
            beside=into_schema,
            replace=replace,
            keys=lambda header: opening_keys(header, os.environ, terminal_prompt()),
            stop=stop,
            progress=_Lines(),
        )
    if shared.as_json:
        print_json(done.as_json())
    else:
        for line in _put_back(done):
            click.echo(printable(line))
    for item in done.restored.not_restored:
        say(f"not restored: {item['object']} {item['name']}: {item['why']}")
    return int(ExitCode.DONE)


def _merge_back(
    shared: Shared,
    file: Path,
    tables: tuple[str, ...],
    schema: str | None,
    decisions: Path | None,
    on_conflict: str | None,
    *,
    confirm: bool,
) -> int:
    """A run of its own, which may wait for decisions, be resumed and be rolled back."""
    from migrator_tui.credentials import terminal_prompt
    from migrator_tui.migration import decisions_file
    from migrator_tui.migration.backups.backup_keys import opening_keys
    from migrator_tui.migration.merging_back import COMMAND, MergingBack
    from migrator_tui.migration.request import Request
    from migrator_tui.migration.run import begin
    from migrator_tui.migration.runner import Runner
    from migrator_tui.model.decisions import Decisions
    from migrator_tui.model.plan import Scope
    from migrator_tui.postgres.backup_file import Header, OpeningKey, read_header, unwrap

    settings = shared.settings(on_conflict=on_conflict)
    tried: list[OpeningKey] = []

    def remembered(header: Header) -> Iterator[OpeningKey]:
        for key in opening_keys(header, os.environ, terminal_prompt()):
            tried.append(key)
            yield key

    # Asked before the run begins: nobody can be asked while it is watched.
    with file.open("rb") as source:
        header = read_header(source)
        unwrap(header, remembered(header))
    request = Request(
        source=file.resolve(),
        scope=Scope(include=tables or ("*",), schema=schema or ""),
        decisions=decisions_file.read(decisions) if decisions else Decisions(),
        on_conflict=settings.on_conflict,
        accept_recommended=True,
        confirm=confirm and sys.stdin.isatty(),
        command=COMMAND,
    )
    embedded_folder = locations.embedded_server_folder() if settings.target == EMBEDDED else None
    with target_of(settings.target, settings) as target:
        folder = begin(request, target, embedded_folder=embedded_folder)
        say(f"run {folder.run}: {file} → {target.display}")
        runner = Runner(folder.run, MergingBack(request, target, folder, keys=lambda header: iter(tried)))
        outcome = watch(runner, plain=shared.plain, confirm=target.label if request.confirm else None)
    return finish(outcome, as_json=shared.as_json)


@contextmanager
def _proof(target: Target, *, embedded: bool, wanted: bool) -> Iterator[Target | None]:
    """Where a backup is proven: the target itself, a database made for it on the embedded server, or nowhere."""
    if not wanted or not embedded:
        yield target if wanted else None
        return
    from migrator_tui.migration.backups.backing_up import embedded_proof

    with target_of(EMBEDDED) as server:
        yield embedded_proof(server)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))


def _word(kind: str) -> str:
    return "passphrase" if kind == "passphrase" else "key in the keyring"


def _made(made: Made) -> list[str]:
    lines = [f"backup {made.id}: {made.bytes:,} bytes in {made.seconds:.1f} s", f"  {made.file}", ""]
    width = max(len(table.table) for table in made.tables)
    lines += [f"  {table.table:<{width}}  {table.rows:>13,} rows" for table in made.tables]
    proven = {"target": "restored on the target", "embedded": "restored on an embedded server"}
    lines += ["", f"  {proven[made.proven]}, compared equal, rolled back" if made.proven else "  unproven"]
    lines.append(f"  to put it back: migrator-tui restore {made.file}")
    return lines


def _put_back(done: PutBack) -> list[str]:
    lines = [f"restored backup {done.id} into {done.schema} in {done.seconds:.1f} s", ""]
    width = max(len(table.table) for table in done.restored.tables)
    lines += [f"  {table.table:<{width}}  {table.rows:>13,} rows, equal" for table in done.restored.tables]
    if replaced := done.restored.replaced:
        lines += ["", f"  what was there before is in the schema {replaced}; drop it when it is needed no more"]
    return lines


class _Lines:
    """Steady lines, every few seconds."""

    def __init__(self) -> None:
        self._at = time.monotonic()

    def __call__(self, text: str) -> None:
        now = time.monotonic()
        if now - self._at >= LINE_EVERY_SECONDS:
            self._at = now
            say(text)
