from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from migrator_tui.migration.planning import plan_file
from migrator_tui.migration.planning.drafting import load_order, make_plan
from migrator_tui.migration.planning.plan_draft import Chooser
from migrator_tui.migration.planning.plan_draft import Target as TargetSide
from migrator_tui.model.decisions import Decisions, FindingDecision
from migrator_tui.model.errors import UsageError
from migrator_tui.model.findings import Finding
from migrator_tui.model.plan import Action, Plan, Scope, TableOverride, TablePlan
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.schema import Database, ForeignKey, ReferentialAction, TableName
from migrator_tui.postgres.connect import Target
from migrator_tui.sqlite.inspect import inspect
from migrator_tui.sqlite.profile import profile
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, decided, rows, succeeded, value

NOTHING = Database("postgres", "18.6", "UTF8", ())
MakePlan = Callable[..., Plan]


@pytest.fixture
def planned(make_source: MakeSource) -> MakePlan:
    """The plan of a source for an empty target, without a server."""

    def plan(
        source: str | Callable[[sqlite3.Connection], object],
        scope: Scope | None = None,
        decisions: Decisions | None = None,
    ) -> Plan:
        path = make_source(source)
        return plan_of(path, scope or Scope(), decisions or Decisions())

    return plan


def plan_of(path: Path, scope: Scope, decisions: Decisions) -> Plan:
    database = inspect(path)
    found = profile(path, database)
    return make_plan("source.db", "0" * 64, database, found, TargetSide("nowhere", NOTHING), scope, Chooser(decisions))


def of(plan: Plan, id: str) -> list[Finding]:
    return [finding for finding in plan.findings if finding.id == id]


def test_an_empty_database_gives_an_empty_plan_and_a_doubt(planned: MakePlan) -> None:
    plan = planned("")

    assert (plan.tables, plan.ddl, plan.load_order) == ((), (), ())
    assert [(f.id, f.message) for f in plan.findings] == [
        ("SOURCE-EMPTY", "source.db has no tables: there is nothing to move. It may be the wrong file.")
    ]
    assert plan.estimate.rows == 0


def test_parents_come_before_children_and_cycles_in_order_of_the_source(planned: MakePlan) -> None:
    plan = planned(
        "CREATE TABLE c (id INTEGER PRIMARY KEY, b INTEGER REFERENCES b);"
        "CREATE TABLE b (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a);"
        "CREATE TABLE a (id INTEGER PRIMARY KEY, a INTEGER REFERENCES a);"
        "CREATE TABLE x (id INTEGER PRIMARY KEY, y INTEGER REFERENCES y);"
        "CREATE TABLE y (id INTEGER PRIMARY KEY, x INTEGER REFERENCES x);"
    )

    assert plan.load_order == ("a", "b", "c", "y", "x")
    assert [table.source for table in plan.tables] == ["c", "b", "a", "x", "y"]


def test_a_chain_of_foreign_keys_may_be_longer_than_the_stack() -> None:
    def table(number: int) -> TablePlan:
        key = ForeignKey(("up",), TableName("public", f"t{number + 1}"), ("id",))
        return TablePlan(f"t{number}", TableName("public", f"t{number}"), Action.CREATE, (), foreign_keys=(key,))

    assert load_order([table(number) for number in range(3000)])[:2] == ("t2999", "t2998")


def test_a_foreign_key_to_a_table_that_is_not_moved_is_reported(planned: MakePlan) -> None:
    source = (
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);"
        "CREATE TABLE child (id INTEGER PRIMARY KEY, p INTEGER REFERENCES parent, q INTEGER REFERENCES nowhere);"
    )

    plan = planned(source, Scope(include=("child",)))

    assert [table.source for table in plan.tables] == ["child"]
    assert plan.table("child").foreign_keys == ()
    assert [(f.table, f.column) for f in of(plan, "FK-PARENT")] == [("child", "p"), ("child", "q")]


def test_a_foreign_key_to_columns_that_are_no_key_is_reported(planned: MakePlan) -> None:
    plan = planned(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, v TEXT);"
        "CREATE TABLE child (id INTEGER PRIMARY KEY, v TEXT REFERENCES parent (v), w TEXT REFERENCES parent (id));"
        "INSERT INTO child VALUES (1, NULL, 'x');"
    )

    assert plan.table("child").foreign_keys == ()
    first, second = of(plan, "FK-PARENT")
    assert "(v) is no key of parent" in first.message
    assert "w is text, but parent.id is bigint" in second.message


def test_a_chosen_table_that_is_not_there_is_asked_about(planned: MakePlan) -> None:
    plan = planned("CREATE TABLE messages (id); CREATE TABLE log_1 (id);", Scope(include=("mesages", "log_?", "x*")))

    assert [table.source for table in plan.tables] == ["log_1"]
    assert [(f.object, f.needs_decision, f.message) for f in of(plan, "TABLES-UNMATCHED")] == [
        ("mesages", True, "No table of source.db is called mesages; one is called messages."),
        ("x*", True, "No table of source.db is called x*."),
    ]


def test_a_counted_key_stays_one_whatever_refers_to_it(make_source: MakeSource) -> None:
    path = make_source(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (p BLOB REFERENCES parent (id));"
        "INSERT INTO child VALUES (x'674b2a2081479668f48b53af17d1a45f');"
    )

    plan = plan_of(path, Scope(), Decisions((FindingDecision("TYPE-UUID", "uuid"),)))

    assert [(c.type, c.identity_next) for c in plan.table("parent").columns] == [("bigint", 1)]


def test_an_excluded_table_is_no_part_of_the_plan(planned: MakePlan) -> None:
    source = "CREATE TABLE a (id); CREATE TABLE b (id); CREATE TABLE ab (id);"

    assert [t.source for t in planned(source, Scope(exclude=("a*",))).tables] == ["b"]


def test_a_table_of_too_many_columns_stays_behind_by_decision_or_without_some_of_them(
    make_source: MakeSource,
) -> None:
    path = make_source(f"CREATE TABLE wide ({', '.join(f'c{n}' for n in range(1600))}); CREATE TABLE one (x);")

    plan = plan_of(path, Scope(), Decisions())
    fewer = plan_of(path, Scope(tables={"wide": TableOverride(columns={"c7": None})}), Decisions())

    assert [(f.table, f.choices, f.needs_decision) for f in of(plan, "TABLE-WIDE")] == [("wide", ("skip",), True)]
    assert [(table.source, table.action) for table in plan.tables] == [("wide", Action.SKIP), ("one", Action.CREATE)]
    assert (of(fewer, "TABLE-WIDE"), fewer.table("wide").action) == ([], Action.CREATE)


def test_actions_of_foreign_keys_are_carried(planned: MakePlan) -> None:
    plan = planned(
        "CREATE TABLE p (id INTEGER PRIMARY KEY);"
        "CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p ON DELETE SET NULL ON UPDATE RESTRICT);"
    )

    (key,) = plan.table("c").foreign_keys
    assert (key.on_delete, key.on_update) == (ReferentialAction.SET_NULL, ReferentialAction.RESTRICT)
    assert key.validated


def test_a_column_that_is_left_behind_takes_its_constraints_with_it(planned: MakePlan) -> None:
    scope = Scope(tables={"t": TableOverride(columns={"legacy": None})})

    plan = planned(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, legacy TEXT UNIQUE, v TEXT, CHECK (legacy <> v));"
        "CREATE INDEX i ON t (legacy);",
        scope,
    )

    table = plan.table("t")
    assert table.left_behind == ("legacy",)
    assert [c.source for c in table.columns] == ["id", "v"]
    assert (table.uniques, table.checks, table.indexes) == ((), (), ())
    assert len(of(plan, "CHECK-NOT-CARRIED")) == 1
    assert len(of(plan, "INDEX-NOT-CARRIED")) == 1


def test_names_types_and_codecs_may_be_fixed_beforehand(planned: MakePlan) -> None:
    scope = Scope(
        tables={
            "t": TableOverride(
                target=TableName("public", "things"),
                columns={
                    "id": (None, "integer", None),
                    "v": ("value", "character varying(9)", None),
                    "j": (None, "jsonb", None),
                },
            )
        }
    )

    plan = planned(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, j TEXT, CHECK (v <> ''));"
        "INSERT INTO t VALUES (4, 'x', '{}');"
        "CREATE TABLE c (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t); CREATE VIEW w AS SELECT v FROM t;",
        scope,
    )

    table = plan.table("t")
    assert table.target == TableName("public", "things")
    assert [(c.target, c.type, c.codec) for c in table.columns] == [
        ("id", "integer", "integer4"),
        ("value", "character varying(9)", "text"),
        ("j", "jsonb", "jsonb"),
    ]
    assert table.columns[0].identity_next == 5
    assert plan.table("c").foreign_keys[0].parent == TableName("public", "things")
    assert '"value"' in table.checks[0].expression
    assert '"things"' in plan.views[0].query


def test_two_tables_cannot_become_one(planned: MakePlan) -> None:
    scope = Scope(
        tables={
            "a": TableOverride(target=TableName("public", "same")),
            "b": TableOverride(target=TableName("other", "same")),
        }
    )

    with pytest.raises(UsageError, match="a and b are both to become") as caught:
        planned("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (id INTEGER PRIMARY KEY);", scope)

    assert caught.value.id == "PLAN-SAME-NAME"


def test_shadow_tables_and_triggers_are_reported_and_left(planned: MakePlan) -> None:
    plan = planned(
        "CREATE VIRTUAL TABLE docs USING fts5(body); CREATE TABLE t (id INTEGER PRIMARY KEY);"
        "CREATE TRIGGER touch AFTER INSERT ON t BEGIN SELECT 1; END;"
    )

    assert [t.source for t in plan.moved] == ["docs", "t"]
    assert {f.table for f in of(plan, "TABLE-SHADOW")} >= {"docs_data", "docs_content"}
    assert [f.object for f in of(plan, "TRIGGER-NOT-CARRIED")] == ["touch"]


def test_the_same_source_gives_the_same_plan_to_the_letter(planned: MakePlan, tmp_path: Path) -> None:
    def build(connection: sqlite3.Connection) -> None:
        for n in range(20):
            connection.execute(
                f"CREATE TABLE {'n' * 70}{n} (id INTEGER PRIMARY KEY, up INTEGER REFERENCES {'n' * 70}{n}, "
                f"s TEXT CHECK (s IN ('a', 'b')), m, UNIQUE (s, up))"
            )
            connection.executemany(f"INSERT INTO {'n' * 70}{n} (s, m) VALUES ('a', ?)", [(1,), ("x",), (b"y",)])

    first = planned(build)
    second = plan_of(tmp_path / "source.db", Scope(), Decisions())

    assert plan_file.render(first) == plan_file.render(second)


def test_the_enum_decision_makes_a_type_named_after_table_and_column(planned: MakePlan) -> None:
    decisions = decided(FindingDecision("CHECK-ENUM", "enum", "t", "s"))

    plan = planned(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT DEFAULT 'a' CHECK (s IN ('a', 'b''c')));"
        "INSERT INTO t VALUES (1, 'a');",
        decisions=decisions,
    )

    assert [(str(e.name), e.labels) for e in plan.enums] == [("public.t_s", ("a", "b'c"))]
    column = plan.table("t").columns[1]
    assert column.type == '"t_s"'
    assert plan.table("t").checks == ()


def test_onto_a_live_table_columns_find_their_counterparts(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE People (Id INTEGER PRIMARY KEY, Mail TEXT, born TEXT, junk TEXT, flag INTEGER, score REAL);"
        "INSERT INTO People VALUES (1, 'a@x', '2001-02-03', 'junk', 1, 1.5);"
    )
    db.execute(
        "CREATE SCHEMA app; CREATE TABLE app.members (id int PRIMARY KEY, email varchar(40) NOT NULL, born date, "
        "flag boolean, score numeric(6,2), made timestamptz NOT NULL DEFAULT now(), UNIQUE (email))"
    )
    scope = Scope(
        tables={
            "People": TableOverride(
                target=TableName("app", "members"), columns={"Mail": ("email", None, None), "junk": None}
            )
        }
    )

    outcome = succeeded(engine.migrate(source, target, scope=scope))

    assert outcome.tables[0].target == "app.members"
    assert [str(cell) for cell in rows(db, "SELECT id, email, born, flag, score FROM app.members")[0]] == [
        "1",
        "a@x",
        "2001-02-03",
        "True",
        "1.50",
    ]


@pytest.mark.parametrize(
    ("live", "why"),
    [
        ("CREATE TABLE t (id bigint PRIMARY KEY, v text, tenant int NOT NULL)", "tenant is NOT NULL"),
        ("CREATE TABLE t (id bigint PRIMARY KEY)", "column v has no counterpart"),
        ("CREATE TABLE t (id bigint, v text)", "rows cannot be paired"),
        ("CREATE TABLE t (id bigint PRIMARY KEY, v bytea)", "cannot take"),
    ],
)
def test_a_live_table_that_cannot_take_the_rows_needs_a_decision(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection, live: str, why: str
) -> None:
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'x');")
    db.execute(live.encode())

    outcome = engine.migrate(source, target)

    assert outcome.status is RunStatus.NEEDS_DECISIONS
    (misfit,) = [f for f in outcome.findings if f.id == "TARGET-MISFIT"]
    assert why in misfit.message
    assert misfit.choices[0] == "skip"
    skipped = engine.resume(outcome.run, target, accept_lossy=True)
    assert succeeded(skipped).tables == ()


def test_a_view_whose_name_the_target_has_is_reported(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT id FROM t; CREATE VIEW w AS SELECT id FROM t;"
    )
    db.execute("CREATE TABLE v (their int)")

    outcome = succeeded(engine.migrate(source, target))

    assert [f.object for f in outcome.findings if f.id == "VIEW-NOT-CARRIED"] == ["v"]
    assert value(db, "SELECT count(*) FROM w") == 0


def test_an_index_whose_name_a_live_table_has_gets_another(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX theirs ON t (v);")
    db.execute("CREATE TABLE theirs (a int)")

    outcome = succeeded(engine.migrate(source, target))

    assert [f.object for f in outcome.findings if f.id == "NAME-CHANGED"] == ["theirs"]
    assert value(db, "SELECT count(*) FROM pg_indexes WHERE tablename = 't'") == 2


def test_decisions_that_match_nothing_are_noted(make_source: MakeSource, target: Target, engine: Engine) -> None:
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY);")
    decisions = decided(FindingDecision("VALUE-NUL", "quarantine", "messages", "body"))

    outcome = succeeded(engine.migrate(source, target, decisions=decisions))

    assert any("VALUE-NUL messages.body: quarantine matched nothing" in note for note in outcome.notes)


def test_what_needs_a_decision_stops_the_run_before_staging(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 1), (2, 'a' || char(0) || 'b');"
    )

    outcome = engine.migrate(source, target)

    assert outcome.status is RunStatus.NEEDS_DECISIONS
    assert outcome.error is not None
    assert outcome.error.id == "DECISIONS-NEEDED"
    assert [f.id for f in outcome.findings if f.needs_decision] == ["VALUE-NUL"]
    assert value(db, "SELECT to_regnamespace('migrator')") is None
    done = succeeded(engine.resume(outcome.run, target, accept_lossy=True))
    assert done.tables[0].published_rows == 2


@pytest.mark.parametrize("kind", ["no_such_type", "integer; DROP TABLE x"])
def test_a_type_that_the_target_refuses_is_named(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection, kind: str
) -> None:
    source = make_source("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);")
    columns: Any = {"v": (None, kind, "text")}

    outcome = engine.migrate(source, target, scope=Scope(tables={"t": TableOverride(columns=columns)}))

    assert outcome.status is RunStatus.FAILED
    assert outcome.error is not None
    assert outcome.error.id == "PLAN-TYPE"
    assert "t.v" in outcome.error.message


def test_a_skipped_table_is_left_out_and_its_children_lose_the_key(planned: MakePlan) -> None:
    scope = Scope(tables={"p": TableOverride(action=Action.SKIP)})

    plan = planned(
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p);",
        scope,
    )

    assert [t.source for t in plan.moved] == ["c"]
    assert plan.table("c").foreign_keys == ()


def test_counted_time_becomes_moments_by_decision(
    make_source: MakeSource, engine: Engine, target: Target, db: Connection
) -> None:
    source = make_source(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME CHECK (at > 0), seen TIMESTAMP DEFAULT 0);"
        "CREATE INDEX by_time ON t (at);"
        "INSERT INTO t VALUES (1, 1767225600, 13411699200000000), (2, 1, NULL);"
    )
    decisions = decided(
        FindingDecision("TYPE-EPOCH", "epoch-s", "t", "at"), FindingDecision("TYPE-EPOCH", "webkit", "t", "seen")
    )

    succeeded(engine.migrate(source, target, decisions=decisions))

    found = rows(db, "SELECT at AT TIME ZONE 'utc', seen AT TIME ZONE 'utc' FROM t ORDER BY id")
    assert [[str(cell) for cell in row] for row in found] == [
        ["2026-01-01 00:00:00", "2026-01-01 00:00:00"],
        ["1970-01-01 00:00:01", "None"],
    ]
