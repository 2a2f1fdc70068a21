"""Where a password comes from: environment, ``.pgpass``, the system's keyring, a masked prompt, in this order.

The keyring is never trusted to answer: on a server without a desktop it may be missing, locked, or wait for ever for
a window that nobody sees. Every call has a time limit, backends that keep nothing or keep plain text are refused, and
what was written is read back. A keyring cannot be listed, so the names (never the secrets) of what was stored are kept
in ``credentials.json`` beside the runs.
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import queue
import re
import stat
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from migrator_tui import locations
from migrator_tui.model.errors import MigratorError
from migrator_tui.model.secret import Secret

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

Result = TypeVar("Result")

PASSWORD_VARIABLES = ("MIGRATOR_TUI_TARGET_PASSWORD", "PGPASSWORD")
API_KEY_VARIABLES = ("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY")
SERVICE = "migrator-tui"
"""The keyring's service name; the account is :func:`account_name`."""
TIME_LIMIT = 5.0
"""Seconds that one call of the keyring may take."""
LONGEST = 1280
"""Characters of an item: Windows' credential store takes 2,560 bytes of UTF-16. Held everywhere, so that what is
stored on one system can be stored on every other."""
INDEX_NAME = "credentials.json"

_ALTERNATIVES = (
    "Give the password by MIGRATOR_TUI_TARGET_PASSWORD or PGPASSWORD, in ~/.pgpass (mode 0600), or type it when asked."
)
_PGPASS_LINE = re.compile(r"((?:[^:\\]|\\.)*):" * 4 + r"(?P<password>.*)")
# keyrings.alt keeps secrets in files; these of it encrypt them.
_ENCRYPTED_ALT = frozenset({"EncryptedKeyring", "RegistryKeyring"})

log = logging.getLogger(__name__)


class CredentialError(MigratorError):
    """The keyring is missing, locked, silent or unfit, or has no such item."""


@dataclass(frozen=True, slots=True)
class Found:
    """A secret and where it came from: a variable's name, a file's path, ``keyring`` or ``prompt``."""

    secret: Secret
    origin: str


def account_name(host: str, port: int, database: str, user: str) -> str:
    """The keyring account of one target: ``user@host:port/database``."""
    return f"{user}@{host or 'localhost'}:{port}/{database}"


def find_password(
    host: str,
    port: int,
    database: str,
    user: str,
    *,
    environ: Mapping[str, str],
    prompt: Callable[[str], str] | None = None,
    keyring_enabled: bool = True,
    time_limit: float = TIME_LIMIT,
) -> Found | None:
    """The password of a target, from the first place that has one.

    Args:
        prompt: Asks a person with the text given; :func:`terminal_prompt` gives one where there is a terminal.
        keyring_enabled: False leaves the keyring alone.
        time_limit: Seconds for the keyring.

    Returns:
        None where no place has one; the server may not want any. A keyring that fails is logged and passed over.
    """
    for variable in PASSWORD_VARIABLES:
        if environ.get(variable):
            return Found(Secret(environ[variable]), variable)
    if found := from_pgpass(host, port, database, user, environ=environ):
        return found
    account = account_name(host, port, database, user)
    if keyring_enabled and (found := _from_keyring(account, time_limit)):
        return found
    if prompt is not None and (typed := prompt(f"Password of {account}: ")):
        return Found(Secret(typed), "prompt")
    return None


def find_api_key(
    api: str,
    *,
    environ: Mapping[str, str],
    prompt: Callable[[str], str] | None = None,
    keyring_enabled: bool = True,
    time_limit: float = TIME_LIMIT,
) -> Found | None:
    """The secret key of a Supabase project's API; the keyring account is the API's host name."""
    for variable in API_KEY_VARIABLES:
        if environ.get(variable):
            return Found(Secret(environ[variable]), variable)
    account = urlsplit(api).hostname or api
    if keyring_enabled and (found := _from_keyring(account, time_limit)):
        return found
    if prompt is not None and (typed := prompt(f"Secret key of {account}: ")):
        return Found(Secret(typed), "prompt")
    return None


def terminal_prompt() -> Callable[[str], str] | None:
    """A prompt that does not show what is typed, or None where nobody sits at a terminal."""
    if sys.stdin is None or sys.stderr is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    return lambda text: getpass.getpass(text, stream=sys.stderr)


# ── .pgpass ─────────────────────────────────────────────────────────────────────────────────────────────────────


def from_pgpass(host: str, port: int, database: str, user: str, *, environ: Mapping[str, str]) -> Found | None:
    """The first matching line of ``PGPASSFILE`` or the home folder's ``.pgpass``, as libpq reads it.

    As libpq does, a file that others than its owner may read is ignored (and that is logged); Windows' file has no
    such check. A connection over a Unix socket matches ``localhost`` or the socket's folder.
    Source: PostgreSQL documentation, "The Password File".
    """
    path = pgpass_path(environ)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return None
        if os.name != "nt" and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            log.warning("%s is ignored: others may read it. Set its mode to 0600.", path)
            return None
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except OSError:
        return None
    hosts = {host} if host and not host.startswith(("/", "@")) else {host or "localhost", "localhost"}
    wanted = (hosts, {str(port)}, {database}, {user})
    for line in lines:
        match = _PGPASS_LINE.fullmatch(line.removesuffix("\r"))
        if match is None or line.startswith("#") or not match["password"]:
            continue
        # The wildcard is the bare star; an escaped one stands for a name that is "*".
        if all(
            field == "*" or _unescaped(field) in names for field, names in zip(match.groups(), wanted, strict=False)
        ):
            return Found(Secret(_unescaped(match["password"])), str(path))
    return None


def pgpass_path(environ: Mapping[str, str]) -> Path:
    """The password file that libpq would read."""
    if environ.get("PGPASSFILE"):
        return Path(environ["PGPASSFILE"])
    if os.name == "nt":
        return Path(environ.get("APPDATA", "")) / "postgresql" / "pgpass.conf"
    return (Path(environ["HOME"]) if environ.get("HOME") else Path.home()) / ".pgpass"


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


# ── keyring ─────────────────────────────────────────────────────────────────────────────────────────────────────


def set_password(account: str, secret: Secret, *, time_limit: float = TIME_LIMIT) -> None:
    """Store a secret in the keyring, read it back, and note the account's name.

    Raises:
        CredentialError: ``CREDENTIAL-NO-KEYRING``, ``-PLAINTEXT``, ``-LOCKED``, ``-TIMEOUT``, ``-TOO-LONG``,
            ``-NOT-KEPT`` (it did not come back the same) or ``-FAILED``.
    """
    length = len(secret.reveal())
    if not 0 < length <= LONGEST:
        raise CredentialError(
            "CREDENTIAL-TOO-LONG",
            f"The secret for {account} has {length:,} characters; the keyring takes 1 to {LONGEST:,}.",
            _ALTERNATIVES,
        )

    def store(backend: KeyringBackend) -> bool:
        backend.set_password(SERVICE, account, secret.reveal())
        return backend.get_password(SERVICE, account) == secret.reveal()

    if not _with_keyring(store, f"storing the secret for {account}", time_limit):
        raise CredentialError(
            "CREDENTIAL-NOT-KEPT",
            f"The keyring took the secret for {account} and gave back something else.",
            _ALTERNATIVES,
        )
    _write_index({*list_accounts(), account})


def get_password(account: str, *, time_limit: float = TIME_LIMIT) -> Secret | None:
    """The stored secret of an account, or None.

    Raises:
        CredentialError: As :func:`set_password`.
    """
    found = _with_keyring(
        lambda backend: backend.get_password(SERVICE, account), f"reading the secret for {account}", time_limit
    )
    return Secret(found) if found else None


def delete_password(account: str, *, time_limit: float = TIME_LIMIT) -> None:
    """Remove an account's secret from the keyring and its name from the index.

    Raises:
        CredentialError: ``CREDENTIAL-UNKNOWN``: there is none; else as :func:`set_password`.
    """

    def remove(backend: KeyringBackend) -> bool:
        if backend.get_password(SERVICE, account) is None:
            return False
        backend.delete_password(SERVICE, account)
        return True

    removed = _with_keyring(remove, f"deleting the secret for {account}", time_limit)
    known = set(list_accounts())
    if account in known:
        _write_index(known - {account})
    if not removed:
        raise CredentialError(
            "CREDENTIAL-UNKNOWN",
            f"The keyring has no secret for {account}.",
            "`migrator-tui credentials list` shows the accounts.",
        )


def list_accounts() -> tuple[str, ...]:
    """The names of the accounts that were stored, in order; an index that cannot be read counts as empty."""
    try:
        index = json.loads((locations.home() / INDEX_NAME).read_text(encoding="utf-8"))
        return tuple(sorted(str(account) for account in index["accounts"]))
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def _write_index(accounts: set[str]) -> None:
    locations.home().mkdir(mode=locations.PRIVATE_FOLDER, parents=True, exist_ok=True)
    document = json.dumps({"service": SERVICE, "accounts": sorted(accounts)}, indent=1)
    locations.write_private(locations.home() / INDEX_NAME, document + "\n")


def _from_keyring(account: str, time_limit: float) -> Found | None:
    try:
        secret = get_password(account, time_limit=time_limit)
    except CredentialError as error:
        # NO-KEYRING is the normal state of a server; the others are worth a look when the prompt surprises someone.
        log.log(logging.DEBUG if error.id == "CREDENTIAL-NO-KEYRING" else logging.WARNING, "%s", error.message)
        return None
    return Found(secret, "keyring") if secret else None


def _with_keyring(use: Callable[[KeyringBackend], Result], what: str, time_limit: float) -> Result:
    """Call the keyring in a daemon thread and wait no longer than the limit.

    Exceptions of backends are told by their kind alone: their text may hold the secret.
    """
    answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((True, use(_usable_backend())))
        except BaseException as error:
            answers.put((False, error))

    threading.Thread(target=work, name="keyring", daemon=True).start()
    try:
        succeeded, answer = answers.get(timeout=time_limit)
    except queue.Empty:
        raise CredentialError(
            "CREDENTIAL-TIMEOUT",
            f"The keyring did not answer within {time_limit:g} seconds while {what}; it may be waiting for a window.",
            _ALTERNATIVES,
        ) from None
    if succeeded:
        result: Result = answer
        return result
    raise _told(answer, what) from None


def _told(error: BaseException, what: str) -> CredentialError:
    from keyring import errors

    if isinstance(error, CredentialError):
        return error
    if isinstance(error, errors.NoKeyringError):
        return _no_keyring()
    if isinstance(error, errors.KeyringLocked):
        return CredentialError("CREDENTIAL-LOCKED", f"The keyring is locked ({what}).", f"Unlock it. {_ALTERNATIVES}")
    return CredentialError(
        "CREDENTIAL-FAILED", f"The keyring failed while {what}: {type(error).__name__}.", _ALTERNATIVES
    )


def _no_keyring() -> CredentialError:
    return CredentialError("CREDENTIAL-NO-KEYRING", "This system has no keyring that keeps secrets.", _ALTERNATIVES)


def _usable_backend() -> KeyringBackend:
    """The configured backend, or of a chain the first that is fit: a chain would also write to the unfit ones."""
    import keyring
    from keyring.backends.chainer import ChainerBackend

    chosen = keyring.get_keyring()
    candidates = list(chosen.backends) if isinstance(chosen, ChainerBackend) else [chosen]
    fit = [backend for backend in candidates if not (_keeps_nothing(backend) or _is_plaintext(backend))]
    if fit:
        return fit[0]
    if any(_is_plaintext(backend) for backend in candidates):
        raise CredentialError(
            "CREDENTIAL-PLAINTEXT",
            "The configured keyring keeps secrets in plain text, so nothing is stored in it.",
            f"Install the system's own keyring. {_ALTERNATIVES}",
        )
    raise _no_keyring()


def _keeps_nothing(backend: KeyringBackend) -> bool:
    return any(cls.__module__ in ("keyring.backends.null", "keyring.backends.fail") for cls in type(backend).__mro__)


def _is_plaintext(backend: KeyringBackend) -> bool:
    return any(
        cls.__name__ == "PlaintextKeyring"
        or (cls.__module__.startswith("keyrings.alt.") and cls is type(backend) and cls.__name__ not in _ENCRYPTED_ALT)
        for cls in type(backend).__mro__
    )
