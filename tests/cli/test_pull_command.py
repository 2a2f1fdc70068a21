"""The command pull: its document, its exit codes, and what it says to a person."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from migrator_tui.demo.sample_app import SampleApp
from migrator_tui.postgres.connect import Target

Cli = Callable[..., Any]


def test_the_document_lists_the_tables_and_what_is_not_carried(
    cli: Cli, ends: list[str], app: SampleApp, target: Target, tmp_path: Path
) -> None:
    assert cli("migrate", "--decisions", app.decisions, *ends, "--json").code == 0
    file = tmp_path / "pulled.db"
    answer = cli("pull", "--to", file, "--target", target.display, "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    assert (document["command"], document["status"], document["file"]) == ("pull", "succeeded", str(file))
    with closing(sqlite3.connect(file)) as connection:
        for table in document["tables"]:
            assert connection.execute(f'SELECT count(*) FROM "{table["table"]}"').fetchone() == (table["rows"],)
            assert table["verified"]
            assert table["original"]
    assert document["not_carried"] == []


def test_a_person_is_told_what_is_in_the_file(cli: Cli, db: Any, target: Target, tmp_path: Path) -> None:
    db.execute("CREATE TABLE people (id int PRIMARY KEY, mail text, place point)")
    db.execute("INSERT INTO people VALUES (1, 'a@b.org', '(1,2)'), (2, NULL, NULL)")
    file = tmp_path / "pulled.db"
    asked = ("pull", "--to", file, "--target", target.display, "--plain")
    answer = cli(*asked, "--redact", "people.mail", "--where", "people: id = 1")
    assert answer.code == 0, answer.err
    assert "redacted: people.mail" in answer.out
    assert "people.place: point as Postgres writes it" in answer.out
    assert cli(*asked).code == 2
    assert cli(*asked, "--replace").code == 0


def test_a_folder_that_cannot_be_written_and_a_condition_without_a_table_are_named(
    cli: Cli, target: Target, tmp_path: Path
) -> None:
    answer = cli("pull", "--to", tmp_path / "none" / "x.db", "--target", target.display, "--json")
    assert (answer.code, answer.error["id"]) == (1, "PULL-FILE")
    answer = cli("pull", "--to", tmp_path / "x.db", "--target", target.display, "--where", "id = 1", "--json")
    assert (answer.code, answer.error["id"]) == (2, "PULL-WHERE")
