"""The access matrix on screen: what was tried, in words, and what is against the plan first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from migrator_tui.model.outcome import Beside
from migrator_tui.model.progress import RunStatus
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.access import AccessMatrix
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.access_grid import CALLERS, VERBS, AccessGrid, Trial, accesses, verdict
from tests.tui.scripted import ScriptedGuide, outcome
from tests.tui.stepping import ENDS, again, scripted
from tests.tui.test_snapshots import SIZES, Compare
from tests.tui.waiting import on, until


def tried(table: str, **may: str) -> list[dict[str, Any]]:
    """What each caller was let do, by the initials of the verbs; a hole in the plan where it is in capitals."""
    found = []
    for who in CALLERS:
        allowed = may.get(who.replace(" ", "_"), "")
        for verb in VERBS:
            initial = verb[0].lower()
            lets = initial in allowed.lower()
            meant = lets and verb[0] not in allowed
            found.append({"table": table, "who": who, "verb": verb, "may": lets, "expected": meant, "why": ""})
    return found


def details() -> dict[str, Any]:
    access = tried("public.messages", a_user="siud", service_role="siud")
    access += tried("public.sections", a_user="s", another_user="s", service_role="siud")
    access += tried("public.activities", anon="S", a_user="siu", another_user="si", service_role="siud")
    hidden = {"table": "public.messages", "who": "a user", "verb": "SELECT secret", "may": False, "expected": False}
    return {"access": [*access, hidden | {"why": "permission denied"}]}


def guide() -> ScriptedGuide:
    made = scripted(Step.RESULT)
    ended = outcome(RunStatus.SUCCEEDED, "messages", "sections", "activities")
    made.run.end(replace(ended, beside=(Beside("exposure", "public", 3, 3, details=details()),)))
    return made


async def opened(app: MigratorApp, pilot: Pilot[int], over: ScriptedGuide) -> None:
    ended = over.run.ended
    await pilot.pause()
    await again(app, pilot, Step.RESULT, over)
    app.session.outcome = ended
    app.go(Step.RESULT)
    await pilot.pause()
    await pilot.press("a")
    await until(pilot, lambda: on(app, AccessMatrix) and app.screen.query_one(AccessGrid).has_focus)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_matrix_looks_as_it_was_accepted(size: tuple[int, int], snap_compare: Compare) -> None:
    app = MigratorApp(guide(), folder=Path("shop"), prepare_demo=lambda folder: ENDS)
    app.animation_level = "none"

    async def go(pilot: Pilot[int]) -> None:
        await opened(app, pilot, guide())
        await pilot.pause(0.3)

    assert snap_compare(app, terminal_size=size, run_before=go)


def test_what_is_against_the_plan_is_marked_and_comes_first() -> None:
    found = accesses(details())
    assert [access.table for access in found if access.wrong] == ["public.activities"]
    assert AccessGrid(found).shown[0].table == "public.activities"
    assert verdict(found[2].of("anon")) == ("! select", "bad")


def test_cells_say_what_may_be_done_in_words() -> None:
    messages, sections, activities = accesses(details())
    assert verdict(messages.of("anon")) == ("✗ nothing", "muted")
    assert verdict(messages.of("a user")) == ("✓ everything", "good")
    assert verdict(sections.of("a user")) == ("◐ select", "accent")
    assert verdict(activities.of("a user")) == ("◐ all but delete", "accent")
    assert verdict(activities.of("another user")) == ("◐ select, insert", "accent")
    assert verdict([Trial("t", "anon", "SELECT", None, False, "no row")]) == ("? no row to try", "muted")
