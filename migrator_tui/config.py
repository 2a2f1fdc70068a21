"""The settings of one command: a flag wins over the environment, which wins over the profile in the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from migrator_tui.config_file import FILE_NAME, NaturalKeyKeys, Profile, UsersKeys, find, load
from migrator_tui.locations import EMBEDDED
from migrator_tui.model.decisions import Match, NaturalKey, OnConflict
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import NamePolicy, Scope, TableOverride
from migrator_tui.model.project import (
    ExposureScope,
    FilesScope,
    ProjectScope,
    UsersScope,
)
from migrator_tui.model.schema import TableName

SOURCE_VARIABLE = "MIGRATOR_TUI_SOURCE"
TARGET_VARIABLE = "MIGRATOR_TUI_TARGET"
PROFILE_VARIABLE = "MIGRATOR_TUI_PROFILE"
CONFIG_VARIABLE = "MIGRATOR_TUI_CONFIG"


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says. ``tables`` are patterns that replace the file's include and exclude."""

    config: Path | None = None
    profile: str | None = None
    source: Path | None = None
    target: str | None = field(default=None, repr=False)
    uploads: Path | None = None
    api: str | None = None
    tables: tuple[str, ...] = ()
    on_conflict: OnConflict | None = None
    workers: int | None = None
    names: NamePolicy | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What one command works with.

    Attributes:
        source: The SQLite file, or None where nothing names one.
        target: A Postgres URL or ``embedded``. A URL from the command line may hold a password, hence not printed.
        region: Of the project, where the file names it.
        session_pooler: Session mode is agreed to where the target is a transaction pooler.
        workers, chunk_mb: None where the program chooses.
    """

    source: Path | None = None
    target: str | None = field(default=None, repr=False)
    scope: Scope = field(default_factory=Scope)
    region: str | None = None
    session_pooler: bool = False
    workers: int | None = None
    chunk_mb: int | None = None
    on_conflict: OnConflict = OnConflict.ASK


def choose_profile(flags: Flags, environ: Mapping[str, str], folder: Path) -> Profile | None:
    """The profile that a command is about, or None where no file is to be read.

    A file is read when one is named, when a profile is named, or when ``folder`` has a ``config.yaml`` and the ends
    are not both given otherwise: two ends on the command line are complete without a file that happens to be there.

    Raises:
        UsageError: As :func:`load` and :meth:`Config.profile`; ``CONFIG-MISSING`` for a profile without a file.
    """
    name = flags.profile or environ.get(PROFILE_VARIABLE) or None
    named = flags.config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    source = flags.source or environ.get(SOURCE_VARIABLE)
    target = flags.target or environ.get(TARGET_VARIABLE)
    if named is None and name is None and source and target:
        return None
    path = named or find(folder)
    if path is None:
        if name is None:
            return None
        raise UsageError(
            "CONFIG-MISSING",
            f"Profile {name} is asked for and there is no {FILE_NAME} in {folder}.",
            "Name the file with --config, or give --source and --target.",
        )
    return load(path).profile(name)


def resolve(flags: Flags, environ: Mapping[str, str], profile: Profile | None) -> Settings:
    """The settings: each from the flag, else the environment, else the profile.

    What belongs to an end goes with it: a source given over the profile's leaves the profile's uploads behind, and a
    target given over it the profile's API, so that one project's rows never meet another project's users and files.

    Raises:
        UsageError: ``TARGET-URL``: the target is neither a Postgres URL nor ``embedded``.
    """
    given_source = flags.source or (Path(environ[SOURCE_VARIABLE]) if environ.get(SOURCE_VARIABLE) else None)
    given_target = flags.target or environ.get(TARGET_VARIABLE) or None
    if given_target and given_target != EMBEDDED and not re.match(r"postgres(ql)?://", given_target):
        raise UsageError(
            "TARGET-URL",
            f"The target is neither a Postgres URL nor {EMBEDDED}.",
            "Write it as postgresql://user@host:5432/database.",
        )
    if profile is None:
        return Settings(
            source=given_source,
            target=given_target,
            scope=Scope(
                include=flags.tables or ("*",),
                names=flags.names or "keep",
                project=ProjectScope(api=flags.api, uploads=flags.uploads),
            ),
            workers=flags.workers,
            on_conflict=flags.on_conflict or OnConflict.ASK,
        )
    scope = scope_of(profile, flags.tables, flags.names)
    project = replace(
        scope.project,
        uploads=flags.uploads or (None if given_source else profile.source.uploads),
        api=flags.api or (None if given_target else profile.target.api),
    )
    return Settings(
        source=given_source or profile.source.sqlite,
        target=given_target or profile.target.database,
        scope=replace(scope, project=project),
        region=None if given_target else profile.target.region,
        session_pooler=not given_target and profile.target.pooler == "session",
        workers=flags.workers or profile.workers,
        chunk_mb=profile.chunk_mb,
        on_conflict=flags.on_conflict or OnConflict(profile.policies.on_conflict),
    )


def scope_of(profile: Profile, tables: tuple[str, ...] = (), names: NamePolicy | None = None) -> Scope:
    """The profile's tables and columns in the plan's words; ``tables`` replaces its include and exclude."""
    overrides: dict[str, TableOverride] = {}
    for source in dict.fromkeys((*profile.tables.rename, *profile.columns, *profile.fill)):
        renamed = profile.tables.rename.get(source)
        columns: dict[str, tuple[str | None, str | None, str | None] | None] = {
            column: None if name is None else (name, None, None)
            for column, name in profile.columns.get(source, {}).items()
        }
        target = TableName.parse(renamed, profile.target_schema) if renamed else None
        overrides[source] = TableOverride(target=target, columns=columns, fill=profile.fill.get(source, {}))
    return Scope(
        include=tables or tuple(profile.tables.include),
        exclude=() if tables else tuple(profile.tables.exclude),
        schema=profile.target_schema,
        tables=overrides,
        names=names or profile.names,
        project=project_of(profile),
        natural_keys=natural_keys_of(profile.natural_keys),
        time_zone=profile.time_zone,
    )


def natural_keys_of(tables: Mapping[str, Sequence[NaturalKeyKeys]]) -> tuple[NaturalKey, ...]:
    """The natural keys that a file lists by table, in the words of decisions."""
    return tuple(
        NaturalKey(table, tuple(key.columns), Match(key.match), key.name)
        for table, keys in tables.items()
        for key in keys
    )


def _users_of(keys: UsersKeys) -> UsersScope:
    return UsersScope(**(keys.model_dump() | {"references": tuple(keys.references)}))


def project_of(profile: Profile) -> ProjectScope:
    """The profile's users, files and exposure in the plan's words."""
    files = (TableName.parse(keys.column, default_schema="") for keys in profile.files)
    return ProjectScope(
        api=profile.target.api,
        uploads=profile.source.uploads,
        users=_users_of(profile.users) if profile.users else None,
        files=tuple(
            FilesScope(
                name.schema,
                name.name,
                keys.bucket,
                keys.public,
                keys.value,
                keys.owner,
                keys.verify == "download",
                keys.user_ids,
                keys.access,
                keys.size_limit,
                tuple(keys.mime_types) if keys.mime_types else None,
            )
            for name, keys in zip(files, profile.files, strict=True)
        ),
        exposure={table: ExposureScope(keys.owner, keys.read, keys.admin) for table, keys in profile.exposure.items()},
    )
