"""Commands that are given a way into a Supabase project: refused or rewritten before anything is sent."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

POOLER = "aws-0-eu-central-1.pooler.supabase.com"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small file."""
    path = tmp_path / "dev.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    connection.close()
    return path


@pytest.mark.parametrize("command", ["check", "plan", "migrate"])
def test_the_transaction_pooler_is_refused_with_the_url_to_use(cli: Cli, source: Path, command: str) -> None:
    url = f"postgresql://postgres.abcd:secret@{POOLER}:6543/postgres"
    answer = cli(command, "--source", source, "--target", url, "--json")
    assert answer.code == 2
    assert answer.error["id"] == "TARGET-TRANSACTION-POOLER"
    assert f"postgresql://postgres.abcd@{POOLER}:5432/postgres" in answer.error["hint"]
    assert "--session-pooler" in answer.error["hint"]
    assert "secret" not in answer.out + answer.err


def test_the_transaction_pooler_is_rewritten_where_the_person_agrees(cli: Cli, source: Path) -> None:
    url = f"postgresql://postgres.abcd:secret@{POOLER}:6543/postgres"
    answer = cli("check", "--source", source, "--target", url, "--session-pooler", "--json")
    assert answer.error["id"] == "TARGET-CA"  # which stops it next, before anything is sent


def test_two_projects_in_one_profile_are_refused(cli: Cli, source: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "profiles:\n  p:\n"
        f"    source: {{sqlite: {source}}}\n"
        f"    target: {{database: 'postgresql://postgres.abcd@{POOLER}:5432/postgres', api: 'https://efgh.supabase.co'}}\n"
    )
    answer = cli("check", "--config", config, "--json")
    assert answer.code == 2
    assert answer.error["id"] == "TARGET-PROJECT"
    assert all(ref in answer.error["message"] for ref in ("abcd", "efgh"))
