from __future__ import annotations

import pytest

from migrator_tui.model.catalogue.kind import Severity
from migrator_tui.model.decisions import Decisions, FindingDecision, decide, unmatched
from migrator_tui.model.findings import CATALOGUE, Finding

NUL = Finding("VALUE-NUL", "…", "notes", "body", rows=2, choices=("replace", "bytea", "quarantine"))
ORPHAN = Finding("FK-ORPHAN", "…", "notes", "user_id", object="fk", choices=("not-valid", "null", "quarantine"))
CASE = Finding("KEY-CASE", "…", "users", "email", choices=("keep", "quarantine"))
TOLD = Finding("TYPE-UNTYPED", "…", "users", "x")


def decided(*decisions: FindingDecision, yes: bool = False, lossy: bool = False) -> list[str | None]:
    found = decide((NUL, ORPHAN, CASE, TOLD), Decisions(decisions), accept_recommended=yes, accept_lossy=lossy)
    return [finding.decision for finding in found]


def test_only_what_is_good_to_know_settles_itself() -> None:
    assert decided() == [None, None, "keep", None]


def test_yes_takes_what_is_recommended_and_lossless() -> None:
    assert decided(yes=True) == [None, "not-valid", "keep", None]


def test_lossy_choices_need_both_flags() -> None:
    assert decided(yes=True, lossy=True) == ["replace", "not-valid", "keep", None]
    assert decided(lossy=True) == [None, None, "keep", None]


def test_a_decision_goes_before_the_flags() -> None:
    assert decided(FindingDecision("VALUE-NUL", "bytea"), yes=True, lossy=True)[0] == "bytea"


def test_the_first_decision_that_matches_wins() -> None:
    first = FindingDecision("VALUE-NUL", "quarantine", "notes")
    second = FindingDecision("VALUE-NUL", "bytea")

    assert decided(first, second)[0] == "quarantine"
    assert decided(second, first)[0] == "bytea"


@pytest.mark.parametrize(
    ("decision", "matches"),
    [
        (FindingDecision("FK-ORPHAN", "null"), True),
        (FindingDecision("FK-ORPHAN", "null", "notes"), True),
        (FindingDecision("FK-ORPHAN", "null", "notes", "user_id"), True),
        (FindingDecision("FK-ORPHAN", "null", "notes", "fk"), True),
        (FindingDecision("FK-ORPHAN", "null", None, "user_id"), True),
        (FindingDecision("FK-ORPHAN", "null", "users"), False),
        (FindingDecision("FK-ORPHAN", "null", "notes", "body"), False),
        (FindingDecision("FK-PARENT", "null"), False),
    ],
)
def test_a_decision_matches_by_id_table_and_column_or_object(decision: FindingDecision, matches: bool) -> None:
    assert decision.matches(ORPHAN) is matches


def test_a_choice_that_is_not_offered_is_passed_over_and_reported() -> None:
    wrong = FindingDecision("KEY-CASE", "bytea")
    nowhere = FindingDecision("VALUE-NUL", "replace", "other")
    right = FindingDecision("VALUE-NUL", "replace")

    assert decided(wrong)[2] == "keep"
    assert unmatched((NUL, CASE), Decisions((wrong, nowhere, right))) == (wrong, nowhere)


def test_decisions_are_tried_before_those_that_follow_them() -> None:
    mine, theirs = FindingDecision("VALUE-NUL", "bytea"), FindingDecision("VALUE-NUL", "replace")

    both = Decisions((mine,)).then(Decisions((theirs,)))

    assert decide((NUL,), both)[0].decision == "bytea"


def test_a_finding_takes_only_its_own_choices() -> None:
    with pytest.raises(ValueError, match="VALUE-NUL has no choice 'keep'"):
        NUL.decided("keep")


def test_every_kind_that_stops_a_run_offers_a_way_out() -> None:
    for kind in CATALOGUE.values():
        assert kind.id == kind.id.upper()
        assert kind.severity is not Severity.ERROR or kind.choices
        assert len({choice.name for choice in kind.choices}) == len(kind.choices)
        for choice in kind.choices:
            assert kind.choice(choice.name) is choice
