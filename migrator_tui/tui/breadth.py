"""How wide the terminal is, in the classes that the screens' layouts go by."""

from __future__ import annotations

BREADTHS = ((0, "-narrow"), (100, "-wide"), (140, "-very-wide"))
"""From how many columns on a screen has a class; it has one of them."""


def breadth(columns: int) -> str:
    """The class of a screen that is so wide.

    Textual gives it after the first painting. A screen that takes it when it is composed is not seen in the layout of
    another width first.
    """
    return [name for least, name in BREADTHS if columns >= least][-1]
