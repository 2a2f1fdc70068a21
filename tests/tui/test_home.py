"""Home: what is offered, what Enter does first, and how a run is gone on with."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.widgets import Input

from migrator_tui.migration.guide import Offer
from migrator_tui.migration.run_folder import RunRecord
from migrator_tui.migration.runner import RunHandle
from migrator_tui.model.decisions import Decisions
from migrator_tui.model.errors import TargetError
from migrator_tui.model.progress import RunStatus
from migrator_tui.model.secret import Secret
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.password import Password
from migrator_tui.tui.dialogs.trouble import Trouble
from migrator_tui.tui.screens.connect import ConnectScreen
from migrator_tui.tui.screens.home import HomeScreen
from migrator_tui.tui.screens.result import ResultScreen
from migrator_tui.tui.screens.run import RunScreen
from migrator_tui.tui.widgets.choices import Choices
from migrator_tui.tui.wording import at_home
from tests.tui.conftest import Opened
from tests.tui.scripted import RUN, ScriptedGuide, outcome
from tests.tui.waiting import on, until

AppOn = Callable[..., Opened]


def record(status: RunStatus, run: str = RUN) -> RunRecord:
    return RunRecord(run, status, "/srv/app.db", "postgresql://app@db.example.com/shop", "2026-11-22", "migrate", {})


def listed(app: MigratorApp, which: str = "found") -> str:
    choices = app.screen.query_one(f"#{which}", Choices)
    return "\n".join(str(option.prompt) for option in choices.options)


@dataclass
class WaitingGuide(ScriptedGuide):
    """Finds nothing before it is let go."""

    go: threading.Event = field(default_factory=threading.Event)

    def runs(self) -> Sequence[RunRecord]:
        self.go.wait()
        return self.listed


@dataclass
class LockedGuide(ScriptedGuide):
    """Its target wants a password."""

    given: list[str] = field(default_factory=list)

    def resume(self, run: str, decisions: Decisions, password: Secret | None) -> RunHandle:
        if password is None:
            raise TargetError("TARGET-PASSWORD", "shop asks app for a password; none was given.", "Type it.")
        self.given.append(password.reveal())
        return super().resume(run, decisions, password)


async def test_the_first_run_highlights_the_demo_and_enter_leads_to_its_connection(app_on: AppOn, folder: Path) -> None:
    async with app_on(ScriptedGuide()) as (app, pilot):
        await until(pilot, lambda: "No runs yet" in listed(app))
        assert isinstance(app.focused, Choices)
        assert app.focused.chosen == "demo"
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ConnectScreen))
        assert app.session.ends is not None
        assert app.session.ends.source.parent.parent == folder.resolve()


async def test_the_screen_is_painted_before_anything_is_found(app_on: AppOn) -> None:
    guide = WaitingGuide(listed=[record(RunStatus.INTERRUPTED)])
    async with app_on(guide) as (app, pilot):
        assert "Try the demo" in listed(app, "begin")
        assert "Looking" in listed(app)
        guide.go.set()
        await until(pilot, lambda: "interrupted" in listed(app))


@pytest.mark.parametrize("status", [RunStatus.INTERRUPTED, RunStatus.NEEDS_DECISIONS])
async def test_a_run_that_can_go_on_is_in_focus_and_enter_goes_on(app_on: AppOn, status: RunStatus) -> None:
    guide = ScriptedGuide(listed=[record(RunStatus.SUCCEEDED, "20261122-000000-aaaa"), record(status)])
    async with app_on(guide) as (app, pilot):
        await until(pilot, lambda: getattr(app.focused, "chosen", None) == f"run-{RUN}")
        await pilot.press("enter")
        await until(pilot, lambda: on(app, RunScreen))
        assert guide.told == [f"resume {RUN}"]
        assert app.session.handle is guide.run


async def test_r_goes_on_with_the_latest_run_from_anywhere(app_on: AppOn) -> None:
    guide = ScriptedGuide(listed=[record(RunStatus.INTERRUPTED)])
    async with app_on(guide) as (app, pilot):
        await until(pilot, lambda: "interrupted" in listed(app))
        await pilot.press("left", "r")
        await until(pilot, lambda: on(app, RunScreen))


async def test_a_password_that_is_missing_is_asked_for(app_on: AppOn) -> None:
    guide = LockedGuide(listed=[record(RunStatus.INTERRUPTED)])
    async with app_on(guide) as (app, pilot):
        await until(pilot, lambda: "interrupted" in listed(app))
        await pilot.press("r")
        await until(pilot, lambda: on(app, Password))
        await pilot.press(*"geheim")
        assert "geheim" not in app.export_screenshot()
        assert app.screen.query_one(Input).value == "geheim"
        await pilot.press("enter")
        await until(pilot, lambda: on(app, RunScreen))
        assert guide.given == ["geheim"]


async def test_both_ends_of_a_run_that_left_them_alike_can_be_synced(app_on: AppOn) -> None:
    older = replace(record(RunStatus.SUCCEEDED, "20261122-000000-aaaa"), server="shop")
    newer = replace(older, run=RUN, command="sync")
    guide = ScriptedGuide(listed=[newer, older, record(RunStatus.SUCCEEDED, "20261121-000000-aaaa")])
    async with app_on(guide) as (app, pilot):
        await until(pilot, lambda: "Keep in step" in listed(app))
        assert listed(app).count("Sync app.db") == 1
        await pilot.press("right")
        await until(pilot, lambda: getattr(app.focused, "chosen", None) == f"sync-{RUN}")
        await pilot.press("enter")
        await until(pilot, lambda: on(app, RunScreen))
        assert guide.told == [f"sync {RUN}"]


async def test_a_run_that_succeeded_opens_its_result(app_on: AppOn) -> None:
    guide = ScriptedGuide(listed=[record(RunStatus.SUCCEEDED)], ended=outcome(RunStatus.SUCCEEDED, "users"))
    async with app_on(guide) as (app, pilot):
        await until(pilot, lambda: "succeeded" in listed(app))
        await pilot.press("right", "enter")
        await until(pilot, lambda: on(app, ResultScreen))


async def test_a_run_without_a_summary_says_so(app_on: AppOn) -> None:
    guide = ScriptedGuide(listed=[record(RunStatus.FAILED)])
    async with app_on(guide) as (app, pilot):
        await until(pilot, lambda: "failed" in listed(app))
        await pilot.press("right", "enter")
        await until(pilot, lambda: on(app, Trouble))
        await pilot.press("escape")
        assert isinstance(app.screen, HomeScreen)


async def test_sqlite_files_of_the_folder_are_offered_and_others_are_not(app_on: AppOn, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        connection.execute("CREATE TABLE t (a)")
    (folder / "notes.db").write_text("not a database")
    async with app_on() as (app, pilot):
        await until(pilot, lambda: getattr(app.focused, "chosen", None) == "offer-0")
        assert "shop.db" in listed(app)
        assert "notes.db" not in listed(app)
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ConnectScreen))
        assert app.screen.query_one("#source", Input).value == at_home(folder / "shop.db")


async def test_the_target_of_an_env_file_is_offered_and_its_password_is_never_shown(
    app_on: AppOn, folder: Path
) -> None:
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        connection.execute("CREATE TABLE t (a)")
    (folder / ".env").write_text(
        "SECRET=1\nDATABASE_URL='postgresql://app:sw0rd%40fish@db.example.com:5432/shop'\nPOSTGRES_URL=postgres://[\n"
    )
    async with app_on() as (app, pilot):
        await until(pilot, lambda: getattr(app.focused, "chosen", None) == "offer-0")
        assert "shop.db → shop@db.example.com" in listed(app)
        assert "DATABASE_URL of .env" in listed(app)
        assert "sw0rd" not in listed(app)
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ConnectScreen))
        assert app.screen.query_one("#url", Input).value == "postgresql://app@db.example.com:5432/shop"
        password = app.screen.query_one("#password", Input)
        assert (password.value, password.password) == ("sw0rd@fish", True)
        assert "sw0rd" not in app.export_screenshot()


async def test_a_profile_is_offered_and_a_broken_file_says_what_is_wrong(app_on: AppOn, folder: Path) -> None:
    config = folder / "config.yaml"
    config.write_text("profiles:\n  live:\n    source: {sqlite: a.db}\n    target: {database: embedded}\n")
    async with app_on() as (app, pilot):
        await until(pilot, lambda: "live" in listed(app))
        config.write_text("profiles:\n  live:\n    sourc: {}\n")
        app.go(app.screen.STEP)  # type: ignore[attr-defined]
        await until(pilot, lambda: "cannot be read" in listed(app))
        assert "sourc" in listed(app)
        assert "demo" in listed(app, "begin").lower()


async def test_a_folder_that_is_gone_offers_nothing(app_on: AppOn, folder: Path) -> None:
    shutil.rmtree(folder)
    async with app_on() as (app, pilot):
        await until(pilot, lambda: "No runs yet" in listed(app))


async def test_while_a_migration_is_at_work_home_leads_back_to_it(app_on: AppOn) -> None:
    guide = ScriptedGuide(offered=[Offer("a.db", "1 byte", None, Path("a.db"))])
    async with app_on(guide) as (app, pilot):
        app.session.handle = guide.run
        app.go(app.screen.STEP)  # type: ignore[attr-defined]
        await until(pilot, lambda: "Back to the migration" in listed(app, "begin"))
        await pilot.press("d")
        assert isinstance(app.screen, HomeScreen)
        assert app.session.handle is guide.run
        await pilot.press("enter")
        await until(pilot, lambda: on(app, RunScreen))


@pytest.mark.parametrize("screen", [HomeScreen, ConnectScreen])
def test_every_key_has_help_and_a_name(screen: type[HomeScreen] | type[ConnectScreen]) -> None:
    bindings = [binding for binding in screen.BINDINGS if isinstance(binding, Binding)]
    assert len(bindings) == len(screen.BINDINGS)
    assert all(binding.tooltip and binding.id for binding in bindings)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_mouse_begins_as_well(app_on: AppOn, size: tuple[int, int]) -> None:
    async with app_on(ScriptedGuide(), size=size) as (app, pilot):
        await until(pilot, lambda: "No runs yet" in listed(app))
        lines = 3 if size[0] >= 100 else 2
        await pilot.click("#begin", offset=(8, 1 + lines))
        await until(pilot, lambda: on(app, ConnectScreen))
        assert app.session.ends is None
