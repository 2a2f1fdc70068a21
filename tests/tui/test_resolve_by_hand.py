"""The seeded live database resolved by hand, in every way that there is a key for; and published as decided."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from migrator_tui import locations
from migrator_tui.migration.guide import Ends
from migrator_tui.migration.live_guide import LiveGuide
from migrator_tui.model.decisions import Decisions, Match, NaturalKey
from migrator_tui.postgres.connect import Target, connect
from migrator_tui.tui.app import MigratorApp
from migrator_tui.tui.dialogs.back_up import BackUp
from migrator_tui.tui.dialogs.by_rule import ByRule
from migrator_tui.tui.dialogs.edit_row import EditRow
from migrator_tui.tui.dialogs.per_field import PerField
from migrator_tui.tui.dialogs.publish import Publish
from migrator_tui.tui.screens.resolve import ResolveScreen
from migrator_tui.tui.screens.result import ResultScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.rendered import Rendered
from tests.migration.running import Engine, rows
from tests.migration.seeded_live import DOUBLES, PHONES, Person, Seed, build
from tests.migration.seeded_outcome import with_
from tests.tui.waiting import on, text, until

SEED = Seed(people=60, same_key=12, same_email=6, two_keys=4, orphans=5, equal=5, live_only=4)
FOLDED = NaturalKey("people", ("email",), Match.FOLDED)


async def test_conflicts_of_every_kind_are_resolved_by_hand_and_published_as_decided(
    tmp_path: Path, target: Target
) -> None:
    build(SEED, tmp_path / "app.db", target)
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

        await pilot.press("s", "t", "f")
        await until(pilot, lambda: on(app, PerField))
        await pilot.press("s", "enter")  # the first field that differs: the name
        await decided(app, pilot, 3)
        await until(pilot, lambda: "↳ source messages: 4" in app.screen.query_one(Rendered).text)
        await pilot.press("e")
        await typed(app, pilot, {"note": "typed"})
        await decided(app, pilot, 4)
        await pilot.press("b")  # two of its values are there already, and unique
        await typed(app, pilot, {"email": "other@example.org", "phone": "+7 5"})
        await decided(app, pilot, 5)
        await pilot.press("r")
        await by_rule(app, pilot, "newer by seen", "7 conflicts")
        await decided(app, pilot, 12)
        await pilot.press("u", "u")
        await decided(app, pilot, 4)
        await pilot.press("b")
        await typed(app, pilot, {"email": "other@example.org", "phone": "+7 5"})
        await pilot.press("r")
        await by_rule(app, pilot, "newer by seen", "7 conflicts")
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
        await pilot.press("ctrl+b")  # rows join tables that have rows
        await until(pilot, lambda: on(app, BackUp))
        app.screen.query_one(Input).value = "four words of mine"
        await pilot.press("enter")
        await until(pilot, lambda: "✓ 43 rows backed up" in text(app, "#told"))
        await pilot.press("escape")
        await until(pilot, lambda: on(app, Publish))
        assert len(list((locations.home() / "backups").iterdir())) == 1
        app.screen.query_one(Input).value = app.screen.target if isinstance(app.screen, Publish) else ""
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ResultScreen))

    with connect(target) as live:
        people = rows(live, "SELECT id, email, phone, name, note, seen::text FROM people ORDER BY id")
        messages = dict(rows(live, "SELECT body, person FROM messages WHERE id < 1000"))
        phones = rows(live, "SELECT person FROM messages WHERE body = 'by phone' ORDER BY id")
    beside = next(row for row in people if row[1] == "other@example.org")
    assert beside[2:4] == ("+7 5", "Person 5")
    assert messages["from 5"] == beside[0] != 5
    assert messages["from 4"] == 4
    people.remove(beside)
    assert people == sorted(expected().values())
    merged, kept = SEED.ids["two_keys"][:2], SEED.ids["two_keys"][2:]
    assert phones == [*((DOUBLES + id,) for id in merged), *((PHONES + id,) for id in kept)]


def expected() -> dict[int, Person]:
    """What must be there: those of the same key as chosen, those met under two keys made one with the first."""
    people = {person[0]: person for person in SEED.live_people()}
    for id in (*SEED.ids["new"], 1, 4, *(id for id in SEED.ids["same_key"] if id > 5 and id % 2 == 0)):
        people[id] = SEED.source_person(id)
    people[3] = with_(people[3], name="Person 3")
    people[4] = with_(people[4], note="typed")
    for id in SEED.ids["two_keys"][:2]:
        del people[PHONES + id]
    return people


async def typed(app: MigratorApp, pilot: Pilot[int], values: dict[str, str]) -> None:
    """Type values into the fields of a row, and keep them."""
    await until(pilot, lambda: on(app, EditRow))
    listed, line = app.screen.query_one("#list", OptionList), app.screen.query_one("#value", Input)
    names = [str(listed.get_option_at_index(n).prompt).partition("\n")[0] for n in range(listed.option_count)]
    for name, value in values.items():
        listed.highlighted = names.index(name)
        await until(pilot, lambda name=name: line.border_title == name)  # type: ignore[misc]
        await pilot.press("enter")
        await until(pilot, lambda: line.has_focus)
        line.value = value
        await pilot.press("enter")
        await until(pilot, lambda: listed.has_focus)
    await pilot.press("ctrl+s")
    await until(pilot, lambda: on(app, ResolveScreen))


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
