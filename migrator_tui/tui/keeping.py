"""Saving in a thread of its own: what changed last is what is saved, however quickly it changes."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Keeper:
    """Calls ``work`` soon after each :meth:`wake`, once for several that come while it is at work.

    The thread ends when there is nothing to do, and the process waits for it, so nothing that was decided is lost by
    quitting.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        """``work`` saves what is to be saved at that moment; it raises nothing."""
        self._work = work
        self._changed = threading.Condition()
        self._wanted = self._at_work = False

    def wake(self) -> None:
        """Something changed."""
        with self._changed:
            self._wanted = True
            if not self._at_work:
                self._at_work = True
                threading.Thread(target=self._run, name="keeping decisions").start()

    def wait(self) -> None:
        """Until everything is saved."""
        with self._changed:
            self._changed.wait_for(lambda: not self._at_work)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._wanted:
                    self._at_work = False
                    self._changed.notify_all()
                    return
                self._wanted = False
            self._work()
