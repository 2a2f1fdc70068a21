"""Choices per field and by rule: what is written is what was chosen, and what lost is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest

from migrator_tui.model.decisions import (
    ConflictChoice,
    ConflictDecision,
    ConflictRule,
    Decisions,
    OnConflict,
    Preference,
)
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import Action, ColumnPlan, TablePlan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres import ledger
from migrator_tui.postgres.choices import Choices
from migrator_tui.postgres.ddl import locator_name, staged_name
from migrator_tui.postgres.merge import Merge

Connection = psycopg.Connection[Any]
COLUMNS = {"id": "integer", "name": "text", "note": "text", "seen": "timestamp", "facts": "jsonb"}


@pytest.fixture
def merge(db: Connection) -> Merge:
    """Four people, staged and live; 1 differs in name and note, 2 in what is NULL, 3 in age, 4 in nothing."""
    kinds = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    columns = tuple(ColumnPlan(f"{name}_in_source", name, kind, "text") for name, kind in COLUMNS.items())
    table = TablePlan("people", TableName("public", "people"), Action.MERGE, columns, match_key=("id",))
    staged, locator = staged_name(table), locator_name(table)
    db.execute(
        f"CREATE TABLE people ({kinds}, own int DEFAULT 7, PRIMARY KEY (id));"
        f"CREATE SCHEMA staged; CREATE TABLE staged.{staged} ({kinds}, {locator} bigint);"
        "INSERT INTO people VALUES (1, 'Ann', 'long note', NULL, '{\"a\": 1}'), (2, 'Bob', NULL, '2026-01-02', NULL),"
        " (3, 'Cid', 'c', '2026-03-03', NULL), (4, 'Dot', NULL, NULL, NULL);"
        f"INSERT INTO staged.{staged} VALUES (1, 'Anne', 'note', NULL, '{{\"a\": 1}}', 1), "
        "(2, 'Bob', 'new', NULL, NULL, 2), (3, 'Cyd', 'c', '2026-03-04', NULL, 3), (4, 'Dot', NULL, NULL, NULL, 4);"
    )
    made = Merge(table, "staged", ())
    made.detect(db)
    return made


@pytest.fixture
def fence(db: Connection) -> ledger.Fence:
    ledger.install(db)
    return ledger.create_run(db, "run", "sha", "server")


def about(key: int, choice: ConflictChoice, **fields: str) -> Decisions:
    return Decisions(conflicts=(ConflictDecision("people", {"id": key}, choice, fields=fields),))


def by(preference: Preference, column: str | None = None) -> Decisions:
    return Decisions(rules=(ConflictRule("people", preference, by=column),))


def choices(db: Connection, merge: Merge) -> Mapping[int, tuple[str | None, list[str] | None]]:
    rows = db.execute(f"SELECT src, choice, taken FROM {merge.state} WHERE met = 'different'")
    return {src: (choice, taken) for src, choice, taken in rows}


def live(db: Connection, key: int) -> tuple[Any, ...] | None:
    return db.execute("SELECT name, note, seen::text, own FROM people WHERE id = %s", (key,)).fetchone()


@pytest.mark.parametrize(
    ("choice", "fields", "expected"),
    [
        (ConflictChoice.PER_FIELD, {"name": "source"}, ("Anne", "long note")),
        (ConflictChoice.KEEP_TARGET, {"note": "source"}, ("Ann", "note")),
        (ConflictChoice.KEEP_SOURCE, {"note": "target"}, ("Anne", "long note")),
        (ConflictChoice.KEEP_SOURCE, {"note_in_source": "target"}, ("Anne", "long note")),
        (ConflictChoice.KEEP_TARGET, {"name": "source", "note": "source"}, ("Anne", "note")),
        (ConflictChoice.KEEP_SOURCE, {"name": "target", "note": "target"}, ("Ann", "long note")),
    ],
)
def test_each_field_comes_from_the_side_that_was_chosen_for_it(
    db: Connection,
    merge: Merge,
    fence: ledger.Fence,
    choice: ConflictChoice,
    fields: dict[str, str],
    expected: tuple[str, str],
) -> None:
    counts = Choices(merge).decide(db, about(1, choice, **fields), OnConflict.KEEP_TARGET)
    assert counts.undecided == 0
    merge.write(db, fence)
    assert live(db, 1) == (*expected, None, 7)
    assert merge.unexpected(db, fence.run) == 0
    assert live(db, 2) == ("Bob", None, "2026-01-02 00:00:00", 7)


def test_both_sides_of_a_row_that_is_mixed_are_kept_in_the_archive(
    db: Connection, merge: Merge, fence: ledger.Fence
) -> None:
    Choices(merge).decide(db, about(1, ConflictChoice.PER_FIELD, name="source"), OnConflict.ASK)
    merged = merge.write(db, fence)
    assert (merged.updated, merged.kept_target) == (1, 0)
    kept = db.execute("SELECT side, cells->>'name', cells->>'note' FROM migrator.archive ORDER BY side").fetchall()
    assert kept == [("source", "Anne", "note"), ("target", "Ann", "long note")]
    assert db.execute("SELECT before->>'name' FROM migrator.undo").fetchall() == [("Ann",)]


def test_a_trigger_that_changes_a_field_that_was_to_stay_is_noticed(
    db: Connection, merge: Merge, fence: ledger.Fence
) -> None:
    db.execute(
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.note := upper(NEW.note); "
        "RETURN NEW; END'; CREATE TRIGGER shout BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION shout()"
    )
    Choices(merge).decide(db, about(1, ConflictChoice.PER_FIELD, name="source"), OnConflict.ASK)
    merge.write(db, fence)
    assert merge.unexpected(db, fence.run) == 1


@pytest.mark.parametrize("choice", [ConflictChoice.PER_FIELD, ConflictChoice.MERGE])
def test_a_rule_takes_the_fields_that_it_names_from_the_source(
    db: Connection, merge: Merge, choice: ConflictChoice
) -> None:
    rule = ConflictRule("people", choice, fields={"name_in_source": "source"})
    Choices(merge).decide(db, Decisions(rules=(rule,)), OnConflict.ASK)
    assert choices(db, merge) == {src: ("per-field", ["name"]) for src in (1, 2, 3)}


def test_without_fields_a_row_that_is_mixed_keeps_all_of_the_target(db: Connection, merge: Merge) -> None:
    Choices(merge).decide(db, about(1, ConflictChoice.PER_FIELD), OnConflict.ASK)
    assert choices(db, merge)[1] == ("per-field", [])


def test_values_for_a_choice_that_takes_none_are_refused(db: Connection, merge: Merge) -> None:
    decision = ConflictDecision("people", {"id": 1}, ConflictChoice.KEEP_SOURCE, values={"name": "x"})
    with pytest.raises(UsageError) as caught:
        Choices(merge).decide(db, Decisions(conflicts=(decision,)), OnConflict.KEEP_SOURCE)
    assert caught.value.id == "DECISION-VALUES"
    assert {choice for choice, _ in choices(db, merge).values()} == {None}


@pytest.mark.parametrize(
    ("columns", "alike"),
    [(("name", "note"), {1}), (("note_in_source", "name"), {1}), (("name",), set()), (("note", "seen"), {2})],
)
def test_a_rule_for_some_columns_takes_the_rows_that_differ_in_exactly_these(
    db: Connection, merge: Merge, columns: tuple[str, ...], alike: set[int]
) -> None:
    rule = ConflictRule("people", ConflictChoice.KEEP_SOURCE, columns=columns)
    Choices(merge).decide(db, Decisions(rules=(rule,)), OnConflict.ASK)
    assert {src for src, (choice, _) in choices(db, merge).items() if choice == "keep-source"} == alike


def test_what_a_rule_would_decide_is_counted_and_named(db: Connection, merge: Merge) -> None:
    Choices(merge).decide(db, about(1, ConflictChoice.KEEP_TARGET), OnConflict.ASK)
    waiting = merge.waiting(db)
    assert sorted(waiting) == [2, 3]
    Choices(merge).decide(db, by(Preference.NEWER, "seen"), OnConflict.ASK)
    assert merge.decided_of(db, waiting, 5) == (1, [{"id": 3}])
    assert merge.decided_of(db, waiting, 0) == (1, [])


def test_a_row_that_is_skipped_stays_behind_like_one_in_quarantine(db: Connection, merge: Merge) -> None:
    Choices(merge).decide(db, about(1, ConflictChoice.SKIP), OnConflict.KEEP_TARGET)
    assert set(merge.left_behind(db)) == {1}


@pytest.mark.parametrize("name", ["nobody", "id"])
def test_a_field_that_cannot_be_chosen_is_named(db: Connection, merge: Merge, name: str) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        Choices(merge).decide(db, about(1, ConflictChoice.PER_FIELD, **{name: "source"}), OnConflict.ASK)
    assert caught.value.id == "DECISION-COLUMN"
    assert "name, note, seen, facts" in caught.value.hint


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [
        (by(Preference.LONGER, "note"), {1: ("keep-target", None), 2: (None, None), 3: (None, None)}),
        (by(Preference.NEWER, "seen"), {1: (None, None), 2: (None, None), 3: ("keep-source", None)}),
        (by(Preference.NOT_NULL, "note"), {1: (None, None), 2: ("keep-source", None), 3: (None, None)}),
        (by(Preference.NOT_NULL, "seen"), {1: (None, None), 2: ("keep-target", None), 3: (None, None)}),
        (by(Preference.NOT_NULL), {1: (None, None), 2: ("per-field", ["note"]), 3: (None, None)}),
    ],
)
def test_a_rule_chooses_where_the_rows_tell_and_leaves_the_others(
    db: Connection, merge: Merge, decisions: Decisions, expected: dict[int, tuple[str | None, list[str] | None]]
) -> None:
    counts = Choices(merge).decide(db, decisions, OnConflict.ASK)
    assert choices(db, merge) == expected
    assert counts.undecided == sum(choice is None for choice, _ in expected.values())


def test_fields_that_only_one_side_has_are_filled_and_nothing_else_changes(
    db: Connection, merge: Merge, fence: ledger.Fence
) -> None:
    Choices(merge).decide(db, by(Preference.NOT_NULL), OnConflict.KEEP_TARGET)
    merge.write(db, fence)
    assert live(db, 2) == ("Bob", "new", "2026-01-02 00:00:00", 7)
    assert live(db, 1) == ("Ann", "long note", None, 7)
    assert merge.unexpected(db, fence.run) == 0


def test_what_is_newer_cannot_be_told_by_a_column_without_an_order(db: Connection, merge: Merge) -> None:
    table = merge.table
    columns = tuple(c if c.target != "facts" else ColumnPlan("facts", "facts", "json", "text") for c in table.columns)
    other = Merge(TablePlan("people", table.target, Action.MERGE, columns, match_key=("id",)), "staged", ())
    with pytest.raises(UsageError, match="no order"):
        Choices(other).decide(db, by(Preference.NEWER, "facts"), OnConflict.ASK)
