"""What a refusal is here: provoked at the project's stand-in or a real server, and told as the program tells it."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from migrator_tui.demo.project.project import Project
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target, connect, explain
from migrator_tui.postgres.merge import sql
from migrator_tui.supabase.api import Api
from migrator_tui.supabase.auth_admin import AuthAdmin
from migrator_tui.supabase.storage_api import Bucket, Storage
from tests.postgres.tls_server import TlsServer, programs


class NotHere(Exception):
    """What it takes is not installed on this machine."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a person is shown.

    Attributes:
        id: Of the error, finding or lint; ``-`` where the program goes on by itself.
        hint: The next step.
    """

    id: str
    message: str
    hint: str

    @classmethod
    def of(cls, error: MigratorError) -> Told:
        """What an error says."""
        return cls(error.id, error.message, error.hint)


def goes_on(message: str) -> Told:
    """The program mends it by itself, and no person is asked."""
    return Told("-", message, "Nothing is to be done.")


class Scene:
    """A project with its pooler, and a server that speaks TLS where one is installed. Use as a context."""

    def __init__(self, database: Target, folder: Path) -> None:
        self.folder = folder
        self.project = Project(database, folder / "project")
        self.pooler = self.project.pooler()
        self._open = ExitStack()
        self._tls: TlsServer | None = None

    def __enter__(self) -> Self:
        self._open.enter_context(self.project)
        self._open.enter_context(self.pooler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def tls(self) -> TlsServer:
        """The server that speaks TLS.

        Raises:
            NotHere: None is installed.
        """
        if self._tls is None:
            if (found := programs()) is None:
                raise NotHere("no PostgreSQL with OpenSSL is installed")
            self._tls = self._open.enter_context(TlsServer(found))
        return self._tls

    def storage(self, key: str | None = None) -> Storage:
        """A client of Storage, with the secret key or another one."""
        return Storage(Api(self.project.api_url, Secret(key) if key else self.project.secret_key), first_wait=0.001)

    def auth(self, key: str | None = None) -> AuthAdmin:
        """A client of Auth, with the secret key or another one."""
        return AuthAdmin(Api(self.project.api_url, Secret(key) if key else self.project.secret_key), patience=0.2)

    def bucket(self, *, size_limit: int | None = None, mime_types: tuple[str, ...] | None = None) -> str:
        """A new bucket's name."""
        name = f"b-{secrets.token_hex(4)}"
        with self.storage() as storage:
            storage.create_bucket(Bucket(name, False, size_limit, mime_types))
        return name

    def put(self, bucket: str, key: str, size: int = 5, *, mime: str = "text/plain", with_key: str = "") -> None:
        """Store some bytes under a key."""
        with self.storage(with_key or None) as storage:
            storage.upload(bucket, key, io.BytesIO(bytes(size)), size, mime=mime, metadata={}, name="scan.pdf")

    def by_pooler(self, password: str | None = None, ref: str | None = None) -> Target:
        """The database through the pooler."""
        right = self.project.target.password
        assert right is not None
        return Target.parse(self.pooler.database_url(password or right.reveal(), ref=ref))

    def does(self, statement: str, target: Target | None = None) -> None:
        """Run a statement as the program would, as the project's owner.

        Raises:
            TargetError: As the program explains it.
        """
        where = target or self.project.target
        with connect(where) as connection:
            try:
                connection.execute(sql(statement))
            except Exception as error:
                raise explain(error, where) from error

    def outside(self, statement: str) -> None:
        """Run a statement as superuser, to make a fault."""
        with connect(self.project.superuser) as connection:
            connection.execute(sql(statement))

    def somebody(self) -> Target:
        """A login role without any right."""
        name = f"r_{secrets.token_hex(4)}"
        self.outside(f"CREATE ROLE {name} LOGIN PASSWORD 'p4ss'")
        return replace(self.project.target, user=name, password=Secret("p4ss"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal that the servers of a project are known for.

    Attributes:
        named: What it is known by.
        id: Under which a person is told.
        next_step: Words that the next step has.
        provoke: Makes it come, and raises or gives what is told.
    """

    area: str
    named: str
    id: str
    next_step: str
    provoke: Callable[[Scene], Told | None]

    def shown(self, scene: Scene) -> Told:
        """What a person is shown.

        Raises:
            AssertionError: Nothing was refused.
            NotHere: It cannot be provoked on this machine.
        """
        scene.project.faults.clear()
        try:
            told = self.provoke(scene)
        except MigratorError as error:
            told = Told.of(error)
        finally:
            scene.project.faults.clear()
        assert told is not None, f"{self.area}, {self.named}: nothing was refused"
        return told


Provoking = Callable[[Scene], Told | None]


def refusals_of(area: str) -> tuple[list[Refusal], Callable[[str, str, str], Callable[[Provoking], Provoking]]]:
    """A list of refusals of one area, and the decorator that adds one: by name, id and words of the next step."""
    found: list[Refusal] = []

    def refusal(named: str, id: str, next_step: str) -> Callable[[Provoking], Provoking]:
        def add(provoke: Provoking) -> Provoking:
            found.append(Refusal(area, named, id, next_step, provoke))
            return provoke

        return add

    return found, refusal
