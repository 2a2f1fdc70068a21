"""Keys that were typed before what they are about is there: kept in order, and done when it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Act = Callable[[], None]


class TypedAhead:
    """What waits, each for a line of a list, or only for what was typed before it."""

    def __init__(self, ready: Callable[[int | None], bool]) -> None:
        """``ready`` says whether a line is there; None stands for the list itself."""
        self._ready = ready
        self._held: deque[tuple[int | None, Act]] = deque()

    def __len__(self) -> int:
        return len(self._held)

    def hold(self, line: int | None, act: Act) -> None:
        """Keep something to be done once a line is there."""
        self._held.append((line, act))

    def take_back(self) -> int | None:
        """Forget what was typed last; the line that it was for."""
        return self._held.pop()[0]

    def forget(self) -> int:
        """Forget all of it; how much that was."""
        count = len(self._held)
        self._held.clear()
        return count

    def catch_up(self, go_on: Callable[[], bool]) -> None:
        """Do what can be done, in order, as long as ``go_on`` says so. What is held again on the way comes first."""
        waiting, self._held = self._held, deque()
        while waiting and go_on() and self._ready(waiting[0][0]):
            waiting.popleft()[1]()
        self._held.extend(waiting)
