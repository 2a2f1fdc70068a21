"""The application in a pilot's hands, and waiting for what is to come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from migrator_tui.demo.kept_project import stand_in_beside
from migrator_tui.demo.prepare import prepare
from migrator_tui.migration.guide import Ends, Guide
from migrator_tui.migration.live_guide import LiveGuide
from migrator_tui.tui.app import MigratorApp

Opened = AbstractAsyncContextManager[tuple[MigratorApp, Pilot[int]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder that the application is started in."""
    made = tmp_path / "project"
    made.mkdir()
    return made


@pytest.fixture
def app_on(folder: Path) -> Callable[..., Opened]:
    """Opens the application: ``async with app_on(guide) as (app, pilot)``; without a guide it is the engine itself."""

    @asynccontextmanager
    async def opened(
        guide: Guide | None = None, ends: Ends | None = None, size: tuple[int, int] = (80, 24)
    ) -> AsyncIterator[tuple[MigratorApp, Pilot[int]]]:
        app = MigratorApp(guide or LiveGuide({}, stand_in_beside), folder=folder, prepare_demo=prepare, start_with=ends)
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            yield app, pilot

    return opened
