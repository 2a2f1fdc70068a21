"""The whole way over the real engine: by keyboard, by mouse, after a kill, and through a conflict."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Input, Static

from migrator_tui.demo import sample_app
from migrator_tui.demo.kept_project import stand_in_beside
from migrator_tui.demo.prepare import prepare
from migrator_tui.migration.guide import Ends
from migrator_tui.migration.live_guide import LiveGuide
from migrator_tui.model.progress import RunStatus
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.access import AccessMatrix
from migrator_tui.tui.dialogs.publish import Publish
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.screens.compare import CompareScreen
from migrator_tui.tui.screens.connect import ConnectScreen
from migrator_tui.tui.screens.home import HomeScreen
from migrator_tui.tui.screens.plan_screen import PlanScreen
from migrator_tui.tui.screens.resolve import ResolveScreen
from migrator_tui.tui.screens.result import ResultScreen
from migrator_tui.tui.screens.review import ReviewScreen
from migrator_tui.tui.screens.select import SelectScreen
from migrator_tui.tui.widgets.access_grid import Access, AccessGrid, verdict
from migrator_tui.tui.widgets.conflict_list import ConflictList
from tests.tui.waiting import on, text, until

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
SIZE = (120, 36)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: the demo's server has its socket in it."""
    made = Path(tempfile.mkdtemp(prefix="mt-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def click(pilot: Pilot[int], selector: str) -> None:
    """Click a widget, once it has its place."""
    await until(pilot, lambda: bool(pilot.app.screen.query(selector).first().region.area))
    await pilot.pause(0.1)
    assert await pilot.click(selector)


def planned(app: MigratorApp, kind: type[PlanScreen]) -> bool:
    """The screen is there, with the plan for the latest choices."""
    screen = app.screen
    return isinstance(screen, kind) and screen.plan is not None and screen.plan is app.session.plan


def enabled(app: MigratorApp, selector: str) -> bool:
    found = app.screen.query(selector)
    return bool(found) and not found.first(Button).disabled


def rows(target: Target, query: str) -> list[tuple[Any, ...]]:
    with connect(target) as connection:
        return connection.execute(query.encode()).fetchall()


def target_of(app: MigratorApp) -> Target:
    bench = app.session.bench
    assert bench is not None
    connected: Target = bench.connected  # type: ignore[attr-defined]
    return connected


def accesses_shown(app: MigratorApp) -> Sequence[Access]:
    return app.screen.query_one(AccessGrid).shown


async def test_the_demo_goes_from_home_to_a_verified_result_and_back_by_enter_alone(folder: Path) -> None:
    app = MigratorApp(LiveGuide(stand_in_beside=stand_in_beside), folder=folder, prepare_demo=prepare)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: on(app, HomeScreen) and app.focused is not None)
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ConnectScreen))
        if app.session.bench is None:
            await pilot.press("enter")
        await until(pilot, lambda: app.session.bench is not None and enabled(app, "#go"))
        target = target_of(app)
        assert rows(target, TABLES) == []
        for screen in (CompareScreen, SelectScreen, ReviewScreen):
            await pilot.press("enter")
            await until(pilot, lambda screen=screen: planned(app, screen))  # type: ignore[misc]
        await until(pilot, lambda: enabled(app, "#start"))
        await pilot.press("enter")
        await until(pilot, lambda: on(app, Publish))
        assert rows(target, TABLES) == []
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ResultScreen))
        assert "every cell verified" in text(app, "#sentence")
        assert len(rows(target, TABLES)) == 10
        assert rows(target, "SELECT count(*) FROM users") == [(300,)]
        await pilot.press("a")
        await until(pilot, lambda: on(app, AccessMatrix))
        shown = {access.table: access for access in accesses_shown(app)}
        assert len(shown) >= 8
        assert not any(access.wrong for access in shown.values())
        assert verdict(shown["public.messages"].of("anon")) == ("✗ nothing", "muted")
        assert verdict(shown["public.messages"].of("service_role")) == ("✓ everything", "good")
        await pilot.press("escape")
        await until(pilot, lambda: on(app, ResultScreen))
        await pilot.press("u", "tab", "enter")
        await until(pilot, lambda: on(app, ResultScreen) and "taken back" in text(app, "#sentence"))
        assert rows(target, TABLES) == []
        await pilot.press("a")
        assert on(app, ResultScreen)
        await pilot.press("enter")
        await until(pilot, lambda: on(app, HomeScreen))


async def test_the_demo_goes_from_home_to_a_verified_result_and_back_by_mouse_on_the_smallest_screen(
    folder: Path,
) -> None:
    app = MigratorApp(LiveGuide(stand_in_beside=stand_in_beside), folder=folder, prepare_demo=prepare)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: on(app, HomeScreen) and app.focused is not None)
        await pilot.click("#begin", offset=(8, 1))
        await until(pilot, lambda: on(app, ConnectScreen))
        if app.session.bench is None:
            await click(pilot, "#go")
        await until(pilot, lambda: app.session.bench is not None and enabled(app, "#go"))
        target = target_of(app)
        await click(pilot, "#go")
        await until(pilot, lambda: planned(app, CompareScreen))
        await click(pilot, "#continue")
        await until(pilot, lambda: planned(app, SelectScreen))
        await click(pilot, "#continue")
        await until(pilot, lambda: planned(app, ReviewScreen) and enabled(app, "#start"))
        await click(pilot, "#start")
        await until(pilot, lambda: on(app, Publish))
        await click(pilot, "#publish")
        await until(pilot, lambda: on(app, ResultScreen))
        assert "every cell verified" in text(app, "#sentence")
        await click(pilot, "#access")
        await until(pilot, lambda: on(app, AccessMatrix))
        await click(pilot, "#close")
        await until(pilot, lambda: on(app, ResultScreen))
        await click(pilot, "#undo")
        await until(pilot, lambda: on(app, Question))
        await click(pilot, "#do")
        await until(pilot, lambda: on(app, ResultScreen) and "taken back" in text(app, "#sentence"))
        assert rows(target, TABLES) == []


KILLED = """
import sys, time
from pathlib import Path
from migrator_tui.migration import decisions_file
from migrator_tui.migration.guide import Ends
from migrator_tui.migration.live_guide import LiveGuide
source, target, decisions = sys.argv[1:]
ends = Ends(Path(source), target, decisions=decisions_file.read(Path(decisions)))
guide = LiveGuide()
run = guide.start(guide.open(ends, None, lambda step: None), ends.scope, ends.decisions)
while run.progress().waiting_for is None:
    time.sleep(0.01)
print("staged", flush=True)
time.sleep(600)
"""


async def test_a_run_whose_process_was_killed_is_offered_on_home_and_finished_by_one_key(
    folder: Path, target: Target
) -> None:
    sample = sample_app.build(folder, files=False)
    arguments = [sys.executable, "-c", KILLED, str(sample.database), target.display, str(sample.decisions)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "staged\n"
        process.send_signal(signal.SIGKILL)
    assert rows(target, TABLES) == []
    app = MigratorApp(LiveGuide(stand_in_beside=stand_in_beside), folder=folder, prepare_demo=prepare)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "resume" in {a.binding.action for a in app.screen.active_bindings.values()})
        await pilot.press("r")
        await until(pilot, lambda: on(app, Publish))
        app.screen.query_one(Input).value = app.screen.target if isinstance(app.screen, Publish) else ""
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ResultScreen))
        assert "every cell verified" in text(app, "#sentence")
    assert rows(target, "SELECT count(*) FROM users") == [(sample.rows["users"],)]


async def test_rows_that_differ_on_a_live_target_are_resolved_and_published_as_decided(
    folder: Path, target: Target, db: psycopg.Connection[tuple[object, ...]]
) -> None:
    with closing(sqlite3.connect(folder / "app.db")) as connection, connection:
        connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        connection.executemany("INSERT INTO people VALUES (?, ?)", [(1, "Ann"), (2, "Bob"), (3, "Cid"), (4, "Dot")])
    before = [(1, "Anne"), (2, "Robert"), (3, "Cid"), (9, "Zoe")]
    with connect(target) as connection_to_target:
        connection_to_target.execute("CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL)")
        for person in before:
            connection_to_target.execute("INSERT INTO people VALUES (%s, %s)", person)
    ends = Ends(folder / "app.db", target.display)
    app = MigratorApp(LiveGuide(), folder=folder, prepare_demo=lambda _: ends, start_with=ends)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: on(app, ConnectScreen) and app.focused is not None)
        if app.session.bench is None:
            await pilot.press("ctrl+t")
        await until(pilot, lambda: app.session.bench is not None and enabled(app, "#go"))
        for screen in (CompareScreen, SelectScreen, ReviewScreen):
            await pilot.press("enter")
            await until(pilot, lambda screen=screen: planned(app, screen))  # type: ignore[misc]
        await pilot.press("r")
        await until(pilot, lambda: planned(app, ReviewScreen) and enabled(app, "#start"))
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ResolveScreen))
        await until(pilot, lambda: "0 of 2 decided" in str(app.screen.query_one("#headline", Static).render()))
        await until(pilot, lambda: app.screen.query_one(ConflictList).current is not None)
        await pilot.press("s", "t", "enter")
        await until(pilot, lambda: on(app, Publish))
        assert rows(target, "SELECT * FROM people ORDER BY id") == before
        await pilot.press("enter")
        assert isinstance(app.screen, Publish)  # its name is asked for
        app.screen.query_one(Input).value = app.screen.target
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ResultScreen))
        expected = [(1, "Ann"), (2, "Robert"), (3, "Cid"), (4, "Dot"), (9, "Zoe")]
        assert rows(target, "SELECT * FROM people ORDER BY id") == expected
        outcome = app.session.outcome
        assert outcome is not None
        assert (outcome.tables[0].updated, outcome.tables[0].kept_target, outcome.tables[0].inserted) == (1, 1, 1)
        await pilot.press("u")
        await until(pilot, lambda: bool(app.screen.query(Input)))
        app.screen.query_one(Input).value = target.label
        await pilot.press("enter")
        await until(pilot, lambda: app.session.outcome is not outcome and on(app, ResultScreen))
        assert app.session.outcome is not None
        assert app.session.outcome.status is RunStatus.ROLLED_BACK
        assert rows(target, "SELECT * FROM people ORDER BY id") == before
