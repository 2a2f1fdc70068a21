"""Resolve: both sides shown, rows selected, all alike and by rule, and what is saved as it is decided."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from rich.console import Console

from migrator_tui.migration.conflicts import ConflictGroup, ConflictRow
from migrator_tui.model.decisions import ConflictChoice, ConflictDecision, ConflictRule, Decisions, Preference
from migrator_tui.model.errors import TargetError
from migrator_tui.tui.conflict_choices import Chosen, alike, ruled, rules_for
from migrator_tui.tui.dialogs.by_rule import ByRule
from migrator_tui.tui.dialogs.question import Question
from migrator_tui.tui.dialogs.trouble import Trouble
from migrator_tui.tui.screens.resolve import ResolveScreen
from migrator_tui.tui.steps import Step
from migrator_tui.tui.widgets.conflict_list import PAGE, ConflictList
from migrator_tui.tui.widgets.conflict_sides import side_by_side
from tests.tui.scripted import ScriptedGuide, conflict
from tests.tui.stepping import scripted, showing
from tests.tui.waiting import on, text, until

TARGET, SOURCE = ConflictChoice.KEEP_TARGET, ConflictChoice.KEEP_SOURCE


def resolving(*rows: ConflictRow) -> ScriptedGuide:
    """Conflicts wait."""
    guide = scripted(Step.RESOLVE)
    guide.rows = rows
    return guide


@dataclass
class SlowGuide(ScriptedGuide):
    """Conflicts that are read when the test says so."""

    counting: threading.Event = field(default_factory=threading.Event)
    reading: threading.Event = field(default_factory=threading.Event)

    def conflict_groups(self, run: str, decisions: Decisions) -> Sequence[ConflictGroup]:
        self.counting.wait(60)
        return super().conflict_groups(run, decisions)

    def conflicts(self, run: str, group: tuple[str, str], offset: int, limit: int) -> Sequence[ConflictRow]:
        self.reading.wait(60)
        return super().conflicts(run, group, offset, limit)


def slow(count: int) -> SlowGuide:
    return SlowGuide(resolving().run, rows=[conflict(n) for n in range(count)])


def row(source: dict[str, str | None], target: dict[str, str | None], kind: str = "same-key") -> ConflictRow:
    return ConflictRow("users", {"id": 1}, kind, source, target, None)


def test_both_sides_are_shown_field_by_field_and_the_difference_is_marked_in_words() -> None:
    console = Console(width=100, file=io.StringIO())
    seen = replace(conflict(1), source={**conflict(1).source, "seen": "2026-01-04"})
    seen = replace(seen, target={**seen.target, "seen": "2026-01-01"})
    console.print(side_by_side(seen, TARGET))
    console.print(side_by_side(seen, stacked=True))
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    shown = [line.split() for line in printed.splitlines()]
    assert ["field", "source", "target", "✓", "kept"] in shown
    assert ["≠", "name", "Ann", "Anne"] in shown
    assert ["≠", "name", "source", "Ann"] in shown
    assert ["target", "Anne"] in shown
    assert printed.count("source 3 days newer") == 2
    assert "The target keeps its row; the source's is archived." in printed


async def test_rows_that_are_selected_are_decided_together_after_they_are_named() -> None:
    guide = resolving(*(conflict(n) for n in range(5)))
    async with showing(Step.RESOLVE, guide) as (app, pilot):
        await until(pilot, lambda: "0 of 5" in text(app, "#headline"))
        await pilot.press("space", "down", "shift+down")
        assert "3 rows selected" in text(app, "#headline")
        await pilot.press("t")
        await until(pilot, lambda: on(app, Question))
        assert isinstance(app.screen, Question)
        assert "3 selected conflicts: 0; 2; 3" in app.screen.text
        await pilot.press("tab", "enter")
        await until(pilot, lambda: on(app, ResolveScreen))
        assert "3 of 5 decided" in text(app, "#headline")
        assert "selected" not in text(app, "#headline")
        assert {d.key["id"]: d.choice for d in app.session.decisions.conflicts} == dict.fromkeys((0, 2, 3), TARGET)
        await pilot.press("u")
        assert "0 of 5 decided" in text(app, "#headline")


async def test_what_is_decided_is_saved_where_a_person_reads_it() -> None:
    guide = resolving(conflict(1))
    async with showing(Step.RESOLVE, guide, size=(140, 30)) as (app, pilot):
        await until(pilot, lambda: "0 of 1" in text(app, "#headline"))
        await pilot.press("k")
        await until(pilot, lambda: "saved in /home/ann/runs" in text(app, "#said"))
        assert guide.kept == app.session.decisions
        assert guide.kept.conflicts[0].choice is ConflictChoice.SKIP


async def test_a_rule_says_what_it_would_decide_before_it_does() -> None:
    guide = resolving(conflict(1), conflict(2))
    async with showing(Step.RESOLVE, guide) as (app, pilot):
        await until(pilot, lambda: "0 of 2" in text(app, "#headline"))
        await pilot.press("r")
        await until(pilot, lambda: on(app, ByRule))
        await pilot.press("down")
        await until(pilot, lambda: "It decides 2 conflicts of users: 1; 2" in text(app, "#rows"))
        await pilot.press("enter")
        await until(pilot, lambda: on(app, ResolveScreen))
        assert app.session.decisions.rules == (ConflictRule("users", Preference.LONGER, "same-key", by="name"),)


async def test_a_key_that_can_do_nothing_says_why_before_it_is_pressed() -> None:
    async with showing(Step.RESOLVE, resolving(conflict(1), replace(conflict(2), kind="unique"))) as (app, pilot):
        await until(pilot, lambda: "0 of 2" in text(app, "#headline"))
        assert "cannot replace it" not in text(app, "#actions")
        await pilot.press("down")
        await until(pilot, lambda: "s: A row that holds another row's unique value" in text(app, "#actions"))


async def test_actions_are_clicked() -> None:
    async with showing(Step.RESOLVE, resolving(conflict(1), conflict(2))) as (app, pilot):
        await until(pilot, lambda: "target" in text(app, "#actions"))
        await pilot.click("#actions", offset=(text(app, "#actions").index("target") + 2, 0))
        await until(pilot, lambda: "1 of 2 decided" in text(app, "#headline"))
        assert app.session.decisions.conflicts[0].choice is TARGET


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        (ConflictRule("users", SOURCE), SOURCE),
        (ConflictRule("*", TARGET, "unique"), None),
        (ConflictRule("rooms", TARGET), None),
        (ConflictRule("users", SOURCE, columns=("seen", "name", "note")), SOURCE),
        (ConflictRule("users", SOURCE, columns=("name",)), None),
        (ConflictRule("users", Preference.NEWER, by="seen"), SOURCE),
        (ConflictRule("users", Preference.LONGER, by="name"), TARGET),
        (ConflictRule("users", Preference.NOT_NULL, by="note"), SOURCE),
        (ConflictRule("users", Preference.NEWER, by="name"), None),
        (ConflictRule("users", Preference.NOT_NULL), None),
    ],
)
def test_a_rule_is_shown_to_choose_what_the_engine_chooses_by_it(
    rule: ConflictRule, chosen: ConflictChoice | None
) -> None:
    one = row(
        {"id": "1", "name": "Ann", "seen": "2026-01-02 00:00:00", "note": "x"},
        {"id": "1", "name": "Anne", "seen": "2026-01-01 00:00:00", "note": None},
    )
    assert ruled(one, rule)[0] is chosen


def test_what_one_side_lacks_is_filled_field_by_field() -> None:
    one = row({"id": "1", "a": "x", "b": None}, {"id": "1", "a": None, "b": "y"})
    assert ruled(one, ConflictRule("users", Preference.NOT_NULL)) == (ConflictChoice.PER_FIELD, ("a",))
    assert {name for name, _ in rules_for(one)} == {
        "fill what one side leaves empty",
        "the side that has a",
        "the side that has b",
    }
    assert [rule.columns for _, rule in alike(one, SOURCE)] == [("a", "b"), ()]


def test_steps_are_taken_back_one_by_one_however_they_were_made() -> None:
    given = Decisions(conflicts=(ConflictDecision("users", {"id": 1}, SOURCE),), rules=(ConflictRule("*", SOURCE),))
    chosen = Chosen(given)
    chosen.decide([ConflictDecision("users", {"id": n}, TARGET) for n in (1, 2)])
    chosen.rule(ConflictRule("users", TARGET))
    assert [d.choice for d in chosen.decisions.conflicts] == [TARGET, TARGET]
    assert len(chosen.decisions.rules) == 2
    chosen.undo()
    chosen.undo()
    assert chosen.decisions == given
    assert not chosen.can_undo


def test_the_list_reads_only_the_pages_in_sight_of_however_many_conflicts() -> None:
    listed = ConflictList(lambda row: None)
    groups = [ConflictGroup("users", "same-key", 60_000, 60_000), ConflictGroup("rooms", "unique", 40_000, 0)]
    listed.rows_changed = lambda cursor=None: None  # type: ignore[method-assign]
    listed.show(groups)
    assert listed.count() == 100_002
    assert not listed.selectable(0)
    assert not listed.selectable(60_001)
    listed.cursor = 70_000
    assert listed.next_undecided() == 1  # the rest of its own group is decided: stepped over as one
    asked: list[int] = []
    listed.post_message = lambda message: asked.append(message.offset) or True  # type: ignore[method-assign,attr-defined,func-returns-value]
    for index in range(30_000, 30_000 + 2 * PAGE):
        list(listed.parts(index, 0, 80))
    assert asked == [29_800, 30_000, 30_200, 30_400]  # and the ones beside them, before they come in sight


async def test_keys_typed_before_the_rows_are_read_decide_the_rows_they_were_typed_for() -> None:
    guide = slow(6)
    async with showing(Step.RESOLVE, guide) as (app, pilot):
        await pilot.press("s", "down", "t", "x")  # before it is known how many there are
        assert "4 keys typed ahead" in text(app, "#said")
        guide.counting.set()
        await until(pilot, lambda: "0 of 6" in text(app, "#headline"))
        await pilot.press("k", "k", "u", "s", "enter")  # before any row is there
        assert app.session.decisions == Decisions()
        guide.reading.set()
        await until(pilot, lambda: "5 of 6 decided" in text(app, "#headline"))
        decided = {d.key["id"]: d.choice.value for d in app.session.decisions.conflicts}
        assert decided == {0: "keep-source", 2: "keep-target", 3: "quarantine", 4: "skip", 5: "keep-source"}
        assert app.screen.query_one(ConflictList).current == conflict(1)  # Enter, after all of them
        await pilot.press("t", "enter")
        await until(pilot, lambda: guide.told == [f"resume {guide.run.now.run}"])


async def test_keys_that_a_question_would_have_taken_are_refused_in_words() -> None:
    guide = slow(2)
    guide.counting.set()
    async with showing(Step.RESOLVE, guide) as (app, pilot):
        await until(pilot, lambda: "0 of 2" in text(app, "#headline"))
        await pilot.press("space", "t", "x")
        guide.reading.set()
        await until(pilot, lambda: on(app, Question))
        await until(pilot, lambda: bool(app._notifications))
        assert "1 key typed ahead not taken" in next(iter(app._notifications)).message
        assert app.session.decisions == Decisions()


async def test_rows_that_cannot_be_read_leave_nothing_decided_and_say_so() -> None:
    guide = slow(2)
    guide.conflicts = lambda *page: (_ for _ in ()).throw(TargetError("TARGET-LOST", "It is gone."))  # type: ignore[method-assign]
    guide.counting.set()
    async with showing(Step.RESOLVE, guide) as (app, pilot):
        await until(pilot, lambda: on(app, Trouble))
        await pilot.press("escape")
        await until(pilot, lambda: on(app, ResolveScreen))
        del guide.conflicts
        guide.reading.set()
        await pilot.press("s")  # asks for the page again
        await until(pilot, lambda: "1 of 2 decided" in text(app, "#headline"))
