"""compare: one document, both sides for a person, exit 0 or 3, and nothing changed on either end."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from migrator_tui.demo.sample_app import SampleApp
from migrator_tui.postgres.connect import Target

Cli = Callable[..., Any]
Left = Callable[[], set[str]]
KEYS = {"object", "name", "kind", "source", "target", "why"}


@pytest.fixture
def migrated(cli: Cli, ends: list[str], app: SampleApp) -> None:
    """The sample application is on the target, by its own decisions."""
    assert cli("migrate", "--decisions", app.decisions, *ends, "--json").code == 0


def difference(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    """(kind, object, name) of each."""
    return {(item["kind"], item["object"], item["name"]) for item in document["differences"]}


def test_an_empty_target_lacks_everything_and_stays_empty(cli: Cli, ends: list[str], left: Left) -> None:
    answer = cli("compare", *ends, "--json")
    assert answer.code == 3
    assert answer.document["command"] == "compare"
    assert all(item.keys() == KEYS for item in answer.document["differences"])
    assert ("missing", "table", "users") in difference(answer.document)
    assert {item["kind"] for item in answer.document["differences"]} == {"missing"}
    assert left() == set()


@pytest.mark.usefixtures("migrated")
def test_only_what_was_not_carried_differs_after_a_migration_with_decisions(
    cli: Cli, ends: list[str], app: SampleApp
) -> None:
    answer = cli("compare", *ends, "--json")
    assert "measured by the decisions of run" in answer.err
    assert {item["object"] for item in answer.document["differences"]} <= {
        "column",
        "view",
        "trigger",
        "index",
        "check",
    }
    assert all(item["why"] for item in answer.document["differences"])
    assert answer.code == (3 if answer.document["differences"] else 0)
    named = cli("compare", "--decisions", app.decisions, *ends, "--json")
    assert named.document["differences"] == answer.document["differences"]


@pytest.mark.usefixtures("migrated")
def test_data_tells_the_rows_that_are_missing_extra_and_changed(
    cli: Cli, ends: list[str], db: psycopg.Connection[Any]
) -> None:
    before = cli("compare", "--data", *ends, "--json").document
    assert {row["source"] for row in before["rows"]} >= {"users", "messages"}
    assert not any(row["missing"] or row["extra"] or row["changed"] for row in before["rows"])
    db.execute("UPDATE settings SET value = 'other' WHERE key = (SELECT min(key) FROM settings)")
    answer = cli("compare", "--data", *ends, "--json")
    assert answer.code == 3
    assert difference(answer.document) - difference(before) == {("changed", "rows", "settings")}
    (row,) = [row for row in answer.document["rows"] if row["source"] == "settings"]
    assert (row["changed"], row["columns"]) == (1, {"value": 1})
    assert len(row["keys"]["changed"]) == 1
    assert row["source_rows"] == row["target_rows"]


@pytest.mark.usefixtures("migrated")
def test_a_person_sees_both_sides_the_reason_and_the_counts(
    cli: Cli, ends: list[str], db: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    db.execute("ALTER TABLE users ADD COLUMN phone varchar(20)")
    answer = cli("compare", *ends)
    assert answer.code == 3
    lines = answer.out.splitlines()
    at = next(number for number, line in enumerate(lines) if "column users.phone" in line)
    assert lines[at].startswith("− extra")
    assert lines[at].endswith("· character varying(20)") or lines[at].split()[-2:] == ["character", "varying(20)"]
    assert lines[at + 1].strip() == "only on the target"
    assert "difference" in lines[-1]
    plain = cli("compare", "--plain", *ends).out
    assert "extra column users.phone. source: ·; target: character varying(20). only on the target" in plain
    assert "\x1b" not in answer.out + plain
    assert "✓ same" in cli("compare", "--all", *ends).out


def test_two_ends_without_tables_are_the_same(cli: Cli, target: Target, tmp_path: Path) -> None:
    source = tmp_path / "empty.db"
    source.touch()
    arguments = ("compare", "--data", "--source", source, "--target", target.display)
    answer = cli(*arguments, "--json")
    assert (answer.code, answer.document["differences"]) == (0, [])
    assert "Nothing differs." in cli(*arguments).out


def test_only_the_tables_that_are_named_are_compared(cli: Cli, ends: list[str], tmp_path: Path) -> None:
    cli("migrate", "--yes", "--tables", "settings", *ends)
    assert cli("compare", "--tables", "settings", *ends, "--json").code == 0
    assert cli("compare", *ends, "--json").code == 3
    slip = cli("compare", "--tables", "setings", *ends)
    assert (slip.code, "COMPARE-NO-TABLE" in slip.err, "one is called settings" in slip.err) == (2, True, True)
    decided = tmp_path / "decided.yaml"
    decided.write_text("findings: [{id: TABLES-UNMATCHED, choice: leave}]")
    assert cli("compare", "--tables", "settings,setings", "--decisions", decided, *ends).code == 0


@pytest.mark.parametrize("data", [(), ("--data",)])
def test_a_role_that_may_only_read_compares_or_is_told_what_it_lacks(
    cli: Cli, ends: list[str], role: Callable[..., Target], data: tuple[str, ...]
) -> None:
    cli("migrate", "--yes", "--tables", "settings", *ends)
    reader = role("GRANT SELECT ON ALL TABLES IN SCHEMA public")
    answer = cli("compare", *data, "--tables", "settings", ends[0], ends[1], "--target", reader.display, "--json")
    assert answer.code in (0, 1)
    assert answer.code == 0 or answer.error["hint"]


def test_a_source_that_is_missing_and_a_password_that_is_wrong_are_told(
    cli: Cli, app: SampleApp, target: Target, role: Callable[..., Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = cli("compare", "--source", "/nowhere/app.db", "--target", target.display, "--json")
    assert (gone.error["id"], gone.code) == ("SOURCE-MISSING", 1)
    monkeypatch.setenv("MIGRATOR_TUI_TARGET_PASSWORD", "wr0ng")
    refused = cli("compare", "--source", app.database, "--target", role().display, "--json")
    assert (refused.error["id"], refused.code) == ("TARGET-PASSWORD", 1)
    assert "wr0ng" not in refused.out + refused.err


def test_hundreds_of_tables_compare_equal_after_their_migration(cli: Cli, target: Target, tmp_path: Path) -> None:
    source = tmp_path / "many.db"
    with closing(sqlite3.connect(source)) as connection:
        for number in range(120):
            connection.execute(
                f"CREATE TABLE t{number:03} (id INTEGER PRIMARY KEY, n TEXT DEFAULT 'x' CHECK (length(n) < 9))"
            )
            connection.execute(f"INSERT INTO t{number:03} (n) VALUES ('a')")
        connection.commit()
    arguments = ("--source", source, "--target", target.display)
    assert cli("migrate", "--yes", *arguments, "--json").code == 0
    answer = cli("compare", *arguments, "--json")
    assert (answer.code, answer.document["differences"]) == (0, [])


def test_the_embedded_server_is_a_target_like_any_other(cli: Cli, app: SampleApp) -> None:
    arguments = ("--tables", "settings", "--source", app.database, "--target", "embedded", "--json")
    assert cli("compare", *arguments).code == 3
    assert cli("migrate", "--yes", *arguments).code == 0
    answer = cli("compare", "--data", *arguments)
    assert (answer.code, answer.document["differences"]) == (0, [])
