from __future__ import annotations

from typing import Any

import psycopg

from migrator_tui.model.plan import Action, ColumnPlan, Plan, TablePlan, ViewPlan
from migrator_tui.model.schema import (
    Check,
    EnumType,
    ForeignKey,
    Generated,
    Index,
    IndexPart,
    Key,
    ReferentialAction,
    TableName,
)
from migrator_tui.postgres import ddl

ODD = TableName("public", 'odd "name" % of it')
PARENT = TablePlan(
    "parent",
    ODD,
    Action.CREATE,
    (
        ColumnPlan("id", "id", "bigint", "integer", not_null=True, identity_next=42),
        ColumnPlan("s", "select", '"state"', "text", default="'on'::\"state\""),
        ColumnPlan("n", "n", "numeric(10,2)", "decimal(10,2)", default="1.5"),
        ColumnPlan("g", "g", "bigint", "integer", generated=Generated('"id" * 2', True)),
        ColumnPlan("src", "_mt_src", "text", "text"),
    ),
    primary_key=Key(("id",), "odd_pkey"),
    uniques=(Key(("select", "n"), "odd_key"),),
    checks=(Check('"n" > 0', "odd_check"),),
    indexes=(
        Index("by_n", (IndexPart(column="n", descending=True), IndexPart(expression='"n" + 1')), where='"n" > 5'),
    ),
)
CHILD = TablePlan(
    "child",
    TableName("public", "child"),
    Action.CREATE,
    (ColumnPlan("p", "p", "bigint", "integer"),),
    foreign_keys=(
        ForeignKey(
            ("p",), ODD, ("id",), "child_p_fkey", ReferentialAction.CASCADE, ReferentialAction.SET_NULL,
            deferrable=True, initially_deferred=True,
        ),
    ),
)  # fmt: skip
PLAN = Plan(
    "s.db",
    "0" * 64,
    "here",
    (PARENT, CHILD),
    ("parent", "child"),
    enums=(EnumType(TableName("public", "state"), ("on", "it's")),),
    views=(ViewPlan("v", TableName("public", "v"), 'SELECT p FROM "child"'),),
)


def test_the_script_for_a_person_can_be_run_as_it_is(db: psycopg.Connection[Any]) -> None:
    for statement in ddl.script(PLAN):
        db.execute(statement.encode())

    assert db.execute(
        'INSERT INTO "odd ""name"" % of it" DEFAULT VALUES RETURNING id, "select"::text, n, g'
    ).fetchone() == (
        42,
        "on",
        db.execute("SELECT 1.5::numeric(10,2)").fetchone()[0],  # type: ignore[index]
        84,
    )
    definition = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'child_p_fkey'"
    assert db.execute(definition.encode()).fetchone() == (
        'FOREIGN KEY (p) REFERENCES "odd ""name"" % of it"(id) ON UPDATE CASCADE ON DELETE SET NULL '
        "DEFERRABLE INITIALLY DEFERRED",
    )


def test_what_is_staged_and_completed_is_what_the_script_says(db: psycopg.Connection[Any]) -> None:
    db.execute("CREATE SCHEMA stage")
    for enum in PLAN.enums:
        db.execute(ddl.create_enum(enum, "stage").encode())
    db.execute(ddl.create_staging_table(PARENT, "stage", PLAN.enums).encode())
    for _, statement in ddl.keys_and_indexes(PARENT, "stage"):
        db.execute(statement.encode())

    columns = [
        row[0]
        for row in db.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'stage'"
        ).fetchall()
    ]
    assert set(columns) == {"_mt_src_", "id", "select", "n", "g", "_mt_src"}
    indexes = {row[0] for row in db.execute("SELECT indexname FROM pg_indexes WHERE schemaname = 'stage'").fetchall()}
    assert indexes == {"odd_pkey", "odd_key", "by_n"}


def test_a_merged_table_is_staged_with_the_live_types_and_a_name_of_its_own(db: psycopg.Connection[Any]) -> None:
    db.execute("CREATE SCHEMA stage; CREATE TABLE public.live (id int PRIMARY KEY, d date DEFAULT now())")
    merged = TablePlan(
        "mine",
        TableName("public", "live"),
        Action.MERGE,
        (ColumnPlan("d", "d", "date", "date:iso-date"), ColumnPlan("id", "id", "integer", "integer4")),
    )

    db.execute(ddl.create_staging_table(merged, "stage", ()).encode())

    name = ddl.staged_name(merged)
    assert name != "live"
    assert db.execute(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = %s::regclass "
        "AND attnum > 0 ORDER BY attnum",
        (f"stage.{name}",),
    ).fetchall() == [("_mt_src", "bigint"), ("d", "date"), ("id", "integer")]


def test_the_locator_s_name_is_free() -> None:
    assert ddl.locator_name(CHILD) == "_mt_src"
    assert ddl.locator_name(PARENT) == "_mt_src_"


def test_a_foreign_key_may_be_left_unvalidated() -> None:
    (key,) = CHILD.foreign_keys

    assert ddl.add_foreign_key('"child"', key, '"p"', validated=False).endswith(" NOT VALID")
    assert "NOT VALID" not in ddl.add_foreign_key('"child"', key, '"p"')
