"""Sync: what either end changed since both were alike comes to the other one, and what both changed is asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from migrator_tui.migration.conflicts import conflict_groups, conflict_rows
from migrator_tui.migration.report import sentence
from migrator_tui.migration.request import Request
from migrator_tui.migration.run import begin
from migrator_tui.migration.run_files import read_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.migration.runner import Runner
from migrator_tui.migration.syncing.sync import Sync
from migrator_tui.model.decisions import ConflictChoice, ConflictDecision, ConflictRule, OnConflict
from migrator_tui.model.outcome import ErrorReport, RunOutcome
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import (
    Connection,
    Engine,
    decided,
    rows,
    succeeded,
    value,
)

OUTCOMES = """
base    source     target     ends as  conflict
absent  absent     changed    target   -
absent  changed    absent     source   -
absent  changed    changed    source   -
absent  changed    otherwise  source   same-key
same    absent     absent     absent   -
same    absent     same       absent   deleted
same    absent     changed    target   deleted-edited
same    same       absent     absent   deleted
same    same       same       source   -
same    same       changed    target   -
same    changed    absent     absent   deleted-edited
same    changed    same       source   -
same    changed    changed    source   -
same    changed    otherwise  source   same-key
"""
"""What becomes of a row, where same-key is decided for the source and deleted-edited for the target."""
VALUES = {"same": "as it was", "changed": "changed", "otherwise": "changed otherwise"}

Rows = list[tuple[Any, ...]]


def do(source: Path, script: str, rows: Sequence[Sequence[Any]] = ()) -> None:
    """Somebody else writes into the file."""
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        if rows:
            connection.executemany(script, rows)
        else:
            connection.executescript(script)
        connection.commit()


def on_target(db: Connection, *statements: str) -> None:
    for statement in statements:
        db.execute(statement.encode())


def in_file(source: Path, query: str) -> Rows:
    with closing(sqlite3.connect(source)) as connection:
        return connection.execute(query).fetchall()


def changes(outcome: RunOutcome) -> int:
    return int(succeeded(outcome).extra["sync"]["changes"])


def got(outcome: RunOutcome, end: str) -> int:
    return sum(sum(table[end].values()) for table in outcome.extra["sync"]["tables"])


def refused(outcome: RunOutcome, id: str, status: RunStatus = RunStatus.FAILED) -> ErrorReport:
    assert outcome.error is not None, outcome.status
    assert (outcome.error.id, outcome.status) == (id, status), outcome.error
    return outcome.error


def alike(source: Path, db: Connection, *tables: str) -> bool:
    return all(
        in_file(source, f"SELECT * FROM {table} ORDER BY 1") == rows(db, f"SELECT * FROM {table} ORDER BY 1")
        for table in tables
    )


def test_every_combination_of_base_source_and_target_ends_as_the_table_says_and_a_second_sync_changes_nothing(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    cases = [line.split() for line in OUTCOMES.strip().splitlines()[1:]]
    source = make_source(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, a TEXT, b TEXT);"
        "CREATE TABLE part (id INTEGER PRIMARY KEY, item INTEGER NOT NULL REFERENCES item (id), name TEXT);"
    )
    # Rows from 100 on have a child wherever they are.
    plan = {n + first: case for first in (0, 100) for n, case in enumerate(cases)}

    def as_on(side: int) -> tuple[Rows, Rows]:
        items: Rows = [(n, VALUES[how[side]], "b") for n, how in plan.items() if how[side] != "absent"]
        return items, [(n, n, "part") for n, *_ in items if n >= 100]

    items, parts = as_on(0)
    do(source, "INSERT INTO item VALUES (?, ?, ?)", items)
    do(source, "INSERT INTO part VALUES (?, ?, ?)", parts)
    succeeded(engine.migrate(source, target))
    items, parts = as_on(1)
    do(source, "DELETE FROM part; DELETE FROM item")
    do(source, "INSERT INTO item VALUES (?, ?, ?)", items)
    do(source, "INSERT INTO part VALUES (?, ?, ?)", parts)
    items, parts = as_on(2)
    on_target(db, "DELETE FROM part", "DELETE FROM item")
    with db.cursor() as cursor:
        cursor.executemany("INSERT INTO item VALUES (%s, %s, %s)", items)
        cursor.executemany("INSERT INTO part VALUES (%s, %s, %s)", parts)
    before = {
        "source": {n: a for n, a, _ in in_file(source, "SELECT * FROM item")},
        "target": {n: a for n, a, _ in rows(db, "SELECT * FROM item")},
    }

    asked = engine.sync(source, target)
    assert "kind: deleted" in refused(asked, "CONFLICTS", RunStatus.NEEDS_DECISIONS).hint
    rules = [
        ConflictRule("item", ConflictChoice.KEEP_SOURCE, "same-key"),
        ConflictRule("*", ConflictChoice.KEEP_TARGET, "deleted-edited"),
    ]
    done = succeeded(engine.resume(asked.run, target, decisions=decided(rules=rules), accept_recommended=True))

    sides = {"source": 1, "target": 2}
    expected = {n: VALUES[how[sides[how[3]]]] for n, how in plan.items() if how[3] != "absent"}
    assert {n: a for n, a, _ in rows(db, "SELECT * FROM item")} == expected
    assert alike(source, db, "item", "part")
    lost = {
        (n, side, value) for side, there in before.items() for n, value in there.items() if expected.get(n) != value
    }
    kept = "SELECT (key->>'id')::int, side, cells->>'a' FROM migrator.archive WHERE run = %s AND tbl = 'public.item'"
    assert set(rows(db, kept, done.run)) == lost
    again = engine.sync(source, target, accept_recommended=True)
    assert (changes(again), again.conflicts_found) == (0, 0)


CELLS = """
base  source  target  ends as
0 0   1 0     0 2     1 2
0 0   1 1     1 0     1 1
0 0   1 0     2 0     ? 0
0 0   1 1     2 0     ? 1
0 0   1 2     1 0     1 2
0 0   1 1     2 2     ? ?
"""
"""Two cells of a row that both ends changed, merged per cell; those with a question mark are asked."""


def test_cells_that_one_end_changed_are_merged_and_of_those_that_both_did_the_side_that_was_decided_for_is_taken(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    cases = [line.split() for line in CELLS.strip().splitlines()[1:]]
    source = make_source("CREATE TABLE cell (id INTEGER PRIMARY KEY, a TEXT, b TEXT)")
    do(source, "INSERT INTO cell VALUES (?, ?, ?)", [(n, *case[:2]) for n, case in enumerate(cases)])
    succeeded(engine.migrate(source, target))
    do(source, "UPDATE cell SET a = ?, b = ? WHERE id = ?", [(*case[2:4], n) for n, case in enumerate(cases)])
    with db.cursor() as cursor:
        cursor.executemany(
            "UPDATE cell SET a = %s, b = %s WHERE id = %s", [(*case[4:6], n) for n, case in enumerate(cases)]
        )
    asked = engine.sync(source, target, per_cell=True)
    refused(asked, "CONFLICTS", RunStatus.NEEDS_DECISIONS)
    assert asked.conflicts_found == 3
    conflicts = [
        ConflictDecision("cell", {"id": 2}, ConflictChoice.KEEP_TARGET),
        ConflictDecision("cell", {"id": 5}, ConflictChoice.PER_FIELD, fields={"b": "source"}),
    ]
    decisions = decided(conflicts=conflicts)
    done = succeeded(engine.resume(asked.run, target, decisions=decisions, on_conflict=OnConflict.KEEP_SOURCE))
    assert done.conflicts_resolved == 3
    assert rows(db, "SELECT a || ' ' || b FROM cell ORDER BY id") == [
        ("1 2",), ("1 1",), ("2 0",), ("1 1",), ("1 2",), ("2 1",),
    ]  # fmt: skip
    assert alike(source, db, "cell")
    assert changes(engine.sync(source, target)) == 0


TWO = (
    "CREATE TABLE box (id INTEGER PRIMARY KEY, name TEXT UNIQUE);"
    "CREATE TABLE toy (id INTEGER PRIMARY KEY, box INTEGER REFERENCES box (id), weight REAL);"
    "INSERT INTO box VALUES (1, 'red'), (2, 'blue'), (3, 'green');"
    "INSERT INTO toy VALUES (1, 1, 0.5), (2, 2, 1.5), (3, 3, 2.5);"
)


def edit_both(source: Path, db: Connection) -> None:
    do(
        source,
        "DELETE FROM toy WHERE id = 3; DELETE FROM box WHERE id = 3; UPDATE box SET name = 'RED' WHERE id = 1;"
        "INSERT INTO box VALUES (4, 'green'); INSERT INTO toy VALUES (4, 4, 4.5)",
    )
    on_target(
        db,
        "UPDATE toy SET weight = 9.5, box = 1 WHERE id = 2",
        "DELETE FROM box WHERE id = 2",
        "INSERT INTO box VALUES (5, 'blue')",
    )


def both(source: Path, db: Connection) -> list[Rows]:
    queries = ("SELECT * FROM box ORDER BY 1", "SELECT * FROM toy ORDER BY 1")
    return [found for query in queries for found in (in_file(source, query), rows(db, query))]


def test_a_crash_at_any_moment_is_finished_by_resume_and_rollback_takes_both_ends_back(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(TWO)
    succeeded(engine.migrate(source, target))
    edit_both(source, db)
    ends = both(source, db)
    for at in ("base-staged", "publish-commit", "published"):
        run = engine.cut(source, target, at, command="sync")
        if at == "published":
            refused(engine.sync(source, target, accept_recommended=True), "SYNC-HALF-DONE")
        succeeded(engine.resume(run, target))
        assert alike(source, db, "box", "toy")
        assert rows(db, "SELECT id, name FROM box ORDER BY 1") == [(1, "RED"), (4, "green"), (5, "blue")]
        undone = engine.rollback(run, target)
        assert (undone.status, undone.kept_edits) == (RunStatus.ROLLED_BACK, ()), at
        assert both(source, db) == ends, at
    # Half done, it is taken back as well; and of a whole one what was edited since is kept on either end.
    run = engine.cut(source, target, "published", command="sync")
    engine.rollback(run, target)
    assert both(source, db) == ends
    done = succeeded(engine.sync(source, target, accept_recommended=True))
    do(source, "UPDATE toy SET weight = 7 WHERE id = 2")
    on_target(db, "UPDATE box SET name = 'crimson' WHERE id = 1")
    kept = engine.rollback(done.run, target).kept_edits
    assert [line.split(":")[0] for line in kept] == ['public.box {"id"', "source.db, toy id=2"]
    assert in_file(source, "SELECT weight FROM toy WHERE id = 2") == [(7.0,)]
    assert value(db, "SELECT name FROM box WHERE id = 1") == "crimson"


def test_a_file_that_changed_under_way_is_not_written_and_a_sync_anew_brings_both_ends_together(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(TWO)
    succeeded(engine.migrate(source, target))
    edit_both(source, db)

    def interfere(name: str) -> None:
        if name == "published":
            do(source, "UPDATE box SET name = 'navy' WHERE id = 2; INSERT INTO box VALUES (8, 'late')")

    stopped = engine.sync(source, target, accept_recommended=True, failpoint=interfere)
    # Once it is left, it is: who resumes is told the same, also when the file would take the rows again.
    for name in ("navy", "blue"):
        do(source, f"UPDATE box SET name = '{name}' WHERE id = 2")
        outcome = stopped if name == "navy" else engine.resume(stopped.run, target)
        assert "Sync again" in refused(outcome, "SYNC-SOURCE-CHANGED", RunStatus.NEEDS_DECISIONS).hint
        assert sentence(outcome) == "Half done: the target has its part, the file was not written."
        assert [got(outcome, end) for end in ("to_target", "to_source")] == [5, 0]
        assert in_file(source, "SELECT box, weight FROM toy WHERE id = 2") == [(2, 1.5)]
    do(source, "UPDATE box SET name = 'navy' WHERE id = 2")
    again = engine.sync(source, target, accept_recommended=True, on_conflict=OnConflict.KEEP_SOURCE)
    assert (succeeded(again).conflicts_found, again.conflicts_resolved) == (1, 1)
    assert alike(source, db, "box", "toy")
    assert [name for (name,) in in_file(source, "SELECT name FROM box ORDER BY id")] == [
        "RED", "navy", "green", "blue", "late",
    ]  # fmt: skip
    assert changes(engine.sync(source, target)) == 0


def test_rows_that_would_refer_to_nothing_or_share_a_unique_value_are_asked_about_with_the_deletion_that_causes_it(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(TWO)
    succeeded(engine.migrate(source, target))
    do(source, "INSERT INTO toy VALUES (9, 2, 1); INSERT INTO box VALUES (10, 'twice'); DELETE FROM toy WHERE id = 3")
    on_target(
        db, "DELETE FROM toy WHERE id = 2", "DELETE FROM box WHERE id = 2", "INSERT INTO box VALUES (11, 'twice')"
    )
    asked = engine.sync(source, target)
    refused(asked, "CONFLICTS", RunStatus.NEEDS_DECISIONS)
    plan = read_plan(RunFolder.open(asked.run))

    def groups(*decisions: ConflictDecision) -> set[tuple[str, str, int, int]]:
        found = conflict_groups(db, plan, asked.run, decided(conflicts=decisions))
        return {(group.table, group.kind, group.found, group.undecided) for group in found}

    assert groups() == {
        ("box", "deleted-edited", 1, 1), ("box", "unique", 1, 1), ("toy", "deleted", 2, 2),
    }  # fmt: skip
    (parent,) = conflict_rows(db, plan, asked.run, ("box", "deleted-edited"), 0, 9)
    assert (parent.key, parent.source, parent.target, parent.base) == (
        {"id": 2}, {"id": "2", "name": "blue"}, {}, {"id": "2", "name": "blue"},
    )  # fmt: skip
    gone = ConflictDecision("box", {"id": 2}, ConflictChoice.KEEP_TARGET, "deleted-edited")
    assert ("toy", "parent", 1, 1) in groups(gone)
    # What names no kind carries no deletion over, and a policy takes no row away that one end alone has.
    held = engine.resume(
        asked.run,
        target,
        on_conflict=OnConflict.KEEP_TARGET,
        decisions=decided(conflicts=[gone], rules=[ConflictRule("*", ConflictChoice.KEEP_TARGET)]),
    )
    refused(held, "CONFLICTS", RunStatus.NEEDS_DECISIONS)
    assert (held.conflicts_found, held.conflicts_resolved) == (5, 1)
    rules = [
        ConflictRule("toy", ConflictChoice.KEEP_TARGET, "parent"),
        ConflictRule("box", ConflictChoice.KEEP_TARGET, "unique"),
        ConflictRule("*", ConflictChoice.KEEP_SOURCE, "deleted"),
    ]
    done = succeeded(engine.resume(asked.run, target, decisions=decided(conflicts=[gone], rules=rules)))
    assert rows(db, "SELECT id FROM box ORDER BY 1") == [(1,), (3,), (11,)]
    assert done.conflicts_resolved == 5
    assert alike(source, db, "box", "toy")
    assert changes(engine.sync(source, target)) == 0


HALVED = "CREATE TRIGGER halved AFTER UPDATE ON toy BEGIN UPDATE toy SET weight = 0 WHERE id = NEW.id; END;"


def test_what_a_sync_does_not_cover_is_refused_before_either_end_is_written(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(TWO)
    refused(engine.sync(source, target), "SYNC-NO-BASE")
    succeeded(engine.migrate(source, target))
    edit_both(source, db)

    def held(id: str, status: RunStatus = RunStatus.FAILED) -> str:
        before = str(both(source, db))
        error = refused(engine.sync(source, target, accept_recommended=True), id, status)
        assert str(both(source, db)) == before
        assert "othing was" in error.message
        return error.message

    on_target(
        db,
        "CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql "
        "AS 'BEGIN DELETE FROM toy WHERE id = 1; RETURN NEW; END'",
        "CREATE TRIGGER dropping AFTER UPDATE ON box FOR EACH ROW EXECUTE FUNCTION drop_it()",
    )
    assert "a trigger deletes them" in held("SYNC-WRITTEN", RunStatus.VERIFICATION_FAILED)
    on_target(db, "DROP TRIGGER dropping ON box", "UPDATE toy SET weight = 'NaN' WHERE id = 2")
    assert "weight" in held("SYNC-NOT-ALIKE", RunStatus.VERIFICATION_FAILED)
    on_target(db, "UPDATE toy SET weight = 9.5 WHERE id = 2")
    do(
        source,
        "CREATE TABLE seen (toy INTEGER); CREATE TRIGGER doubled AFTER UPDATE ON toy BEGIN "
        "UPDATE toy SET weight = 0 WHERE id = NEW.id; INSERT INTO seen VALUES (NEW.id); END",
    )
    held("SYNC-SOURCE-TRIGGER")
    # One that writes into tables alone that are alike on both ends afterwards need not fire.
    do(
        source,
        f"DROP TRIGGER doubled; {HALVED} ALTER TABLE toy ADD COLUMN colour TEXT",
    )
    assert "colour" in held("SYNC-DRIFT")
    # A column that both ends have by now is one that had no value before.
    on_target(db, "ALTER TABLE toy ADD COLUMN colour text", "UPDATE toy SET colour = 'pink' WHERE id = 2")
    do(source, "DROP TRIGGER halved; UPDATE toy SET colour = 'grey' WHERE id = 1;" + HALVED)
    done = succeeded(engine.sync(source, target, accept_recommended=True))
    assert "Did not fire for what was written into the file: halved." in done.notes
    assert in_file(source, "SELECT sql FROM sqlite_master WHERE name = 'halved'") == [(HALVED.strip("; "),)]
    assert alike(source, db, "box", "toy")
    assert rows(db, "SELECT id, colour FROM toy ORDER BY id") == [(1, "grey"), (2, "pink"), (4, None)]


FIRING = (
    "CREATE TABLE log (id int PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY (START 100), what text)",
    "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.name := upper(NEW.name); RETURN NEW; END'",
    "CREATE TRIGGER shouted BEFORE INSERT OR UPDATE ON box FOR EACH ROW EXECUTE FUNCTION shout()",
    "CREATE FUNCTION weigh() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE toy SET weight = weight + 0.25 "
    "WHERE id = NEW.id; INSERT INTO log (what) VALUES (NEW.id::text || now()); RETURN NEW; END'",
    "CREATE TRIGGER weighed AFTER INSERT ON toy FOR EACH ROW EXECUTE FUNCTION weigh()",
)


def test_what_triggers_of_the_target_make_of_the_rows_is_on_both_ends_then_and_is_told(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(TWO + "CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);")
    on_target(db, FIRING[0])
    succeeded(engine.migrate(source, target))
    on_target(db, *FIRING[1:])
    do(
        source,
        "INSERT INTO box VALUES (4, 'grey'); INSERT INTO toy VALUES (4, 4, 4.5);"
        "UPDATE box SET name = 'rose' WHERE id = 1",
    )
    on_target(db, "UPDATE toy SET weight = 9.5 WHERE id = 2")
    before = both(source, db)
    run = engine.cut(source, target, "published", command="sync")
    for anew in (False, True):
        done = succeeded(engine.sync(source, target) if anew else engine.resume(run, target))
        assert any("(2 of box, 1 of log, 1 of toy)" in note for note in done.notes), done.notes
        assert any(finding.id == "TARGET-TRIGGERS" for finding in done.findings)
        assert rows(db, "SELECT * FROM box ORDER BY 1") == [(1, "ROSE"), (2, "blue"), (3, "green"), (4, "GREY")]
        assert rows(db, "SELECT id, weight FROM toy WHERE id IN (2, 4) ORDER BY 1") == [(2, 9.5), (4, 4.75)]
        assert alike(source, db, "box", "toy", "log")
        if not anew:
            # What triggers wrote elsewhere is not undone; what was written is, although a trigger changed it again.
            on_target(db, "ALTER TABLE box DISABLE TRIGGER shouted")  # it would fire for what is restored
            assert engine.rollback(run, target).kept_edits == ()
            assert both(source, db) == before
            on_target(db, "DELETE FROM log", "ALTER TABLE box ENABLE TRIGGER shouted")
    assert changes(engine.sync(source, target)) == 0


def test_what_triggers_make_that_the_file_cannot_hold_is_left_out_of_it_however_often_the_sync_is_resumed(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(TWO)
    succeeded(engine.migrate(source, target))
    on_target(
        db,
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.weight := ''NaN''; RETURN NEW; END'",
        "CREATE TRIGGER spoiled BEFORE INSERT ON toy FOR EACH ROW EXECUTE FUNCTION spoil()",
        "INSERT INTO box VALUES (7, 'from the target')",
    )
    do(source, "INSERT INTO toy VALUES (4, 1, 4.5)")
    before = in_file(source, "SELECT * FROM box"), in_file(source, "SELECT * FROM toy")
    stopped = engine.sync(source, target)
    # Also where the process ended before it had told so.
    RunFolder.open(stopped.run).file("base.json").unlink()
    refused(engine.sync(source, target), "SYNC-HALF-DONE")
    for outcome in (stopped, engine.resume(stopped.run, target), engine.resume(stopped.run, target)):
        error = refused(outcome, "SYNC-NOT-ALIKE", RunStatus.NEEDS_DECISIONS)
        assert "Nothing was changed" not in error.message + sentence(outcome)
        assert "toy" in error.message
        assert f"rollback {stopped.run}" in error.hint
        assert not any("the file has them too" in note for note in outcome.notes)
        assert [got(outcome, end) for end in ("to_target", "to_source")] == [1, 0]
        assert (in_file(source, "SELECT * FROM box"), in_file(source, "SELECT * FROM toy")) == before
    # What the file lacks comes with the next one, once the value is mended.
    on_target(db, "UPDATE toy SET weight = 4.25 WHERE id = 4")
    assert changes(engine.sync(source, target)) == 2
    assert alike(source, db, "box", "toy")


def test_what_either_end_will_get_is_told_before_it_is_confirmed(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(TWO)
    succeeded(engine.migrate(source, target))
    edit_both(source, db)
    folder = begin(Request(source, command="sync", confirm=True, accept_recommended=True), target)
    runner = Runner(folder.run, Sync(Request.from_json(folder.record().options), target, folder))
    before = both(source, db)
    told = []

    def confirm(what: str | None) -> None:
        if what is not None:
            told.extend([runner.progress().changes, both(source, db)])
            runner.confirm()

    runner.board.set_waiting = confirm  # type: ignore[method-assign]
    runner.start()
    assert runner.wait() is not None
    assert told == [
        ("the target: rows 2 added, 1 changed, 2 deleted", "source.db: rows 1 added, 1 changed, 1 deleted"),
        before,
    ]
    assert alike(source, db, "box", "toy")
