"""Options that every command shares, and what they resolve to: a source, a target, a password."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from migrator_tui import locations
from migrator_tui.config import Flags, Settings, choose_profile, resolve
from migrator_tui.locations import EMBEDDED
from migrator_tui.model.decisions import OnConflict
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import NamePolicy

if TYPE_CHECKING:
    from migrator_tui.model.project import ProjectScope
    from migrator_tui.model.schema import TableName
    from migrator_tui.postgres.connect import Target
    from migrator_tui.supabase.api import Api

BACKUP_FIRST = "backup first: "

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Shared:
    """The shared options of one command."""

    config: Path | None
    profile: str | None
    source: Path | None
    target: str | None
    as_json: bool
    plain: bool
    session_pooler: bool = False

    def settings(
        self,
        *,
        tables: tuple[str, ...] = (),
        on_conflict: str | None = None,
        workers: int | None = None,
        names: NamePolicy | None = None,
    ) -> Settings:
        """The settings: a flag wins over the environment over the file."""
        flags = Flags(
            config=self.config,
            profile=self.profile,
            source=self.source,
            target=self.target,
            tables=tables,
            on_conflict=OnConflict(on_conflict) if on_conflict else None,
            workers=workers,
            names=names,
        )
        settings = resolve(flags, os.environ, choose_profile(flags, os.environ, Path.cwd()))
        return replace(settings, session_pooler=settings.session_pooler or self.session_pooler)


def backup_first(shared: Shared, tables: Sequence[TableName]) -> list[str]:
    """The commands that back up tables of the target that these options name, one a schema; without a password."""
    lines = []
    for schema in dict.fromkeys(table.schema for table in tables):
        words = ["migrator-tui", "backup"]
        for option, value in (("--config", shared.config), ("--profile", shared.profile)):
            words += [option, str(value)] if value is not None else []
        if shared.target is not None:
            from migrator_tui.postgres.connect import Target

            words += ["--target", EMBEDDED if shared.target == EMBEDDED else Target.parse(shared.target).display]
        names = ",".join(table.name for table in tables if table.schema == schema)
        words += ["--schema", schema] if schema not in (None, "public") else []
        lines.append(BACKUP_FIRST + shlex.join([*words, "--tables", names]))
    return lines


def shared(command: F) -> F:
    """Adds the shared options; the command gets them as ``shared``."""
    path = click.Path(path_type=Path)

    def gather(
        config: Path | None,
        profile: str | None,
        source: Path | None,
        target: str | None,
        as_json: bool,
        plain: bool,
        session_pooler: bool,
        **others: Any,
    ) -> Any:
        return command(Shared(config, profile, source, target, as_json, plain, session_pooler), **others)

    gather.__name__, gather.__doc__ = command.__name__, command.__doc__
    gather.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    options = [
        click.option("--config", type=path, help="Configuration file [default: config.yaml here, if there is one]."),
        click.option("--profile", help="Profile of the configuration file."),
        click.option("--source", type=path, help="SQLite file."),
        click.option("--target", metavar="URL", help="postgresql://user@host:5432/database, or 'embedded'."),
        click.option(
            "--session-pooler", is_flag=True, help="Session mode, where the target is Supabase's transaction pooler."
        ),
        click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output."),
        click.option("--plain", is_flag=True, help="Steady lines instead of a moving display."),
    ]
    result: Any = gather
    for option in reversed(options):
        result = option(result)
    return result  # type: ignore[no-any-return]


def source_of(settings: Settings) -> Path:
    """The source file.

    Raises:
        UsageError: None was named.
    """
    if settings.source is None:
        raise UsageError(
            "SOURCE-NOT-GIVEN", "No SQLite file was named.", "Give --source PATH, or a profile that names one."
        )
    return settings.source.expanduser().resolve()


@dataclass(frozen=True, slots=True)
class Reached:
    """A target that can be reached, and the APIs of the demo's project where that is what it is."""

    target: Target
    stand_in: Api | None = None


@contextmanager
def target_of(
    text: str | None,
    settings: Settings | None = None,
    *,
    embedded_folder: Path | None = None,
    database: str | None = None,
) -> Iterator[Target]:
    """As :func:`reached`, the target alone."""
    with reached(text, settings, embedded_folder=embedded_folder, database=database) as found:
        yield found.target


@contextmanager
def reached(
    text: str | None,
    settings: Settings | None = None,
    *,
    embedded_folder: Path | None = None,
    database: str | None = None,
) -> Iterator[Reached]:
    """The target with its password found, the embedded server running as long as the context is open.

    Args:
        settings: Says of which project the target is to be, and whether session mode is agreed to.
        embedded_folder, database: Of the embedded server, where they are not the usual ones.

    Raises:
        UsageError: None was named, it is no Postgres URL, or a project cannot be reached this way.
    """
    from migrator_tui.postgres.connect import Target
    from migrator_tui.supabase.way_in import fit

    if text is None:
        raise UsageError(
            "TARGET-NOT-GIVEN",
            "No target was named.",
            "Give --target postgresql://user@host:5432/database, or 'embedded', or a profile that names one.",
        )
    if text == EMBEDDED:
        from migrator_tui.demo.kept_project import stand_in_beside
        from migrator_tui.postgres.server import EmbeddedServer

        folder = embedded_folder or locations.embedded_server_folder()
        with EmbeddedServer.start(folder) as server:
            target = server.target(database or "postgres")
            stand_in = stand_in_beside(folder)
            if stand_in is None:
                yield Reached(target)
                return
            try:
                yield Reached(*stand_in.open(target))
            finally:
                stand_in.close()
        return
    given = settings or Settings()
    target = fit(
        Target.parse(text),
        api=given.scope.project.api,
        region=given.region,
        to_session_mode=lambda old, new: given.session_pooler or _agreed(old, new),
    )
    yield Reached(with_password(target))


def _agreed(given: Target, instead: Target) -> bool:
    """Whether a person at a terminal agrees to session mode; nobody there agrees to nothing."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    click.echo(
        f"Port {given.port} is the transaction pooler: a run cannot keep its session, temporary tables, locks there.",
        err=True,
    )
    return click.confirm(f"Use session mode instead, {instead.display}?", default=True, err=True)


def with_password(target: Target) -> Target:
    """The target with a password from the environment, ``.pgpass``, the keyring, or a prompt; if it has none yet."""
    from migrator_tui.credentials import find_password, terminal_prompt
    from migrator_tui.postgres.connect import wants_password

    if target.password is not None:
        return target
    # A prompt only where the server asks for a password: peer, trust and certificates need none.
    found = find_password(target.host, target.port, target.database, target.user, environ=os.environ)
    if found is None and (prompt := terminal_prompt()) is not None and wants_password(target):
        found = find_password(
            target.host, target.port, target.database, target.user, environ={}, prompt=prompt, keyring_enabled=False
        )
    return target.with_password(found.secret) if found else target


def api_of(project: ProjectScope) -> Api | None:
    """The project's APIs with their key: from the environment, the keyring, or a prompt where they will be needed."""
    from migrator_tui.credentials import find_api_key, terminal_prompt
    from migrator_tui.supabase.api import Api

    if project.api is None:
        return None
    needed = project.users is not None or bool(project.files)
    found = find_api_key(project.api, environ=os.environ, prompt=terminal_prompt() if needed else None)
    return Api(project.api, found.secret) if found else None
