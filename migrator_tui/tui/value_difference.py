"""How two values of a field differ: changes marked, what is alike left out, dates and numbers with the distance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from difflib import SequenceMatcher
from typing import Any

from rich.text import Text

from migrator_tui.tui.wording import counted, visible

LONG = 60
"""Characters from which parts that are alike on both sides are left out."""
AROUND = 16
"""Characters that are shown on either side of a change."""
MOST_CHARACTERS = 20_000
"""Of a value; what lies beyond is not compared on screen, and said to be left out."""
MOST_WORDS = 400
"""Between the common beginning and end; beyond it all of the middle counts as changed."""
MOST_KEYS = 40
"""Lines of a JSON value."""
WORD = re.compile(r"\w+|\s+|[^\w\s]")
DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d.*)?")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
LEFT_OUT = "…"


@dataclass(frozen=True, slots=True)
class Difference:
    """Two values of a field as they are shown.

    Attributes:
        ours, theirs: The source's and the target's value, changed parts in the style ``changed``.
        note: What tells them apart in a few words, such as ``source 3 days newer``; empty where seeing is enough.
    """

    ours: Text
    theirs: Text
    note: str = ""


def difference(ours: str | None, theirs: str | None, changed: str = "bold underline") -> Difference:
    """Compare two values that are not equal.

    Args:
        changed: The style of what only one side has.
    """
    if ours is None or theirs is None:
        only = "only the target has a value" if ours is None else "only the source has a value"
        return Difference(_whole(ours, changed), _whole(theirs, changed), only)
    if (documents := _documents(ours, theirs)) is not None:
        return _json(*documents, changed)
    note = _moment(ours, theirs) or _distance(ours, theirs)
    if note:
        return Difference(_whole(ours, changed), _whole(theirs, changed), note)
    return _texts(ours, theirs, changed)


def _whole(value: str | None, changed: str) -> Text:
    return Text("NULL", "italic") if value is None else Text(shortened(value), changed)


def shortened(value: str) -> str:
    """A value made safe to show, cut where it is very long."""
    text = visible(value[:MOST_CHARACTERS])
    left = len(value) - MOST_CHARACTERS
    return f"{text}{LEFT_OUT} ({left:,} more)" if left > 0 else text


# ── dates and numbers ───────────────────────────────────────────────────────────────────────────────────────────────


def _moment(ours: str, theirs: str) -> str:
    a, b = _time(ours), _time(theirs)
    if a is None or b is None or a == b:
        return ""
    return f"source {_span(abs(a - b))} {'newer' if a > b else 'older'}"


def _time(text: str) -> datetime | None:
    if len(text) > 40 or not DATE.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _span(span: timedelta) -> str:
    seconds = span.total_seconds()
    for size, noun in ((31_557_600, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        # Up to two years are told in days: "1 year" says little of 500 days.
        if seconds >= size * (2 if noun == "year" else 1):
            return counted(int(seconds // size), noun)
    return f"{seconds:.3g} seconds"


def _distance(ours: str, theirs: str) -> str:
    if len(ours) > 40 or len(theirs) > 40 or not NUMBER.fullmatch(ours) or not NUMBER.fullmatch(theirs):
        return ""
    if any(len(text) > 1 and text.lstrip("-").startswith("0") and "." not in text for text in (ours, theirs)):
        return ""  # a code such as 0042 and no number
    try:
        span = Decimal(ours) - Decimal(theirs)
    except InvalidOperation:
        return ""
    return f"source {abs(span):,f} {'more' if span > 0 else 'less'}" if span else ""


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _texts(ours: str, theirs: str, changed: str) -> Difference:
    a, b = visible(ours[:MOST_CHARACTERS]), visible(theirs[:MOST_CHARACTERS])
    left, right = Text(), Text()
    elide = max(len(a), len(b)) > LONG
    pieces = list(_pieces(a, b))
    for n, (mine, other, same) in enumerate(pieces):
        if same:
            kept = _elided(mine, first=n == 0, last=n == len(pieces) - 1) if elide else mine
            left.append(kept, "not bold")
            right.append(kept, "not bold")
        else:
            left.append(mine, changed)
            right.append(other, changed)
    for text, value in ((left, ours), (right, theirs)):
        if len(value) > MOST_CHARACTERS:
            text.append(f"{LEFT_OUT} ({len(value) - MOST_CHARACTERS:,} more)", "dim")
    return Difference(left, right, _telling(ours, theirs))


def _telling(ours: str, theirs: str) -> str:
    """What a reader may not see in the letters."""
    if ours.casefold() == theirs.casefold():
        return "only case differs"
    if ours.split() == theirs.split():
        return "only white space differs"
    span = len(ours) - len(theirs)
    if max(len(ours), len(theirs)) > LONG and span:
        return f"source {counted(abs(span), 'character')} {'longer' if span > 0 else 'shorter'}"
    return ""


def _pieces(a: str, b: str) -> Iterator[tuple[str, str, bool]]:
    """Stretches of both texts in order: (left, right, whether they are the same)."""
    begin = _common(a, b)
    end = min(_common(a[::-1], b[::-1]), min(len(a), len(b)) - begin)
    if begin:
        yield a[:begin], b[:begin], True
    left, right = a[begin : len(a) - end], b[begin : len(b) - end]
    if left or right:
        words, others = WORD.findall(left), WORD.findall(right)
        if max(len(words), len(others)) > MOST_WORDS or not words or not others:
            yield left, right, False
        else:
            for what, i, j, k, m in SequenceMatcher(None, words, others, autojunk=False).get_opcodes():
                yield "".join(words[i:j]), "".join(others[k:m]), what == "equal"
    if end:
        yield a[len(a) - end :], b[len(b) - end :], True


def _common(a: str, b: str) -> int:
    """Length of the common beginning, found by halving: comparing slices is quick."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _elided(text: str, *, first: bool, last: bool) -> str:
    """A stretch that is alike on both sides, shortened in its middle, or where no change is beside it."""
    head, tail = ("" if first else text[:AROUND]), ("" if last else text[-AROUND:])
    return text if len(text) <= len(head) + len(tail) + 4 else f"{head}{LEFT_OUT}{tail}"


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────────

_MISSING = object()


def _documents(ours: str, theirs: str) -> tuple[Any, Any] | None:
    """Both values as JSON objects or arrays of the same kind; None where they are not."""
    found = []
    for text in (ours, theirs):
        if len(text) > MOST_CHARACTERS or text.lstrip()[:1] not in ("{", "["):
            return None
        try:
            found.append(json.loads(text))
        except (ValueError, RecursionError):
            return None
    a, b = found
    return (a, b) if type(a) is type(b) else None


def _json(ours: Any, theirs: Any, changed: str) -> Difference:
    left, right = Text(), Text()
    rows = list(_paths(ours, theirs, "", 0))
    differing = [row for row in rows if not _equal(row[1], row[2])]
    if not differing:
        same = Text("the same JSON, written otherwise", "italic")
        return Difference(same, same, "only the spelling differs")
    for path, a, b in differing[:MOST_KEYS]:
        for text, value in ((left, a), (right, b)):
            text.append(f"{visible(path)}: ", "dim")
            if value is _MISSING:
                text.append("(not there)\n", "italic dim")
            else:
                shown = json.dumps(value, ensure_ascii=False)
                text.append(f"{visible(shown[:400])}{LEFT_OUT if len(shown) > 400 else ''}\n", changed)
    alike, more = len(rows) - len(differing), len(differing) - MOST_KEYS
    rest = [f"{counted(more, 'more difference')}"] if more > 0 else []
    rest += [f"{alike:,} alike"] if alike else []
    for text in (left, right):
        text.append(f"{LEFT_OUT} {', '.join(rest)}" if rest else "", "dim")
        text.rstrip()
    noun = "entry" if isinstance(ours, list) else "key"
    plural = "entries" if isinstance(ours, list) else "keys"
    differ = "differs" if len(differing) == 1 else "differ"
    return Difference(left, right, f"{len(differing):,} of {counted(len(rows), noun, plural)} {differ}")


def _equal(a: Any, b: Any) -> bool:
    """JSON's equality: true is not 1, and 1 is not 1.0 where both are texts of numbers."""
    return a is not _MISSING and b is not _MISSING and json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def _paths(a: Any, b: Any, path: str, depth: int) -> Iterator[tuple[str, Any, Any]]:
    """Every place of two documents with both values; containers of one kind are gone into."""
    if isinstance(a, Mapping) and isinstance(b, Mapping) and depth < 20 and (a or b or not path):
        for key in dict.fromkeys((*a, *b)):
            yield from _paths(a.get(key, _MISSING), b.get(key, _MISSING), f"{path}.{key}" if path else key, depth + 1)
    elif _lists(a, b) and depth < 20:
        for n in range(max(len(a), len(b))):
            yield from _paths(_at(a, n), _at(b, n), f"{path}[{n}]", depth + 1)
    else:
        yield path, a, b


def _lists(a: Any, b: Any) -> bool:
    return isinstance(a, list) and isinstance(b, list) and bool(a or b)


def _at(values: Sequence[Any], n: int) -> Any:
    return values[n] if n < len(values) else _MISSING
