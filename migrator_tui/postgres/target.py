"""Where the target is: a Postgres URL taken apart, shown without its password, and put together for libpq."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

import psycopg
from psycopg import conninfo, pq

from migrator_tui import locations
from migrator_tui.model.errors import UsageError
from migrator_tui.model.secret import Secret

DEFAULT_PORT = 5432
CONNECT_TIMEOUT = 10
SUPABASE_HOST = re.compile(r"\.supabase\.(co|com)$", re.IGNORECASE)
NO_TLS_DEMANDED = ("disable", "allow", "prefer")
SECRET_PARAMETERS = ("sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret")
CA_FILE = "supabase-ca.crt"
"""Supabase's certificate authorities in the program's own folder: a person puts the file there once."""
SUPABASE_CA_HINT = (
    "Download the certificate in the dashboard (Database Settings, SSL Configuration) and name the file with "
    f"?sslrootcert=FILE in the URL or PGSSLROOTCERT, or put it as {CA_FILE} into the program's folder "
    "(MIGRATOR_TUI_HOME). ?sslmode=require encrypts without verifying who answers."
)
URL_HINT = (
    "Write it as postgresql://user@host:5432/database; characters such as @ # / % in a password as %40 %23 %2F %25."
)

# A dead link ends instead of hanging: seconds and milliseconds as libpq takes them.
KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}


@dataclass(frozen=True, slots=True)
class Target:
    """A Postgres database and how to get there.

    Attributes:
        host: Name or address, or the folder of a Unix socket.
        parameters: Further libpq parameters of the URL (``sslmode``, ``sslrootcert`` …).
        secrets: Those of them that are secret (``sslpassword`` …).
    """

    host: str
    port: int
    user: str
    database: str
    password: Secret | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    @classmethod
    def parse(cls, url: str) -> Target:
        """Read a URL.

        libpq reads ``u:12/3@host`` as host ``u``, port 12, database ``3@host``: what can only be a password with
        characters that were not percent-encoded is refused, before a part of it is shown as something else.

        What the URL leaves out is what libpq takes for it: PGUSER or the system's user, PGDATABASE or the user's name,
        PGPORT, PGHOST; but ``localhost`` where libpq would look for a socket in a folder that its build chose.

        Raises:
            UsageError: It is none that libpq understands. The text is not repeated: it may hold a password.
        """
        url = url.strip()
        if not (scheme := re.match(r"postgres(ql)?://", url, re.IGNORECASE)):
            _refuse("The target is not a Postgres URL.")
        rest = url[scheme.end() :]
        if "\0" in rest:
            _refuse("The target's URL holds a NUL, where libpq would stop reading.")
        # As libpq: the user's part ends at the first @ that no / comes before.
        end = re.match(r"[^@/]*@", rest)
        if "#" in rest or "@" in rest[end.end() if end else 0 :]:
            _refuse("The target's URL holds a @, # or / that is not percent-encoded, as if in the password.")
        if "[YOUR-PASSWORD]" in rest:
            _refuse("The target's URL still has [YOUR-PASSWORD] in the password's place.")
        try:
            found = {k: str(v) for k, v in conninfo.conninfo_to_dict(f"postgresql://{rest}").items() if v is not None}
        except (psycopg.Error, UnicodeError) as error:  # %ff: bytes that are no text
            foreign = re.search(r'invalid URI query parameter: "(\w+)"', str(error))
            what = f": it does not know the parameter {foreign[1]}" if foreign else ""
            _refuse(f"The target is not a URL that Postgres understands{what}.")
        usual = {option.keyword.decode(): (option.val or b"").decode() for option in pq.Conninfo.get_defaults()}
        host = found.pop("host", "")
        if not host and "hostaddr" not in found:
            host = usual["host"]
        number = found.pop("port", "") or usual["port"] or str(DEFAULT_PORT)
        if "," in host or "," in number:
            _refuse("The target's URL names several hosts; name the one to write to.")
        if not re.fullmatch("[0-9]{1,5}", number) or not 0 < int(number) < 65536:
            _refuse("The target's port is not a number from 1 to 65535.")
        if not host.startswith("/") and re.search(r"[@\s]", host):
            _refuse("The target's host is not a host name.")
        user = found.pop("user", "") or usual["user"] or "postgres"
        password = found.pop("password", "")
        return cls(
            host=host or found.pop("hostaddr", "") or "localhost",
            port=int(number),
            user=user,
            database=found.pop("dbname", "") or usual["dbname"] or user,
            password=Secret(password) if password else None,
            secrets={name: Secret(found.pop(name)) for name in SECRET_PARAMETERS if name in found},
            parameters=found,
        )

    @property
    def local(self) -> bool:
        """On this machine: a socket or a loopback address."""
        return self.host.startswith("/") or self.host in ("localhost", "127.0.0.1", "::1")

    @property
    def display(self) -> str:
        """The connection string without the password, put together from the parsed parts."""
        user, database, parameters = quote(self.user, safe=""), quote(self.database, safe=""), dict(self.parameters)
        if self.host.startswith("/"):
            place = ""
            parameters["host"] = self.host
            if self.port != DEFAULT_PORT:
                parameters["port"] = str(self.port)
        else:
            host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
            place = f"{host}:{self.port}"
        more = "&".join(f"{name}={quote(value, safe='/')}" for name, value in parameters.items())
        return f"postgresql://{user}@{place}/{database}{'?' if more else ''}{more}"

    @property
    def label(self) -> str:
        """A short name that tells targets apart: ``database@host``, with the port where it is not the usual one."""
        port = "" if self.port == DEFAULT_PORT else f":{self.port}"
        return f"{self.database}@{'localhost' if self.host.startswith('/') else self.host}{port}"

    @property
    def verifies(self) -> bool:
        """Whether the server's certificate is to be verified: by wish, or where nothing was said of a Supabase host."""
        demanded = self.parameters.get("sslmode") or os.environ.get("PGSSLMODE", "")
        return demanded.startswith("verify") or (not demanded and bool(SUPABASE_HOST.search(self.host)))

    @property
    def authority(self) -> str | None:
        """The file of the certificate authorities that a verified certificate must come from, as libpq finds it.

        For a Supabase host also one in the program's own folder, because its authority is a private one.
        """
        if given := self.parameters.get("sslrootcert") or os.environ.get("PGSSLROOTCERT"):
            return given
        own = (locations.home() / CA_FILE,) if SUPABASE_HOST.search(self.host) else ()
        usual = Path("~/.postgresql/root.crt").expanduser()
        return next((str(path) for path in (*own, usual) if path.is_file()), None)

    def with_password(self, secret: Secret) -> Target:
        """The target with a password."""
        return replace(self, password=secret)

    def with_database(self, name: str) -> Target:
        """Another database of the same server."""
        return replace(self, database=name)

    def conninfo(self, **extra: str) -> str:
        """The libpq connection string, password included; never to be shown."""
        given: dict[str, str] = {"connect_timeout": str(CONNECT_TIMEOUT), "client_encoding": "UTF8"}
        if not self.host.startswith("/"):
            given |= KEEPALIVES
        given |= dict(self.parameters)
        demanded = given.get("sslmode") or os.environ.get("PGSSLMODE", "")
        if SUPABASE_HOST.search(self.host):
            if not demanded:
                given["sslmode"] = "verify-full"
            elif demanded in NO_TLS_DEMANDED:
                given["sslmode"] = "require"
            if self.verifies and self.authority:
                given["sslrootcert"] = self.authority
        given |= {name: secret.reveal() for name, secret in self.secrets.items()}
        given |= {"host": self.host, "port": str(self.port), "user": self.user, "dbname": self.database} | extra
        if self.password is not None:
            given["password"] = self.password.reveal()
        return conninfo.make_conninfo(**given)


def _refuse(message: str) -> NoReturn:
    # Without the driver's error behind it, which repeats the text.
    raise UsageError("TARGET-URL", message, URL_HINT) from None
