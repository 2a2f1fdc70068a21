"""The command that brings both ends together, from its first refusal to the clean-up."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from migrator_tui.postgres.connect import Target

Cli = Callable[..., Any]


def test_sync_says_what_came_to_which_end_and_leaves_decisions_to_a_file(
    cli: Cli, target: Target, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    source, decisions = tmp_path / "app.db", tmp_path / "decisions.yaml"

    def in_file(script: str) -> None:
        with closing(sqlite3.connect(source)) as connection:
            connection.executescript(script)

    in_file(
        "CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT, at DATETIME, tags JSON, "
        "short TEXT GENERATED ALWAYS AS (printf('%.3s', title)) STORED);"
        "INSERT INTO post (id, title, at, tags) VALUES (1, 'one', '2026-01-05 10:00:00', '[1]'), "
        "(2, 'two', NULL, NULL), "
        "(3, 'three', NULL, '{}');"
    )
    ends = ("--source", source, "--target", target.display)
    answer = cli("sync", *ends, "--json")
    assert (answer.code, answer.error["id"]) == (2, "SYNC-NO-BASE")
    assert cli("migrate", *ends, "--yes", "--json").code == 0
    in_file(
        "UPDATE post SET title = 'eins' WHERE id = 1;"
        "INSERT INTO post (id, title, at) VALUES (4, 'four', '2026-02-05 10:00:00')"
    )
    db.execute("UPDATE post SET title = 'un' WHERE id = 1")
    db.execute("UPDATE post SET at = '2026-03-05 10:00:00.25', tags = '[2]' WHERE id = 2")
    db.execute("DELETE FROM post WHERE id = 3")
    answer = cli("sync", *ends, "--json")
    assert (answer.code, answer.document["status"]) == (3, "needs_decisions")
    assert answer.document["conflicts"] == {"found": 2, "resolved": 0}
    decisions.write_text(
        "conflicts: [{table: post, key: {id: 1}, kind: same-key, choice: keep-target}]\n"
        "rules: [{table: post, kind: deleted, choice: keep-target}]\n"
    )
    answer = cli("resume", answer.document["run"], "--decisions", decisions, "--json")
    assert (answer.code, answer.document["conflicts"]) == (0, {"found": 2, "resolved": 2})
    (table,) = answer.document["sync"]["tables"]
    assert table["to_target"] == {"inserted": 1, "updated": 0, "deleted": 0}
    assert table["to_source"] == {"inserted": 0, "updated": 2, "deleted": 1}
    with closing(sqlite3.connect(source)) as connection:
        assert connection.execute("SELECT id, title, at, tags FROM post ORDER BY id").fetchall() == [
            (1, "un", "2026-01-05 10:00:00", "[1]"),
            (2, "two", "2026-03-05 10:00:00.25", "[2]"),
            (4, "four", "2026-02-05 10:00:00", None),
        ]
    run = answer.document["run"]
    verified = cli("verify", run, "--json")
    assert (verified.code, verified.document["tables"][0]["source_rows"]) == (0, 3)
    assert cli("sync", *ends, "--json").document["sync"]["changes"] == 0
    answer = cli("clean", cli("runs", "--json").document["runs"][0]["run"])
    assert "would have started from it" in answer.err
    assert cli("rollback", run, "--json").code == 0
    with closing(sqlite3.connect(source)) as connection:
        assert [id for (id,) in connection.execute("SELECT id FROM post ORDER BY id")] == [1, 2, 3, 4]
    assert db.execute("SELECT title FROM post WHERE id = 1").fetchone() == ("un",)
