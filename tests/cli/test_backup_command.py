"""The commands backup and restore: their documents, their exit codes, their keys, and what they say to a person."""

from __future__ import annotations

import re
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend

from migrator_tui.postgres.connect import Target

Cli = Callable[..., Any]
PASSPHRASE = "four words of mine"


class OwnKeyring(KeyringBackend):
    """A keyring that keeps its items in this process."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.items: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.items[service, username] = password


@pytest.fixture
def own_keyring() -> Iterator[OwnKeyring]:
    before = keyring.get_keyring()
    backend = OwnKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


@pytest.fixture
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIGRATOR_TUI_BACKUP_PASSPHRASE", PASSPHRASE)


@pytest.fixture
def rows(db: Any) -> Any:
    db.execute("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a, secret text)")
    db.execute("INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1, 'canary')")
    return db


def recovery_key(said: str) -> str:
    keys = re.findall(r"^ {2}((?:[A-Z2-7]{4}-){12}[A-Z2-7]{4})$", said, re.MULTILINE)
    assert len(keys) == 1
    return str(keys[0])


@pytest.mark.usefixtures("passphrase")
def test_the_documents_tell_what_was_kept_proven_and_put_back(
    cli: Cli, rows: Any, target: Target, tmp_path: Path
) -> None:
    file, on = tmp_path / "x.backup", ("--target", target.display, "--json")
    made = cli("backup", "--out", file, *on)
    assert made.code == 0, made.err
    document = made.document
    assert (document["command"], document["status"], document["file"]) == ("backup", "succeeded", str(file))
    assert (document["proven"], document["proven_on"], document["bytes"]) == (True, "target", file.stat().st_size)
    assert [(table["table"], table["rows"]) for table in document["tables"]] == [("a", 2), ("b", 1)]
    assert recovery_key(made.err) not in made.out
    assert PASSPHRASE not in made.out + made.err
    assert b"canary" not in file.read_bytes()

    refused = cli("restore", file, *on)
    assert (refused.code, refused.error["id"], refused.document["status"]) == (3, "RESTORE-OCCUPIED", "needs_decisions")
    beside = cli("restore", file, "--into-schema", "beside", "--tables", "b", *on)
    assert beside.code == 0, beside.err
    assert beside.document["schema"] == "beside"
    assert [item["object"] for item in beside.document["not_restored"]] == ["foreign key"]
    rows.execute("DELETE FROM b; INSERT INTO a VALUES (3)")
    done = cli("restore", file, "--replace", *on)
    assert done.code == 0, done.err
    assert [(t["table"], t["rows"], t["verified"]) for t in done.document["tables"]] == [("a", 2, True), ("b", 1, True)]
    assert rows.execute("SELECT secret FROM b").fetchall() == [("canary",)]
    kept = done.document["replaced"]
    assert rows.execute(f"SELECT count(*) FROM {kept}.a".encode()).fetchone() == (3,)
    assert not rows.execute("SELECT 1 FROM pg_namespace WHERE nspname LIKE 'migrator_backup%'").fetchall()


@pytest.mark.usefixtures("passphrase")
def test_what_cannot_be_trusted_is_refused_with_one_line(
    cli: Cli, rows: Any, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, on = tmp_path / "x.backup", ("--target", target.display, "--plain")
    key = recovery_key(cli("backup", "--out", file, *on).err)
    rows.execute("DROP TABLE b, a")
    whole = file.read_bytes()

    def refused(data: bytes) -> str:
        file.write_bytes(data)
        answer = cli("restore", file, *on)
        assert (answer.code, answer.out) == (1, "")
        first, *hints = answer.err.splitlines()
        assert all(hint.startswith("  → ") for hint in hints)
        assert rows.execute("SELECT 1 FROM pg_class WHERE relname = 'a'").fetchall() == []
        return str(first)

    assert refused(whole[:-20]).startswith("BACKUP-ALTERED: ")
    assert refused(whole[:-20] + bytes([whole[-20] ^ 4]) + whole[-19:]).startswith("BACKUP-ALTERED: ")
    assert refused(whole[:100]).startswith("BACKUP-ALTERED: ")
    assert refused(b"PGDMP").startswith("BACKUP-NOT-ONE: ")
    monkeypatch.setenv("MIGRATOR_TUI_BACKUP_PASSPHRASE", "another one")
    assert refused(whole).startswith("BACKUP-KEY: ")
    monkeypatch.delenv("MIGRATOR_TUI_BACKUP_PASSPHRASE")
    assert refused(whole).startswith("BACKUP-KEY: ")
    monkeypatch.setenv("MIGRATOR_TUI_BACKUP_RECOVERY_KEY", key.lower())
    assert cli("restore", file, *on).code == 0
    assert rows.execute("SELECT count(*) FROM b").fetchone() == (1,)


def test_the_keyring_keeps_one_key_for_all_backups(
    cli: Cli, rows: Any, target: Target, tmp_path: Path, own_keyring: OwnKeyring, home: Path
) -> None:
    on = ("--target", target.display)
    made = cli("backup", *on)
    assert made.code == 0, made.err
    file = next((home / "backups").iterdir())
    assert str(file) in made.out
    assert cli("backup", "--out", tmp_path / "y", "--tables", "a", *on).code == 0
    assert list(own_keyring.items) == [("migrator-tui", "backup-key")]
    (kept,) = own_keyring.items.values()
    assert kept not in made.out + made.err
    for nth in (file, tmp_path / "y"):
        assert cli("restore", nth, "--into-schema", f"s{nth.name[0]}", *on).code == 0
    own_keyring.items.clear()
    assert cli("restore", file, "--into-schema", "later", *on).code == 1


def test_without_any_key_nothing_is_written(cli: Cli, rows: Any, target: Target, tmp_path: Path) -> None:
    from keyring.backends.fail import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())  # type: ignore[no-untyped-call]
    try:
        answer = cli("backup", "--out", tmp_path / "x", "--target", target.display, "--json")
    finally:
        keyring.set_keyring(before)
    assert (answer.code, answer.error["id"]) == (1, "BACKUP-NO-KEY")
    assert "MIGRATOR_TUI_BACKUP_PASSPHRASE" in answer.error["hint"]
    assert not (tmp_path / "x").exists()


@pytest.mark.usefixtures("passphrase")
def test_an_unproven_backup_is_called_so(cli: Cli, rows: Any, target: Target, tmp_path: Path) -> None:
    on = ("--target", target.display)
    answer = cli("backup", "--no-prove", "--out", tmp_path / "x", *on)
    assert answer.code == 0
    assert "UNPROVEN" in answer.err
    assert "unproven" in answer.out
    document = cli("backup", "--no-prove", "--out", tmp_path / "y", *on, "--json").document
    assert (document["proven"], document["proven_on"]) == (False, None)


@pytest.mark.usefixtures("passphrase")
def test_a_backup_is_proven_on_an_embedded_server_too(cli: Cli, rows: Any, target: Target, tmp_path: Path) -> None:
    for name in ("x", "y"):
        answer = cli("backup", "--prove", "embedded", "--out", tmp_path / name, "--target", target.display, "--json")
        assert answer.code == 0, answer.err
        assert answer.document["proven_on"] == "embedded"


@pytest.mark.usefixtures("passphrase")
def test_wrong_words_are_told_as_such(
    cli: Cli, rows: Any, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = ("--target", target.display, "--json")
    (tmp_path / "x").write_bytes(b"mine")
    for words, code, id in (
        (("backup", "--out", tmp_path / "x"), 2, "BACKUP-EXISTS"),
        (("backup", "--out", tmp_path / "no" / "x"), 2, "BACKUP-FOLDER"),
        (("backup", "--tables", "nowhere", "--out", tmp_path / "y"), 1, "BACKUP-NO-TABLE"),
        (("backup", "--schema", "nowhere", "--out", tmp_path / "y"), 1, "BACKUP-NO-TABLE"),
        (("restore", tmp_path / "none"), 2, "BACKUP-NO-FILE"),
        (("restore", tmp_path / "x", "--into-schema", "s", "--replace"), 2, "RESTORE-OPTIONS"),
        (("restore", tmp_path / "x"), 1, "BACKUP-NOT-ONE"),
    ):
        answer = cli(*words, *on)
        assert (answer.code, answer.error["id"]) == (code, id)
    monkeypatch.setenv("MIGRATOR_TUI_BACKUP_PASSPHRASE", "short")
    answer = cli("backup", "--out", tmp_path / "y", *on)
    assert (answer.code, answer.error["id"]) == (2, "BACKUP-PASSPHRASE")
    assert "short" not in answer.out + answer.err
    assert (tmp_path / "x").read_bytes() == b"mine"
    assert not (tmp_path / "y").exists()


def test_a_run_into_tables_with_rows_offers_a_backup_first(
    cli: Cli, db: Any, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "s.db")) as source:
        source.executescript(
            "CREATE TABLE a (id INTEGER PRIMARY KEY, t TEXT); INSERT INTO a VALUES (1, 'x');"
            "CREATE TABLE b (id INTEGER PRIMARY KEY); INSERT INTO b VALUES (1);"
        )
    ends = ("--source", tmp_path / "s.db", "--target", target.display)
    line = f"backup first: {shlex.join(['migrator-tui', 'backup', '--target', target.display, '--tables', 'a'])}"
    assert "backup first" not in cli("check", *ends).err
    db.execute("CREATE TABLE b (id bigint PRIMARY KEY); CREATE TABLE a (id bigint PRIMARY KEY, t text)")
    db.execute("INSERT INTO a VALUES (9, 'live')")
    assert cli("check", *ends).err.splitlines() == [line]
    done = cli("migrate", "--yes", *ends, "--json")
    assert done.code == 0, done.err
    assert done.err.splitlines().count(line) == 1
    monkeypatch.setenv("MIGRATOR_TUI_BACKUP_PASSPHRASE", PASSPHRASE)
    assert cli(*shlex.split(line)[3:]).code == 0


@pytest.mark.usefixtures("passphrase")
def test_rows_of_a_backup_join_live_tables_by_decisions_given_with_the_command_or_later(
    cli: Cli, rows: Any, target: Target, tmp_path: Path
) -> None:
    rows.execute("ALTER TABLE a ADD name text; UPDATE a SET name = 'as it was'; DROP TABLE b")
    file, on = tmp_path / "x.backup", ("--target", target.display)
    assert cli("backup", "--out", file, "--no-prove", *on).code == 0
    rows.execute("UPDATE a SET name = 'edited' WHERE id = 1; DELETE FROM a WHERE id = 2")
    decisions = tmp_path / "decisions.yaml"
    decisions.write_text("conflicts: [{table: a, key: {id: 1}, choice: keep-target}]")

    refused = cli("restore", file, *on)
    assert (refused.code, "--merge" in refused.err) == (3, True)
    waits = cli("restore", file, "--merge", "--json", *on)
    assert (waits.code, waits.document["error"]["id"]) == (3, "CONFLICTS")
    assert waits.document["conflicts"] == {"found": 1, "resolved": 0}
    assert rows.execute("SELECT * FROM a").fetchall() == [(1, "edited")]
    done = cli("resume", waits.document["run"], "--decisions", decisions, "--json")
    assert (done.code, done.document["status"]) == (0, "succeeded")
    assert rows.execute("SELECT * FROM a ORDER BY id").fetchall() == [(1, "edited"), (2, "as it was")]
    assert cli("restore", file, "--on-conflict", "keep-source", *on).code == 0
    assert rows.execute("SELECT * FROM a ORDER BY id").fetchall() == [(1, "as it was"), (2, "as it was")]
    told = cli("verify", waits.document["run"])
    assert (told.code, "VERIFY-RESTORE" in told.err) == (2, True)
    assert cli("restore", file, "--merge", "--replace", *on).code == 2
