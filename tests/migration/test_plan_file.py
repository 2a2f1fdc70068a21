from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from migrator_tui.migration.planning import plan_file
from migrator_tui.migration.run_files import read_plan
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.decisions import FindingDecision
from migrator_tui.model.errors import UsageError
from migrator_tui.model.plan import Action, Plan
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.connect import Target
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, rows, succeeded

SOURCE = """
CREATE TABLE "odd [name]*" (id INTEGER PRIMARY KEY, v TEXT, "a.b" TEXT);
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, legacy TEXT, role TEXT CHECK (role IN ('a', 'b')), m);
CREATE VIRTUAL TABLE docs USING fts5(body, content='');
INSERT INTO "odd [name]*" VALUES (1, 'x', 'y');
INSERT INTO users VALUES (1, 'a@x', 'old', 'a', 1), (2, 'b@x', NULL, 'b', 'two');
"""


@pytest.fixture
def planned(make_source: MakeSource, target: Target, engine: Engine, tmp_path: Path) -> tuple[Path, Plan]:
    """A plan file as a run wrote it, and its plan."""
    decisions = decided(FindingDecision("CHECK-ENUM", "enum"), FindingDecision("TYPE-MIXED", "quarantine"))
    run = engine.cut(make_source(SOURCE), target, "staging", decisions=decisions)
    folder = RunFolder.open(run)
    file = tmp_path / "plan.yaml"
    file.write_bytes(folder.file("plan.yaml").read_bytes())
    engine.rollback(run, target)
    return file, read_plan(folder)


def test_replaying_a_plan_gives_the_same_plan(
    planned: tuple[Path, Plan], target: Target, engine: Engine, tmp_path: Path
) -> None:
    file, plan = planned
    replay = plan_file.read(file)

    outcome = succeeded(
        engine.migrate(
            tmp_path / "source.db", target, scope=replay.scope, decisions=replay.decisions, accept_recommended=False
        )
    )

    assert (replay.source_sha256, replay.target_identity) == (plan.source_sha256, plan.target_identity)
    again = read_plan(RunFolder.open(outcome.run))
    assert again.tables == plan.tables
    assert (again.enums, again.views, again.ddl, again.load_order) == (
        plan.enums,
        plan.views,
        plan.ddl,
        plan.load_order,
    )
    assert [(f.id, f.table, f.column, f.decision) for f in again.findings] == [
        (f.id, f.table, f.column, f.decision) for f in plan.findings
    ]
    assert plan_file.render(again) == file.read_text("utf-8")


def test_an_edited_plan_is_honoured(
    planned: tuple[Path, Plan], target: Target, engine: Engine, db: Connection, tmp_path: Path
) -> None:
    file, _ = planned
    document = yaml.safe_load(file.read_text("utf-8"))
    users = document["tables"]["users"]
    users["target"] = "public.people"
    users["columns"]["email"] = {"target": "mail", "type": "character varying(20)", "codec": "text"}
    users["columns"]["id"]["type"] = "numeric"  # whose codec follows
    users["columns"]["legacy"] = None
    document["tables"]["odd [name]*"]["action"] = "skip"
    file.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    replay = plan_file.read(file)

    outcome = succeeded(engine.migrate(tmp_path / "source.db", target, scope=replay.scope, decisions=replay.decisions))

    assert [(t.source, t.target) for t in outcome.tables] == [("users", "public.people")]
    assert rows(db, "SELECT id, mail, role::text FROM people") == [(1, "a@x", "a")]


def test_a_table_s_name_with_the_signs_of_a_pattern_is_taken_as_it_is(planned: tuple[Path, Plan]) -> None:
    replay = plan_file.read(planned[0])

    assert set(replay.scope.tables) == {"odd [name]*", "users"} | {
        t for t in replay.scope.tables if t.startswith("docs")
    }
    assert replay.scope.tables["odd [name]*"].target == TableName("public", "odd [name]*")
    assert replay.scope.tables["docs"].action is Action.SKIP


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("codec: text\n", "codec: texxt\n", "there is no codec 'texxt'"),
        ("decision: enum", "decision: enumm", "CHECK-ENUM has no choice 'enumm'"),
        ("id: CHECK-ENUM", "id: CHECK-ENUMM", "CHECK-ENUMM has no choice"),
        ("action: create", "action: creat", "action"),
        ("action: create", "acton: create", "acton"),
        ("tables:", "tabels:", "tables"),
        ("  sha256:", "  sha:", "sha256"),
        ("target: public.users", "target: [1]", "target"),
        ("tables:", "tables: {", "line"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(planned: tuple[Path, Plan], old: str, new: str, said: str) -> None:
    file, _ = planned
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")

    with pytest.raises(UsageError) as caught:
        plan_file.read(file)

    assert caught.value.id == "PLAN-FILE"
    assert said in caught.value.message
    assert str(file) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"- a\n- b", b"just words"])
def test_what_is_no_plan_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "plan.yaml"
    file.write_bytes(content)

    with pytest.raises(UsageError) as caught:
        plan_file.read(file)

    assert caught.value.id == "PLAN-FILE"


def test_a_plan_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        plan_file.read(tmp_path / "none.yaml")
