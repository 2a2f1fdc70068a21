"""Option lists that take a page key before their options are laid out.

Textual 8.2.8's ``OptionList`` raises KeyError for a page key in the frame in which its options were replaced, and for
one that reaches the closed list of a ``Select``.
"""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from textual.app import ComposeResult
from textual.widgets import OptionList, Select
from textual.widgets._select import SelectCurrent, SelectOverlay

Value = TypeVar("Value")


class OptionLines(OptionList):
    """A list whose page keys wait for its lines."""

    def _move_page(self, direction: Literal[-1, 1]) -> None:
        if (self.highlighted or 0) in self._index_to_line:
            super()._move_page(direction)


class DropdownLines(SelectOverlay, OptionLines):
    """The open list of a :class:`Dropdown`."""


class Dropdown(Select[Value], Generic[Value]):
    """A ``Select`` over :class:`OptionLines`."""

    def compose(self) -> ComposeResult:
        """The value, and the list over it."""
        yield SelectCurrent(self.prompt)
        yield DropdownLines(type_to_search=self._type_to_search).data_bind(compact=Select.compact)
