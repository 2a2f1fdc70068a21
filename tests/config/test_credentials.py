from __future__ import annotations

import json
import logging
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import keyring.backends.fail
import keyring.backends.null
import keyring.errors
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend

from migrator_tui import credentials
from migrator_tui.credentials import (
    CredentialError,
    account_name,
    delete_password,
    find_api_key,
    find_password,
    from_pgpass,
    get_password,
    list_accounts,
    set_password,
)
from migrator_tui.model.secret import Secret

CANARY = "canary-7f3a"
ACCOUNT = account_name("db.example.org", 5432, "postgres", "app")
TARGET = ("db.example.org", 5432, "postgres", "app")


class MemoryKeyring(KeyringBackend):
    """A keyring that keeps its items in this process."""

    priority = 1

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.items[service, username]


class PlaintextKeyring(MemoryKeyring):
    """Named as keyrings.alt names the one that writes plain text."""


class ForgetfulKeyring(MemoryKeyring):
    """Takes an item and gives back half of it, as Windows' store did with long ones."""

    def get_password(self, service: str, username: str) -> str | None:
        found = super().get_password(service, username)
        return found and found[: len(found) // 2]


class HangingKeyring(MemoryKeyring):
    """Waits for a window that nobody sees, until the test ends."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.released.wait()
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        self.released.wait()


class BrokenKeyring(MemoryKeyring):
    """Fails with the error given, whose text repeats the secret, as a careless backend may."""

    def __init__(self, error: type[Exception]) -> None:
        super().__init__()
        self.error = error

    def get_password(self, service: str, username: str) -> str | None:
        raise self.error(f"cannot handle {CANARY}")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise self.error(f"cannot handle {password}")


class Chain(ChainerBackend):
    """A chain of the backends given."""

    backends: list[KeyringBackend] = []  # noqa: RUF012


def chain(*backends: KeyringBackend) -> KeyringBackend:
    chained: Any = Chain()  # type: ignore[no-untyped-call]
    chained.backends = list(backends)
    return chained  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MIGRATOR_TUI_HOME", str(tmp_path / "home"))
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


@pytest.fixture
def memory() -> MemoryKeyring:
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend


@pytest.fixture
def hanging() -> Iterator[HangingKeyring]:
    backend = HangingKeyring()
    keyring.set_keyring(backend)
    yield backend
    backend.released.set()


def pgpass(folder: Path, text: str, mode: int = 0o600) -> dict[str, str]:
    path = folder / "pgpass"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return {"PGPASSFILE": str(path)}


def test_the_places_are_asked_in_order(tmp_path: Path, memory: MemoryKeyring) -> None:
    set_password(ACCOUNT, Secret("from keyring"))
    environ = pgpass(tmp_path, "*:*:*:*:from pgpass\n") | {"PGPASSWORD": "from pg", "HOME": str(tmp_path)}
    environ["MIGRATOR_TUI_TARGET_PASSWORD"] = "from ours"
    origins = []
    for gone in ("MIGRATOR_TUI_TARGET_PASSWORD", "PGPASSWORD", "PGPASSFILE"):
        found = find_password(*TARGET, environ=environ, prompt=lambda text: "typed")
        assert found is not None
        origins.append((found.origin, found.secret.reveal()))
        del environ[gone]
    found = find_password(*TARGET, environ=environ, prompt=lambda text: "typed")
    assert found is not None
    origins.append((found.origin, found.secret.reveal()))
    memory.items.clear()
    found = find_password(*TARGET, environ=environ, prompt=lambda text: "typed for " + text)
    assert found is not None
    origins.append((found.origin, found.secret.reveal()))
    assert origins == [
        ("MIGRATOR_TUI_TARGET_PASSWORD", "from ours"),
        ("PGPASSWORD", "from pg"),
        (str(tmp_path / "pgpass"), "from pgpass"),
        ("keyring", "from keyring"),
        ("prompt", f"typed for Password of {ACCOUNT}: "),
    ]
    assert find_password(*TARGET, environ=environ) is None
    assert find_password(*TARGET, environ=environ, prompt=lambda text: "") is None


def test_an_empty_variable_is_no_password(tmp_path: Path, memory: MemoryKeyring) -> None:
    environ = {"MIGRATOR_TUI_TARGET_PASSWORD": "", "PGPASSWORD": "", "HOME": str(tmp_path)}
    assert find_password(*TARGET, environ=environ) is None


def test_the_keyring_can_be_left_alone(tmp_path: Path, memory: MemoryKeyring) -> None:
    set_password(ACCOUNT, Secret("x"))
    assert find_password(*TARGET, environ={"HOME": str(tmp_path)}, keyring_enabled=False) is None


def test_an_api_key_comes_from_the_environment_or_the_keyring(memory: MemoryKeyring) -> None:
    set_password("abcd.supabase.co", Secret("stored"))
    api = "https://abcd.supabase.co"
    keys = [
        find_api_key(api, environ=environ)
        for environ in ({"SUPABASE_SERVICE_ROLE_KEY": "old", "SUPABASE_SECRET_KEY": "new"}, {})
    ]
    assert [key and (key.origin, key.secret.reveal()) for key in keys] == [
        ("SUPABASE_SECRET_KEY", "new"),
        ("keyring", "stored"),
    ]


@pytest.mark.parametrize(
    ("line", "password"),
    [
        ("db.example.org:5432:postgres:app:secret", "secret"),
        ("*:*:*:*:secret", "secret"),
        ("db.example.org:*:postgres:app:a\\:b\\\\c", "a:b\\c"),
        ("db.example.org:*:postgres:app:a:b", "a:b"),
        ("*:*:*:*:secret\r", "secret"),
        ("*:*:*:*: with blanks ", " with blanks "),
        ("#*:*:*:*:comment\nbroken\n\n*:*:*:other:x\n*:*:*:app:second", "second"),
        ("*:*:*:app:first\n*:*:*:app:second", "first"),
        ("*:5433:*:*:x", None),
        ("other:*:*:*:x", None),
        ("*:*:\\*:*:x", None),
        ("*:*:*:x", None),
        ("*:*:*:*:", None),
        ("", None),
    ],
)
def test_a_pgpass_line_matches_as_libpq_says(tmp_path: Path, line: str, password: str | None) -> None:
    found = from_pgpass(*TARGET, environ=pgpass(tmp_path, line))
    assert (found and found.secret.reveal()) == password


def test_a_unix_socket_matches_localhost_or_its_folder(tmp_path: Path) -> None:
    for line, host in (
        ("localhost", "/run/postgresql"),
        ("/run/postgresql", "/run/postgresql"),
        ("localhost", ""),
        ("localhost", "localhost"),
    ):
        assert from_pgpass(host, 5432, "d", "u", environ=pgpass(tmp_path, f"{line}:5432:d:u:x")) is not None
    assert from_pgpass("db", 5432, "d", "u", environ=pgpass(tmp_path, "localhost:*:*:*:x")) is None


@given(st.tuples(*[st.text(st.characters(exclude_characters="\n\r\0", codec="utf-8"), min_size=1)] * 4))
def test_every_name_and_password_can_be_written_with_escapes(parts: tuple[str, ...]) -> None:
    host, database, user, password = (part.replace("\\", "\\\\").replace(":", "\\:") for part in parts)
    names = [r"\*" if name == "*" else name for name in (host, database, user)]
    line = f"\\{names[0]}" if names[0].startswith("#") else names[0]
    match = credentials._PGPASS_LINE.fullmatch(f"{line}:5432:{names[1]}:{names[2]}:{password}")
    assert match is not None
    assert [credentials._unescaped(match[i]) for i in (1, 3, 4, 5)] == list(parts)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_pgpass_that_others_may_read_is_ignored_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    environ = pgpass(tmp_path, f"*:*:*:*:{CANARY}", mode)
    with caplog.at_level(logging.WARNING):
        assert from_pgpass(*TARGET, environ=environ) is None
    assert "pgpass is ignored" in caplog.text
    assert CANARY not in caplog.text


def test_a_pgpass_that_is_missing_or_a_folder_is_passed_over(tmp_path: Path) -> None:
    assert from_pgpass(*TARGET, environ={"HOME": str(tmp_path)}) is None
    assert from_pgpass(*TARGET, environ={"PGPASSFILE": str(tmp_path)}) is None


def test_the_home_folders_pgpass_is_read(tmp_path: Path) -> None:
    (tmp_path / ".pgpass").write_text("*:*:*:*:x", encoding="utf-8")
    (tmp_path / ".pgpass").chmod(0o600)
    assert from_pgpass(*TARGET, environ={"HOME": str(tmp_path)}) is not None


def test_what_is_stored_is_read_back_listed_and_deleted(memory: MemoryKeyring, tmp_path: Path) -> None:
    set_password(ACCOUNT, Secret(CANARY))
    set_password("abcd.supabase.co", Secret("key"))
    assert memory.items["migrator-tui", ACCOUNT] == CANARY
    assert get_password(ACCOUNT) == Secret(CANARY)
    assert list_accounts() == ("abcd.supabase.co", ACCOUNT)
    index = tmp_path / "home" / "credentials.json"
    assert CANARY not in index.read_text(encoding="utf-8")
    assert index.stat().st_mode & 0o077 == 0
    delete_password(ACCOUNT)
    assert get_password(ACCOUNT) is None
    assert list_accounts() == ("abcd.supabase.co",)


def test_deleting_what_is_not_there_says_so_and_mends_the_index(memory: MemoryKeyring) -> None:
    set_password(ACCOUNT, Secret("x"))
    memory.items.clear()
    with pytest.raises(CredentialError) as caught:
        delete_password(ACCOUNT)
    assert caught.value.id == "CREDENTIAL-UNKNOWN"
    assert list_accounts() == ()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"accounts": 3}', json.dumps({"accounts": None})])
def test_an_index_that_cannot_be_read_counts_as_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "credentials.json").write_text(content, encoding="utf-8")
    assert list_accounts() == ()


def nothing() -> KeyringBackend:
    backend: type[KeyringBackend] = keyring.backends.null.Keyring
    return backend()


def plaintext_of_alt() -> KeyringBackend:
    return type("FileKeyring", (MemoryKeyring,), {"__module__": "keyrings.alt.file"})()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("make", "id"),
    [
        (keyring.backends.null.Keyring, "CREDENTIAL-NO-KEYRING"),
        (keyring.backends.fail.Keyring, "CREDENTIAL-NO-KEYRING"),
        (lambda: chain(), "CREDENTIAL-NO-KEYRING"),
        (lambda: chain(nothing()), "CREDENTIAL-NO-KEYRING"),
        (PlaintextKeyring, "CREDENTIAL-PLAINTEXT"),
        (plaintext_of_alt, "CREDENTIAL-PLAINTEXT"),
        (lambda: chain(PlaintextKeyring(), nothing()), "CREDENTIAL-PLAINTEXT"),
        (ForgetfulKeyring, "CREDENTIAL-NOT-KEPT"),
        (lambda: BrokenKeyring(keyring.errors.KeyringLocked), "CREDENTIAL-LOCKED"),
        (lambda: BrokenKeyring(keyring.errors.NoKeyringError), "CREDENTIAL-NO-KEYRING"),
        (lambda: BrokenKeyring(keyring.errors.PasswordSetError), "CREDENTIAL-FAILED"),
        (lambda: BrokenKeyring(ValueError), "CREDENTIAL-FAILED"),
    ],
)
def test_an_unfit_keyring_is_refused_with_what_to_do_instead(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, make: Any, id: str
) -> None:
    backend = make()
    keyring.set_keyring(backend)
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(CredentialError) as caught:
            set_password(ACCOUNT, Secret(CANARY))
        found = find_password(*TARGET, environ={"HOME": str(tmp_path)}, prompt=lambda text: "typed")
    assert caught.value.id == id
    assert "MIGRATOR_TUI_TARGET_PASSWORD" in caught.value.hint
    assert list_accounts() == ()
    assert CANARY not in str(caught.value) + repr(caught.value) + caplog.text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert found is not None
    assert found.secret.reveal() == "typed" or id == "CREDENTIAL-NOT-KEPT"


def test_nothing_is_written_to_a_plaintext_keyring(memory: MemoryKeyring) -> None:
    plain = PlaintextKeyring()
    keyring.set_keyring(chain(plain, memory))
    set_password(ACCOUNT, Secret("x"))
    assert plain.items == {}
    assert get_password(ACCOUNT) == Secret("x")
    assert len(memory.items) == 1


def test_a_keyring_that_hangs_is_given_up(tmp_path: Path, hanging: HangingKeyring) -> None:
    with pytest.raises(CredentialError) as caught:
        set_password(ACCOUNT, Secret(CANARY), time_limit=0.05)
    assert caught.value.id == "CREDENTIAL-TIMEOUT"
    assert CANARY not in str(caught.value)
    found = find_password(*TARGET, environ={"HOME": str(tmp_path)}, prompt=lambda text: "typed", time_limit=0.05)
    assert found is not None
    assert found.origin == "prompt"
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "keyring")


@pytest.mark.parametrize("length", [0, 1281])
def test_a_secret_that_windows_could_not_keep_is_refused_everywhere(memory: MemoryKeyring, length: int) -> None:
    with pytest.raises(CredentialError) as caught:
        set_password(ACCOUNT, Secret("x" * length))
    assert caught.value.id == "CREDENTIAL-TOO-LONG"
    assert memory.items == {}


def test_a_secret_of_the_greatest_length_is_kept(memory: MemoryKeyring) -> None:
    set_password(ACCOUNT, Secret("x" * 1280))
    assert get_password(ACCOUNT) == Secret("x" * 1280)


def test_a_secret_never_prints() -> None:
    secret = Secret(CANARY)
    found = credentials.Found(secret, "keyring")
    assert CANARY not in f"{secret} {secret!r} {found} {found!r} {[secret]} {secret!s:>10}"
    assert repr(secret) == "***"
    with pytest.raises(TypeError):
        json.dumps({"password": secret})
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_without_a_terminal_nobody_is_asked() -> None:
    assert credentials.terminal_prompt() is None
