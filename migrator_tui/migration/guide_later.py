"""A guide that is made, and all of the engine imported, when something is first asked of it, on the asker's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from migrator_tui.migration.guide import Guide


def later(make: Callable[[], Guide]) -> Guide:
    """A guide that stands for one which ``make`` gives as it is first asked something."""
    return cast("Guide", _Later(make))


class _Later:
    def __init__(self, make: Callable[[], Guide]) -> None:
        self._make = make
        self._making = threading.Lock()
        self._made: Guide | None = None

    def __getattr__(self, name: str) -> Any:
        with self._making:
            self._made = self._made or self._make()
        return getattr(self._made, name)

    def close(self) -> None:
        """Stop what was started; nothing is made for it."""
        with self._making:
            if self._made is not None:
                self._made.close()
