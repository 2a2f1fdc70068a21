"""The progress table and the timeline: thousands of tables, any name, and only what is in sight is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.scrollbar import ScrollBar
from textual.strip import Strip
from textual.widget import Widget

from migrator_tui.model.progress import RunStatus, Stage, TableState
from migrator_tui.tui.themes import THEMES
from migrator_tui.tui.widgets.kept_lines import KeptLines
from migrator_tui.tui.widgets.line_bar import LineBar
from migrator_tui.tui.widgets.progress_table import STATES, ProgressTable
from migrator_tui.tui.widgets.timeline import Timeline
from tests.tui.scripted import progress, table

TABLES = [table(f"table_{number:04}", TableState.WAITING, 0, 10 + number) for number in range(2000)]


class Counted(ProgressTable):
    """Remembers which lines were drawn."""

    drawn: list[int]

    def render_line(self, y: int) -> Strip:
        self.drawn.append(y)
        return super().render_line(y)


class Showing(App[None]):
    """Nothing but the two widgets."""

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    def compose(self) -> ComposeResult:
        yield Timeline()
        shown = Counted()
        shown.drawn = []
        yield shown


def painted(app: App[None]) -> str:
    """The screen, put together of what its widgets keep."""
    return app.export_screenshot()


def in_full(app: App[None]) -> str:
    """The screen with nothing kept."""
    for widget in app.screen.walk_children(Widget):
        widget.refresh()
    for kept in app.screen.query(KeptLines):
        kept.vertical_scrollbar.refresh()
    return app.export_screenshot()


def lines(shown: ProgressTable) -> list[str]:
    return [ProgressTable.render_line(shown, y).text for y in range(shown.size.height)]


async def test_of_two_thousand_tables_only_the_lines_in_sight_are_drawn() -> None:
    async with Showing().run_test(size=(100, 30)) as pilot:
        shown = pilot.app.query_one(Counted)
        shown.drawn.clear()
        shown.show(TABLES)
        await pilot.pause()
        assert set(shown.drawn) == set(range(shown.size.height))
        shown.drawn.clear()
        shown.show([replace(TABLES[0], rows_done=5), *TABLES[1:]])
        await pilot.pause()
        assert set(shown.drawn) == {1}, "the line whose counters changed, below the heading"


async def test_scrolled_down_the_changed_line_is_drawn_and_a_change_out_of_sight_is_there_when_scrolled_to() -> None:
    async with Showing().run_test(size=(100, 30)) as pilot:
        shown = pilot.app.query_one(Counted)
        shown.show(TABLES)
        await pilot.pause()
        shown.scroll_to(y=100, animate=False)
        await pilot.pause()
        shown.drawn.clear()
        last = 100 + shown.size.height - 2
        changed = {0: 1, 100: 2, last: 3}
        shown.show([replace(one, rows_done=changed.get(at, 0)) for at, one in enumerate(TABLES)])
        await pilot.pause()
        assert set(shown.drawn) == {1, shown.size.height - 1}
        assert "2 / 110" in lines(shown)[1]
        shown.scroll_to(y=0, animate=False)
        await pilot.pause()
        assert "1 / 10" in lines(shown)[1]


async def test_equal_counters_draw_nothing_again() -> None:
    async with Showing().run_test(size=(100, 30)) as pilot:
        shown = pilot.app.query_one(Counted)
        shown.show(TABLES)
        await pilot.pause()
        shown.drawn.clear()
        shown.show(list(TABLES))
        await pilot.pause()
        assert shown.drawn == []


async def test_the_last_of_two_thousand_tables_is_reached_by_one_key() -> None:
    async with Showing().run_test(size=(100, 30)) as pilot:
        shown = pilot.app.query_one(Counted)
        shown.show(TABLES)
        shown.focus()
        await pilot.pause()
        await pilot.press("end")
        await pilot.pause()
        assert "table_1999" in lines(shown)[-1]
        assert lines(shown)[0].split() == ["table", "rows", "rows/s", "state"]


async def test_a_key_scrolls_in_one_step_and_draws_only_the_lines_that_came_in_sight() -> None:
    async with Showing().run_test(size=(100, 30)) as pilot:
        shown = pilot.app.query_one(Counted)
        shown.show(TABLES)
        shown.focus()
        await pilot.pause()
        shown.drawn.clear()
        await pilot.press("pagedown")
        await pilot.pause()
        assert shown.drawn == list(range(1, shown.size.height)), "each table once, and not the heading"
        assert shown.scroll_y == shown.scroll_target_y > 1
        shown.drawn.clear()
        await pilot.press("down")
        await pilot.pause()
        assert shown.drawn == [shown.size.height - 1]
        assert painted(pilot.app) == in_full(pilot.app)


async def test_after_any_change_the_screen_is_what_painting_all_of_it_would_give() -> None:
    async with Showing().run_test(size=(100, 30)) as pilot:
        app = pilot.app
        shown = app.query_one(Counted)
        shown.show(TABLES)
        changes: list[Callable[[], object]] = [
            lambda: shown.scroll_to(y=7),
            lambda: shown.show([replace(one, rows_done=3) for one in TABLES]),
            shown.toggle_order,
            lambda: setattr(app, "theme", THEMES[1].name),
            lambda: shown.show(TABLES[:5]),
            lambda: setattr(shown.styles, "padding", 1),
        ]
        for change in changes:
            await pilot.pause()
            change()
            await pilot.pause()
            assert painted(app) == in_full(app)
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        assert painted(app) == in_full(app)


async def test_the_scroll_bar_looks_as_textuals_own_wherever_it_stands() -> None:
    async with Showing().run_test(size=(100, 30)) as pilot:
        shown = pilot.app.query_one(Counted)
        shown.show(TABLES[:68])
        await pilot.pause()
        bar = shown.vertical_scrollbar
        assert isinstance(bar, LineBar)
        for y in range(0, shown.max_scroll_y + 1, 3):
            shown.scroll_to(y=y)
            await pilot.pause()
            mine = bar.render_lines(bar.size.region)
            bar.refresh()
            assert mine == ScrollBar.render_lines(bar, bar.size.region)


async def test_failed_and_unfinished_tables_come_first_on_demand_and_the_plans_order_comes_back() -> None:
    states = [TableState.VERIFIED, TableState.WAITING, TableState.STAGING, TableState.FAILED]
    tables = [table(state.value, state) for state in states]
    async with Showing().run_test(size=(100, 30)) as pilot:
        shown = pilot.app.query_one(Counted)
        shown.show(tables)
        await pilot.pause()
        assert shown.toggle_order()
        assert [line.split()[0] for line in lines(shown)[1:5]] == ["failed", "staging", "waiting", "verified"]
        assert not shown.toggle_order()
        assert [line.split()[0] for line in lines(shown)[1:5]] == [state.value for state in states]


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize(
    "name", ["名前の長いテーブルの名前", "e\u0301te\u0301", "😀" * 20, "a\tb\nc\x1b[31m", "", "x" * 300]
)
async def test_every_line_is_as_wide_as_the_widget_whatever_the_name(name: str, width: int) -> None:
    async with Showing().run_test(size=(width, 10)) as pilot:
        shown = pilot.app.query_one(Counted)
        shown.show([table(name)])
        await pilot.pause()
        for y in range(shown.size.height):
            strip = ProgressTable.render_line(shown, y)
            assert strip.cell_length == shown.size.width
            assert cell_len(strip.text) == shown.size.width
            assert strip.text.isprintable()


@pytest.mark.parametrize("state", list(TableState))
async def test_every_state_has_a_symbol_and_a_word(state: TableState) -> None:
    async with Showing().run_test(size=(80, 10)) as pilot:
        shown = pilot.app.query_one(Counted)
        shown.show([replace(table("users", state), rows_quarantined=3)])
        await pilot.pause()
        symbol, word, _ = STATES[state]
        assert f"{symbol} {word}" in lines(shown)[1]
        assert "⚠ 3" in lines(shown)[1]


@pytest.mark.parametrize("width", [80, 120])
async def test_the_timeline_names_every_stage_and_fits(width: int) -> None:
    async with Showing().run_test(size=(width, 10)) as pilot:
        timeline = pilot.app.query_one(Timeline)
        timeline.show(progress(stage=Stage.CHECK))
        await pilot.pause()
        said = timeline.render_line(0).text
        assert all(stage.value in said for stage in Stage)
        assert "✓" in said.split("stage")[0]
        assert "●" in said.split("check")[0]
        assert "○" in said.split("publish")[0]


async def test_a_run_that_ended_has_every_stage_done() -> None:
    async with Showing().run_test(size=(120, 10)) as pilot:
        timeline = pilot.app.query_one(Timeline)
        timeline.show(progress(status=RunStatus.SUCCEEDED, stage=None))
        await pilot.pause()
        assert timeline.render_line(0).text.count("✓") == len(Stage)
