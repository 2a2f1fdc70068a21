"""Two values of a field: the change is marked, what is alike is left out, distances are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from migrator_tui.tui.value_difference import LEFT_OUT, MOST_CHARACTERS, difference

CHANGED = "changed"


def marked(text: Text) -> list[str]:
    return [text.plain[span.start : span.end] for span in text.spans if span.style == CHANGED and span.end > span.start]


@pytest.mark.parametrize(
    ("ours", "theirs", "note"),
    [
        ("2026-03-04", "2026-03-01", "source 3 days newer"),
        ("2026-03-04 10:00:00+00", "2026-03-04 12:30:00+00", "source 2 hours older"),
        ("2026-03-04 12:00:00+02", "2026-03-04 10:00:00+00", ""),
        ("2026-01-01 00:00:00.25", "2026-01-01 00:00:00", "source 0.25 seconds newer"),
        ("1016-01-01", "2016-01-01", "source 999 years older"),
        ("12.50", "2", "source 10.50 more"),
        ("-3", "1004", "source 1,007 less"),
        ("0042", "0043", ""),
        ("Ann@Example.com", "ann@example.com", "only case differs"),
        ("a  b", "a b", "only white space differs"),
        (None, "x", "only the target has a value"),
        ("x", None, "only the source has a value"),
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 3}', "1 of 2 keys differs"),
        ('{"a": 1}', '{ "a":1 }', "only the spelling differs"),
        ('{"a": true}', '{"a": 1}', "1 of 1 key differs"),
        ("[1, 2]", "[1]", "1 of 2 entries differs"),
    ],
)
def test_what_tells_two_values_apart_is_said(ours: str | None, theirs: str | None, note: str) -> None:
    assert difference(ours, theirs).note == note


def test_the_word_that_changed_is_marked_and_long_stretches_that_are_alike_are_left_out() -> None:
    before, after = "the beginning of a story, " * 40, " and so it ends, as all of them do" * 40
    found = difference(f"{before}a black cat{after}", f"{before}a white cat{after}", CHANGED)
    assert (marked(found.ours), marked(found.theirs)) == (["black"], ["white"])
    assert len(found.ours.plain) < 80
    assert found.ours.plain.count(LEFT_OUT) == 2


def test_json_is_compared_by_key_at_every_depth() -> None:
    found = difference('{"a": {"b": [1, {"c": "x"}]}, "z": 0}', '{"a": {"b": [1, {"d": "x"}]}, "z": 0}', CHANGED)
    assert found.ours.plain.splitlines() == ['a.b[1].c: "x"', "a.b[1].d: (not there)", "… 2 alike"]
    assert found.theirs.plain.splitlines() == ["a.b[1].c: (not there)", 'a.b[1].d: "x"', "… 2 alike"]


def test_values_of_any_size_are_bounded() -> None:
    found = difference("a b " * MOST_CHARACTERS, "c d " * MOST_CHARACTERS)
    assert "60,000 more" in found.ours.plain
    assert len(found.ours.plain) < MOST_CHARACTERS + 40


@given(st.text(max_size=50), st.text(max_size=50))
def test_a_short_text_is_shown_whole_whatever_is_in_it(ours: str, theirs: str) -> None:
    found = difference(f"x{ours}", f"x{theirs}")
    for text in (found.ours, found.theirs):
        assert all(c.isprintable() or c == "\n" for c in text.plain)
