"""Python's lock, handed over soon enough for keys to be answered while the engine computes.

A thread that computes keeps the lock for 5 ms once another one waits for it, and the screens' thread waits for it some
twenty times between a key and its paint, as often as it looks for events. With two threads computing, keys were
answered after a tenth of a second to more than one; handed over after 1 ms, nearly as soon as without them.
"""

from __future__ import annotations

import sys

TURN = 0.001
"""Seconds."""


def shorten() -> float:
    """Make turns short.

    Returns:
        How long they were, for :func:`restore`.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(TURN, before))
    return before


def restore(before: float) -> None:
    """Make turns as long as they were."""
    sys.setswitchinterval(before)
