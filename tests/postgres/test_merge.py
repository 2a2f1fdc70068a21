"""The statements of a merge, apart from a run: whole runs are in tests/migration/test_merge_into_live.py."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from migrator_tui.model.decisions import ConflictChoice, ConflictDecision, ConflictRule, Decisions, Match, OnConflict
from migrator_tui.model.plan import Action, ColumnPlan, TablePlan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres import ddl, ledger
from migrator_tui.postgres.choices import Choices
from migrator_tui.postgres.detecting import KINDS, Hit, Met
from migrator_tui.postgres.ledger import Fence
from migrator_tui.postgres.merge import Merge, MergeCounts, live_uniques, texts_of
from migrator_tui.postgres.merge_parts import MatchedBy

Connection = psycopg.Connection[Any]
TABLE = TablePlan(
    "mine",
    TableName("public", "live"),
    Action.MERGE,
    tuple(ColumnPlan(name, name, "text", "text") for name in ("k", "u", "100%")),
    match_key=("k",),
)


def execute(connection: Connection, text: str) -> list[Any]:
    cursor = connection.execute(text.encode())
    return cursor.fetchall() if cursor.description else []


@pytest.fixture
def fence(db: Connection) -> Fence:
    ledger.install(db)
    execute(db, 'CREATE SCHEMA stage; CREATE TABLE live (k text PRIMARY KEY, u text UNIQUE, "100%" text, own int)')
    execute(db, "INSERT INTO live VALUES ('a', 'ua', 'x', 1), ('b', 'ub', 'x', 2), ('z', 'uz', NULL, 3)")
    return ledger.create_run(db, "r1", "0" * 64, "here")


@pytest.fixture
def merge(db: Connection, fence: Fence) -> Merge:
    execute(db, ddl.create_staging_table(TABLE, "stage", ()))
    execute(
        db,
        f"INSERT INTO stage.{ddl.staged_name(TABLE)} VALUES (1, 'a', 'ua', 'x'), (2, 'b', 'ub', 'y'), "
        "(3, 'c', 'uz', 'x'), (4, 'd', 'ud', NULL), (5, 'e', 'ud', 'twice'), (6, 'z', 'uz', NULL)",
    )
    return Merge(TABLE, "stage", live_uniques(db, TABLE.target))


def met(db: Connection, merge: Merge) -> dict[int, tuple[str, str | None]]:
    return {src: (what, choice) for src, what, choice in execute(db, f"SELECT src, met, choice FROM {merge.state}")}


def test_each_row_is_told_what_it_meets(db: Connection, merge: Merge) -> None:
    assert merge.detected(db) is False

    counts = merge.detect(db)

    assert merge.detected(db) is True
    assert counts == MergeCounts(new=1, same=2, different=1, clashing=2, undecided=3)
    assert {src: what for src, (what, _) in met(db, merge).items()} == {
        1: "same",
        2: "different",
        3: "clashing",
        4: "new",
        5: "clashing",
        6: "same",
    }


def test_rows_are_compared_by_all_unique_keys_and_by_natural_ones(db: Connection, fence: Fence) -> None:
    execute(db, ddl.create_staging_table(TABLE, "stage", ()))
    execute(db, "UPDATE live SET \"100%\" = ' Ärger@X ' WHERE k = 'a'; ALTER TABLE live ADD UNIQUE (\"100%\")")
    execute(
        db,
        f"INSERT INTO stage.{ddl.staged_name(TABLE)} VALUES "
        "(1, 'b', 'uz', 'q'), "  # the live b by its key, the live z by u
        "(2, 'n2', 'ub', 'ÄRGER@x'), "  # the live b by u, the live a by the natural key
        "(3, 'n3', 'n3', 'ärger@x'), "  # the live a by the natural key alone
        "(4, 'n4', 'n4', 'New@x'), (5, 'n5', 'n5', 'new@X '), "  # one another
        "(6, 'a', 'ua', 'Ärger@X'), "  # its own live row in other letters
        "(7, 'n7', 'n7', ' '), (8, 'n8', 'n8', NULL), (9, 'n9', 'n9', '')",
    )
    folded = MatchedBy("mail", ("100%",), Match.FOLDED, natural=True, folding=' COLLATE "pg_c_utf8"')
    merge = Merge(TABLE, "stage", live_uniques(db, TABLE.target), (), (folded,))

    counts = merge.detect(db)

    assert {src: what for src, (what, _) in met(db, merge).items()} == {
        1: "several", 2: "several", 3: "clashing", 4: "new", 5: "duplicate", 6: "different", 7: "new", 8: "new",
        9: "new",
    }  # fmt: skip
    assert counts == MergeCounts(new=4, different=1, clashing=1, several=2, duplicate=1, undecided=5)
    rows = [row for kind in KINDS.values() for row in merge.page(db, kind, 0, 9)]
    assert {(row.kind, hit.side, hit.by, str(hit.key["k"])) for row in rows for hit in row.hits} == {
        ("several", "target", "unique u", "z"), ("several", "target", "unique u", "b"),
        ("several", "target", "mail", "a"), ("unique", "target", "mail", "a"), ("unique", "source", "mail", "n2"),
        ("duplicate", "source", "mail", "n4"),
    }  # fmt: skip
    assert merge.changed_since(db) == 0
    execute(db, "UPDATE live SET own = 99 WHERE k = 'a'")
    assert merge.changed_since(db) == 3


def test_keys_go_before_rules_and_rules_before_the_policy(db: Connection, merge: Merge) -> None:
    merge.detect(db)
    decisions = Decisions(
        conflicts=(ConflictDecision("public.live", {"k": "c"}, ConflictChoice.QUARANTINE),),
        rules=(ConflictRule("mine", ConflictChoice.KEEP_TARGET, "unique"),),
    )

    counts = Choices(merge).decide(db, decisions, OnConflict.KEEP_SOURCE)

    assert counts.undecided == 0
    assert {src: choice for src, (_, choice) in met(db, merge).items() if choice} == {
        2: "keep-source",
        3: "quarantine",
        5: "keep-target",
    }
    assert set(merge.left_behind(db)) == {3}
    assert merge.left_behind(db)[3][0] == "TARGET-UNIQUE"


@pytest.mark.parametrize("table", ["other", "public.other", "stage.live"])
def test_a_decision_for_another_table_is_not_taken(db: Connection, merge: Merge, table: str) -> None:
    merge.detect(db)

    counts = Choices(merge).decide(
        db, Decisions(rules=(ConflictRule(table, ConflictChoice.KEEP_TARGET),)), OnConflict.ASK
    )

    assert counts.undecided == 3


def test_a_choice_holds_while_the_live_row_stays_as_it_was(db: Connection, merge: Merge) -> None:
    merge.detect(db)
    Choices(merge).decide(db, Decisions(), OnConflict.KEEP_SOURCE)

    merge.detect(db)
    assert met(db, merge)[2] == ("different", "keep-source")
    assert merge.changed_since(db) == 0
    execute(db, "UPDATE live SET own = 9 WHERE k = 'b'")
    assert merge.changed_since(db) == 1
    merge.detect(db)

    assert met(db, merge)[2] == ("different", None)
    assert merge.changed_since(db) == 0


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM live WHERE k = 'a'",
        "INSERT INTO live VALUES ('d', 'x', 'x')",
        "UPDATE live SET u = 'ud' WHERE k = 'b'",
    ],
)
def test_rows_that_meet_something_else_by_now_are_noticed(db: Connection, merge: Merge, change: str) -> None:
    merge.detect(db)

    execute(db, change)

    assert merge.changed_since(db) >= 1


def test_a_page_shows_both_rows_as_texts(db: Connection, merge: Merge) -> None:
    merge.detect(db)

    (first,) = merge.page(db, "same-key", 0, 9)
    second, third = merge.page(db, "unique", 0, 9)

    assert first == Met(
        {"k": "b"}, "same-key", {"k": "b", "u": "ub", "100%": "y"}, {"k": "b", "u": "ub", "100%": "x"}, None, None
    )
    z = {"k": "z", "u": "uz", "100%": None}
    assert second == Met(
        {"k": "c"},
        "unique",
        {"k": "c", "u": "uz", "100%": "x"},
        z,
        None,
        None,
        (Hit("target", "unique u", {"k": "z"}, z),),
    )
    d = {"k": "d", "u": "ud", "100%": None}
    assert (third.key, third.hits) == ({"k": "e"}, (Hit("source", "unique u", {"k": "d"}, d),))
    assert merge.page(db, "unique", 1, 1) == [third]
    assert merge.page(db, "rule", 0, 9) == []
    assert [conflict.key for conflict in merge.sample(db, 2)] == ['{"k": "b"}', '{"k": "c"}']


def test_writing_counts_every_row_and_keeps_what_it_replaces(db: Connection, merge: Merge, fence: Fence) -> None:
    merge.detect(db)
    decisions = Decisions(rules=(ConflictRule("*", ConflictChoice.KEEP_TARGET, "unique"),))
    Choices(merge).decide(db, decisions, OnConflict.KEEP_SOURCE)

    merged = merge.write(db, fence)

    assert (merged.inserted, merged.updated, merged.unchanged, merged.kept_target, merged.quarantined) == (
        1,
        1,
        2,
        2,
        0,
    )
    assert merge.unexpected(db, fence.run) == 0
    assert execute(db, "SELECT * FROM live ORDER BY k") == [
        ("a", "ua", "x", 1),
        ("b", "ub", "y", 2),
        ("d", "ud", None, None),
        ("z", "uz", None, 3),
    ]
    assert execute(db, "SELECT op, key, before FROM migrator.undo ORDER BY op") == [
        ("insert", {"k": "d"}, None),
        ("update", {"k": "b"}, {"k": "b", "u": "ub", "100%": "x", "own": "2"}),
    ]
    assert execute(db, "SELECT side, key FROM migrator.archive ORDER BY seq") == [
        ("target", {"k": "b"}),
        ("source", {"k": "c"}),
        ("source", {"k": "e"}),
    ]


def test_a_row_that_a_trigger_keeps_from_being_written_is_unexpected(
    db: Connection, merge: Merge, fence: Fence
) -> None:
    execute(
        db,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER no BEFORE INSERT ON live FOR EACH ROW EXECUTE FUNCTION no()",
    )
    merge.detect(db)
    Choices(merge).decide(db, Decisions(), OnConflict.KEEP_SOURCE)

    merge.write(db, fence)

    assert merge.unexpected(db, fence.run) == 1


def test_only_whole_unconditional_unique_keys_count(db: Connection) -> None:
    execute(
        db,
        "CREATE TABLE live (a int PRIMARY KEY, b int, c int, UNIQUE (b, c));"
        "CREATE UNIQUE INDEX ON live (c) INCLUDE (a);"
        "CREATE UNIQUE INDEX ON live (b) WHERE c > 0; CREATE UNIQUE INDEX ON live ((b + c)); CREATE INDEX ON live (b)",
    )

    assert sorted(live_uniques(db, TABLE.target)) == [("a",), ("b", "c"), ("c",)]


def test_rows_of_hundreds_of_columns_become_texts(db: Connection) -> None:
    names = [f"c{n}" for n in range(400)]
    execute(db, f"CREATE TABLE wide ({', '.join(f'{name} int' for name in names)}); INSERT INTO wide (c7) VALUES (7)")

    ((found,),) = execute(db, f"SELECT {texts_of('w', names)} FROM wide w")

    assert len(found) == 400
    assert (found["c7"], found["c8"]) == ("7", None)
    assert execute(db, f"SELECT {texts_of('w', [])} FROM wide w") == [({},)]


def test_detection_reads_staging_as_often_for_many_rows_as_for_one(db: Connection, merge: Merge) -> None:
    staged = ddl.staged_name(TABLE)
    execute(db, f"INSERT INTO stage.{staged} SELECT n, 'k' || n, 'u' || n, 'x' FROM generate_series(10, 3000) n")

    ((plan,),) = execute(db, f"EXPLAIN (ANALYZE, FORMAT JSON) {merge._detection()}")

    scans = [node for node in nodes(plan[0]["Plan"]) if node.get("Relation Name") == staged]
    assert len(scans) == 3
    assert {node["Actual Loops"] for node in scans} == {1}


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A query plan's node and all below it."""
    return [plan, *(below for child in plan.get("Plans", ()) for below in nodes(child))]
