"""Worker threads that the runner owns: plain, named, joined under a time limit, and never left holding a connection.

Not a pool of the standard library: those wait for their threads at exit, and a thread that is stuck in a COPY on a
dead link would keep the process alive.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from migrator_tui.migration.control import Control, PauseRequested, cancelled
from migrator_tui.model.errors import ConnectionLost
from migrator_tui.postgres.connect import Target, retrying, worth_another_try

Task = TypeVar("Task")

STUCK_AFTER = 0.4
"""Seconds that a pause or cancel waits for a batch to end before the backends are terminated."""
ABANDONED_AFTER = 0.9
"""Seconds after which a cancel no longer waits for a thread whose connection does not answer."""
LOOK_EVERY = 0.05


class Context(Protocol):
    """What a worker holds for itself: connections."""

    def close(self) -> None:
        """Let go of everything, whatever state it is in."""


Held = TypeVar("Held", bound=Context)


class Workers(Generic[Held, Task]):
    """Runs tasks in a few threads, each with a context of its own, surviving lost connections and pauses."""

    def __init__(
        self,
        name: str,
        count: int,
        target: Target,
        control: Control,
        *,
        open_context: Callable[[], Held],
        work: Callable[[Held, Task], None],
        on_retry: Callable[[str | None], None],
        terminate: Callable[[list[Held]], None],
        leave: Callable[[Held], None] | None = None,
    ) -> None:
        """
        Args:
            work: Does one task. Called again for the same task after a lost connection or a pause.
            on_retry: Told why a worker waits, and None when it works again.
            terminate: Ends the backends of contexts that do not react; called from the waiting thread.
            leave: Takes a context whose thread has nothing more to do; without it the context is closed.
        """
        self._name = name
        self._count = count
        self._target = target
        self._control = control
        self._open_context = open_context
        self._work = work
        self._on_retry = on_retry
        self._terminate = terminate
        self._leave = leave
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._busy: dict[int, Held] = {}
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._opening = threading.Lock()
        self._opened = False

    def run(self, tasks: Iterable[Task]) -> None:
        """Do all tasks, or raise what the first failing one raised.

        Raises:
            Interrupted: Cancelled. Threads that do not come back in time are left behind; the fence stops them.
        """
        for task in tasks:
            self._tasks.put(task)
        threads = [
            threading.Thread(target=self._loop, name=f"{self._name}-{number}", daemon=True)
            for number in range(min(self._count, max(1, self._tasks.qsize())))
        ]
        for thread in threads:
            thread.start()
        self._watch(threads)
        if self._failure is not None:
            raise self._failure
        self._control.check()

    def _watch(self, threads: list[threading.Thread]) -> None:
        asked: float | None = None
        terminated = False
        while alive := [thread for thread in threads if thread.is_alive()]:
            alive[0].join(LOOK_EVERY)
            if not (self._control.paused or self._control.stopped.is_set() or self._stop.is_set()):
                asked, terminated = None, False
                continue
            now = time.monotonic()
            asked = asked or now
            if now - asked > STUCK_AFTER and not terminated:
                with self._lock:
                    stuck = list(self._busy.values())
                if stuck:
                    # On a thread of its own: the server may not answer this connection either.
                    threading.Thread(target=self._terminate, args=(stuck,), daemon=True).start()
                terminated = True
            if self._control.stopped.is_set() and now - asked > ABANDONED_AFTER:
                raise cancelled()

    def _loop(self) -> None:
        held: list[Held] = []
        try:
            while not self._stop.is_set():
                self._control.between_chunks()
                try:
                    task = self._tasks.get_nowait()
                except queue.Empty:
                    if self._leave is not None:
                        for context in held:
                            self._leave(context)
                        held.clear()
                    return
                retrying(
                    lambda task=task: self._attempt(held, task),  # type: ignore[misc]
                    target=self._target,
                    established=True,
                    stop=self._control.stopped,
                    on_wait=self._on_retry,
                )
        except BaseException as error:
            with self._lock:
                self._failure = self._failure or error
            self._stop.set()
        finally:
            for context in held:
                context.close()

    def _open(self) -> Held:
        if self._opened:
            return self._open_context()
        # One at first: a password that is refused is refused once, not once by each worker.
        with self._opening:
            if self._failure is not None:
                raise self._failure
            try:
                context = self._open_context()
            except BaseException as error:
                if not worth_another_try(error, established=True):
                    self._failure = error
                raise
            self._opened = True
            return context

    def _attempt(self, held: list[Held], task: Task) -> None:
        while True:
            if self._stop.is_set():
                return
            self._control.between_chunks()
            if not held:
                held.append(self._open())
                self._on_retry(None)
            context = held[0]
            identity = threading.get_ident()
            with self._lock:
                self._busy[identity] = context
            try:
                self._work(context, task)
                return
            except PauseRequested:
                continue
            except ConnectionLost:
                held.clear()
                context.close()
                if self._control.paused:  # the connection was ended to make the pause take effect
                    continue
                self._control.check()
                raise
            finally:
                with self._lock:
                    self._busy.pop(identity, None)
