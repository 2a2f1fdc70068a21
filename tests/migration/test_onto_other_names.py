"""Rows that go into tables which are there already, under names and with columns of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from migrator_tui.migration.planning import plan_file
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.decisions import FindingDecision, OnConflict
from migrator_tui.model.outcome import RunOutcome
from migrator_tui.model.plan import Action, FillText, Scope, TableOverride
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, fingerprint, rows, succeeded, text, value

ACCOUNTS = """
CREATE TABLE "UserAccounts" ("userId" INTEGER PRIMARY KEY, "userName" TEXT, email TEXT);
INSERT INTO "UserAccounts" VALUES (1, 'Ann', 'ann@x'), (2, 'Bob', 'bob@x');
"""
LIVE_ACCOUNT = "CREATE TABLE user_account (email text UNIQUE, user_name text, user_id bigint PRIMARY KEY)"
TENANTS = (
    "CREATE TABLE t (tenant text NOT NULL, v text, id bigint PRIMARY KEY, since date NOT NULL DEFAULT '2020-01-01')"
)
T = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y');"


def found(outcome: RunOutcome, id: str) -> list[tuple[str | None, str | None, tuple[str, ...]]]:
    return [(f.table, f.column, f.choices) for f in outcome.findings if f.id == id]


def onto(target: str = "t", **fixed: Any) -> Scope:
    return Scope(tables={"t": TableOverride(TableName("public", target), Action.MERGE, **fixed)})


def test_a_table_under_a_like_name_is_proposed_and_not_taken_unasked(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute(text(LIVE_ACCOUNT))
    source = make_source(ACCOUNTS)

    asked = engine.migrate(source, target, accept_recommended=False)
    assert asked.status is RunStatus.NEEDS_DECISIONS
    assert found(asked, "TARGET-MATCH") == [("UserAccounts", None, ("create", "merge"))]
    assert any("public.user_account" in f.message for f in asked.findings)

    recommended = succeeded(engine.migrate(source, target))
    assert recommended.tables[0].target == "public.UserAccounts"
    assert value(db, "SELECT count(*) FROM user_account") == 0


def test_columns_named_alike_are_mapped_once_that_is_decided_and_rolled_back(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute(text(LIVE_ACCOUNT))
    db.execute("INSERT INTO user_account VALUES ('zoe@x', 'Zoe', 9)")
    before = fingerprint(db)
    decisions = decided(FindingDecision("TARGET-MATCH", "merge", "UserAccounts"))

    waiting = engine.migrate(make_source(ACCOUNTS), target, accept_recommended=False, decisions=decisions)
    assert [c for _, c, _ in found(waiting, "COLUMN-MATCH")] == ["userId", "userName"]
    assert rows(db, "SELECT user_name FROM user_account") == [("Zoe",)]

    outcome = succeeded(engine.resume(waiting.run, target, accept_recommended=True))
    assert outcome.tables[0].target == "public.user_account"
    assert rows(db, "SELECT user_id, user_name, email FROM user_account ORDER BY 1") == [
        (1, "Ann", "ann@x"),
        (2, "Bob", "bob@x"),
        (9, "Zoe", "zoe@x"),
    ]
    succeeded_again = engine.migrate(make_source(ACCOUNTS, "again.db"), target, decisions=decisions)
    assert succeeded(succeeded_again).tables[0].unchanged == 2
    engine.rollback(outcome.run, target)
    assert fingerprint(db) == before


def test_a_table_of_another_name_and_the_same_columns_is_proposed_by_its_shape(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE people (id bigint PRIMARY KEY, email text, born date, town text)")
    db.execute("CREATE TABLE parcels (id bigint PRIMARY KEY, weight int, town text)")
    source = make_source("CREATE TABLE members (id INTEGER PRIMARY KEY, email TEXT, born DATE, town TEXT)")

    outcome = engine.migrate(source, target, accept_recommended=False)

    (match,) = [f for f in outcome.findings if f.id == "TARGET-MATCH"]
    assert "public.people" in match.message
    assert "parcels" not in match.message


def test_two_columns_that_look_alike_are_not_proposed_for_one(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE t (id bigint PRIMARY KEY, user_name text)")
    source = make_source(
        'CREATE TABLE t (id INTEGER PRIMARY KEY, "userName" TEXT, "user name" TEXT);'
        "INSERT INTO t VALUES (1, 'a', 'b');"
    )
    outcome = engine.migrate(source, target)
    (misfit,) = [f for f in outcome.findings if f.id == "TARGET-MISFIT"]
    assert misfit.choices == ("skip", "leave")

    left = engine.resume(outcome.run, target, decisions=decided(FindingDecision("TARGET-MISFIT", "leave", "t")))
    assert succeeded(left).tables[0].inserted == 1
    assert rows(db, "SELECT * FROM t") == [(1, None)]
    assert found(outcome, "COLUMN-MATCH") == []


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        ("'acme'", "acme"),
        ("upper(v) || '-' || id", "X-1"),
        (FillText("it's \"; DROP TABLE t; --\\"), "it's \"; DROP TABLE t; --\\"),
        ("(SELECT name FROM tenants WHERE home) -- the first", "Home"),
    ],
)
def test_a_required_column_of_the_target_gets_the_value_that_was_given(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection, fill: Any, expected: str
) -> None:
    db.execute("CREATE TABLE tenants (name text, home boolean)")
    db.execute("INSERT INTO tenants VALUES ('Home', true), ('Other', false)")
    db.execute(text(TENANTS))
    db.execute("INSERT INTO t VALUES ('old', 'y', 2)")
    before = fingerprint(db)

    outcome = succeeded(engine.migrate(make_source(T), target, scope=onto(fill={"tenant": fill})))

    assert rows(db, "SELECT id, v, tenant, since::text FROM t ORDER BY id") == [
        (1, "x", expected, "2020-01-01"),
        (2, "y", "old", "2020-01-01"),
    ]
    assert (outcome.tables[0].inserted, outcome.tables[0].unchanged) == (1, 1)
    engine.rollback(outcome.run, target)
    assert fingerprint(db) == before


def test_a_value_that_was_given_can_be_part_of_the_key(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE t (tenant text, id bigint, v text, PRIMARY KEY (tenant, id))")
    db.execute("INSERT INTO t VALUES ('acme', 1, 'mine'), ('other', 2, 'theirs')")
    before = fingerprint(db)
    scope = onto(fill={"tenant": "'acme'"})

    outcome = succeeded(engine.migrate(make_source(T), target, scope=scope, on_conflict=OnConflict.KEEP_SOURCE))

    assert rows(db, "SELECT tenant, id, v FROM t ORDER BY 1, 2") == [
        ("acme", 1, "x"),
        ("acme", 2, "y"),
        ("other", 2, "theirs"),
    ]
    assert (outcome.tables[0].inserted, outcome.tables[0].updated) == (1, 1)
    engine.rollback(outcome.run, target)
    assert fingerprint(db) == before


@pytest.mark.parametrize(
    ("column", "fill", "why"),
    [
        ("tenant", "acme", "column"),
        ("tenant", "'a'); DROP TABLE t; --", "expression"),
        ("tenant", "1 FROM t", "expression"),
        ("tenant", "", "expression"),
        ("tenant", "NULL", "NOT NULL"),
        ("tenant", "'much too long'", "too long"),
        ("owner", "'x'", "no column owner"),
        ("v", "'x'", "filled by a column of the source"),
        ("twice", "2", "computed"),
    ],
)
def test_a_value_that_the_target_does_not_take_is_refused_before_anything_is_staged(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection, column: str, fill: str, why: str
) -> None:
    db.execute(
        "CREATE TABLE t (tenant varchar(5) NOT NULL, v text, id bigint PRIMARY KEY, "
        "twice bigint GENERATED ALWAYS AS (id * 2) STORED)"
    )
    before = fingerprint(db)
    outcome = engine.migrate(make_source(T), target, scope=onto(fill={column: fill}))
    assert outcome.status is RunStatus.FAILED
    assert outcome.error is not None
    assert outcome.error.id == "PLAN-FILL"
    assert why in outcome.error.message
    assert fingerprint(db) == before


def test_a_plan_file_says_what_a_required_column_gets(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection, tmp_path: Path
) -> None:
    db.execute(text(TENANTS))
    source = make_source(T)
    stopped = engine.migrate(source, target)
    assert stopped.status is RunStatus.NEEDS_DECISIONS
    (misfit,) = [f for f in stopped.findings if f.id == "TARGET-MISFIT"]
    assert "`fill` of t" in misfit.message

    document = yaml.safe_load(RunFolder.open(stopped.run).file("plan.yaml").read_text())
    document["tables"]["t"] |= {"action": "merge", "fill": {"tenant": {"value": "it's ours"}}}
    edited = tmp_path / "plan.yaml"
    edited.write_text(yaml.safe_dump(document))
    replay = plan_file.read(edited)
    outcome = succeeded(engine.migrate(source, target, scope=replay.scope, decisions=replay.decisions))
    assert rows(db, "SELECT DISTINCT tenant FROM t") == [("it's ours",)]

    again = plan_file.read(RunFolder.open(outcome.run).file("plan.yaml"))
    assert again.scope.tables["t"].fill == {"tenant": "'it''s ours'"}


def test_a_plan_file_that_nobody_decided_leaves_no_table_out(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute(text(TENANTS))
    source = make_source(T)
    stopped = engine.migrate(source, target)
    replay = plan_file.read(RunFolder.open(stopped.run).file("plan.yaml"))
    again = engine.migrate(source, target, scope=replay.scope, decisions=replay.decisions)
    assert again.status is RunStatus.NEEDS_DECISIONS
    assert found(again, "TARGET-MISFIT") == [("t", None, ("skip",))]
    decided_there = plan_file.read(
        RunFolder.open(engine.resume(again.run, target, accept_lossy=True).run).file("plan.yaml")
    )
    assert decided_there.scope.tables["t"].action is Action.SKIP


def test_two_columns_that_a_person_sends_into_one_are_refused(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE t (id bigint PRIMARY KEY, v text)")
    scope = onto(columns={"id": ("v", None, None), "v": ("v", None, None)})
    outcome = engine.migrate(make_source(T), target, scope=scope)
    assert outcome.error is not None
    assert outcome.error.id == "PLAN-SAME-COLUMN"


def test_rows_are_paired_by_a_key_that_is_the_same_each_time(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE t (token uuid PRIMARY KEY, id bigint UNIQUE, v text)")
    scope = onto(fill={"token": "gen_random_uuid()"})
    assert succeeded(engine.migrate(make_source(T), target, scope=scope)).tables[0].inserted == 2
    again = succeeded(engine.migrate(make_source(T, "again.db"), target, scope=scope))
    assert again.tables[0].unchanged == 2
    assert rows(db, "SELECT id, v FROM t ORDER BY id") == [(1, "x"), (2, "y")]


def test_rows_without_a_key_are_not_added_again_and_again(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE t (id bigserial PRIMARY KEY, email text UNIQUE)")
    source = make_source("CREATE TABLE t (email TEXT UNIQUE); INSERT INTO t VALUES ('a'), (NULL), (NULL);")
    asked = engine.migrate(source, target)
    assert asked.status is RunStatus.NEEDS_DECISIONS
    assert [(f.rows, f.choices) for f in asked.findings if f.id == "KEY-NULL"] == [(2, ("quarantine",))]
    outcome = succeeded(engine.resume(asked.run, target, accept_lossy=True))
    assert (outcome.tables[0].inserted, outcome.tables[0].quarantined_rows) == (1, 2)
    again = succeeded(engine.migrate(source, target, accept_lossy=True))
    assert again.tables[0].unchanged == 1


def test_of_two_keys_the_one_without_null_pairs_the_rows(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE t (n bigserial PRIMARY KEY, email text UNIQUE, code text UNIQUE)")
    source = make_source("CREATE TABLE t (email TEXT, code TEXT PRIMARY KEY); INSERT INTO t VALUES (NULL, 'x');")
    for inserted in (1, 0):
        assert succeeded(engine.migrate(source, target)).tables[0].inserted == inserted


def test_a_reference_by_which_rows_are_paired_is_not_offered_to_become_null(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    db.execute("CREATE TABLE p (id bigint PRIMARY KEY)")
    db.execute("CREATE TABLE t (n bigserial PRIMARY KEY, p bigint UNIQUE REFERENCES p)")
    source = make_source(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (p INTEGER UNIQUE REFERENCES p (id));"
        "INSERT INTO p VALUES (1); INSERT INTO t VALUES (1), (9);"
    )
    asked = engine.migrate(source, target)
    assert [f.choices for f in asked.findings if f.id == "FK-ORPHAN"] == [("quarantine",)]
    assert succeeded(engine.resume(asked.run, target, accept_lossy=True)).tables[1].quarantined_rows == 1
