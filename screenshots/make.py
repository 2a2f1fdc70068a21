"""Pictures of every screen, taken from the real demo: ``python screenshots/make.py``.

The demo's application is migrated to its embedded server by way of the screens themselves, from Home to Result and
back; then it is migrated once more onto tables that somebody changed meanwhile, so that there is something to resolve.
Each picture is written at two sizes as SVG, and as PNG where ``resvg_py`` is installed. The home folder is a temporary
one, so that no path of this machine is seen.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from migrator_tui.migration.guide import Ends
    from migrator_tui.tui.app import MigratorApp

HERE = Path(__file__).resolve().parent
SIZES = ((120, 36), (80, 24))
SCALE = 20
"""The sample is twenty times as large as the demo's, so that there is a moment in which it is half staged."""
PATIENCE_SECONDS = 300
"""For what is to come on a busy machine."""
FONTS = '"Fira Code", "DejaVu Sans Mono", Menlo, Consolas, monospace'


@dataclass
class Camera:
    """Takes pictures of an application at every size, numbered in the order they are taken."""

    pilot: Pilot[int]
    folder: Path
    taken: int = 0

    async def take(self, name: str, *, sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
        """Write the screen at hand as ``<nn>-<name>-<width>x<height>``."""
        self.taken += 1
        for width, height in sizes:
            await self.pilot.resize_terminal(width, height)
            await self.pilot.pause(0.3)
            svg = portable(self.pilot.app.export_screenshot(title="migrator-tui"))
            path = self.folder / f"{self.taken:02}-{name}-{width}x{height}.svg"
            path.write_text(svg, "utf-8")
            write_png(svg, path.with_suffix(".png"))
        print(f"{self.taken:02}-{name}", file=sys.stderr)
        await self.pilot.resize_terminal(*SIZES[0])
        await self.pilot.pause(0.1)


def portable(svg: str) -> str:
    """The picture without fonts from elsewhere."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: Fira Code, monospace", f"font-family: {FONTS}", svg)
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


def write_png(svg: str, path: Path) -> None:
    """The picture as PNG, where there is a library for it."""
    try:
        import resvg_py
    except ImportError:
        return
    # A sign that the font lacks would have the whole line drawn in another one.
    drawn = svg.replace(FONTS, "DejaVu Sans Mono").replace("ℹ", "i")
    path.write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=drawn)))


def write_page(folder: Path) -> None:
    """All pictures of a folder on one page."""
    names = sorted({path.stem.rpartition("-")[0] for path in folder.glob("*.svg")})
    lines = ["# Screens", "", "Written by `python screenshots/make.py` from a run of the demo.", ""]
    for name in names:
        lines += [f"## {name[3:].replace('-', ' ')}", ""]
        lines += [f"![{name}, {width}×{height}]({name}-{width}x{height}.svg)" for width, height in SIZES] + [""]
    (folder / "README.md").write_text("\n".join(lines), "utf-8")


async def until(pilot: Pilot[int], met: Callable[[], bool], pause: float = 0.05) -> None:
    """Look again and again until something is so.

    Raises:
        TimeoutError: It did not come to be.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        await pilot.pause(pause)
        if met():
            return
    raise TimeoutError(f"not met on {pilot.app.screen}")


async def settled(pilot: Pilot[int]) -> None:
    """Until nothing is being loaded."""
    # A directory tree's loader waits for more as long as the tree is there.
    await until(pilot, lambda: all(w.is_finished or w.name == "_loader" for w in pilot.app.workers))
    await pilot.pause(0.2)


def prepare(folder: Path) -> Ends:
    """The demo, with more rows."""
    from migrator_tui.demo import sample_app
    from migrator_tui.demo.prepare import prepare as prepare_demo

    ends = prepare_demo(folder)
    # By SQL: twenty times as many users over an API would take minutes.
    project = ends.scope.project
    users = replace(project.users, via="sql") if project.users else None
    ends = replace(ends, scope=replace(ends.scope, project=replace(project, users=users)))
    app = sample_app.build(folder, scale=SCALE)
    with closing(sqlite3.connect(app.database)) as database, database:
        # The sample has three hundred files at every scale, and pictures are not about the others being away.
        database.execute("DELETE FROM documents WHERE id > 300")
    return ends


async def open_ends(pilot: Pilot[int], app: MigratorApp, ends: Ends) -> None:
    """Connect without its screen, and go to Compare."""
    from migrator_tui.tui.steps import Step

    app.session.begin(ends)
    app.session.bench = await asyncio.to_thread(app.guide.open, ends, None, lambda step: None)
    app.go(Step.COMPARE)
    await settled(pilot)


async def through_connect(camera: Camera, app: MigratorApp) -> Ends:
    """Home's demo, and the test of both ends."""
    from migrator_tui.tui.screens.compare import CompareScreen
    from migrator_tui.tui.screens.connect import ConnectScreen

    pilot = camera.pilot
    await pilot.press("d")
    await until(pilot, lambda: isinstance(app.screen, ConnectScreen))
    await settled(pilot)
    if app.session.bench is None:
        await pilot.press("ctrl+t")
    await until(pilot, lambda: app.session.bench is not None)
    await pilot.pause(0.5)
    await camera.take("connect-tested")
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, CompareScreen))
    await settled(pilot)
    assert app.session.ends is not None
    return app.session.ends


async def from_compare_to_review(camera: Camera) -> None:
    """Compare, Select and Review with their dialogs."""
    pilot = camera.pilot
    await camera.take("compare")
    await pilot.press("d")
    await settled(pilot)
    await camera.take("compare-ddl")
    await pilot.press("escape", "n", "t")
    await settled(pilot)
    await camera.take("compare-type")
    await pilot.press("escape", "enter")
    await settled(pilot)
    await camera.take("select")
    await pilot.press("u")
    await pilot.pause(0.3)
    await camera.take("select-project")
    await pilot.press("escape")
    await pilot.pause(0.3)
    await pilot.press("enter")
    await settled(pilot)
    await camera.take("review")
    await pilot.press("d")
    await settled(pilot)
    await camera.take("review-ddl")
    await pilot.press("t")
    await settled(pilot)
    await camera.take("review-touched")
    await pilot.press("e")
    await settled(pilot)
    await camera.take("review-estimate")
    await pilot.press("f")
    await settled(pilot)


async def start_from_review(pilot: Pilot[int], app: MigratorApp) -> None:
    """Enter until the run is there."""
    from migrator_tui.tui.screens.run import RunScreen

    await until(pilot, lambda: not app.screen.query_one("#start").disabled)
    app.screen.query_one("#start").press()  # type: ignore[attr-defined]
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.session.handle is not None)


async def through_the_run(camera: Camera, app: MigratorApp) -> None:
    """Run half way, paused; leaving and cancelling; publishing; Result; undo."""
    from migrator_tui.tui.dialogs.publish import Publish
    from migrator_tui.tui.screens.result import ResultScreen

    pilot = camera.pilot
    handle = app.session.handle
    assert handle is not None
    await until(pilot, lambda: 3 * handle.progress().rows_done > handle.progress().rows_total > 0, 0.01)
    await pilot.press("p")
    await until(pilot, lambda: handle.progress().status.value == "paused")
    await pilot.pause(0.5)
    await camera.take("run")
    await pilot.press("ctrl+q")
    await camera.take("run-leaving")
    await pilot.press("escape", "c")
    await camera.take("run-cancel")
    await pilot.press("escape", "question_mark")
    await camera.take("run-help")
    await pilot.press("question_mark")
    await pilot.press("p")
    await until(pilot, lambda: isinstance(app.screen, Publish))
    await camera.take("run-publish")
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, ResultScreen))
    await camera.take("result")
    await pilot.press("a")
    await pilot.pause(0.3)
    await camera.take("result-access")
    await pilot.press("escape")
    app.theme = "migrator-light"
    await camera.take("result-light")
    app.theme = "migrator-dark"


async def undo(camera: Camera, app: MigratorApp) -> None:
    """The question, and the target as it was."""
    pilot = camera.pilot
    await pilot.press("u")
    await camera.take("result-undo")
    await pilot.press("tab", "enter")
    await until(pilot, lambda: app.session.outcome is not None and app.session.outcome.status.value == "rolled_back")
    await pilot.pause(0.5)
    await camera.take("result-undone")


def change_the_source(database: Path) -> None:
    """Somebody goes on working with the SQLite file after a migration."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE activities SET title = title || ' (new date)', due_on = '2026-12-24' WHERE id IN (3, 4, 9)"
        )
        connection.execute("UPDATE activities SET points = 12.5 WHERE id = 17")
        connection.execute("UPDATE sections SET title = 'Physics for poets' WHERE id = 2")


async def decide_all_alike(camera: Camera, app: MigratorApp) -> None:
    """Keep the target's rows, group by group, until nothing is left to decide."""
    from textual.widgets import Button, Static

    from migrator_tui.tui.dialogs.by_rule import ByRule

    pilot = camera.pilot

    def decided() -> tuple[str, str]:
        found = re.search(r"([\d,]+) of ([\d,]+) decided", str(app.screen.query_one("#headline", Static).render()))
        return (found[1], found[2]) if found else ("", "?")

    asked = False
    while (before := decided())[0] != before[1]:
        await pilot.press("n", "T")
        await until(pilot, lambda: isinstance(app.screen, ByRule) and not app.screen.query_one("#do", Button).disabled)
        if not asked:
            asked = True
            await camera.take("resolve-all")
        await pilot.press("enter")
        await until(pilot, lambda earlier=before: not isinstance(app.screen, ByRule) and decided() != earlier)


async def resolving(camera: Camera, app: MigratorApp, ends: Ends) -> None:
    """Migrate once more, onto the tables that are there, and resolve what differs."""
    from migrator_tui.tui.dialogs.publish import Publish
    from migrator_tui.tui.screens.resolve import ResolveScreen
    from migrator_tui.tui.screens.result import ResultScreen
    from migrator_tui.tui.steps import Step

    pilot = camera.pilot
    change_the_source(ends.source)
    await open_ends(pilot, app, replace(ends, fresh=False))
    await camera.take("compare-live")
    app.go(Step.REVIEW)
    await settled(pilot)
    await camera.take("review-live")
    await pilot.press("R")
    await settled(pilot)
    await camera.take("review-lossy")
    await pilot.press("tab", "enter")
    await settled(pilot)
    await start_from_review(pilot, app)
    await until(pilot, lambda: isinstance(app.screen, ResolveScreen))
    await settled(pilot)
    await camera.take("resolve")
    await pilot.press("s", "t")
    await decide_all_alike(camera, app)
    await camera.take("resolve-decided")
    await pilot.press("g")
    await until(pilot, lambda: isinstance(app.screen, Publish))
    await camera.take("publish-live")
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, ResultScreen))
    await camera.take("result-merged")


async def walk(app: MigratorApp, folder: Path) -> None:
    """From Home to Result, back, and to Resolve."""
    async with app.run_test(size=SIZES[0]) as pilot:
        camera = Camera(pilot, folder)
        await settled(pilot)
        await camera.take("home")
        await pilot.press("m")
        await settled(pilot)
        await camera.take("connect")
        await pilot.press("ctrl+o")
        await settled(pilot)
        await camera.take("connect-file")
        await pilot.press("escape", "escape")
        await settled(pilot)
        ends = await through_connect(camera, app)
        await from_compare_to_review(camera)
        await start_from_review(pilot, app)
        await through_the_run(camera, app)
        await resolving(camera, app, ends)
        await undo(camera, app)
        await pilot.press("h")
        await settled(pilot)
        await camera.take("home-with-runs")
        await pilot.press("ctrl+p")
        await pilot.pause(0.5)
        await camera.take("palette")
        app.exit(0)


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder that the pictures are written to")
    arguments = parser.parse_args()
    out: Path = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mt-") as home:
        os.environ |= {"HOME": home, "MIGRATOR_TUI_HOME": f"{home}/.migrator-tui", "TEXTUAL_ANIMATIONS": "none"}
        for name in ("NO_COLOR", "PGPASSWORD", "MIGRATOR_TUI_TARGET_PASSWORD"):
            os.environ.pop(name, None)
        shop = Path(home) / "shop"
        shop.mkdir()
        with chdir(shop):
            from migrator_tui.demo.kept_project import stand_in_beside
            from migrator_tui.migration.live_guide import LiveGuide
            from migrator_tui.tui.app import MigratorApp

            app = MigratorApp(LiveGuide(stand_in_beside=stand_in_beside), folder=shop, prepare_demo=prepare)
            asyncio.run(walk(app, out))
    write_page(out)


if __name__ == "__main__":
    main()
