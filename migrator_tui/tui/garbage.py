"""The garbage collector's long pauses, kept out of the time in which a run works or a person types.

A full collection walks every object there is, which with all libraries and a plan loaded takes a tenth of a second and
more, and with what a few pages of conflicts leave behind still half of that; no thread of the process runs meanwhile,
so no key is answered.
"""

from __future__ import annotations

import gc

RARELY = 20
"""How many times as rarely a full collection comes by itself, for those who type without a pause."""
DUE = 10
"""Collections of younger objects after which a full one is worth its time, as Python has it by itself."""

Thresholds = tuple[int, int, int]


def set_aside() -> None:
    """Collect once, and leave what is alive now out of all further collections."""
    gc.collect()
    gc.freeze()


def take_back() -> None:
    """Let the collector look at everything again."""
    gc.unfreeze()


def hold_back() -> Thresholds:
    """Have full collections wait for :func:`collect_if_due`.

    Returns:
        How often they came, for :func:`restore`.
    """
    before = gc.get_threshold()
    gc.set_threshold(before[0], before[1], before[2] * RARELY)
    return before


def restore(before: Thresholds) -> None:
    """Have full collections come by themselves again."""
    gc.set_threshold(*before)


def collect_if_due() -> None:
    """Collect everything where enough has come together: to be called while nobody types."""
    if gc.get_count()[2] >= DUE:
        gc.collect()
