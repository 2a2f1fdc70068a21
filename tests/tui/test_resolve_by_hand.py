"""The seeded live database resolved by hand: one by one, by rule, all alike, merged; and published as decided."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from migrator_tui.migration.guide import Ends, LiveGuide
from migrator_tui.model.decisions import Decisions, Match, NaturalKey
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.by_rule import ByRule
from migrator_tui.tui.dialogs.publish import Publish
from migrator_tui.tui.screens.resolve import ResolveScreen
from migrator_tui.tui.screens.result import ResultScreen
from migrator_tui.tui.steps import Step
from tests.migration.running import Engine, rows
from tests.migration.seeded_live import DOUBLES, Person, Seed, build
from tests.tui.waiting import on, text, until

SEED = Seed(people=60, same_key=12, same_email=6, two_keys=4, orphans=5, equal=5, live_only=4)
FOLDED = NaturalKey("people", ("email",), Match.FOLDED)


async def test_conflicts_of_every_kind_are_resolved_by_hand_and_published_as_decided(
    tmp_path: Path, target: Target
) -> None:
    build(SEED, tmp_path / "app.db", target)
    with connect(target) as live:
        for id in SEED.ids["two_keys"]:
            live.execute("INSERT INTO messages VALUES (%s, %s, 'by phone')", (DOUBLES * 5 + id, DOUBLES * 5 + id))
    asked = Engine().migrate(tmp_path / "app.db", target, decisions=Decisions(natural_keys=(FOLDED,)))
    assert asked.conflicts_found == 27
    ends = Ends(tmp_path / "app.db", target.display)
    app = MigratorApp(LiveGuide(), folder=tmp_path, prepare_demo=lambda _: ends)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        app.session.begin(ends)
        app.session.outcome, app.session.reached = asked, Step.RESOLVE
        app.go(Step.RESOLVE)
        await until(pilot, lambda: on(app, ResolveScreen))

        await pilot.press("s", "t", "r")  # a row of the source's, one of the target's, the others by a rule
        await by_rule(app, pilot, "newer by seen", "10 conflicts")
        await decided(app, pilot, 12)
        await pilot.press("n", "M")
        await by_rule(app, pilot, "all of people", "6 conflicts")
        await decided(app, pilot, 18)
        await pilot.press("n", "m", "m", "x", "x")
        await decided(app, pilot, 22)
        await pilot.press("n", "X")
        await by_rule(app, pilot, "all of messages", "5 conflicts")
        await decided(app, pilot, 27)
        await pilot.press("enter")
        await until(pilot, lambda: on(app, Publish))
        app.screen.query_one(Input).value = app.screen.target if isinstance(app.screen, Publish) else ""
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ResultScreen))

    with connect(target) as live:
        people = rows(live, "SELECT id, email, phone, name, note, seen::text FROM people ORDER BY id")
        messages = rows(live, "SELECT person FROM messages WHERE body = 'by phone' ORDER BY id")
    assert people == sorted(expected().values())
    merged, kept = SEED.ids["two_keys"][:2], SEED.ids["two_keys"][2:]
    assert messages == [*((DOUBLES + id,) for id in merged), *((DOUBLES * 5 + id,) for id in kept)]


def expected() -> dict[int, Person]:
    """What must be there: those of the same key as chosen, those met under two keys made one with the first."""
    people = {person[0]: person for person in SEED.live_people()}
    for id in (*SEED.ids["new"], *(id for id in SEED.ids["same_key"] if id == 1 or (id > 2 and id % 2 == 0))):
        people[id] = SEED.source_person(id)
    for id in SEED.ids["two_keys"][:2]:
        del people[DOUBLES * 5 + id]
    return people


async def by_rule(app: MigratorApp, pilot: Pilot[int], named: str, decides: str) -> None:
    """Take a rule of the dialog, once it said what it decides."""
    await until(pilot, lambda: on(app, ByRule))
    listed = app.screen.query_one("#list", OptionList)
    labels = [str(listed.get_option_at_index(n).prompt) for n in range(listed.option_count)]
    listed.highlighted = next(n for n, label in enumerate(labels) if label.startswith(named))
    await until(pilot, lambda: decides in text(app, "#rows"))
    await pilot.press("enter")
    await until(pilot, lambda: on(app, ResolveScreen))


async def decided(app: MigratorApp, pilot: Pilot[int], count: int) -> None:
    """Wait until so many of them are decided."""
    await until(pilot, lambda: f"{count} of 27 decided" in text(app, "#headline"))
