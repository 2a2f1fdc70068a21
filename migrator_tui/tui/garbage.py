"""The garbage collector's long pauses, kept out of the time in which a run works.

A full collection walks every object there is, which with all libraries and a plan loaded takes a tenth of a second and
more; no thread of the process runs meanwhile, so no key is answered.
"""

from __future__ import annotations

import gc


def set_aside() -> None:
    """Collect once, and leave what is alive now out of all further collections."""
    gc.collect()
    gc.freeze()


def take_back() -> None:
    """Let the collector look at everything again."""
    gc.unfreeze()
