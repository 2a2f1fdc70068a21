"""The engine is made when something is first asked of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import cast

from migrator_tui.migration.guide import Guide
from migrator_tui.migration.guide_later import later


class Asked:
    """A guide that notes what it was asked."""

    def __init__(self) -> None:
        self.closed = 0

    def runs(self) -> list[str]:
        return ["one"]

    def close(self) -> None:
        self.closed += 1


def test_it_is_made_once_by_whoever_asks_first_and_closing_makes_none() -> None:
    made: list[Asked] = []

    def make() -> Guide:
        made.append(Asked())
        return cast("Guide", made[-1])

    unasked = later(make)
    unasked.close()
    assert made == []

    guide, together = later(make), Barrier(4)

    def ask(_: int) -> object:
        together.wait()
        return guide.runs()

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == [["one"]] * 4
    guide.close()
    assert [one.closed for one in made] == [1]
