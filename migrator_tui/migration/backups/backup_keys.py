"""The keys of backups: where they come from, never from the command's words."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator, Mapping

from migrator_tui.credentials import CredentialError, get_password, set_password
from migrator_tui.model.errors import BackupError, UsageError
from migrator_tui.model.secret import Secret
from migrator_tui.postgres.backup_file import KEY_BYTES, Header, OpeningKey, key_of_text, new_key

PASSPHRASE_VARIABLE = "MIGRATOR_TUI_BACKUP_PASSPHRASE"
RECOVERY_VARIABLE = "MIGRATOR_TUI_BACKUP_RECOVERY_KEY"
ACCOUNT = "backup-key"
"""The keyring's account of the key that this machine's backups share."""
SHORTEST = 8
"""Characters of a passphrase."""

Prompt = Callable[[str], str]

log = logging.getLogger(__name__)


def sealing_key(environ: Mapping[str, str], prompt: Prompt | None, *, passphrase: bool = False) -> OpeningKey:
    """The key that a new backup is opened by, beside its recovery key.

    A passphrase of the environment comes first, then the key in the keyring, which is made where there is none. Where
    there is no keyring, a person is asked for a passphrase.

    Args:
        prompt: Asks without showing what is typed; None where nobody is there.
        passphrase: Ask for one, whether or not there is a keyring.

    Raises:
        UsageError: ``BACKUP-PASSPHRASE``: too short, or typed in two ways.
        BackupError: ``BACKUP-NO-KEY``: there is neither a keyring nor a person.
    """
    if given := environ.get(PASSPHRASE_VARIABLE):
        return _passphrase(given)
    if passphrase:
        return _typed(prompt)
    try:
        return _of_keyring()
    except CredentialError as error:
        if prompt is None:
            raise BackupError(
                "BACKUP-NO-KEY",
                f"There is no key to encrypt the backup with: {error.message}",
                f"Set {PASSPHRASE_VARIABLE} to a passphrase.",
            ) from error
        return _typed(prompt)


def opening_keys(header: Header, environ: Mapping[str, str], prompt: Prompt | None) -> Iterator[OpeningKey]:
    """The keys that may open a backup, in the order in which they are tried; a person is asked last."""
    kinds = {entry.get("kind") for entry in header.keys}
    if text := environ.get(RECOVERY_VARIABLE):
        yield OpeningKey("recovery", key_of_text(text))
    if text := environ.get(PASSPHRASE_VARIABLE):
        yield OpeningKey("passphrase", text.encode())
    if "keyring" in kinds:
        try:
            if found := get_password(ACCOUNT):
                yield OpeningKey("keyring", base64.b64decode(found.reveal()))
        except (CredentialError, ValueError) as error:
            log.warning("The keyring gives no key: %s", error)
    if prompt is None or environ.get(RECOVERY_VARIABLE) or environ.get(PASSPHRASE_VARIABLE):
        return
    typed = prompt("Passphrase or recovery key: " if "passphrase" in kinds else "Recovery key: ")
    if "passphrase" in kinds:
        yield OpeningKey("passphrase", typed.encode())
    try:
        yield OpeningKey("recovery", key_of_text(typed))
    except BackupError:
        if "passphrase" not in kinds:
            raise


def _of_keyring() -> OpeningKey:
    found = get_password(ACCOUNT)
    if found is None:
        found = Secret(base64.b64encode(new_key()).decode())
        set_password(ACCOUNT, found)
    try:
        key = base64.b64decode(found.reveal(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BackupError(
            "BACKUP-KEY", f"What the keyring keeps as {ACCOUNT} is no key.", f"Set {PASSPHRASE_VARIABLE} instead."
        )
    return OpeningKey("keyring", key, ACCOUNT)


def _typed(prompt: Prompt | None) -> OpeningKey:
    if prompt is None:
        raise UsageError(
            "BACKUP-PASSPHRASE", "Nobody is there to type a passphrase.", f"Set {PASSPHRASE_VARIABLE} instead."
        )
    key = _passphrase(prompt("Passphrase of the backup: "))
    if prompt("The same once more: ").encode() != key.secret:
        raise UsageError("BACKUP-PASSPHRASE", "The two passphrases differ.", "Type the same one twice.")
    return key


def _passphrase(text: str) -> OpeningKey:
    if len(text) < SHORTEST:
        raise UsageError(
            "BACKUP-PASSPHRASE",
            f"The passphrase has {len(text)} characters; at least {SHORTEST} are needed.",
            "Several words are long enough, and easy to remember.",
        )
    return OpeningKey("passphrase", text.encode())
