"""Names on the target: kept or written in snake_case, and what refers to them follows."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator_tui.migration.planning import plan_file
from migrator_tui.migration.pulling.pull import pull
from migrator_tui.migration.run_folder import RunFolder
from migrator_tui.model.plan import Scope, TableOverride
from migrator_tui.model.pull import PullRequest
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.connect import Target
from tests.migration import auditing
from tests.migration.comparing_files import contents, statements
from tests.migration.conftest import MakeSource
from tests.migration.running import Connection, Engine, fingerprint, rows, succeeded, value

LONG = "LongColumn" * 9
SHOP = f"""
CREATE TABLE "Users" (
    "UserID" INTEGER PRIMARY KEY AUTOINCREMENT, "UserName" TEXT NOT NULL UNIQUE, user_name TEXT,
    "order" TEXT DEFAULT 'x', "Full.Name" TEXT, "a b" INTEGER CHECK ("a b" > 0), "Größe" REAL, "q""q" TEXT);
CREATE TABLE "Order Details" (
    "OrderID" INTEGER PRIMARY KEY, "UserID" INTEGER REFERENCES "Users"("UserID") ON DELETE CASCADE,
    "Qty" INTEGER DEFAULT 1, "Twice" GENERATED ALWAYS AS ("Qty" * 2) STORED,
    CONSTRAINT "CK_Qty" CHECK ("Qty" >= 0 AND "UserID" > 0));
CREATE TABLE order_details (id INTEGER PRIMARY KEY, "{LONG}A" TEXT, "{LONG}B" TEXT);
CREATE TABLE "select" ("from" INTEGER PRIMARY KEY, "!!!" TEXT);
CREATE INDEX "IX_UserName" ON "Users"(lower("UserName"), "Größe" DESC);
CREATE INDEX "IX_Partial" ON "Order Details"("Qty") WHERE "UserID" > 3;
CREATE VIEW "UserOrders" AS SELECT u."UserName", o.* FROM "Users" u JOIN "Order Details" o USING ("UserID");
CREATE VIEW "TopUsers" AS SELECT "UserName", count(*) AS n FROM "UserOrders" GROUP BY "UserName";
INSERT INTO "Users" VALUES (1, 'Ann', 'x', 'y', 'z', 3, 1.5, 'q'), (2, 'Bob', NULL, 'y', 'z', 3, 1.5, 'q');
INSERT INTO "Order Details" ("OrderID", "UserID", "Qty") VALUES (1, 1, 2), (2, 1, 5);
INSERT INTO "select" VALUES (1, 'a');
INSERT INTO order_details VALUES (1, 'a', 'b');
"""


def test_snake_case_reaches_everything_that_has_a_name(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    before = fingerprint(db)
    outcome = succeeded(engine.migrate(make_source(SHOP), target, scope=Scope(names="snake_case")))

    relations = {
        name for (name,) in rows(db, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace")
    }
    assert {"users", "select", "order_details", "user_orders", "top_users", "ix_user_name", "ix_partial"} <= relations
    assert {"users_pkey", "users_user_id_seq"} <= relations
    assert any(name.startswith("users_user_name_") and name.endswith("_key") for name in relations)
    assert all(name == name.lower() and " " not in name for name in relations)
    columns = [
        c
        for (c,) in rows(
            db,
            "SELECT attname::text FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum",
        )
    ]
    assert [c for c in columns if not c.startswith("user_name_")] == [
        "user_id", "user_name", "order", "full_name", "a_b", "größe", "q_q",
    ]  # fmt: skip
    # What was called so already keeps its name; what would become it gives way.
    assert value(db, "SELECT user_name FROM users WHERE user_id = 1") == "x"
    assert rows(db, 'SELECT "from", unnamed FROM "select"') == [(1, "a")]
    assert rows(db, "SELECT n FROM top_users") == [(2,)]
    (shortened,) = rows(db, "SELECT * FROM order_details")
    assert shortened == (1, "a", "b")
    definitions = dict(
        rows(
            db,
            "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'public'::regnamespace",
        )
    )
    assert definitions["ck_qty"] == "CHECK (((qty >= 0) AND (user_id > 0)))"
    assert any("FOREIGN KEY (user_id) REFERENCES users(user_id)" in text for text in definitions.values())
    changed = {f.object for f in outcome.findings if f.id == "NAME-CHANGED"}
    assert {"Users", "UserID", "Full.Name", "IX_UserName", "UserOrders", "CK_Qty", "!!!", f"{LONG}A"} <= changed
    assert not changed & {"order", "user_name", "order_details", "select"}

    engine.rollback(outcome.run, target)
    assert fingerprint(db) == before


def test_names_are_kept_to_the_letter_unless_asked_otherwise(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    succeeded(engine.migrate(make_source(SHOP), target))
    assert rows(db, 'SELECT "UserID", "UserName", "order", "Full.Name", "a b", "q""q" FROM "Users" LIMIT 1') == [
        (1, "Ann", "y", "z", 3, "q")
    ]
    assert rows(db, 'SELECT n FROM "TopUsers"') == [(2,)]


def test_a_name_that_a_person_gave_is_not_rewritten(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    scope = Scope(
        names="snake_case",
        tables={"Users": TableOverride(TableName("public", "AppUsers"), None, {"UserName": ("Login", None, None)})},
    )
    succeeded(engine.migrate(make_source(SHOP), target, scope=scope))
    assert rows(db, 'SELECT user_id, "Login" FROM "AppUsers" ORDER BY 1') == [(1, "Ann"), (2, "Bob")]


def test_a_plan_file_replays_the_names_it_was_made_with(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection
) -> None:
    source = make_source(SHOP)
    outcome = succeeded(engine.migrate(source, target, scope=Scope(names="snake_case")))
    there = rows(db, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")
    replay = plan_file.read(RunFolder.open(outcome.run).file("plan.yaml"))
    engine.rollback(outcome.run, target)

    succeeded(engine.migrate(source, target, scope=replay.scope, decisions=replay.decisions))
    assert there == rows(
        db, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    )


@pytest.mark.parametrize("names", ["keep", "snake_case"])
def test_indexes_of_two_tables_that_are_cut_alike_stay_apart(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection, names: str
) -> None:
    script = "".join(
        f'CREATE TABLE t{n} (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX "{"Ix" * 40}{n}" ON t{n}(v);'
        for n in range(3)
    )
    succeeded(engine.migrate(make_source(script), target, scope=Scope(names=names)))  # type: ignore[arg-type]
    assert (
        value(db, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'public' AND lower(indexname) LIKE 'ix%%'") == 3
    )


ODD = """
CREATE TABLE "select" ("" INTEGER PRIMARY KEY,
    "na me" TEXT UNIQUE, "na.me" TEXT, 'na"me' TEXT, `na'me` TEXT, [Na_Me] INT);
CREATE TABLE "Sel.Ect" ("From" INTEGER REFERENCES "select" (""), "%s" TEXT, "{0}" TEXT, "$1" TEXT, "\\" TEXT, ":a" INT);
CREATE TABLE "" ("UserID" INTEGER PRIMARY KEY, user_id INT, "userId!" INT AS ("user_id" + 1), CHECK ("user_id" > 0));
CREATE TABLE "名前" ("Größe" INT, "größe " INT, "🙂" TEXT, ctid TEXT, tableoid INT, "x\ty" INT);
CREATE TABLE "LONG1" ("LONGa" INT, "LONGb" INT, "LONGa_" INT REFERENCES "" ("UserID"), PRIMARY KEY ("LONGa", "LONGb"));
CREATE TABLE "LONG2" (id INT, FOREIGN KEY (id, id) REFERENCES "LONG1" ("LONGb", "LONGa")) ;
CREATE INDEX "LONG_1" ON "LONG1" ("LONGa"); CREATE INDEX "LONG_2" ON "LONG2" (id);
CREATE INDEX "id" ON "LONG2" (id DESC);
CREATE VIEW [View "of" select] AS SELECT "", "na.me" AS "LONGa" FROM "select";
INSERT INTO "select" VALUES (1, 'a', 'b', 'c', 'd', 2); INSERT INTO "Sel.Ect" VALUES (1, 'e', 'f', 'g', 'h', 3);
INSERT INTO "" VALUES (1, 2); INSERT INTO "名前" VALUES (1, 2, 'x', 'y', 3, 4);
INSERT INTO "LONG1" VALUES (1, 1, 1); INSERT INTO "LONG2" VALUES (1);
""".replace("LONG", "A very long name, " * 4)


@pytest.mark.parametrize("names", ["keep", "snake_case"])
def test_every_odd_name_goes_there_and_comes_back(
    make_source: MakeSource, target: Target, engine: Engine, db: Connection, tmp_path: Path, names: str
) -> None:
    source = make_source(ODD)
    outcome = succeeded(engine.migrate(source, target, scope=Scope(names=names)))  # type: ignore[arg-type]

    assert auditing.audit(source, target, outcome.as_json()) == []
    assert outcome.not_carried == ()
    there = rows(
        db, "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'c'"
    )
    assert len(there) == len(set(there))
    assert all(len(name.encode()) <= 63 for (name,) in there)
    pull(PullRequest(tmp_path / "back.db"), target)
    assert contents(tmp_path / "back.db") == contents(source)
    assert statements(tmp_path / "back.db") == statements(source)
