"""A stand-in for a project, started and stopped as one: database, Auth and Storage behind one address."""

from __future__ import annotations

import secrets
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.routing import Mount

from migrator_tui.demo.project.auth_api import AuthApi
from migrator_tui.demo.project.blobs import Blobs
from migrator_tui.demo.project.bucket_api import BucketApi
from migrator_tui.demo.project.database import Database
from migrator_tui.demo.project.faults import Faults, FaultyApp
from migrator_tui.demo.project.keys import Keys
from migrator_tui.demo.project.layout import lay_out
from migrator_tui.demo.project.pooler import Pooler
from migrator_tui.demo.project.serving import HOST, Serving, lifespan_of
from migrator_tui.demo.project.storage_api import StorageApi
from migrator_tui.demo.project.storage_objects import Objects
from migrator_tui.demo.project.tus_api import LIFETIME, TusApi
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target

FILE_SIZE_LIMIT = 50 * 1024 * 1024
"""Bytes a file may have, as with ``supabase start`` and on the free plan."""


class Project:
    """A project that runs. Use as a context, or call :meth:`start` and :meth:`stop`.

    Attributes:
        ref: The project's reference, 20 letters.
        keys: Its keys and the secret that signs tokens.
        target: Its database, as the owner that a project gives out.
        superuser: Its database, as superuser: for looking at it from outside, never for the program.
        folder: Where the bytes of objects are.
        faults: What goes wrong on purpose.
    """

    def __init__(
        self,
        database: Target,
        folder: Path,
        *,
        ref: str | None = None,
        keys: Keys | None = None,
        file_size_limit: int = FILE_SIZE_LIMIT,
        upload_lifetime: float = LIFETIME,
        port: int = 0,
    ) -> None:
        """
        Args:
            database: A database of the embedded server, as superuser. It gets the layout of a project.
            folder: Where the bytes of objects are kept; one that an earlier project left is taken over.
            keys: The keys of an earlier project, so that it is the same one.
            file_size_limit: The project's, in bytes.
            upload_lifetime: Seconds that the URL of a resumable upload is good for.
            port: The API's; 0 is one that is free.
        """
        self.ref = ref or "".join(secrets.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(20))
        self.keys = keys or Keys.new(self.ref)
        self.superuser = database
        self.target = lay_out(database)
        self.folder = folder
        self.file_size_limit = file_size_limit
        self.upload_lifetime = upload_lifetime
        self.faults = Faults()
        self._port = port
        self._serving: Serving | None = None

    def start(self) -> Project:
        """Start the APIs; from then on :attr:`api_url` is known.

        Raises:
            UsageError: They do not start.
        """
        serving = Serving(FaultyApp(self._app(), self.faults), self._port)
        serving.start()
        self._serving, self._port = serving, serving.port
        return self

    def stop(self) -> None:
        """Stop the APIs. Rows and bytes stay; a later :meth:`start` goes on with them at the same address."""
        if self._serving:
            self._serving.stop()
            self._serving = None

    def __enter__(self) -> Project:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def api_url(self) -> str:
        """``http://127.0.0.1:<port>``, as a project's ``https://<ref>.supabase.co``."""
        return f"http://{HOST}:{self._port}"

    @property
    def database_url(self) -> str:
        """The owner's connection string, password included."""
        target = self.target
        password = target.password.reveal() if target.password else ""
        return (
            f"postgresql://{quote(target.user)}:{quote(password, safe='')}@/{quote(target.database)}"
            f"?host={quote(target.host, safe='/')}&port={target.port}"
        )

    @property
    def secret_key(self) -> Secret:
        """``sb_secret_…``: everything is allowed."""
        return Secret(self.keys.secret)

    @property
    def publishable_key(self) -> str:
        """``sb_publishable_…``: what anyone may have."""
        return self.keys.publishable

    @property
    def jwt_secret(self) -> Secret:
        """Signs tokens (HS256)."""
        return Secret(self.keys.jwt_secret)

    def pooler(self) -> Pooler:
        """A pooler in front of the database, not started; through it the owner is ``postgres.<ref>``."""
        return Pooler(self.ref, self.superuser)

    @property
    def latency(self) -> float:
        """Seconds that each request waits."""
        return self.faults.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self.faults.latency = seconds

    def _app(self) -> Starlette:
        database = Database(self.superuser)
        blobs = Blobs(self.folder / "objects")
        buckets = BucketApi(database, blobs, self.keys, self.file_size_limit)
        objects = Objects(database, blobs)
        storage = StorageApi(objects, self.keys, self.file_size_limit)
        tus = TusApi(storage, objects, self.keys, self.folder / "uploads", lambda: self.api_url)
        tus.lifetime = self.upload_lifetime
        auth = AuthApi(database, self.keys, lambda: self.api_url)
        return Starlette(
            routes=[
                Mount("/auth/v1", routes=auth.routes()),
                Mount("/storage/v1", routes=[*buckets.routes(), *tus.routes(), *storage.routes()]),
            ],
            lifespan=lifespan_of(database.close),
        )
