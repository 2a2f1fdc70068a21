"""A real PostgreSQL that speaks TLS, with certificates made for it, where one with OpenSSL is installed.

The embedded server has no OpenSSL. A host's name is verified as if it were reached by DNS: libpq takes ``hostaddr`` for
the way and ``host`` for the name in the certificate.
"""

from __future__ import annotations

import datetime
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from migrator_tui.model.secret import Secret
from migrator_tui.postgres.connect import Target, connect

REF = "abcdefghijklmnopqrst"
DIRECT = f"db.{REF}.supabase.co"
POOLER = "aws-0-eu-central-1.pooler.supabase.com"
NAMES = ("localhost", DIRECT, "*.pooler.supabase.com")
PASSWORD = "p4ss"
ROLES = ("postgres", f"postgres.{REF}")
PLACES = ("/usr/lib/postgresql", "/usr/pgsql-*", "/opt/homebrew/opt/postgresql@*", "/usr/local/opt/postgresql@*")


def programs() -> Path | None:
    """The folder of an installed server's programs that were built with OpenSSL; None where there is none."""
    found = [Path(path).parent for name in ("initdb",) if (path := shutil.which(name))]
    for place in PLACES:
        top = Path(place)
        found += sorted(top.parent.glob(f"{top.name}/**/bin"), reverse=True)
    for folder in found:
        if not all((folder / name).exists() for name in ("initdb", "postgres", "pg_ctl", "pg_config")):
            continue
        built = subprocess.run([folder / "pg_config", "--configure"], capture_output=True, text=True, check=False)
        if "openssl" in built.stdout:
            return folder
    return None


class Authority:
    """A certificate authority. ``file`` holds its certificate."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _certificate(name, (), self._key, self._key, name, days=10, authority=True)
        self.file = folder / f"{name}.crt"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, name: str, hosts: Sequence[str], *, days: int = 10) -> tuple[Path, Path]:
        """A certificate for hosts, and its key.

        Args:
            days: It is good for; less than 0 where its time is over.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(hosts[0], hosts, key, self._key, self._name, days=days, authority=False)
        certificate, private = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        private.chmod(0o600)
        return certificate, private


class TlsServer:
    """A server on 127.0.0.1 that lets in who comes encrypted. Use as a context.

    Attributes:
        authority: That signed its certificate.
        stranger: Another authority.
    """

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._top = Path(tempfile.mkdtemp(prefix="mt-tls-"))  # short: a Unix socket's path has 107 bytes
        self._data = self._top / "data"
        self._user = _unprivileged()
        self.authority = Authority(self._top, "authority")
        self.stranger = Authority(self._top, "stranger")
        self._certificates = {
            "good": self.authority.sign("good", NAMES),
            "expired": self.authority.sign("expired", NAMES, days=-1),
        }
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    def __enter__(self) -> Self:
        self._own()
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8")
        with (self._data / "postgresql.conf").open("a") as file:
            file.write(
                f"\nlisten_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self._top}'\n"
                "fsync = off\nshared_buffers = 8MB\n"
            )
        (self._data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        self._certify("good")
        self._run("pg_ctl", "-D", self._data, "-l", self._top / "log", "-w", "start")
        with connect(self._inside()) as connection:
            connection.execute(f"CREATE ROLE \"{ROLES[1]}\" SUPERUSER LOGIN PASSWORD '{PASSWORD}'".encode())
            connection.execute(f"ALTER ROLE postgres PASSWORD '{PASSWORD}'".encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._top, ignore_errors=True)

    def target(self, host: str = "localhost", **parameters: str) -> Target:
        """The server by a host's name, which its certificate must be for."""
        user = ROLES["pooler" in host]
        given = {"hostaddr": "127.0.0.1"} | parameters
        return Target(host, self.port, user, "postgres", Secret(PASSWORD), given)

    def certify(self, name: str) -> None:
        """Go on with another certificate; ``none`` is a server that speaks no TLS."""
        self._certify(name)
        self._run("pg_ctl", "-D", self._data, "-w", "restart", "-m", "fast", "-l", self._top / "log")

    def _certify(self, name: str) -> None:
        lines = "ssl = off\n"
        if name != "none":
            certificate, key = self._certificates[name]
            lines = f"ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n"
        (self._data / "postgresql.auto.conf").write_text(lines)
        self._own()

    def _inside(self) -> Target:
        return Target(str(self._top), self.port, "postgres", "postgres")

    def _own(self) -> None:
        if self._user is not None:
            for path in (self._top, *self._top.rglob("*")):
                shutil.chown(path, self._user)

    def _run(self, program: str, *words: str | Path) -> None:
        subprocess.run(
            [self._binaries / program, *words],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            user=self._user,
            cwd=self._top,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
        )


def _unprivileged() -> str | None:
    """Who a server runs as that root starts; None for oneself."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _certificate(
    subject: str,
    hosts: Sequence[str],
    key: ec.EllipticCurvePrivateKey,
    signed_by: ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    days: int,
    authority: bool,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=20))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if hosts:
        names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signed_by, hashes.SHA256())
