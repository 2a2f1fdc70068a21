"""What Supabase adds to the tables: the application's users, its files, and who may reach which rows.

The ``…Scope`` words say what a person fixed beforehand (``config.yaml``, the screens); the others are the plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from migrator_tui.model.schema import TableName

FileValue = Literal["key", "url", "keep"]
"""What a column of files holds on the target: the object's key in its bucket, its public URL, or what it was."""

FileAccess = Literal["none", "owner"]
"""Whom policies of a bucket's objects let in: nobody, or each user at their own."""

IdsInPaths = Literal["uuid", "keep"]
"""What becomes of users' ids that paths begin with: the users' UUIDs, or nothing."""

Roles = Literal["app-metadata", "table"]
Via = Literal["api", "sql"]
"""How users are made: by the Admin API before the tables are published, or by SQL within that transaction."""


ExposurePolicy = Literal["owner", "owner-read", "read-all", "read-public", "admin", "none"]


@dataclass(frozen=True, slots=True)
class UsersScope:
    """The table whose rows are the application's users, and which of its columns hold what Supabase Auth keeps.

    Attributes:
        table: Source table; the other names are columns of it, None where there is none.
        confirmed: Column that says whether (or when) the address was confirmed; without one, all are.
        references: Columns (``table.column``) that hold ids of users without a declared foreign key.
        namespace: A UUID, or a name that one is made of: what tells this application's ids from another's. None is
            where the source file is.
        roles: Where the application's roles go: each user's app_metadata, or tables with a hook for access tokens.
    """

    table: str
    id: str = "id"
    email: str | None = "email"
    phone: str | None = None
    password_hash: str | None = None
    role: str | None = None
    name: str | None = None
    created: str | None = None
    confirmed: str | None = None
    via: Via = "api"
    references: tuple[str, ...] = ()
    namespace: str | None = None
    roles: Roles = "app-metadata"


@dataclass(frozen=True, slots=True)
class FilesScope:
    """A source column whose values name files, and the bucket that they go to.

    Attributes:
        value: What the column holds on the target: the object's key, its public URL, or what it held before.
        owner: Source column that names the user whose file it is; found by its foreign key where it is None.
        by_download: Verify by reading every object back, and not by its size and recorded hash alone.
        user_ids: What becomes of users' ids in the paths; None asks where there are some.
        access: Whom policies of the bucket's objects let in: nobody, or each user at their own.
        size_limit: Bytes that a file of a new bucket may have; None leaves it to the project's own limit.
        mime_types: Types of files that a new bucket takes, such as ``image/*``; None is all.
    """

    table: str
    column: str
    bucket: str
    public: bool = False
    value: FileValue = "key"
    owner: str | None = None
    by_download: bool = False
    user_ids: IdsInPaths | None = None
    access: FileAccess = "none"
    size_limit: int | None = None
    mime_types: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ExposureScope:
    """Who may reach a source table's rows over the Data API.

    Attributes:
        owner: Source column with the id of the user whose row it is.
        read: Who reads every row: ``all`` who are signed in, or the ``public``. With ``owner``, users write their own.
        admin: Users whose app_metadata says that they are administrators do everything; nobody else anything.
    """

    owner: str | None = None
    read: Literal["all", "public"] | None = None
    admin: bool = False


@dataclass(frozen=True, slots=True)
class ProjectScope:
    """Everything that a person fixed about users, files and exposure; empty where only tables are moved.

    Attributes:
        api: Web address of the project's APIs, without a path.
        uploads: Folder with the files that rows name.
        exposure: By source table.
        migrations: Folder of the project's repository that the schema is written to as a migration file.
        record_migration: The file is also recorded in the project's history of migrations.
    """

    api: str | None = None
    uploads: Path | None = None
    users: UsersScope | None = None
    files: tuple[FilesScope, ...] = ()
    exposure: Mapping[str, ExposureScope] = field(default_factory=dict)
    migrations: Path | None = None
    record_migration: bool = False


@dataclass(frozen=True, slots=True)
class UsersPlan:
    """How the application's users become users of Supabase Auth.

    Attributes:
        scope: The table and its columns.
        namespace: Of the UUIDs (RFC 9562, version 5): user ``id`` is ``uuid5(namespace, text of the id)``. Made from
            the source project, so that two applications' user 1 are two users.
        matched: Text of the source id → UUID of the user of that address who is there already.
        rows: Users in the source.
        left: Rows of it that can become no user: without an address, or with one that another user has or Auth refuses.
        phones_taken: Numbers of users who are there already and are none of the source's.
    """

    scope: UsersScope
    namespace: str
    matched: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    left: int = 0
    phones_taken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilesPlan:
    """One column's files: those that its values name, or its blobs themselves.

    Attributes:
        uploads: Absolute path of the folder that holds them; None where they are blobs.
        prefix: What every value that names a file begins with before the path below that folder, such as
            ``/uploads/``; the object's key is made of what follows. Empty where they begin in several ways.
        prefixes: The ways in which they begin; the first that leads to a file counts.
        files, bytes: That are there and will be uploaded.
        missing: Values that name no file.
        value: What the column holds on the target.
        owner: Target column with the user whose file it is, if any.
        access: As in :class:`FilesScope`; ``owner`` only where there is one.
        creates: The bucket is made by the run.
        size_limit: Bytes above which files are left behind, as was decided; None for no limit.
        mime_types: Types of the files that are not left behind; None for all.
        keeps_others: A file whose key is taken by another content is left behind, as was decided.
        bucket_size_limit, bucket_mime_types: What the bucket takes; one that the run makes is made so.
        keys: Of a column of blobs: the source columns that tell a row, by which its object is named.
        locator: Of a column of blobs: the name that its table has for the rowid.
        user_ids: The ids of users that paths begin with, behind the prefix, become the users' UUIDs.
    """

    table: str
    column: str
    bucket: str
    uploads: Path | None
    public: bool = False
    prefix: str = ""
    files: int = 0
    bytes: int = 0
    missing: int = 0
    prefixes: tuple[str, ...] = ("",)
    value: FileValue = "key"
    owner: str | None = None
    creates: bool = False
    size_limit: int | None = None
    mime_types: tuple[str, ...] | None = None
    keeps_others: bool = False
    by_download: bool = False
    access: FileAccess = "none"
    keys: tuple[str, ...] = ()
    locator: str = ""
    user_ids: bool = False
    bucket_size_limit: int | None = None
    bucket_mime_types: tuple[str, ...] | None = None

    @property
    def of_blobs(self) -> bool:
        """The column holds the contents, and not their paths."""
        return bool(self.keys)


@dataclass(frozen=True, slots=True)
class TableExposure:
    """Who may reach one target table over the Data API.

    Attributes:
        policy: ``owner`` (users read and write the rows whose ``owner`` column is they; with ``owner-read`` they only
            read them), ``read-all`` (who is signed in), ``read-public`` (anybody), ``admin`` or ``none``.
        owner: Target column, of ``owner_type``.
        read: Beside ``owner``: who reads every row, if not the owners alone.
        hidden: Columns that no API role but ``service_role`` may read or write.
        columns: The others, where some are hidden.
        existing: The table was there before; changing it was chosen, and is journalled.
    """

    table: TableName
    policy: ExposurePolicy = "none"
    owner: str | None = None
    owner_type: str = "uuid"
    read: Literal["own", "all", "public"] = "own"
    hidden: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    existing: bool = False


@dataclass(frozen=True, slots=True)
class MigrationFilePlan:
    """The file of ``supabase/migrations`` that the schema goes to.

    Attributes:
        version: 14 digits, the time in UTC.
        record: It is written into the project's history of migrations too.
    """

    folder: Path
    version: str
    name: str
    record: bool = False


@dataclass(frozen=True, slots=True)
class ProjectPlan:
    """What moves or is set beside the tables.

    Attributes:
        api: Web address of the project's APIs.
    """

    api: str | None = None
    users: UsersPlan | None = None
    files: tuple[FilesPlan, ...] = ()
    exposure: tuple[TableExposure, ...] = ()
    views: tuple[TableName, ...] = ()
    migration: MigrationFilePlan | None = None
