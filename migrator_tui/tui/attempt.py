"""An attempt to open both ends: on a thread of its own, polled by the screen, given up at any moment."""

from __future__ import annotations

import threading

from migrator_tui.migration.guide import Bench, Ends, Guide, Step
from migrator_tui.model.errors import Interrupted, MigratorError
from migrator_tui.model.secret import Secret


class Attempt:
    """Opens the ends once. Not a worker of Textual's: quitting would wait for one that waits for a server.

    Attributes:
        ends, password: What is tried; the password as typed, or None.
        bench: Both ends opened, once it has ended well.
        error: Why it ended otherwise.
    """

    def __init__(self, guide: Guide, ends: Ends, password: Secret | None, *, keep_password: bool = False) -> None:
        self.ends, self.password = ends, password
        self.bench: Bench | None = None
        self.error: MigratorError | None = None
        self._guide = guide
        self._keep = keep_password and password is not None
        self._lock = threading.Lock()
        self._steps: list[Step] = []
        self._ended = False
        self._given_up = False
        self._thread = threading.Thread(target=self._main, name="connection-test", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def give_up(self) -> None:
        """Nobody waits for it any more; what it opens is let go."""
        with self._lock:
            self._given_up = True
            ended = self._ended
        if ended and self.bench is not None:
            self.bench.close()

    @property
    def ended(self) -> bool:
        """It came to an end, good or bad."""
        with self._lock:
            return self._ended

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps so far, each once; after an error the last one is what failed."""
        with self._lock:
            return tuple(self._steps)

    def _say(self, step: Step) -> None:
        with self._lock:
            if self._given_up:
                raise Interrupted("CANCELLED", "The connection test was cancelled.", "Enter starts it again.")
            if self._steps and self._steps[-1].ok is None:
                self._steps.pop()
            self._steps.append(step)

    def _main(self) -> None:
        bench: Bench | None = None
        error: MigratorError | None = None
        try:
            bench = self._guide.open(self.ends, self.password, self._say)
            if self._keep and self.password is not None:
                self._say(self._kept(self.password))
        except MigratorError as raised:
            error = raised
        except Exception as fault:
            text = f"The program met a fault of its own: {type(fault).__name__}."
            error = MigratorError("FAULT", text, "Try again; please report it.")
        with self._lock:
            self.bench, self.error, self._ended = bench, error, True
            given_up = self._given_up
        if bench is not None and (given_up or error is not None):
            bench.close()
            self.bench = None

    def _kept(self, password: Secret) -> Step:
        """Not being able to keep it is told, and does not stop anything."""
        self._say(Step("keyring", None, "keeping the password"))
        try:
            return Step("keyring", True, f"the password is kept in {self._guide.keep_password(self.ends, password)}")
        except MigratorError as error:
            return Step("keyring", False, f"the password was not kept: {error.message}", error.hint)
