"""The progress board: counters that the workers write and front ends read as one frozen snapshot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from migrator_tui.model.plan import TablePlan
from migrator_tui.model.progress import Progress, RunStatus, Stage, StageProgress, TableProgress, TableState
from migrator_tui.model.schema import TableName


class Board:
    """Thread-safe. ``snapshot`` is cheap enough to be called ten times a second with thousands of tables."""

    def __init__(self, run: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._began = clock()
        self._stage_began: float | None = None
        self._stages = {stage: StageProgress(stage) for stage in Stage}
        self._tables: dict[str, TableProgress] = {}
        self._beside: set[str] = set()
        self._table_began: dict[str, float] = {}
        self._status = RunStatus.RUNNING
        self._message = ""
        self._retry: str | None = None
        self._waiting_for: str | None = None
        self._merges_into: tuple[TableName, ...] = ()
        self._changes: tuple[str, ...] = ()

    def snapshot(self) -> Progress:
        """Everything at this moment."""
        with self._lock:
            return Progress(
                run=self._run,
                status=self._status,
                stages=tuple(self._stages.values()),
                tables=tuple(self._tables.values()),
                message=self._message,
                retry=self._retry,
                waiting_for=self._waiting_for,
                seconds=self._clock() - self._began,
                merges_into=self._merges_into,
                changes=self._changes,
            )

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """While inside, the stage is the active one; its seconds add up over repetitions."""
        began = self._clock()
        with self._lock:
            self._stages[stage] = replace(self._stages[stage], active=True)
        try:
            yield
        finally:
            with self._lock:
                before = self._stages[stage].seconds or 0.0
                self._stages[stage] = StageProgress(stage, False, before + self._clock() - began)

    def seconds(self) -> tuple[tuple[str, float], ...]:
        """Seconds of each stage that ran."""
        with self._lock:
            return tuple((s.name.value, s.seconds) for s in self._stages.values() if s.seconds is not None)

    def set_tables(self, tables: Iterable[TablePlan]) -> None:
        """The tables of the plan, all waiting. What moves beside them stays."""
        with self._lock:
            beside = {name: line for name, line in self._tables.items() if name in self._beside}
            self._tables = {
                table.source: TableProgress(
                    table.source, str(table.target), TableState.WAITING, table.rows, bytes_total=table.bytes
                )
                for table in tables
            } | beside

    def set_beside(self, name: str, target: str, total: int, *, unit: str, bytes: int = 0) -> None:
        """A line for what moves beside the tables; counted by :meth:`add` and :meth:`set_table` under its name.

        Args:
            name: Unlike any table's: ``auth.users``, ``storage/documents``.
        """
        with self._lock:
            self._beside.add(name)
            self._tables[name] = TableProgress(name, target, TableState.WAITING, total, bytes_total=bytes, unit=unit)

    def set_table(self, source: str, state: TableState) -> None:
        """A table reached a state."""
        with self._lock:
            now = self._clock()
            began = self._table_began.setdefault(source, now)
            self._tables[source] = replace(self._tables[source], state=state, seconds=now - began)

    def add(self, source: str, *, rows: int = 0, quarantined: int = 0, checked: int = 0, bytes: int = 0) -> None:
        """Count committed or checked rows."""
        with self._lock:
            table = self._tables[source]
            self._tables[source] = replace(
                table,
                rows_done=table.rows_done + rows,
                rows_quarantined=table.rows_quarantined + quarantined,
                rows_checked=table.rows_checked + checked,
                bytes_done=table.bytes_done + bytes,
                seconds=self._clock() - self._table_began.setdefault(source, self._clock()),
            )

    def say(self, message: str) -> None:
        """The latest thing worth a line."""
        with self._lock:
            self._message = message

    def set_status(self, status: RunStatus) -> None:
        """The run's status."""
        with self._lock:
            self._status = status

    def set_retry(self, why: str | None) -> None:
        """Why the engine waits to try again; None when it works again."""
        with self._lock:
            self._retry = why

    def set_merges_into(self, tables: tuple[TableName, ...]) -> None:
        """The live tables with rows that the run merges into."""
        with self._lock:
            self._merges_into = tables

    def set_changes(self, changes: tuple[str, ...]) -> None:
        """What will be written into which end, a line each."""
        with self._lock:
            self._changes = changes

    def set_waiting(self, what: str | None) -> None:
        """What the run waits for: ``decisions``, ``confirmation``, or nothing."""
        with self._lock:
            self._waiting_for = what
