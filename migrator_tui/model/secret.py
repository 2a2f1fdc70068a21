"""A secret that does not print itself."""

from __future__ import annotations


class Secret:
    """A password or key. ``str``, ``repr`` and formatting give ``***``; only :meth:`reveal` gives the text.

    It cannot be pickled and is no string, so that JSON, YAML and string joins refuse it instead of writing it out.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one call that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")
