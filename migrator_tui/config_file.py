"""Profiles in ``config.yaml``: its keys, checked, and never a password among them.

The file's keys are the fields of the models below; ``config.example.yaml`` documents each. A file never holds a
password: see :mod:`migrator_tui.credentials` for where one comes from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from migrator_tui import yaml_lines
from migrator_tui.locations import EMBEDDED
from migrator_tui.model.errors import UsageError
from migrator_tui.model.limits import is_mime_pattern, parse_size
from migrator_tui.model.plan import FillText, NamePolicy, fill_of
from migrator_tui.model.project import (
    FileAccess,
    FileValue,
    IdsInPaths,
)
from migrator_tui.model.schema import TableName

FILE_NAME = "config.yaml"

PASSWORD_HINT = (
    "Leave user and host, take the password out, and give it by MIGRATOR_TUI_TARGET_PASSWORD or PGPASSWORD, in "
    "~/.pgpass, or in the system's keyring with `migrator-tui credentials set`."
)


def _path(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a path, as a text.")
    folder: Path = (info.context or {}).get("folder", Path())
    return folder / Path(value).expanduser()


def project_database(ref: str, region: str | None = None) -> str:
    """The URL of a Supabase project's database: its session pooler where the region is known, else the direct host.

    Args:
        region: ``eu-central-1``, or as the pooler's host writes it, ``aws-1-eu-central-1``; a region has several
            poolers, and ``aws-0`` is taken where nothing says which.

    Raises:
        ValueError: No project's ref, or no region, is written so.
    """
    if not re.fullmatch("[a-z0-9]+", ref):
        raise ValueError("expected a project's ref, the part before .supabase.co in its address.")
    if region is None:
        return f"postgresql://postgres@db.{ref}.supabase.co:5432/postgres"
    found = re.fullmatch(r"([a-z]+-\d+-)?([a-z]{2}-[a-z]+(?:-[a-z]+)?-\d)", region)
    if found is None:
        raise ValueError("expected a region such as eu-central-1, or aws-1-eu-central-1 as in the pooler's host.")
    return f"postgresql://postgres.{ref}@{found[1] or 'aws-0-'}{found[2]}.pooler.supabase.com:5432/postgres"


def _database(value: str) -> str:
    problem = url_problem(value)
    if problem == "password":
        # The whole file is refused with its own error id before validation gets here; this is the second fence.
        raise ValueError("holds a password.")
    if problem:
        raise ValueError(problem)
    return value


def _api(value: str) -> str:
    if not re.fullmatch(r"https?://[^/@\s?#]+/?", value):
        raise ValueError("expected a web address such as https://abcd.supabase.co, and nothing after the host.")
    return value.rstrip("/")


def _table_and_column(value: str) -> str:
    name = TableName.parse(value, default_schema="")
    if not name.schema or not name.name:
        raise ValueError("expected table.column, such as documents.path.")
    return value


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("expected a size, such as 10 MB.")
    return parse_size(str(value))


def _mime_type(value: str) -> str:
    if not is_mime_pattern(value):
        raise ValueError("expected a type of files, such as image/* or application/pdf.")
    return value


def _bucket(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_!.*'() &$@=;:+,?-]{1,100}", value):
        raise ValueError("expected a bucket's name: at most 100 letters A to Z, digits and _!.*'() &$@=;:+,?-.")
    return value


Text = Annotated[str, Field(min_length=1)]
FilePath = Annotated[Path, BeforeValidator(_path)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


def _fill(value: object) -> object:
    try:
        return fill_of(value)
    except ValueError as error:
        raise ValueError(f"{error}.") from error


Fill = Annotated[str | FillText, BeforeValidator(_fill)]


class SourceKeys(_Keys):
    """Where the rows are: a SQLite file, and the folder with the files that its rows name."""

    sqlite: FilePath
    uploads: FilePath | None = None


class TargetKeys(_Keys):
    """Where they go: a Postgres URL without password or ``embedded``, and Supabase's API; or a Supabase project.

    ``pooler: session`` agrees to session mode where the URL is of the transaction pooler.
    """

    database: Annotated[str, AfterValidator(_database)]
    api: Annotated[str, AfterValidator(_api)] | None = None
    project: Text | None = None
    region: Text | None = None
    pooler: Literal["session"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_a_project(cls, given: object) -> object:
        if not isinstance(given, dict) or "database" in given or not isinstance(given.get("project"), str):
            return given
        ref, region = given["project"], given.get("region")
        if region is not None and not isinstance(region, str):
            return given
        return {"api": f"https://{ref}.supabase.co"} | given | {"database": project_database(ref, region)}


class TablesKeys(_Keys):
    """Which tables, by shell-style patterns of source names, and their names on the target."""

    include: list[Text] = Field(default_factory=lambda: ["*"], min_length=1)
    exclude: list[Text] = Field(default_factory=list)
    rename: dict[str, Text] = Field(default_factory=dict)


class UsersKeys(_Keys):
    """The table whose rows are the application's users, and which columns hold what Supabase Auth needs."""

    table: Text
    id: Text = "id"
    email: Text = "email"
    phone: Text | None = None
    password_hash: Text | None = None
    role: Text | None = None
    name: Text | None = None
    created: Text | None = None
    confirmed: Text | None = None
    via: Literal["api", "sql"] = "api"
    references: list[Annotated[Text, AfterValidator(_table_and_column)]] = Field(default_factory=list)
    namespace: Text | None = None
    roles: Literal["app-metadata", "table"] = "app-metadata"


class FilesKeys(_Keys):
    """A column (``table.column``) whose values name files, and the bucket they go to.

    ``value``: what the column holds on the target. ``verify: download`` reads every object back.
    ``user_ids: uuid`` makes the UUIDs of users of the ids that paths begin with. ``access: owner`` lets each user at
    the objects of their own. ``size_limit`` and ``mime_types`` are those of a bucket that is made.
    """

    column: Annotated[Text, AfterValidator(_table_and_column)]
    bucket: Annotated[Text, AfterValidator(_bucket)]
    public: bool = False
    value: FileValue = "key"
    owner: Text | None = None
    verify: Literal["metadata", "download"] = "metadata"
    user_ids: IdsInPaths | None = None
    access: FileAccess = "none"
    size_limit: Annotated[int, BeforeValidator(_size)] | None = None
    mime_types: Annotated[list[Annotated[Text, AfterValidator(_mime_type)]], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _url_of_a_public_bucket(self) -> FilesKeys:
        if self.value == "url" and not self.public:
            raise ValueError("value: url needs public: true; objects of a private bucket have no lasting URL.")
        return self


class ExposureKeys(_Keys):
    """Who may reach a table's rows over the Data API: the user named in ``owner``; to read, all or the public."""

    owner: Text | None = None
    read: Literal["all", "public"] | None = None
    admin: bool = False


class PoliciesKeys(_Keys):
    """What to do where nobody is asked."""

    on_conflict: Literal["ask", "keep-target", "keep-source", "fail"] = "ask"


class NaturalKeyKeys(_Keys):
    """One natural key, as ``config.yaml`` and ``decisions.yaml`` write it under the name of its table."""

    columns: list[Text] = Field(min_length=1)
    match: Literal["exact", "nocase", "trimmed", "folded"] = "exact"
    name: str | None = None


class Profile(_Keys):
    """One pair of ends and everything fixed beforehand about moving between them."""

    source: SourceKeys
    target: TargetKeys
    tables: TablesKeys = Field(default_factory=TablesKeys)
    columns: dict[str, dict[str, Text | None]] = Field(default_factory=dict)
    fill: dict[str, dict[str, Fill]] = Field(default_factory=dict)
    users: UsersKeys | None = None
    files: list[FilesKeys] = Field(default_factory=list)
    exposure: dict[str, ExposureKeys] = Field(default_factory=dict)
    target_schema: Text = Field(default="public", alias="schema")
    names: NamePolicy = "keep"
    workers: int | None = Field(default=None, ge=1, le=4)
    chunk_mb: int | None = Field(default=None, ge=1, le=1024)
    policies: PoliciesKeys = Field(default_factory=PoliciesKeys)
    natural_keys: dict[str, list[NaturalKeyKeys]] = Field(default_factory=dict)
    time_zone: Text | None = None


class ConfigKeys(_Keys):
    """The whole file."""

    profiles: dict[str, Profile] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration file's profiles by name."""

    path: Path
    profiles: Mapping[str, Profile]

    def profile(self, name: str | None = None) -> Profile:
        """The profile of that name; without a name the only one, or the one called ``default``.

        Raises:
            UsageError: ``CONFIG-PROFILE``: there is none of that name, or no name and several to choose from.
        """
        names = ", ".join(self.profiles)
        if name is not None:
            if name in self.profiles:
                return self.profiles[name]
            guess = yaml_lines.closest(name, tuple(self.profiles))
            raise UsageError("CONFIG-PROFILE", f"{self.path} has no profile {name}{guess}", f"It has: {names}.")
        if len(self.profiles) == 1:
            return next(iter(self.profiles.values()))
        if "default" in self.profiles:
            return self.profiles["default"]
        raise UsageError(
            "CONFIG-PROFILE",
            f"{self.path} has {len(self.profiles)} profiles and none of them is called default.",
            f"Choose one with --profile: {names}.",
        )


def load(path: Path) -> Config:
    """Read and validate a configuration file; its relative paths are taken from its own folder.

    Raises:
        UsageError: ``CONFIG-MISSING``, ``-UNREADABLE``, ``-YAML``, ``-DUPLICATE-KEY``, ``-PASSWORD`` or ``-INVALID``;
            the message names the file, the line, the key and what was expected.
    """
    document = yaml_lines.read(path, "CONFIG")
    _refuse_passwords(document)
    keys = yaml_lines.check(document, ConfigKeys, context={"folder": path.parent})
    return Config(path, keys.profiles)


def find(folder: Path) -> Path | None:
    """``config.yaml`` in a folder, if there is one."""
    path = folder / FILE_NAME
    return path if path.is_file() else None


def url_problem(url: str) -> str | None:
    """What keeps a text from being a target: None for a good one, ``password`` where it holds one, else a sentence.

    Never repeats the text. A password with an unescaped ``/``, ``#`` or ``?`` is told apart as well.
    """
    if url == EMBEDDED:
        return None
    if re.search(r"\bpassword\s*=\s*\S", url, re.IGNORECASE):
        return "password"
    if not re.match(r"postgres(ql)?://", url):
        return f"expected a Postgres URL (postgresql://user@host:5432/database) or {EMBEDDED}."
    rest = url.split("://", 1)[1]
    authority, query = re.split(r"[/?#]", rest, maxsplit=1)[0], rest.partition("?")[2]
    if "@" in authority:
        if authority.rpartition("@")[0].partition(":")[2]:
            return "password"
        if "@" in rest[len(authority) :].partition("?")[0]:
            return "expected a Postgres URL with at most one @; a special character in a part is written %40, %2F …"
    elif "@" in rest.partition("?")[0] or ("@" in rest and not re.fullmatch(r"[^:]*(:\d*)?|\[.*\](:\d*)?", authority)):
        return "password"
    if any("password" in name.lower() and value for name, value in parse_qsl(query)):
        return "password"
    return "expected a Postgres URL without #." if "#" in rest else None


def _refuse_passwords(document: yaml_lines.Document) -> None:
    profiles = document.value.get("profiles") if isinstance(document.value, dict) else None
    for name, profile in profiles.items() if isinstance(profiles, dict) else ():
        target = profile.get("target") if isinstance(profile, dict) else None
        if isinstance(target, str) and url_problem(target) == "password":
            raise _password(document, ("profiles", name, "target"))
        for key, value in target.items() if isinstance(target, dict) else ():
            place = ("profiles", name, "target", key)
            if re.search("password|secret|service_role", str(key), re.IGNORECASE) and "://" not in str(key):
                raise _password(document, place)
            if isinstance(value, str) and key == "database" and url_problem(value) == "password":
                raise _password(document, place)


def _password(document: yaml_lines.Document, place: yaml_lines.KeyPath) -> UsageError:
    return document.complaint(
        "PASSWORD",
        place,
        "holds a secret, and this file is no place for one (it is copied and committed).",
        PASSWORD_HINT,
    )
