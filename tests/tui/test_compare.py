"""Compare: both sides, the reasons, the next difference, DDL, and another type for a column."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input, Static

from migrator_tui.postgres.connect import Target, connect
from migrator_tui.tui.dialogs.both_sides import BothSides
from migrator_tui.tui.dialogs.column_type import ColumnType
from migrator_tui.tui.screens.select import SelectScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.ddl_view import DdlView
from migrator_tui.tui.widgets.side_by_side import SideBySide
from tests.tui.planned import MOST_WIDGETS, many, on_step, settled, shop, showing, text, until


def lines(objects: SideBySide) -> list[str]:
    return [objects.render_line(y).text for y in range(objects.size.height)]


async def test_each_object_shows_both_declarations_and_how_they_stand(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.COMPARE, shop(tmp_path), target) as (app, _):
        shown = lines(app.screen.query_one(SideBySide))
        email = next(line for line in shown if " email " in line)
        assert "+ new" in email
        assert email.index("VARCHAR(80) NOT NULL") < email.index("character varying(80) NOT NULL")


async def test_below_100_columns_the_sides_stand_one_above_the_other(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.COMPARE, shop(tmp_path), target, size=(80, 24)) as (app, _):
        shown = lines(app.screen.query_one(SideBySide))
        at = next(i for i, line in enumerate(shown) if line.split()[-1:] == ["email"])
        assert "VARCHAR(80) NOT NULL → character varying(80)" in shown[at + 1]


async def test_n_goes_from_difference_to_difference_on_a_target_that_has_a_table(
    tmp_path: Path, target: Target
) -> None:
    with connect(target) as connection:
        connection.execute("CREATE TABLE rooms (id bigint PRIMARY KEY, title text, colour text)")
    async with on_step(Step.COMPARE, shop(tmp_path), target) as (app, pilot):
        objects = app.screen.query_one(SideBySide)
        await pilot.press("slash", *"rooms.", "enter")
        assert {pair.table for pair in objects.shown} == {"rooms"}
        await pilot.press("n")
        assert objects.current is not None
        assert objects.current.name == "rooms.colour"
        assert "− only there" in text(app, "#detail")
        assert "only on the target" in text(app, "#detail")
        await pilot.press("f")
        assert [pair.name for pair in objects.shown if pair.object == "column"] == ["rooms.colour"]


async def test_d_opens_the_ddl_of_both_sides(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.COMPARE, shop(tmp_path), target) as (app, pilot):
        await pilot.press("down", "d")
        assert isinstance(app.screen, BothSides)
        assert app.screen.query_one("#source-ddl", DdlView).render_line(0).text.startswith("CREATE TABLE users (")
        assert (
            app.screen.query_one("#target-ddl", DdlView)
            .render_line(0)
            .text.startswith('CREATE TABLE "public"."users" (')
        )
        await pilot.press("escape")
        assert not isinstance(app.screen, BothSides)


async def test_another_type_is_tried_on_the_target_and_kept_by_a_second_enter(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.COMPARE, shop(tmp_path), target) as (app, pilot):
        await pilot.press("slash", *"users.email", "enter", "down", "t")
        dialog = app.screen
        assert isinstance(dialog, ColumnType)
        dialog.query_one(Input).value = "text"
        await pilot.press("enter")
        await until(pilot, lambda: "lossless" in str(dialog.query_one("#effect", Static).render()))
        await pilot.press("enter")
        await until(pilot, lambda: settled(app))
        assert app.session.scope.tables["users"].columns == {"email": (None, "text", None)}
        assert app.session.plan is not None
        assert app.session.plan.table("users").columns[1].type == "text"


async def test_a_type_that_the_target_refuses_is_shown_and_not_kept(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.COMPARE, shop(tmp_path), target) as (app, pilot):
        await pilot.press("down", "down", "t")
        dialog = app.screen
        assert isinstance(dialog, ColumnType)
        dialog.query_one(Input).value = "no_such_type"
        await pilot.press("enter")
        await until(pilot, lambda: "PLAN-TYPE" in str(dialog.query_one("#effect", Static).render()))
        await pilot.press("enter", "escape")
        assert app.session.scope.tables == {}
        assert settled(app)


async def test_enter_goes_on_to_select(tmp_path: Path, target: Target) -> None:
    async with on_step(Step.COMPARE, shop(tmp_path), target) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SelectScreen))


async def test_two_thousand_tables_take_as_few_widgets_as_two() -> None:
    counts = []
    for tables in (2, 2000):
        async with showing(Step.COMPARE, many(tables)) as (app, pilot, _):
            counts.append(len(app.screen.query("*")))
            await pilot.press("end")
            current = app.screen.query_one(SideBySide).current
            assert current is not None
            assert current.table == f"table_{tables - 1:04}"
    assert max(counts) < MOST_WIDGETS


async def test_a_folded_table_hides_its_objects() -> None:
    async with showing(Step.COMPARE, many(3)) as (app, pilot, _):
        objects = app.screen.query_one(SideBySide)
        before = len(objects.shown)
        await pilot.press("space")
        assert before - len(objects.shown) == 12
        await pilot.press("space")
        assert len(objects.shown) == before
