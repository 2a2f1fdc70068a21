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
"""Collections of younger objects after which a full one is worth its time: Python's own number of them."""

_BEFORE = gc.get_threshold()


def set_aside() -> None:
    """Collect once, and leave what is alive now out of all further collections."""
    gc.collect()
    gc.freeze()


def take_back() -> None:
    """Let the collector look at everything again."""
    gc.unfreeze()


def hold_back() -> None:
    """Have full collections wait for :func:`collect_if_due`."""
    gc.set_threshold(_BEFORE[0], _BEFORE[1], _BEFORE[2] * RARELY)


def let_go() -> None:
    """Have full collections come by themselves again."""
    gc.set_threshold(*_BEFORE)


def collect_if_due() -> bool:
    """Collect everything where enough has come together: to be called while nobody types.

    Returns:
        Whether it did.
    """
    if gc.get_count()[2] < DUE:
        return False
    gc.collect()
    return True
