"""Trying a plan on the server, and leaving nothing there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from migrator_tui.model.errors import ConnectionLost, TargetError
from migrator_tui.model.plan import Action, ColumnPlan, TablePlan, ViewPlan
from migrator_tui.model.schema import Check, EnumType, Generated, Index, IndexPart, Key, TableName
from migrator_tui.postgres import prove as proving
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.postgres.prove import Refused, prove

Connection = psycopg.Connection[Any]


def table(name: str, *columns: ColumnPlan, **more: Any) -> TablePlan:
    return TablePlan(name, TableName("public", name), Action.CREATE, columns, **more)


def column(name: str, type: str = "text", **more: Any) -> ColumnPlan:
    return ColumnPlan(name, name, type, "text", **more)


def view(name: str, query: str) -> ViewPlan:
    return ViewPlan(name, TableName("public", name), query)


def objects(refused: Sequence[Refused]) -> list[tuple[str, str]]:
    return [(item.object, item.name) for item in refused]


def state(connection: Connection) -> set[tuple[str, str]]:
    """Schemas, relations, types and functions."""
    return set(
        connection.execute(
            "SELECT 'schema', nspname::text FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast_temp)' "
            "UNION SELECT 'relation', oid::regclass::text FROM pg_class "
            "UNION SELECT 'type', oid::regtype::text FROM pg_type "
            "UNION SELECT 'function', oid::regprocedure::text FROM pg_proc"
        ).fetchall()
    )


PEOPLE = table(
    "people",
    column("id", "bigint"),
    column("email", default="lower('A@B' COLLATE \"C\")"),
    column("born", "date"),
    column("loud", generated=Generated('upper("email" COLLATE "C")', True)),
    primary_key=Key(("id",), "people_pkey"),
    checks=(Check('("id" > 0)', "positive"),),
    indexes=(Index("people_email", (IndexPart(expression='lower("email")'),), unique=True, where='("id" > 5)'),),
)


def test_a_plan_that_the_server_takes_has_nothing_refused_and_leaves_nothing(db: Connection) -> None:
    before = state(db)
    views = [view("grouped", 'SELECT "id", "email", count(*) AS "n" FROM "people" GROUP BY "id"')]
    assert prove(db, [PEOPLE], views, []) == []
    assert state(db) == before


def test_each_object_that_the_server_refuses_is_named_with_what_it_said(db: Connection) -> None:
    before = state(db)
    bad = table(
        "bad",
        column("id", "bigint", default="'not a number'"),
        column("half", "double precision", default="nowhere(1)"),
        column("fine", default="'yes'"),
        column("short", "character varying(2)", default="'too long'"),
        column("made", generated=Generated("to_char(now(), 'YYYY')", True)),
        checks=(Check('"nobody" > 1', "about_nobody"), Check('"id" > 0', "fine_check")),
        indexes=(
            Index("on_nobody", (IndexPart(expression='"nobody" + 1'),)),
            Index("fine_index", (IndexPart(column="id"),)),
        ),
    )
    refused = prove(db, [bad], [view("empty", 'SELECT "x" FROM "nowhere"')], [])
    assert objects(refused) == [
        ("default", "id"),
        ("default", "half"),
        ("default", "short"),
        ("generated", "made"),
        ("check", "about_nobody"),
        ("index", "on_nobody"),
        ("view", "empty"),
    ]
    assert all(item.table == bad.target for item in refused[:-1])
    said = {item.name: item.error for item in refused}
    assert "nowhere(integer) does not exist" in said["half"]
    assert "too long" in said["short"]
    assert state(db) == before


def test_a_type_that_does_not_exist_is_named_and_the_rest_of_its_table_is_tried(db: Connection) -> None:
    odd = table("odd", column("a", "txet"), column("b", "bigint", default="1 +"), checks=(Check('"b" > 0', "c"),))
    refused = prove(db, [odd, PEOPLE], [], [])
    assert objects(refused) == [("type", "a"), ("default", "b")]
    assert refused[0].table == odd.target


def test_two_columns_of_one_name_are_the_table_s_own_fault(db: Connection) -> None:
    refused = prove(db, [table("twice", column("a"), column("a"))], [], [])
    assert objects(refused) == [("type", "twice")]


def test_enum_types_are_there_for_columns_and_defaults(db: Connection) -> None:
    enum = EnumType(TableName("public", "mood"), ("happy", "it's"))
    people = table(
        "people",
        column("mood", '"mood"', default="'happy'::\"mood\""),
        column("other", '"mood"', default="'sad'::\"mood\""),
    )
    assert objects(prove(db, [people], [], [enum])) == [("default", "other")]


def test_views_that_read_views_are_proved_in_any_order(db: Connection) -> None:
    views = [
        view("third", 'SELECT * FROM "second"'),
        view("second", 'SELECT "id" FROM "first"'),
        view("first", 'SELECT "id" FROM "people"'),
        view("orphan", 'SELECT * FROM "broken"'),
        view("broken", 'SELECT "nothing" FROM "people"'),
    ]
    refused = prove(db, [PEOPLE], views, [])
    assert sorted(objects(refused)) == [("view", "broken"), ("view", "orphan")]
    assert {item.name: item.error for item in refused}["broken"] == 'column "nothing" does not exist'


def test_a_view_may_read_a_table_with_quotes_in_its_name(db: Connection) -> None:
    odd = replace(PEOPLE, source='pe"op"le', target=TableName("public", 'pe"op"le'))
    assert prove(db, [odd], [view("all of them", 'SELECT "id" FROM "pe""op""le"')], []) == []


def test_a_view_may_read_a_live_table_that_is_merged_into(db: Connection) -> None:
    db.execute("CREATE TABLE public.live (a bigint)")
    merged = replace(table("live", column("a", "nonsense")), action=Action.MERGE)
    assert prove(db, [merged], [view("v", 'SELECT "a" FROM "live"')], []) == []


def test_an_expression_cannot_end_the_transaction(db: Connection) -> None:
    before = state(db)
    people = table("people", column("a", default="'x'; COMMIT; CREATE TABLE public.left_behind (a int)"))
    assert objects(prove(db, [people], [], [])) == [("default", "a")]
    assert state(db) == before


def test_more_tables_than_one_batch_are_proved_each_with_its_own_faults(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "BATCH", 10)
    tables = [table(f"t{n}", column("a", default="1/0" if n % 7 == 0 else "'a'")) for n in range(45)]
    views = [view(f"v{n}", f'SELECT * FROM "t{n}"') for n in range(45)]
    refused = prove(db, tables, views, [])
    assert [str(item.table) for item in refused] == [f"public.t{n}" for n in range(0, 45, 7)]
    assert {item.error for item in refused} != {""}


def test_two_thousand_tables_do_not_exhaust_the_server_s_locks(db: Connection) -> None:
    tables = [table(f"t{n}", column("a", "bigint"), column("b")) for n in range(2000)]
    assert prove(db, tables, [], []) == []


def test_the_caller_s_own_transaction_goes_on(target: Target) -> None:
    with connect(target, autocommit=False) as connection:
        connection.execute("CREATE TABLE public.mine (a bigint)")
        assert prove(connection, [PEOPLE], [view("v", 'SELECT "a" FROM "mine"')], []) == []
        connection.commit()
        assert connection.execute("SELECT count(*) FROM public.mine").fetchone() == (0,)


def test_a_role_that_may_not_create_a_schema_is_told_what_to_grant(role: Any) -> None:
    with connect(role()) as connection, pytest.raises(TargetError) as caught:
        prove(connection, [PEOPLE], [], [])
    assert caught.value.id == "TARGET-PRIVILEGE"
    assert "CREATE" in caught.value.hint


def test_a_connection_that_is_lost_in_the_middle_leaves_nothing(target: Target, db: Connection) -> None:
    before = state(db)
    lost = table("lost", column("a", default="pg_terminate_backend(pg_backend_pid())::text"))
    with connect(target) as connection, pytest.raises(ConnectionLost):
        prove(connection, [PEOPLE, lost], [], [])
    assert state(db) == before
