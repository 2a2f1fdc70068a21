"""Select: tables and columns in and out, companions, names, totals."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from migrator_tui.model.plan import Action, Scope
from migrator_tui.model.schema import TableName
from migrator_tui.postgres.connect import Target
from migrator_tui.tui import scope_edits
from migrator_tui.tui.dialogs.ask import Ask
from migrator_tui.tui.dialogs.give_value import GiveValue
from migrator_tui.tui.dialogs.parent_left_out import ParentLeftOut
from migrator_tui.tui.screens.review import ReviewScreen
from migrator_tui.tui.screens.select import SelectScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.table_list import TableList
from tests.migration.running import build, session
from tests.tui.planned import MOST_WIDGETS, many, on_step, settled, shop, showing
from tests.tui.waiting import on, text, until


async def test_space_leaves_a_table_out_and_takes_it_back(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.SELECT, shop(tmp_path), target) as (app, pilot):
        assert text(app, "#totals").startswith("3 tables, 5 rows")
        await pilot.press("end", "space")
        assert text(app, "#totals").startswith("2 tables, 3 rows")
        await until(pilot, lambda: settled(app))
        assert app.session.plan is not None
        assert app.session.plan.table("messages").action is Action.SKIP
        await pilot.press("space")
        await until(pilot, lambda: settled(app))
        assert app.session.scope == Scope()
        assert len(app.session.plan.moved) == 3


async def test_leaving_out_a_parent_asks_what_becomes_of_its_children(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.SELECT, shop(tmp_path), target) as (app, pilot):
        await pilot.press("space")
        await until(pilot, lambda: on(app, ParentLeftOut))
        await pilot.press("enter")
        assert app.session.scope == Scope()
        await pilot.press("space", "tab", "enter")
        await until(pilot, lambda: settled(app))
        assert {name for name, o in app.session.scope.tables.items() if o.action is Action.SKIP} == {
            "users",
            "messages",
        }


async def test_taking_a_child_adds_its_parents_and_says_why(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.SELECT, shop(tmp_path), target, scope=Scope(include=("rooms",))) as (app, pilot):
        assert "1 of 3 tables" in text(app, "#headline")
        await pilot.press("end", "space")
        assert "users added: messages refers to it" in text(app, "#said")
        await until(pilot, lambda: settled(app))
        assert app.session.plan is not None
        assert {table.source for table in app.session.plan.moved} == {"users", "rooms", "messages"}


async def test_a_takes_all_or_none_and_nothing_cannot_be_reviewed(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.SELECT, shop(tmp_path), target) as (app, pilot):
        await pilot.press("a", "enter")
        assert isinstance(app.screen, SelectScreen)
        assert "Nothing is taken" in text(app, "#said")
        await until(pilot, lambda: settled(app))
        await pilot.press("a")
        await until(pilot, lambda: settled(app))
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ReviewScreen))


async def test_x_leaves_a_column_behind_and_takes_it_back(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.SELECT, shop(tmp_path), target) as (app, pilot):
        await pilot.press("tab", "end", "x")
        await until(pilot, lambda: settled(app))
        assert app.session.plan is not None
        assert app.session.plan.table("users").left_behind == ("seen",)
        await pilot.press("x")
        await until(pilot, lambda: settled(app))
        assert app.session.plan.table("users").left_behind == ()
        assert app.session.scope == Scope()


async def test_r_renames_a_table_and_a_column_but_not_to_a_name_that_is_taken(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.SELECT, shop(tmp_path), target) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: on(app, Ask))
        app.screen.query_one(Input).value = "rooms"
        await pilot.press("enter")
        await until(pilot, lambda: on(app, Ask))
        app.screen.query_one(Input).value = "people"
        await pilot.press("enter")
        await until(pilot, lambda: settled(app))
        await pilot.press("tab", "down", "r")
        app.screen.query_one(Input).value = "mail"
        await pilot.press("enter")
        await until(pilot, lambda: settled(app))
        assert app.session.plan is not None
        users = app.session.plan.table("users")
        assert users.target == TableName("public", "people")
        assert users.columns[1].target == "mail"


async def test_a_filter_and_an_order_change_what_is_seen_and_not_what_is_taken() -> None:
    async with showing(Step.SELECT, many(30)) as (app, pilot, _):
        tables = app.screen.query_one(TableList)
        await pilot.press("s")
        assert tables.shown[0].source == "table_0029"
        await pilot.press("slash", *"_001", "enter")
        assert len(tables.shown) == 10
        assert text(app, "#headline").startswith("30 of 30 tables")
        await pilot.press("slash", "escape")
        assert len(tables.shown) == 30


async def test_a_click_on_the_checkbox_toggles() -> None:
    async with showing(Step.SELECT, many(3)) as (app, pilot, _):
        await pilot.click(TableList, offset=(2, 3))
        assert text(app, "#headline").startswith("2 of 3 tables")


async def test_two_thousand_tables_take_as_few_widgets_as_two() -> None:
    counts = []
    for tables in (2, 2000):
        async with showing(Step.SELECT, many(tables)) as (app, pilot, _):
            counts.append(len(app.screen.query("*")))
            await pilot.press("end")
            assert f"table_{tables - 1:04}" in text(app, "#columns-title")
    assert max(counts) < MOST_WIDGETS


def test_companions_reach_the_parents_of_parents_and_cycles_end() -> None:
    parents = {"a": ("b",), "b": ("c",), "c": ("a",), "d": ()}
    assert scope_edits.companions("a", parents, []) == {"b": "a", "c": "b"}
    assert scope_edits.companions("a", parents, ["b"]) == {}
    assert scope_edits.dependants("c", parents, ["a", "b", "d"]) == ("a", "b")


def test_taking_every_choice_back_leaves_the_scope_as_it_was() -> None:
    scope = Scope()
    changed = scope_edits.with_type(scope, "t", "c", "text")
    changed = scope_edits.with_name(changed, "t", "c", "d")
    assert changed.tables["t"].columns == {"c": ("d", "text", None)}
    changed = scope_edits.with_name(scope_edits.with_type(changed, "t", "c", None), "t", "c", None)
    assert changed == scope


async def test_n_writes_names_in_snake_case_and_keeps_them_again(tmp_path: Path, target: Target) -> None:
    source = build(tmp_path / "camel.db", 'CREATE TABLE "UserNames" ("userId" INTEGER PRIMARY KEY);')
    async with on_step(Step.SELECT, source, target) as (app, pilot):
        await pilot.press("n")
        await until(pilot, lambda: settled(app))
        assert app.session.plan is not None
        made = app.session.plan.table("UserNames")
        assert (made.target, made.columns[0].target) == (TableName("public", "user_names"), "user_id")
        await pilot.press("n")
        await until(pilot, lambda: settled(app))
        assert app.session.plan.table("UserNames").target == TableName("public", "UserNames")
        assert app.session.scope == Scope()


async def test_v_gives_a_column_of_the_target_a_value_and_takes_it_back(tmp_path: Path, target: Target) -> None:
    with session(target) as db:
        db.execute("CREATE TABLE t (id bigint PRIMARY KEY, tenant text NOT NULL, note text)")
    source = build(tmp_path / "t.db", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1);")
    async with on_step(Step.SELECT, source, target) as (app, pilot):
        await pilot.press("v")
        await until(pilot, lambda: on(app, GiveValue))
        typed = app.screen.query_one(Input)
        assert typed.value == "tenant = "
        typed.value = "owner = 'me'"
        await pilot.press("enter")
        await until(pilot, lambda: on(app, GiveValue))
        typed.value = "tenant = 'ac=me'"
        await pilot.press("enter")
        await until(pilot, lambda: settled(app))
        assert app.session.plan is not None
        assert [(f.target, f.expression) for f in app.session.plan.table("t").fills] == [("tenant", "'ac=me'")]
        await pilot.press("v")
        app.screen.query_one(Input).value = "tenant ="
        await pilot.press("enter")
        await until(pilot, lambda: settled(app))
        assert app.session.scope == Scope()
